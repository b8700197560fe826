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
