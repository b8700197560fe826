"""The demonstration's way through the API: send, follow the answers, read them, post haemoglobin, follow the labels."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pallor.clock import parse_utc, utc_text
from pallor.ids import new_id
from pallor.onebox.client import Client, RequestRefused, ServerAway
from pallor.onebox.people import Visitor, media_type

Json = dict[str, Any]

_LOOK_SECONDS = 0.2
# Without news for this long nothing more will come: a message that was lost is sent again well before.
PATIENCE_SECONDS = 240.0
_LABEL_PATIENCE_SECONDS = 60.0


@dataclass
class Visit:
    """What became of one visitor's photo.

    ``receipt``: the API's word when the photo was accepted. ``turned_away``: the reason's code when it was not, ``why``
    in words. ``settled``: the API's word on the photo once it is scored or refused. ``answer``: the prediction that is
    shown. ``lab_refusal``: why the haemoglobin was refused.
    """

    visitor: Visitor
    sent_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    receipt: Json | None = None
    turned_away: str | None = None
    why: str = ""
    settled: Json | None = None
    answer: Json | None = None
    advice: Json | None = None
    lab_refusal: str | None = None
    label: Json | None = None

    @property
    def state(self) -> str:
        """``turned away`` | ``retake`` | ``scored`` | ``lost``: sent, and never answered."""
        if self.turned_away:
            return "turned away"
        if self.settled and self.settled["state"] == "refused":
            return "retake"
        return "scored" if self.answer else "lost"

    @property
    def milliseconds(self) -> float | None:
        """From sending the case to having the answer on record."""
        if self.answer is None:
            return None
        return 1000 * (parse_utc(self.answer["recorded_at"]) - self.sent_at).total_seconds()


def send(phone: Client, visit: Visit) -> None:
    """Send a case and its photo; whatever is wrong with them is noted, and never stops the others."""
    visitor = visit.visitor
    try:
        data = visitor.photo()
        visit.sent_at = datetime.now(UTC)
        phone.put(f"/cases/{visitor.case_id}", {**visitor.facts, "visited_at": utc_text(visit.sent_at)})
        kind = media_type(data, visitor.name)
        visit.receipt = phone.put_photo(visitor.case_id, visitor.photo_id, data, kind, visit.sent_at)
    except OSError as error:
        visit.turned_away, visit.why = "file-unreadable", f"{error.strerror}. Check the file and its permissions."
    except RequestRefused as error:
        visit.turned_away, visit.why = error.problem, str(error)
    except ServerAway:
        return  # counted as lost


def follow_answers(
    phone: Client, visits: Sequence[Visit], all_sent: Callable[[], bool], done: Callable[[], None]
) -> None:
    """Read the change feed until every photo that was sent is scored or refused; ``done`` is called for each visit.

    Returns without the others when there was no news for ``PATIENCE_SECONDS``; raises ``ServerAway``.
    """
    unsettled = {visit.visitor.photo_id: visit for visit in visits}
    cursor: dict[str, str] = {}
    news_at = time.monotonic()
    while time.monotonic() < news_at + PATIENCE_SECONDS:
        sending_is_over = all_sent()
        page = phone.get("/changes", limit="200", **cursor)
        cursor = {"cursor": page["next"]}
        changed = {change["id"] for change in page["items"] if change["kind"] in ("photo", "prediction")}
        for visit in [unsettled[photo_id] for photo_id in changed & unsettled.keys()]:
            photo = phone.get(f"/cases/{visit.visitor.case_id}/photos/{visit.visitor.photo_id}")
            if photo["state"] in ("scored", "refused"):
                visit.settled = photo
        for photo_id in [key for key, visit in unsettled.items() if visit.settled or visit.turned_away]:
            del unsettled[photo_id]
            news_at = time.monotonic()
            done()
        if sending_is_over and not any(visit.receipt for visit in unsettled.values()):
            return
        if not page["more"]:
            time.sleep(_LOOK_SECONDS)


def read_answers(admin: Client, visits: Sequence[Visit], pool: ThreadPoolExecutor) -> None:
    """Fetch what is on record: the shown prediction of each photo, the advice of each case."""
    of_photo = {visit.visitor.photo_id: visit for visit in visits}
    for prediction in admin.pages("/predictions"):
        if prediction["shown"] and prediction["photo_id"] in of_photo:
            of_photo[prediction["photo_id"]].answer = prediction
    accepted = [visit for visit in visits if visit.receipt]
    cases = pool.map(lambda visit: admin.get(f"/cases/{visit.visitor.case_id}"), accepted)
    for visit, case in zip(accepted, cases, strict=True):
        visit.advice = case["advice"]


def post_results(laboratory: Client, visits: Sequence[Visit]) -> list[Visit]:
    """Post the haemoglobin of every second visit that has one; the visits whose value was accepted."""
    with_value = [visit for visit in visits if visit.receipt and visit.visitor.hb][::2]
    for visit in with_value:
        value, unit = visit.visitor.hb or ("", "")
        result = {
            "case_id": visit.visitor.case_id,
            "hb": {"value": value, "unit": unit},
            "taken_at": utc_text(visit.sent_at),
        }
        try:
            laboratory.put(f"/lab-results/{new_id()}", result)
        except RequestRefused as error:
            visit.lab_refusal = str(error)
    return [visit for visit in with_value if visit.lab_refusal is None]


def follow_labels(admin: Client, visits: Sequence[Visit]) -> list[Visit]:
    """Wait until the label of each of these visits is in the object store; those without one after a minute."""
    of_case = {visit.visitor.case_id: visit for visit in visits}
    until = time.monotonic() + _LABEL_PATIENCE_SECONDS
    while True:
        for label in admin.pages("/labels"):  # oldest first, so the one that supersedes comes last
            if label["case_id"] in of_case:
                of_case[label["case_id"]].label = label
        missing = [visit for visit in visits if not (visit.label and visit.label["written"])]
        if not missing or time.monotonic() > until:
            return missing
        time.sleep(_LOOK_SECONDS)
