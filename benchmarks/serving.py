"""How much of the machine's power reaches the photos? The worker, and the whole of Pallor, against other ways.

    python -m benchmarks.serving [--data DIR] [--release DIR] [--photos N] [--rounds N] [--out FILE] [--miniature]

Worker stage, from a message on a real Valkey to the answer on it: ``ours`` (``pallor-worker serve``, all defaults),
``obvious`` (a Celery task a photo, the FP16 file, which ONNX Runtime computes in FP32, every default), ``litserve``
(LitServe serving the same INT8 file over HTTP) and ``floor`` (decode, lay out, infer alone, a process a core). End to
end, from a case over HTTP to the recorded prediction: the whole box, and its floor (decode, judge, encode, hash, one
commit on the disk, infer). ``end_to_end`` sends what the app sends, a case with both eyes in one sealed request;
``one_by_one`` a case with one photo by the two requests of the open routes. All take turns; a ratio is of photos a
second in the same round, the median of all rounds. What the load generator takes of the processor is counted apart,
where it runs at the same time. Latencies, medians of all rounds: one photo at a time, and at half of the rate that was
measured, as chance brings them (Poisson); ``p95_over_unloaded`` is the slowest twentieth's over the median alone.

``--data``: photos in CP-AnemiC's layout; without it they are drawn. The last line is one JSON object.
"""

import argparse
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.report import finish, instruction_sets, progress
from benchmarks.serve.bench import Bench, a_bench, some_photos
from benchmarks.serve.floor import WHOLE, WORKER, Floor, stage_budget
from benchmarks.serve.latency import latencies
from benchmarks.serve.ways import Lit, Obvious, Ours, in_turns
from benchmarks.serve.whole import a_whole
from pallor.release.bootstrap import bootstrap_folder
from pallor.release.shelf import Release


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="photos in CP-AnemiC's layout (default: drawn ones)")
    parser.add_argument("--release", type=Path, default=bootstrap_folder(), help="a release folder (the bundled one)")
    parser.add_argument("--photos", type=int, default=500, help="how many are answered in a round (500)")
    parser.add_argument("--rounds", type=int, default=5, help="how often all take turns (5)")
    parser.add_argument("--miniature", action="store_true", help="a few photos, to see that everything runs")
    parser.add_argument("--out", type=Path, help="where to keep the figures")
    asked = parser.parse_args(arguments)
    photos = some_photos(12 if asked.miniature else asked.photos, asked.data)
    rounds = 1 if asked.miniature else asked.rounds
    figures: dict[str, Any] = {"photos": len(photos), "rounds": rounds, "instruction_sets": instruction_sets()}
    figures["photo_bytes_mean"] = round(statistics.mean(map(len, photos)))
    budget = stage_budget(asked.release, photos[:100])
    figures |= {f"one_core.{name}_ms": round(value, 3) for name, value in budget.items()}
    figures |= worker_stage(photos, asked.release, rounds)
    figures |= end_to_end(photos, asked.release, rounds)
    for line in table(figures):
        print(line)
    finish("serving", figures, asked.out)


def worker_stage(photos: Sequence[bytes], release: Path, rounds: int) -> dict[str, Any]:
    """Ours, the obvious way, LitServe and the floor, in turns; then latencies of ours."""
    opened = Release.open(release)
    fp16, int8 = (release / next(f.path for f in opened.manifest.files if f.precision == p) for p in ("fp16", "int8"))
    with a_bench(photos) as bench:
        ours = Ours(bench, release, stderr=bench.folder / "worker.log")
        floor, obvious, lit = Floor(release, photos, WORKER), Obvious(bench, fp16, opened), Lit(bench, int8, opened)
        try:
            cpu = ours.cpu()
            with progress() as bars:
                task = bars.add_task("worker stage", total=4 * rounds)
                asked = (
                    floor.seconds, lambda: ours.timed().seconds,
                    lambda: obvious.timed().seconds, lambda: lit.timed().less_generator,
                )  # fmt: skip
                seconds = in_turns(asked, rounds, lambda: bars.advance(task))
            cpu = (ours.cpu() - cpu) / (rounds * len(photos))
            names = ("floor", "ours", "obvious", "litserve")
            found = rates(dict(zip(names, seconds, strict=True)), len(photos))
            for other in ("floor", "obvious", "litserve"):
                found[f"ratio_to_{other}"] = ratio(seconds[names.index(other)], seconds[1])
            found["ours.cpu_ms_a_photo"] = round(1000 * cpu, 3)
        finally:
            floor.stop()
            obvious.stop()
            lit.stop()
        try:
            return found | waits(bench, found["ours.photos_per_second"] / 2, rounds)
        finally:
            ours.stop()


def waits(bench: Bench, half_load: float, rounds: int) -> dict[str, Any]:
    """How long a photo waits that is alone, and one at half load: medians of all rounds."""
    names = ("unloaded_median_ms", "unloaded_p95_ms", "half_load_median_ms", "half_load_p95_ms")
    seen = []
    for seed in range(rounds):
        alone, loaded = latencies(bench, half_load, seed)
        seen.append(dict(zip(names, (*percentiles(alone), *percentiles(loaded)), strict=True)))
    found: dict[str, Any] = {name: round(statistics.median(one[name] for one in seen), 2) for name in names}
    times = [round(one["half_load_p95_ms"] / one["unloaded_median_ms"], 2) for one in seen]
    return found | {"p95_over_unloaded": statistics.median(times), "p95_over_unloaded_by_round": times}


def end_to_end(photos: Sequence[bytes], release: Path, rounds: int) -> dict[str, Any]:
    """The whole box by either door and its floor, in turns."""
    with TemporaryDirectory(prefix="pallor-box-") as folder, a_whole(Path(folder) / "data", release, photos) as whole:
        floor = Floor(release, photos, WHOLE)
        generator: list[float] = []

        def sealed() -> float:
            timed = whole.sealed()
            generator.append(timed.generator_seconds)
            return timed.less_generator

        try:
            sealed()  # warm
            with progress() as bars:
                task = bars.add_task("end to end", total=3 * rounds)
                asked = floor.seconds, sealed, lambda: whole.one_by_one().less_generator
                seconds = in_turns(asked, rounds, lambda: bars.advance(task))
        finally:
            floor.stop()
    found = rates(dict(zip(("whole_floor", "end_to_end", "one_by_one"), seconds, strict=True)), len(photos))
    found["end_to_end_to_floor"] = ratio(seconds[0], seconds[1])
    found["one_by_one_to_floor"] = ratio(seconds[0], seconds[2])
    found["end_to_end.generator_cpu_ms_a_photo"] = round(1000 * statistics.median(generator) / len(photos), 3)
    return found


def rates(seconds: Mapping[str, Sequence[float]], photos: int) -> dict[str, Any]:
    return {f"{name}.photos_per_second": round(photos / statistics.median(of), 1) for name, of in seconds.items()}


def ratio(other: Sequence[float], ours: Sequence[float]) -> float:
    """Our rate over the other's: above 1 where ours is faster."""
    return round(statistics.median(a / b for a, b in zip(other, ours, strict=True)), 3)


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
