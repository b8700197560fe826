"""Does a release reach every node, over bad lines, and what does it cost?

    python -m benchmarks.fleet [--nodes 5000] [--loss 0 0.05 0.2] [--model-bytes N] [--out FILE]

Thousands of agents in one process, each with its own folders and journal, against a signed repository over HTTP on
this machine. Their time is simulated: they look every 30 minutes with jitter and back-off, as ``pallor-sync watch``
does. ``--loss``: so many of the requests get no answer, and as many bodies of files break off; one round in 50 ends in
a power cut. Bytes are counted where the server reads and writes them, with headers; TLS and TCP come on top. What a
worker says of a release is a stand-in: no engine runs here. The last line is one JSON object; over several losses its
shares are the least and its seconds the most.
"""

import argparse
import heapq
import math
import os
import random
import shutil
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks.report import finish, progress, silent
from benchmarks.signed import Signed, a_signed_repository
from pallor.digest import sha256_of
from pallor.release.shelf import CURRENT, Shelf
from sync.agent import Agent, Machine
from sync.fetch import Body, Line
from sync.identity import Identity
from sync.probe import Probed
from sync.rhythm import pause_after

SEED = 20_261_127
POLL = timedelta(minutes=30)
POWER_CUTS = 0.02
_FACTS: dict[str, Any] = {
    "flavour": "onnxruntime-cpu", "version": "0", "precision": "int8", "model_digest": sha256_of(b""),
    "fallback": None, "max_difference": 0.0, "golden": [],
}  # fmt: skip
_SMALL_MODEL = 16 * 1024  # thousands of real ones would measure this machine's disk


class PowerCut(BaseException):
    """The machine goes dark in the middle of a round."""


@dataclass
class Lossy:
    """What the server does to its callers, and what passed through it."""

    folder: Path
    loss: float = 0.0
    chance: random.Random = field(default_factory=lambda: random.Random(SEED))
    bytes: int = 0
    requests: int = 0


class Simulated:
    """The simulated time, for all of them."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at


class Cuttable(Line):
    """A line on which the power may go at any piece."""

    cut = False

    @contextmanager
    def open(self, place: str, start: int = 0) -> Iterator[Body]:
        with super().open(place, start) as body:
            yield Body(body.start, self._until_dark(body.pieces))

    def _until_dark(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            if self.cut:
                raise PowerCut
            yield piece


def main(arguments: Sequence[str] | None = None) -> None:
    """Run and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=5000)
    parser.add_argument("--loss", type=float, nargs="+", default=[0.05], help="each 0 to 0.9")
    parser.add_argument("--model-bytes", type=int, default=2_700_000, help="of the model in the update that is weighed")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(arguments)
    memory = Path("/dev/shm")  # noqa: S108  a simulated disk has nothing to lose
    with silent(), tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        weighed = weigh(Path(folder) / "weighed", options.model_bytes)
        by_loss = {}
        for loss in options.loss:
            by_loss[f"{loss:g}"] = spread(Path(folder) / "spread", options.nodes, loss)
            shutil.rmtree(Path(folder) / "spread")
    worst = {
        "arrived_share": min(one["arrived_share"] for one in by_loss.values()),
        "seconds_to_99": max(
            (one["seconds_to_99"] for one in by_loss.values()), key=lambda seconds: seconds or math.inf
        ),
    }
    finish("fleet", {"nodes": options.nodes, **weighed, **worst, "by_loss": by_loss}, options.out)


def weigh(folder: Path, model_bytes: int) -> dict[str, Any]:
    """What one node costs on a line without loss: a look at which nothing is new, and an update."""
    clock = Simulated(datetime.fromisoformat("2026-11-01T12:00:00+00:00"))
    signed = a_signed_repository(folder / "store", clock)
    signed.roll_out("eye-1", folder / "eye-1", model=random.Random(1).randbytes(model_bytes))
    with _served(signed.folder / "tuf") as (url, lossy):
        node = _node(folder / "node", signed, clock, "node-0")
        _round(node, Cuttable(url))
        lossy.bytes = lossy.requests = 0
        _round(node, Cuttable(url))
        idle, requests = lossy.bytes, lossy.requests
        signed.roll_out("eye-2", folder / "eye-2", model=random.Random(2).randbytes(model_bytes), previous="eye-1")
        lossy.bytes = 0
        _round(node, Cuttable(url))
        update = lossy.bytes
    assert node.shelf.named(CURRENT) == "eye-2"
    looks = timedelta(days=1) / POLL
    return {
        "idle_poll_bytes": idle,
        "update_bytes": update,
        "model_bytes": model_bytes,
        "update_overhead_bytes": update - model_bytes,
        "requests_per_node_day": looks * (requests + 1),  # and a report to the server after each look
    }


def spread(folder: Path, count: int, loss: float) -> dict[str, Any]:
    """How long it takes until a release has reached every node."""
    chance, clock = random.Random(SEED), Simulated(datetime.fromisoformat("2026-11-01T12:00:00+00:00"))
    signed = a_signed_repository(folder / "store", clock)
    signed.roll_out("eye-1", folder / "eye-1", model=bytes(_SMALL_MODEL))
    with _served(signed.folder / "tuf") as (url, lossy):
        nodes = _fleet(folder, signed, clock, url, count)
        began = clock.at
        signed.roll_out("eye-2", folder / "eye-2", model=random.Random(2).randbytes(_SMALL_MODEL), previous="eye-1")
        lossy.loss, lossy.bytes, lossy.requests = loss, 0, 0
        arrivals, rounds = _until_all_have_it(nodes, clock, url, chance)
    seconds = sorted((at - began).total_seconds() for at in arrivals)
    enough = -(-99 * count // 100)
    return {
        "arrived_share": len(seconds) / count,
        "seconds_to_99": seconds[enough - 1] if len(seconds) >= enough else None,
        "seconds_to_all": seconds[-1] if len(seconds) == count else None,
        "rounds_per_node": rounds / count,
    }


def _until_all_have_it(
    nodes: list[Machine], clock: Simulated, url: str, chance: random.Random
) -> tuple[list[datetime], int]:
    """Let each look when its time has come, for a week at most; when each had it, and how often they looked."""
    end = clock.at + timedelta(days=7)
    due = [(clock.at + POLL * chance.random(), number, 0) for number in range(len(nodes))]
    heapq.heapify(due)
    arrivals: list[datetime] = []
    rounds = 0
    with progress() as bar:
        task = bar.add_task(f"{len(nodes)} nodes", total=len(nodes))
        while due and due[0][0] < end:
            clock.at, number, failures = heapq.heappop(due)
            rounds += 1
            line = Cuttable(url, rest=_no_rest)
            line.cut = chance.random() < POWER_CUTS
            well = _round(nodes[number], line)
            if nodes[number].shelf.named(CURRENT) == "eye-2":
                arrivals.append(clock.at)
                bar.advance(task)
                continue
            failures = 0 if well else failures + 1
            heapq.heappush(due, (clock.at + pause_after(POLL, failures, chance.random()), number, failures))
    return arrivals, rounds


def _round(machine: Machine, line: Line) -> bool:
    """One round of an agent that has just started; True when nothing went wrong."""
    try:
        before = (machine.state / "journal.json").read_bytes() if (machine.state / "journal.json").exists() else b""
        journal = Agent(machine, line, None).once()
        return not journal.errors or journal.errors[-1].encode() in before
    except PowerCut:
        return False
    finally:
        line.close()


def _fleet(folder: Path, signed: Signed, clock: Simulated, url: str, count: int) -> list[Machine]:
    """Nodes that run the first release for long; each folder is a copy of the first one's."""
    first = _node(folder / "node-0", signed, clock, "node-0")
    _round(first, Line(url))
    assert first.shelf.named(CURRENT) == "eye-1"
    nodes = [first]
    for number in range(1, count):
        copy = folder / f"node-{number}"
        shutil.copytree(folder / "node-0", copy, symlinks=True, copy_function=os.link)
        nodes.append(_node(copy, signed, clock, f"node-{number}"))
    return nodes


def _node(folder: Path, signed: Signed, clock: Simulated, name: str) -> Machine:
    key = Ed25519PrivateKey.generate()
    identity = Identity("", name, ("site-1",), "real", sha256_of(signed.root_bytes), "", "")
    (folder / "state").mkdir(parents=True, exist_ok=True)
    shelf = Shelf(folder / "shelf")
    return Machine(identity, key, folder / "state", shelf, signed.root_bytes, "main", clock, _probe)


def _no_rest(_seconds: float) -> None:
    """A few simulated seconds, against minutes between looks."""


def _probe(folder: Path) -> Probed:  # noqa: ARG001  there is no engine
    return Probed(("cpu",), _FACTS)


@contextmanager
def _served(folder: Path) -> Iterator[tuple[str, Lossy]]:
    """A bucket's files over HTTP, on a line as bad as it is told to be."""
    lossy = Lossy(folder)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def do_GET(self) -> None:
            lossy.requests += 1
            lossy.bytes += len(self.requestline) + 2 + len(str(self.headers).encode()) + len(self.headers) + 2
            if lossy.chance.random() < lossy.loss:
                self.close_connection = True
                return
            path = lossy.folder / self.path.lstrip("/")
            if not path.is_file():
                self._answer(404, b"", {})
                return
            data = path.read_bytes()
            asked = self.headers.get("Range")
            start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
            told = {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"} if start else {}
            broken = "/files/" in self.path and lossy.chance.random() < lossy.loss
            self._answer(206 if start else 200, data[start:], told, broken=broken)

        def _answer(self, status: int, body: bytes, headers: dict[str, str], *, broken: bool = False) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            lossy.bytes += len(b"".join(self._headers_buffer)) + 2  # type: ignore[attr-defined]
            self.end_headers()
            if broken:
                body, self.close_connection = body[: len(body) // 2], True
            lossy.bytes += len(body)
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", lossy
    server.shutdown()
    server.server_close()
    thread.join()


if __name__ == "__main__":
    main()
