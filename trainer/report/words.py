"""What protocols, contestants and measures are called, and how numbers are written; what nobody measured says so."""

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from trainer.report.content import Cell

NOT_MEASURED, NOT_STATED, NO_SUCH = "not measured", "not stated", "-"

FEWEST_SHOWN = 5  # of fewer people no figure is shown: who knows one of them would learn what the others are
TOO_FEW = f"under {FEWEST_SHOWN}"

LEAKY = "published_protocol"
# The first that was run is the one that the summary speaks of.
LEAK_FREE = ("test_side", "grouped_by_photo", "leave_one_site_out")

PROTOCOLS: Mapping[str, str] = MappingProxyType(
    {
        "test_side": "test side (leak-free)",
        "grouped_by_photo": "grouped by photo (leak-free)",
        "leave_one_site_out": "leaving one site out (leak-free)",
        LEAKY: "published protocol (leaks)",
    }
)
PROTOCOL_MEANINGS: Mapping[str, str] = MappingProxyType(
    {
        "test_side": "A fifth of the photographs, the same for every release, judged by the very model of this one; it "
        "learned from none of these photographs or people, and no cut-off was chosen by them.",
        "grouped_by_photo": "Cross-validation of the recipe, not of these weights: five turns, and each photograph is "
        "judged by a model that saw neither it nor the person on it.",
        "leave_one_site_out": "Cross-validation of the recipe, not of these weights: each site is judged by a model "
        "that saw nothing of it, neither a person nor a photograph that lies there too.",
        LEAKY: "Rows dealt at random, as the literature does: the same photograph stands on both sides, so it leaks. "
        "It is here for comparison alone, and is evidence of nothing.",
    }
)
CONTESTANTS: Mapping[str, str] = MappingProxyType(
    {
        "model": "this model",
        "champion": "the model in use",
        "twin_look_up": "twin look-up, no pixel seen",
        "roi_area": "area of the ROI, no colour seen",
        "constant": "constant",
        "permuted": "shuffled labels",
        "fp32": "FP32",
        "fp16": "FP16",
        "int8": "INT8",
        "fp16-trt": "FP16 for GPUs",
        "int8-trt": "INT8 for GPUs",
        "int4": "INT4 (research)",
    }
)
CONTROLS = ("twin_look_up", "roi_area", "constant", "permuted")
MEASURES: Mapping[str, str] = MappingProxyType(
    {
        "auroc": "AUROC",
        "sensitivity": "sensitivity at the threshold",
        "specificity": "specificity at the threshold",
        "f1": "F1 at the threshold",
        "accuracy": "accuracy at the threshold",
        "accuracy_at_half": "accuracy at 0.5",
        "precision_at_half": "precision at 0.5",
        "recall_at_half": "recall at 0.5",
        "f1_at_half": "F1 at 0.5",
        "decided_share": "share outside of the refer band",
        "coverage_anaemic": "anaemic without a wrong word",
        "coverage_other": "others without a wrong word",
        "brier": "Brier score (lower is better)",
        "log_loss": "log loss (lower is better)",
        "calibration_slope": "calibration slope (1 is right)",
        "calibration_intercept": "calibration intercept (0 is right)",
        "calibration_error": "calibration error (lower is better)",
        "auroc_loss": "AUROC below this model's",
        "decisions_changed": "share of decisions changed",
        "mean_abs_dp": "mean |dp|",
        "max_abs_dp": "largest |dp|",
    }
)
# Measures that hold somebody against this model, which therefore has none of them.
RIVALS = frozenset({"auroc_loss", "decisions_changed", "mean_abs_dp", "max_abs_dp"})
FIELDS: Mapping[str, str] = MappingProxyType(
    {"age": "age, months", "sex": "sex", "site": "site", "device": "device", "hb": "haemoglobin, g/L"}
)


def name_in(names: Mapping[str, str], key: str) -> str:
    """What something is called; of what has no words here, the key itself in words."""
    return names.get(key) or key.replace("_", " ").strip() or NOT_STATED


def number(value: Any, form: str = ".3f") -> str:
    """A number as written here; whatever is none says that it was not measured."""
    if not is_number(value):
        return NOT_MEASURED
    return format(round(value) if form == "d" else value, form)


def share(value: Any) -> str:
    """A share in percent."""
    return number(value, ".1%").replace("%", " %")


def span(low: Any, high: Any, form: str = ".3f", unit: str = "") -> str:
    """From one number to another."""
    if not is_number(low) or not is_number(high):
        return NOT_MEASURED
    return f"{number(low, form)} to {number(high, form)} {unit}".rstrip()


def stated(value: Any) -> str:
    """A text, or that nobody gave one."""
    return value if isinstance(value, str) and value else NOT_STATED


def is_number(value: Any) -> bool:
    return finite(value) is not None


def finite(value: Any) -> float | None:
    """A number that is one, None for all else."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) else None


def whole(value: Any) -> int | None:
    """A whole number, None for all else."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def is_small(count: Any) -> bool:
    """Whether so few people must not be seen one by one; nobody at all may."""
    return is_number(count) and 0 < count < FEWEST_SHOWN


def estimate(figure: Mapping[str, Any] | None) -> Cell:
    """A figure with its interval, where it has one."""
    if figure is None or not is_number(figure.get("value")):
        return Cell(NOT_MEASURED)
    low, high = figure.get("low"), figure.get("high")
    under = f"[{number(low)}, {number(high)}]" if is_number(low) and is_number(high) else ""
    return Cell(number(figure["value"]), under)


def spelled(figure: Mapping[str, Any] | None) -> str:
    """The same within a sentence."""
    cell = estimate(figure)
    return f"{cell.text} {cell.under}".rstrip()
