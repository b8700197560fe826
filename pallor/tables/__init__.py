"""Versioned clinical tables, as data: a new edition is a new file, an old one is never edited."""
