"""What only a GPU can show: `make gpu` on a machine that has one. Not run on a GPU yet."""

import json
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from statistics import median

import numpy as np
import pytest

pytest.importorskip("torch", reason="the trainer's extra is not installed")

import torch

from pallor.release.shelf import Release
from tests.trainer.evidence import findings
from tests.trainer.labelled import a_recipe, drawn
from trainer.export import ask
from trainer.golden import draw_golden
from trainer.model import Release as Network
from trainer.model import Screen, random_base
from trainer.pack import ModelFile, Parts, pack
from trainer.quantize.files import quantize
from worker.engines.cache import PlanCache, PlanKey
from worker.engines.cuda import Gpu
from worker.engines.machine import choose
from worker.engines.onnx import OnnxEngine
from worker.engines.plan import GpuEngineFailed, load_engine
from worker.engines.probe import probe
from worker.selftest import largest_difference

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not isinstance(probe().gpu, Gpu), reason=f"no GPU here: {probe().gpu}"),
]

SIZE, PHOTOS = 224, 100
MOST_APART = {"fp16": 0.01, "int8": 0.02}  # |dp| from ONNX Runtime's CPU on the same graph: only rounding differs


@pytest.mark.parametrize("precision", ["int8", "fp16"])
def test_a_plan_is_built_opened_and_answers_the_golden_photos(engines, release, precision):
    engine = engines[precision]
    said = engine.describe()
    assert (said.flavour, said.precision, said.fallback) == (choose(probe(), "auto")[0], precision, None)
    difference = largest_difference(engine, release)
    print(f"\n{said.flavour} {said.version} {precision}: golden photos differ by {difference:.2g}")


@pytest.mark.parametrize("precision", ["int8", "fp16"])
def test_a_hundred_photos_are_answered_as_the_cpu_answers_them(engines, release, photos, precision):
    (file,) = [one for one in release.manifest.files if one.needs == ("gpu",) and one.precision == precision]
    exact = OnnxEngine(release.path(file.path), digest=file.digest, precision=precision, size=SIZE)
    said, expected = engines[precision].infer(photos), ask(exact, photos)
    apart = float(np.abs(said.probability - expected.probability).max())
    print(f"\n{precision}: largest |dp| of {PHOTOS} photos {apart:.2g}")
    assert apart <= MOST_APART[precision]


@pytest.mark.parametrize("photos_at_once", [0, 1, 2, 8, 9, 32, 33, 100])
def test_a_batch_of_any_size_is_answered_photo_by_photo(engines, photos, photos_at_once):
    batch = photos[:photos_at_once]
    together = engines["fp16"].infer(batch).probability
    alone = [engines["fp16"].infer(photo[None]).probability[0] for photo in batch]
    assert together == pytest.approx(alone, abs=0.01)


def test_several_threads_get_each_their_own_answers(engines, photos):
    engine, wrong = engines["int8"], []
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


def test_latency_by_precision_and_batch(engines, release, photos):
    """No limit: the figures are printed, to be kept."""
    cpu = load_engine(release, engine="cpu")
    milliseconds = {
        f"{name}.batch_{batch}_ms": round(timed(engine, photos[:batch]), 3)
        for name, engine in {**engines, "cpu": cpu}.items()
        for batch in (1, 8, 32)
    }
    print("\n" + json.dumps({"figures": {"gpu": probe().gpu.name, **milliseconds}}))


def test_a_plan_that_is_there_is_not_built_again(release, tmp_path):
    load_engine(release, plans=tmp_path)
    told = []
    load_engine(release, plans=tmp_path, progress=lambda *phase: told.append(phase))
    assert not told


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


def timed(engine, batch, rounds=50) -> float:
    taken = []
    for _ in range(rounds + 5):
        begun = time.perf_counter()
        engine.infer(batch)
        taken.append(time.perf_counter() - begun)
    return median(taken[5:]) * 1e3


@pytest.fixture(scope="module")
def photos():
    return drawn(PHOTOS, size=SIZE, seed=2).inputs


@pytest.fixture(scope="module")
def engines(release, tmp_path_factory):
    plans = tmp_path_factory.mktemp("plans")
    return {precision: load_engine(only(release, precision), plans=plans) for precision in ("int8", "fp16")}


def only(release, precision) -> Release:
    """Without its other models for GPUs."""
    files = release.manifest.files
    kept = tuple(file for file in files if file.needs != ("gpu",) or file.precision == precision)
    return replace(release, manifest=replace(release.manifest, files=kept))


@pytest.fixture(scope="module")
def release(tmp_path_factory) -> Release:
    return make_release(tmp_path_factory.mktemp("release") / "made")


def make_release(folder) -> Release:
    """Untrained, with batch statistics of some photos and a head that says something."""
    whole, train = a_recipe(size=SIZE), drawn(16, size=SIZE).inputs
    recipe = replace(whole, quantization=replace(whole.quantization, photos=16, aware_steps=4, aware_batch=4))
    screen = Screen(random_base(0), dropout=0.0).train()
    for module in screen.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None
    with torch.no_grad():
        screen(torch.from_numpy(train))
        screen.linear.weight.copy_(
            torch.randn(screen.linear.weight.shape, generator=torch.Generator().manual_seed(1)) * 0.01
        )
    made = quantize(Network(screen.eval(), temperature=1.0, embedding_seed=64).eval(), train, recipe).files
    models = [
        ModelFile(f"{name}.onnx", made[name], name.removesuffix("-trt"), needs)
        for name, needs in (("int8", ("cpu",)), ("fp16", ("cpu",)), ("int8-trt", ("gpu",)), ("fp16-trt", ("gpu",)))
    ]
    pack(Parts(findings(), datetime(2026, 11, 27, tzinfo=UTC), models, draw_golden(recipe.export)), recipe, folder)
    return Release.open(folder)
