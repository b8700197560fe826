"""What the phone must know to judge a photo as the server does: numbers, from the modules that hold them.

python -m pallor.image.limits > backend/web/src/capture/quality.json
"""

import json

from pallor.image import decode, quality
from pallor.image.spec import PreprocessSpec


def limits() -> dict[str, object]:
    """JSON values; a test holds the file that the phone is built with against them."""
    photo = decode.Limits()
    return {
        "quality": quality.limits(),
        "photo": {
            "max_bytes": photo.max_bytes,
            "max_pixels": photo.max_pixels,
            "max_side_pixels": photo.max_side_pixels,
            "opaque_from": decode.OPAQUE_FROM,
        },
        "input_side_pixels": PreprocessSpec().size,
    }


def text() -> str:
    """The file as it is kept."""
    return json.dumps(limits(), indent=2) + "\n"


if __name__ == "__main__":
    print(text(), end="")
