"""One machine: every part started by its command name on embedded defaults, and the demonstration that walks it."""
