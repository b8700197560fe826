"""The first start of one machine makes development keys, holds the ceremony and signs the release it comes with."""

import shutil
import stat

import pytest

from backend.services.sign_channels import online_keys
from pallor.clock import SystemClock
from pallor.onebox.folder import DataFolder
from pallor.onebox.signing import own_keys
from pallor.release.bootstrap import BOOTSTRAP_DIGEST
from pallor.release.repository import ceremony, contents
from pallor.release.repository.keys import open_key, read_public
from pallor.release.repository.ledger import open_repository
from pallor.store.folder import FolderStore
from tests.support.power import cut_at

CLOCK = SystemClock()


def test_the_keys_are_made_once_for_their_owner_alone_and_the_release_is_signed(data):
    keys = own_keys(data, "real", CLOCK, {})
    held = sorted(path.name for path in keys.folder.rglob("*.key"))
    assert len(held) == 8
    assert all(name.startswith("development-") for name in held)
    for path in [*keys.folder.rglob("*.key"), keys.folder / "passphrase"]:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    check(data, keys)
    assert own_keys(data, "real", CLOCK, {}) == keys
    assert sorted(path.name for path in keys.folder.rglob("*.key")) == held


def test_nobody_can_clear_a_release_with_them(data):
    keys = own_keys(data, "real", CLOCK, {})
    threshold, names = ceremony.holders(repository_of(data, keys))["clearances"]
    assert (threshold, names) == (2, ["nobody-1", "nobody-2"])
    held = {read_public(path).keyid for path in keys.folder.rglob("*.key")}
    assert not held & set(repository_of(data, keys).delegator("clearances").get_delegated_role("clearances").keyids)


def test_a_power_cut_on_the_way_is_finished_by_the_next_start(data):
    step, cut = 0, []
    while cut_at(step := step + 40, lambda: own_keys(data, "real", CLOCK, {})):
        cut.append(step)
        check(data, own_keys(data, "real", CLOCK, {}))
        wipe(data)
    wipe(data)
    for step in range(cut[-1], cut[-1] + 40, 3):  # where the folders get their names
        cut_at(step, lambda: own_keys(data, "real", CLOCK, {}))
        check(data, own_keys(data, "real", CLOCK, {}))
        wipe(data)
    assert len(cut) > 2


def test_what_people_have_set_up_is_left_alone(data, tmp_path):
    (tmp_path / "1.root.json").write_text("theirs")
    theirs = {"PALLOR_ROOT_METADATA": str(tmp_path / "1.root.json")}
    assert own_keys(data, "real", CLOCK, {"PALLOR_KEYS": "/their/keys"}) is None
    assert own_keys(data, "real", CLOCK, theirs) is None
    (data.root / "store/tuf/metadata").mkdir(parents=True)
    assert own_keys(data, "real", CLOCK, {}) is None
    assert not data.keys.exists()


def test_a_shell_that_has_read_one_machines_environment_starts_another(data, tmp_path):
    first = own_keys(data, "real", CLOCK, {})
    other = DataFolder(tmp_path / "other")
    other.root.mkdir()
    second = own_keys(other, "real", CLOCK, {"PALLOR_ROOT_METADATA": str(first.root_file)})
    assert second.folder == other.keys
    check(other, second)


def check(data, keys):
    """Everything is signed, and every key that signs later is here."""
    repository = repository_of(data, keys)
    (release_id,) = contents.releases_of(repository)
    assert contents.manifest_of(repository, release_id)[1] == BOOTSTRAP_DIGEST
    assert set(online_keys(repository, keys.server, keys.passphrase)) == {"channels", "snapshot", "timestamp"}
    root = repository.root().signed.roles["root"].keyids
    mine = [open_key(path, lambda: keys.passphrase) for path in keys.folder.glob("development-root-*.key")]
    assert {signer.public_key.keyid for signer in mine} == set(root)
    assert repository.timestamp() is not None
    assert not [path.name for path in data.root.iterdir() if path.name.startswith(".ceremony")]


def repository_of(data, keys):
    return open_repository(FolderStore(data.root / "store"), CLOCK, keys.root_file)


def wipe(data):
    shutil.rmtree(data.root)
    data.root.mkdir()


@pytest.fixture
def data(tmp_path):
    folder = DataFolder(tmp_path / "data")
    folder.root.mkdir()
    return folder
