"""A process that is killed costs an error with a name."""

import os
from math import factorial

import pytest

from trainer.pool import ProcessLost, pool_of


def test_work_is_done_elsewhere():
    with pool_of(1, os.umask, 0o077) as pool:
        assert pool.submit(factorial, 5).result() == 120
        assert pool.submit(os.getpid).result() != os.getpid()


def test_a_process_that_was_killed_is_named():
    with pytest.raises(ProcessLost, match="fewer --processes"), pool_of(1, os.umask, 0o077) as pool:
        pool.submit(os._exit, 9).result()
