"""How much of the machine's power reaches the photos? The worker, and the whole of Pallor, against other ways.

    python -m benchmarks.serving [--data DIR] [--release DIR] [--photos N] [--rounds N] [--out FILE] [--miniature]

Worker stage, from a message on a real Valkey to the answer on it: ``ours`` (``pallor-worker serve``, all defaults),
``obvious`` (a Celery task a photo, the FP16 file, which ONNX Runtime computes in FP32, every default), ``litserve``
(LitServe serving the same INT8 file over HTTP) and ``floor`` (decode, lay out, infer alone, a process a core). End to
end, from a case over HTTP to the recorded prediction: the whole box, and its floor (decode, judge, encode, hash, one
commit on the disk, infer). ``end_to_end`` sends what the app sends, a case with both eyes in one sealed request;
``one_by_one`` a case with one photo by the two requests of the open routes. All take turns; a ratio is of photos a
second in the same round, the median of all rounds. All of it twice, in two sittings, the second started in the opposite
order: what is started later was seen to run faster, by up to a tenth, and neither side shall have that alone. What the
load generator takes of the processor is counted apart, where it runs at the same time. Latencies, medians of as many
rounds: one photo at a time, and at half of the rate that was measured, as chance brings them (Poisson);
``p95_over_unloaded`` is the slowest twentieth's over the median alone.

``--data``: photos in CP-AnemiC's layout; without it they are drawn. The last line is one JSON object.
"""

import argparse
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.report import finish, instruction_sets, progress
from benchmarks.serve.bench import a_bench, some_photos
from benchmarks.serve.floor import WHOLE, WORKER, Floor, stage_budget
from benchmarks.serve.latency import latencies
from benchmarks.serve.ways import Lit, Obvious, Ours, in_turns
from benchmarks.serve.whole import Whole, a_whole
from pallor.release.bootstrap import bootstrap_folder
from pallor.release.shelf import Release

_SITTINGS = 2

Ways = Mapping[str, Callable[[], float]]  # seconds for all photos, by the way's name
Makers = Mapping[str, Callable[[], AbstractContextManager[Any]]]  # start one


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="photos in CP-AnemiC's layout (default: drawn ones)")
    parser.add_argument("--release", type=Path, default=bootstrap_folder(), help="a release folder (the bundled one)")
    parser.add_argument("--photos", type=int, default=500, help="how many are answered in a round (500)")
    parser.add_argument("--rounds", type=int, default=5, help="how often all take turns in each of two sittings (5)")
    parser.add_argument("--miniature", action="store_true", help="a few photos, to see that everything runs")
    parser.add_argument("--out", type=Path, help="where to keep the figures")
    asked = parser.parse_args(arguments)
    photos = some_photos(12 if asked.miniature else asked.photos, asked.data)
    rounds, sittings = (1, 1) if asked.miniature else (asked.rounds, _SITTINGS)
    figures: dict[str, Any] = {"photos": len(photos), "rounds": rounds, "sittings": sittings}
    figures["instruction_sets"] = instruction_sets()
    figures["photo_bytes_mean"] = round(statistics.mean(map(len, photos)))
    budget = stage_budget(asked.release, photos[:100])
    figures |= {f"one_core.{name}_ms": round(value, 3) for name, value in budget.items()}
    figures |= worker_stage(photos, asked.release, rounds, sittings)
    figures |= waits(photos, asked.release, figures["ours.photos_per_second"] / 2, rounds * sittings)
    figures |= end_to_end(photos, asked.release, rounds, sittings)
    for line in table(figures):
        print(line)
    finish("serving", figures, asked.out)


def worker_stage(photos: Sequence[bytes], release: Path, rounds: int, sittings: int) -> dict[str, Any]:
    """Ours, the obvious way, LitServe and the floor, in turns."""
    opened, cpu = Release.open(release), list[float]()
    fp16, int8 = (release / next(f.path for f in opened.manifest.files if f.precision == p) for p in ("fp16", "int8"))

    @contextmanager
    def ways(backwards: bool) -> Iterator[Ways]:
        with a_bench(photos) as bench:
            makers: Makers = {
                "floor": lambda: closing(Floor(release, photos, WORKER)),
                "ours": lambda: closing(Ours(bench, release, stderr=bench.folder / "worker.log")),
                "obvious": lambda: closing(Obvious(bench, fp16, opened)),
                "litserve": lambda: closing(Lit(bench, int8, opened)),
            }
            with _started(makers, backwards) as up:

                def ours() -> float:
                    before = up["ours"].cpu()
                    seconds = up["ours"].timed().seconds
                    cpu.append(up["ours"].cpu() - before)
                    return float(seconds)

                yield {
                    "floor": up["floor"].seconds,
                    "ours": ours,
                    "obvious": lambda: up["obvious"].timed().seconds,
                    "litserve": lambda: up["litserve"].timed().less_generator,
                }

    seconds = _in_sittings("worker stage", ways, rounds, sittings)
    found = rates(seconds, len(photos))
    for other in ("floor", "obvious", "litserve"):
        found |= ratios(f"ratio_to_{other}", seconds[other], seconds["ours"], rounds)
    return found | {"ours.cpu_ms_a_photo": round(1000 * statistics.median(cpu) / len(photos), 3)}


def waits(photos: Sequence[bytes], release: Path, half_load: float, rounds: int) -> dict[str, Any]:
    """How long a photo waits that is alone, and one at half load: medians of all rounds."""
    names = ("unloaded_median_ms", "unloaded_p95_ms", "half_load_median_ms", "half_load_p95_ms")
    seen = []
    with a_bench(photos) as bench, closing(Ours(bench, release, stderr=bench.folder / "worker.log")):
        for seed in range(rounds):
            alone, loaded = latencies(bench, half_load, seed)
            seen.append(dict(zip(names, (*percentiles(alone), *percentiles(loaded)), strict=True)))
    found: dict[str, Any] = {name: round(statistics.median(one[name] for one in seen), 2) for name in names}
    times = [round(one["half_load_p95_ms"] / one["unloaded_median_ms"], 2) for one in seen]
    return found | {"p95_over_unloaded": round(statistics.median(times), 2), "p95_over_unloaded_by_round": times}


def end_to_end(photos: Sequence[bytes], release: Path, rounds: int, sittings: int) -> dict[str, Any]:
    """The whole box by either door and its floor, in turns."""
    generator: list[float] = []

    @contextmanager
    def ways(backwards: bool) -> Iterator[Ways]:
        makers: Makers = {
            "whole_floor": lambda: closing(Floor(release, photos, WHOLE)),
            "box": lambda: _warm_box(photos, release),
        }
        with _started(makers, backwards) as up:

            def sealed() -> float:
                timed = up["box"].sealed()
                generator.append(timed.generator_seconds)
                return float(timed.less_generator)

            yield {
                "whole_floor": up["whole_floor"].seconds,
                "end_to_end": sealed,
                "one_by_one": lambda: up["box"].one_by_one().less_generator,
            }

    seconds = _in_sittings("end to end", ways, rounds, sittings)
    found = rates(seconds, len(photos))
    for way in ("end_to_end", "one_by_one"):
        found |= ratios(f"{way}_to_floor", seconds["whole_floor"], seconds[way], rounds)
    found["end_to_end.generator_cpu_ms_a_photo"] = round(1000 * statistics.median(generator) / len(photos), 3)
    return found


@contextmanager
def _started(makers: Makers, backwards: bool) -> Iterator[Mapping[str, Any]]:
    """All of them up, started in their order or in the opposite one."""
    with ExitStack() as stack:
        yield {name: stack.enter_context(makers[name]()) for name in (reversed(list(makers)) if backwards else makers)}


@contextmanager
def _warm_box(photos: Sequence[bytes], release: Path) -> Iterator[Whole]:
    with TemporaryDirectory(prefix="pallor-box-") as folder, a_whole(Path(folder) / "data", release, photos) as whole:
        whole.sealed()
        yield whole


def _in_sittings(
    what: str, ways: Callable[[bool], AbstractContextManager[Ways]], rounds: int, sittings: int
) -> dict[str, list[float]]:
    """What each way took in each round, one sitting after the other; every other one is started backwards."""
    found: dict[str, list[float]] = {}
    with progress() as bars:
        task = bars.add_task(what)
        for sitting in range(sittings):
            with ways(sitting % 2 == 1) as up:
                bars.update(task, total=len(up) * rounds * sittings)
                for name, seconds in zip(
                    up, in_turns(list(up.values()), rounds, lambda: bars.advance(task)), strict=True
                ):
                    found.setdefault(name, []).extend(seconds)
    return found


def rates(seconds: Mapping[str, Sequence[float]], photos: int) -> dict[str, Any]:
    return {f"{name}.photos_per_second": round(photos / statistics.median(of), 1) for name, of in seconds.items()}


def ratios(name: str, other: Sequence[float], ours: Sequence[float], rounds: int) -> dict[str, Any]:
    """Our rate over the other's, above 1 where ours is faster: the median of all rounds, and of each sitting's."""
    each = [a / b for a, b in zip(other, ours, strict=True)]
    sittings = [round(statistics.median(each[at : at + rounds]), 3) for at in range(0, len(each), rounds)]
    return {name: round(statistics.median(each), 3), f"{name}_by_sitting": sittings}


def percentiles(seconds: Sequence[float]) -> tuple[float, float]:
    middle, high = np.percentile(seconds, (50, 95))
    return round(1000 * float(middle), 2), round(1000 * float(high), 2)


def table(figures: Mapping[str, Any]) -> Sequence[str]:
    """Markdown."""
    steps = {name.removeprefix("one_core."): value for name, value in figures.items() if name.startswith("one_core.")}
    lines = ["| step, one core | ms a photo |", "|---|---|"]
    lines += [f"| {name.removesuffix('_ms')} | {value:.2f} |" for name, value in steps.items()]
    lines += ["", "| way | photos a second |", "|---|---|"]
    rate = ".photos_per_second"
    return lines + [f"| {name.removesuffix(rate)} | {figures[name]} |" for name in figures if name.endswith(rate)]


if __name__ == "__main__":
    main()
