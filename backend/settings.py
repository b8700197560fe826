"""What the backend's processes read from the environment, once, at their door."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pallor.label import DEFAULT_TABLE, TABLES
from pallor.settings import (
    Fault,
    SettingsRefused,
    flag,
    host_and_port,
    number,
    one_of,
    path,
    queue_url,
    setting,
    text,
    url,
    whole,
)

_TOGETHER = "An OpenID Connect provider is named by its issuer, a client id and a client secret together."
_THIS_MACHINE = ("127.0.0.1", "::1", "localhost")


def zone(text: str) -> ZoneInfo:
    try:
        return ZoneInfo(text)
    except (ValueError, OSError, KeyError):
        raise ValueError("the name of a time zone, such as Africa/Accra") from None


@dataclass(frozen=True, kw_only=True)
class DatabaseSettings:
    """All that the commands need which look after tokens and the audit trail."""

    database_url: str = setting(
        "PALLOR_DATABASE_URL", url("sqlite", "postgresql+psycopg"),
        "The database: sqlite:////var/lib/pallor/pallor.db or postgresql+psycopg://user@host/pallor", secret=True,
    )  # fmt: skip
    label_table: str = setting(
        "PALLOR_LABEL_TABLE", one_of(*TABLES), "The WHO table that labels follow", default=DEFAULT_TABLE
    )


@dataclass(frozen=True, kw_only=True)
class RootSettings(DatabaseSettings):
    """Which signed root is trusted, here and by new nodes."""

    root_metadata: Path | None = setting(
        "PALLOR_ROOT_METADATA", path,
        "The signed root metadata to trust (1.root.json), for new nodes, too; without it no release is cleared",
        default=None,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class OfficeSettings(RootSettings):
    """What it takes beside the database to send somebody here: by which address, and what a node is to trust."""

    public_url: str | None = setting(
        "PALLOR_PUBLIC_URL", url("http", "https"),
        "Where phones and browsers reach this server, such as https://pallor.example.org; default: where it listens",
        default=None,
    )  # fmt: skip
    bind: str = setting("PALLOR_BIND", text, "Where the API listens, host:port", default="127.0.0.1:8080")

    @property
    def address(self) -> str:
        """Where people and devices reach this server, without a slash at the end."""
        return (self.public_url or f"http://{self.bind}").rstrip("/")

    @property
    def secure(self) -> bool:
        """Whether they reach it over TLS."""
        return self.address.startswith("https://")


@dataclass(frozen=True, kw_only=True)
class StoreSettings(RootSettings):
    """What it takes to read, beside the database, what is signed."""

    store_url: str = setting(
        "PALLOR_STORE_URL",
        url("file", "s3"),
        "The object store, such as file:///var/lib/pallor/store or s3://bucket/prefix",
    )
    s3_endpoint: str | None = setting(
        "PALLOR_S3_ENDPOINT", url("http", "https"), "The address of an S3 server that is not Amazon's", default=None
    )


@dataclass(frozen=True, kw_only=True)
class SealingSettings(DatabaseSettings):
    """What it takes beside the database to make a key that phones seal to, and to open what they sealed."""

    sealing_passphrase: str | None = setting(
        "PALLOR_SEALING_PASSPHRASE", text,
        "What sealing keys are encrypted with in the database; whoever loses it loses what phones have not sent yet",
        default=None, secret=True,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class LabSettings(DatabaseSettings):
    """What it takes to understand what laboratories send."""

    lab_time_zone: ZoneInfo = setting(
        "PALLOR_LAB_TIME_ZONE", zone, "Of HL7 messages and sheets that name none, such as Africa/Accra",
        default=ZoneInfo("UTC"),
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Hl7Settings(LabSettings):
    """All that ``hl7`` needs: where one laboratory's system connects."""

    hl7_bind: tuple[str, int] = setting(
        "PALLOR_HL7_BIND", host_and_port, "Where HL7 comes in over MLLP; other than this machine's own needs TLS",
        default=("127.0.0.1", 2575),
    )  # fmt: skip
    hl7_certificate: Path | None = setting(
        "PALLOR_HL7_CERTIFICATE", path, "TLS: a certificate with its chain, PEM", default=None
    )
    hl7_key: Path | None = setting("PALLOR_HL7_KEY", path, "TLS: its private key, PEM", default=None)
    hl7_client_authority: Path | None = setting(
        "PALLOR_HL7_CLIENT_AUTHORITY", path, "TLS: only who shows a certificate of this authority, PEM, may connect",
        default=None,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Settings(OfficeSettings, StoreSettings, SealingSettings, LabSettings):
    """Shared by ``serve``, ``consume`` and ``sweep``."""

    keys: Path | None = setting(
        "PALLOR_KEYS", path, "For the sweeper alone: the folder with the online keys, which sign rollouts", default=None
    )
    key_passphrase: str | None = setting(
        "PALLOR_KEY_PASSPHRASE", text, "What opens those keys", default=None, secret=True
    )
    broker_url: str = setting(
        "PALLOR_BROKER_URL", queue_url, "Valkey or Redis, such as redis://127.0.0.1:6379/0",
        secret=True,
    )  # fmt: skip
    world: str = setting(
        "PALLOR_WORLD", one_of("real", "synthetic"), "Whether the cases are of people: real or synthetic"
    )
    shelf: Path | None = setting(
        "PALLOR_SHELF", path, "The release shelf this machine shares with its worker", default=None
    )
    web_folder: Path | None = setting(
        "PALLOR_WEB_FOLDER", path, "The phone's app as it was built; default: backend/web/dist, which `make web` makes",
        default=None,
    )  # fmt: skip
    proxies: int = setting(
        "PALLOR_PROXIES", whole(0, 5), "Proxies in front whose X-Forwarded-For is to be believed", default=0
    )
    session_hours: float = setting(
        "PALLOR_SESSION_HOURS", number(0.1, 24 * 31), "A browser's sign-in lasts this long", default=12.0
    )
    phone_session_days: float = setting(
        "PALLOR_PHONE_SESSION_DAYS", number(0.1, 365), "A person's sign-in on a phone lasts this long", default=30.0
    )
    device_token_days: float = setting(
        "PALLOR_DEVICE_TOKEN_DAYS",
        number(1, 3650),
        "A device's token lasts this long unless it is rotated",
        default=365.0,
    )
    second_factor: bool = setting(
        "PALLOR_SECOND_FACTOR", flag, "Whether administrators need a second factor", default=True
    )
    oidc_issuer: str | None = setting(
        "PALLOR_OIDC_ISSUER",
        url("https", "http"),
        "An OpenID Connect provider to sign in by; its word is taken, of second factors too",
        default=None,
    )
    oidc_client_id: str | None = setting(
        "PALLOR_OIDC_CLIENT_ID", text, "What that provider calls this server", default=None
    )
    oidc_client_secret: str | None = setting(
        "PALLOR_OIDC_CLIENT_SECRET", text, "What this server shows that provider", default=None, secret=True
    )
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
    put_aside_days: int = setting(
        "PALLOR_PUT_ASIDE_DAYS", whole(1, 3650),
        "What phones sealed and was refused is kept for an administrator so many days", default=90,
    )  # fmt: skip
    alert_hours: float = setting(
        "PALLOR_ALERT_HOURS", number(0.001, 24 * 365),
        "A haemoglobin below 70 g/L that nobody has acknowledged for so long is escalated", default=24.0,
    )  # fmt: skip
    ready_seconds: float = setting(
        "PALLOR_READY_SECONDS", number(1), "A worker whose last report is older is not counted on", default=90.0
    )
    metrics_bind: tuple[str, int] | None = setting(
        "PALLOR_METRICS_BIND",
        host_and_port,
        "Where the sweeper serves metrics to Prometheus, without asking who looks, such as 127.0.0.1:9464",
        default=None,
    )
    take_back_minutes: float = setting(
        "PALLOR_TAKE_BACK_MINUTES", number(0, 24 * 60), "So long a laboratory result is taken back without a word",
        default=15.0,
    )  # fmt: skip
    visibility_seconds: int = setting(
        "PALLOR_VISIBILITY_SECONDS", whole(1), "A message taken by a killed process returns after this", default=60
    )

    def __post_init__(self) -> None:
        """Raise ``SettingsRefused`` for an identity provider named by half, or asked where others listen."""
        named = {"ISSUER": self.oidc_issuer, "CLIENT_ID": self.oidc_client_id, "CLIENT_SECRET": self.oidc_client_secret}
        wrong = [Fault(f"PALLOR_OIDC_{name}", "must be set", "nothing", _TOGETHER) for name in named if not named[name]]
        if any(named.values()) and wrong:
            raise SettingsRefused(tuple(wrong))
        issuer = urlsplit(self.oidc_issuer or "https:")
        if issuer.scheme != "https" and issuer.hostname not in _THIS_MACHINE:
            reason = "not an address that starts with https://"
            raise SettingsRefused(
                (Fault("PALLOR_OIDC_ISSUER", reason, issuer.scheme, "Only this machine needs no TLS."),)
            )
