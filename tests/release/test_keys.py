"""Keys are files that a passphrase locks, or stay in AWS KMS; nothing is written over and nothing secret handed on."""

import hashlib
import json

import pytest
from moto import mock_aws

from pallor.release.repository.keys import (
    KeyNameUnfit,
    KeyThere,
    KeyUnreadable,
    KmsAway,
    PassphraseShort,
    PassphraseWrong,
    kms_key,
    name_of,
    new_key,
    open_key,
    read_public,
)

WORDS = "correct horse battery"


def test_a_key_signs_for_whoever_knows_its_passphrase(tmp_path):
    public = new_key(tmp_path, "anna", WORDS)
    signer = open_key(tmp_path / "anna.key", lambda: WORDS)
    public.verify_signature(signer.sign(b"a release"), b"a release")
    assert signer.public_key == read_public(tmp_path / "anna.pub") == read_public(tmp_path / "anna.key")
    assert name_of(public) == "anna"
    with pytest.raises(PassphraseWrong):
        open_key(tmp_path / "anna.key", lambda: "another")


def test_what_is_handed_on_holds_nothing_secret_and_the_key_is_for_its_owner_alone(tmp_path):
    new_key(tmp_path, "anna", WORDS)
    assert set(json.loads((tmp_path / "anna.pub").read_text())) == {"name", "public"}
    assert "ENCRYPTED" in (tmp_path / "anna.key").read_text()
    assert (tmp_path / "anna.key").stat().st_mode & 0o777 == 0o600
    with pytest.raises(KeyUnreadable, match="public half"):
        open_key(tmp_path / "anna.pub", lambda: WORDS)


def test_a_key_is_never_written_over(tmp_path):
    new_key(tmp_path, "anna", WORDS)
    before = (tmp_path / "anna.key").read_bytes()
    with pytest.raises(KeyThere):
        new_key(tmp_path, "anna", WORDS)
    assert (tmp_path / "anna.key").read_bytes() == before


@pytest.mark.parametrize(
    ("name", "words", "why"), [("../anna", WORDS, KeyNameUnfit), ("anna", "short", PassphraseShort)]
)
def test_a_key_that_would_not_be_safe_is_not_made(tmp_path, name, words, why):
    with pytest.raises(why):
        new_key(tmp_path, name, words)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", [None, "", "[]", "{}", '{"public": {}}', '{"public": {"keytype": 1}}'])
def test_a_file_that_holds_no_key_is_told(tmp_path, text):
    if text is not None:
        (tmp_path / "x.pub").write_text(text)
    with pytest.raises(KeyUnreadable):
        read_public(tmp_path / "x.pub")


def test_two_keys_cannot_pass_for_one(tmp_path):
    new_key(tmp_path, "anna", WORDS)
    new_key(tmp_path, "ben", WORDS)
    said = json.loads((tmp_path / "ben.pub").read_text()) | {"keyid": read_public(tmp_path / "anna.pub").keyid}
    (tmp_path / "ben.pub").write_text(json.dumps(said))
    assert read_public(tmp_path / "ben.pub").keyid != read_public(tmp_path / "anna.pub").keyid


@pytest.mark.usefixtures("aws")
def test_a_key_of_aws_kms_signs_by_its_uri_and_needs_no_passphrase(tmp_path):
    import boto3

    with mock_aws():
        made = boto3.client("kms").create_key(KeyUsage="SIGN_VERIFY", KeySpec="ECC_NIST_P256")
        public = kms_key(tmp_path, "server-channels", made["KeyMetadata"]["KeyId"])
        signer = open_key(tmp_path / "server-channels.key", pytest.fail)
        # Amazon signs the digest that it is sent; moto takes it for the message ("DIGEST is not yet implemented").
        public.verify_signature(signer.sign(b"a channel"), hashlib.sha256(b"a channel").digest())
        assert "private" not in json.loads((tmp_path / "server-channels.key").read_text())
        with pytest.raises(KmsAway):
            kms_key(tmp_path, "other", "no-such-key")
