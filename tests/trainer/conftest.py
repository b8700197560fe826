"""One thread for torch: on a busy machine several stall each other, and the sums would differ from run to run."""

import pytest


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    torch = pytest.importorskip("torch", reason="the trainer's extra is not installed")
    torch.set_num_threads(1)
