"""What a worker reads from the environment, once, at its door."""

import os
from dataclasses import dataclass
from pathlib import Path

from pallor.settings import host_and_port, number, one_of, path, queue_url, setting, text, url, whole
from worker.engines.machine import ENGINES

_WHAT_COMPUTES = "What computes; auto: a GPU where one can, else the CPU, with a warning; cpu: the CPU, without one"
_WHERE_PLANS = "Where plans for this machine's GPU are kept once they are built"
_ITS_THREADS = "Threads of one process that infer on the CPU"


def usual_plans() -> Path:
    """The user's own folder for what can be made again."""
    caches = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # unlike Path.home it never raises
    return Path(caches) / "pallor" / "plans"


@dataclass(frozen=True, kw_only=True)
class EngineSettings:
    """What ``describe`` and ``score`` need, read as ``serve`` reads it: what they say holds for what serves."""

    shelf: Path | None = setting(
        "PALLOR_SHELF",
        path,
        "The shelf whose `current` is asked; none: the release that comes with Pallor",
        default=None,
    )
    engine: str = setting("PALLOR_ENGINE", one_of(*ENGINES), _WHAT_COMPUTES, default="auto")
    plans: Path = setting("PALLOR_PLANS", path, _WHERE_PLANS, default=usual_plans())
    engine_threads: int = setting("PALLOR_ENGINE_THREADS", whole(1, 256), _ITS_THREADS, default=1)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What ``pallor-worker serve`` needs. A worker knows no database."""

    broker_url: str = setting(
        "PALLOR_BROKER_URL",
        queue_url,
        "Valkey or Redis, such as redis://127.0.0.1:6379/0",
        secret=True,
    )
    store_url: str = setting(
        "PALLOR_STORE_URL", url("file", "s3"), "The object store: file:///var/lib/pallor/store or s3://bucket/prefix"
    )
    s3_endpoint: str | None = setting(
        "PALLOR_S3_ENDPOINT", url("http", "https"), "The address of an S3 server that is not Amazon's", default=None
    )
    shelf: Path = setting("PALLOR_SHELF", path, "The release shelf: the folder whose `current` names what serves")
    worker_processes: int | None = setting(
        "PALLOR_WORKER_PROCESSES",
        whole(1, 64),
        "Processes that serve; none: one a core, four at the most, and one where a GPU serves",
        default=None,
    )
    engine: str = setting("PALLOR_ENGINE", one_of(*ENGINES), _WHAT_COMPUTES, default="auto")
    plans: Path = setting("PALLOR_PLANS", path, _WHERE_PLANS, default=usual_plans())
    engine_threads: int = setting("PALLOR_ENGINE_THREADS", whole(1, 256), _ITS_THREADS, default=1)
    decoder_threads: int = setting(
        "PALLOR_DECODER_THREADS",
        whole(1, 64),
        "Threads of one process that fetch photos, and decode them where a GPU infers",
        default=2,
    )
    photo_seconds: float = setting(
        "PALLOR_PHOTO_SECONDS",
        number(1, 3600),
        "A process that sits over a photo for longer than this is killed; the photo comes to another",
        default=60.0,
    )
    metrics_bind: tuple[str, int] | None = setting(
        "PALLOR_WORKER_METRICS_BIND",
        host_and_port,
        "Where Prometheus may read what is counted, such as 127.0.0.1:9465; none: nowhere",
        default=None,
    )
    report_seconds: float = setting(
        "PALLOR_REPORT_SECONDS", number(0.1, 3600), "Pause between two checks of the golden photos", default=30.0
    )
    retry_seconds: float = setting(
        "PALLOR_RETRY_SECONDS", number(0.01, 60), "First pause when the store is away; it doubles", default=1.0
    )
    visibility_seconds: int = setting(
        "PALLOR_VISIBILITY_SECONDS", whole(1), "A message taken by a killed process returns after this", default=60
    )
    worker_name: str | None = setting(
        "PALLOR_WORKER_NAME", text, "What this process is called in reports; none: host and process id", default=None
    )
    log_level: str = setting(
        "PALLOR_LOG_LEVEL",
        one_of("DEBUG", "INFO", "WARNING", "ERROR"),
        "What is logged, from this up",
        default="INFO",
    )
