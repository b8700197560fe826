"""The answer that somebody wants explained, and whether they may see it yet."""

from typing import Any

from sqlalchemy import Connection, Row, select

from backend.db.tables import photos, predictions
from backend.services.records import not_found, standing_results
from backend.services.standing_consents import ConsentWithdrawn, check_care
from backend.services.taken_back import reasons_against
from pallor.errors import Refused


class ValueNotIn(Refused):
    """A laboratory sees nothing of a score before the case has a haemoglobin: it would look at the blood with it."""


class AnswerTakenBack(Refused):
    """People have taken back the release that gave the answer: it is shown only to whoever asks for it by name."""


class NotScored(Refused):
    """There is no answer for the photo that could be explained."""


def answer_to_explain(
    connection: Connection, case_id: str, photo_id: str, release_id: str | None, *, blind: bool
) -> Row[Any]:
    """An answer with its photo's ``stored_sha256``.

    Args:
        case_id: it lies at a site of whoever asks.
        release_id: None for the answer that is shown.
        blind: whoever asks may know neither the score before a laboratory's value stands, nor any but the shown one.

    Raises:
        NotFound: the case has no such photo.
        ValueNotIn, ConsentWithdrawn, NotScored, AnswerTakenBack
    """
    photo = (photos.c.id == photo_id) & (photos.c.case_id == case_id)
    if connection.execute(select(photos.c.id).where(photo)).first() is None:
        raise not_found("photo_id", photo_id, "photo of this case")
    if blind and not standing_results(connection, [case_id]):
        raise ValueNotIn(
            "the laboratory sees no score before its value is in", field="case_id", value=case_id,
            remedy="Send the haemoglobin first: PUT /api/v1/lab-results/{result_id}.",
        )  # fmt: skip
    _check_consent(connection, case_id)
    query = select(predictions, photos.c.case_id, photos.c.stored_sha256).join(photos).where(photo)
    if release_id is not None:
        query = query.where(predictions.c.release_id == release_id)
    if release_id is None or blind:
        query = query.where(predictions.c.shown)
    answer = connection.execute(query).first()
    if answer is None:
        raise NotScored(
            "no answer of this release is here for the photo" if release_id else "the photo was not scored yet",
            field="release_id", value=release_id,
            remedy="Ask again later, or leave release_id out for the answer that is shown.",
        )  # fmt: skip
    if (blind or release_id is None) and (why := reasons_against(connection).get(answer.release_id)) is not None:
        raise AnswerTakenBack(
            f"{answer.release_id} was taken back: {why}", field="release_id", value=answer.release_id,
            remedy="Nothing of it is shown any more; an administrator can name the release to look at it all the same.",
        )  # fmt: skip
    return answer


def _check_consent(connection: Connection, case_id: str) -> None:
    try:
        check_care(connection, case_id)
    except ConsentWithdrawn as error:
        raise ConsentWithdrawn(
            error.reason,
            field=error.field,
            value=error.value,
            remedy="Nothing is worked out about this person any more.",
        ) from error
