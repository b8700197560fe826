"""The routes, one blueprint an audience; each is a few lines around a verb."""
