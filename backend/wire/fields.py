"""The kinds of value that cross the wire, each checked in one place."""

import re
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StrictStr,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
)
from pydantic_core import PydanticCustomError

from pallor.clock import parse_utc, utc_text
from pallor.ids import is_id
from pallor.subject import MAX_AGE_MONTHS, MAX_ALTITUDE_M, MAX_PREGNANCY_WEEKS, MIN_ALTITUDE_M

_MAX_REPORTED = 16
_UUID_PATTERN = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"


def _moment(value: Any) -> Any:
    if isinstance(value, datetime):  # on the way out
        return value
    if not isinstance(value, str):
        raise ValueError("a moment is text, RFC 3339 with its offset, such as 2026-11-21T08:00:00Z")
    try:
        return parse_utc(value.upper().replace(" ", "T"))
    except ValueError:
        raise ValueError("a moment is RFC 3339 with its offset, such as 2026-11-21T08:00:00Z") from None


def _digits(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if not (isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value)):
        raise ValueError("a whole number is written in 1 to 9 digits")
    return int(value)


def _whole(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)  # 30.0 is an integer in JSON
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError("a whole number, not text, is expected")
    return value


def _reported(value: Any) -> Any:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(Decimal(str(value)))
    if not isinstance(value, str) or len(value) > _MAX_REPORTED:
        raise ValueError(f"a value is a number, or text of at most {_MAX_REPORTED} characters")
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, str) and not value.isprintable():
        raise ValueError("text without control characters is expected")
    return value


def _unseen(value: Any, check: ValidatorFunctionWrapHandler) -> Any:
    try:
        found: str = check(value)
    except ValidationError as error:
        raise PydanticCustomError("unseen", "{reason}", {"reason": error.errors()[0]["msg"]}) from None
    if "\0" in found or any("\ud800" <= letter <= "\udfff" for letter in found):  # no database and no hash takes these
        raise PydanticCustomError("unseen", "text of whole characters is expected")
    return found


def _uuid(value: Any) -> Any:
    if not (isinstance(value, str) and is_id(value)):
        raise ValueError("a UUID in lower case is expected, such as 1b4e28ba-2fa1-4d2b-a3f5-0c9d1f4a7e11")
    return value


Moment = Annotated[
    datetime,
    BeforeValidator(_moment),
    PlainSerializer(utc_text),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
Reported = Annotated[
    str,
    BeforeValidator(_reported),
    WithJsonSchema({"anyOf": [{"type": "string", "maxLength": _MAX_REPORTED}, {"type": "number"}]}),
]
Secret = Annotated[StrictStr, WrapValidator(_unseen)]  # comes back in no error, whatever is wrong with it
Plain = Annotated[StrictStr, BeforeValidator(_plain)]
Barcode = Annotated[
    StrictStr, Field(max_length=32, description="Ten characters, the last a check character", examples=["K7Q2M4X9TW"])
]
Whole = Annotated[int, BeforeValidator(_whole)]
Age = Annotated[Whole, Field(ge=0, le=MAX_AGE_MONTHS)]
Trimester = Annotated[Whole, Field(ge=1, le=3)]
Weeks = Annotated[Whole, Field(ge=0, le=MAX_PREGNANCY_WEEKS)]
Altitude = Annotated[Whole, Field(ge=MIN_ALTITUDE_M, le=MAX_ALTITUDE_M)]
Count = Annotated[int, BeforeValidator(_digits)]  # a number that arrives as text: in a header or a query
Id = Annotated[
    str,
    BeforeValidator(_uuid),
    Field(description="A UUID in lower case, made by the sender", json_schema_extra={"pattern": _UUID_PATTERN}),
]
Site = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$", description="The site's code", examples=["kumasi-1"])]
Sha256 = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]


class Wire(BaseModel):
    """No field passes that is not named."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def model_json_schema(cls, *how: Any, **also: Any) -> dict[str, Any]:
        """Made once where nothing is asked of it: flask-openapi reads headers and queries by it, at every request."""
        return super().model_json_schema(*how, **also) if how or also else _schema_of(cls)


@cache
def _schema_of(model: type[Wire]) -> dict[str, Any]:
    return super(Wire, model).model_json_schema()
