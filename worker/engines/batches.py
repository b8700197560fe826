"""Batches of fixed sizes: on a GPU each size is a program of its own, made ready before the first photo comes."""

from collections.abc import Iterator

# Photos at once: at least, most often, at most. Plans of fixed sizes were up to 100 times as large (docs/adr/0012).
BATCH = (1, 8, 32)
PROFILE = "batch-1-8-32"


def parts_of(photos: int) -> Iterator[tuple[int, int, int]]:
    """How a batch is cut: where each part starts and stops, and the fixed size that it is padded up to.

    What is more than the largest size is cut off in parts of it; the rest takes the next size that holds it.
    """
    for start in range(0, max(photos, 1), BATCH[-1]):
        stop = min(start + BATCH[-1], photos)
        yield start, stop, next(size for size in BATCH if size >= stop - start)
