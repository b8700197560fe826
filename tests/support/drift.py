"""Alarms on record, and cases by the dozen, laid straight into the tables."""

from datetime import datetime, timedelta
from typing import Any

import numpy as np

from backend.db.engine import Database
from backend.db.tables import cases, drift_alarms, labels, photos, predictions
from pallor.ids import new_id
from tests.support.api import OWN, Api
from tests.support.builders import NOON


def an_alarm(api: Api, **facts: Any) -> str:
    """The id of an open alarm at the own site, unless ``facts`` say otherwise."""
    row = {
        "id": new_id(), "release_id": "toy-1", "what": "score", "place_kind": "site", "place": OWN, "since": NOON,
        "until": NOON, "cases": 20, "cases_before": 40, "value_before": 0.3, "value_since": 0.5,
        "said": "the mean score went from 0.30 to 0.50", "raised_at": api.clock.now(),
    }  # fmt: skip
    with api.parts.database.write() as tx:
        tx.execute(drift_alarms.insert().values(row | facts))
    return str((row | facts)["id"])


def lay_out(
    database: Database, probability: Any, embedding: Any, *, anaemic: Any = None, site: str = OWN,
    phone_model: str | None = None, release_id: str = "toy-1", first: datetime = NOON,
) -> list[str]:  # fmt: skip
    """One case an hour from ``first`` on, each scored, and labelled where ``anaemic`` says so; their ids."""
    ids = [new_id() for _ in probability]
    rows: dict[Any, list[dict[str, Any]]] = {cases: [], photos: [], predictions: [], labels: []}
    for at, case_id in enumerate(ids):
        moment, photo_id = first + timedelta(hours=at), new_id()
        rows[cases].append({
            "id": case_id, "site": site, "subject_code": f"S-{case_id[:8]}", "facts": {},
            "submitted_digest": "sha256:0", "received_at": moment, "received_by": "phone-1",
        })  # fmt: skip
        rows[photos].append({
            "id": photo_id, "case_id": case_id, "uploaded_sha256": "sha256:0", "bytes": 1, "media_type": "image/png",
            "captured_at": moment, "state": "scored", "declared_at": moment, "declared_by": "phone-1", "role": "roi",
            "capture": {"phone_model": phone_model} if phone_model else None,
        })  # fmt: skip
        rows[predictions].append({
            "photo_id": photo_id, "release_id": release_id, "probability": float(probability[at]), "answer": {},
            "shown": True, "recorded_at": moment, "embedding": np.asarray(embedding[at], "<f4").tobytes(),
        })  # fmt: skip
        if anaemic is not None:
            rows[labels].append({
                "id": new_id(), "case_id": case_id, "content_digest": "sha256:0", "eligible": True,
                "record": {"anaemic": bool(anaemic[at]), "withheld": []}, "derived_at": moment,
            })  # fmt: skip
    with database.write() as tx:
        for table, some in rows.items():
            if some:
                tx.execute(table.insert(), some)
    return ids
