"""What people have signed about all releases: the floor, what was taken back, and for what a release is cleared."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from pallor.digest import hex_of
from pallor.errors import Untrusted
from pallor.release.manifest import IntendedUse, is_release_id, read_use

FORMAT = 1
_HUNDRED = 100


class PolicyUnreadable(Untrusted):
    """What was signed is not one of these documents."""


@dataclass(frozen=True)
class Policy:
    """``floor``: the lowest number that may still run. ``yanked``: release ids that run nowhere any more, and why.

    Releases are numbered from 1 on, in the order in which people signed them.
    """

    floor: int = 1
    yanked: Mapping[str, str] = field(default_factory=dict)

    def reason_against(self, release_id: str) -> str | None:
        """Why a release was taken back, None when it was not."""
        return self.yanked.get(release_id)

    def to_json(self) -> dict[str, Any]:
        return {"format": FORMAT, "floor": self.floor, "yanked": dict(self.yanked)}

    @classmethod
    def from_json(cls, data: Any) -> Self:
        """Read a policy back; raises ``PolicyUnreadable``."""
        try:
            floor, yanked = data["floor"], data["yanked"]
            if data["format"] != FORMAT or type(floor) is not int or floor < 1:
                raise ValueError(f"format {data['format']!r}, floor {floor!r}")
            if not all(is_release_id(name) and isinstance(why, str) for name, why in yanked.items()):
                raise ValueError(f"yanked {yanked!r}")
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise PolicyUnreadable(f"not a policy of format {FORMAT}: {error!r}") from error
        return cls(floor, dict(yanked))


@dataclass(frozen=True)
class Clearance:
    """For whom a release may advise, signed by two people.

    Attributes:
        manifest, evidence: digests of what was cleared, and of the report that says why.
        scope: for whom. note: the same in words, with what else matters.
        negatives_anaemic_in_100: upper bound, from the prospective record, of how many in 100 people with a negative
            screen are anaemic.
    """

    release_id: str
    manifest: str
    scope: IntendedUse
    negatives_anaemic_in_100: int
    note: str
    evidence: str

    def to_json(self) -> dict[str, Any]:
        return {"format": FORMAT, **asdict(self)}

    @classmethod
    def from_json(cls, data: Any) -> Self:
        """Read a clearance back; raises ``PolicyUnreadable``."""
        try:
            fields = dict(data)
            if fields.pop("format") != FORMAT or not is_release_id(fields["release_id"]) or not fields["note"]:
                raise ValueError("of another format, of no release or for nothing")
            hex_of(fields["manifest"])
            hex_of(fields["evidence"])
            most = fields["negatives_anaemic_in_100"]
            if type(most) is not int or not 0 < most <= _HUNDRED:  # nobody finds that none is
                raise ValueError(f"anaemic in 100: {most!r}")
            return cls(**{**fields, "scope": read_use(fields["scope"])})
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise PolicyUnreadable(f"not a clearance of format {FORMAT}: {error!r}") from error
