"""Ways to answer photos, to be timed against each other; ``benchmarks.serving`` and ``benchmarks.swap`` use them."""
