"""Several processes for folds and photos."""

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any

from pallor.errors import Unavailable


class ProcessLost(Unavailable):
    """One of them was killed, as the system does where memory runs out."""


@contextmanager
def pool_of(count: int, initializer: Callable[..., None], *initargs: Any) -> Iterator[ProcessPoolExecutor]:
    """A pool of fresh processes: a fork of one that has run torch or OpenCV may hang.

    Raises:
        ProcessLost: one was killed; the others are ended.
    """
    with ProcessPoolExecutor(count, get_context("spawn"), initializer=initializer, initargs=initargs) as pool:
        try:
            yield pool
        except BrokenProcessPool as error:
            raise ProcessLost(
                f"one of {count} processes was killed, most likely for want of memory: give fewer --processes and call "
                "again; what is done stays done"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)  # one that fails must not wait for all that could still be done
