"""Plans for kinds of GPU, built for real without one, go into a release of their own; both graphs can be built."""

import json
from dataclasses import replace

import pytest

pytest.importorskip("torch", reason="the trainer's extra is not installed")
pytest.importorskip("tensorrt_rtx", reason="the extra engines is not installed")

import torch

from benchmarks.engines import layers_by_type
from pallor.release.manifest import ManifestUnreadable
from pallor.release.shelf import Release, Shelf
from tests.support.releases import a_graph, a_release
from tests.trainer.labelled import drawn
from trainer.__main__ import _listed, main
from trainer.export import ask, ask_torch, compare, fold_batch_norms, serve
from trainer.model import Release as Network
from trainer.model import Screen, random_base
from trainer.quantize.simulate import to_int8
from trainer.quantize.tensorrt import pack_float16_for_tensorrt, pack_int8_for_tensorrt, to_float16
from worker.engines.cuda import Gpu
from worker.engines.machine import Library, Machine
from worker.engines.plan import GpuEngineFailed, load_engine
from worker.engines.tensorrt import TensorRt

SIZE = 224


def test_the_release_comes_out_with_a_plan_for_each_kind_and_is_whole(source, tmp_path, capsys):
    assert run(source, tmp_path / "out", "--families", "sm86, sm120") == 0
    told = json.loads(capsys.readouterr().out)["figures"]
    release = Shelf(tmp_path / "shelf").put(tmp_path / "out", trusted_digest=told["manifest"])
    plans = {file.path: file for file in release.manifest.files if file.role == "engine"}
    assert set(plans) == {"engines/fp32-sm86.plan", "engines/fp32-sm120.plan"} == set(told["engines"])
    old = Release.open(source).manifest
    model = next(file for file in old.files if file.needs == ("gpu",))
    for file in plans.values():
        assert file.built_from == model.digest
        assert f"tensorrt-rtx-{TensorRt('tensorrt-rtx').version}" in file.needs
    assert release.release_id == told["release_id"] != old.release_id
    assert release.manifest.golden == old.golden
    assert Release.open(source).manifest == old


def test_a_node_takes_the_plan_that_was_built_for_it(source, tmp_path, capsys):
    run(source, tmp_path / "out", "--families", "sm86")
    version = TensorRt("tensorrt-rtx").version
    card = Gpu("a card", "sm86", 1, "13.0")
    machine = Machine("linux", "x86_64", "", 1, (), card, {"tensorrt-rtx": Library(version, ("sm86",))})
    with pytest.raises(GpuEngineFailed, match="plan-refused"):  # there is no GPU to open it
        load_engine(Release.open(tmp_path / "out"), machine=machine, plans=tmp_path / "plans")
    assert not (tmp_path / "plans").exists()


def test_made_once_more_the_plans_are_the_new_ones_alone(source, tmp_path, capsys):
    run(source, tmp_path / "one", "--families", "sm86")
    assert run(tmp_path / "one", tmp_path / "two", "--families", "sm89", "--release-id", "tiny-2") == 0
    release = Release.open(tmp_path / "two")
    assert release.release_id == "tiny-2"
    assert [file.path for file in release.manifest.files if file.role == "engine"] == ["engines/fp32-sm89.plan"]
    assert [path.name for path in (tmp_path / "two" / "engines").iterdir()] == ["fp32-sm89.plan"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--families", "sm90"], "family-unknown --families: tensorrt-rtx 1.7"),
        (["--precisions", "int4"], "nothing-to-build --precisions: tiny-1 has no graph for GPUs"),
        (["--release-id", "../up"], "release-id-refused --release-id: a release cannot be called so"),
    ],
)
def test_what_cannot_be_is_refused_with_a_remedy_and_nothing_is_written(source, tmp_path, capsys, options, said):
    assert run(source, tmp_path / "out", *options) == 2
    assert said in " ".join(capsys.readouterr().err.split())
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_a_build_that_fails_leaves_nothing(tmp_path, capsys):
    source = a_release(tmp_path / "source", for_gpus=a_graph(size=56)).folder
    assert run(source, tmp_path / "out", "--families", "sm86") == 2
    assert "plan-not-built" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_a_kind_that_is_named_twice_is_named_once():
    """Two builds of one plan may differ, and then the release would not be whole."""
    assert _listed("sm86, sm89,sm86") == ("sm86", "sm89")


def test_what_is_there_already_is_not_written_over(source, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    assert run(source, tmp_path / "out") == 2
    assert "folder-taken" in capsys.readouterr().err


def test_a_changed_release_gets_no_plans(source, tmp_path, capsys):
    (source / "card.md").write_text("cleared!")
    assert run(source, tmp_path / "out") == 2
    assert "release-changed" in capsys.readouterr().err


def test_an_engine_without_its_model_makes_no_release(source, tmp_path, capsys):
    run(source, tmp_path / "out", "--families", "sm86")
    manifest = Release.open(tmp_path / "out").manifest
    files = tuple(file for file in manifest.files if file.needs != ("gpu",))
    with pytest.raises(ManifestUnreadable):
        manifest.from_json(replace(manifest, files=files).to_json())


def test_help_teaches(capsys):
    with pytest.raises(SystemExit):
        main(["engines", "--help"])
    said = capsys.readouterr().out
    for word in ("No GPU is needed", "sm86", "golden photos", "--families", "int8,fp16"):
        assert word in said


def test_tensorrt_builds_the_file_of_16_bits_which_says_what_the_network_says(network):
    rounded = fold_batch_norms(network)
    to_float16(rounded)
    model = pack_float16_for_tensorrt(rounded, SIZE, 21)
    photos = drawn(2, size=SIZE, seed=1).inputs
    assert compare(ask(serve(model, SIZE, "fp16"), photos), ask_torch(network, photos)).max_abs_dp < 0.01
    plan = TensorRt("tensorrt-rtx").build(model, SIZE, "sm75")  # the pickiest: it multiplies no matrices of float32
    assert len(plan) < 2 * len(model)
    assert set(layers_by_type(plan)) == {"half"}


def test_rounding_to_16_bits_leaves_each_kernel_its_sum(network):
    exact, rounded = fold_batch_norms(network), fold_batch_norms(network)
    to_float16(rounded)
    for layer, theirs in zip(convolutions(exact), convolutions(rounded), strict=True):
        assert torch.equal(theirs.weight, theirs.weight.half().float())
        if layer.kernel_size != (1, 1):
            kept, plain = (far_from_its_sum(weight, layer.weight) for weight in (theirs.weight, layer.weight.half()))
            assert kept < plain / 4


def test_tensorrt_builds_the_file_of_integers_and_keeps_them_between_the_layers(network):
    simulated = fold_batch_norms(network)
    to_int8(simulated, drawn(2, size=SIZE).inputs, "max", signed=True)
    plan = TensorRt("tensorrt-rtx").build(pack_int8_for_tensorrt(simulated, SIZE, 21), SIZE, "sm86")
    assert layers_by_type(plan)["int8"] > 45  # of 52 convolutions; some have no tensor of their own


def convolutions(network):
    return [layer for layer in network.screen.features.modules() if isinstance(layer, torch.nn.Conv2d)]


def far_from_its_sum(weight, exact) -> float:
    return float((weight.double() - exact.double()).sum(dim=(2, 3)).abs().mean().detach())


def run(source, out, *options) -> int:
    return main(["engines", str(source), "--out", str(out), "--precisions", "fp32", *options])


@pytest.fixture
def source(tmp_path):
    return a_release(tmp_path / "source", for_gpus=a_graph(bias=1e-6)).folder


@pytest.fixture(scope="module")
def network() -> Network:
    """Untrained, with batch statistics of some photos."""
    screen = Screen(random_base(0), dropout=0.0).train()
    for module in screen.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None
    with torch.no_grad():
        screen(torch.from_numpy(drawn(4, size=SIZE, seed=0).inputs))
        screen.linear.weight.copy_(torch.randn(screen.linear.weight.shape) * 0.03)
    return Network(screen.eval(), temperature=1.0, embedding_seed=64).eval()
