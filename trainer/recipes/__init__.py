"""Recipes as data: a changed number is a new recipe with a new name."""
