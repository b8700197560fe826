"""A year of a district's clinics, in a synthetic world: who comes, what is sent, and what the product makes of it."""
