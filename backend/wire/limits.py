"""The limits of what comes in, as the phone's app reads them: it checks as typed what the server checks on arrival.

    python -m backend.wire.limits        writes backend/web/src/limits.json, and a test keeps the two in step

Patterns are JavaScript's, anchored.
"""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

from backend.access.sealing import MAX_SEALED_BYTES
from backend.services.specimen_barcode import BARCODE_LENGTH, LETTERS
from backend.wire import received, sealed
from pallor.case import MAX_REFUSED_PHOTOS, SUBJECT_CODE, DangerSign
from pallor.follow_up import FollowUpNote, FollowUpState
from pallor.image.decode import Limits
from pallor.label import CRITICAL_G_PER_L
from pallor.subject import (
    MAX_AGE_MONTHS,
    MAX_ALTITUDE_M,
    MAX_PREGNANCY_WEEKS,
    MIN_ALTITUDE_M,
    PREGNANT_FROM_MONTHS,
    PREGNANT_UNTIL_MONTHS,
    SECOND_TRIMESTER_WEEKS,
    SMOKING_FROM_MONTHS,
    THIRD_TRIMESTER_WEEKS,
    AltitudeSource,
    Pregnancy,
    Sex,
    Smoking,
)

FILE = Path(__file__).parents[1] / "web" / "src" / "limits.json"


def limits() -> dict[str, Any]:
    """Every limit by the name of the fact that it is about."""
    least, most = received.REASON_LENGTH
    return {
        "age_months": {"min": 0, "max": MAX_AGE_MONTHS},
        "sex": list(Sex),
        "altitude_m": {"min": MIN_ALTITUDE_M, "max": MAX_ALTITUDE_M},
        "altitude_source": list(AltitudeSource),
        "subject_code": f"^(?=.*[0-9]){SUBJECT_CODE}$",
        "specimen_barcode": {"letters": LETTERS, "length": BARCODE_LENGTH},
        "pregnancy": {
            "values": list(Pregnancy),
            "min_age_months": PREGNANT_FROM_MONTHS,
            "max_age_months": PREGNANT_UNTIL_MONTHS - 1,
            "asked_from_months": received.PREGNANCY_ASKED_FROM_MONTHS,
        },
        "pregnancy_weeks": {
            "min": 0,
            "max": MAX_PREGNANCY_WEEKS,
            "trimester_2_from": SECOND_TRIMESTER_WEEKS,
            "trimester_3_from": THIRD_TRIMESTER_WEEKS,
        },
        "smoking": {"asked_from_months": SMOKING_FROM_MONTHS, "values": list(Smoking)},
        "danger_signs": list(DangerSign),
        "wording": received.WORDING,
        "reason": {"min": least, "max": most},
        "forgettable": list(get_args(received.Forgettable)),
        "ahead_hours": received.MAX_AHEAD // timedelta(hours=1),
        "follow_up": {"states": list(FollowUpState), "notes": list(FollowUpNote)},
        "critical_g_per_l": int(CRITICAL_G_PER_L),
        "refused_photos": MAX_REFUSED_PHOTOS,
        "photo": {"max_pixels": Limits().max_pixels, "max_side_pixels": Limits().max_side_pixels},
        "sealed_bytes": MAX_SEALED_BYTES,
        "sealed_parts": sealed.MAX_PARTS,
    }


def text() -> str:
    return json.dumps(limits(), indent=2) + "\n"


if __name__ == "__main__":
    FILE.parent.mkdir(parents=True, exist_ok=True)
    FILE.write_text(text())
