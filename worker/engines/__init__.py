"""What runs a model's graph: one port, a runtime a module."""
