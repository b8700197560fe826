"""``pallor-sync``: a release comes onto the shelf by hand, trusted by its digest alone."""

import shutil

import pytest

from pallor.release.bootstrap import BOOTSTRAP_DIGEST, bootstrap_folder
from pallor.release.shelf import Shelf
from sync.__main__ import main


@pytest.fixture(autouse=True)
def shelf(tmp_path, monkeypatch):
    monkeypatch.setenv("PALLOR_SHELF", str(tmp_path / "shelf"))
    return Shelf(tmp_path / "shelf")


def test_an_empty_shelf_gets_the_release_that_pallor_comes_with(shelf, capsys):
    assert main(["bootstrap"]) == 0
    assert main(["status"]) == 0
    assert shelf.current_id() in capsys.readouterr().out


def test_bootstrap_leaves_an_active_release_alone(shelf, capsys):
    main(["bootstrap"])
    assert main(["bootstrap"]) == 0
    assert "nothing was changed" in capsys.readouterr().out


def test_a_release_is_put_and_activated(shelf):
    assert main(["put", str(bootstrap_folder()), "--digest", BOOTSTRAP_DIGEST, "--activate"]) == 0
    assert shelf.current().digest == BOOTSTRAP_DIGEST


def test_a_release_with_another_digest_is_refused(shelf, capsys):
    assert main(["put", str(bootstrap_folder()), "--digest", "sha256:" + "0" * 64, "--activate"]) == 2
    assert "trusted is sha256:0000" in capsys.readouterr().err
    assert main(["status"]) == 2


def test_one_changed_byte_is_refused(tmp_path, capsys):
    copy = shutil.copytree(bootstrap_folder(), tmp_path / "copy")
    model = copy / "fp16.onnx"
    data = bytearray(model.read_bytes())
    data[len(data) // 2] ^= 1
    model.write_bytes(data)
    assert main(["put", str(copy), "--digest", BOOTSTRAP_DIGEST]) == 2
    assert "fp16.onnx" in capsys.readouterr().err


def test_a_shelf_that_is_not_named_is_asked_for(monkeypatch, capsys):
    monkeypatch.delenv("PALLOR_SHELF")
    assert main(["status"]) == 2
    assert "PALLOR_SHELF" in capsys.readouterr().err


def test_a_release_that_was_damaged_on_the_shelf_is_brought_anew(shelf):
    main(["bootstrap"])
    model = shelf.current().path("fp16.onnx")
    model.write_bytes(model.read_bytes()[:-1])
    assert main(["status"]) == 2
    assert main(["put", str(bootstrap_folder()), "--digest", BOOTSTRAP_DIGEST]) == 0
    assert main(["status"]) == 0
