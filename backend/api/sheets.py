"""For laboratories that keep lists: a CSV or XLSX file, looked at before anything is written, then let in."""

from collections.abc import Sequence
from typing import Any, cast

from flask import Response, request
from flask_openapi import APIBlueprint

from backend.access.roles import Role
from backend.api import show
from backend.api.lab import sender, status_of
from backend.api.parts import TOKEN_OR_SESSION, Parts, answers, read_body, shown
from backend.api.sent_back import keep_what_is_refused, to_sent_back
from backend.auth import Reach, allow
from backend.problems import problem_of
from backend.services.preview_sheet import Fate, check_preview, foresee_rows, preview_token
from backend.services.receive_report import Laboratory, receive_report
from backend.services.send_back import SentBack, send_back
from backend.wire import lab
from backend.wire.lab_line import to_line
from backend.wire.sheet import CSV, MAX_SHEET_BYTES, XLSX, Sheet, SheetRow, read_sheet
from pallor.errors import Refused
from pallor.reported import ReportedHb

_BODY: Any = {
    "required": True,
    "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in (CSV, XLSX)},
}


class SheetTypeMismatch(Refused):
    """Neither CSV nor XLSX."""


class NumberTwice(Refused):
    """Two rows have the same number and say different things."""


def sheets_api(parts: Parts) -> APIBlueprint:
    """The routes of lists."""
    bp = APIBlueprint(
        "sheets", __name__, url_prefix="/api/v1", abp_tags=[{"name": "lab"}], abp_security=TOKEN_OR_SESSION
    )
    keep_what_is_refused(bp, parts, {"post_sheet": "sheet"})
    database, clock, settings = parts.database, parts.clock, parts.settings
    laboratory = Laboratory(database, clock, settings.label_table)

    @bp.post("/lab-sheets/preview", request_body=_BODY, responses=answers({200: lab.SheetPreviewOut}))
    @allow(Role.LAB, reach=Reach.MATCH, takes=())
    def post_preview() -> Response:
        """See what would become of each row of a list; nothing is written

        Columns are known by their headings; every other column is dropped unread.
        """
        data, sheet, lines = _read()
        fates = foresee_rows(database, lines, sender())
        token = preview_token(database, clock, data, fates, sender())
        rows = [_previewed(row, line, fate) for row, line, fate in zip(sheet.rows, lines, fates, strict=True)]
        return shown(lab.SheetPreviewOut(rows=rows, columns_dropped=sheet.dropped, token=token))

    @bp.post("/lab-sheets", request_body=_BODY, responses=answers({200: lab.SheetOut}, 409))
    @allow(Role.LAB, reach=Reach.MATCH, takes=())
    def post_sheet(header: lab.PreviewHeaders) -> Response:
        """Let in a list that was previewed: the same file, with the token of its preview

        409 when something has changed what would become of a row since. What is wrong with one row costs no other.
        """
        data, sheet, lines = _read()
        fates = foresee_rows(database, lines, sender())
        check_preview(database, clock, header.preview_token, data, fates, sender())
        refused: list[SentBack] = []
        rows = [_let_in(row, line, refused) for row, line in zip(sheet.rows, lines, strict=True)]
        send_back(database, clock, sender(), refused)
        return shown(lab.SheetOut(rows=rows))

    def _read() -> tuple[bytes, Sheet, list[ReportedHb | Refused]]:
        if request.mimetype not in (CSV, XLSX):
            raise SheetTypeMismatch(
                "a list is CSV or XLSX", field="Content-Type", value=request.mimetype or None,
                remedy=f"Send Content-Type: {CSV} or {XLSX}.",
            )  # fmt: skip
        data = read_body(MAX_SHEET_BYTES)
        sheet = read_sheet(data, request.mimetype, settings.lab_time_zone)
        return data, sheet, without_twins([_line(row) for row in sheet.rows])

    def _line(row: SheetRow) -> ReportedHb | Refused:
        if isinstance(row.read, Refused):
            return row.read
        try:
            return to_line(row.read, clock.now())
        except Refused as refusal:
            return refusal

    def _let_in(row: SheetRow, line: ReportedHb | Refused, refused: list[SentBack]) -> lab.SheetRowOut:
        try:
            if isinstance(line, Refused):
                raise line
            done = receive_report(laboratory, line, sender())
        except Refused as refusal:
            problem = problem_of(refusal)
            named = (None, None) if isinstance(row.read, Refused) else (row.read.barcode, row.read.case_id)
            refused.append(to_sent_back("sheet", problem, row.number, *named))
            return lab.SheetRowOut(row=row.number, status=problem.status, report=None, problem=problem.model_dump())
        return lab.SheetRowOut(row=row.number, status=status_of(done), report=show.report(done), problem=None)

    return bp


def without_twins(lines: Sequence[ReportedHb | Refused]) -> list[ReportedHb | Refused]:
    """The same rows, but those refused that have one number and say different things."""
    said: dict[str, set[str]] = {}
    for line in lines:
        if isinstance(line, ReportedHb):
            said.setdefault(line.business_id, set()).add(line.digest())
    twice = NumberTwice(
        "two rows have this number and say different things", field="business_id", value="(not repeated)",
        remedy="Keep the row that was released; send a correction on its own, with status corrected.",
    )  # fmt: skip
    return [twice if isinstance(one, ReportedHb) and len(said[one.business_id]) > 1 else one for one in lines]


def _previewed(row: SheetRow, line: ReportedHb | Refused, fate: Fate) -> lab.PreviewRowOut:
    read = {} if isinstance(line, Refused) else _what_it_says(line)
    if isinstance(fate, Refused):
        return lab.PreviewRowOut(
            row=row.number, fate="refused", reason=fate.code(), field=fate.field, said=str(fate), **read
        )
    seen = "repeated" if fate.repeated else cast(lab.State, fate.state)
    return lab.PreviewRowOut(row=row.number, fate=seen, reason=fate.reason, field=None, said=None, **read)


def _what_it_says(line: ReportedHb) -> dict[str, Any]:
    told: dict[str, Any] = {"specimen_barcode": line.barcode, "case_id": line.case_id}
    if line.hb is not None:
        grams = str(line.hb.g_per_l)
        told |= {"hb_value": line.hb.value, "hb_unit": line.hb.unit, "hb_g_per_l": grams, "unusual": line.hb.seldom}
    return told
