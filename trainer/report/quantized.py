"""What fewer bits cost: size, time, decisions; and node by node what was quantized."""

from trainer.report.content import Block, Cell, Section, table
from trainer.report.findings import Findings
from trainer.report.words import CONTESTANTS, NOT_MEASURED, is_number, name_in, number, share, span, stated

_SPEED = (("time_ratio", "time to FP32, 1 photo"), ("time_ratio_b16", "time to FP32, 16 photos"))


def quantization(findings: Findings) -> Section:
    title = "Quantization"
    if not findings.quantization:
        return Section("quantization", title, (f"Files of fewer bits: {NOT_MEASURED}.",))
    speed = [(key, words) for key, words in _SPEED if any(is_number(one.get(key)) for one in findings.quantization)]
    where = () if findings.shipped is None else ("in this release",)
    head = (
        "precision", *where, "bytes", "size to FP32", *(words for _, words in speed), "AUROC", "AUROC lost",
        "decisions changed", "mean |dp|", "largest |dp|",
    )  # fmt: skip
    rows: list[tuple[str | Cell, ...]] = []
    for one in findings.quantization:
        worst, precision = one.get("auroc_loss_upper95"), str(one.get("precision") or "")
        upper = f"95 %: at most {number(worst)}" if is_number(worst) else ""
        rows.append(
            (
                name_in(CONTESTANTS, precision),
                *("yes" if precision in (findings.shipped or ()) else "no" for _ in where),
                number(one.get("bytes"), "d"),
                number(one.get("size_ratio")),
                *(number(one.get(key)) for key, _ in speed),
                number(one.get("auroc")),
                Cell(number(one.get("auroc_loss")), upper),
                share(one.get("decisions_changed")),
                number(one.get("mean_abs_dp"), ".4f"),
                number(one.get("max_abs_dp"), ".4f"),
            )
        )
    blocks: list[Block] = [
        "Each precision against the FP32 export of the same network, on the same photos, in ONNX Runtime on the CPU "
        "with one thread. Below 1 is smaller, or faster. This says what a file changes, not how well it screens.",
        table(head, rows),
    ]
    if not speed:
        blocks.append(f"How long each takes: {NOT_MEASURED} here.")
    if any(one.get("precision") == "int4" for one in findings.quantization):
        blocks.append("INT4 is a line of research: it is in no release.")
    if findings.nodes:
        nodes = [
            (
                name_in(CONTESTANTS, str(node.get("precision") or "")),
                stated(node.get("name")),
                stated(node.get("op")),
                _bits(node.get("weight_bits")),
                _bits(node.get("activation_bits")),
                span(node.get("amax_low"), node.get("amax_high"), ".4f"),
            )
            for node in findings.nodes
        ]
        head = ("precision", "node", "operator", "bits of weights", "bits of activations", "largest weight, by channel")
        blocks.append(
            table(head, [tuple(node) for node in nodes], folded=f"All {len(nodes)} nodes, and what became of each")
        )
    else:
        blocks.append(f"Node by node: {NOT_MEASURED}.")
    return Section("quantization", title, tuple(blocks))


def _bits(value: object) -> str:
    return number(value, "g")
