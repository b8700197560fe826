"""``make extras``: install each component from the wheel with its own extra alone; it must start, load every module of
its own, those that are loaded late among them, and lack the others' libraries.

What was proved is written to ``lock/proved.json`` by the digest of its lock file; a test fails when a lock has changed
since.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from pallor.digest import canonical_json, sha256_of_file

ROOT = Path(__file__).parents[1]
PROOF = ROOT / "lock" / "proved.json"

# extra -> (what must start, libraries that must not be there)
COMPONENTS = {
    "sync": ("sync.__main__", ("numpy", "PIL", "flask", "sqlalchemy", "celery", "torch", "onnxruntime", "boto3")),
    "worker": ("worker.__main__", ("flask", "sqlalchemy", "torch", "tuf")),
    "backend": ("backend.__main__", ("torch", "onnxruntime")),
    "onebox": ("pallor.__main__", ("torch",)),
    "trainer": ("trainer.commands", ("flask", "sqlalchemy", "celery")),
}
# extra -> folders of which every module must load; the trainer's ask for what only some of its commands need
WHOLE = {"sync": ("sync",), "worker": ("worker",), "backend": ("backend",), "onebox": ("backend", "worker")}
_LOAD = """
import importlib, pkgutil
for root in {roots!r}:
    for module in pkgutil.walk_packages(importlib.import_module(root).__path__, root + "."):
        if not module.name.endswith(".__main__"):
            importlib.import_module(module.name)
"""


def main(names: list[str]) -> int:
    proved = json.loads(PROOF.read_text()) if PROOF.exists() else {}
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            prove(name, build(Path(folder)), Path(folder) / "environment")
        proved[name] = sha256_of_file(ROOT / "lock" / f"{name}.txt")
        PROOF.write_bytes(canonical_json(proved) + b"\n")
        print(f"{name}: stands alone")
    return 0


def build(folder: Path) -> Path:
    """The wheel that a deployment installs, from the tree as it is."""
    _run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", folder, ROOT)
    return next(folder.glob("*.whl"))


def prove(name: str, wheel: Path, folder: Path) -> None:
    """Raise ``CalledProcessError`` unless the component starts in a clean environment without foreign libraries."""
    module, foreign = COMPONENTS[name]
    python = folder / "bin" / "python"
    _run(sys.executable, "-m", "venv", folder)
    _run(python, "-m", "pip", "install", "-q", "--require-hashes", "-r", ROOT / "lock" / f"{name}.txt")
    _run(python, "-m", "pip", "install", "-q", "--no-deps", wheel)
    _run(python, "-m", module, "--help")
    _run(python, "-c", _LOAD.format(roots=WHOLE.get(name, ())))
    check = f"import importlib.util as u; there = [m for m in {foreign!r} if u.find_spec(m)]; assert not there, there"
    _run(python, "-c", check)


def _run(*command: object) -> None:
    subprocess.run([str(part) for part in command], cwd="/", check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or list(COMPONENTS)))
