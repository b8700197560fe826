"""The command that says why labels may not teach a model, and which cases are behind it."""

import argparse

from backend.office.parts import AddCommand, open_database, print_table
from backend.services.manage_sites import show_site
from backend.services.withheld_labels import count_withheld, list_withheld
from backend.settings import DatabaseSettings
from pallor.clock import utc_text
from pallor.eligibility import Reason

_MOST = 1000


def add_commands(command: AddCommand) -> None:
    """Declare the commands of this module."""
    labels = command("eligibility", _eligibility, "how many labels may teach a model, and why the others may not")
    labels.add_argument("--withheld", type=Reason, choices=list(Reason), help="list the cases behind this reason")
    labels.add_argument("--site", help="of this site alone")


def _eligibility(settings: DatabaseSettings, options: argparse.Namespace) -> int:
    database = open_database(settings)
    if options.site:
        show_site(database, options.site)
    if options.withheld is None:
        found = count_withheld(database, site=options.site)
        print_table(("labels", "count"), [("may teach", found.eligible), *found.withheld.items()])
        return 0
    rows = list_withheld(database, options.withheld, _MOST, None, site=options.site)
    told = [(row.case_id, row.site, row.subject_code, utc_text(row.derived_at)) for row in rows]
    print_table(("case", "site", "subject", "since"), told)
    return 0
