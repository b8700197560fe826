"""What only a GPU can show: `make gpu` on a machine that has one.

Where the trainer is not installed, as on a node: `python -m tests.gpu.release FOLDER` on another machine, and
`PALLOR_GPU_RELEASE=FOLDER` here.
"""

import json
import os
import threading
import time
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
import pytest

from pallor.errors import Unavailable
from pallor.image.preprocess import to_input
from pallor.image.spec import PreprocessSpec
from pallor.image.synthetic import draw, render
from pallor.release.shelf import Release
from worker.engines.cache import PlanCache, PlanKey
from worker.engines.cuda import Gpu, Stream, on_device, pinned
from worker.engines.machine import ONNXRUNTIME_CUDA, Library, choose
from worker.engines.onnx import OnnxEngine
from worker.engines.plan import GpuEngineFailed, load_engine
from worker.engines.probe import probe
from worker.selftest import largest_difference


def flavour_here() -> str | None:
    """What would serve on this machine's GPU; None: nothing."""
    try:
        return choose(probe(), "auto")[0]
    except Unavailable:
        return None


FLAVOUR, SIZE, PHOTOS = flavour_here(), 224, 100
PRECISIONS = ["fp16"] if FLAVOUR == ONNXRUNTIME_CUDA else ["int8", "fp16"]
MOST_APART = {"fp16": 0.01, "int8": 0.02}  # |dp| from ONNX Runtime's CPU on the same graph: only rounding differs

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not isinstance(probe().gpu, Gpu), reason=f"no GPU here: {probe().gpu}"),
]
serves = pytest.mark.skipif(FLAVOUR is None, reason="no library here has anything for this GPU")
plans_only = pytest.mark.skipif(FLAVOUR in (None, ONNXRUNTIME_CUDA), reason=f"{FLAVOUR} has no plans")


def test_a_stream_does_in_order_what_it_is_asked_and_repeats_what_was_recorded():
    stream, there = Stream(), on_device(4 * 1000)
    sent, back = pinned((1000,), np.float32), pinned((1000,), np.float32)

    def there_and_back():
        stream.upload(sent, there)
        stream.download(there, back)

    repeat = stream.record(there_and_back)
    for round_ in range(3):
        sent[:] = np.random.default_rng(round_).random(1000)
        repeat()
        stream.wait()
        assert np.array_equal(back, sent)


@pytest.mark.parametrize(
    "flavour",
    [name for name, one in probe().libraries.items() if isinstance(one, Library) and one.families is not None],
)
def test_a_gpu_that_a_library_does_not_know_leaves_the_cpu_serving_and_says_so(release, flavour):
    library, gpu = probe().libraries[flavour], probe().gpu
    if gpu.capability in library.families:
        pytest.skip(f"{flavour} knows {gpu.capability}")
    engine = load_engine(release, engine=flavour)
    said = engine.describe()
    print(f"\n{said.flavour} {said.precision}: {said.fallback}")
    assert (said.flavour, said.precision) == ("onnxruntime-cpu", "int8")
    assert said.fallback.startswith("gpu-unsupported")
    assert gpu.capability in said.fallback
    assert largest_difference(engine, release) <= release.manifest.tolerance["int8"]


@serves
@pytest.mark.parametrize("precision", PRECISIONS)
def test_an_engine_is_made_on_the_gpu_and_answers_the_golden_photos(engines, release, precision):
    engine = engines[precision]
    said = engine.describe()
    assert (said.flavour, said.precision, said.fallback) == (FLAVOUR, precision, None)
    difference = largest_difference(engine, release)
    print(f"\n{said.flavour} {said.version} {precision}: golden photos differ by {difference:.2g}")


@serves
@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_hundred_photos_are_answered_as_the_cpu_answers_them(engines, release, photos, precision):
    file = next(one for one in release.manifest.files if one.needs == ("gpu",) and one.precision == precision)
    exact = OnnxEngine(release.path(file.path), digest=file.digest, precision=precision, size=SIZE)
    said = engines[precision].infer(photos).probability
    expected = np.concatenate([exact.infer(photos[at : at + 10]).probability for at in range(0, PHOTOS, 10)])
    apart = np.abs(said - expected)
    print(f"\n{precision}: |dp| of {PHOTOS} photos largest {apart.max():.2g}, mean {apart.mean():.2g}")
    assert apart.max() <= MOST_APART[precision]


@serves
@pytest.mark.parametrize("photos_at_once", [0, 1, 2, 8, 9, 32, 33, 100])
def test_a_batch_of_any_size_is_answered_photo_by_photo(engines, photos, photos_at_once):
    batch = photos[:photos_at_once]
    together = engines["fp16"].infer(batch).probability
    alone = [engines["fp16"].infer(photo[None]).probability[0] for photo in batch]
    assert together == pytest.approx(alone, abs=0.01)


@serves
def test_several_threads_get_each_their_own_answers(engines, photos):
    engine, wrong = engines[PRECISIONS[0]], []
    expected = [engine.infer(photo[None]).probability[0] for photo in photos[:8]]

    def ask_again(at):
        for _ in range(50):
            if abs(engine.infer(photos[at : at + 1]).probability[0] - expected[at]) > 1e-3:
                wrong.append(at)

    threads = [threading.Thread(target=ask_again, args=(at,)) for at in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@serves
def test_latency_by_precision_and_batch(engines, release, photos):
    """No limit: the figures are printed, to be kept."""
    cpu = load_engine(release, engine="cpu")
    milliseconds = {
        f"{name}.batch_{batch}_ms": round(timed(engine, photos[:batch]), 3)
        for name, engine in {**engines, "cpu": cpu}.items()
        for batch in (1, 8, 32)
    }
    print("\n" + json.dumps({"figures": {"gpu": probe().gpu.name, "flavour": FLAVOUR, **milliseconds}}))


@plans_only
def test_a_plan_that_is_there_is_not_built_again(release, tmp_path):
    load_engine(release, plans=tmp_path)
    told = []
    load_engine(release, plans=tmp_path, progress=lambda *phase: told.append(phase))
    assert not told


@plans_only
def test_a_plan_that_tensorrt_refuses_is_named_for_the_fresh_process(release, tmp_path):
    """Whole by its digest, and no plan: as from a build that went wrong without saying so."""
    load_engine(release, plans=tmp_path)
    (path,) = tmp_path.glob("*.plan")
    key = PlanKey(**json.loads(path.read_bytes().partition(b"\n")[0])["key"])
    path.unlink()
    PlanCache(tmp_path).plan(key, lambda: b"no plan at all")
    with pytest.raises(GpuEngineFailed, match="plan-refused") as failed:
        load_engine(release, plans=tmp_path)
    said = load_engine(release, without_gpu=str(failed.value)).describe()
    assert (said.flavour, said.fallback) == ("onnxruntime-cpu", str(failed.value))


@serves
def test_releases_take_over_under_load_and_no_photo_is_lost_or_answered_twice(release, tmp_path):
    bench = pytest.importorskip("benchmarks.swap", reason="the worker's extra is not installed")
    with bench.a_bench(bench.some_photos(8, None)) as stage:
        figures = bench.swap_releases(stage, release.folder, swaps=6, per_second=40)
    print("\n" + json.dumps({"figures": figures}))
    assert (figures["lost"], figures["doubled"]) == (0, 0)


def timed(engine, batch, rounds=50) -> float:
    taken = []
    for _ in range(rounds + 5):
        begun = time.perf_counter()
        engine.infer(batch)
        taken.append(time.perf_counter() - begun)
    return median(taken[5:]) * 1e3


@pytest.fixture(scope="module")
def photos():
    rng, spec = np.random.default_rng(2), PreprocessSpec(size=SIZE)
    hb = np.where(np.arange(PHOTOS) % 2 == 0, 70.0, 140.0)
    return np.stack([to_input(spec, render(draw(rng, float(one), signal=50.0))) for one in hb])


@pytest.fixture(scope="module")
def engines(release, tmp_path_factory):
    plans = tmp_path_factory.mktemp("plans")
    return {precision: load_engine(only(release, precision), plans=plans) for precision in PRECISIONS}


def only(release, precision) -> Release:
    """Without its other models for GPUs."""
    files = release.manifest.files
    kept = tuple(file for file in files if file.needs != ("gpu",) or file.precision == precision)
    return replace(release, manifest=replace(release.manifest, files=kept))


@pytest.fixture(scope="module")
def release(tmp_path_factory) -> Release:
    if made := os.environ.get("PALLOR_GPU_RELEASE"):
        return Release.open(Path(made))
    pytest.importorskip("torch", reason="the trainer's extra is not installed")
    from tests.gpu.release import make_release

    return make_release(tmp_path_factory.mktemp("release") / "made")
