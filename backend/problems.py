"""Errors as the wire knows them: RFC 9457 problems with stable codes, one table from reason to status."""

import logging
from http import HTTPStatus
from typing import Any, cast

from flask import Flask, Response, g, json, request
from pydantic import BaseModel, Field, ValidationError
from werkzeug.exceptions import HTTPException

from backend.access.oidc import ProviderMissing, ProviderRefused
from backend.access.passwords import PasswordWrong
from backend.access.second_factor import SecondFactorCodeNeeded, SecondFactorNotBegun
from backend.access.throttle import TooManyAttempts
from backend.auth import (
    CsrfMissing,
    DeviceRetired,
    DeviceStolen,
    DeviceUnconfirmed,
    PasswordChangeNeeded,
    RoleNotAllowed,
    SecondFactorNeeded,
    SignInNeeded,
    TokenExpired,
    TokenMissing,
    TokenUnknown,
)
from backend.services.answer_to_explain import AnswerTakenBack, NotScored, ValueNotIn
from backend.services.channel_words import ChannelUnknown
from backend.services.decide_report import CaseDisagrees, ReportSettled
from backend.services.draw_heat_map import ReleaseNotHere
from backend.services.erase import SubjectUnknown
from backend.services.export_snapshot import NothingEligible
from backend.services.keep_pieces import OffsetMismatch
from backend.services.look_after_put_aside import NotPutAside
from backend.services.manage_devices import DeviceNotFound, FingerprintDiffers, StateFinal
from backend.services.manage_people import LastAdministrator, NameTaken, PersonNotFound, RoleFixed
from backend.services.manage_sites import SiteTaken
from backend.services.move_rollout import (
    NobodyCounts,
    NothingToGoBackTo,
    ReleaseNotOffered,
    RolloutEnded,
    RolloutHalted,
    RolloutRunning,
    StepBackward,
)
from backend.services.preview_sheet import FatesDiffer, PreviewOver
from backend.services.receive_node_report import ReportOld
from backend.services.receive_sealed import SealedTooLarge, SealedTypeMismatch
from backend.services.records import CaseErased, ContentDiffers, IdTaken, NotFound
from backend.services.register_release import ReleaseIdTaken
from backend.services.retract_result import RetractedAlready, TakeBackOver
from backend.services.rotate_token import CookieNotRotated, TokenReplaced
from backend.services.sign_in import BrowserNeeded, DeviceTokenNeeded, PhoneOut, SiteNotShared
from backend.services.sign_in_by_oidc import AccountUnknown, SignInNotBegun
from backend.services.standing_consents import ConsentWithdrawn
from pallor.errors import PallorError, Refused, Unavailable, Untrusted, shortened
from pallor.ids import is_id
from pallor.image.decode import PhotoFormatUnknown, PhotoTooLarge, PhotoTypeMismatch
from pallor.node_report import ReportUnreadable
from pallor.release.repository.contents import CandidateUnknown, ReleaseUnsigned
from pallor.release.repository.ledger import RepositoryMissing

log = logging.getLogger(__name__)

# Whatever is not named here: Refused 422, Unavailable 503, Untrusted 502.
_STATUS: dict[type[PallorError], HTTPStatus] = {
    TokenMissing: HTTPStatus.UNAUTHORIZED,
    TokenUnknown: HTTPStatus.UNAUTHORIZED,
    TokenExpired: HTTPStatus.UNAUTHORIZED,
    RoleNotAllowed: HTTPStatus.FORBIDDEN,
    SignInNeeded: HTTPStatus.FORBIDDEN,
    CsrfMissing: HTTPStatus.FORBIDDEN,
    PasswordChangeNeeded: HTTPStatus.FORBIDDEN,
    SecondFactorNeeded: HTTPStatus.FORBIDDEN,
    DeviceUnconfirmed: HTTPStatus.FORBIDDEN,
    DeviceRetired: HTTPStatus.FORBIDDEN,
    DeviceStolen: HTTPStatus.FORBIDDEN,
    TooManyAttempts: HTTPStatus.TOO_MANY_REQUESTS,
    CaseErased: HTTPStatus.GONE,
    NotPutAside: HTTPStatus.CONFLICT,
    PasswordWrong: HTTPStatus.UNAUTHORIZED,
    SecondFactorCodeNeeded: HTTPStatus.UNAUTHORIZED,
    TokenReplaced: HTTPStatus.UNAUTHORIZED,
    CookieNotRotated: HTTPStatus.FORBIDDEN,
    DeviceTokenNeeded: HTTPStatus.FORBIDDEN,
    ProviderRefused: HTTPStatus.FORBIDDEN,
    SignInNotBegun: HTTPStatus.FORBIDDEN,
    SiteNotShared: HTTPStatus.FORBIDDEN,
    BrowserNeeded: HTTPStatus.FORBIDDEN,
    PhoneOut: HTTPStatus.FORBIDDEN,
    AccountUnknown: HTTPStatus.FORBIDDEN,
    ProviderMissing: HTTPStatus.NOT_FOUND,
    SecondFactorNotBegun: HTTPStatus.CONFLICT,
    NotFound: HTTPStatus.NOT_FOUND,
    PersonNotFound: HTTPStatus.NOT_FOUND,
    DeviceNotFound: HTTPStatus.NOT_FOUND,
    SubjectUnknown: HTTPStatus.NOT_FOUND,
    NotScored: HTTPStatus.NOT_FOUND,
    ContentDiffers: HTTPStatus.CONFLICT,
    IdTaken: HTTPStatus.CONFLICT,
    ConsentWithdrawn: HTTPStatus.CONFLICT,
    OffsetMismatch: HTTPStatus.CONFLICT,
    FingerprintDiffers: HTTPStatus.CONFLICT,
    LastAdministrator: HTTPStatus.CONFLICT,
    NameTaken: HTTPStatus.CONFLICT,
    NothingEligible: HTTPStatus.CONFLICT,
    ReleaseIdTaken: HTTPStatus.CONFLICT,
    ReleaseNotHere: HTTPStatus.CONFLICT,
    RoleFixed: HTTPStatus.CONFLICT,
    SiteTaken: HTTPStatus.CONFLICT,
    StateFinal: HTTPStatus.CONFLICT,
    AnswerTakenBack: HTTPStatus.CONFLICT,
    ValueNotIn: HTTPStatus.CONFLICT,
    ChannelUnknown: HTTPStatus.NOT_FOUND,
    CandidateUnknown: HTTPStatus.NOT_FOUND,
    ReleaseUnsigned: HTTPStatus.NOT_FOUND,
    NobodyCounts: HTTPStatus.CONFLICT,
    NothingToGoBackTo: HTTPStatus.CONFLICT,
    ReleaseNotOffered: HTTPStatus.CONFLICT,
    RolloutEnded: HTTPStatus.CONFLICT,
    RolloutHalted: HTTPStatus.CONFLICT,
    RolloutRunning: HTTPStatus.CONFLICT,
    StepBackward: HTTPStatus.CONFLICT,
    FatesDiffer: HTTPStatus.CONFLICT,
    PreviewOver: HTTPStatus.CONFLICT,
    CaseDisagrees: HTTPStatus.CONFLICT,
    ReportSettled: HTTPStatus.CONFLICT,
    RetractedAlready: HTTPStatus.CONFLICT,
    TakeBackOver: HTTPStatus.CONFLICT,
    ReportOld: HTTPStatus.CONFLICT,
    RepositoryMissing: HTTPStatus.CONFLICT,
    ReportUnreadable: HTTPStatus.UNPROCESSABLE_ENTITY,
    PhotoTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    SealedTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    SealedTypeMismatch: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    PhotoFormatUnknown: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    PhotoTypeMismatch: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    Refused: HTTPStatus.UNPROCESSABLE_ENTITY,
    Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    Untrusted: HTTPStatus.BAD_GATEWAY,
}
# What a sender may have typed by mistake into these must not come back in an error, where it could be kept in a log.
_HIDDEN = ("subject_code", "reason", "dismiss", "business_id", "specimen_barcode")
# The last one is said of a text's length only where it is a backend.wire.fields.Secret.
_TEXT_OUT_OF_PLACE = ("extra_forbidden", "model_type", "model_attributes_type", "dict_type", "list_type", "too_long")
_RETRY_AFTER_SECONDS = "5"
_MOST_FAULTS = 100  # a long body that is wrong throughout must not come back many times as long


class BodyNotJson(Refused):
    """The body is not JSON."""


class TextUnfit(Refused):
    """A text that no database can keep."""


class Fault(BaseModel):
    """One thing that is wrong with a request."""

    field: str = Field(description="Where it stands, as it was sent")
    value: str = Field(description="What was sent, shortened")
    reason: str = Field(description="What is wrong with it")
    remedy: str = Field(description="What to do about it")


class Problem(BaseModel):
    """RFC 9457: why a request was not answered."""

    type: str = Field(description="A stable name, urn:pallor:problem:<code>")
    title: str
    status: int
    detail: str
    code: str = Field(description="Stable; the words around it may improve")
    faults: list[Fault] = []


def problem(status: HTTPStatus, code: str, detail: str, faults: list[Fault] | None = None) -> Problem:
    """A problem with its stable name."""
    return Problem(
        type=f"urn:pallor:problem:{code}",
        title=status.phrase,
        status=status,
        detail=detail,
        code=code,
        faults=faults or [],
    )


def told(body: Problem) -> Response:
    """A problem as a response."""
    status = HTTPStatus(body.status)
    response = Response(body.model_dump_json(), status, content_type="application/problem+json")
    if status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        response.headers["Retry-After"] = _RETRY_AFTER_SECONDS
    return response


def not_valid(error: ValidationError) -> Response:
    """What pydantic found wrong with a request, at once."""
    return told(problem_of(error))


def problem_of(error: PallorError | ValidationError) -> Problem:
    """An error as the problem that is told of it."""
    return _invalid(error) if isinstance(error, ValidationError) else _said_no(error)


def _said_no(error: PallorError) -> Problem:
    status = next(_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS)
    faults = []
    if isinstance(error, Refused):
        faults = [Fault(field=error.field, value=error.value, reason=error.reason, remedy=error.remedy)]
    return problem(status, error.code(), str(error), faults)


def _invalid(error: ValidationError) -> Problem:
    faults = [_fault(dict(e)) for e in error.errors(include_url=False, include_context=False)[:_MOST_FAULTS]]
    detail = "; ".join(f"{f.field}: {f.reason}" for f in faults)
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, "request-not-valid", shortened(detail, 400), faults)


def answer_with_problems(app: Flask) -> None:
    """Let every error of ``app`` leave as a problem."""

    @app.errorhandler(PallorError)
    def _ours(error: PallorError) -> Response:
        if not isinstance(error, Refused):
            extra = {"code": error.code(), "fault": str(error), "case_id": case_in_request()}
            log.warning("not answered", extra=extra)
        response = told(_said_no(error))
        if isinstance(error, OffsetMismatch):
            response.headers["Upload-Offset"] = str(error.expected)
        if isinstance(error, TooManyAttempts):
            response.headers["Retry-After"] = str(error.retry_after)
        return response

    @app.errorhandler(HTTPException)
    def _http(error: HTTPException) -> Response:
        if error.response is not None:  # already an answer: what `not_valid` made
            return cast(Response, error.response)
        status = HTTPStatus(error.code or 500)
        code = status.phrase.lower().replace(" ", "-")
        response = told(problem(status, code, error.description or status.phrase))
        if status == HTTPStatus.METHOD_NOT_ALLOWED:
            response.headers["Allow"] = ", ".join(sorted(getattr(error, "valid_methods", None) or ()))
        return response

    @app.errorhandler(Exception)
    def _ours_to_mend(error: Exception) -> Response:
        log.error("a fault of the server", exc_info=error, extra={"case_id": case_in_request()})
        words = "This is our fault; it has been noted. Try again."
        return told(problem(HTTPStatus.INTERNAL_SERVER_ERROR, "server-fault", words))


def case_in_request() -> str | None:
    """The case that a request is about, for the log: by its path, or as its route has told (``g.case_id``)."""
    case_id = (request.view_args or {}).get("case_id") or g.get("case_id", "")
    return case_id if is_id(case_id) else None  # whatever else was typed there may be a name


def strict_json(data: bytes) -> Any:
    """Parse a JSON body; raises ``BodyNotJson``, also for NaN and Infinity, or ``TextUnfit``."""

    def refuse(word: str) -> None:
        raise ValueError(f"{word} is not JSON")

    try:
        found = json.loads(data, parse_constant=refuse, object_pairs_hook=_object)
        if not isinstance(found, dict):
            raise ValueError("it is no object")
        _check_text(found)
        return found
    except (ValueError, RecursionError) as error:
        raise BodyNotJson(
            f"the body is not JSON: {error}", field="body", value=f"{len(data)} bytes, not repeated",
            remedy="Send UTF-8 JSON with Content-Type: application/json.",
        ) from error  # fmt: skip


def _check_text(value: Any, where: str = "") -> None:
    """Raise ``TextUnfit`` for NUL or half a character (a lone surrogate) anywhere: valid JSON, and no text."""
    if isinstance(value, str) and any(c == "\0" or "\ud800" <= c <= "\udfff" for c in value):
        raise TextUnfit(
            "it holds NUL or half a character, which no text has", field=where or "body", value="(text, not repeated)",
            remedy="Send Unicode text.",
        )  # fmt: skip
    if isinstance(value, dict):
        for name, inner in value.items():
            _check_text(name, where)
            _check_text(inner, f"{where}.{name}" if where else name)
    if isinstance(value, list):
        for number, inner in enumerate(value):
            _check_text(inner, f"{where}.{number}")


def _fault(error: dict[str, Any]) -> Fault:
    field = ".".join(str(part) for part in error["loc"]) or "body"
    hidden = any(name in error["loc"] for name in _HIDDEN) or error["type"] == "unseen"  # backend.wire.fields.Secret
    # Text under a name we do not know, or where an object belongs, may be a person's: it is not repeated.
    hidden = hidden or (isinstance(error["input"], str) and error["type"] in _TEXT_OUT_OF_PLACE)
    value = "(text, not repeated)" if hidden else shortened(_brief(error["input"]))
    if error["type"] == "missing":
        value = "nothing"
    remedy = {
        "missing": "Send this field.",
        "extra_forbidden": "Leave this field out, or check its spelling against the API document.",
    }.get(error["type"], "Send a value that the API document allows.")
    return Fault(field=field, value=value, reason=error["msg"].removeprefix("Value error, "), remedy=remedy)


def _brief(value: Any) -> Any:
    return f"{type(value).__name__} of {len(value)}" if isinstance(value, (dict, list)) else value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object whose names are all different: of two haemoglobins under one name, which was meant?"""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object names the same field twice")
    return found
