"""What every route is given, and how its answers are documented."""

from dataclasses import dataclass
from typing import Any, cast

from flask import Response, g
from pydantic import BaseModel

from backend.access.throttle import Throttle
from backend.auth import Caller
from backend.db.engine import Database
from backend.queue import Send
from backend.settings import Settings
from pallor.clock import Clock
from pallor.release.repository.ledger import Repository, open_repository
from pallor.store.port import ObjectStore

_PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
TOKEN_OR_SESSION: list[dict[str, list[str]]] = [{"token": []}, {"session": []}]
_ALWAYS = (401, 403, 413, 422, 503)


@dataclass(frozen=True)
class Parts:
    """The parts that ``create_app`` joined."""

    settings: Settings
    database: Database
    store: ObjectStore
    clock: Clock
    send: Send
    throttle: Throttle

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


def answers(good: dict[int, type[BaseModel]], *problems: int) -> Any:
    """A route's ``responses`` for the API document: its good answers, its own problems, those of every route."""
    documented: dict[str, Any] = {str(status): {"content": _PROBLEM} for status in (*_ALWAYS, *problems)}
    return documented | {str(status): model for status, model in good.items()}


def shown(model: BaseModel, status: int = 200) -> Response:
    """A model of ``backend.wire`` as a response."""
    return Response(model.model_dump_json(), status, content_type="application/json")
