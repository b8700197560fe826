"""What every route is given, and how its answers are documented."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

from flask import Response, g, request
from pydantic import BaseModel
from werkzeug.exceptions import HTTPException

from backend.access.throttle import Throttle
from backend.auth import Caller
from backend.db.engine import Database
from backend.queue import Send
from backend.services.signed_clearances import Cleared
from backend.services.take_in_photo import Intake
from backend.settings import Settings
from pallor.clock import Clock
from pallor.errors import Refused
from pallor.image.decode import Limits
from pallor.release.repository.ledger import Repository, open_repository
from pallor.store.port import ObjectStore

PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
TOKEN_OR_SESSION: list[dict[str, list[str]]] = [{"token": []}, {"session": []}]
_ALWAYS = (401, 403, 413, 422, 503)


class BodyBroken(Refused):
    """The connection was cut, or the body's pieces do not fit together."""


@dataclass(frozen=True)
class Parts:
    """The parts that ``create_app`` joined."""

    settings: Settings
    database: Database
    store: ObjectStore
    clock: Clock
    send: Send
    throttle: Throttle

    @cached_property
    def intake(self) -> Intake:
        """One for the whole process, which decodes only so many photos at a time."""
        limits = Limits(max_bytes=self.settings.max_photo_bytes)
        return Intake(self.database, self.store, self.clock, self.send, limits, self.settings.label_table)

    @cached_property
    def cleared(self) -> Cleared:
        """What people have cleared: it counts in the real world, below a root that was pinned."""
        pinned = self.settings.root_metadata is not None and self.settings.world == "real"
        return Cleared((lambda: self.repository) if pinned else None, self.clock)

    @property
    def repository(self) -> Repository:
        """What is signed, from the root on that this server was told to trust."""
        return open_repository(self.store, self.clock, self.settings.root_metadata)


def caller() -> Caller:
    """Who sent the request that is being answered; ``app`` has checked them against the route's rule."""
    return cast(Caller, g.caller)


def about(case_id: str) -> None:
    """Let the log lines of this request name the case, where its path does not."""
    g.case_id = case_id


def still_allowed() -> None:
    """Ask again whether the caller may, after something that took its time: they may have been put out meanwhile."""
    g.ask_again()


def read_body(max_bytes: int) -> bytes:
    """The body of a route that takes bytes; a longer one is 413.

    Raises:
        BodyBroken
    """
    request.max_content_length = max_bytes
    try:
        return request.get_data()
    except HTTPException:
        raise
    except Exception as error:  # a malformed chunk, a cut connection
        raise BodyBroken(
            "the body broke off", field="body", value="(not repeated)", remedy="Send the request again."
        ) from error


def answers(good: dict[int, type[BaseModel]], *problems: int) -> Any:
    """A route's ``responses`` for the API document: its good answers, its own problems, those of every route."""
    documented: dict[str, Any] = {str(status): {"content": PROBLEM} for status in (*_ALWAYS, *problems)}
    return documented | {str(status): model for status, model in good.items()}


def shown(model: BaseModel, status: int = 200) -> Response:
    """A model of ``backend.wire`` as a response."""
    return Response(model.model_dump_json(), status, content_type="application/json")
