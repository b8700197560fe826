"""Which engine serves: the GPU's where all fits, else the CPU's, which says why; a plan only where it fits exactly."""

import json
from dataclasses import replace

import numpy as np
import pytest

from pallor.digest import sha256_of
from pallor.errors import Unavailable
from pallor.log import JsonLines
from pallor.release.manifest import ManifestUnreadable, ReleaseFile
from pallor.release.shelf import Release
from tests.support.releases import SIZE, a_graph, a_release
from worker.engines.batches import PROFILE
from worker.engines.cache import PlanKey
from worker.engines.cuda import DriverTooOld, Gpu, NoDriver, NoGpu
from worker.engines.machine import Library, Machine, choose, needs_met
from worker.engines.plan import GpuEngineFailed, load_engine
from worker.engines.port import Answers
from worker.engines.tensorrt import NoTensorrt, TensorRt
from worker.selftest import EngineDisagrees, largest_difference

pytest.importorskip("tensorrt_rtx", reason="the extra tensorrt-rtx is not installed")

CARD = Gpu("NVIDIA RTX A2000", "sm86", 6 << 30, "13.0")
RTX = Library(TensorRt("tensorrt-rtx").version, ("sm75", "sm86", "sm89"))
CLASSIC = Library("10.13.0.35")
MACHINE = Machine("linux", "x86_64", "a processor", 4, ("avx2",), CARD, {"tensorrt-rtx": RTX})


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"gpu": NoDriver("no NVIDIA driver is installed")}, "no-driver: no NVIDIA driver is installed"),
        ({"gpu": NoGpu("the driver shows no GPU")}, "no-gpu: the driver shows no GPU"),
        ({"gpu": DriverTooOld("driver for CUDA 12.4, needed 13.0")}, "driver-too-old: driver for CUDA 12.4, needed 13"),
        ({"gpu": replace(CARD, capability="sm90")}, "gpu-unsupported: NVIDIA RTX A2000 is sm90; tensorrt-rtx has noth"),
        ({"libraries": {}}, "no-gpu-library: auto is not installed"),
        ({"libraries": {"tensorrt": NoTensorrt("tensorrt is not installed")}}, "no-gpu-library: tensorrt is not inst"),
    ],
)
def test_where_no_gpu_can_serve_the_cpu_does_and_says_why(release, facts, reason):
    said = load_engine(release, machine=replace(MACHINE, **facts)).describe()
    assert said.flavour == "onnxruntime-cpu"
    assert said.fallback.startswith(reason)


def test_a_release_without_a_graph_for_gpus_is_served_by_the_cpu(tmp_path):
    said = load_engine(a_release(tmp_path), machine=MACHINE).describe()
    assert said.fallback == "no-model-for-gpu: tiny-1 carries no model for GPUs"


def test_where_integers_are_not_kept_only_the_graph_of_16_bits_will_do(release):
    said = load_engine(release, machine=replace(MACHINE, gpu=replace(CARD, capability="sm75"))).describe()
    assert said.fallback == "no-model-for-gpu: tiny-1 carries no fp16 for GPUs"


def test_whoever_asked_for_the_cpu_gets_it_without_a_reason(release):
    assert load_engine(release, machine=MACHINE, engine="cpu").describe().fallback is None


def test_a_process_that_was_told_to_leave_the_gpu_alone_repeats_why(release):
    said = load_engine(release, machine=MACHINE, without_gpu="plan-refused: out of memory").describe()
    assert (said.flavour, said.fallback) == ("onnxruntime-cpu", "plan-refused: out of memory")


def test_the_cpu_is_given_the_first_of_its_models(tmp_path):
    release = a_release(tmp_path, for_gpus=a_graph())
    first, *others = release.manifest.files
    small = replace(first, precision="int8")
    manifest = replace(release.manifest, files=(small, first, *others), tolerance={"int8": 0.05, "fp32": 1e-4})
    release = replace(release, manifest=manifest)
    assert load_engine(release, engine="cpu").describe().precision == "int8"


def test_this_machine_is_looked_at_when_no_other_is_named(release):
    assert load_engine(release).describe().flavour


def test_a_gpu_that_was_found_fit_and_fails_is_an_error_for_a_fresh_process(release, tmp_path):
    """The plan is built, for that needs no GPU; there is none to open it."""
    with pytest.raises(GpuEngineFailed, match=r"^plan-refused: tensorrt-rtx .*CUDA driver"):
        load_engine(release, machine=MACHINE, plans=tmp_path / "plans")
    assert len(list((tmp_path / "plans").glob("*.plan"))) == 1


def test_a_graph_that_cannot_be_built_leaves_no_plan_and_says_why(tmp_path):
    release = a_release(tmp_path / "release", for_gpus=a_graph(size=2 * SIZE))
    with pytest.raises(GpuEngineFailed, match=r"^plan-not-built: tensorrt-rtx "):
        load_engine(release, machine=MACHINE, plans=tmp_path / "plans")
    assert not list((tmp_path / "plans").glob("*.plan"))


def test_onnx_runtime_without_its_kernels_for_cuda_does_not_pass_for_a_gpu(tmp_path):
    release = a_release(tmp_path / "release", for_gpus=a_graph())
    files = tuple(replace(one, precision="fp16") if one.needs == ("gpu",) else one for one in release.manifest.files)
    release = replace(release, manifest=replace(release.manifest, files=files))
    machine = replace(MACHINE, libraries={"onnxruntime-cuda": Library("1.31")})
    with pytest.raises(GpuEngineFailed, match="provider-missing"):
        load_engine(release, machine=machine)


@pytest.mark.parametrize(("kept", "read"), [("fp16", "model.onnx"), ("int8", "gpu.onnx")])
def test_onnx_runtime_on_cuda_reads_what_is_computed_in_32_bits_where_a_release_has_it(tmp_path, kept, read):
    release = a_release(tmp_path / "release", for_gpus=a_graph(bias=1e-6))
    precisions = {("cpu",): kept, ("gpu",): "fp16"}
    files = tuple(replace(one, precision=precisions.get(one.needs)) for one in release.manifest.files)
    release = replace(release, manifest=replace(release.manifest, files=files))
    release.path(read).unlink()  # so that whoever wants it says so
    with pytest.raises(GpuEngineFailed, match=read):
        load_engine(release, machine=replace(MACHINE, libraries={"onnxruntime-cuda": Library("1.31")}))


def test_what_a_library_raises_that_is_no_error_of_ours_is_a_gpu_that_failed_too(release, tmp_path, monkeypatch):
    """TensorRT raises a TypeError where CUDA does not start, ONNX Runtime one of its own where the GPU is full."""

    def full(*_):
        raise TypeError("pybind11::init(): factory function returned nullptr")

    monkeypatch.setattr(TensorRt, "build", full)
    with pytest.raises(GpuEngineFailed, match=r"^TypeError: pybind11"):
        load_engine(release, machine=MACHINE)


def test_it_is_told_before_the_gpu_is_used_and_where_none_is_nothing_is_told(release):
    told = []
    with pytest.raises(GpuEngineFailed):
        load_engine(release, machine=MACHINE, on_gpu=lambda: told.append(1))
    load_engine(release, machine=replace(MACHINE, libraries={}), on_gpu=lambda: told.append(2))
    assert told == [1]


def test_a_plan_that_came_with_the_release_and_fits_is_not_built_again(release, tmp_path, caplog):
    caplog.set_level("INFO", "worker")
    shipped = with_plan(release, a_key(release))
    with pytest.raises(GpuEngineFailed, match="plan-refused"):
        load_engine(shipped, machine=MACHINE, plans=tmp_path / "plans")
    assert not (tmp_path / "plans").exists()
    (line,) = [json.loads(JsonLines("worker").format(record)) for record in caplog.records]
    assert line["message"] == "the release's own plan is loaded"
    assert CARD.capability in line["plan"]


@pytest.mark.parametrize(
    "facts",
    [
        {"version": "1.6.0"}, {"flavour": "tensorrt"}, {"capability": "sm89"}, {"precision": "int8"},
        {"profile": "batch-1"}, {"system": "windows"}, {"architecture": "aarch64"},
    ],
)  # fmt: skip
def test_a_plan_for_anything_else_is_not_even_read(release, tmp_path, facts):
    shipped = with_plan(release, replace(a_key(release), **facts))
    shipped.path("engines/a.plan").unlink()  # whoever read it would say so
    with pytest.raises(GpuEngineFailed, match="plan-refused"):
        load_engine(shipped, machine=MACHINE, plans=tmp_path / "plans")
    assert len(list((tmp_path / "plans").glob("*.plan"))) == 1


def test_a_plan_of_another_model_of_the_release_is_not_read(release, tmp_path):
    shipped = with_plan(release, replace(a_key(release), onnx_digest=release.manifest.files[0].digest))
    with pytest.raises(GpuEngineFailed, match="plan-refused"):
        load_engine(shipped, machine=MACHINE, plans=tmp_path / "plans")
    assert len(list((tmp_path / "plans").glob("*.plan"))) == 1


def test_a_plan_that_was_changed_after_the_release_was_opened_is_not_opened(release):
    shipped = with_plan(release, a_key(release))
    path = shipped.path("engines/a.plan")
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(GpuEngineFailed, match="not the file with the digest"):
        load_engine(shipped, machine=MACHINE)


def test_a_plan_of_a_model_that_is_not_there_makes_no_manifest(release):
    with pytest.raises(ManifestUnreadable, match="engines of models that are not here"):
        with_plan(release, replace(a_key(release), onnx_digest="sha256:" + 64 * "0"))


def test_the_classic_flavour_goes_first_where_both_are():
    machine = replace(MACHINE, libraries={"tensorrt-rtx": RTX, "tensorrt": CLASSIC})
    assert choose(machine, "auto") == ("tensorrt", CLASSIC, CARD)
    assert choose(machine, "tensorrt-rtx")[0] == "tensorrt-rtx"
    big = replace(CARD, capability="sm90")
    assert choose(replace(machine, gpu=big), "auto")[0] == "tensorrt"


def test_what_is_asked_for_by_name_is_not_replaced_by_another():
    with pytest.raises(Unavailable, match="tensorrt is not installed"):
        choose(MACHINE, "tensorrt")


def test_what_a_machine_meets_is_what_a_plan_for_it_needs(release):
    assert set(a_key(release).needs()) <= needs_met(MACHINE)
    assert {"cpu", "gpu"} <= needs_met(MACHINE)
    assert needs_met(replace(MACHINE, gpu=NoGpu("none"))) == {"cpu", "linux", "x86_64"}


def test_an_engine_that_is_right_in_a_batch_and_wrong_alone_never_serves(release):
    with pytest.raises(EngineDisagrees):
        largest_difference(WrongAlone(load_engine(release, engine="cpu")), release)


class WrongAlone:
    """As a plan may be whose kernels for one photo are broken."""

    def __init__(self, engine):
        self._engine = engine

    def infer(self, batch):
        said = self._engine.infer(batch)
        return said if len(batch) > 1 else Answers(np.float32([0.99]), said.cam, said.embedding)

    def describe(self):
        return self._engine.describe()


def a_key(release) -> PlanKey:
    """Of the plan that ``MACHINE`` wants."""
    model = next(file for file in release.manifest.files if file.needs == ("gpu",))
    return PlanKey(model.digest, "tensorrt-rtx", RTX.version, "sm86", "fp32", PROFILE, "linux", "x86_64")


def with_plan(release, key) -> Release:
    """The same with a plan in it that says it is of this key."""
    plan = b"a plan"
    (release.folder / "engines").mkdir()
    release.path("engines/a.plan").write_bytes(plan)
    file = ReleaseFile(
        "engines/a.plan", sha256_of(plan), len(plan), "engine", key.needs(), key.precision, key.onnx_digest
    )
    manifest = replace(release.manifest, files=(*release.manifest.files, file))
    (release.folder / "manifest.json").write_bytes(manifest.to_bytes())
    return Release.open(release.folder)


@pytest.fixture
def release(tmp_path) -> Release:
    return a_release(tmp_path / "release", for_gpus=a_graph(bias=1e-6))
