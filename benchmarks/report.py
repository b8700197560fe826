"""How a benchmark ends: one JSON object as its last line; when asked, also a file with the circumstances."""

import json
import logging
import os
import platform
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from pallor.clock import SystemClock

# Those of a processor that matter to integers and half precision.
_SETS = (
    "avx2",
    "avx_vnni",
    "avx512f",
    "avx512_vnni",
    "avx512_bf16",
    "amx_int8",
    "amx_bf16",
    "asimd",
    "asimddp",
    "i8mm",
)
_ROOT = Path(__file__).parents[1]


def progress() -> Progress:
    """A progress bar on standard error, so that standard output ends with the figures."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    return Progress(*columns, console=Console(stderr=True))


@contextmanager
def silent() -> Iterator[None]:
    """Nothing is logged: a simulation would say the same thing thousands of times."""
    logging.disable()
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def finish(name: str, figures: Mapping[str, object], out: Path | None = None) -> None:
    """Print ``{"figures": ...}`` as the last line; write it to ``out`` with date, machine and commit.

    Args:
        name: the benchmark's module name.
        figures: JSON values, units in the names.
        out: usually ``benchmarks/results/<name>.json``.
    """
    if out is not None:
        record = {
            "benchmark": name,
            "date": SystemClock().now().date().isoformat(),
            "machine": machine(),
            "commit": commit(),
            "figures": figures,
        }
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(record, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    print(json.dumps({"figures": figures}, allow_nan=False), flush=True)


def machine() -> dict[str, object]:
    """What the figures were measured on: processor, cores, operating system, Python."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def commit() -> str | None:
    """The commit that was checked out, with ``-dirty`` when files differed from it; None outside a repository."""
    said = subprocess.run(
        ["git", "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty"],
        cwd=_ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return said.stdout.strip() or None


def instruction_sets() -> list[str]:
    """Of ``_SETS`` those that this processor has."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    flags = next((line for line in lines if line.startswith(("flags", "Features"))), "").split()
    return [one for one in _SETS if one in flags]


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"
