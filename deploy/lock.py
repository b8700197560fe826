"""``make lock``: pin every dependency of every extra, with digests, for every platform; one version everywhere."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
# What each lock file installs; first the set that holds all the others, so that each of them gets the same versions.
PROFILES = {
    "test": ("test",),
    "onebox": ("onebox",),
    "backend": ("backend", "postgres", "s3"),
    "worker": ("worker", "s3"),
    "trainer": ("trainer",),
    "sync": ("sync",),
}


def main() -> int:
    for profile, extras in PROFILES.items():
        constrain = [] if profile == "test" else ["--constraint", "lock/test.txt"]
        chosen = [word for extra in (*extras, "build") for word in ("--extra", extra)]
        command = [
            sys.executable, "-m", "uv", "pip", "compile", "pyproject.toml", "--universal", "--python-version", "3.11",
            *chosen, *constrain, "--output-file", f"lock/{profile}.txt",
            "--generate-hashes", "--no-emit-index-url", "--no-annotate", "--no-header", "--quiet",
        ]  # fmt: skip
        subprocess.run(command, cwd=ROOT, check=True)
        print(f"lock/{profile}.txt")
    print("now prove the extras: make extras")
    return 0


if __name__ == "__main__":
    sys.exit(main())
