"""A year of 12 clinics in a synthetic world, through the real API: is anything lost, and does the loop learn?

python -m benchmarks.district --run DIR [--init FILE] [--out FILE] [--plot FILE] [--miniature]
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from benchmarks.district.box import set_up
from benchmarks.district.laboratory import letters_of
from benchmarks.district.plan import MINIATURE, WHOLE
from benchmarks.district.server import parts_of, running
from benchmarks.district.world import people_of
from benchmarks.district.year import LAST_DAY, District
from benchmarks.report import finish, progress
from pallor.onebox.folder import DataFolder


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.district", description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--init", type=Path)
    parser.add_argument("--miniature", action="store_true")
    asked = parser.parse_args(arguments)
    plan = MINIATURE if asked.miniature else WHOLE
    folder = DataFolder(asked.run.resolve())
    tokens = set_up(folder, plan)
    people = people_of(plan)
    letters = letters_of(plan, people)
    with running(folder, 18080) as url, progress() as bars:
        district = District(plan, folder, url, parts_of(folder), tokens, asked.init, people, letters)
        task = bars.add_task("living a year", total=LAST_DAY, completed=district.diary.day + 1)
        district.live(lambda day: bars.update(task, completed=day + 1))


if __name__ == "__main__":
    main()
