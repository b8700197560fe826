"""Where the photos come from, who is on them, how often the same one stands twice, and what is missing."""

from collections.abc import Mapping
from typing import Any

from trainer.report.content import Block, Cell, Facts, Points, Section, table
from trainer.report.findings import Findings
from trainer.report.lookup import dig, mapping
from trainer.report.words import (
    FIELDS,
    NOT_MEASURED,
    TOO_FEW,
    is_number,
    is_small,
    name_in,
    number,
    share,
    span,
    stated,
)


def participants(findings: Findings) -> Section:
    data = _data(findings)
    first, last = stated(data.get("taken_first")), stated(data.get("taken_last"))
    drawn = ("Every photo was drawn by a program, and every person on it with it.",) if findings.is_synthetic else ()
    facts = (
        ("World", findings.world),
        ("Source", stated(findings.evidence.get("credit"))),
        ("Photos were taken", f"from {first} to {last}" if first != last else first),
        ("Rows", number(data.get("rows"), "d")),
        ("People", number(data.get("subjects"), "d")),
        ("Sites", number(data.get("sites"), "d")),
        ("Phones and cameras that are named", number(data.get("devices"), "d")),
        ("Ages", span(data.get("age_months_min"), data.get("age_months_max"), "g", "months")),
        ("Haemoglobin", span(data.get("hb_g_per_l_min"), data.get("hb_g_per_l_max"), "g", "g/L")),
        ("Anaemic", _of(data.get("anaemic"), data.get("rows"))),
    )
    where = "Who was photographed, and who was asked and did not want to be, is known to the sites alone."
    blocks = (*drawn, Facts(facts), *_counts(data), where)
    return Section("data", "Data: source, dates, participants", blocks)


def duplicates(findings: Findings) -> Section:
    data = _data(findings)
    rows, photographs = data.get("rows"), data.get("photographs")
    per = number(rows / photographs, ".1f") if is_number(rows) and is_number(photographs) and photographs else ""
    facts = (
        ("Photographs", number(photographs, "d") + (f", on average {per} rows each" if per else "")),
        ("Rows whose photograph stands in another row, too", _of(data.get("rows_with_a_twin"), rows)),
        ("Photographs whose rows have both labels", number(data.get("label_conflicts"), "d")),
        ("Haemoglobin inside one photograph", _spread(data)),
    )
    kept = (
        "Rows that show the same photograph are one observation: they stand on one side of every leak-free split "
        "together, and every interval draws whole photographs, never rows."
    )
    return Section("duplicates", "The same photograph twice, and labels that conflict", (kept, Facts(facts)))


def sample_size(findings: Findings) -> Section:
    sides = mapping(_data(findings).get("sides"))
    blocks: list[Block] = [
        "The size was not chosen by a calculation: it is all that was eligible when the snapshot was frozen. The gate "
        "asks for a smallest number of anaemic and of other photographs or people, twins counted once."
    ]
    if sides:
        head = ("side", "rows", "anaemic rows", "photographs", "photographs or people", "of them anaemic", "others")
        rows: list[tuple[str | Cell, ...]] = []
        for side, one in sides.items():
            clusters = (
                number(dig(one, kind), "d")
                for kind in ("photographs", "clusters", "anaemic_clusters", "other_clusters")
            )
            rows.append((side, number(dig(one, "rows"), "d"), _of(dig(one, "anaemic"), dig(one, "rows")), *clusters))
        blocks.append(table(head, rows))
    asked = dig(findings.evidence, "recipe", "gate")
    positives, negatives = (number(dig(asked, f"min_{kind}"), "d") for kind in ("positives", "negatives"))
    blocks.append(f"Asked of the test side: {positives} that are anaemic, and {negatives} others.")
    return Section("size", "Sample size", tuple(blocks))


def missing_data(findings: Findings) -> Section:
    points = (
        "A row without a photo, a laboratory value, an age or a label is not in the snapshot: nothing was filled in.",
        "A device or a date that nobody gave stays empty; the row is used, and counts as unknown.",
    )
    missing, rows = mapping(_data(findings).get("missing")), _data(findings).get("rows")
    counts = tuple((f"Rows without {name_in({}, field)}", _of(n, rows)) for field, n in missing.items())
    return Section("missing", "Missing data", (Points(points), Facts(counts) if counts else f"Counts: {NOT_MEASURED}."))


def _data(findings: Findings) -> Mapping[str, Any]:
    return mapping(findings.evidence.get("data"))


def _counts(data: Mapping[str, Any]) -> tuple[Block, ...]:
    rows: list[tuple[str | Cell, ...]] = [
        (name_in(FIELDS, field), value, TOO_FEW if is_small(n) else _of(n, data.get("rows")))
        for field, values in mapping(data.get("counts")).items()
        for value, n in mapping(values).items()
    ]
    return (table(("by", "which", "rows"), rows, folded="Rows by age, sex, site, device, haemoglobin"),) if rows else ()


def _of(part: Any, whole: Any) -> str:
    if is_number(part) and is_number(whole) and whole:
        return f"{part} of {whole} rows ({share(part / whole)})"
    return number(part, "d")


def _spread(data: Mapping[str, Any]) -> str:
    mean, most = (data.get(f"hb_spread_g_per_l_{which}") for which in ("mean", "max"))
    if not is_number(mean) or not is_number(most):
        return NOT_MEASURED
    return f"differs by {number(mean, 'g')} g/L on average, by {number(most, 'g')} g/L at most"
