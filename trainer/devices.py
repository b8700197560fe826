"""Where torch computes: the GPUs that can be seen, else the CPU. Nothing else in the trainer asks.

Several GPUs need no other command: the work is done on each of them in a process of its own, while the caller stays one
process. ``CUDA_VISIBLE_DEVICES`` says which may be used, as for every program.
"""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any, cast

import torch
from lightning_fabric import Fabric

from trainer.checkpoint import Weights

# Fabric announces precision and ranks on stderr. Here and not below, for the sake of the processes that it starts.
logging.getLogger("lightning_fabric").setLevel(logging.WARNING)

# Batch norms see their own device's share of a batch only: fewer photos than this say little of a channel's spread.
_FEWEST_PHOTOS_A_DEVICE = 8
Stepped = Callable[[], None]
Work = Callable[[Fabric, Stepped], Weights]


def run_on_devices(work: Work, *, batch: int, precision: str, devices: int | None, stepped: Stepped) -> Weights:
    """Do the work on every device at once; what the first one gives back.

    Args:
        work: with several devices it is pickled.
        batch: photos that all devices together work on at a time.
        precision: of Lightning Fabric.
        devices: None for as many GPUs as are worth their share of the batch, or the CPU.
        stepped: called here, in the caller's process, as often as the first device calls its own.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it cuBLAS may add up in another order
    torch.use_deterministic_algorithms(True)
    # Filling fresh memory only costs time: nothing here reads it before it is written.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    count = devices or max(1, min(torch.cuda.device_count(), batch // _FEWEST_PHOTOS_A_DEVICE))
    strategy = "ddp_spawn" if count > 1 else "auto"
    fabric = Fabric(devices=count, strategy=strategy, precision=cast(Any, precision))
    if count == 1:
        return cast(Weights, fabric.launch(cast(Any, work), stepped))
    with TemporaryDirectory() as folder, _passed_on(stepped) as tell:
        # What Fabric's processes return goes through a pipe, which is too narrow for weights.
        left = Path(folder) / "weights.pt"
        fabric.launch(cast(Any, _leave), work, left, tell)
        return cast(Weights, torch.load(left, weights_only=True))


def _leave(fabric: Fabric, work: Work, path: Path, stepped: Stepped) -> None:
    weights = work(fabric, stepped)
    if fabric.is_global_zero:
        torch.save(weights, path)


@contextmanager
def _passed_on(stepped: Stepped) -> Iterator[Stepped]:
    """What another process may call in place of ``stepped``."""
    steps = get_context("spawn").SimpleQueue()

    def listen() -> None:
        while steps.get():
            stepped()

    listener = Thread(target=listen)
    listener.start()
    try:
        yield partial(steps.put, True)
    finally:
        steps.put(False)
        listener.join()
