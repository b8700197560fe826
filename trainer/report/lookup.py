"""The evidence's figures, found by protocol, contestant, measure and subgroup."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from trainer.report.words import CONTESTANTS, LEAK_FREE, LEAKY, MEASURES, finite, is_number

_NAME = re.compile(r"(?P<who>[^.@]+)\.(?P<measure>[^@]+)(?:@(?P<field>[^=]+)=(?P<value>.*))?", re.DOTALL)

Figure = Mapping[str, Any]
Group = tuple[str, str]  # a field and its value; two empty texts for everybody
_EVERYBODY: Group = ("", "")


class Figures:
    """Figures by their names: ``<who>.<measure>``, and ``@<field>=<value>`` behind it for a subgroup.

    Attributes:
        nameless: how many cannot be shown, for they have no protocol or no name of that form.
    """

    def __init__(self, figures: Any) -> None:
        self._found: dict[tuple[str, str, str, Group], Figure] = {}
        self.nameless = 0
        for figure in map(mapping, figures if isinstance(figures, list | tuple) else ()):
            name, protocol = _NAME.fullmatch(str(figure.get("name"))), figure.get("protocol")
            if name is None or not isinstance(protocol, str) or not protocol:
                self.nameless += 1
                continue
            group = (name["field"] or "", name["value"] or "")
            self._found[protocol, name["who"], name["measure"], group] = figure

    @property
    def protocols(self) -> list[str]:
        return _in_order((*LEAK_FREE, LEAKY), (protocol for protocol, *_ in self._found))

    @property
    def honest(self) -> list[str]:
        """All but the one that leaks."""
        return [protocol for protocol in self.protocols if protocol != LEAKY]

    @property
    def leak_free(self) -> str | None:
        """The protocol that counts: the first leak-free one with an AUROC of the model."""
        return next((p for p in LEAK_FREE if is_number((self.get(p, "model", "auroc") or {}).get("value"))), None)

    def get(self, protocol: str, who: str, measure: str, group: Group = _EVERYBODY) -> Figure | None:
        return self._found.get((protocol, who, measure, group))

    def contestants(self, protocol: str) -> list[str]:
        """Of figures about everybody."""
        return _in_order(CONTESTANTS, (w for p, w, _, g in self._found if p == protocol and g == _EVERYBODY))

    def measures(self, protocol: str) -> list[str]:
        """Of figures about everybody."""
        return _in_order(MEASURES, (m for p, _, m, g in self._found if p == protocol and g == _EVERYBODY))

    def groups(self, protocol: str, field: str) -> list[str]:
        """The values of a field that have figures, in the order of the evidence."""
        return _in_order((), (g[1] for p, _, _, g in self._found if p == protocol and g[0] == field))

    def fields(self, protocol: str) -> list[str]:
        return _in_order((), (g[0] for p, _, _, g in self._found if p == protocol and g != _EVERYBODY))

    def measured_of(self, protocol: str, field: str) -> list[tuple[str, str]]:
        """Contestant and measure of a field's figures."""
        pairs = dict.fromkeys((w, m) for p, w, m, g in self._found if p == protocol and g[0] == field)
        measures = _in_order(MEASURES, (m for _, m in pairs))
        contestants = _in_order(CONTESTANTS, (w for w, _ in pairs))
        return [(w, m) for m in measures for w in contestants if (w, m) in pairs]


def _in_order(known: Iterable[str], found: Iterable[str]) -> list[str]:
    """What was found, once each: what is known first and in that order, then the rest as it came."""
    there = dict.fromkeys(found)
    first = [one for one in known if one in there]
    return [*first, *(one for one in there if one not in first)]


def dig(value: Any, *path: str) -> Any:
    """What lies in nested mappings along a path, None where it ends early."""
    for key in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value


def mapping(value: Any) -> Mapping[str, Any]:
    """A mapping as it is, anything else as an empty one."""
    return value if isinstance(value, Mapping) else {}


def numbers_of(value: Any) -> list[float]:
    """The numbers of a list; none where there is no list, or something else in it."""
    found = [number for one in value if (number := finite(one)) is not None] if isinstance(value, list | tuple) else []
    return found if found and len(found) == len(value) else []


def rows_of(value: Any) -> Sequence[Mapping[str, Any]]:
    """The mappings of a list; none where there is no list."""
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list | tuple) else []
