"""Whom does the quality gate refuse, what can a photo tell, and does the fingerprint find a photo sent twice?

    python -m benchmarks.quality [--data DIR] [--synthetic N] [--out FILE]

``--data``: CP-AnemiC as published, with ``same_photo_groups.csv`` beside its sheet; without it only the synthetic half
runs. ``--synthetic``: photos per haemoglobin level. The last line is one JSON object; the table goes before it.
"""

import argparse
import csv
import io
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from rich.progress import Progress

from benchmarks.report import finish, progress
from pallor import cp_anemic
from pallor.image.decode import Photo, decode, encode
from pallor.image.fingerprint import NEAR_BITS, hamming, perceptual_hash
from pallor.image.population import UNDER_FIVES, best_possible_auroc, draw_person, signal_for_auroc
from pallor.image.preprocess import tight, to_input
from pallor.image.quality import judge
from pallor.image.spec import PreprocessSpec
from pallor.image.synthetic import Draw, draw, render
from pallor.lab import read_hb

LEVELS_G_L = (40, 55, 70, 120)
BEST_AUROC = 0.90
SEED = 20_261_121

Figures = dict[str, Any]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="the folder of CP-AnemiC")
    parser.add_argument("--synthetic", type=int, default=400, metavar="N", help="photos per level (default 400)")
    parser.add_argument("--out", type=Path, help="where to keep the figures")
    asked = parser.parse_args(arguments)
    figures: Figures = {}
    with progress() as bar:
        figures["synthetic"] = {
            "as_drawn": refusals_by_hb(bar, "as drawn", asked.synthetic, as_drawn),
            "in_bad_conditions": refusals_by_hb(bar, "in bad conditions", asked.synthetic, in_bad_conditions),
            "what_a_photo_tells": what_a_photo_tells(bar, 4 * asked.synthetic),
            "milliseconds": timings(),
        }
        if asked.data is not None:
            figures["real"] = on_real_photos(bar, asked.data)
    for name, value in flat(figures):
        print(f"{name:78} {value}")
    finish("quality", figures, asked.out)


def refusals_by_hb(
    bar: Progress, name: str, count: int, condition: Callable[[np.random.Generator, Draw], Draw]
) -> Figures:
    """The share refused at each level of haemoglobin, everything else drawn alike."""
    task = bar.add_task(f"synthetic photos {name}", total=count * len(LEVELS_G_L))
    signal = signal_for_auroc(BEST_AUROC)
    refused: dict[int, float] = {}
    why: dict[int, Counter[str]] = {}
    for level in LEVELS_G_L:
        rng = np.random.default_rng(SEED)
        verdicts = []
        for _ in range(count):
            verdicts.append(judge(render(condition(rng, draw(rng, level, signal=signal)))))
            bar.advance(task)
        refused[level] = float(np.mean([not verdict.passed for verdict in verdicts]))
        why[level] = Counter(reason for verdict in verdicts for reason in verdict.reasons)
    worst = max(refused[level] - refused[120] for level in LEVELS_G_L)
    return {
        "photos_per_level": count,
        "refused_share_by_hb_g_per_l": {str(level): round(share, 4) for level, share in refused.items()},
        "reasons_by_hb_g_per_l": {str(level): dict(sorted(counts.items())) for level, counts in why.items()},
        "largest_excess_over_120_points": round(100 * worst, 2),
    }


def as_drawn(_: np.random.Generator, chance: Draw) -> Draw:
    return chance


def in_bad_conditions(rng: np.random.Generator, chance: Draw) -> Draw:
    """The same person photographed carelessly: light far off, unsteady hand, wet eye."""
    return replace(
        chance,
        exposure_stops=rng.uniform(-5, 1.5),
        blur_px=rng.uniform(0.5, 9),
        highlights=int(rng.poisson(6)),
    )


def what_a_photo_tells(bar: Progress, count: int) -> Figures:
    """Simple colour statistics and a linear model, cross-validated, against the best that anything could do."""
    task = bar.add_task("what a photo tells", total=count)
    rng = np.random.default_rng(SEED)
    signal = signal_for_auroc(BEST_AUROC)
    features, redness, anaemic = [], [], []
    for _ in range(count):
        person = draw_person(rng, UNDER_FIVES)
        chance = draw(rng, person.hb_g_per_l, signal=signal)
        features.append(colour_statistics(render(chance)))
        redness.append(chance.redness)
        anaemic.append(person.hb_g_per_l < 110)
        bar.advance(task)
    r, ill = np.array(redness), np.array(anaemic)
    told = cross_validated_linear(np.array(features), r)
    return {
        "photos": count,
        "signal": round(signal, 4),
        "best_possible_auroc": round(best_possible_auroc(signal), 4),
        "auroc_of_redness_in_this_sample": round(auroc(-r, ill), 4),
        "auroc_of_linear_model_on_colour_statistics": round(auroc(-told, ill), 4),
        "r2_of_redness": round(float(np.corrcoef(told, r)[0, 1] ** 2), 4),
    }


def colour_statistics(photo: Photo) -> list[float]:
    logs = np.log(photo.rgb[photo.mask] + 1.0)
    green_to_red = logs[:, 1] - logs[:, 0]
    spread = float(np.std(green_to_red))
    return [*np.median(logs, axis=0), *np.percentile(green_to_red, [5, 50, 95]), spread, np.log(spread), 1.0]


def cross_validated_linear(features: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    fold = np.arange(len(target)) % 5
    told = np.empty_like(target)
    for held_out in range(5):
        train, test = fold != held_out, fold == held_out
        weights, *_ = np.linalg.lstsq(features[train], target[train])
        told[test] = features[test] @ weights
    return told


def auroc(score: NDArray[np.float64], positive: NDArray[np.bool_]) -> float:
    above = score[positive][:, None] - score[~positive][None, :]
    return float(np.mean((above > 0) + 0.5 * (above == 0)))


def timings(count: int = 60) -> Figures:
    """Median milliseconds of each step on one synthetic photo."""
    rng = np.random.default_rng(SEED)
    draws = [draw(rng, 110, signal=1.0) for _ in range(count)]
    photos = [render(chance) for chance in draws]
    files = [encode(photo) for photo in photos]
    spec = PreprocessSpec()
    return {
        "render": median_ms(render, draws),
        "encode": median_ms(encode, photos),
        "decode": median_ms(decode, files),
        "judge": median_ms(judge, photos),
        "fingerprint": median_ms(perceptual_hash, photos),
        "to_input": median_ms(lambda photo: to_input(spec, photo), photos),
    }


def median_ms(step: Callable[[Any], object], inputs: Sequence[object]) -> float:
    taken = []
    for value in inputs:
        start = time.perf_counter()
        step(value)
        taken.append(1000 * (time.perf_counter() - start))
    return round(float(np.median(taken)), 2)


def on_real_photos(bar: Progress, folder: Path) -> Figures:
    rows = cp_anemic.read(folder)
    photos = [decode(row.photo.read_bytes()) for row in bar.track(rows, description="decoding real photos")]
    return {
        "photos": len(rows),
        "gate": refusals_of_real_photos(bar, rows, photos),
        "blur_found": blur_found(bar, photos[::4]),
        "fingerprint": fingerprint(bar, folder, rows, photos),
    }


def refusals_of_real_photos(bar: Progress, rows: Sequence[cp_anemic.Row], photos: Sequence[Photo]) -> Figures:
    verdicts = [judge(photo) for photo in bar.track(photos, description="judging real photos")]
    hb = np.array([float(read_hb(row.hb, cp_anemic.HB_UNIT).g_per_l) for row in rows])
    refused = np.array([not verdict.passed for verdict in verdicts])
    bands = {"below 70": hb < 70, "70 to 109": (hb >= 70) & (hb < 110), "110 and above": hb >= 110}
    return {
        "passed_share": round(float(1 - refused.mean()), 4),
        "median_short_side_px": float(np.median([min(photo.mask.shape) for photo in photos])),
        "refused": {
            row.image_id: list(verdict.reasons)
            for row, verdict in zip(rows, verdicts, strict=True)
            if not verdict.passed
        },
        "refused_by_hb_g_per_l": {name: f"{refused[band].sum()} of {band.sum()}" for name, band in bands.items()},
    }


def blur_found(bar: Progress, photos: Sequence[Photo]) -> Figures:
    """Share refused as blurred after a defocus of this sigma, in pixels of a region 256 pixels long.

    Once as the lens drew it, once with the sensor's noise and the phone's JPEG on top, which hide a blur.
    """
    found: Figures = {}
    for sigma in (2, 3, 4, 5, 8, 12, 20):
        blurred = [defocused(photo, sigma) for photo in bar.track(photos, description=f"defocusing by {sigma}")]
        found[f"sigma_{sigma}"] = {
            "clean": share("blurred" in judge(photo).reasons for photo in blurred),
            "with_noise_and_jpeg": share("blurred" in judge(as_jpeg(with_noise(photo))).reasons for photo in blurred),
        }
    return {"photos": len(photos), **found}


def defocused(photo: Photo, sigma: float) -> Photo:
    """As if the lens had been out of focus. The lid's mean colour stands in for the skin that the mask cut away."""
    region = tight(photo)
    around = region.rgb[region.mask].mean(axis=0).astype(np.uint8)
    filled = Image.fromarray(np.where(region.mask[..., None], region.rgb, around))
    radius = sigma * max(region.mask.shape) / 256
    return Photo(np.asarray(filled.filter(ImageFilter.GaussianBlur(radius))), region.mask)


def with_noise(photo: Photo, sigma: float = 1.0) -> Photo:
    noise = np.random.default_rng(SEED).normal(0, sigma, photo.rgb.shape)
    return Photo(np.rint(np.clip(photo.rgb + noise, 0, 255)).astype(np.uint8), photo.mask)


def fingerprint(bar: Progress, folder: Path, rows: Sequence[cp_anemic.Row], photos: Sequence[Photo]) -> Figures:
    """Pairs of photos at most so many bits apart: of other photos (false alarms) and of the same one (found)."""
    with (folder / "same_photo_groups.csv").open(encoding="utf-8-sig", newline="") as file:
        groups = {line["IMAGE_ID"]: line for line in csv.DictReader(file)}
    hashes = [perceptual_hash(photo) for photo in bar.track(photos, description="fingerprints")]
    left, right = np.triu_indices(len(rows), 1)
    distance = np.array([hamming(hashes[a], hashes[b]) for a, b in zip(left, right, strict=True)])

    def same(level: str) -> NDArray[np.bool_]:
        group = np.array([groups[row.image_id][level] for row in rows])
        return np.asarray(group[left] == group[right])

    other = ~same("same_photo_group") & ~same("suspected_group")
    again = [perceptual_hash(as_jpeg(photo)) for photo in photos]
    return {
        "near_bits": NEAR_BITS,
        "pairs_of_different_photos": int(other.sum()),
        "closest_different_pair_bits": int(distance[other].min()),
        "false_alarms_within_bits": {str(bits): int((distance[other] <= bits).sum()) for bits in range(0, 11)},
        "found_share_within_near_bits": {
            "byte_identical": share(distance[same("exact_group")] <= NEAR_BITS),
            "identical_but_cropped_flipped_or_turned": share(distance[same("pixel_group")] <= NEAR_BITS),
            "same_photo_marked_anew_or_rotated": share(distance[same("same_photo_group")] <= NEAR_BITS),
            "sent_again_as_jpeg_75": share([hamming(a, b) <= NEAR_BITS for a, b in zip(hashes, again, strict=True)]),
        },
    }


def as_jpeg(photo: Photo) -> Photo:
    file = io.BytesIO()
    Image.fromarray(photo.rgb).save(file, "JPEG", quality=75)
    with Image.open(file) as image:
        return Photo(np.array(image), photo.mask)


def share(hits: Iterable[bool] | NDArray[np.bool_]) -> float:
    return round(float(np.mean(list(hits))), 4)


def flat(figures: Figures, prefix: str = "") -> Iterable[tuple[str, object]]:
    for name, value in figures.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


if __name__ == "__main__":
    main()
