"""What the backend does, one verb a module: no HTTP here, and every verb owns its transaction."""
