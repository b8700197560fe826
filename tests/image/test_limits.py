"""The phone judges by the server's own numbers."""

import json
from pathlib import Path

from pallor.image.limits import limits, text
from pallor.image.quality import RETAKE_WORDS

ON_THE_PHONE = Path(__file__).parents[2] / "backend" / "web" / "src" / "capture" / "quality.json"


def test_the_file_that_the_phone_is_built_with_is_in_step():
    assert ON_THE_PHONE.read_text() == text(), (
        "run: python -m pallor.image.limits > backend/web/src/capture/quality.json"
    )


def test_nothing_is_lost_on_the_way_to_json():
    assert json.loads(text()) == limits()
    assert json.loads(text())["quality"]["reasons"] == list(RETAKE_WORDS)
