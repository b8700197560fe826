"""What a release is, and where the active one lies."""
