"""A manifest that could say or pass anything is not read."""

import json
from dataclasses import replace

import pytest

from pallor.release.manifest import Golden, IntendedUse, Manifest, ManifestUnreadable
from tests.support.builders import a_manifest


def test_a_manifest_survives_the_trip_through_json():
    assert Manifest.from_json(json.loads(a_manifest().to_bytes())) == a_manifest()


@pytest.mark.parametrize(
    "facts",
    [
        {"threshold": float("nan")}, {"threshold": 7}, {"threshold": "abc"}, {"threshold": True}, {"refer_high": -1},
        {"tolerance": {"fp16": float("inf")}}, {"tolerance": {"fp16": 0}}, {"tolerance": {"fp16": "x"}},
        {"world": "both"}, {"release_id": "../up"}, {"golden": (Golden("golden/unlisted.png", 0.5),)},
        {"intended_use": IntendedUse("6", 59, pregnant=False)}, {"intended_use": IntendedUse(6, 59, pregnant=0)},
    ],
)  # fmt: skip
def test_what_cannot_be_is_untrusted(facts):
    with pytest.raises(ManifestUnreadable):
        Manifest.from_json(replace(a_manifest(), **facts).to_json())


FILE = {"path": "golden/1.png", "digest": "sha256:" + "0" * 64, "bytes": 1, "role": "golden", "needs": []}


@pytest.mark.parametrize(
    "facts",
    [
        {"tolerance": None}, {"preprocess": None}, {"preprocess": "x"}, {"files": None}, {"files": [5]},
        {"files": [FILE | {"path": None}]}, {"files": [FILE | {"digest": None}]}, {"files": [FILE | {"needs": [[]]}]},
        {"files": [FILE | {"precision": ["fp32"]}]}, {"figures": None}, {"created_at": 5}, {"golden": [5]},
        *({"files": [FILE], "golden": [{"photo": "golden/1.png", "probability": p}]} for p in ("x", None, [], 2, True)),
        {"files": [FILE], "golden": [{"photo": "golden/1.png", "probability": float("nan")}]},
    ],
)  # fmt: skip
def test_what_is_of_another_kind_is_untrusted_and_no_fault_of_ours(facts):
    with pytest.raises(ManifestUnreadable):
        Manifest.from_json(a_manifest().to_json() | facts)
