"""Label sheets for specimens: a PDF for A4 sheets of 3 by 8 labels (70 x 37 mm), each number as Code 128 and to read.

Each number stands on several labels side by side: one for the tube, one for the form, one kept for blood that has to be
taken again.
"""

from collections.abc import Sequence
from io import BytesIO

from reportlab.graphics.barcode.code128 import Code128
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas

from backend.services.specimen_barcode import grouped

COPIES, COLUMNS, ROWS = 3, 3, 8
_WIDTH, _HEIGHT = 70 * mm, 37 * mm
_BAR_WIDTH = 0.3 * mm  # hand-held scanners and phones read 0.25 mm and more; 10 characters take 53 mm of 70
_BAR_HEIGHT = 15 * mm


def label_sheet(numbers: Sequence[str]) -> bytes:
    """A PDF with every number on ``COPIES`` labels; nothing else stands on them."""
    out = BytesIO()
    canvas = Canvas(out, pagesize=A4, invariant=True)
    canvas.setTitle("Pallor specimen labels")
    for place, number in enumerate(number for number in numbers for _ in range(COPIES)):
        on_page = place % (COLUMNS * ROWS)
        if place and on_page == 0:
            canvas.showPage()
        row, column = divmod(on_page, COLUMNS)
        _draw(canvas, number, column * _WIDTH, A4[1] - (row + 1) * _HEIGHT)
    canvas.save()
    return out.getvalue()


def _draw(canvas: Canvas, number: str, left: float, bottom: float) -> None:
    bars = Code128(number, barWidth=_BAR_WIDTH, barHeight=_BAR_HEIGHT, quiet=False)
    bars.drawOn(canvas, left + (_WIDTH - bars.width) / 2, bottom + 14 * mm)
    canvas.setFont("Courier-Bold", 12)
    canvas.drawCentredString(left + _WIDTH / 2, bottom + 7 * mm, grouped(number))
