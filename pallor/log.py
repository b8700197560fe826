"""Logs: one JSON object a line on stderr, for people with ``grep`` and for machines.

    log = logging.getLogger("pallor.worker")
    log.info("scored", extra={"photo_id": photo_id, "release_id": release_id, "seconds": 0.041})

Only the fields in ``FIELDS`` leave the process; whatever else a caller or a library attaches is dropped. That is how a
subject code, a token or a task's payload stays out: by not being on the list.
"""

import json
import logging
import math
import re
import sys
from datetime import UTC, datetime

from pallor.clock import utc_text

FIELDS = (
    "case_id",
    "photo_id",
    "release_id",
    "model_digest",
    "worker",
    "slot",
    "pid",
    "engine",
    "fallback",
    "plan",
    "phase",
    "done",
    "total",
    "node",
    "site_id",
    "role",
    "request_id",
    "method",
    "route",
    "status",
    "code",
    "message_name",
    "queue",
    "count",
    "attempt",
    "seconds",
    "max_difference",
    "fault",
)

_BEARER = re.compile(r"(?i)(bearer\s+)[^\s'\",;]+")
_URL_PASSWORD = re.compile(r"(?<=://)([^\s/@:'\"]*):[^\s/@'\"]+@")


class JsonLines(logging.Formatter):
    """A record as one line of JSON: when, level, component, logger, message, then the allowed extra fields."""

    def __init__(self, component: str) -> None:
        super().__init__()
        self.component = component

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": utc_text(datetime.fromtimestamp(record.created, UTC)),
            "level": record.levelname.lower(),
            "component": self.component,
            "logger": record.name,
            "message": redacted(record.getMessage()),
        }
        fields = vars(record)
        line.update({name: _plain(fields[name]) for name in FIELDS if name in fields})
        if record.exc_info:
            line["trace"] = redacted(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False)


def configure(component: str, level: str = "INFO") -> None:
    """Send every logger of this process to stderr as JSON lines; calling it again replaces what was set."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(component))
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)  # basicConfig(force=True) would close them, and they are not ours
    root.addHandler(handler)
    root.setLevel(level.upper())
    logging.getLogger("tuf").setLevel(logging.WARNING)  # it tells of every key that has not signed, at every look
    logging.captureWarnings(True)


def redacted(words: str) -> str:
    """Words without bearer tokens and without the passwords of addresses: libraries print both in their errors."""
    return _URL_PASSWORD.sub(r"\1:***@", _BEARER.sub(r"\1***", words))


def _plain(value: object) -> str | int | float | None:
    """Numbers and None as they are; anything else, NaN with it, as text that JSON can hold."""
    if value is None or (isinstance(value, (int, float)) and math.isfinite(value)):
        return value
    return redacted(str(value))
