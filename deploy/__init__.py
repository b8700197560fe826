"""What is needed to install Pallor: pinned dependencies, and the proof that each extra stands alone."""
