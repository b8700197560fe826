"""What backend and worker say to each other: by name, on Celery, as JSON; neither imports the other.

Each message may arrive twice and must change nothing the second time.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, ClassVar, Self

from pallor.clock import parse_utc, utc_text
from pallor.digest import hex_of
from pallor.errors import Untrusted
from pallor.ids import is_id
from pallor.prediction import Prediction


class MessageUnreadable(Untrusted):
    """The payload is not what the message's name promises."""


@dataclass(frozen=True)
class PredictCase:
    """backend -> worker: score this photo. ``object_key`` is where the stored photo lies in the object store.

    ``SHADOW_QUEUE``: for a challenger, a release on trial; what it says is recorded and never shown.
    """

    NAME: ClassVar[str] = "pallor.predict_case"
    QUEUE: ClassVar[str] = "predict"
    SHADOW_QUEUE: ClassVar[str] = "shadow"

    case_id: str
    photo_id: str
    stored_sha256: str
    object_key: str

    def to_payload(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> Self:
        try:
            message = cls(**payload)
            hex_of(message.stored_sha256)
            if not (is_id(message.case_id) and is_id(message.photo_id) and isinstance(message.object_key, str)):
                raise ValueError("case_id and photo_id must be UUIDs, object_key text")
        except (TypeError, ValueError, AttributeError) as error:
            raise MessageUnreadable(f"{cls.NAME}: {error}") from error
        return message


@dataclass(frozen=True)
class RecordPrediction:
    """worker -> backend: the answer for one photo, or the reason there is none.

    Exactly one of ``prediction`` and ``refusal`` is set; ``refusal`` is an error code of ``pallor.errors``. ``shadow``:
    a challenger's answer, which nobody is ever shown.
    """

    NAME: ClassVar[str] = "pallor.record_prediction"
    QUEUE: ClassVar[str] = "record"

    photo_id: str
    release_id: str
    prediction: Prediction | None = None
    refusal: str | None = None
    shadow: bool = False

    def to_payload(self) -> dict[str, Any]:
        return {
            "photo_id": self.photo_id,
            "release_id": self.release_id,
            "prediction": self.prediction.to_json() if self.prediction else None,
            "refusal": self.refusal,
            "shadow": self.shadow,
        }

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> Self:
        try:
            answer = payload["prediction"]
            message = cls(
                photo_id=payload["photo_id"],
                release_id=payload["release_id"],
                prediction=None if answer is None else Prediction.from_json(answer),
                refusal=payload["refusal"],
                shadow=payload["shadow"],
            )
            if not isinstance(message.shadow, bool):
                raise ValueError("shadow must be true or false")
            if (message.prediction is None) == (message.refusal is None):
                raise ValueError("exactly one of prediction and refusal must be set")
            if not is_id(message.photo_id):
                raise ValueError("photo_id must be a UUID")
            inner = message.prediction
            if inner and (inner.photo_id, inner.release_id) != (message.photo_id, message.release_id):
                raise ValueError("the prediction is of another photo or release than the message")
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise MessageUnreadable(f"{cls.NAME}: {error!r}") from error
        return message


@dataclass(frozen=True)
class ReportWorker:
    """worker -> backend, at the start, after each change of release and then regularly: how the golden photos went.

    ``slot``: ``current``, or ``challenger`` for a release on trial. ``fallback``: why another engine serves than the
    one this machine was meant to run, None when that one does. ``processes``: how many serve. ``max_difference``:
    largest ``|dp|`` from the manifest's golden probabilities, None when no engine ran. ``fault``: why this worker is
    not ready, None when it is.
    """

    NAME: ClassVar[str] = "pallor.report_worker"
    QUEUE: ClassVar[str] = "record"

    worker: str
    slot: str
    release_id: str
    engine_flavour: str
    precision: str | None
    fallback: str | None
    processes: int
    max_difference: float | None
    fault: str | None
    reported_at: datetime

    def to_payload(self) -> dict[str, Any]:
        return {**asdict(self), "reported_at": utc_text(self.reported_at)}

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> Self:
        try:
            return cls(**{**payload, "reported_at": parse_utc(payload["reported_at"])})
        except (KeyError, TypeError, ValueError) as error:
            raise MessageUnreadable(f"{cls.NAME}: {error!r}") from error


def queue_settings(visibility_seconds: int = 60) -> dict[str, Any]:
    """The Celery settings that both ends must share for a message to survive a killed process.

    Redis gives unacknowledged work to another process only after ``visibility_timeout``; Celery's default of an hour
    would leave a child waiting for its score. Prefetch 1: a killed worker holds back one photo, not a batch.
    kombu looks for such work every ``unacked_restore_interval``, and by default only every tenth time, 100 s apart.
    """
    return {
        "task_serializer": "json",
        "accept_content": ["json"],
        "task_ignore_result": True,
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "worker_prefetch_multiplier": 1,
        "broker_transport_options": {
            "visibility_timeout": visibility_seconds,
            "unacked_restore_interval": max(1, visibility_seconds // 12),
            "unacked_restore_throttle": 1,
            "unacked_mutex_expire": 5,  # a process killed while it looked would keep all others from it for 5 minutes
            "socket_timeout": 5,
            "socket_connect_timeout": 1,
            "socket_keepalive": True,
            # When a request needs a connection: kombu's own pauses of 2 and 4 s would stall whoever sends a case.
            "max_retries": 1,
            "interval_start": 0,
            "interval_step": 0,
            "interval_max": 0,
        },
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        # What was being done when the connection broke comes again, so going on with it is of no use.
        "worker_cancel_long_running_tasks_on_connection_loss": True,
        "enable_utc": True,
    }
