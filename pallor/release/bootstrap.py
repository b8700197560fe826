"""The first release, which every checkout carries so that a fresh machine can score at once.

Until releases are signed, its manifest is trusted by this digest alone: whoever replaces the files must change the
source as well.
"""

from pathlib import Path

BOOTSTRAP_DIGEST = "sha256:392b08dbad01579fff400a302b7220f4288a581cdce17bd94907349611cbcd18"


def bootstrap_folder() -> Path:
    """Where the committed release lies; open it with ``Release.open(..., trusted_digest=BOOTSTRAP_DIGEST)``."""
    return Path(__file__).with_name("bootstrap")
