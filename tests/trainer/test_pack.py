"""A packed release: what a node admits, with the right file for each machine, and nothing of a patient in it."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

pytest.importorskip("torch", reason="the trainer's extra is not installed")

from pallor.errors import Untrusted
from pallor.release.manifest import ManifestUnreadable
from pallor.release.shelf import Release, Shelf
from tests.support.releases import SIZE, a_graph, plain_photo
from tests.trainer.evidence import an_evidence, figure, findings
from tests.trainer.labelled import a_recipe
from trainer.intended_use import intended_use
from trainer.pack import FileDisagrees, ModelFile, Parts, PrecisionNotShipped, pack
from worker.engines.plan import load_engine
from worker.selftest import largest_difference

NOW = datetime(2026, 11, 22, tzinfo=UTC)
RECIPE = a_recipe(size=SIZE)
FP16 = ModelFile("fp16.onnx", a_graph(), "fp16", ("cpu",))
INT8 = ModelFile("int8.onnx", a_graph(bias=0.05), "int8", ("cpu",))  # a hundredth away in probability
SIGNED = ModelFile("int8-trt.onnx", a_graph(bias=0.06), "int8", ("gpu",))


def test_a_node_admits_what_was_packed(tmp_path):
    pack(parts(), RECIPE, tmp_path / "made")
    release = Shelf(tmp_path / "shelf").put(tmp_path / "made")
    assert load_engine(release).describe().precision == "fp16"
    assert largest_difference(load_engine(release), release) < 1e-6


def test_a_machine_is_given_the_first_file_whose_needs_it_meets(tmp_path):
    fp16_first = pack(parts(models=[FP16, INT8, SIGNED]), RECIPE, tmp_path / "fp16")
    int8_first = pack(parts(models=[SIGNED, INT8, FP16]), RECIPE, tmp_path / "int8")
    assert fp16_first.model_for(frozenset({"cpu", "gpu"})).path == "fp16.onnx"
    assert int8_first.model_for(frozenset({"cpu"})).path == "int8.onnx"
    assert int8_first.model_for(frozenset({"cpu", "gpu"})).path == "int8-trt.onnx"
    release = Release.open(tmp_path / "int8")
    assert 0 < largest_difference(load_engine(release), release) < RECIPE.export.tolerance_int8


def test_the_most_exact_file_says_what_is_expected_whatever_the_order(tmp_path):
    either, other = (
        pack(parts(models=models), RECIPE, tmp_path / str(at)) for at, models in enumerate([[FP16, INT8], [INT8, FP16]])
    )
    assert either.golden == other.golden
    assert either.tolerance == {"fp16": RECIPE.export.tolerance, "int8": RECIPE.export.tolerance_int8}


def test_a_file_that_no_node_would_serve_is_not_packed_and_what_was_there_stays(tmp_path):
    pack(parts(), RECIPE, tmp_path / "made")
    far = replace(INT8, data=a_graph(bias=2.0))
    with pytest.raises(FileDisagrees, match=r"^int8[.]onnx differs by"):
        pack(parts(models=[FP16, far]), RECIPE, tmp_path / "made")
    assert [file.path for file in Release.open(tmp_path / "made").manifest.files if file.role == "model"] == [
        "fp16.onnx"
    ]


def test_a_file_for_gpus_that_disagrees_is_left_out_and_the_others_are_packed(tmp_path):
    far = replace(SIGNED, data=a_graph(bias=2.0))
    rows = [{"precision": "fp16"}, {"precision": "int8-trt"}]
    manifest = pack(parts(models=[FP16, far], quantization=rows), RECIPE, tmp_path / "made")
    assert [file.path for file in manifest.files if file.role == "model"] == ["fp16.onnx"]
    assert not (tmp_path / "made" / "int8-trt.onnx").exists()
    card = (tmp_path / "made" / "card.md").read_text("utf-8")
    assert "| FP16 | yes |" in card
    assert "| INT8 for GPUs | no |" in card


@pytest.mark.parametrize("precision", ["fp32", "int4"])
def test_research_and_the_unquantized_are_never_shipped(tmp_path, precision):
    with pytest.raises(PrecisionNotShipped):
        pack(parts(models=[FP16, replace(FP16, path="other.onnx", precision=precision)]), RECIPE, tmp_path / "made")
    assert not (tmp_path / "made").exists()


def test_cut_offs_world_and_figures_are_the_evidences(tmp_path):
    evidence = an_evidence(world="synthetic")
    evidence["figures"].append(figure("model.sensitivity", "test_side", None))
    evidence["figures"].append(figure("model.auroc@site=north", "test_side", 0.7))  # stands in the card
    manifest = pack(parts(evidence=evidence), RECIPE, tmp_path / "made")
    cutoffs = evidence["cutoffs"]
    assert (manifest.threshold, manifest.refer_low, manifest.refer_high) == tuple(
        cutoffs[name] for name in ("threshold", "refer_low", "refer_high")
    )
    assert (manifest.world, manifest.status, manifest.label_table) == ("synthetic", "investigational", "who-2011")
    kept = [one for one in evidence["figures"] if one["value"] is not None and "@" not in one["name"]]
    assert [(f.name, f.protocol, f.value) for f in manifest.figures] == [
        (f["name"], f["protocol"], f["value"]) for f in kept
    ]


def test_cut_offs_that_were_not_measured_make_no_release(tmp_path):
    with pytest.raises(ManifestUnreadable):
        pack(
            parts(evidence=an_evidence(cutoffs={"threshold": None, "refer_low": 0.4, "refer_high": 0.6})),
            RECIPE,
            tmp_path / "made",
        )
    assert issubclass(ManifestUnreadable, Untrusted)
    assert not (tmp_path / "made").exists()


def test_nothing_lies_in_it_but_what_the_manifest_names(tmp_path):
    manifest = pack(parts(models=[FP16, INT8]), RECIPE, tmp_path / "made")
    there = {
        path.relative_to(tmp_path / "made").as_posix() for path in (tmp_path / "made").rglob("*") if path.is_file()
    }
    assert there == {"manifest.json", *(file.path for file in manifest.files)}
    assert there == {"manifest.json", "card.md", "fp16.onnx", "int8.onnx", "golden/00.png", "golden/01.png"}
    assert {path.name for path in tmp_path.iterdir()} == {"made"}


def test_the_card_in_it_tells_the_gates_refusals(tmp_path):
    pack(parts(), RECIPE, tmp_path / "made")
    card = (tmp_path / "made" / "card.md").read_text("utf-8")
    assert "too-few-positives" in card
    assert "Ages: 6 to 59 months" in card


def test_the_same_parts_are_the_same_release(tmp_path):
    one, other = (pack(parts(models=[FP16, INT8]), RECIPE, tmp_path / name) for name in ("one", "other"))
    assert one.digest() == other.digest()
    assert json.loads((tmp_path / "one" / "manifest.json").read_bytes())["created_at"].startswith("2026-11-22")


@pytest.mark.parametrize(
    ("ages", "table", "band"),
    [
        ([*range(6, 60), 60], "who-2011", (6, 59)),  # CP-AnemiC gives whole years: 60 is its last
        ([*range(6, 60), 60], "who-2024", (6, 59)),
        ([8, *range(10, 50)], "who-2024", (6, 59)),
        ([*range(24, 60)] * 9 + [400], "who-2011", (6, 59)),  # one adult among many children
        ([*range(180, 600)], "who-2024", (180, 595)),
        ([60] * 5, "who-2024", (60, 60)),
    ],
)
def test_a_release_is_meant_for_the_ages_that_it_learned_from(ages, table, band):
    use = intended_use(np.array(ages), table)
    assert (use.min_age_months, use.max_age_months, use.pregnant) == (*band, False)


def parts(*, models=(FP16,), **changes):
    return Parts(findings(**changes), NOW, models, golden=[plain_photo(shade) for shade in (60, 200)])
