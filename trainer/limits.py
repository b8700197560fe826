"""What a number of a recipe may be: the limit stands in its field's type, and all faults are found at once."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, is_dataclass
from math import isfinite
from types import UnionType
from typing import Annotated, Any, Protocol, get_args, get_origin, get_type_hints


class Limit(Protocol):
    """Its text completes "must be"."""

    def allows(self, value: Any) -> bool: ...


@dataclass(frozen=True)
class Between:
    """From ``low`` to ``high``, both allowed."""

    low: float
    high: float

    def allows(self, value: Any) -> bool:
        return bool(self.low <= value <= self.high)

    def __str__(self) -> str:
        return f"{self.low} to {self.high}"


@dataclass(frozen=True)
class OneOf:
    """One of these words."""

    words: tuple[str, ...]

    def allows(self, value: Any) -> bool:
        return value in self.words

    def __str__(self) -> str:
        return " or ".join(self.words)


Share = Annotated[float, Between(0, 1)]
Seed = Annotated[int, Between(0, 2**32 - 1)]


def faults_in(record: type, values: Any, section: str = "") -> Iterator[str]:
    """What keeps some values, as TOML gives them, from being the fields of a record, and those of its records.

    A field may be left out only where its type allows None.
    """
    where = f"[{section}]" if section else "it"
    if not isinstance(values, Mapping):
        yield f"{where} is no section"
        return
    kinds: dict[str, Any] = get_type_hints(record, include_extras=True)
    if missing := {name for name, kind in kinds.items() if name not in values and not isinstance(kind, UnionType)}:
        yield f"{where} lacks {', '.join(sorted(missing))}"
    if unread := values.keys() - kinds.keys():
        yield f"nothing reads {', '.join(sorted(unread))} in {where}"
    for name in (name for name in kinds if name in values):
        kind: Any = get_args(kinds[name])[0] if isinstance(kinds[name], UnionType) else kinds[name]
        if isinstance(kind, type) and is_dataclass(kind):
            yield from faults_in(kind, values[name], name)
        elif wanted := _wanted(values[name], kind):
            yield f"{section and section + '.'}{name} must be {wanted}, not {values[name]!r}"


def _wanted(value: Any, kind: Any) -> str | None:
    """What a value should have been; None where it is."""
    if get_origin(kind) is tuple:
        return _wanted_in_list(value, get_args(kind))
    plain, limit = get_args(kind)[:2] if get_origin(kind) is Annotated else (kind, None)
    if isinstance(value, bool) or not isinstance(value, (int, float) if plain is float else plain):
        return f"{_WORDS[plain]}{f', {limit}' if limit else ''}"
    if isinstance(value, float) and not isfinite(value):
        return f"a number{f', {limit}' if limit else ''}"
    return str(limit) if limit and not limit.allows(value) else None


def _wanted_in_list(values: Any, kinds: tuple[Any, ...]) -> str | None:
    endless = kinds[-1] is Ellipsis
    if not isinstance(values, list) or not (endless or len(values) == len(kinds)):
        return "a list" if endless else f"a list of {len(kinds)}"
    each = [kinds[0]] * len(values) if endless else kinds
    found = (_wanted(value, kind) for value, kind in zip(values, each, strict=True))
    return next((f"a list, each of it {wanted}" for wanted in found if wanted), None)


_WORDS = {int: "a whole number", float: "a number", str: "a text"}
