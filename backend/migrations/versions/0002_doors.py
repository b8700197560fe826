"""People, sites, devices, consents, erasures: the doors."""

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from alembic import op

from backend.db.tables import Moment
from pallor.clock import parse_utc
from pallor.ids import new_id

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "devices",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("ended_at", Moment(timezone=True), nullable=True),
        sa.Column("public_key", sa.Text(), nullable=True),
        sa.Column("fingerprint", sa.String(length=71), nullable=True),
        sa.Column("confirmed_at", Moment(timezone=True), nullable=True),
        sa.Column("unsent_cases", sa.Integer(), nullable=True),
        sa.Column("unsent_at", Moment(timezone=True), nullable=True),
        sa.Column("wiped_at", Moment(timezone=True), nullable=True),
        sa.Column("made_at", Moment(timezone=True), nullable=False),
        sa.Column("made_by", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_devices")),
        sa.UniqueConstraint("name", name=op.f("uq_devices_name")),
    )
    op.create_table(
        "enrolment_codes",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("secret_sha256", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("device_name", sa.String(length=32), nullable=False),
        sa.Column("sites", sa.JSON(), nullable=False),
        sa.Column("made_at", Moment(timezone=True), nullable=False),
        sa.Column("made_by", sa.String(length=64), nullable=False),
        sa.Column("expires_at", Moment(timezone=True), nullable=False),
        sa.Column("used_at", Moment(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_enrolment_codes")),
        sa.UniqueConstraint("secret_sha256", name=op.f("uq_enrolment_codes_secret_sha256")),
    )
    op.create_table(
        "erasures",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("site", sa.String(length=32), nullable=False),
        sa.Column("cause", sa.String(length=16), nullable=False),
        sa.Column("cases", sa.Integer(), nullable=False),
        sa.Column("photos", sa.Integer(), nullable=False),
        sa.Column("snapshots", sa.JSON(), nullable=False),
        sa.Column("releases", sa.JSON(), nullable=False),
        sa.Column("asked_at", Moment(timezone=True), nullable=False),
        sa.Column("asked_by", sa.String(length=64), nullable=False),
        sa.Column("done_at", Moment(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_erasures")),
    )
    op.create_table(
        "object_claims",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("key", sa.String(length=512), nullable=False),
        sa.Column("until", Moment(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_object_claims")),
    )
    with op.batch_alter_table("object_claims", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_object_claims_key"), ["key"], unique=False)

    op.create_table(
        "object_deletions",
        sa.Column("key", sa.String(length=512), nullable=False),
        sa.Column("asked_at", Moment(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_object_deletions")),
    )
    op.create_table(
        "oidc_sign_ins",
        sa.Column("state_sha256", sa.String(length=64), nullable=False),
        sa.Column("nonce", sa.String(length=64), nullable=False),
        sa.Column("code_verifier", sa.String(length=128), nullable=False),
        sa.Column("begun_at", Moment(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("state_sha256", name=op.f("pk_oidc_sign_ins")),
    )
    op.create_table(
        "people",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("ended_at", Moment(timezone=True), nullable=True),
        sa.Column("password_hash", sa.String(length=256), nullable=True),
        sa.Column("one_time_until", Moment(timezone=True), nullable=True),
        sa.Column("totp_secret", sa.String(length=64), nullable=True),
        sa.Column("totp_since", Moment(timezone=True), nullable=True),
        sa.Column("totp_next", sa.String(length=64), nullable=True),
        sa.Column("totp_step", sa.Integer(), nullable=True),
        sa.Column("oidc_subject", sa.String(length=255), nullable=True),
        sa.Column("made_at", Moment(timezone=True), nullable=False),
        sa.Column("made_by", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_people")),
        sa.UniqueConstraint("name", name=op.f("uq_people_name")),
        sa.UniqueConstraint("oidc_subject", name=op.f("uq_people_oidc_subject")),
    )
    op.create_table(
        "sites",
        sa.Column("code", sa.String(length=32), nullable=False),
        sa.Column("practice", sa.Boolean(), nullable=False),
        sa.Column("retention_days", sa.Integer(), nullable=True),
        sa.Column("made_at", Moment(timezone=True), nullable=False),
        sa.Column("made_by", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_sites")),
    )
    op.create_table(
        "snapshots",
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("made_at", Moment(timezone=True), nullable=False),
        sa.Column("incomplete_since", Moment(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_snapshots")),
    )
    op.create_table(
        "consents",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("case_id", sa.String(length=36), nullable=False),
        sa.Column("site", sa.String(length=32), nullable=False),
        sa.Column("subject_code", sa.String(length=32), nullable=False),
        sa.Column("purpose", sa.String(length=16), nullable=False),
        sa.Column("given", sa.Boolean(), nullable=False),
        sa.Column("at", Moment(timezone=True), nullable=False),
        sa.Column("counts_from", Moment(timezone=True), nullable=False),
        sa.Column("wording", sa.String(length=64), nullable=False),
        sa.Column("recorded_at", Moment(timezone=True), nullable=False),
        sa.Column("recorded_by", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_consents_case_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consents")),
    )
    with op.batch_alter_table("consents", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_consents_case_id"), ["case_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_consents_site_subject_code"), ["site", "subject_code"], unique=False)

    op.create_table(
        "device_people",
        sa.Column("device_id", sa.String(length=36), nullable=False),
        sa.Column("person_id", sa.String(length=36), nullable=False),
        sa.Column("since", Moment(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["device_id"], ["devices.id"], name=op.f("fk_device_people_device_id")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_device_people_person_id")),
        sa.PrimaryKeyConstraint("device_id", "person_id", name=op.f("pk_device_people")),
    )
    op.create_table(
        "device_sites",
        sa.Column("device_id", sa.String(length=36), nullable=False),
        sa.Column("site", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(["device_id"], ["devices.id"], name=op.f("fk_device_sites_device_id")),
        sa.ForeignKeyConstraint(["site"], ["sites.code"], name=op.f("fk_device_sites_site")),
        sa.PrimaryKeyConstraint("device_id", "site", name=op.f("pk_device_sites")),
    )
    op.create_table(
        "person_sites",
        sa.Column("person_id", sa.String(length=36), nullable=False),
        sa.Column("site", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_person_sites_person_id")),
        sa.ForeignKeyConstraint(["site"], ["sites.code"], name=op.f("fk_person_sites_site")),
        sa.PrimaryKeyConstraint("person_id", "site", name=op.f("pk_person_sites")),
    )
    op.create_table(
        "snapshot_cases",
        sa.Column("snapshot_digest", sa.String(length=71), nullable=False),
        sa.Column("case_id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(
            ["snapshot_digest"], ["snapshots.digest"], name=op.f("fk_snapshot_cases_snapshot_digest")
        ),
        sa.PrimaryKeyConstraint("snapshot_digest", "case_id", name=op.f("pk_snapshot_cases")),
    )
    op.create_table(
        "tombstones",
        sa.Column("case_id", sa.String(length=36), nullable=False),
        sa.Column("site", sa.String(length=32), nullable=False),
        sa.Column("erasure_id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(["erasure_id"], ["erasures.id"], name=op.f("fk_tombstones_erasure_id")),
        sa.PrimaryKeyConstraint("case_id", name=op.f("pk_tombstones")),
    )
    with op.batch_alter_table("tombstones", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_tombstones_erasure_id"), ["erasure_id"], unique=False)

    _give_changes_a_site()
    _make_tokens_anew()
    _make_sites_of_cases()
    _write_consents()


def _give_changes_a_site() -> None:
    again = {"sqlite_autoincrement": True}  # SQLite makes the table anew
    with op.batch_alter_table("changes", table_kwargs=again) as changes:
        changes.add_column(sa.Column("site", sa.String(length=32), nullable=True))
        changes.drop_constraint("fk_changes_case_id", type_="foreignkey")
    op.execute("UPDATE changes SET site = (SELECT cases.site FROM cases WHERE cases.id = changes.case_id)")
    with op.batch_alter_table("changes", table_kwargs=again) as changes:
        changes.alter_column("site", existing_type=sa.String(length=32), nullable=False)
        changes.create_index("ix_changes_site_seq", ["site", "seq"])


def _make_tokens_anew() -> None:
    """The old ones named no person, no device and no site: whoever held one is enrolled, or signs in."""
    op.drop_table("tokens")
    op.create_table(
        "tokens",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("secret_sha256", sa.String(length=64), nullable=False),
        sa.Column("csrf_sha256", sa.String(length=64), nullable=True),
        sa.Column("person_id", sa.String(length=36), nullable=True),
        sa.Column("device_id", sa.String(length=36), nullable=True),
        sa.Column("vouched_for", sa.Boolean(), nullable=False),
        sa.Column("predecessor_id", sa.String(length=36), nullable=True),
        sa.Column("made_at", Moment(timezone=True), nullable=False),
        sa.Column("expires_at", Moment(timezone=True), nullable=False),
        sa.Column("revoked_at", Moment(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_tokens_person_id")),
        sa.ForeignKeyConstraint(["device_id"], ["devices.id"], name=op.f("fk_tokens_device_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tokens")),
        sa.UniqueConstraint("secret_sha256", name=op.f("uq_tokens_secret_sha256")),
    )
    op.create_index("ix_tokens_device_id", "tokens", ["device_id"])
    op.create_index("ix_tokens_person_id", "tokens", ["person_id"])


def _make_sites_of_cases() -> None:
    cases = sa.table("cases", sa.column("site"))
    sites = sa.table("sites", *(sa.column(c) for c in ("code", "practice", "made_by")), sa.column("made_at", Moment))
    now = datetime.now(UTC)
    for code in op.get_bind().execute(sa.select(cases.c.site).distinct()).scalars().all():
        op.execute(sites.insert().values(code=code, practice=False, made_at=now, made_by="operator"))


def _write_consents() -> None:
    """Consents were a yes or no among a case's facts; now each has its date and its wording."""
    columns: list[Any] = [sa.column(c) for c in ("id", "site", "subject_code", "received_by")]
    cases = sa.table("cases", *columns, sa.column("facts", sa.JSON), sa.column("received_at", Moment))
    consents = sa.table(
        "consents",
        *(
            sa.column(c)
            for c in ("id", "case_id", "site", "subject_code", "purpose", "given", "wording", "recorded_by")
        ),
        *(sa.column(c, Moment) for c in ("at", "counts_from", "recorded_at")),
    )
    bind = op.get_bind()
    for case in bind.execute(sa.select(cases)).all():
        facts = _with_consent(case.facts)
        code = facts["subject_code"]
        bind.execute(cases.update().where(cases.c.id == case.id).values(facts=facts, subject_code=code))
        for purpose, given in facts["consent"].items():
            if given is None:
                continue
            at = parse_utc(given["at"])
            stamp = {"at": at, "counts_from": min(at, case.received_at), "recorded_at": case.received_at}
            who = {"case_id": case.id, "site": case.site, "subject_code": code}
            said = {"id": new_id(), "purpose": purpose, "given": True, "wording": given["wording"]}
            said["recorded_by"] = case.received_by
            bind.execute(consents.insert().values(**said, **who, **stamp))
    amendments = sa.table("amendments", sa.column("id"), sa.column("before", sa.JSON), sa.column("after", sa.JSON))
    for row in bind.execute(sa.select(amendments)).all():
        both = {"before": _with_consent(row.before), "after": _with_consent(row.after)}
        bind.execute(amendments.update().where(amendments.c.id == row.id).values(both))


def _with_consent(facts: dict[str, Any]) -> dict[str, Any]:
    said = {"at": facts["visited_at"], "wording": "not-recorded"}
    rest = {name: value for name, value in facts.items() if name != "consent_to_training"}
    rest["subject_code"] = rest["subject_code"].upper()  # one card, however it was typed
    return {**rest, "consent": {"care": said, "training": said if facts["consent_to_training"] else None}}
