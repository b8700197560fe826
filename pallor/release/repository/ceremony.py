"""Who may sign: said once by those who hold the root keys, changed by them, and signed on paper-like drafts.

A draft is a file in a folder. It goes from one key holder to the next, on a USB stick if need be; each signs what they
may sign, and when enough have, the folder is published.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from securesystemslib.signer import Key, Signer
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Root, Targets

from pallor.errors import Refused
from pallor.release.repository.documents import first_root, first_targets, role_of, to_bytes
from pallor.release.repository.keys import name_of
from pallor.release.repository.ledger import Repository, RepositoryMissing
from pallor.release.repository.roles import CANDIDATES, CHANNELS, DELEGATED, KEY_ROLES, OFFLINE, ROOT, THRESHOLD, TOP

Drafts = dict[str, Metadata[Any]]


class AlreadyBegun(Refused):
    """This store has a root already: another would let nobody in who trusts the first."""


class KeysUnfit(Refused):
    """With these keys nobody could sign, or one person could sign alone what takes two."""


class DraftsUnreadable(Refused):
    """The folder does not hold drafts."""


def begin(repository: Repository, world: str, keys: Mapping[str, Iterable[Key]]) -> Drafts:
    """The first drafts: the root, who signs below it, and an empty beginning for each of those roles.

    Args:
        keys: of each role of ``roles.KEY_ROLES``.

    Raises:
        AlreadyBegun, KeysUnfit
    """
    try:
        repository.root()
    except RepositoryMissing:
        pass
    else:
        raise AlreadyBegun(
            "a root is published here", field="store", value="(hidden)",
            remedy="Change its keys: pallor-release change. For another deployment use another store.",
        )  # fmt: skip
    held = {role: list(keys.get(role, ())) for role in KEY_ROLES}
    _check(held)
    root = repository.draft(ROOT, based_on=Metadata(first_root(world, dict(held), THRESHOLD)))
    top = repository.draft(TOP, based_on=Metadata(first_targets(dict(held), THRESHOLD)))
    return {ROOT: root, TOP: top}


def change(repository: Repository, role: str, *, add: Iterable[Key] = (), remove: Iterable[str] = (),
           stolen: bool = False) -> Drafts:  # fmt: skip
    """Drafts that give a role other keys.

    Args:
        remove: names or ids of keys that are to count no more.
        stolen: whoever had them may have signed something: what the role names is dropped, to be offered anew.
            Not what people have signed: they look at it, and take back what is not theirs (policy).

    Raises:
        KeysUnfit
    """
    above = repository.root() if role not in DELEGATED else _newest(repository, TOP)
    draft = repository.draft(TOP if role in DELEGATED else ROOT, based_on=above)
    _change(draft.signed, role, list(add), list(remove))
    drafts = {role_of(draft): draft}
    if role == ROOT:
        _change(draft.signed, TOP, list(add), list(remove))
        drafts[TOP] = repository.draft(TOP, based_on=_newest(repository, TOP))
    _check({name: _holders(drafts, repository, name) for name in KEY_ROLES})
    if role in DELEGATED and repository.newest(role) is not None:
        drafts[role] = repository.draft(role)
        if stolen and role in (CANDIDATES, CHANNELS):
            drafts[role].signed.targets.clear()
    return drafts


def renew(repository: Repository, roles: Iterable[str]) -> Drafts:
    """The same again, signed anew before it expires."""
    return {
        role: repository.draft(role, based_on=repository.root() if role == ROOT else _newest(repository, role))
        for role in roles
    }


def sign(repository: Repository, drafts: Drafts, signer: Signer) -> list[str]:
    """Add a signature to every draft for which this key counts; which those are."""
    signed = [role for role, draft in drafts.items() if repository.may_sign(draft, signer.public_key, drafts)]
    for role in signed:
        drafts[role].sign(signer, append=True)
    return signed


def save(drafts: Drafts, folder: Path) -> None:
    """Write drafts as files, one a role."""
    folder.mkdir(parents=True, exist_ok=True)
    for role, draft in drafts.items():
        (folder / f"{role}.draft.json").write_bytes(to_bytes(draft))


def read(folder: Path) -> Drafts:
    """The drafts in a folder; raises ``DraftsUnreadable``."""
    try:
        found = [Metadata.from_bytes(path.read_bytes()) for path in sorted(folder.glob("*.draft.json"))]
        drafts: Drafts = {role_of(draft): draft for draft in found}
        if not drafts:
            raise ValueError("no *.draft.json")
        return drafts
    except (OSError, ValueError, RepositoryError) as error:
        raise DraftsUnreadable(
            f"no drafts can be read there: {error}", field="folder", value=folder,
            remedy="Name the folder that the person before you gave you.",
        ) from error  # fmt: skip


def holders(repository: Repository) -> dict[str, tuple[int, list[str]]]:
    """Of each role how many must sign, and the names of those who may."""
    roles = {role: repository.delegator(role) for role in (ROOT, TOP, *KEY_ROLES[1:])}
    return {
        role: (
            above.get_delegated_role(role).threshold,
            [name_of(above.get_key(keyid)) for keyid in above.get_delegated_role(role).keyids],
        )
        for role, above in roles.items()
    }


def _newest(repository: Repository, role: str) -> Metadata[Any]:
    found = repository.newest(role)
    if found is None:
        raise RepositoryMissing.because(f"nothing of {role} is published")
    return found


def _change(above: Root | Targets, role: str, add: list[Key], remove: list[str]) -> None:
    there = {keyid: name_of(above.get_key(keyid)) for keyid in above.get_delegated_role(role).keyids}
    for said in remove:
        gone = [keyid for keyid, name in there.items() if said in (keyid, name)]
        if not gone:
            raise KeysUnfit(
                f"{role} has no such key", field="remove", value=said, remedy=f"It has {', '.join(there.values())}."
            )
        for keyid in gone:
            above.revoke_key(keyid, role)
    for key in add:
        above.add_key(key, role)


def _holders(drafts: Drafts, repository: Repository, role: str) -> list[Key]:
    top = TOP if role in DELEGATED else ROOT
    above = drafts[top].signed if top in drafts else repository.delegator(role)
    return [above.get_key(keyid) for keyid in above.get_delegated_role(role).keyids]


def _check(held: Mapping[str, list[Key]]) -> None:
    for role, keys in held.items():
        least, ids = THRESHOLD.get(role, 1), [key.keyid for key in keys]
        spare = 1 if role == ROOT else 0  # a root key that is lost must not be the end
        if len(set(ids)) != len(ids) or len(ids) < least + spare:
            raise KeysUnfit(
                f"{role} needs at least {least + spare} different keys", field=role,
                value=", ".join(name_of(key) for key in keys) or None, remedy="Give each to another person.",
            )  # fmt: skip
    online = {key.keyid for role, keys in held.items() if role not in OFFLINE for key in keys}
    if shared := [name_of(key) for role in OFFLINE for key in held[role] if key.keyid in online]:
        raise KeysUnfit(
            "a key on a server cannot be one of those that people keep", field="keys", value=", ".join(shared),
            remedy="Make the servers keys of their own.",
        )  # fmt: skip
