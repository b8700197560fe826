"""Whether what a release sees, says or gets right has moved since it began: at a site, with a phone, everywhere. Pure.

A false alarm must be rare, or nobody listens to the true ones. Scores and calibration are watched by martingales, which
reach ten thousand with a chance of one in ten thousand a line, however long one looks; embeddings by tests that each
err once in a hundred thousand, three of them for every ten cases of a site. ``benchmarks/results/drift.json`` holds how
often that cries for nothing, and how soon it notices.
"""
