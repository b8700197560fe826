"""``pallor-worker`` as a person at a keyboard meets it."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pallor.digest import sha256_of_file
from pallor.image.decode import encode
from pallor.release.bootstrap import BOOTSTRAP_DIGEST
from pallor.release.shelf import Shelf
from tests.support.photos import a_photo, file_of, tissue
from tests.support.releases import a_release, plain_photo
from worker.__main__ import main


@pytest.mark.parametrize("command", [[], ["serve"], ["score"], ["describe"]])
def test_help_teaches_every_command(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main([*command, "--help"])
    assert left.value.code == 0
    said = capsys.readouterr().out
    assert "pallor-worker" in said
    if command == ["serve"]:
        assert "PALLOR_BROKER_URL" in said
        assert "PALLOR_SHELF" in said
    if command == ["score"]:
        assert "Exit code" in said


def test_a_folder_is_scored_to_a_table(folder: Path, capsys: pytest.CaptureFixture[str], release: str) -> None:
    assert main(["score", str(folder), "--release", release]) == 0
    said = capsys.readouterr().out
    for word in ("3 photos, 0 refused", "one.png", "two.JPG", "three.webp", "tiny-1", "investigational"):
        assert word in said
    assert "notes.txt" not in said


def test_a_file_that_is_refused_gets_a_row_and_does_not_stop_the_rest(
    folder: Path, tmp_path: Path, release: str
) -> None:
    (folder / "broken.png").write_bytes(b"no photo")
    out = tmp_path / "scores.csv"
    code = main(["score", str(folder), str(folder / "none.png"), "--csv", str(out), "--release", release])
    assert code == 1
    with out.open(newline="") as lines:
        rows = {Path(row["file"]).name: row for row in csv.DictReader(lines)}
    assert list(rows) == ["broken.png", "three.webp", "one.png", "two.JPG", "none.png"]
    assert rows["broken.png"]["refusal"] == "photo-format-unknown"
    assert rows["broken.png"]["probability"] == ""
    assert rows["none.png"]["refusal"] == "file-unreadable"
    for name in ("one.png", "two.JPG", "three.webp"):
        assert 0 < float(rows[name]["probability"]) < 1
        assert (rows[name]["release"], rows[name]["refusal"]) == ("tiny-1", "")
        assert float(rows[name]["seconds"]) > 0


def test_of_a_file_that_is_no_photo_by_its_size_no_more_is_read_than_tells_so(tmp_path: Path, release: str) -> None:
    endless, out = tmp_path / "endless.png", tmp_path / "scores.csv"
    with endless.open("wb") as file:
        file.truncate(1 << 40)
    assert main(["score", str(endless), "--csv", str(out), "--release", release]) == 1
    assert "photo-too-large" in out.read_text()


def test_a_files_name_that_is_no_text_costs_no_row(folder: Path, tmp_path: Path, release: str) -> None:
    odd, out = os.fsencode(folder) + b"/\xff.png", tmp_path / "scores.csv"
    os.rename(folder / "one.png", odd)
    assert main(["score", str(folder), "--csv", str(out), "--release", release]) == 0
    assert odd in out.read_bytes()


def test_whoever_has_read_enough_of_the_scores_sees_no_error(folder: Path, release: str) -> None:
    command = [sys.executable, "-m", "worker", "score", str(folder), "--csv", "-", "--release", release]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()


@pytest.mark.parametrize("threads", ["0", "-1", "257", "x"])
def test_threads_that_cannot_be_are_refused(threads: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["describe", "--threads", threads])
    assert "argument --threads: not a whole number from 1 to 256" in capsys.readouterr().err


def test_a_poor_photo_is_scored_and_its_row_says_what_is_wrong(
    folder: Path, capsys: pytest.CaptureFixture[str], release: str
) -> None:
    (folder / "dark.png").write_bytes(file_of(tissue() // 8))
    assert main(["score", str(folder), "--csv", "-", "--release", release]) == 0
    rows = {Path(row["file"]).name: row for row in csv.DictReader(capsys.readouterr().out.splitlines())}
    assert "too-dark" in rows["dark.png"]["quality"]
    assert rows["dark.png"]["probability"] != ""
    assert rows["one.png"]["quality"] == "good"


def test_where_nothing_can_be_scored_the_reason_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], release: str
) -> None:
    (tmp_path / "empty").mkdir()
    assert main(["score", str(tmp_path / "empty"), "--release", release]) == 2
    assert "There are no photos here" in capsys.readouterr().err


def test_scores_that_could_not_be_written_are_not_computed(
    folder: Path, capsys: pytest.CaptureFixture[str], release: str
) -> None:
    assert main(["score", str(folder), "--csv", str(folder / "no" / "such.csv"), "--release", release]) == 2
    assert "--csv: No such file or directory." in capsys.readouterr().err


def test_a_release_that_was_changed_scores_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str], release: str
) -> None:
    (Path(release) / "card.md").write_text("cleared!")
    assert main(["score", str(folder), "--release", release]) == 2
    assert "card.md is missing or is not what the manifest says" in capsys.readouterr().err


def test_describe_says_what_would_score(capsys: pytest.CaptureFixture[str], release: str) -> None:
    assert main(["describe", "--release", release]) == 0
    said = capsys.readouterr().out
    for word in ("tiny-1 (investigational, synthetic world)", "onnxruntime-cpu", "sha256:", "6 to 59 months"):
        assert word in said


def test_describe_tells_an_agent_what_this_machine_can_run(capsys: pytest.CaptureFixture[str], release: str) -> None:
    assert main(["describe", "--json", "--release", release]) == 0
    said = json.loads(capsys.readouterr().out)
    assert set(said) == {"format", "admitted", "fault", "release", "engine", "golden", "machine", "needs_met"}
    assert (said["admitted"], said["fault"], said["release"]["release_id"]) == (True, None, "tiny-1")
    assert {"cpu", said["machine"]["system"], said["machine"]["architecture"]} <= set(said["needs_met"])
    assert (said["machine"]["gpu"] is None) == (said["machine"]["no_gpu"] is not None)
    assert said["engine"]["fallback"]  # this release has no model for GPUs, whatever this machine is
    assert said["golden"]["largest_difference"] < 1e-4
    assert len(said["golden"]["probabilities"]) == said["golden"]["photos"]


def test_describe_on_demand_without_a_gpu_gives_no_reason(capsys: pytest.CaptureFixture[str], release: str) -> None:
    assert main(["describe", "--json", "--engine", "cpu", "--release", release]) == 0
    assert json.loads(capsys.readouterr().out)["engine"]["fallback"] is None


def test_describe_tells_of_what_serves_here_unless_told_otherwise(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], release: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = Shelf(tmp_path / "shelf")
    shelf.activate(shelf.put(Path(release)).release_id)
    for name, value in (("PALLOR_SHELF", str(shelf.root)), ("PALLOR_ENGINE", "cpu"), ("PALLOR_ENGINE_THREADS", "2")):
        monkeypatch.setenv(name, value)
    assert main(["describe", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["release"]["release_id"], said["engine"]["fallback"], said["machine"]["threads"]) == (
        "tiny-1",
        None,
        2,
    )
    assert main(["describe", "--json", "--bundled", "--engine", "auto"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["release"]["manifest"] == BOOTSTRAP_DIGEST
    with pytest.raises(SystemExit):
        main(["describe", "--threads", "0"])
    assert "a whole number from 1 to 256 (got 0)" in capsys.readouterr().err


def test_describe_breaks_no_digest(capsys: pytest.CaptureFixture[str], release: str) -> None:
    main(["describe", "--release", release])
    assert sha256_of_file(Path(release) / "manifest.json") in capsys.readouterr().out


def test_describe_tells_the_same_where_nothing_may_serve(capsys: pytest.CaptureFixture[str], release: str) -> None:
    manifest = Path(release) / "manifest.json"
    manifest.write_bytes(manifest.read_bytes().replace(b'"probability":0.', b'"probability":0.9'))
    assert main(["describe", "--json", "--release", release]) == 2
    said = json.loads(capsys.readouterr().out)
    assert (said["admitted"], said["release"], said["engine"], said["golden"]) == (False, None, None, None)
    assert said["fault"].startswith("engine-disagrees: tiny-1 on onnxruntime-cpu")
    assert "cpu" in said["needs_met"]
    assert main(["describe", "--release", release]) == 2
    assert "nothing serves" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("runtime", "reason"),
    [
        ("raise RuntimeError('no libcudart.so.13')", "no-cuda-python: cuda-python does not load: no libcudart.so.13"),
        ("import nothing_like_it", "no-cuda-python: cuda-python is not installed"),
        ("def cudaDriverGetVersion(): raise RuntimeError('no libcuda')", "cuda-failed: RuntimeError: no libcuda"),
    ],
)
def test_a_cuda_that_is_half_installed_is_told_and_the_cpu_serves(
    tmp_path: Path, release: str, runtime: str, reason: str
) -> None:
    (tmp_path / "cuda" / "bindings").mkdir(parents=True)
    (tmp_path / "tensorrt_rtx").mkdir()
    for place, text in {
        "cuda/__init__.py": "", "cuda/bindings/__init__.py": "", "cuda/bindings/runtime.py": runtime,
        "tensorrt_rtx/__init__.py": "print('a library greets'); __version__ = '1.7'",
    }.items():  # fmt: skip
        (tmp_path / place).write_text(text)
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-m", "worker", "describe", "--json", "--release", release]
    said = json.loads(subprocess.run(command, env=environ, capture_output=True, check=True).stdout)
    assert said["machine"]["no_gpu"] == reason
    assert said["engine"]["fallback"].startswith(reason)


def test_serve_names_every_setting_that_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("PALLOR_BROKER_URL", "PALLOR_STORE_URL", "PALLOR_SHELF"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PALLOR_ENGINE_THREADS", "many")
    assert main(["serve"]) == 2
    said = capsys.readouterr().err
    for name in ("PALLOR_BROKER_URL", "PALLOR_STORE_URL", "PALLOR_SHELF", "PALLOR_ENGINE_THREADS"):
        assert name in said


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three photos, one of them a folder deeper, and a file that is none."""
    photos = tmp_path / "photos"
    (photos / "deeper").mkdir(parents=True)
    (photos / "one.png").write_bytes(encode(a_photo()))
    (photos / "two.JPG").write_bytes(file_of(tissue(), "JPEG", quality=95))
    (photos / "deeper" / "three.webp").write_bytes(file_of(plain_photo(90).rgb, "WEBP"))
    (photos / "notes.txt").write_text("not a photo")
    return photos


@pytest.fixture
def release(tmp_path: Path) -> str:
    return str(a_release(tmp_path / "release").folder)
