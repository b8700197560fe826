"""The first release, which every checkout carries so that a fresh machine can score at once.

Until releases are signed, its manifest is trusted by this digest alone: whoever replaces the files must change the
source as well.
"""

from pathlib import Path

BOOTSTRAP_DIGEST = "sha256:047a916f766517f8e307f37fa56929ae2e46ac4a98f1c811316fb306eecf762d"


def bootstrap_folder() -> Path:
    """Where the committed release lies; open it with ``Release.open(..., trusted_digest=BOOTSTRAP_DIGEST)``."""
    return Path(__file__).with_name("bootstrap")
