"""The phone's app and the laboratory's pages as they were built: read once, at the start; nothing else is served."""

import gzip
from dataclasses import dataclass, field
from pathlib import Path

from flask import Flask, Response, request

from pallor.digest import sha256_of

BUILT = Path(__file__).parents[1] / "web" / "dist"
_PAGE = "index.html"
_AT = {
    _PAGE: ("/", "/enrol"),  # the second is where an enrolment link leads; the app reads the code behind its `#`
    "laboratory.html": ("/laboratory",),
}
_NAMED_BY_CONTENT = ("assets/", "laboratory/")
_WORKER = "sw.js"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".wasm": "application/wasm",
    ".woff2": "font/woff2",
}
_SMALL_ALREADY = (".png", ".woff2")
_PACKED = {".br": "br", ".gz": "gzip"}
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self' 'wasm-unsafe-eval'",  # Argon2id and barcodes are WebAssembly; text is never run as script
        "style-src 'self'",
        "connect-src 'self'",
        "worker-src 'self'",
        "manifest-src 'self'",
        "img-src 'self' blob:",
        "media-src 'self' blob:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(self), geolocation=(), microphone=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Vary": "Accept-Encoding",
}


@dataclass(frozen=True)
class Built:
    """One file of the app. ``packed``: the same, by the encoding that a browser may ask for, the best first."""

    name: str
    data: bytes = field(repr=False)
    packed: dict[str, bytes] = field(repr=False)

    @property
    def etag(self) -> str:
        return sha256_of(self.data).removeprefix("sha256:")[:32]


def serve_web(app: Flask, folder: Path) -> bool:
    """Let ``app`` serve what was built in ``folder``; False when nothing was."""
    files = _read(folder)
    if _PAGE not in files:
        return False
    by_path = {path: built for name, built in files.items() for path in _AT.get(name, (f"/{name}",))}

    def view() -> Response:
        return _answer(by_path[request.path])

    for path in by_path:
        app.add_url_rule(path, "web", view)
    return True


def _answer(built: Built) -> Response:
    encoding = next((name for name in built.packed if request.accept_encodings[name] > 0), None)
    data = built.packed[encoding] if encoding else built.data
    response = Response(data, content_type=_TYPES[Path(built.name).suffix])
    response.headers.update(_HEADERS)
    if encoding:
        response.headers["Content-Encoding"] = encoding
    if built.name.startswith(_NAMED_BY_CONTENT):
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    else:  # an old shell must learn of a new one
        response.headers["Cache-Control"] = "no-cache"
    if built.name == _WORKER:
        response.headers["Service-Worker-Allowed"] = "/"
    response.set_etag(built.etag, weak=True)
    response.make_conditional(request)
    return response


def _read(folder: Path) -> dict[str, Built]:
    found = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.suffix in _TYPES}
    return {name: Built(name, path.read_bytes(), _packed(path)) for name, path in found.items()}


def _packed(path: Path) -> dict[str, bytes]:
    """What the build has packed, and gzip in any case, where that makes it smaller."""
    beside = {encoding: path.with_name(path.name + suffix) for suffix, encoding in _PACKED.items()}
    packed = {encoding: file.read_bytes() for encoding, file in beside.items() if file.is_file()}
    if path.suffix not in _SMALL_ALREADY:
        packed.setdefault("gzip", gzip.compress(path.read_bytes(), 9, mtime=0))
    return packed
