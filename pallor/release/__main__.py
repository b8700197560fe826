"""``pallor-release``: for whoever holds a key. Who may sign, and what is signed; needs the extra ``publish`` alone."""

import argparse
import getpass
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from securesystemslib.signer import Signer

from pallor.clock import SystemClock, utc_text
from pallor.digest import sha256_of_file
from pallor.errors import PallorError
from pallor.release.manifest import IntendedUse
from pallor.release.policy import Clearance
from pallor.release.repository import ceremony, contents
from pallor.release.repository.keys import kms_key, new_key, open_key, read_public
from pallor.release.repository.ledger import Repository
from pallor.release.repository.roles import CLEARANCES, KEY_ROLES, TOP
from pallor.release.repository.stamp import stamp
from pallor.settings import explain, load, setting, text, url
from pallor.store import open_store

_ABOUT = """\
Sign what nodes may run, and say who may sign it. docs/key-ceremony.md walks through it.

  pallor-release key NAME                     make a key; once for each person and each server
  pallor-release begin DRAFTS ...             write down who may sign what; nothing is valid before it is signed
  pallor-release sign DRAFTS --key FILE       sign what this key may sign; each key holder, one after the other
  pallor-release put DRAFTS                   publish what enough have signed

  pallor-release offer FOLDER --key FILE      a candidate, by the trainer
  pallor-release publish RELEASE --key FILE   a candidate becomes a release, by a person
  pallor-release yank RELEASE --reason WHY    take a release back for good;  floor N: nothing older than number N
  pallor-release clear RELEASE DRAFTS ...     for what a release may be used; two people sign it
"""


_HEARD = "Nodes hear of it once the server has signed what is newest, within a minute, and they have looked."


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the commands read from the environment."""

    store_url: str = setting(
        "PALLOR_STORE_URL", url("file", "s3"), "The object store: file:///var/lib/pallor/store or s3://bucket/prefix"
    )
    s3_endpoint: str | None = setting(
        "PALLOR_S3_ENDPOINT", url("http", "https"), "The address of an S3 server that is not Amazon's", default=None
    )


@dataclass(frozen=True, kw_only=True)
class Passphrase:
    """For a machine that signs by itself; a person is asked."""

    value: str | None = setting(
        "PALLOR_KEY_PASSPHRASE", text, "What opens a key file, where nobody can be asked", default=None, secret=True
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 when it went well, 2 when something has to be put right first."""
    options = _parser().parse_args(arguments)
    try:
        run: Callable[[argparse.Namespace], None] = options.run
        run(options)
    except PallorError as error:
        print(f"pallor-release: {error}", file=sys.stderr)
        return 2
    return 0


def _key(options: argparse.Namespace) -> None:
    if options.kms:
        kms_key(options.folder, options.name, options.kms)
    else:
        new_key(options.folder, options.name, _passphrase(f"A passphrase for {options.name}: "))
        print(f"{options.folder / options.name}.key is yours: keep it, and a copy, where nobody else comes.")
    print(f"{options.folder / options.name}.pub is to be given to whoever runs: pallor-release begin")


def _begin(options: argparse.Namespace) -> None:
    keys = {role: [read_public(path) for path in getattr(options, role)] for role in KEY_ROLES}
    keys[CLEARANCES] = keys[CLEARANCES] or keys["releases"]
    drafts = ceremony.begin(_repository(), options.world, keys)
    _save(drafts, options.drafts)


def _change(options: argparse.Namespace) -> None:
    add = [read_public(path) for path in options.add]
    drafts = ceremony.change(_repository(), options.role, add=add, remove=options.remove, stolen=options.stolen)
    _save(drafts, options.drafts)


def _renew(options: argparse.Namespace) -> None:
    _save(ceremony.renew(_repository(), options.role), options.drafts)


def _sign(options: argparse.Namespace) -> None:
    repository, drafts = _repository(), ceremony.read(options.drafts)
    signed = ceremony.sign(repository, drafts, _signer(options))
    ceremony.save(drafts, options.drafts)
    print(f"signed: {', '.join(signed) or 'nothing, for this key counts for none of it'}")
    for role, draft in drafts.items():
        missing = repository.missing(draft, drafts)
        print(f"  {role}: {f'still lacks {missing}' if missing else 'complete'}")


def _put(options: argparse.Namespace) -> None:
    drafts = ceremony.read(options.drafts)
    _repository().publish(*drafts.values())
    print(f"published: {', '.join(drafts)}. {_HEARD}")


def _show(_options: argparse.Namespace) -> None:
    repository = _repository()
    print(f"the {repository.world} world")
    for role, (threshold, names) in ceremony.holders(repository).items():
        found = repository.newest(role) if role != "timestamp" else repository.timestamp()
        until = f"until {utc_text(found.signed.expires)}" if found else "nothing signed yet"
        print(f"  {role:<11} {threshold} of {', '.join(names)}; {until}")


def _list(_options: argparse.Namespace) -> None:
    repository = _repository()
    policy, cleared = contents.policy_of(repository), repository.targets(CLEARANCES)
    print(f"floor: number {policy.floor}")
    for release_id, one in contents.releases_of(repository).items():
        number, said = one.custom["number"], []
        if number < policy.floor:
            said.append("below the floor")
        if why := policy.reason_against(release_id):
            said.append(f"taken back: {why}")
        if f"clearance/{release_id}.json" in cleared:
            said.append("cleared")
        print(f"  {number}  {release_id}  sha256:{one.hashes['sha256']}  {'; '.join(said)}".rstrip())
    for path in repository.targets("candidates"):
        print(f"  candidate  {path.split('/')[1]}")


def _offer(options: argparse.Namespace) -> None:
    print(f"{contents.offer(_repository(), options.folder, _signer(options))} is a candidate")


def _publish(options: argparse.Namespace) -> None:
    number = contents.publish(_repository(), options.release, _signer(options))
    print(f"{options.release} is release number {number}. It runs nowhere before an administrator rolls it out.")


def _yank(options: argparse.Namespace) -> None:
    contents.set_policy(_repository(), _signer(options), yank={options.release: options.reason})
    print(f"{options.release} is taken back for good. {_HEARD}")


def _floor(options: argparse.Namespace) -> None:
    policy = contents.set_policy(_repository(), _signer(options), floor=options.number)
    print(f"Nothing below number {policy.floor} runs any more. {_HEARD}")


def _clear(options: argparse.Namespace) -> None:
    repository = _repository()
    _, digest = contents.manifest_of(repository, options.release)
    scope = IntendedUse(options.months[0], options.months[1], options.pregnant)
    evidence = sha256_of_file(options.evidence)
    clearance = Clearance(options.release, digest, scope, options.anaemic_in_100, options.note, evidence)
    _save({CLEARANCES: contents.draft_clearance(repository, clearance)}, options.drafts)


def _stamp(options: argparse.Namespace) -> None:
    keys = [open_key(path, lambda: _passphrase("Passphrase: ")) for path in (options.snapshot, options.timestamp)]
    done = stamp(_repository(), *keys)
    print("signed what is newest" if done.timestamp else "nothing is new, and what is signed is young enough")
    for role, until in done.due:
        print(f"{role} has to be renewed before {utc_text(until)}: pallor-release renew DRAFTS {role}")


def _save(drafts: ceremony.Drafts, folder: Path) -> None:
    ceremony.save(drafts, folder)
    print(f"drafts in {folder}: {', '.join(drafts)}. Each key holder: pallor-release sign {folder} --key FILE")


def _repository() -> Repository:
    settings = load(Settings, os.environ)
    return Repository(open_store(settings.store_url, s3_endpoint=settings.s3_endpoint), SystemClock())


def _signer(options: argparse.Namespace) -> Signer:
    return open_key(options.key, lambda: _passphrase(f"Passphrase of {options.key.name}: "))


def _passphrase(question: str) -> str:
    return load(Passphrase, os.environ).value or getpass.getpass(question)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pallor-release",
        description=_ABOUT,
        epilog=f"environment:\n{explain(Settings)}\n{explain(Passphrase)}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def command(
        name: str, run: Callable[[argparse.Namespace], None], what: str, *, drafts: bool = False, key: bool = False
    ) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=what, description=what)
        made.set_defaults(run=run)
        if drafts:
            made.add_argument("drafts", type=Path, help="a folder for what is to be signed")
        if key:
            made.add_argument("--key", type=Path, required=True, help="your .key file")
        return made

    one = command("key", _key, "make a key, or write down one that AWS KMS keeps")
    one.add_argument("name", help="whose it is, such as anna or server-channels")
    one.add_argument("--folder", type=Path, default=Path(), help="where its two files go (here)")
    one.add_argument("--kms", metavar="KEY_ID", help="a key of AWS KMS (id, ARN or alias): signing needs KMS then")
    first = command("begin", _begin, "write down who may sign, for the first time", drafts=True)
    first.add_argument("--world", choices=("real", "synthetic"), required=True, help="of people or not, for ever")
    for role in KEY_ROLES:
        needed = role != CLEARANCES
        what = "default: those of releases" if not needed else f"the .pub files that count for {role}"
        first.add_argument(f"--{role}", type=Path, nargs="+", required=needed, default=[], metavar="PUB", help=what)
    other = command("change", _change, "give a role other keys: rotation, or a lost or stolen key")
    other.add_argument("role", choices=KEY_ROLES)
    other.add_argument("drafts", type=Path, help="a folder for what is to be signed")
    other.add_argument("--add", type=Path, nargs="+", default=[], metavar="PUB", help="keys that count from now on")
    other.add_argument("--remove", nargs="+", default=[], metavar="NAME", help="keys that count no more")
    other.add_argument("--stolen", action="store_true", help="what candidates or channels name is dropped as well")
    again = command("renew", _renew, "draft the same again, before it expires", drafts=True)
    again.add_argument("role", nargs="+", choices=(*KEY_ROLES, TOP))
    command("sign", _sign, "sign what your key may sign, and see whose signatures are missing", drafts=True, key=True)
    command("put", _put, "publish drafts that enough have signed", drafts=True)
    command("show", _show, "who may sign what, and until when it is signed")
    command("list", _list, "every release and candidate")
    command("offer", _offer, "sign a candidate, as the trainer", key=True).add_argument("folder", type=Path)
    publish = command("publish", _publish, "move a candidate to the releases, as a person", key=True)
    publish.add_argument("release", help="its id")
    yank = command("yank", _yank, "take a release back for good", key=True)
    yank.add_argument("release", help="its id")
    yank.add_argument("--reason", required=True, help="what people read about it")
    command("floor", _floor, "let nothing older run", key=True).add_argument("number", type=int)
    clear = command("clear", _clear, "draft for what a release may be used")
    clear.add_argument("release", help="its id")
    clear.add_argument("drafts", type=Path, help="a folder for what is to be signed")
    clear.add_argument("--months", type=_months, required=True, help="of age, from and to, such as 6-59")
    clear.add_argument("--pregnant", action="store_true", help="also those who are, or may be, pregnant")
    clear.add_argument(
        "--anaemic-in-100", type=int, required=True, metavar="N",
        help="of 100 people with a negative screen so many are anaemic: the upper bound of the prospective record",
    )  # fmt: skip
    clear.add_argument("--note", required=True, help="where and for what, in words")
    clear.add_argument("--evidence", type=Path, required=True, help="the report that says so; its digest is signed")
    online = command("stamp", _stamp, "sign what is newest; the backend does it by itself")
    online.add_argument("--snapshot", type=Path, required=True, help="the snapshot's .key file")
    online.add_argument("--timestamp", type=Path, required=True, help="the timestamp's .key file")
    return parser


def _months(raw: str) -> tuple[int, int]:
    begin, _, end = raw.partition("-")
    if not (begin.isdigit() and end.isdigit() and int(begin) < int(end)):
        raise argparse.ArgumentTypeError("months of age, such as 6-59")
    return int(begin), int(end)


if __name__ == "__main__":
    sys.exit(main())
