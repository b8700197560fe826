"""What a hundred thousand confirmed cases cost: the snapshot for a trainer, a release's record, a look for drift.

    python -m benchmarks.record [--cases N] [--out FILE] [--plot FILE] [--miniature]

Cases, photos, answers with map and embedding, values and labels are laid into SQLite as they lie there after a year at
twelve sites; then each part runs in a process of its own, which tells its time and its own peak memory. ``drift_look``:
the first look, when everything is new; ``drift_look_again``: the hourly one, when nothing is. The last line is one JSON
object.
"""

import argparse
import json
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from backend.db.engine import Database
from backend.db.migrate import migrate
from backend.db.tables import cases, cleared, consents, lab_results, labels, photos, predictions, releases, sites
from backend.record.report import clearance_json, csv_lines, figures_json
from backend.services.drift_alarms import moved_cases
from backend.services.export_snapshot import export_snapshot
from backend.services.read_prospect import draw_prospect, read_prospect
from backend.services.set_world import set_world
from backend.services.watch_drift import watch_drift
from benchmarks.report import finish, progress
from pallor.clock import SystemClock, utc_text
from pallor.digest import sha256_of
from pallor.ids import new_id
from pallor.release.bootstrap import bootstrap_folder
from pallor.release.manifest import Manifest
from pallor.release.policy import Clearance
from pallor.store.folder import FolderStore

_SEED, _SITES, _AT_ONCE = 20_261_128, 12, 2_000
_BEGAN = datetime(2026, 1, 5, tzinfo=UTC)
_CLEARED = datetime(2026, 7, 1, tzinfo=UTC)  # from then on, why each case's blood was taken has to be found out
_NOTHING = "sha256:" + "0" * 64
_TABLE, _BY = "who-2024", "trainer"
_MIB_KIB, _MIB_BYTES = 1024, 1024 * 1024


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.record", description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=100_000, help="confirmed cases (100 000)")
    parser.add_argument("--out", type=Path, help="where to keep the figures")
    parser.add_argument("--plot", type=Path, help="where to draw the record over time")
    parser.add_argument("--miniature", action="store_true", help="300 cases, to see that everything runs")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder), 300 if asked.miniature else asked.cases, asked.plot)
    finish("record", figures, asked.out)


def measure(folder: Path, n: int, plot: Path | None) -> dict[str, Any]:
    """The figures of each part, on a database of ``n`` cases that is made in ``folder``."""
    database = Database(f"sqlite:///{folder}/pallor.db")
    migrate(database)
    set_world(database, "real")
    release_id = lay_down(database, n)
    database.close()
    figures: dict[str, Any] = {"cases": n, "sites": _SITES}
    for name, part in PARTS.items():
        figures |= apart(name, part, folder, release_id)
    if plot is not None:
        plot.write_text((folder / "record.svg").read_text(encoding="utf-8"), encoding="utf-8")
    return figures


def apart(name: str, part: Callable[[Path, str], dict[str, Any]], folder: Path, release_id: str) -> dict[str, Any]:
    """What a part tells, with its seconds and its process's peak memory in MiB."""
    with multiprocessing.get_context("spawn").Pool(1) as alone:
        seconds, peak, told = alone.apply(_timed, (part, folder, release_id))
    return {f"{name}_seconds": round(seconds, 2), f"{name}_peak_mib": round(peak), **told}


def _timed(
    part: Callable[[Path, str], dict[str, Any]], folder: Path, release_id: str
) -> tuple[float, float, dict[str, Any]]:
    began = time.perf_counter()
    told = part(folder, release_id)
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return seconds, peak / (_MIB_BYTES if sys.platform == "darwin" else _MIB_KIB), told


def _snapshot(folder: Path, _release_id: str) -> dict[str, Any]:
    export_snapshot(_database(folder), FolderStore(folder / "store"), SystemClock(), _TABLE, by=_BY)
    return {}


def _record(folder: Path, release_id: str) -> dict[str, Any]:
    """Everything that can be asked of the record: figures of all subgroups, clearance, table, drawing."""
    found = read_prospect(_database(folder), SystemClock(), release_id)
    figures = figures_json(found.counted)
    json.dumps(figures | clearance_json(found.counted))
    with (folder / "record.csv").open("w", encoding="utf-8") as file:
        file.writelines(csv_lines(found.counted, moved_cases(found.counted, found.drift)))
    (folder / "record.svg").write_text(draw_prospect(found), encoding="utf-8")
    return {"record_cases": figures["overall"]["cases"]}


def _look(folder: Path, _release_id: str) -> dict[str, Any]:
    return {"drift_alarms": watch_drift(_database(folder), SystemClock())}


def _look_again(folder: Path, _release_id: str) -> dict[str, Any]:
    watch_drift(_database(folder), SystemClock())
    return {}


PARTS = {"snapshot": _snapshot, "record": _record, "drift_look": _look, "drift_look_again": _look_again}


def _database(folder: Path) -> Database:
    return Database(f"sqlite:///{folder}/pallor.db")


def lay_down(database: Database, n: int) -> str:
    """A release and ``n`` confirmed cases that it has scored; the release's id."""
    manifest = Manifest.from_json(json.loads((bootstrap_folder() / "manifest.json").read_text(encoding="utf-8")))
    manifest = replace(manifest, world="real", threshold=0.5, refer_low=0.49, refer_high=0.51)
    row = {"release_id": manifest.release_id, "digest": manifest.digest(), "manifest": manifest.to_json()}
    with database.write() as tx:
        tx.execute(releases.insert().values(**row, registered_at=_BEGAN - timedelta(days=1)))
        places = [{"code": f"site-{at}", "practice": False, "made_at": _BEGAN, "made_by": _BY} for at in range(_SITES)]
        tx.execute(sites.insert(), places)
        said = {"release_id": manifest.release_id, "since": _CLEARED, "clearance": _clearance(manifest).to_json()}
        tx.execute(cleared.insert().values(**said))
    rng = np.random.default_rng(_SEED)
    with progress() as bars:
        for first in bars.track(range(0, n, _AT_ONCE), description="cases"):
            rows = [_case(rng, at, n, manifest.release_id) for at in range(first, min(n, first + _AT_ONCE))]
            with database.write() as tx:
                for table in (cases, consents, photos, predictions, lab_results, labels):
                    tx.execute(table.insert(), [row[table.name] for row in rows])
    return manifest.release_id


def _clearance(manifest: Manifest) -> Clearance:
    return Clearance(manifest.release_id, manifest.digest(), manifest.intended_use, 20, "to be timed", _NOTHING)


def _case(rng: np.random.Generator, at: int, n: int, release_id: str) -> dict[str, dict[str, Any]]:
    """Calibrated scores, haemoglobins that go with them; embeddings in which nothing moves."""
    case_id, photo_id, result_id, label_id = (new_id() for _ in range(4))
    site, moment = f"site-{at % _SITES}", _BEGAN + timedelta(minutes=365 * 24 * 60 * at / n)
    probability = float(rng.beta(2, 2))
    anaemic = bool(rng.random() < probability)
    hb = int(rng.integers(62, 105) if anaemic else rng.integers(111, 140))
    stored, embedding = sha256_of(photo_id.encode()), rng.normal(size=64).astype("<f4")
    subject = {"age_months": int(rng.integers(24, 60)), "sex": str(rng.choice(["female", "male"])), "pregnancy": "no",
               "trimester": None, "altitude_m": 287}  # fmt: skip
    said = {"at": utc_text(moment), "wording": "care-en-1"}
    who = {"id": case_id, "site": site, "subject_code": f"S-{at:06}"}
    facts = {**who, "visited_at": utc_text(moment), "subject": subject, "consent": {"care": said, "training": said},
             "danger_signs": [], "severe_pallor": False, "sore_eye": False}  # fmt: skip
    answer = {"photo_id": photo_id, "release_id": release_id, "probability": probability, "seconds": 0.1,
              "cam": rng.normal(size=(7, 7)).tolist(), "embedding": embedding.tolist()}  # fmt: skip
    severity = ("severe" if hb < 70 else "moderate" if hb < 100 else "mild") if anaemic else "none"
    record = {
        "id": label_id, "case_id": case_id, "world": "real", "site": site, "practice": False, "photos": [stored],
        "lab_result_id": result_id, "taken_at": utc_text(moment), "specimen": "venous", "withheld": [],
        "subject": subject, "hb": {"value": str(hb), "unit": "g/L", "g_per_l": str(hb)}, "table": _TABLE,
        "group": "24-59 months", "severity": severity, "anaemic": anaemic, "adjusted_g_per_l": str(hb),
        "altitude": "adjusted", "no_criterion": None, "supersedes": None, "derived_at": utc_text(moment),
    }  # fmt: skip
    return {
        "cases": {**who, "facts": facts, "submitted_digest": stored, "received_at": moment, "received_by": "phone-1"},
        "consents": {
            "id": new_id(), "case_id": case_id, "site": site, "subject_code": who["subject_code"],
            "purpose": "training", "given": True, "at": moment, "counts_from": moment, "wording": "care-en-1",
            "recorded_at": moment, "recorded_by": "phone-1",
        },
        "photos": {
            "id": photo_id, "case_id": case_id, "uploaded_sha256": stored, "bytes": 100_000, "media_type": "image/png",
            "captured_at": moment, "state": "scored", "declared_at": moment, "declared_by": f"phone-{at % 30}",
            "received_at": moment, "stored_sha256": stored, "role": "roi",
            "capture": {"phone_model": f"model-{at % 5}"},
        },
        "predictions": {
            "photo_id": photo_id, "release_id": release_id, "probability": probability, "answer": answer,
            "shown": True, "recorded_at": moment, "embedding": embedding.tobytes(),
        },
        "lab_results": {
            "id": result_id, "case_id": case_id, "digest": stored, "value": str(hb), "unit": "g/L", "g_per_l": str(hb),
            "taken_at": moment, "specimen": "venous", "performer": "laboratory", "received_at": moment,
            "received_by": "lab-1",
        },
        "labels": {
            "id": label_id, "case_id": case_id, "content_digest": stored, "record": record, "eligible": True,
            "derived_at": moment, "written_at": moment,
        },
    }  # fmt: skip


if __name__ == "__main__":
    main()
