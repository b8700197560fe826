"""What a candidate is worth, told twice from the same numbers: a card in Markdown and a page in HTML."""
