"""What the demonstration prints: tables for people, plain text where there is no terminal."""

import os
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from pallor.clock import utc_text
from pallor.errors import PallorError
from pallor.onebox.backup import Backup
from pallor.onebox.box import FIRST_ADMIN, Box
from pallor.onebox.client import Client
from pallor.onebox.visits import Visit
from pallor.release.shelf import CURRENT

_WIDTH_WITHOUT_TERMINAL = 132


def a_console() -> Console:
    """Standard output, wide enough for the tables where nobody says how wide it is."""
    console = Console(highlight=False, markup=False, emoji=False)  # names are printed as they are
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _WIDTH_WITHOUT_TERMINAL
    return console


def a_progress(console: Console) -> Progress:
    """Bars with the time that is left; nothing at all without a terminal."""
    columns = (TextColumn("{task.description:>8}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, disable=not console.is_terminal)


def tell_places(console: Console, box: Box, tokens: Mapping[str, str] | None) -> None:
    """Where everything is, and how to get in. ``tokens``: to be shown; None where one is saved in the data folder."""
    saved = f"{box.folder.token_file} (a console of the administrator's; for you alone)"
    first = f"{FIRST_ADMIN}, one-time password {box.first_password} (shown once; good for 7 days)"
    for name, where in (
        ("page", f"{box.url}/ (phones), {box.url}/laboratory (technicians)"),
        ("API document", f"{box.url}/api/v1/openapi.json, to try: {box.url}/api/v1/swagger"),
        ("world", f"{box.world}, release {box.shelf.current_id()}"),
        ("engine", _engine(box)),
        ("data", f"{box.folder.root} (database, photos, labels, releases)"),
        ("logs", f"{box.folder.logs}"),
        *([("keys", _keys(box))] if box.folder.keys.exists() else []),
        ("Valkey", box.broker),
        ("commands", f". {box.folder.environment_file} && pallor-backend --help"),
        *((f"token {role}", token) for role, token in (tokens or {}).items()),
        *([] if tokens is not None else [("token", saved)]),
        *([("administrator", first)] if box.first_password else []),
    ):
        console.print(f"  {name:<14}{where}", soft_wrap=True)


def _engine(box: Box) -> str:
    """What scores here, by its newest report; to start is what counts, so what is not known yet stops nothing."""
    more = "pallor-worker describe tells more"
    if box.fault is not None:
        return (
            f"none: {box.fault}. Cases are taken in and wait to be scored. Let another release serve: "
            f"pallor-sync put RELEASE --activate (docs/engines.md); {more}"
        )
    try:
        with Client(box.url, box.token) as admin:
            workers = [one for one in admin.get("/health/ready")["workers"] if one["slot"] == CURRENT]
    except PallorError:
        workers = []
    if not workers:
        return f"not known yet; {more}"
    newest = max(workers, key=lambda one: one["reported_at"])
    why = f"{newest['fallback'].partition(':')[0]}; " if newest["fallback"] else ""
    return f"{newest['engine_flavour']}, {newest['precision']} ({why}{more})"


def _keys(box: Box) -> str:
    return f"{box.folder.keys} (development keys, made here: good for trying out; see docs/key-ceremony.md)"


def tell_backup(console: Console, backup: Backup, file: Path) -> None:
    """What was saved, and what the file is."""
    megabytes = file.stat().st_size / 1_000_000
    console.print(
        f"{file}: {megabytes:.1f} MB, {backup.cases} cases with {backup.photos} photos ({backup.world}), "
        f"as they were at {utc_text(backup.made_at)}.\n"
        "It holds people's data and this machine's secrets: keep it on an encrypted disk, apart from this machine.",
        soft_wrap=True,
    )


def tell_restored(console: Console, backup: Backup, data: Path) -> None:
    """What is there again, what is not, and what to do about it."""
    moment = utc_text(backup.made_at)
    console.print(
        f"{data}: {backup.cases} cases with {backup.photos} photos ({backup.world}), as they were at {moment}.\n"
        f"- Whatever was erased after that moment is back: erase it again (pallor-backend subject-erase, for each "
        "erasure since). The same goes for whatever was revoked.\n"
        "- Cases and results that came after it are not here: send them again.\n"
        f"Next: pallor up --data {shlex.quote(str(data))}"
        f"{' --world synthetic' if backup.world == 'synthetic' else ''}\n"
        f"Then see that the audit trail is whole: . {shlex.quote(str(data / 'environment'))} && "
        "pallor-backend audit-verify",
        soft_wrap=True,
    )


def cases_table(visits: Sequence[Visit]) -> Table:
    """One row a photo: what was said of it."""
    table = _table("case", "quality", "probability", "advice", "release", "ms")
    for visit in visits:
        answer, advice = visit.answer, visit.advice
        table.add_row(
            visit.visitor.name,
            _quality(visit),
            f"{answer['probability']:.3f}" if answer else "-",
            advice["words"] if advice else "-",
            answer["release_id"] if answer else "-",
            f"{visit.milliseconds:.0f}" if answer else "-",
        )
    return table


def labels_table(visits: Sequence[Visit]) -> Table:
    """One row a haemoglobin: the label it became."""
    table = _table("case", "Hb as reported", "g/L", "severity", "altitude", "may teach a model", "in the store")
    for visit in visits:
        label = visit.label
        if label is None:
            table.add_row(visit.visitor.name, *["-"] * 5, "missing")
            continue
        table.add_row(
            visit.visitor.name,
            f"{label['hb_value']} {label['hb_unit']}",
            label["hb_g_per_l"],
            label["severity"] or f"none: {label['no_criterion']}",
            label["altitude"],
            "yes" if label["eligible"] else f"withheld: {', '.join(label['withheld'])}",
            "written" if label["written"] else "not yet",
        )
    return table


def totals_table(visits: Sequence[Visit], seconds: float) -> Table:
    """What went in and what came out; ``lost`` must be 0."""
    states = Counter(visit.state for visit in visits)
    retakes = Counter(reason for visit in visits if visit.state == "retake" for reason in _reasons(visit))
    doors = Counter(visit.turned_away for visit in visits if visit.turned_away)
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, count, why in (
        ("submitted", len(visits), ""),
        ("refused at the door", states["turned away"], _counted(doors)),
        ("accepted", sum(1 for visit in visits if visit.receipt), ""),
        ("scored", states["scored"], ""),
        ("retake asked for", states["retake"], _counted(retakes)),
        ("lost", states["lost"], ""),
    ):
        table.add_row(name, str(count), why)
    table.add_row("seconds", f"{seconds:.1f}", "from the first request to the last answer")
    return table


def advice_reasons(visits: Iterable[Visit]) -> str:
    """Why the advice is what it is, counted."""
    return _counted(Counter(reason for visit in visits if visit.advice for reason in visit.advice["reasons"]))


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in ("probability", "ms", "g/L") else "left")
    return table


def _quality(visit: Visit) -> str:
    if visit.turned_away:
        return f"refused: {visit.turned_away}"
    return "good" if visit.state == "scored" else f"{visit.state}: {', '.join(_reasons(visit))}".rstrip(": ")


def _reasons(visit: Visit) -> list[str]:
    photo = visit.settled or {}
    return list((photo.get("quality") or {}).get("reasons", [])) or ([photo["refusal"]] if photo.get("refusal") else [])


def _counted(counts: "Counter[str]") -> str:
    return ", ".join(f"{reason} {count}" for reason, count in counts.most_common())
