"""What the backend's processes read from the environment, once, at their door."""

from dataclasses import dataclass
from pathlib import Path

from pallor.label import DEFAULT_TABLE, TABLES
from pallor.settings import number, one_of, path, setting, text, url, whole


@dataclass(frozen=True, kw_only=True)
class DatabaseSettings:
    """All that the commands need which look after tokens and the audit trail."""

    database_url: str = setting(
        "PALLOR_DATABASE_URL", url("sqlite", "postgresql+psycopg"),
        "The database: sqlite:////var/lib/pallor/pallor.db or postgresql+psycopg://user@host/pallor", secret=True,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Settings(DatabaseSettings):
    """Shared by ``serve``, ``consume`` and ``sweep``."""

    store_url: str = setting(
        "PALLOR_STORE_URL",
        url("file", "s3"),
        "The object store, such as file:///var/lib/pallor/store or s3://bucket/prefix",
    )
    s3_endpoint: str | None = setting(
        "PALLOR_S3_ENDPOINT", url("http", "https"), "The address of an S3 server that is not Amazon's", default=None
    )
    broker_url: str = setting(
        "PALLOR_BROKER_URL", url("redis", "rediss", "redis+socket"), "Valkey or Redis, such as redis://127.0.0.1:6379/0",
        secret=True,
    )  # fmt: skip
    world: str = setting(
        "PALLOR_WORLD", one_of("real", "synthetic"), "Whether the cases are of people: real or synthetic"
    )
    shelf: Path | None = setting(
        "PALLOR_SHELF", path, "The release shelf this machine shares with its worker", default=None
    )
    label_table: str = setting(
        "PALLOR_LABEL_TABLE", one_of(*TABLES), "The WHO table that labels follow", default=DEFAULT_TABLE
    )
    bind: str = setting("PALLOR_BIND", text, "Where the API listens, host:port", default="127.0.0.1:8080")
    web_processes: int = setting("PALLOR_WEB_PROCESSES", whole(1, 64), "Processes that answer HTTP", default=2)
    web_threads: int = setting(
        "PALLOR_WEB_THREADS", whole(1, 256), "Threads a process; a slow phone holds one", default=16
    )
    max_photo_bytes: int = setting(
        "PALLOR_MAX_PHOTO_BYTES", whole(1024), "Largest photo accepted", default=8 * 1024 * 1024
    )
    sweep_seconds: float = setting(
        "PALLOR_SWEEP_SECONDS", number(0.05), "Pause between two rounds of the sweeper", default=5.0
    )
    resend_seconds: float = setting(
        "PALLOR_RESEND_SECONDS",
        number(0.1),
        "A photo without an answer is sent to the workers again after this",
        default=90.0,
    )
    ready_seconds: float = setting(
        "PALLOR_READY_SECONDS", number(1), "A worker whose last report is older is not counted on", default=90.0
    )
    visibility_seconds: int = setting(
        "PALLOR_VISIBILITY_SECONDS", whole(1), "A message taken by a killed process returns after this", default=60
    )
