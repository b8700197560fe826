"""Cases that may teach a model, brought there by a phone and a laboratory."""

from dataclasses import dataclass
from itertools import count
from typing import Any

from pallor.ids import new_id
from pallor.snapshot import LabelledPhoto, read_snapshot
from tests.support.api import Api
from tests.support.synthetic import a_good_png

_seeds = count(20_000)


@dataclass(frozen=True)
class Learnable:
    """A case with a photo and a haemoglobin."""

    case_id: str
    photo_id: str
    photo: str  # digest of what is stored


def a_learnable(api: Api, subject_code: str, *, data: bytes | None = None, hb: str = "10.4", **facts: Any) -> Learnable:
    """Nothing withholds its label, unless ``facts`` of the case do; no photo looks like another."""
    case_id, photo_id = api.put_case(subject_code=subject_code, **facts), new_id()
    sent = api.put_photo(case_id, data or a_good_png(seed=next(_seeds)), photo_id)
    assert sent.status_code == 201, sent.text
    assert api.put_result(case_id, hb={"value": hb, "unit": "g/dL"}).status_code == 201
    return Learnable(case_id, photo_id, sent.json["stored_sha256"])


def export(api: Api, status: int = 201) -> str:
    """The digest of the snapshot that the trainer gets when it asks for one."""
    response = api.call("POST", "/snapshots", "trainer", json={})
    assert response.status_code == status, response.text
    return str(response.json["digest"])


def lines_of(api: Api, digest: str) -> dict[str, LabelledPhoto]:
    """The lines of a snapshot by case, for cases with one photo each."""
    return {line.case_id: line for line in read_snapshot(api.parts.store, digest)}


def erase(api: Api, subject_code: str, site: str = "kumasi-1") -> dict[str, Any]:
    said = {"site": site, "subject_code": subject_code, "reason": "request"}
    response = api.call("PUT", f"/erasures/{new_id()}", "admin", json=said)
    assert response.status_code == 201, response.text
    return dict(response.json)


def withheld(api: Api, case_id: str) -> list[str]:
    """Why the newest label of a case may not teach a model."""
    return list(api.get(f"/cases/{case_id}")["label"]["withheld"])
