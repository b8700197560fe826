"""Settings: environment variables, read once at the door into a frozen dataclass.

    @dataclass(frozen=True, kw_only=True)
    class Settings:
        broker_url: str = setting("PALLOR_BROKER_URL", text, "Where Valkey or Redis listens", secret=True)
        report_seconds: float = setting("PALLOR_REPORT_SECONDS", number(1), "Seconds between reports", default=60.0)

    settings = load(Settings, os.environ)

A secret's value is shown nowhere: not in an error, not in ``repr``, not in ``explain``.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar, overload
from urllib.parse import urlsplit

from pallor.errors import Refused, shortened

T = TypeVar("T")
D = TypeVar("D")

PREFIX = "PALLOR_"


@dataclass(frozen=True)
class Variable:
    """One environment variable. ``parse`` raises ``ValueError`` saying what it expects, as in ``a whole number``."""

    name: str
    parse: Callable[[str], Any]
    meaning: str
    secret: bool


@dataclass(frozen=True)
class Fault:
    """One variable that is missing or wrong, with what to do about it."""

    variable: str
    reason: str
    value: str
    remedy: str


class SettingsRefused(Refused):
    """The environment does not say what a part needs to start; ``faults`` names every variable at once."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__(
            f"{len(faults)} missing or wrong",
            field="environment",
            value=", ".join(fault.variable for fault in faults),
            remedy="Set them as told and start again.",
        )
        self.faults = faults

    def __str__(self) -> str:
        lines = [f"  {f.variable}: {f.reason} (got {f.value}). {f.remedy}" for f in self.faults]
        return "\n".join(["settings that are missing or wrong:", *lines])

    def __reduce__(self) -> tuple[object, ...]:
        return SettingsRefused, (self.faults,)


@overload
def setting(name: str, parse: Callable[[str], T], meaning: str, *, secret: bool = False) -> T: ...
@overload
def setting(name: str, parse: Callable[[str], T], meaning: str, *, default: D, secret: bool = False) -> T | D: ...
def setting(
    name: str, parse: Callable[[str], Any], meaning: str, *, default: Any = MISSING, secret: bool = False
) -> Any:
    """A dataclass field that ``load`` fills from the variable ``name``; without a default it must be set."""
    if not name.startswith(PREFIX):
        raise ValueError(f"{name} does not start with {PREFIX}")
    return field(default=default, repr=not secret, metadata={"variable": Variable(name, parse, meaning, secret)})


def load(kind: type[T], environ: Mapping[str, str]) -> T:
    """Read a settings class from ``environ``; a variable that is set to nothing counts as not set.

    Raises:
        SettingsRefused: naming every variable that is missing or wrong.
    """
    values: dict[str, Any] = {}
    faults: list[Fault] = []
    for name, variable, default in _declared(kind):
        raw = environ.get(variable.name, "").strip()
        if raw:
            try:
                values[name] = variable.parse(raw)
            except ValueError as error:
                shown = "a hidden value" if variable.secret else shortened(raw)
                faults.append(Fault(variable.name, f"not {error}", shown, f"{variable.meaning}."))
        elif default is MISSING:
            faults.append(Fault(variable.name, "must be set", "nothing", f"{variable.meaning}."))
    if faults:
        raise SettingsRefused(tuple(faults))
    return kind(**values)


def explain(kind: type[Any]) -> str:
    """One line a variable, for ``--help``."""
    lines = []
    for _, variable, default in _declared(kind):
        shown = "required" if default is MISSING else f"default: {_written(default)}"
        if variable.secret:
            shown = "required, secret" if default is MISSING else "secret"
        lines.append(f"  {variable.name:<32} {variable.meaning} ({shown})")
    return "\n".join(lines)


def text(raw: str) -> str:
    """Any text."""
    return raw


def path(raw: str) -> Path:
    """A path; ``~`` is the home folder."""
    return Path(raw).expanduser()


def flag(raw: str) -> bool:
    """``1``, ``true``, ``yes``, ``on``, or their opposites."""
    words = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    if raw.lower() not in words:
        raise ValueError("one of true, false, yes, no, on, off, 1, 0")
    return words[raw.lower()]


def whole(least: int = 0, most: int | None = None) -> Callable[[str], int]:
    """A whole number from ``least`` to ``most``, both allowed."""

    def parse(raw: str) -> int:
        if not (raw.removeprefix("-").isascii() and raw.removeprefix("-").isdigit()):
            raise ValueError(_span("a whole number", least, most))
        if int(raw) < least or (most is not None and int(raw) > most):
            raise ValueError(_span("a whole number", least, most))
        return int(raw)

    return parse


def number(least: float = 0.0, most: float | None = None) -> Callable[[str], float]:
    """A number from ``least`` to ``most``, both allowed; never NaN or infinite."""

    def parse(raw: str) -> float:
        try:
            value = float(raw)
        except ValueError:
            value = float("nan")
        if not least <= value <= (most if most is not None else 1e300):
            raise ValueError(_span("a number", least, most))
        return value

    return parse


def one_of(*words: str) -> Callable[[str], str]:
    """One of some words."""

    def parse(raw: str) -> str:
        if raw not in words:
            raise ValueError(f"one of {', '.join(words)}")
        return raw

    return parse


def url(*schemes: str) -> Callable[[str], str]:
    """An address that starts with one of some schemes."""

    def parse(raw: str) -> str:
        if not any(raw.startswith(f"{scheme}://") for scheme in schemes):
            raise ValueError(f"an address that starts with {' or '.join(f'{scheme}://' for scheme in schemes)}")
        return raw

    return parse


def queue_url(raw: str) -> str:
    """The address of Valkey or Redis; one that is read otherwise than it was meant would be tried for ever."""
    url("redis", "rediss", "redis+socket")(raw)
    try:
        parts = urlsplit(raw)
        sound = raw.startswith("redis+socket") or (parts.port != 0 and re.fullmatch(r"/?\d*", parts.path))
    except ValueError:
        sound = False
    if not sound:
        raise ValueError("an address such as redis://:password@127.0.0.1:6379/0, its password percent-encoded")
    return raw


def host_and_port(raw: str) -> tuple[str, int]:
    """Where to listen, ``127.0.0.1:9464`` or ``[::1]:9464``: the host as a socket takes it, the port 1 to 65535."""
    host, _, port = raw.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    named = bool(bare) and not set(bare) & set("[]/@ ") and (":" not in bare or bare != host)
    if not (named and port.isascii() and port.isdigit() and 1 <= int(port) <= 65535):
        raise ValueError("a host and a port, such as 127.0.0.1:9464 or [::1]:9464")
    return bare, int(port)


def _written(default: object) -> str:
    """As whoever sets the variable would write it."""
    if isinstance(default, tuple):
        return ":".join(str(part) for part in default)
    return "none" if default is None else str(default)


def _declared(kind: type[Any]) -> list[tuple[str, Variable, Any]]:
    return [(f.name, f.metadata["variable"], f.default) for f in fields(kind)]


def _span(what: str, least: float, most: float | None) -> str:
    return f"{what} of at least {least:g}" if most is None else f"{what} from {least:g} to {most:g}"
