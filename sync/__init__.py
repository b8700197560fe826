"""Brings releases to this machine: signed ones by themselves, step by step, and back when they do harm."""
