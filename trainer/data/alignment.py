"""Does one photo, turned, scaled, shifted and perhaps mirrored, lie on the other? The evidence for it, in numbers.

Every matched pair of points proposes one such movement (SIFT gives each point a place, a size and an angle); the
proposal that most points agree to is fitted to them, and the pixels that then lie on each other are compared. Nothing
is drawn at random: the same two photos always give the same evidence.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from trainer.data.local_features import Features, mirrored, without_rim

Complex = NDArray[np.complex64]
Floats = NDArray[np.float32]

FEWEST_POINTS = 5  # fewer are not looked at: four random points agree in every tenth pair of photos
_ALIKE = 0.8  # cosine of two points' looks, below which they are not matched
_NEAR_PX = 3.0  # of the working size; twice that before the fit
_SAME_SCALE = 0.6  # octaves between the points' own movements
_SAME_TURN = 0.5  # radians
_RIM_PX = 3
_BOTH = (False, True)  # as it is, and mirrored
_FEWEST_PIXELS = 100
_MOST_SCALED = 1.5  # octaves between two photos of one working size: one shows at least an eighth of the other


@dataclass(frozen=True)
class Alignment:
    """How the second photo lies on the first.

    Attributes:
        points: how many agree.
        residual_px: root mean square distance of those points, at working size.
        mirrored: whether the second was mirrored first.
        turn_degrees, scale: what was done to it then.
        overlap: the share of the smaller region that lies on the other.
        likeness: correlation of the fine detail there, -1..1.
        colour_difference: mean there, in levels of 255.
    """

    points: int
    residual_px: float
    mirrored: bool
    turn_degrees: float
    scale: float
    overlap: float
    likeness: float
    colour_difference: float


@dataclass(frozen=True, eq=False)
class Matches:
    """Points of a first photo (``to``) and those of a second that look like them; the second may be mirrored."""

    to: Complex
    of: Complex
    scales: Floats  # log2
    turns: Complex  # of length one
    mirrored: bool


class Gallery:
    """Photos to be compared, each with all that come after it."""

    def __init__(self, features: Sequence[Features]) -> None:
        self._features = features
        self._looks = {is_mirrored: [_comparable(f.looks, is_mirrored) for f in features] for is_mirrored in _BOTH}

    def alignments(self, at: int) -> Iterator[tuple[int, Alignment]]:
        """The later photos that have ``FEWEST_POINTS`` in common with photo ``at``, each with its best alignment."""
        for other in range(at + 1, len(self._features)):
            both_ways = [found for is_mirrored in _BOTH if (found := self._align(at, other, is_mirrored))]
            if both_ways:
                yield other, max(both_ways, key=lambda found: found.points)

    def _align(self, at: int, other: int, is_mirrored: bool) -> Alignment | None:
        to, of = _each_others_nearest(self._looks[False][at], self._looks[is_mirrored][other])
        if len(to) < FEWEST_POINTS:
            return None
        one, two = self._features[at], self._features[other]
        return _align(one, two, _proposals(one, to, two, of, is_mirrored))


def _each_others_nearest(one: Floats, two: Floats) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows of both that look alike, pair by pair."""
    if not len(one) or not len(two):
        return np.zeros(0, np.intp), np.zeros(0, np.intp)
    alike = two @ one.T
    nearest = alike.argmax(axis=1)
    how_alike = alike[np.arange(len(two)), nearest]
    of = np.flatnonzero((how_alike >= alike.max(axis=0)[nearest]) & (how_alike > _ALIKE))
    return nearest[of], of


def _comparable(looks: NDArray[np.uint8], is_mirrored: bool) -> Floats:
    """Rows of length one, whose products compare them by Hellinger's distance (Arandjelovic and Zisserman 2012)."""
    seen = mirrored(looks) if is_mirrored else looks
    return np.asarray(np.sqrt(seen / np.maximum(seen.sum(axis=1, keepdims=True), 1)), np.float32)


def _proposals(one: Features, to: NDArray[np.intp], two: Features, of: NDArray[np.intp], is_mirrored: bool) -> Matches:
    places, angles = two.places[of], two.angles[of]
    if is_mirrored:
        places, angles = -places.conj(), np.float32(math.pi) - angles
    return Matches(
        to=one.places[to],
        of=places,
        scales=np.log2(one.sizes[to] / two.sizes[of]),
        turns=np.exp(1j * (one.angles[to] - angles)).astype(np.complex64),
        mirrored=is_mirrored,
    )


def _align(one: Features, two: Features, matches: Matches) -> Alignment | None:
    agree = _largest_agreement(matches)
    fitted = _fit(matches, agree)
    if fitted is None:
        return None
    movement, shift, points, residual = fitted
    overlap, likeness, colour = _compare_pixels(one, two, movement, shift, matches.mirrored)
    return Alignment(
        points=points,
        residual_px=round(residual, 2),
        mirrored=matches.mirrored,
        turn_degrees=round(math.degrees(math.atan2(movement.imag, movement.real)), 1),
        scale=round(abs(movement), 3),
        overlap=round(overlap, 3),
        likeness=round(likeness, 3),
        colour_difference=round(colour, 2),
    )


def _largest_agreement(m: Matches) -> NDArray[np.bool_]:
    """Which matches agree with the proposal that most agree with."""
    movements = np.exp2(m.scales) * m.turns
    shifts = m.to - movements * m.of
    missed = movements[:, None] * m.of + (shifts[:, None] - m.to)
    same_turn = np.multiply.outer(m.turns.real, m.turns.real) + np.multiply.outer(m.turns.imag, m.turns.imag)
    agree = (
        (missed.real**2 + missed.imag**2 < (2 * _NEAR_PX) ** 2)
        & (np.abs(np.subtract.outer(m.scales, m.scales)) < _SAME_SCALE)
        & (same_turn > math.cos(_SAME_TURN))
        & (np.abs(m.scales) < _MOST_SCALED)
    )
    return np.asarray(agree[agree.sum(axis=1).argmax()])


def _fit(m: Matches, agree: NDArray[np.bool_]) -> tuple[complex, complex, int, float] | None:
    """Least squares over the points that agree, twice: movement, shift, how many are near then, and how near."""
    inliers = agree
    for _ in range(2):
        if inliers.sum() < FEWEST_POINTS:
            return None
        of, to = m.of[inliers], m.to[inliers]
        centred = of - of.mean()
        movement = np.vdot(centred, to - to.mean()) / max(float(np.vdot(centred, centred).real), 1.0)
        shift = to.mean() - movement * of.mean()
        distance = np.abs(movement * m.of + shift - m.to)
        inliers = agree & (distance < _NEAR_PX)
    points = int(inliers.sum())
    if points < FEWEST_POINTS or not abs(movement):
        return None
    return complex(movement), complex(shift), points, float(np.sqrt(np.mean(distance[inliers] ** 2)))


def _compare_pixels(
    one: Features, two: Features, movement: complex, shift: complex, is_mirrored: bool
) -> tuple[float, float, float]:
    """Overlap, likeness and colour difference, as ``Alignment`` tells them."""
    across = -1.0 if is_mirrored else 1.0
    onto = np.array(
        [[across * movement.real, -movement.imag, shift.real], [across * movement.imag, movement.real, shift.imag]]
    )
    size = (one.photo.mask.shape[1], one.photo.mask.shape[0])
    mask, other = without_rim(one.photo.mask, _RIM_PX), without_rim(two.photo.mask, _RIM_PX)
    both = mask & (cv2.warpAffine(other.astype(np.float32), onto, size) > 0.99)
    smaller = min(float(np.count_nonzero(mask)), np.count_nonzero(other) * abs(movement) ** 2)
    overlap = np.count_nonzero(both) / max(smaller, 1.0)
    if np.count_nonzero(both) < _FEWEST_PIXELS:
        return overlap, 0.0, 255.0
    moved = cv2.warpAffine(two.photo.rgb, onto, size)
    colour = float(np.mean(np.abs(moved[both].astype(np.float32) - one.photo.rgb[both])))
    fine, moved_fine = one.detail[both], cv2.warpAffine(two.detail, onto, size)[both]
    likeness = np.corrcoef(fine, moved_fine)[0, 1] if fine.std() and moved_fine.std() else 0.0
    return overlap, float(likeness), colour
