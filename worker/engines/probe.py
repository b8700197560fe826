"""Looks at the machine: processor, GPU, libraries. Nothing is loaded onto the GPU by that."""

import os
import platform
from functools import cache
from pathlib import Path

from pallor.errors import Unavailable
from worker.engines import onnx
from worker.engines.cuda import CudaFailed, Gpu, find_gpu
from worker.engines.machine import ONNXRUNTIME_CUDA, Library, Machine
from worker.engines.tensorrt import MODULES, TensorRt

# Those that matter to integers and halves.
_SETS = (
    "avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16", "asimd", "asimddp", "i8mm",
)  # fmt: skip


@cache
def probe() -> Machine:
    """This machine, looked at once a process."""
    processor, sets = _processor()
    libraries = {flavour: _library(flavour) for flavour in MODULES}
    if onnx.HAS_CUDA:
        libraries[ONNXRUNTIME_CUDA] = Library(onnx.VERSION)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Machine(platform.system().lower(), platform.machine(), processor, cores, sets, _gpu(), libraries)


def _gpu() -> Gpu | Unavailable:
    try:
        return find_gpu()
    except Unavailable as error:
        return error
    except Exception as error:  # cuda-python has words of its own for a library that it does not find
        return CudaFailed(f"{type(error).__name__}: {error}")


def _library(flavour: str) -> Library | Unavailable:
    try:
        found = TensorRt(flavour)
    except Unavailable as error:
        return error
    return Library(found.version, found.families)


def _processor() -> tuple[str, tuple[str, ...]]:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown", ()
    facts = dict(reversed([(key.strip(), value) for key, _, value in (line.partition(":") for line in lines)]))
    flags = (facts.get("flags") or facts.get("Features") or "").split()
    return facts.get("model name", "unknown").strip(), tuple(one for one in _SETS if one in flags)
