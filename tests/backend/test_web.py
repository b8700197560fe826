"""The phone's app is served from its own origin, strictly, and a repeat visit costs next to nothing."""

import gzip
from dataclasses import replace

import pytest

from backend.app import create_app

_SCRIPT = b"console.log('a phone');" * 50


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder as Vite leaves one."""
    folder = tmp_path_factory.mktemp("built") / "dist"
    for name, data in {
        "index.html": b"<!doctype html><script type=module src=/assets/index-1a2b.js></script>",
        "laboratory.html": b"<!doctype html><script type=module src=/laboratory/main-3c4d.js></script>",
        "laboratory/main-3c4d.js": _SCRIPT,
        "sw.js": b"self.skipWaiting",
        "manifest.webmanifest": b"{}",
        "icon.png": b"\x89PNG",
        "assets/index-1a2b.js": _SCRIPT,
        "assets/index-1a2b.js.br": b"as brotli",
        "assets/index-1a2b.js.map": b"{}",
        "assets/argon-3c.wasm": b"\0asm",
        ".env": b"SECRET=1",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    (folder.parent / "secret.js").write_text("secret")
    return folder


@pytest.fixture
def web(database, standing, folder):
    """Asks for a path as a browser does."""
    client = standing(database, web_folder=folder).anew().app.test_client()
    return lambda path, **headers: client.get(path, headers={k.replace("_", "-"): v for k, v in headers.items()})


@pytest.mark.parametrize("path", ["/", "/enrol"])
def test_the_app_answers_where_a_person_and_an_enrolment_link_arrive(web, path):
    response = web(path)
    assert (response.status_code, response.content_type) == (200, "text/html; charset=utf-8")
    assert b"index-1a2b.js" in response.data


def test_the_laboratorys_pages_have_an_address_of_their_own_and_the_same_policy(web):
    response = web("/laboratory")
    assert (response.status_code, response.content_type) == (200, "text/html; charset=utf-8")
    assert response.headers["Content-Security-Policy"] == web("/").headers["Content-Security-Policy"]
    assert "immutable" in web("/laboratory/main-3c4d.js").headers["Cache-Control"]
    assert web("/laboratory.html").status_code == 404


def test_no_script_or_style_but_its_own_may_run_and_no_other_origin_is_asked(web):
    policy = dict(part.split(" ", 1) for part in web("/").headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self' 'wasm-unsafe-eval'"
    assert policy["style-src"] == policy["connect-src"] == policy["worker-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert not [word for word in " ".join(policy.values()).split() if "unsafe-inline" in word or "http" in word]
    assert "camera=(self)" in web("/").headers["Permissions-Policy"]


def test_what_is_named_by_its_content_is_kept_for_ever_and_the_shell_is_asked_for_again(web):
    assert "immutable" in web("/assets/index-1a2b.js").headers["Cache-Control"]
    for path in ("/", "/enrol", "/sw.js", "/manifest.webmanifest"):
        assert web(path).headers["Cache-Control"] == "no-cache"
    assert web("/sw.js").headers["Service-Worker-Allowed"] == "/"
    again = web("/", If_None_Match=web("/").headers["ETag"])
    assert (again.status_code, again.data) == (304, b"")


def test_it_goes_out_packed_as_well_as_the_browser_can_unpack_it(web):
    best = web("/assets/index-1a2b.js", Accept_Encoding="gzip, deflate, br")
    assert (best.headers["Content-Encoding"], best.data) == ("br", b"as brotli")
    good = web("/assets/index-1a2b.js", Accept_Encoding="gzip, br;q=0")
    assert good.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(good.data) == _SCRIPT
    assert len(good.data) < len(_SCRIPT) / 10
    plain = web("/assets/index-1a2b.js")
    assert ("Content-Encoding" in plain.headers, plain.data) == (False, _SCRIPT)
    assert plain.headers["Vary"] == "Accept-Encoding"


@pytest.mark.parametrize(
    ("path", "media_type"),
    [("/manifest.webmanifest", "application/manifest+json"), ("/assets/argon-3c.wasm", "application/wasm"),
     ("/icon.png", "image/png")],
)  # fmt: skip
def test_each_file_says_what_it_is(web, path, media_type):
    response = web(path)
    assert (response.status_code, response.content_type) == (200, media_type)
    assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "path",
    ["/.env", "/assets/index-1a2b.js.map", "/assets/../../secret.js", "/assets/%2e%2e/%2e%2e/secret.js", "/x.js"],
)
def test_nothing_else_is_served(web, path):
    response = web(path)
    assert (response.status_code, response.content_type) == (404, "application/problem+json")


def test_what_is_no_file_of_the_app_is_still_the_apis_to_answer(web):
    assert web("/api/v1/cases").status_code == 401
    assert web("/api/v1/cases").headers["Cache-Control"] == "no-store"
    assert web("/api/v1/nothing").content_type == "application/problem+json"


def test_where_nothing_was_built_the_pages_say_how(api, tmp_path):
    settings = replace(api.parts.settings, web_folder=tmp_path)
    client = create_app(replace(api.parts, settings=settings)).test_client()
    assert "make web" in client.get("/").text
    assert "not built" in client.get("/enrol").text
