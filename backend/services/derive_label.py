"""A label is derived from what is on record, again whenever that changes; the new record supersedes the old one."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, select

from backend.db.tables import deployment, labels, photos, sites
from backend.services.audit import write_audit
from backend.services.records import case_of, case_row, note_change, standing_results
from backend.services.same_photo import photos_alike
from backend.services.standing_consents import standing_consents
from pallor.case import Case
from pallor.clock import Clock, utc_text
from pallor.consent import Purpose
from pallor.digest import digest_of
from pallor.eligibility import Evidence, Reason, withheld_reasons
from pallor.ids import new_id
from pallor.lab import Hb, read_hb
from pallor.label import Label, label_of

USABLE = ("waiting", "scored")  # states of a photo whose quality was good enough


def derive_label(tx: Connection, clock: Clock, case_id: str, table: str, *, by: str) -> None:
    """Write the label that follows from the case as it now stands, unless it is the one on record.

    Where no result stands any more, what there was is retracted by a label that says nothing.

    ``by``: whose change made it follow.
    """
    results = standing_results(tx, [case_id])
    if not results:
        _retract(tx, clock, case_id, by=by)
        return
    case = case_of(case_row(tx, case_id))
    newest = results[-1]
    hb = read_hb(newest.value, newest.unit, newest.loinc)
    label = label_of(hb, case.subject, table)
    usable = tx.execute(
        select(photos.c.id, photos.c.stored_sha256, photos.c.captured_at)
        .where(photos.c.case_id == case_id, photos.c.state.in_(USABLE))
        .order_by(photos.c.received_at, photos.c.id)
    ).all()
    alike = select(photos_alike([p.id for p in usable])).limit(1)
    practice = tx.execute(select(sites.c.practice).where(sites.c.code == case.site)).scalar_one()
    withheld = withheld_reasons(
        Evidence(
            label=label,
            consent_to_training=standing_consents(tx, [case_id])[case_id][Purpose.TRAINING].given,
            taken_at=newest.taken_at,
            captured_at=tuple(p.captured_at for p in usable),
            values_g_per_l=tuple(r.g_per_l for r in results),
            same_photo_elsewhere=tx.execute(alike).first() is not None,
            practice=practice,
        )
    )
    content = {
        "case_id": case_id,
        "world": tx.execute(select(deployment.c.world)).scalar_one(),
        "site": case.site,
        "practice": practice,
        "photos": [p.stored_sha256 for p in usable],
        "lab_result_id": newest.id,
        "taken_at": utc_text(newest.taken_at),
        "specimen": newest.specimen,
        "withheld": list(withheld),
        **_label_json(case, hb, label),
    }
    _supersede(tx, clock, case_id, content, eligible=not withheld, by=by)


def derive_by_table(tx: Connection, clock: Clock, table: str, *, by: str) -> None:
    """Derive every label anew that stands by another table: the one that is used here was changed."""
    stale = select(labels.c.case_id).where(is_newest(), labels.c.record["table"].as_string() != table)
    for case_id in tx.execute(stale).scalars().all():
        derive_label(tx, clock, case_id, table, by=by)


def is_newest() -> ColumnElement[bool]:
    """That no other label supersedes a row of ``labels``."""
    later = labels.alias()
    return ~select(later.c.id).where(later.c.supersedes == labels.c.id).correlate(labels).exists()


def label_key(label_id: str, derived_at: datetime) -> str:
    """Where a label's record lies: ``labels/v1/dt=<day>/<id>.json``."""
    return f"labels/v1/dt={utc_text(derived_at)[:10]}/{label_id}.json"


def _label_json(case: Case, hb: Hb, label: Label) -> dict[str, Any]:
    return {
        "subject": case.to_json()["subject"],
        "hb": {"value": hb.value, "unit": hb.unit, "g_per_l": str(hb.g_per_l)},
        "table": label.table,
        "group": label.group,
        "severity": label.severity,
        "anaemic": label.anaemic,
        "adjusted_g_per_l": str(label.adjusted_g_per_l),
        "altitude": "adjusted" if label.altitude_adjusted else "not adjusted",
        "no_criterion": label.no_criterion,
    }


def _retract(tx: Connection, clock: Clock, case_id: str, *, by: str) -> None:
    there = tx.execute(select(labels).where(labels.c.case_id == case_id, is_newest())).first()
    if there is None or there.record.get("retracted"):
        return
    content = {name: value for name, value in there.record.items() if name not in ("id", "supersedes", "derived_at")}
    nothing = {
        "retracted": True,
        "withheld": [Reason.RETRACTED],
        "severity": None,
        "anaemic": None,
        "no_criterion": Reason.RETRACTED,
    }
    _supersede(tx, clock, case_id, content | nothing, eligible=False, by=by)


def _supersede(tx: Connection, clock: Clock, case_id: str, content: dict[str, Any], *, eligible: bool, by: str) -> None:
    digest = digest_of(content)
    there = tx.execute(select(labels).where(labels.c.case_id == case_id, is_newest())).first()
    if there is not None and there.content_digest == digest:
        return
    label_id, now = new_id(), clock.now()
    record = {**content, "id": label_id, "supersedes": there.id if there else None, "derived_at": utc_text(now)}
    tx.execute(
        labels.insert().values(
            id=label_id,
            case_id=case_id,
            supersedes=there.id if there else None,
            content_digest=digest,
            record=record,
            eligible=eligible,
            derived_at=now,
        )
    )
    note_change(tx, clock, "label", label_id, case_id)
    old = there.record if there else None
    write_audit(tx, clock, by, "label.derive", label_id, case_id=case_id, old=old, new=record)
