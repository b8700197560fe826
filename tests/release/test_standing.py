"""What counts as cleared: two signatures, nothing expired, nothing taken back, nothing that a thief has put back."""

import pytest

from pallor.digest import canonical_json
from pallor.release.places import clearance_target
from pallor.release.repository import ceremony, contents
from pallor.release.repository.ledger import Repository, RepositoryDamaged
from pallor.release.repository.standing import SignedTooOld, clearances_of
from tests.support.builders import a_clearance
from tests.support.clock import HandClock
from tests.support.repository import a_repository


def test_a_clearance_counts_when_two_people_have_signed_it(signed, named):
    assert clearances_of(signed.repository) == {}
    said = clear(signed, named)
    assert clearances_of(signed.repository) == {"eye-1": said}


@pytest.mark.parametrize("thieves", [("dora",), ("dora", "trainer"), ("server-channels", "server-snapshot"), ()])
def test_one_signature_or_those_of_others_clear_nobody(signed, named, thieves):
    forge(signed, a_clearance("eye-1", manifest=named.manifest), *thieves)
    signed.stamp()
    assert clearances_of(signed.repository) == {}


def test_what_was_taken_back_or_lies_below_the_floor_is_cleared_no_more(signed, named, tmp_path):
    clear(signed, named)
    second = signed.release("eye-2", tmp_path / "eye-2")
    clear(signed, second)
    assert set(clearances_of(signed.repository)) == {"eye-1", "eye-2"}
    contents.set_policy(signed.repository, signed.keys["dora"], floor=2)
    assert set(clearances_of(signed.repository)) == {"eye-2"}
    contents.set_policy(signed.repository, signed.keys["dora"], yank={"eye-2": "a mistake"})
    assert clearances_of(signed.repository) == {}


@pytest.mark.parametrize("days", [15, 366, 731])
def test_what_has_expired_clears_nobody(signed, named, days):
    clear(signed, named)
    signed.clock.move(days=days)
    with pytest.raises(SignedTooOld):
        clearances_of(signed.repository)
    signed.stamp()
    if days > 365:
        with pytest.raises(SignedTooOld):
            clearances_of(signed.repository)
    else:
        assert set(clearances_of(signed.repository)) == {"eye-1"}


def test_a_clearance_of_another_manifest_or_of_the_synthetic_world_counts_for_nothing(signed, named, tmp_path):
    forge(signed, a_clearance("eye-1", manifest="sha256:" + "f" * 64), "dora", "emil")
    signed.stamp()
    assert clearances_of(signed.repository) == {}
    synthetic = a_repository(tmp_path / "synthetic", HandClock(), "synthetic")
    toy = synthetic.release("toy-1", tmp_path / "toy-1", world="synthetic")
    forge(synthetic, a_clearance("toy-1", manifest=toy.manifest), "dora", "emil")
    synthetic.stamp()
    assert clearances_of(synthetic.repository) == {}


@pytest.mark.parametrize("role", ["releases", "clearances", "snapshot"])
def test_a_store_whose_newest_was_taken_away_clears_nobody(signed, named, role):
    clear(signed, named)
    contents.set_policy(signed.repository, signed.keys["dora"], yank={"eye-1": "a mistake"})
    clear(signed, named, drafted=False)
    version = signed.repository.newest(role).signed.version
    (signed.folder / f"tuf/metadata/{version}.{role}.json").unlink()
    with pytest.raises(RepositoryDamaged):
        clearances_of(signed.repository)


def test_a_store_with_a_root_of_its_own_is_not_believed(signed, named, tmp_path):
    strangers = a_repository(tmp_path / "strangers", HandClock())
    theirs = strangers.release("eye-1", tmp_path / "eye-1b")
    clear(strangers, theirs)
    assert set(clearances_of(strangers.repository)) == {"eye-1"}
    pinned = Repository(strangers.repository.store, strangers.clock, signed.root_bytes)
    with pytest.raises((SignedTooOld, RepositoryDamaged)):
        clearances_of(pinned)


def test_a_root_that_follows_from_the_trusted_one_is_followed(signed, named):
    clear(signed, named)
    first = signed.root_bytes
    signed.put(ceremony.renew(signed.repository, ["root"]), "anna", "ben")
    signed.stamp()
    pinned = Repository(signed.repository.store, signed.clock, first)
    assert pinned.root().signed.version == 2
    assert set(clearances_of(pinned)) == {"eye-1"}


def clear(signed, named, *, drafted=True):
    """Cleared as people do it; or, not drafted, signed by both although the command would refuse."""
    said = a_clearance(named.release_id, manifest=named.manifest)
    if drafted:
        signed.put({"clearances": contents.draft_clearance(signed.repository, said)}, "dora", "emil")
    else:
        forge(signed, said, "dora", "emil")
    signed.stamp()
    return said


def forge(signed, clearance, *names):
    target = clearance_target(clearance.release_id)
    said = signed.repository.put_content(target, canonical_json(clearance.to_json()))
    signed.force("clearances", lambda targets: targets.targets.update({target: said}), *names)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("signed")
    signed = a_repository(folder / "store", HandClock())
    named = signed.release("eye-1", folder / "eye-1")
    signed.stamp()
    return signed, named


@pytest.fixture
def signed(made, tmp_path):
    return made[0].copy(tmp_path / "store", HandClock())


@pytest.fixture
def named(made):
    return made[1]
