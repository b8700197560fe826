"""A whole machine forgets a person: nothing of them is left in any of its files, in Valkey or in a log."""

import base64
import io
import json
import socket
from pathlib import Path

import pytest
from PIL import Image

from pallor.clock import SystemClock
from pallor.ids import new_id
from pallor.store import open_store
from tests.support.stack import Stack, a_case, a_stack, drawn_photos, wait_until

pytestmark = pytest.mark.slow

CODE, METHOD, REASON, EXIF = "ZQX-7701", "MARK-Hemocue-7702", "MARK reason 7703", "MARK exif 7704"
HB, TWIN = "97.31", "TWIN-88"
_SLICE = 32


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("e")


@pytest.fixture(scope="module")
def forgotten(folder):
    """A machine that has scored, labelled and erased a person; the photo as it was stored and as it was sent."""
    with a_stack(folder) as stack:
        lone, shared = drawn_photos(2, seed=31)
        sent = [_with_exif(lone), _with_exif(shared)]
        case_ids = [_visit(stack, CODE, photo) for photo in sent]
        twin = _visit(stack, TWIN, shared)
        store = open_store(stack.box.folder.store_url)
        stored = [store.get(key) for key in _keys_of(stack, case_ids[0])]
        wait_until(lambda: len(list(store.keys("labels/"))) >= 3, "labels in the store")
        marks = _marks(sent[0], stored[0])
        before = _found(marks, _haystack(stack, folder))
        assert {CODE, METHOD, REASON, HB, "stored photo"} <= before  # else the search itself finds nothing
        said = {"site": a_case()["site"], "subject_code": CODE, "reason": "request"}
        erasure = stack.admin.put(f"/erasures/{new_id()}", said)
        wait_until(lambda: _erasure(stack, erasure["erasure_id"])["done_at"] is not None, "the end of the erasure")
        yield stack, case_ids, twin, marks


def test_nothing_of_the_person_is_left_in_any_file_or_in_valkey(forgotten, folder):
    stack, _, _, marks = forgotten
    assert _found(marks, _haystack(stack, folder)) == set()


def test_the_trail_still_verifies(forgotten):
    assert "none changed, missing or put in by hand" in forgotten[0].box.backend("audit-verify")


def test_the_twin_keeps_the_photo_that_both_had(forgotten):
    stack, _, twin, _ = forgotten
    (key,) = _keys_of(stack, twin)
    assert open_store(stack.box.folder.store_url).has(key)
    case = stack.phone.get(f"/cases/{twin}")
    assert (case["subject_code"], case["photos"][0]["state"], case["warnings"]) == (TWIN, "scored", [])


def test_phones_hear_of_it(forgotten):
    stack, case_ids, _, _ = forgotten
    erased = {item["case_id"] for item in stack.phone.get("/changes", limit="200")["items"] if item["kind"] == "erased"}
    assert erased == set(case_ids)


def _visit(stack: Stack, code: str, photo: bytes) -> str:
    """A visit with a scored photo, an amendment and a haemoglobin."""
    case_id, photo_id, now = new_id(), new_id(), SystemClock().now()
    mine = code == CODE
    stack.phone.put(f"/cases/{case_id}", a_case() | {"subject_code": code})
    stack.phone.put_photo(case_id, photo_id, photo, "image/png", now)
    photo_path = f"/cases/{case_id}/photos/{photo_id}"
    wait_until(lambda: stack.phone.get(photo_path)["state"] == "scored", "an answer")
    change = {"changes": {"sore_eye": True}, "reason": REASON if mine else "looked again"}
    stack.phone.put(f"/cases/{case_id}/amendments/{new_id()}", change)
    result = {"case_id": case_id, "hb": {"value": HB if mine else "120", "unit": "g/L"}}
    result |= {"taken_at": "2026-11-01T12:30:00Z", "method": METHOD if mine else "other"}
    stack.laboratory.put(f"/lab-results/{new_id()}", result)
    return case_id


def _with_exif(photo: bytes) -> bytes:
    """The same picture in a file that carries words beside it."""
    exif, out = Image.Exif(), io.BytesIO()
    exif[0x010E] = EXIF
    Image.open(io.BytesIO(photo)).save(out, "PNG", exif=exif, compress_level=1)
    return out.getvalue()


def _keys_of(stack: Stack, case_id: str) -> list[str]:
    digests = [
        photo["stored_sha256"].removeprefix("sha256:") for photo in stack.phone.get(f"/cases/{case_id}")["photos"]
    ]
    return [f"images/{digest[:2]}/{digest}.png" for digest in digests]


def _erasure(stack: Stack, erasure_id: str) -> dict:
    (found,) = [item for item in stack.admin.pages("/erasures") if item["erasure_id"] == erasure_id]
    return found


def _marks(sent: bytes, stored: bytes) -> dict[str, list[bytes]]:
    """What must not be found, by name: words in every spelling they could lie in, pictures slice by slice."""
    words = {mark: _spellings(mark) for mark in (CODE, METHOD, REASON, HB, EXIF)}
    return words | {"stored photo": _slices(stored), "sent photo": _slices(sent)}


def _spellings(mark: str) -> list[bytes]:
    raw = mark.encode()
    escaped = "".join(f"\\u{ord(letter):04x}" for letter in mark).encode()
    wide = [mark.encode(f"utf-16-{order}") for order in ("le", "be")]
    return [raw, *wide, raw.hex().encode(), raw.hex().upper().encode(), json.dumps(mark).encode()[1:-1], escaped,
            *(_base64_of(raw) if len(raw) > 7 else [])]  # fmt: skip


def _base64_of(raw: bytes) -> list[bytes]:
    """As it looks inside base64, wherever in a longer text it begins."""
    found = []
    for shift in range(3):
        text = base64.b64encode(b"\0" * shift + raw)
        found.append(text[(0, 2, 3)[shift] : -4 if (len(raw) + shift) % 3 else None])
    return found


def _slices(data: bytes) -> list[bytes]:
    """32 bytes here and there of the compressed picture, close enough that no page of a database falls between."""
    begin = data.index(b"IDAT") + 8
    found = {data[at : at + _SLICE] for at in range(begin, len(data) - 64, 512)}
    return [piece for piece in found if len(set(piece)) > 12]  # a flat part of one picture lies in any other, too


def _haystack(stack: Stack, folder: Path) -> dict[str, bytes]:
    """Every file of the machine, and all that its Valkey holds."""
    files = {str(file): file.read_bytes() for file in folder.rglob("*") if file.is_file() and not file.is_symlink()}
    return files | {"valkey": _valkey(stack)}


def _found(marks: dict[str, list[bytes]], haystack: dict[str, bytes]) -> set[str]:
    return {name for name, pieces in marks.items() for data in haystack.values() if any(p in data for p in pieces)}


def _valkey(stack: Stack) -> bytes:
    """Every key of the machine's Valkey with what is under it, as the server serializes it."""
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(stack.box.broker)
        wire = line.makefile("rwb")

        def ask(*words: bytes):
            wire.write(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words))
            wire.flush()
            return _reply(wire)

        ask(b"CONFIG", b"SET", b"rdbcompression", b"no")  # which DUMP follows, too
        return b"\n".join(key + b"=" + (ask(b"DUMP", key) or b"") for key in ask(b"KEYS", b"*"))


def _reply(wire):
    kind, rest = (line := wire.readline())[:1], line[1:-2]
    if kind == b"$":
        return None if rest == b"-1" else wire.read(int(rest) + 2)[:-2]
    if kind == b"*":
        return [_reply(wire) for _ in range(int(rest))]
    return rest
