"""The commands that print figures; every figure in a document or a comment was printed by one of them."""
