"""Where a release saw anaemia, over the photo it looked at; who may see it, and from when on."""

import io

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import func, select

from backend.db.engine import Database
from backend.db.tables import audit
from backend.services.draw_heat_map import legend, over_photo
from pallor.ids import new_id
from pallor.image.decode import Photo, decode
from pallor.image.spec import PreprocessSpec
from pallor.store.port import image_key
from tests.support.api import the_fault
from tests.support.explain import score
from tests.support.photos import a_photo
from tests.support.synthetic import a_good_png

HOT_RIGHT = tuple(tuple(float(column - 3) for column in range(7)) for _ in range(7))
ROUTES = ("explanation", "heat-map", "nearest-cases")


def test_the_heat_map_lies_over_the_photo_at_its_own_size_and_leaves_the_background_alone(api, scored):
    case_id, photo_id, stored = scored
    response = api.call("GET", f"/cases/{case_id}/photos/{photo_id}/heat-map", "admin")
    assert (response.status_code, response.content_type) == (200, "image/png")
    drawn = np.asarray(Image.open(io.BytesIO(response.data)))
    was = np.asarray(Image.open(io.BytesIO(api.parts.store.get(image_key(stored)))))
    assert drawn.shape == was.shape
    assert np.array_equal(drawn[..., 3], was[..., 3])
    outside = was[..., 3] == 0
    assert np.array_equal(drawn[outside], was[outside])
    ends = np.flatnonzero((~outside).any(axis=0))
    left, right = (drawn[:, at : at + 20][~outside[:, at : at + 20]][:, :3] for at in (ends[0], ends[-20]))
    assert lightness(right) > lightness(left) + 30


def test_over_a_photo_that_was_changed_in_the_store_nothing_is_drawn(api, scored):
    case_id, photo_id, stored = scored
    api.parts.store.put(image_key(stored), a_good_png(seed=7))
    response = api.call("GET", f"/cases/{case_id}/photos/{photo_id}/heat-map", "admin")
    assert (response.status_code, response.json["code"]) == (502, "stored-photo-changed")


def test_beside_it_stand_the_release_its_answer_and_a_legend(api, scored):
    case_id, photo_id, _ = scored
    told = api.get(f"/cases/{case_id}/photos/{photo_id}/explanation")
    assert (told["release_id"], told["shown"], told["probability"]) == ("toy-1", True, 0.5)
    assert told["cam"] == [list(row) for row in HOT_RIGHT]
    steps = told["legend"]["steps"]
    assert [step["value"] for step in steps] == [-3.0, -2.25, -1.5, -0.75, 0.0, 0.75, 1.5, 2.25, 3.0]
    assert (steps[0]["colour"], steps[-1]["colour"]) == ("#00224e", "#fee838")


def test_the_laboratory_sees_nothing_of_a_score_before_its_value_is_in(api, scored):
    case_id, photo_id, _ = scored
    paths = [f"/cases/{case_id}/photos/{photo_id}/{route}" for route in ROUTES]
    for path in paths:
        status, code, fault = the_fault(api.call("GET", path, "lab"))
        assert (status, code, fault["field"]) == (409, "value-not-in", "case_id")
    assert api.put_result(case_id).status_code == 201
    assert [api.call("GET", path, "lab").status_code for path in paths] == [200, 200, 200]


def test_before_its_value_the_laboratory_is_not_even_told_whether_there_is_a_score(api):
    case_id, photo_id = api.put_case(), new_id()
    api.put_photo(case_id, a_good_png(), photo_id)
    path = f"/cases/{case_id}/photos/{photo_id}/explanation"
    assert the_fault(api.call("GET", path, "lab"))[:2] == (409, "value-not-in")
    assert the_fault(api.call("GET", path, "admin"))[:2] == (404, "not-scored")


def test_an_answer_that_is_never_shown_is_for_administrators_alone(api, scored):
    case_id, photo_id, _ = scored
    api.put_result(case_id)
    score(api, photo_id, release_id="toy-2", probability=0.9)
    path = f"/cases/{case_id}/photos/{photo_id}/explanation?release_id=toy-2"
    told = api.get(path)
    assert (told["release_id"], told["shown"], told["probability"]) == ("toy-2", False, 0.9)
    assert the_fault(api.call("GET", path, "lab"))[:2] == (404, "not-scored")


def test_the_field_sees_neither_map_nor_probability(api, scored):
    case_id, photo_id, _ = scored
    for route in ROUTES:
        refused = the_fault(api.call("GET", f"/cases/{case_id}/photos/{photo_id}/{route}", "field"))
        assert refused[:2] == (403, "role-not-allowed")


def test_of_somebody_who_withdrew_nothing_is_worked_out_any_more(api, scored):
    case_id, photo_id, _ = scored
    said = {"purpose": "care", "given": False, "at": "2026-11-01T12:45:00Z", "wording": "withdraw-en-1"}
    assert api.call("PUT", f"/cases/{case_id}/consents/{new_id()}", json=said).status_code == 201
    for route in ROUTES:
        refused = the_fault(api.call("GET", f"/cases/{case_id}/photos/{photo_id}/{route}", "admin"))
        assert refused[:2] == (409, "consent-withdrawn")


def test_a_photo_of_another_case_is_404_and_reading_leaves_no_trace_on_the_trail(api, scored):
    case_id, photo_id, _ = scored
    before = rows_of_the_trail(api)
    for route in ROUTES:
        assert api.call("GET", f"/cases/{case_id}/photos/{photo_id}/{route}", "admin").status_code == 200
    assert rows_of_the_trail(api) == before
    other = api.put_case(subject_code="A-018")
    path = f"/cases/{other}/photos/{photo_id}/heat-map"
    assert the_fault(api.call("GET", path, "admin"))[:2] == (404, "not-found")


def test_the_lighter_the_hotter_also_where_no_colour_is_seen():
    photo = Photo(np.full((70, 70, 3), (190, 120, 110), np.uint8), np.ones((70, 70), bool))
    drawn = over_photo(PreprocessSpec(size=70, margin=0.0), photo, np.array(HOT_RIGHT), 3.0).rgb
    row = [lightness(drawn[35, at : at + 1]) for at in range(5, 66) if tuple(drawn[35, at]) != (255, 255, 255)]
    assert np.all(np.diff(row) >= 0)
    assert np.ptp(row) > 40
    colours = [lightness(np.array([list(bytes.fromhex(colour[1:]))])) for _, colour in legend(1.0)]
    assert np.all(np.diff(colours) > 8)


def test_a_line_runs_where_the_map_is_zero_and_a_flat_map_is_all_middle():
    photo = a_photo(whole=True)
    drawn = over_photo(PreprocessSpec(), photo, np.array(HOT_RIGHT), 3.0).rgb
    lines = (drawn == 255).all(axis=2)
    assert np.flatnonzero(lines.any(axis=0)) == pytest.approx([111.5], abs=1)
    assert lines.sum() == 96
    flat = over_photo(PreprocessSpec(), photo, np.zeros((7, 7)), 1.0).rgb.astype(int)
    assert abs(flat - (0.35 * photo.rgb + 0.65 * np.array([125, 124, 120]))).max() <= 1.5


@pytest.fixture
def database(sqlite_url):
    """One dialect is enough: what is asked of the database here is the same on both, to the letter."""
    database = Database(sqlite_url)
    yield database
    database.close()


@pytest.fixture
def scored(api):
    """A case of the own site with a scored photo, no value yet: case, photo, digest of what is stored."""
    case_id, photo_id = api.put_case(), new_id()
    sent = api.put_photo(case_id, a_good_png(), photo_id)
    assert sent.status_code == 201, sent.text
    score(api, photo_id, cam=HOT_RIGHT)
    stored = sent.json["stored_sha256"]
    assert decode(api.parts.store.get(image_key(stored))).mask.any()
    return case_id, photo_id, stored


def lightness(rgb):
    """0..100, mean of CIELAB's L* of some sRGB colours."""
    linear = np.where(rgb <= 10.31475, rgb / 255 / 12.92, ((rgb / 255 + 0.055) / 1.055) ** 2.4)
    luminance = linear @ np.array([0.2126, 0.7152, 0.0722])
    return float(np.mean(np.where(luminance > 0.008856, 116 * np.cbrt(luminance) - 16, 903.3 * luminance)))


def rows_of_the_trail(api):
    with api.parts.database.read() as connection:
        return connection.execute(select(func.count()).select_from(audit)).scalar_one()
