"""The demonstration: people come, are photographed and scored, half of them get a blood test, and labels appear."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from rich.console import Console

from pallor.onebox import show
from pallor.onebox.box import Box
from pallor.onebox.client import Client
from pallor.onebox.doors import Staff, open_doors
from pallor.onebox.people import Company
from pallor.onebox.visits import Visit, follow_answers, follow_labels, post_results, read_answers, send

_IN_FLIGHT = 4


def let_in(company: Company, box: Box) -> Staff:
    """A nurse and a laboratory for the sites at which these people are seen."""
    with Client(box.url, box.token) as admin:
        return open_doors(box.url, admin, {str(visitor.facts["site"]) for visitor in company.visitors})


def walk(company: Company, box: Box, staff: Staff, console: Console) -> bool:
    """Send everybody through and print what became of them; True when nothing was lost."""
    visits = [Visit(visitor) for visitor in company.visitors]
    for line in company.notes:
        console.print(f"- {line}")
    with (
        ThreadPoolExecutor(_IN_FLIGHT) as pool,
        Client(box.url, staff.nurse) as phone,
        Client(box.url, staff.laboratory) as laboratory,
        Client(box.url, box.token) as admin,
    ):
        seconds = _screen(visits, phone, pool, console)
        read_answers(admin, visits, pool)
        _tell_of_cases(visits, seconds, console)
        tested = post_results(laboratory, visits)
        unlabelled = follow_labels(admin, tested)
        _tell_of_labels(visits, tested, console)
    lost = [visit for visit in visits if visit.state == "lost"]
    for what, missing, log in (("answer", lost, "worker"), ("written label", unlabelled, "sweep")):
        if missing:
            names = ", ".join(visit.visitor.name for visit in missing[:10])
            where = box.folder.logs / f"{log}.log"
            console.print(f"\n{len(missing)} without {what}: {names}. Look into {where}.")
    return not lost and not unlabelled


def _screen(visits: Sequence[Visit], phone: Client, pool: ThreadPoolExecutor, console: Console) -> float:
    """Send all, several at a time, and wait for the answers; how long it took, seconds."""
    started = time.monotonic()
    with show.a_progress(console) as progress:
        sent, answered = [progress.add_task(name, total=len(visits)) for name in ("sent", "answered")]

        def send_one(visit: Visit) -> None:
            send(phone, visit)
            progress.advance(sent)

        sending = [pool.submit(send_one, visit) for visit in visits]
        try:
            follow_answers(phone, visits, lambda: all(s.done() for s in sending), lambda: progress.advance(answered))
        finally:  # of an interrupted walk
            for one in sending:
                one.cancel()
        for one in sending:
            one.result()
    return time.monotonic() - started


def _tell_of_cases(visits: Sequence[Visit], seconds: float, console: Console) -> None:
    console.print(show.cases_table(visits))
    console.print(show.totals_table(visits, seconds))
    if reasons := show.advice_reasons(visits):
        console.print(f"\nBehind the advice: {reasons}.")
    for code, why in {visit.turned_away: visit.why for visit in visits if visit.turned_away}.items():
        console.print(f"- {code}: {why}")


def _tell_of_labels(visits: Sequence[Visit], tested: Sequence[Visit], console: Console) -> None:
    for visit in visits:
        if visit.lab_refusal:
            console.print(f"- the haemoglobin of {visit.visitor.name} was refused: {visit.lab_refusal}")
    if not tested:
        console.print("\nNo haemoglobin was posted, so there are no labels.")
        return
    console.print(f"\nThe laboratory posted haemoglobin for {len(tested)} of the cases; the labels that appeared:")
    console.print(show.labels_table(tested))
