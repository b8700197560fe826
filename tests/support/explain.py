"""Photos that a release has scored, with a map and an embedding of one's own choice."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from backend.services.record_prediction import record_prediction
from backend.services.register_release import register_release
from pallor.image.spec import PreprocessSpec
from pallor.messages import RecordPrediction
from pallor.release.shelf import Release
from tests.support.api import Api
from tests.support.builders import a_manifest, a_prediction

EVEN = ((0.0,) * 7,) * 7


def score(
    api: Api,
    photo_id: str,
    embedding: Sequence[float] = (1.0,),
    *,
    release_id: str = "toy-1",
    cam: Any = EVEN,
    **facts: Any,
) -> bool:
    """Record an answer of a release that is registered with the usual preprocessing; ``embedding`` is filled with 0."""
    manifest = a_manifest(release_id=release_id, preprocess=PreprocessSpec().to_json())
    register_release(api.parts.database, api.clock, Release(None, manifest, manifest.digest()), "real")
    filled = (*map(float, embedding), *[0.0] * (64 - len(embedding)))
    answer = replace(a_prediction(), photo_id=photo_id, release_id=release_id, embedding=filled, cam=cam, **facts)
    message = RecordPrediction(photo_id, release_id, answer)
    return record_prediction(api.parts.database, api.clock, message, api.parts.settings.label_table)
