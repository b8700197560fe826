"""A technician's morning in a real browser, by keyboard: decide, enter, upload, what was sent back, day sheet.

`PALLOR_SCREENSHOTS=DIR` keeps a picture of each page, at a desk and on a phone.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest
from pyotp import TOTP
from sqlalchemy import update

from backend.access.roles import Role
from backend.db.engine import Database
from backend.db.tables import people
from backend.services.manage_people import add_person
from backend.services.specimen_barcode import grouped, new_barcode
from deploy.web import WEB
from pallor.clock import SystemClock, utc_text
from pallor.ids import new_id
from pallor.onebox.client import Client
from tests.journey.test_nurse import Seen
from tests.support.api import OWN, PRACTICE, let_in
from tests.support.builders import a_case_body, a_consent_body, a_report_body
from tests.support.chromium import chromium
from tests.support.explain import score
from tests.support.phone_app import run_node
from tests.support.stack import wait_until
from tests.support.synthetic import a_good_png
from tests.support.web import web_server

pytestmark = pytest.mark.slow
LOOKS = ((1280, 800, "light"), (412, 915, "dark"))
PASSWORD = "a technician chooses this herself"
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
SCORE = "What the model said of the photo"
AXE = WEB / "node_modules/axe-core/axe.min.js"


def test_a_technicians_morning(clinic, tmp_path):
    with chromium(tmp_path / "profile", viewport={"width": 1280, "height": 800}, locale="en") as browser:
        page = browser.new_page()
        page.set_default_timeout(30_000)
        faults = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda said: "Content Security Policy" in said.text and faults.append(said.text))
        page.goto(clinic.url)  # the phone's app keeps itself here, and must not answer in the laboratory's place
        wait_until(lambda: page.evaluate("navigator.serviceWorker.controller !== null"), "the phone's app is kept")
        page.goto(f"{clinic.url}/laboratory")
        seen = Seen(page)
        comes_in(seen, clinic)
        decides(seen)
        enters(seen, clinic)
        uploads(seen, clinic)
        looks_after(seen)
        corrects(seen)
        signs_out(seen)
        assert faults == []
    (first, second) = (clinic.label_of(case_id) for case_id in clinic.cases[:2])
    assert (first["hb_value"], first["hb_unit"]) == ("11.3", "g/dL")
    assert (second["hb_value"], second["hb_unit"]) == ("104", "g/L")


def comes_in(seen, clinic):
    looks(seen, "sign-in")
    seen.types("Name", "technician-1")
    seen.types("Password", f"{clinic.given}\n")
    seen.types("Six-digit code", f"{TOTP(SECRET).now()}\n")
    seen.types("The password you were given", clinic.given)
    seen.types("A new password", PASSWORD)
    looks(seen, "password")
    seen.page.keyboard.press("Enter")
    seen.reads("Specimens whose value is still to come")


def decides(seen):
    seen.reads("1 result for you to decide")
    seen.reads("1 result waits for its case")
    looks(seen, "worklist")
    seen.chooses(re.compile("A-019"))
    seen.presses("It is this person's")
    looks(seen, "decide")
    seen.presses("Yes")
    seen.page.get_by_text("1 result for you to decide").wait_for(state="hidden")
    seen.page.get_by_text("A-019").wait_for(state="hidden")  # nor is its blood expected any more


def enters(seen, clinic):
    tube = clinic.tubes[0]
    goes(seen, "Scan and enter")
    slip = tube[:-1] + ("7" if tube[-1] != "7" else "8")
    seen.types("Number of the tube, or of the case", slip)
    seen.reads("This is not the number on a tube's label")
    looks(seen, "slip")
    seen.page.get_by_label("Number of the tube, or of the case").fill("")
    seen.types("Number of the tube, or of the case", f"{grouped(tube)}\n")
    seen.reads("A-017")
    assert seen.page.get_by_text(SCORE).count() == 0  # not before a value is in
    seen.types("Haemoglobin", "123")
    seen.chooses("g/dL")
    seen.chooses(re.compile("at the visit"))
    seen.chooses("from a vein")
    seen.chooses("on a laboratory's analyser")
    seen.types("Analyser", "Sysmex XN-350")
    seen.ticks("Let this computer remember unit, kind of blood, analyser and method")
    seen.presses("Check")
    seen.reads("No living person has this value in this unit")
    seen.reads("Was the unit g/L? Then send that unit.")
    looks(seen, "unit-refused")
    seen.page.get_by_label("Haemoglobin", exact=True).fill("")
    seen.types("Haemoglobin", "12,3\n")
    seen.reads("12.3 g/dL = 123 g/L")
    seen.reads("Kind of blood: from a vein · Sysmex XN-350")
    looks(seen, "echo")
    seen.presses("Record it")
    seen.reads("Recorded: 12.3 g/dL = 123 g/L for A-017")
    seen.presses("Undo")
    seen.reads("Undone: it does not count.")
    seen.types("Number of the tube, or of the case", f"{tube}\n")
    seen.page.wait_for_selector(".big input:focus")  # a scanner's hand does not reach for a mouse
    seen.page.keyboard.type("12.3")
    assert seen.page.locator(".big .unit").inner_text() == "g/dL"  # remembered, and said large
    seen.chooses(re.compile("at the visit"))
    seen.presses("Check")
    seen.presses("Record it")
    seen.reads("Recorded: 12.3 g/dL = 123 g/L for A-017")
    looks(seen, "recorded")
    seen.types("Number of the tube, or of the case", f"{clinic.tubes[3]}\n")
    seen.presses("No value: the specimen is no good")
    seen.chooses("clotted")
    looks(seen, "reject")
    seen.presses("Ask for blood again")
    seen.reads("Blood of A-020 is asked for again. The field sees it.")


def uploads(seen, clinic):
    goes(seen, "Upload a list")
    seen.page.get_by_label("File").set_input_files(
        {"name": "today.csv", "mimeType": "text/csv", "buffer": clinic.a_list().encode()}
    )
    seen.reads("1 row would be sent back")
    seen.reads("1 column is not known and was not read")
    looks(seen, "upload")
    seen.presses("Let 1 row in")
    seen.reads("1 row was taken in")
    seen.presses("See what was sent back")


def looks_after(seen):
    seen.reads("Name the unit the analyser printed")
    seen.reads("Sent back (1)")
    assert "MARK-NAME" not in seen.page.content()
    looks(seen, "sent-back")
    seen.presses("Looked after")
    seen.reads("Nothing here.")
    seen.chooses("looked after")
    seen.reads(re.compile("technician-1, "))


def corrects(seen):
    goes(seen, "Day sheet")
    seen.reads("asked for again: clotted")
    seen.reads("takes back 12.3 g/dL: undone")
    looks(seen, "day")
    row = seen.page.get_by_role("row").filter(has_text="12.3 g/dL").filter(has=seen.page.get_by_role("button"))
    seen.at(row.get_by_role("button", name="Correct")).press("Enter")
    seen.page.get_by_text(SCORE).click()
    seen.reads(re.compile("^Score [0-9]+ of 100, by toy-1"))
    drawn = "document.querySelector('.heat-map').naturalWidth > 0"
    wait_until(lambda: seen.page.evaluate(drawn), "the heat map is drawn")
    looks(seen, "results")
    seen.presses("Correct it")
    seen.types("Haemoglobin", "11.3")
    seen.types("Why", "read from the wrong line")
    seen.presses("Check")
    seen.reads("It will count instead of 12.3 g/dL.")
    looks(seen, "correct")
    seen.presses("Record it")
    seen.reads("Corrected: 11.3 g/dL = 113 g/L for A-017, was 12.3 g/dL")
    goes(seen, "Day sheet")
    seen.reads("corrects 12.3 g/dL: read from the wrong line")
    seen.page.emulate_media(media="print")
    assert not seen.page.get_by_role("navigation").is_visible()
    keep(seen, "day-printed")
    seen.page.emulate_media(media="screen")
    looks(seen, "day-corrected")


def signs_out(seen):
    seen.presses("technician-1")
    seen.chooses("Français")
    seen.reads("Feuille du jour")
    looks(seen, "day-fr")
    seen.presses("Se déconnecter")
    seen.reads("Laboratoire : connexion")
    seen.page.reload()
    seen.reads("Laboratoire : connexion")


def goes(seen, name):
    seen.at(seen.page.get_by_role("link", name=name, exact=True)).press("Enter")
    seen.page.get_by_role("heading", name=name, level=1).wait_for()


def looks(seen, name):
    """Axe finds nothing, and nothing runs out of the screen."""
    page = seen.page
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text())
    for width, height, scheme in LOOKS:
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme=scheme)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, (name, width)
        found = page.evaluate("async () => (await axe.run()).violations")
        told = [(one["id"], one["nodes"][0]["html"], one["nodes"][0]["failureSummary"]) for one in found]
        assert not told, (name, width, told)
        keep(seen, f"{name}-{width}")
    page.set_viewport_size({"width": LOOKS[0][0], "height": LOOKS[0][1]})
    page.emulate_media(color_scheme="light")


def keep(seen, name):
    if kept := os.environ.get("PALLOR_SCREENSHOTS"):
        seen.page.screenshot(path=Path(kept) / f"laboratory-{name}.png", full_page=True)


@dataclass
class Clinic:
    """A server with four cases whose tubes are at the laboratory, a result to be decided and one that waits."""

    url: str
    given: str
    nurse: str
    tubes: list[str]
    cases: list[str]

    def a_list(self) -> str:
        """One row that fits, and one without a unit; a column that is nobody's business."""
        now = utc_text(SystemClock().now())
        rows = (f"L-1,MARK-NAME,{self.tubes[1]},104,g/L,{now}", f"L-2,MARK-NAME,{new_barcode()},98,,{now}")
        return "\n".join(("Lab number,Patient,Barcode,Hb,Unit,Taken at", *rows))

    def label_of(self, case_id: str) -> dict[str, str]:
        with Client(self.url, self.nurse) as nurse:
            return nurse.get(f"/cases/{case_id}")["label"]


@pytest.fixture(scope="module")
def clinic(migrated_sqlite, tmp_path_factory):
    folder, built = tmp_path_factory.mktemp("laboratory"), tmp_path_factory.mktemp("app")
    assert run_node("build.js", str(built)).returncode == 0
    (folder / "pallor.db").write_bytes(migrated_sqlite.read_bytes())
    database, clock = Database(f"sqlite:///{folder}/pallor.db"), SystemClock()
    tokens = let_in(database, clock)
    given = add_person(database, clock, "technician-1", Role.LAB, frozenset({OWN, PRACTICE}), by="operator")
    now = clock.now()
    with database.write() as tx:
        factor = {"totp_secret": SECRET, "totp_since": now}
        tx.execute(update(people).where(people.c.name == "technician-1").values(**factor))
    with web_server(folder, PALLOR_WEB_FOLDER=str(built)) as url:
        tubes, cases = [new_barcode() for _ in range(4)], [new_id() for _ in range(4)]
        with Client(url, tokens["field"]) as nurse, Client(url, tokens["lab"]) as system:
            for number, (tube, case_id) in enumerate(zip(tubes, cases, strict=True), start=17):
                consent = a_consent_body(at=utc_text(now))
                facts = {"visited_at": utc_text(now), "consent": consent, "subject_code": f"A-{number:03}"}
                nurse.put(f"/cases/{case_id}", a_case_body(**facts, specimen_barcode=tube))
            nurse.put_photo(cases[0], photo_id := new_id(), a_good_png(seed=11), "image/png", now)
            drawn = {"taken_at": utc_text(now), "performer": "laboratory"}
            system.post("/lab-reports", a_report_body(subject_code="A-019", visited_on=f"{now:%Y-%m-%d}", **drawn))
            system.post("/lab-reports", a_report_body(specimen_barcode=new_barcode(), **drawn))
        parts = SimpleNamespace(database=database, settings=SimpleNamespace(label_table="who-2024"))
        score(SimpleNamespace(parts=parts, clock=clock), photo_id)
        database.close()
        yield Clinic(url, given, tokens["field"], tubes, cases)
