"""Sites, who belongs to them, the devices they use, and what lets somebody in."""

from sqlalchemy import JSON, Boolean, Column, ForeignKey, Integer, String, Table, Text

from backend.db.tables.ground import ACTOR, Moment, id_column, metadata

deployment = Table(  # one row, written once: the world of a deployment never changes
    "deployment",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("world", String(16), nullable=False),
    Column("pseudonym_key", String(64), nullable=False),  # without it nobody tells from a pseudonym whose code it was
)

sites = Table(
    "sites",
    metadata,
    Column("code", String(32), primary_key=True),
    Column("practice", Boolean, nullable=False),  # its cases never count; fixed when the site is made
    Column("retention_days", Integer),  # cases older than this are erased; none: kept
    Column("altitude_m", Integer),  # of whoever says that they live there; none: nobody has said
    Column("made_at", Moment, nullable=False),
    Column("made_by", ACTOR, nullable=False),
)

people = Table(
    "people",
    metadata,
    id_column(),
    Column("name", String(32), nullable=False, unique=True),  # what they sign in with; no name of a person
    Column("role", String(16), nullable=False),
    Column("state", String(16), nullable=False),  # active | disabled
    Column("ended_at", Moment),  # when it was disabled
    Column("password_hash", String(256)),
    Column("one_time_until", Moment),  # the password was given by another and must be changed; until then it works
    Column("totp_secret", String(64)),
    Column("totp_since", Moment),  # when the second factor was confirmed
    Column("totp_next", String(64)),  # made, and not confirmed yet
    Column("totp_step", Integer),  # the newest time step that was used: no code works twice
    Column("oidc_subject", String(255), unique=True),
    Column("made_at", Moment, nullable=False),
    Column("made_by", ACTOR, nullable=False),
)

person_sites = Table(
    "person_sites",
    metadata,
    Column("person_id", String(36), ForeignKey("people.id"), primary_key=True),
    Column("site", String(32), ForeignKey("sites.code"), primary_key=True),
)

devices = Table(
    "devices",
    metadata,
    id_column(),
    Column("name", String(32), nullable=False, unique=True),
    Column("kind", String(16), nullable=False),
    Column("state", String(16), nullable=False),  # active | retired | stolen
    Column("ended_at", Moment),  # when it was retired or stolen
    Column("public_key", Text),  # of a node, which made it itself
    Column("fingerprint", String(71)),
    Column("confirmed_at", Moment),  # when an administrator had compared the fingerprint
    Column("unsent_cases", Integer),  # as the device last told, and when
    Column("unsent_at", Moment),
    Column("wiped_at", Moment),
    Column("made_at", Moment, nullable=False),
    Column("made_by", ACTOR, nullable=False),
)

device_sites = Table(
    "device_sites",
    metadata,
    Column("device_id", String(36), ForeignKey("devices.id"), primary_key=True),
    Column("site", String(32), ForeignKey("sites.code"), primary_key=True),
)

device_people = Table(  # who has signed in on a shared phone: in whose name it may deliver what it sealed
    "device_people",
    metadata,
    Column("device_id", String(36), ForeignKey("devices.id"), primary_key=True),
    Column("person_id", String(36), ForeignKey("people.id"), primary_key=True),
    Column("since", Moment, nullable=False),
)

tokens = Table(  # what lets somebody in: a person in a browser, a device, or a person on a device
    "tokens",
    metadata,
    id_column(),
    Column("secret_sha256", String(64), nullable=False, unique=True),
    Column("csrf_sha256", String(64)),  # of a browser's cookie alone: the half that the cookie does not carry
    Column("person_id", String(36), ForeignKey("people.id"), index=True),
    Column("device_id", String(36), ForeignKey("devices.id"), index=True),
    Column("vouched_for", Boolean, nullable=False),  # by an identity provider: no password or code was given here
    Column("predecessor_id", String(36)),  # the token that ends when this one is first used
    Column("made_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("revoked_at", Moment),
)

enrolment_codes = Table(
    "enrolment_codes",
    metadata,
    id_column(),
    Column("secret_sha256", String(64), nullable=False, unique=True),
    Column("kind", String(16), nullable=False),
    Column("device_name", String(32), nullable=False),
    Column("sites", JSON, nullable=False),
    Column("made_at", Moment, nullable=False),
    Column("made_by", ACTOR, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("used_at", Moment),
)

oidc_sign_ins = Table(  # begun at an identity provider and not yet ended
    "oidc_sign_ins",
    metadata,
    Column("state_sha256", String(64), primary_key=True),
    Column("nonce", String(64), nullable=False),
    Column("code_verifier", String(128), nullable=False),
    Column("begun_at", Moment, nullable=False),
)
