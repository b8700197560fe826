"""Evidence as the evaluation gives it, valid by default; and what else a report is made from."""

from dataclasses import replace
from typing import Any

from pallor.cp_anemic import CREDIT
from pallor.digest import digest_of
from pallor.release.manifest import IntendedUse
from trainer.recipe import read_recipe
from trainer.report.findings import Findings

_AGES, _SEXES = ("6-23", "24-59"), ("female", "male")
_SITES = ("Ejusu Government Hospital", "Komfo Anokye Teaching Hospital", "SDA Hospital")
_HB = ("<70", "70-99", "100-109", "110-119", ">=120")


def an_evidence(*, auroc: float = 0.703, low: float = 0.612, world: str = "real", **changes: Any) -> dict[str, Any]:
    """Of a model that sees a little, on the test side and by cross-validation; ``changes`` replace whole keys."""
    recipe = read_recipe()
    recipe = replace(recipe, evaluation=replace(recipe.evaluation, prevalences=(0.2, 0.4)))
    return {
        "recipe": recipe.to_json(),
        "recipe_digest": recipe.digest(),
        "snapshot_digest": digest_of("snapshot"),
        "groups_digest": digest_of("groups"),
        "base_weights": "mobilenet_v2_imagenet_rescaled.safetensors " + digest_of("base"),
        "base_credit": "google-coral/test_data (Apache 2.0).",
        "label_table": "who-2011",
        "world": world,
        "credit": CREDIT if world == "real" else "drawn",
        "data": {
            "rows": 541,
            "photographs": 152,
            "subjects": 541,
            "rows_with_a_twin": 508,
            "label_conflicts": 9,
            "hb_spread_g_per_l_mean": 18.0,
            "hb_spread_g_per_l_max": 76.0,
            "anaemic": 315,
            "sites": 10,
            "devices": 0,
            "taken_first": "",
            "taken_last": "",
            "age_months_min": 6,
            "age_months_max": 60,
            "hb_g_per_l_min": 31.0,
            "hb_g_per_l_max": 150.0,
            "counts": {"age": {"6-23": 158, "24-59": 383}, "sex": {"female": 250, "male": 291}},
            "missing": {"device": 541, "date": 541},
            "sides": {
                "train": {
                    "rows": 330,
                    "photographs": 91,
                    "anaemic": 190,
                    "clusters": 91,
                    "anaemic_clusters": 60,
                    "other_clusters": 37,
                },
                "calibration": {
                    "rows": 101,
                    "anaemic": 60,
                    "clusters": 30,
                    "anaemic_clusters": 19,
                    "other_clusters": 13,
                },
                "test": {
                    "rows": 110,
                    "photographs": 31,
                    "anaemic": 65,
                    "clusters": 31,
                    "anaemic_clusters": 20,
                    "other_clusters": 14,
                },
            },
        },
        "cutoffs": {"temperature": 1.754, "threshold": 0.463, "refer_low": 0.427, "refer_high": 0.607},
        "figures": [
            *_figures("test_side", auroc, low, twin=0.5),
            *_subgroups("test_side"),
            *_figures("grouped_by_photo", 0.641, 0.548, twin=0.5),
            *_figures("leave_one_site_out", 0.53, 0.44, twin=0.42),
            *_figures("published_protocol", 0.834, 0.78, twin=0.96),
        ],
        "auroc_by_seed": {"test_side": {"1": auroc}, "grouped_by_photo": {"1": 0.64, "2": 0.65, "3": 0.633}},
        "curves": {
            "roc": {
                "test_side": {"model": _curve(0.3, 0.6, 0.85), "twin_look_up": _curve(), "constant": _curve()},
                "published_protocol": {"model": _curve(0.55, 0.85, 0.95), "twin_look_up": _curve(0.9, 0.95, 0.97)},
            },
            "calibration": {
                "test_side": [
                    {"said": 0.31, "found": 0.25, "low": 0.05, "high": 0.48, "count": 22},
                    {"said": 0.44, "found": 0.52, "low": 0.31, "high": 0.7, "count": 22},
                    {"said": 0.56, "found": 0.6, "low": 0.4, "high": 0.79, "count": 22},
                    {"said": 0.67, "found": 0.68, "low": None, "high": None, "count": 22},
                    {"said": 0.81, "found": 0.79, "low": 0.6, "high": 0.93, "count": 22},
                ]
            },
        },
        "permutation": {"protocol": "test_side", "count": 200, "mean": 0.501, "low": 0.39, "high": 0.61, "p": 0.005},
        "files": ["int8"],
        **changes,
    }


def findings(release_id: str = "candidate-1", **changes: Any) -> Findings:
    """Of a candidate that was packed and that the gate refused."""
    return Findings(
        **{
            "release_id": release_id,
            "evidence": an_evidence(),
            "quantization": quantization(),
            "nodes": nodes(),
            "refusals": [
                {"reason": "too-few-positives", "said": "20 anaemic on the test side, 60 are asked for: 40 more"}
            ],
            "parity": {"photos": 118, "max_abs_dp": 4.9e-4, "max_cam_error": 1e-4, "max_embedding_error": 1e-4},
            "intended_use": IntendedUse(min_age_months=6, max_age_months=59, pregnant=False),
            "mistakes": 14,
            **changes,
        }
    )


def quantization() -> list[dict[str, Any]]:
    """FP32, and what fewer bits make of it."""
    return [
        _precision("fp32", 9_120_000, 1.0, 1.0, 0.0, 0.0),
        _precision("fp16", 4_610_000, 0.505, 1.02, 0.0, 0.0),
        _precision("int8", 2_570_000, 0.282, 0.53, 0.004, 0.018),
        _precision("int4", 1_640_000, 0.18, 2.4, 0.015, 0.15),
    ]


def nodes() -> list[dict[str, Any]]:
    """One quantized, one left as it was."""
    return [
        _node("features.0.0", "Conv", 8, 8, 0.0039, 1.484),
        _node("linear", "Gemm", 32, None, None, None),
    ]


def _node(
    name: str, op: str, weight_bits: int, activation_bits: int | None, low: float | None, high: float | None
) -> dict[str, Any]:
    bits = {"weight_bits": weight_bits, "activation_bits": activation_bits}
    return {"precision": "int8", "name": name, "op": op, **bits, "amax_low": low, "amax_high": high}


def figure(name: str, protocol: str, value: float | None, count: int | None = 31) -> dict[str, Any]:
    """With an interval of a tenth either way."""
    ends = (None, None) if value is None else (round(max(value - 0.1, 0.0), 3), round(min(value + 0.1, 1.0), 3))
    return {"name": name, "protocol": protocol, "value": value, "low": ends[0], "high": ends[1], "count": count}


def _curve(*between: float) -> dict[str, list[float]]:
    """Through these sensitivities at 0.1, 0.3 and 0.6 false alarms; without any, the line of chance."""
    return (
        {"fpr": [0.0, 0.1, 0.3, 0.6, 1.0], "tpr": [0.0, *between, 1.0]}
        if between
        else {"fpr": [0.0, 1.0], "tpr": [0.0, 1.0]}
    )


def _figures(protocol: str, auroc: float, low: float, *, twin: float) -> list[dict[str, Any]]:
    of_model = {
        "sensitivity": 0.9, "specificity": 0.31, "f1": 0.72, "accuracy": 0.66, "ppv_at_20": 0.246, "npv_at_20": 0.925,
        "ppv_at_40": 0.465, "npv_at_40": 0.823, "decided_share": 0.42, "coverage_anaemic": 0.953,
        "coverage_other": 0.91, "brier": 0.221, "log_loss": 0.63, "calibration_slope": 0.92,
        "calibration_intercept": 0.04, "calibration_error": 0.061, "accuracy_at_half": 0.64,
    }  # fmt: skip
    of_others = {"brier": 0.243, "accuracy_at_half": 0.582, "auroc_loss": auroc - 0.5}
    model = {**figure("model.auroc", protocol, auroc), "low": low}
    return [
        model,
        *(figure(f"model.{measure}", protocol, value) for measure, value in of_model.items()),
        figure("twin_look_up.auroc", protocol, twin),
        figure("constant.auroc", protocol, 0.5),
        *(
            figure(f"{who}.{measure}", protocol, v)
            for who in ("twin_look_up", "constant")
            for measure, v in of_others.items()
        ),
        figure("permuted.auroc", protocol, 0.501),
        *([figure("int8.auroc", protocol, auroc - 0.004)] if protocol == "test_side" else []),
    ]


def _subgroups(protocol: str) -> list[dict[str, Any]]:
    parts = [("age", age) for age in _AGES] + [("sex", sex) for sex in _SEXES] + [("site", site) for site in _SITES]
    found = []
    for at, (field, value) in enumerate(parts):
        count = None if value == "SDA Hospital" else 10 + at
        auroc = None if value == "SDA Hospital" else 0.74 - 0.02 * at
        found.append(figure(f"model.auroc@{field}={value}", protocol, auroc, count))
        found.append(figure(f"model.sensitivity@{field}={value}", protocol, 0.9 - 0.01 * at, count))
        found.append(figure(f"model.specificity@{field}={value}", protocol, 0.3, count))
    for at, band in enumerate(_HB):
        measure = "sensitivity" if at < 3 else "specificity"
        found.append(figure(f"model.{measure}@hb={band}", protocol, 0.95 - 0.1 * at, 6))
    return found


def _precision(name: str, size: int, ratio: float, time: float, changed: float, loss: float) -> dict[str, Any]:
    return {
        "precision": name, "bytes": size, "size_ratio": ratio, "time_ratio": time, "time_ratio_b16": time,
        "auroc": 0.703 - loss, "auroc_loss": loss, "auroc_loss_upper95": loss + 0.004, "decisions_changed": changed,
        "mean_abs_dp": changed / 2, "max_abs_dp": changed * 3,
    }  # fmt: skip
