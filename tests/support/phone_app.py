"""The phone's app in this tree: its commands, and whether it is built."""

import os
import subprocess
from pathlib import Path

import pytest

from deploy.web import BUILT, INSTALLED, WEB, NodeMissing, find_node

DIST = WEB / "dist"


def run_node(script: str, *arguments: str, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run one of the app's scripts with Node; skips where there is no Node or nothing was installed for it."""
    if not INSTALLED.exists():
        pytest.skip("the phone's app is not installed here: make web")
    try:
        command = find_node()
    except NodeMissing as missing:
        pytest.skip(str(missing))
    environ = os.environ | {"PATH": os.pathsep.join([str(Path(command[0]).parent), os.environ.get("PATH", "")])}
    return subprocess.run([*command, script, *arguments], cwd=WEB, env=environ, input=data, capture_output=True)


def need_dist() -> Path:
    """The built app; skips where it was not built."""
    if not BUILT.exists():
        pytest.skip("the phone's app is not built: make web")
    return DIST
