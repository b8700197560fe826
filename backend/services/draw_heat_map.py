"""Where a release saw anaemia in a photo: its class activation map as colours over the photo, at the photo's own size.

The mean of the map is the logit of the probability, so zero is where the model saw neither, and the scale reaches
equally far to both sides of it. The colours grow lighter all the way, so they read without colour as well, and a line
runs where the map is zero.
"""

import threading
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sqlalchemy import Row

from backend.db.engine import Database
from backend.services.answer_to_explain import answer_to_explain
from backend.services.register_release import manifest_of
from pallor.digest import hex_of, sha256_of
from pallor.errors import Refused, Untrusted
from pallor.image.decode import Limits, Photo, decode, encode
from pallor.image.preprocess import lay_out
from pallor.image.spec import PreprocessSpec
from pallor.store.port import ObjectStore, image_key

OPACITY = 0.65  # of the colours over the photo: vessels still show, and the photo's own light hides no colour
STEPS = 9  # of the legend
_DRAWN_AT_ONCE = 1
# Cividis, made so that people see the same in it whatever colours they see: Nuñez, Anderton and Renslow 2018, CC0.
_CIVIDIS = (
    (0, 34, 78), (26, 56, 111), (67, 78, 108), (97, 101, 111), (125, 124, 120), (155, 148, 118), (188, 174, 108),
    (222, 201, 88), (254, 232, 56),
)  # fmt: skip
_LINE = (255, 255, 255)
_FAINTEST = 1e-6  # a map without any contrast is all middle


class ReleaseNotHere(Refused):
    """Without its manifest nobody knows where on the photo a release looked."""


class StoredPhotoChanged(Untrusted):
    """What lies in the store is not the photo that was accepted: it may be somebody else's."""


@dataclass(frozen=True)
class Explanation:
    """An answer's map in numbers. ``cam``: (7, 7) logits. ``limit``: the scale runs from ``-limit`` to ``limit``."""

    answer: Row[Any]
    cam: NDArray[np.float64]
    limit: float


@dataclass(frozen=True)
class Drawing:
    """The parts that a heat map is made of."""

    database: Database
    store: ObjectStore
    # The largest photo takes some four hundred megabytes: a process draws one at a time.
    turns: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(_DRAWN_AT_ONCE))


def explain(database: Database, case_id: str, photo_id: str, release_id: str | None, *, blind: bool) -> Explanation:
    """An answer and its map; raises what ``answer_to_explain`` raises."""
    with database.read() as connection:
        answer = answer_to_explain(connection, case_id, photo_id, release_id, blind=blind)
    cam = np.asarray(answer.answer["cam"], np.float64)
    return Explanation(answer, cam, max(_FAINTEST, float(np.abs(cam).max())))


def draw_heat_map(drawing: Drawing, explanation: Explanation) -> bytes:
    """A PNG of the stored photo's size with the map over its region; what lies outside is as it was stored.

    Raises:
        ReleaseNotHere
        SpecUnknown: this version cannot follow how the release lays a photo out.
        ObjectMissing: erased meanwhile.
        StoredPhotoChanged
    """
    answer = explanation.answer
    manifest = manifest_of(drawing.database, answer.release_id)
    if manifest is None:
        raise ReleaseNotHere(
            "this release is not registered here", field="release_id", value=answer.release_id,
            remedy="Run pallor-backend release-add with the release's folder.",
        )  # fmt: skip
    spec = PreprocessSpec.from_json(dict(manifest.preprocess))
    with drawing.turns:
        data = drawing.store.get(image_key(answer.stored_sha256))
        if hex_of(sha256_of(data)) != hex_of(answer.stored_sha256):
            raise StoredPhotoChanged(f"what the store holds for photo {answer.photo_id} is not what was scored")
        # Stored without loss it may be larger than what came; how many pixels it may have was judged on arrival.
        photo = decode(data, limits=Limits(max_bytes=len(data)))
        return encode(over_photo(spec, photo, explanation.cam, explanation.limit))


def over_photo(spec: PreprocessSpec, photo: Photo, cam: NDArray[np.floating], limit: float) -> Photo:
    """The photo with the map over its region.

    Args:
        cam: (n, m), as the model gave it for its own input.
        limit: the value of the lightest colour; its negative is that of the darkest.
    """
    layout = lay_out(spec, photo.mask)
    heat = layout.onto_photo(cam)
    levels = np.clip((heat / limit + 1) * 127.5, 0, 255).round().astype(np.uint8)
    under, inside = photo.rgb[layout.region], photo.mask[layout.region]
    coloured = np.asarray(Image.blend(Image.fromarray(under), Image.fromarray(_palette()[levels]), OPACITY)).copy()
    coloured[_zero_line(heat)] = _LINE
    rgb = photo.rgb.copy()
    rgb[layout.region] = np.where(inside[..., None], coloured, under)
    return Photo(rgb, photo.mask)


def legend(limit: float) -> list[tuple[float, str]]:
    """Values with their colours as ``#rrggbb``, the darkest first, zero in the middle."""
    values = np.linspace(-limit, limit, STEPS).tolist()
    return [(value, "#" + bytes(colour).hex()) for value, colour in zip(values, _CIVIDIS, strict=True)]


def _palette() -> NDArray[np.uint8]:
    """(256, 3), sRGB."""
    at, anchors = np.linspace(0, len(_CIVIDIS) - 1, 256), np.array(_CIVIDIS, float)
    columns = [np.interp(at, np.arange(len(_CIVIDIS)), anchors[:, channel]) for channel in range(3)]
    return np.stack(columns, axis=1).round().astype(np.uint8)


def _zero_line(heat: NDArray[np.float32]) -> NDArray[np.bool_]:
    """The pixels from which the next one, to the right or below, is on the other side of zero."""
    above = heat > 0
    line = np.zeros(heat.shape, bool)
    line[:-1] |= above[:-1] != above[1:]
    line[:, :-1] |= above[:, :-1] != above[:, 1:]
    return line
