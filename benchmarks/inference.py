"""How fast does this machine infer? Our ONNX Runtime set-up against its defaults and against OpenVINO, one INT8 file.

    python -m benchmarks.inference [--release DIR] [--rounds N] [--out FILE] [--miniature]

All infer the same drawn photos in batches of 1, 8 and 32, in one process, taking turns. ``ours``: a session a core,
each with one thread that does not spin, as ``pallor-worker serve`` has them (a process a core). ``defaults``: one ONNX
Runtime session as it comes. ``openvino``: one compiled model, told to go for throughput, with as many requests in
flight as it asks for. ``one_thread``: the same, each held to one thread. A rate is photos a second, the median of all
rounds; a ratio is of rates, above 1 where the first is faster. The last line is one JSON object.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import openvino as ov
from numpy.typing import NDArray
from openvino import properties

from benchmarks.report import finish, instruction_sets, progress
from pallor.image.population import draw_person, signal_for_auroc
from pallor.image.preprocess import to_input
from pallor.image.spec import PreprocessSpec
from pallor.image.synthetic import draw, render
from pallor.release.bootstrap import bootstrap_folder
from pallor.release.shelf import Release
from worker.engines.onnx import OnnxEngine

BATCHES = (1, 8, 32)
_SEED = 20_261_127
_PHOTOS = 64

Photos = NDArray[np.uint8]
Infer = Callable[[Sequence[Photos]], list[NDArray[np.float32]]]  # batches -> probabilities of each


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.inference", description=__doc__.splitlines()[0])
    parser.add_argument("--release", type=Path, default=bootstrap_folder(), help="a release folder (the bundled one)")
    parser.add_argument("--rounds", type=int, default=15, help="how often all take turns (15)")
    parser.add_argument("--miniature", action="store_true", help="one round, to see that everything runs")
    parser.add_argument("--out", type=Path, help="where to keep the figures")
    asked = parser.parse_args(arguments)
    release = Release.open(asked.release)
    photos = some_inputs(release, 8 if asked.miniature else _PHOTOS)
    ways = ways_of(release)
    expected = np.concatenate(ways["ours"]([photos]))
    figures: dict[str, Any] = {"cores": os.cpu_count(), "instruction_sets": instruction_sets()}
    figures["precision"] = int8_file(release).precision
    for name, infer in ways.items():  # also warms them up
        figures[f"{name}.max_abs_dp_from_ours"] = float(np.abs(np.concatenate(infer([photos])) - expected).max())
    rounds = 1 if asked.miniature else asked.rounds
    with progress() as bars:
        task = bars.add_task("inferring", total=rounds * len(BATCHES))
        for batch in BATCHES:
            rates: dict[str, list[float]] = {name: [] for name in ways}
            for _ in range(rounds):
                for name, infer in ways.items():
                    rates[name].append(rate(infer, photos, batch))
                bars.advance(task)
            figures |= compared(rates, batch)
    finish("inference", figures, asked.out)


def ways_of(release: Release) -> Mapping[str, Infer]:
    model, path = int8_file(release), release.path(int8_file(release).path)
    size, cores = PreprocessSpec.from_json(dict(release.manifest.preprocess)).size, os.cpu_count() or 1

    def engine() -> OnnxEngine:
        return OnnxEngine(path, digest=model.digest, precision=model.precision or "", size=size, threads=1)

    engines, pool = [engine() for _ in range(cores)], ThreadPoolExecutor(cores)

    def ours(batches: Sequence[Photos]) -> list[NDArray[np.float32]]:
        def lane(core: int) -> list[NDArray[np.float32]]:
            return [engines[core].infer(batch).probability for batch in batches[core::cores]]

        lanes = list(pool.map(lane, range(cores)))
        return [lanes[at % cores][at // cores] for at in range(len(batches))]

    usual = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    throughput = {properties.hint.performance_mode(): properties.hint.PerformanceMode.THROUGHPUT}
    many = openvino(path, throughput)
    single = openvino(path, {properties.inference_num_threads(): 1, properties.num_streams(): 1})
    return {
        "ours": ours,
        "defaults": lambda batches: [usual.run(["probability"], {"rgb": batch})[0] for batch in batches],
        "openvino": many,
        "ours_one_thread": lambda batches: [engines[0].infer(batch).probability for batch in batches],
        "openvino_one_thread": single,
    }


def openvino(path: Path, how: Mapping[str, Any]) -> Infer:
    """As many requests as the compiled model asks for, each fed by a thread of its own."""
    model = ov.Core().compile_model(str(path), "CPU", dict(how))
    requests = [
        model.create_infer_request() for _ in range(model.get_property(properties.optimal_number_of_infer_requests()))
    ]
    pool = ThreadPoolExecutor(len(requests))

    def infer(batches: Sequence[Photos]) -> list[NDArray[np.float32]]:
        def lane(number: int) -> list[NDArray[np.float32]]:
            own = batches[number :: len(requests)]
            return [requests[number].infer({"rgb": batch})["probability"].copy() for batch in own]

        lanes = list(pool.map(lane, range(len(requests))))
        return [lanes[at % len(requests)][at // len(requests)] for at in range(len(batches))]

    return infer


def rate(infer: Infer, photos: Photos, batch: int) -> float:
    """Photos a second."""
    batches = [np.ascontiguousarray(photos[at : at + batch]) for at in range(0, len(photos), batch)]
    began = time.perf_counter()
    infer(batches)
    return len(photos) / (time.perf_counter() - began)


def compared(rates: Mapping[str, Sequence[float]], batch: int) -> dict[str, float]:
    """Rates of one batch size, and the ratios that decide."""
    middle = {name: statistics.median(of) for name, of in rates.items()}
    pairs = (("ours", "defaults"), ("openvino", "ours"), ("openvino_one_thread", "ours_one_thread"))
    found = {f"{name}.photos_per_second_b{batch}": round(value, 1) for name, value in middle.items()}
    for one, other in pairs:  # of the same round, so that what slows the machine slows both
        ratio = statistics.median(a / b for a, b in zip(rates[one], rates[other], strict=True))
        found[f"{one}_to_{other}_b{batch}"] = round(ratio, 3)
    return found


def some_inputs(release: Release, n: int) -> Photos:
    """Drawn photos, laid out as the release wants them."""
    spec = PreprocessSpec.from_json(dict(release.manifest.preprocess))
    rng, signal = np.random.default_rng(_SEED), signal_for_auroc(0.9)
    return np.stack([to_input(spec, render(draw(rng, draw_person(rng).hb_g_per_l, signal=signal))) for _ in range(n)])


def int8_file(release: Release) -> Any:
    """The file that a node without a GPU serves."""
    return release.manifest.model_for(frozenset({"cpu"}))


if __name__ == "__main__":
    main()
