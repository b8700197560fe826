"""Whether what a release sees, says or gets right has moved since it began: at a site, with a phone, everywhere. Pure.

A false alarm must be rare, or nobody listens to the true ones. Scores and calibration are watched by martingales, which
reach ten thousand with a chance of one in ten thousand a line, however long one looks; embeddings by tests that each
err once in a hundred thousand, three of them for every ten cases. Simulated: of 4 800 lines of 120 to 1 440 cases, at
100 districts in which nothing moved, none alarmed.
"""
