"""The code, the link and the fingerprint, as people hand them on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pallor.enrolment import (
    CODE_LENGTH,
    CODE_LETTERS,
    FingerprintUnreadable,
    Link,
    fingerprint_of,
    read_code,
    read_fingerprint,
    shown_code,
    shown_fingerprint,
    signed_bytes,
)
from pallor.errors import Refused

CODES = st.text(CODE_LETTERS, min_size=CODE_LENGTH, max_size=CODE_LENGTH)
ROOTS = st.none() | st.binary().map(fingerprint_of)


@given(CODES, ROOTS, st.sampled_from(["https://pallor.example.org", "http://127.0.0.1:8080", "https://[::1]/clinic"]))
def test_a_link_is_read_back_as_it_was_made(code, root, address):
    link = Link(address, code, root)
    assert Link.read(str(link)) == link
    assert code not in repr(link)


@given(CODES)
def test_a_code_is_understood_however_it_is_typed(code):
    assert read_code(shown_code(code).lower()) == code
    assert read_code(code.replace("0", "o").replace("1", "l")) == code


@given(st.text())
def test_what_is_typed_for_a_code_is_never_repeated(typed):
    assert repeated(read_code, typed) in (None, "(hidden)")


@given(st.text() | st.builds("https://{}/enrol#{}".format, st.text(), st.text()))
def test_what_is_typed_for_a_link_is_never_repeated(typed):
    assert repeated(Link.read, typed) in (None, "(hidden)")


@given(st.binary())
def test_a_fingerprint_is_understood_as_it_was_shown(key):
    fingerprint = fingerprint_of(key)
    assert read_fingerprint(shown_fingerprint(fingerprint).upper()) == fingerprint
    assert read_fingerprint(fingerprint) == fingerprint


@pytest.mark.parametrize("typed", ["", "ab" * 31, "ab" * 33, "xy" * 32, "sha256:" * 2 + "ab" * 32])
def test_half_a_fingerprint_is_none(typed):
    with pytest.raises(FingerprintUnreadable):
        read_fingerprint(typed)


def test_what_is_signed_holds_code_and_key():
    one = signed_bytes("0123456789", b"k" * 32)
    assert one != signed_bytes("0123456788", b"k" * 32) != signed_bytes("0123456788", b"j" * 32)


def repeated(read, typed) -> str | None:
    """What a refusal shows of what was typed; None when it was understood."""
    try:
        read(typed)
    except Refused as refused:
        return refused.value
    return None
