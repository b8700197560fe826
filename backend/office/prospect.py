"""The command that shows what a release is worth by now."""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Row

from backend.office.parts import AddCommand, open_database, print_table, write_file
from backend.record.clearance_rule import conditions_of, that_may_clear
from backend.record.drift.cases import Place, Where
from backend.record.figures import Share, figures_of
from backend.record.report import clearance_json, csv_lines, figures_json
from backend.services.drift_alarms import moved_cases, state_of
from backend.services.read_prospect import Prospect, draw_prospect, read_prospect
from backend.settings import DatabaseSettings
from pallor.clock import SystemClock, utc_text


def add_commands(command: AddCommand) -> None:
    """Declare the commands of this module."""
    record = command("record", _record, "what a release said before anybody knew, against what the laboratory found")
    record.add_argument("release", help="its id, such as pallor up prints, or GET /releases")
    record.add_argument("--csv", type=Path, help="write the cases that count into this file, one a line")
    record.add_argument("--svg", type=Path, help="draw the record over time into this file")
    record.add_argument("--json", action="store_true", help="everything, for programs")


def _record(settings: DatabaseSettings, options: argparse.Namespace) -> int:
    found = read_prospect(open_database(settings), SystemClock(), options.release)
    if options.csv:
        lines = csv_lines(found.counted, moved_cases(found.counted, found.drift))
        write_file(options.csv, "".join(lines).encode())
        print(f"{len(found.counted)} cases in {options.csv}", file=sys.stderr)
    if options.svg:
        write_file(options.svg, draw_prospect(found).encode())
    if options.json:
        said = {"clearance": clearance_json(found.counted), "drift": [_told(row) for row in found.drift]}
        print(json.dumps(figures_json(found.counted) | said))
    else:
        _print(found)
    return 0


def _print(found: Prospect) -> None:
    figures = figures_of(found.counted)
    print(f"{found.release_id}, known here since {utc_text(found.known_since)}")
    print(f"{figures.cases} cases count, {figures.anaemic} of them anaemic; left out: {_listed(found.left_out)}")
    print(f"blood: {sum(found.sent.values())} were to have it taken, {sum(found.never_came.values())} never came")
    shares = [(name.replace("_", " "), *_row(one)) for name, one in vars(figures).items() if isinstance(one, Share)]
    print_table(("figure", "of", "value", "interval"), shares)
    for row in found.drift:
        told = _told(row)
        print(f"moved, {told['state']}: {told['what']}, {told['where']}, since {told['since']}: {told['said']}")
    print()
    clearing = figures_of(that_may_clear(found.counted)).cases
    print(f"{clearing} of the cases may clear: venous blood on a laboratory's analyser, taken for no other reason,")
    print("of a person for whom the release was made. By these alone:")
    rows = [
        ("yes" if one.holds else "NO", one.name, one.said, one.missing or None) for one in conditions_of(found.counted)
    ]
    print_table(("holds", "condition of clearance", "found", "cases missing"), rows)


def _told(alarm: Row[Any]) -> dict[str, str]:
    place = str(Place(Where(alarm.place_kind), alarm.place))
    since = utc_text(alarm.since)
    return {"what": alarm.what, "where": place, "since": since, "said": alarm.said, "state": state_of(alarm).value}


def _row(one: Share) -> tuple[object, ...]:
    if one.value is None or one.low is None or one.high is None:
        return one.count, None, None
    return one.count, f"{one.value:.3f}", f"{one.low:.3f} to {one.high:.3f}"


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{n} {reason}" for reason, n in sorted(counts.items())) or "none"
