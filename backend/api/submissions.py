"""From what a phone sealed to what its open routes would have been sent: opened, read and checked in the same way."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection

from backend.api.parts import Parts
from backend.problems import problem_of, strict_json
from backend.services.acknowledge_alert import acknowledge_alert
from backend.services.amend_case import record_amendment
from backend.services.audit import Entry
from backend.services.give_sealing_keys import open_blob
from backend.services.receive_report import Laboratory
from backend.services.receive_sealed import Arrived
from backend.services.record_consent import record_statement
from backend.services.record_follow_up import record_follow_up
from backend.services.records import CaseErased
from backend.services.settle_waiting import settle_waiting
from backend.services.standing_consents import ConsentWithdrawn
from backend.services.submit_case import record_case
from backend.services.take_in_sealed import Opened, keep_for_later, put_aside, take_in_sealed
from backend.wire import container, follow_up, received, rights, sealed
from pallor.errors import Refused, Unavailable


@dataclass(frozen=True)
class TakenIn:
    """What this request put on record of a blob. ``receipt``: as ``sealed`` has it."""

    blob: Arrived
    case_id: str
    receipt: dict[str, Any]


Word = tuple[Callable[[Connection], Entry | None], str | None]  # what writes it down, and whose it says it is
Check = Callable[[str, datetime], None]  # raises for a moment at which the sender could not have sealed this any more

_NOT_TO_BE_KEPT = (CaseErased, ConsentWithdrawn)


def take_in_blob(parts: Parts, blob: Arrived, check: Check) -> TakenIn | None:
    """Open a blob and record what lies in it; None when this request did not. What was refused is put aside.

    Raises:
        IdTaken, ContentDiffers: another submission came under its id meanwhile.
        Unavailable: nothing is known yet of what is in it; its bytes are kept.
    """
    about = container.about(None)
    try:
        with parts.database.read() as connection:
            opened = open_blob(connection, blob.site, blob.data, parts.settings.sealing_passphrase)
        text, rest = container.header_of(opened)
        said = strict_json(text)
        about = container.about(said)
        receipt = take_in_sealed(parts.intake, blob, _read(parts, blob, said, rest, check))
    except Unavailable:
        keep_for_later(parts.intake, blob)
        raise
    except (Refused, ValidationError) as error:
        keep = not isinstance(error, _NOT_TO_BE_KEPT)
        put_aside(parts.intake, blob, problem_of(error).model_dump(mode="json"), about, keep=keep)
        return None
    # It may have been for this case that a line of a laboratory's report was kept; cut off here, the sweeper does it.
    settle_waiting(Laboratory(parts.database, parts.clock, parts.settings.label_table), said["case_id"])
    return None if receipt is None else TakenIn(blob, said["case_id"], receipt)


def _read(parts: Parts, blob: Arrived, said: dict[str, Any], rest: bytes, check: Check) -> Opened:
    header = sealed.Header.model_validate(said)
    now = parts.clock.now()
    sealed.check_header(header, blob.submission_id, blob.site)
    received.check_not_ahead("sealed_at", header.sealed_at, now)
    check("sealed_at", header.sealed_at)
    for number, part in enumerate(header.parts):
        received.check_not_ahead(f"parts.{number}.captured_at", part.captured_at, now)
        check(f"parts.{number}.captured_at", part.captured_at)
    record, subject_code = _WORDS[header.kind](parts, header, now, check, blob.by)
    photos = container.parts_of(rest, [(part.bytes, part.sha256) for part in header.parts])
    declared = [sealed.to_declaration(header.case_id, part) for part in header.parts]
    return Opened(header.kind, header.case_id, subject_code, record, list(zip(declared, photos, strict=True)))


def _case(parts: Parts, header: sealed.Header, now: datetime, check: Check, by: str) -> Word:
    case = received.to_case(header.case_id, received.CaseIn.model_validate(header.body), now)
    check("visited_at", case.visited_at)
    if case.site != header.site:
        raise sealed.SubmissionContradicted(
            "the case is of another site than it was sealed for", field="body.site", value=case.site,
            remedy="Seal a case to the key of its own site.",
        )  # fmt: skip
    here = frozenset({header.site})
    return lambda tx: record_case(parts.database, tx, parts.clock, case, within=here, by=by), case.subject_code


def _photos(_parts: Parts, _header: sealed.Header, _now: datetime, _check: Check, _by: str) -> Word:
    return _by_itself(lambda _tx: None), None


def _amendment(parts: Parts, header: sealed.Header, now: datetime, _check: Check, by: str) -> Word:
    body = received.AmendmentIn.model_validate(header.body)
    changes, amendment_id = received.to_changes(body, now), sealed.needed(header, "amendment_id")
    table = parts.settings.label_table
    return _by_itself(lambda tx: record_amendment(
        parts.database, tx, parts.clock, header.case_id, amendment_id, changes, body.reason, table, by=by
    )), None  # fmt: skip


def _consent(parts: Parts, header: sealed.Header, now: datetime, check: Check, by: str) -> Word:
    body = rights.StatementIn.model_validate(header.body)
    said, consent_id = rights.to_consent(body, now), sealed.needed(header, "consent_id")
    check("at", said.at)
    table = parts.settings.label_table
    return _by_itself(lambda tx: record_statement(
        parts.database, tx, parts.clock, header.case_id, consent_id, body.purpose, said, table, given=body.given, by=by
    )), None  # fmt: skip


def _follow_up(parts: Parts, header: sealed.Header, now: datetime, check: Check, by: str) -> Word:
    body = follow_up.FollowUpIn.model_validate(header.body)
    received.check_not_ahead("at", body.at, now)
    check("at", body.at)
    follow_up_id = sealed.needed(header, "follow_up_id")
    return _by_itself(lambda tx: record_follow_up(
        parts.database, tx, parts.clock, header.case_id, follow_up_id, body.state, body.at, body.note, by=by
    )), None  # fmt: skip


def _acknowledgement(parts: Parts, header: sealed.Header, now: datetime, check: Check, by: str) -> Word:
    body = follow_up.AcknowledgementIn.model_validate(header.body)
    received.check_not_ahead("at", body.at, now)
    check("at", body.at)
    result_id = sealed.needed(header, "result_id")
    return _by_itself(lambda tx: acknowledge_alert(tx, parts.clock, header.case_id, result_id, body.at, by=by)), None


def _by_itself(record: Callable[[Connection], object]) -> Callable[[Connection], None]:
    """What tells feed and trail of what it writes down."""

    def recorded(tx: Connection) -> None:
        record(tx)

    return recorded


_WORDS: dict[str, Callable[[Parts, sealed.Header, datetime, Check, str], Word]] = {
    "case": _case,
    "photos": _photos,
    "amendment": _amendment,
    "consent": _consent,
    "follow-up": _follow_up,
    "acknowledgement": _acknowledgement,
}
