"""Who may import whom, and what each component must be able to do without."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pallor.digest import sha256_of_file

ROOT = Path(__file__).parents[2]
# component -> libraries it must start without
WITHOUT = {
    "pallor.case": ("numpy", "PIL", "boto3", "flask", "celery"),
    "pallor.advice": ("numpy", "PIL", "boto3", "flask", "celery"),
    "pallor.release.shelf": ("numpy", "PIL", "boto3", "flask", "celery"),
    "pallor.release.__main__": ("numpy", "PIL", "boto3", "flask", "sqlalchemy", "celery", "torch", "onnxruntime"),
    "pallor.store": ("numpy", "PIL", "boto3", "flask", "celery"),
    "pallor.messages": ("numpy", "PIL", "celery"),
    "pallor.image.decode": ("torch", "onnxruntime", "flask", "celery", "scipy"),
    "sync.__main__": ("numpy", "PIL", "boto3", "flask", "sqlalchemy", "celery", "torch", "onnxruntime"),
    "worker.__main__": ("flask", "sqlalchemy", "torch", "tuf", "boto3", "tensorrt", "tensorrt_rtx", "cuda"),
    "backend.__main__": ("torch", "onnxruntime", "tensorrt", "boto3"),
    "backend.record.drift.watch": ("torch", "onnxruntime"),
    "trainer.__main__": ("flask", "sqlalchemy", "celery", "torch", "numpy", "PIL", "tensorrt_rtx"),
    "trainer.commands": ("flask", "sqlalchemy", "celery", "tensorrt_rtx"),
    "pallor.__main__": ("torch", "flask", "sqlalchemy", "celery", "onnxruntime"),
}

_BLOCKED = """
import importlib, sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {names!r}:
            raise ImportError("blocked: " + name)
sys.meta_path.insert(0, Blocked())
importlib.import_module({module!r})
"""


@pytest.mark.parametrize("module", WITHOUT)
def test_each_part_starts_without_the_libraries_of_the_others(module):
    script = _BLOCKED.format(names=set(WITHOUT[module]), module=module)
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_blocked_import_is_really_blocked():
    script = _BLOCKED.format(names={"flask"}, module="backend.app")
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert "blocked: flask" in done.stderr


def test_the_import_contracts_hold():
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_each_extra_was_proved_alone_with_the_dependencies_that_are_locked_now():
    proved = json.loads((ROOT / "lock" / "proved.json").read_text())
    for extra, digest in proved.items():
        assert sha256_of_file(ROOT / "lock" / f"{extra}.txt") == digest, f"{extra}: run `make extras` and commit lock/"
    assert {"sync", "worker", "backend", "onebox", "trainer"} <= proved.keys()
