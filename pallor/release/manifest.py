"""The manifest: what a release holds, for whom it is meant, and on what evidence.

``manifest.json`` names every other file of the release by digest, so whoever trusts the manifest's digest trusts all.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Self

from pallor.clock import parse_utc, utc_text
from pallor.digest import canonical_json, hex_of, sha256_of
from pallor.errors import Untrusted

FORMAT = 1
LARGEST_TOLERANCE = 0.1  # beyond that the golden photos prove nothing
_RELEASE_ID = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,62}[a-z0-9])?")


class ManifestUnreadable(Untrusted):
    """The manifest is not one this version can read."""


@dataclass(frozen=True)
class ReleaseFile:
    """One file of a release.

    ``role``: ``model`` | ``engine`` (built ahead of time for one kind of GPU) | ``golden`` | ``card``. ``needs``: what
    a machine must have to use it (``cpu``, ``gpu``, ``sm86``); empty for files that every machine needs.
    ``precision``: ``fp32`` | ``fp16`` | ``int8`` for models and engines, else None. ``built_from``: digest of an
    engine's model, else None.
    """

    path: str
    digest: str
    bytes: int
    role: str
    needs: tuple[str, ...] = ()
    precision: str | None = None
    built_from: str | None = None

    def to_json(self) -> dict[str, Any]:
        spelled = asdict(self)
        if self.built_from is None:  # so that manifests from before there were engines keep their digest
            del spelled["built_from"]
        return spelled


@dataclass(frozen=True)
class Golden:
    """A photo whose probability is known: an engine that answers otherwise does not serve."""

    photo: str
    probability: float


@dataclass(frozen=True)
class IntendedUse:
    """For whom the release was made; outside of it the advice is always a blood test."""

    min_age_months: int
    max_age_months: int
    pregnant: bool

    def holds(self, other: "IntendedUse") -> bool:
        """True when everybody whom ``other`` is meant for is meant here, too."""
        ages = self.min_age_months <= other.min_age_months and other.max_age_months <= self.max_age_months
        return ages and (self.pregnant or not other.pregnant)


@dataclass(frozen=True)
class Figure:
    """A measured number with its interval (95 %) and the protocol that gave it; no figure without one."""

    name: str
    protocol: str
    value: float
    low: float | None = None
    high: float | None = None
    count: int | None = None


@dataclass(frozen=True)
class Manifest:
    """A release in words and numbers.

    ``threshold``: probability at or above which the screen is positive. ``refer_low``/``refer_high``: between them the
    score decides nothing. ``tolerance``: largest allowed ``|dp|`` from the golden photos, by precision. ``preprocess``:
    what ``pallor.image.spec.PreprocessSpec.from_json`` reads. ``world``: ``real`` | ``synthetic``.
    """

    release_id: str
    world: str
    created_at: datetime
    label_table: str
    intended_use: IntendedUse
    threshold: float
    refer_low: float
    refer_high: float
    preprocess: Mapping[str, Any]
    tolerance: Mapping[str, float]
    golden: tuple[Golden, ...]
    files: tuple[ReleaseFile, ...]
    base_weights: str
    recipe_digest: str
    snapshot_digest: str
    figures: tuple[Figure, ...]
    status: str = "investigational"

    def model_for(self, have: frozenset[str], *, precision: str | None = None) -> ReleaseFile:
        """The first model file, of a precision if one is named, whose every need is met.

        Raises:
            ManifestUnreadable: there is none.
        """
        for file in self.files:
            if file.role == "model" and set(file.needs) <= have and precision in (None, file.precision):
                return file
        raise ManifestUnreadable(f"release {self.release_id} has no model for a machine with {sorted(have)}")

    def to_json(self) -> dict[str, Any]:
        return {
            **asdict(self),
            "format": FORMAT,
            "files": [file.to_json() for file in self.files],
            "created_at": utc_text(self.created_at),
            "preprocess": dict(self.preprocess),
            "tolerance": dict(self.tolerance),
        }

    def digest(self) -> str:
        """The digest of ``manifest.json`` as ``to_bytes`` spells it."""
        return sha256_of(self.to_bytes())

    def to_bytes(self) -> bytes:
        return canonical_json(self.to_json())

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read a manifest back; raises ``ManifestUnreadable`` naming what is wrong with it."""
        try:
            return cls._read(data)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ManifestUnreadable(f"not a release manifest of format {FORMAT}: {error!r}") from error

    @classmethod
    def _read(cls, data: Mapping[str, Any]) -> Self:
        fields = dict(data)
        if fields.pop("format") != FORMAT:
            raise ValueError(f"format {data['format']!r}")
        if not is_release_id(fields["release_id"]):
            raise ValueError(f"release_id {fields['release_id']!r}")
        if fields["world"] not in ("real", "synthetic"):
            raise ValueError(f"world {fields['world']!r}")
        files = tuple(ReleaseFile(**{**f, "needs": tuple(f["needs"])}) for f in fields["files"])
        for file in files:
            hex_of(file.digest)
            if not all(isinstance(need, str) for need in file.needs):
                raise ValueError(f"needs {file.needs!r}")
            if file.precision is not None and not isinstance(file.precision, str):
                raise ValueError(f"precision {file.precision!r}")
            if file.path.startswith("/") or ".." in file.path.split("/"):
                raise ValueError(f"a path that leaves the release: {file.path!r}")
        models = {file.digest for file in files if file.role == "model"}
        orphans = [file.path for file in files if file.role == "engine" and file.built_from not in models]
        if orphans:
            raise ValueError(f"engines of models that are not here: {orphans}")
        if not isinstance(fields["preprocess"], Mapping):
            raise ValueError(f"preprocess {fields['preprocess']!r}")
        _check_numbers(fields)
        golden = tuple(Golden(**g) for g in fields["golden"])
        unlisted = {g.photo for g in golden} - {file.path for file in files}
        if unlisted:
            raise ValueError(f"golden photos without a digest: {sorted(unlisted)}")
        return cls(
            **{
                **fields,
                "created_at": parse_utc(fields["created_at"]),
                "intended_use": read_use(fields["intended_use"]),
                "golden": golden,
                "files": files,
                "figures": tuple(Figure(**f) for f in fields["figures"]),
            }
        )


def is_release_id(text: str) -> bool:
    """True for what may name a release: it is also the name of its folder."""
    return bool(_RELEASE_ID.fullmatch(text))


def read_use(data: Mapping[str, Any]) -> IntendedUse:
    """For whom something is meant; raises ``ValueError``, ``KeyError`` or ``TypeError``."""
    use = IntendedUse(**data)
    if not (type(use.min_age_months) is type(use.max_age_months) is int and type(use.pregnant) is bool):
        raise ValueError(f"intended_use {use!r}")
    return use


def _check_numbers(fields: Mapping[str, Any]) -> None:
    """Raise ``ValueError`` for a number that would let a release say or pass anything (NaN compares false to all)."""
    golden = {f"golden photo {at}": photo["probability"] for at, photo in enumerate(fields["golden"])}
    for name, value in ({name: fields[name] for name in ("threshold", "refer_low", "refer_high")} | golden).items():
        if isinstance(value, bool) or not 0 <= value <= 1:
            raise ValueError(f"{name} {value!r} is not between 0 and 1")
    for precision, most in fields["tolerance"].items():
        if not 0 < most <= LARGEST_TOLERANCE:
            raise ValueError(f"tolerance {precision} {most!r} is not between 0 and {LARGEST_TOLERANCE}")
