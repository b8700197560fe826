"""HL7 v2 over HTTP: the same messages, and the same answers, as over MLLP."""

from datetime import tzinfo

from flask import Response
from flask_openapi import APIBlueprint

from backend.access.roles import Role
from backend.api.lab import sender
from backend.api.parts import PROBLEM, TOKEN_OR_SESSION, Parts, answers, read_body
from backend.api.sent_back import to_sent_back
from backend.auth import Reach, allow
from backend.problems import problem_of
from backend.services.receive_report import OPEN, Laboratory, Received, Sender, receive_report
from backend.services.send_back import SentBack, send_back
from backend.wire.hl7 import MAX_MESSAGE_BYTES, MessageUnreadable, MessageUnsupported, read_header, read_message
from backend.wire.hl7_ack import ACCEPTED, ERROR, REJECTED, Remark, acknowledge
from backend.wire.hl7_order import Found
from backend.wire.lab_line import to_line
from pallor.errors import Refused
from pallor.ids import new_id

MEDIA_TYPE = "application/hl7-v2"
_TEXT_OF_IT = {"schema": {"type": "string", "examples": ["MSH|^~\\&|..."]}}
# Nothing looks at the type, for systems call it by several names; a text is what tools can make.
_BODY = {"required": True, "content": {"text/plain": _TEXT_OF_IT}}
_TEXT = {MEDIA_TYPE: {"schema": {"type": "string"}}}


def hl7_api(parts: Parts) -> APIBlueprint:
    """The route of HL7 messages."""
    bp = APIBlueprint("hl7", __name__, url_prefix="/api/v1", abp_tags=[{"name": "lab"}], abp_security=TOKEN_OR_SESSION)
    laboratory = Laboratory(parts.database, parts.clock, parts.settings.label_table)

    @bp.post(
        "/hl7v2",
        request_body=_BODY,
        responses=answers({}) | {"200": {"content": _TEXT}, "422": {"content": PROBLEM | _TEXT}},
    )
    @allow(Role.LAB, reach=Reach.MATCH, takes=())
    def post_message() -> Response:
        """Send an ORU^R01; the answer is an ACK: AA with 200, AE or AR with 422

        Each haemoglobin of the message is recorded by itself; of those that cannot be, an ERR says where and why.
        """
        data = read_body(MAX_MESSAGE_BYTES)
        code, answer = answer_message(laboratory, sender(), parts.settings.lab_time_zone, data)
        return Response(answer, 200 if code == ACCEPTED else 422, content_type=MEDIA_TYPE)

    return bp


def answer_message(laboratory: Laboratory, sent_by: Sender, zone: tzinfo, data: bytes) -> tuple[str, bytes]:
    """Record what a message says; the code of its acknowledgement, and the acknowledgement.

    Raises:
        Unavailable: nothing more of it can be recorded now; what was is recorded once, however often it is sent.
    """
    header, now = read_header(data), laboratory.clock.now()
    try:
        found = read_message(data, zone)
    except Refused as error:
        send_back(laboratory.database, laboratory.clock, sent_by, [to_sent_back("hl7", problem_of(error))])
        code = REJECTED if isinstance(error, (MessageUnreadable, MessageUnsupported)) else ERROR
        return code, acknowledge(header, code, [Remark(None, error)], now, new_id())
    said = [(one, _take(laboratory, sent_by, one)) for one in found]
    refused = [_sent_back(one, remark.error) for one, remark in said if remark and isinstance(remark.error, Refused)]
    send_back(laboratory.database, laboratory.clock, sent_by, refused)
    remarks = [remark for _, remark in said if remark is not None]
    code = ERROR if any(remark.error for remark in remarks) else ACCEPTED
    return code, acknowledge(header, code, remarks, now, new_id())


def _take(laboratory: Laboratory, sent_by: Sender, one: Found) -> Remark | None:
    try:
        if one.given is None:
            return Remark(one.where, one.refusal)
        done = receive_report(laboratory, to_line(one.given, laboratory.clock.now()), sent_by)
    except Refused as refusal:
        return Remark(one.where, refusal)
    return Remark(one.where, None, _kept(done)) if done.state in OPEN else None


def _sent_back(one: Found, refusal: Refused) -> SentBack:
    named = (one.given.barcode, one.given.case_id) if one.given else (None, None)
    return to_sent_back("hl7", problem_of(refusal), one.where[1], *named)


def _kept(done: Received) -> str:
    return f"{done.state}: {done.reason}" if done.reason else done.state
