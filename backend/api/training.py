"""For the trainer: what may be learned from, what it found out about it, and what came of it."""

from flask import Response
from flask_openapi import APIBlueprint

from backend.access.roles import Role
from backend.api import show
from backend.api.parts import TOKEN_OR_SESSION, Parts, answers, caller, shown
from backend.auth import Reach, allow
from backend.services.ask_due import Asked, ask_due
from backend.services.export_snapshot import export_snapshot
from backend.services.learned_from import list_corrections
from backend.services.post_candidate import list_candidates, post_candidate, show_candidate
from backend.services.record_same_photos import record_same_photos, show_same_photos
from backend.services.register_snapshot import list_snapshots, show_snapshot
from backend.wire import cursors, office, received, training


def training_api(parts: Parts) -> APIBlueprint:
    """The routes of training."""
    bp = APIBlueprint(
        "training", __name__, url_prefix="/api/v1", abp_tags=[{"name": "training"}], abp_security=TOKEN_OR_SESSION
    )
    database, clock, settings = parts.database, parts.clock, parts.settings

    @bp.post("/training/due", responses=answers({200: training.DueOut}))
    @allow(Role.TRAINER, reach=Reach.NONE)
    def post_due(body: training.DueIn) -> Response:
        """Ask whether a new release is worth making: by new labels, by time, or by an alarm of drift

        The question and its answer are on the audit trail.
        """
        asked = Asked(body.snapshot, body.begun_at, body.new_cases, body.days)
        told = ask_due(database, clock, asked, settings.label_table, by=caller().actor)
        verdict = told.verdict
        return shown(
            training.DueOut(
                due=verdict.due, said=verdict.said, eligible=told.eligible, came=told.came, went=told.went,
                alarms=list(told.alarms),
            )
        )  # fmt: skip

    @bp.post("/snapshots", responses=answers({200: training.SnapshotOut, 201: training.SnapshotOut}, 409))
    @allow(Role.TRAINER, reach=Reach.NONE)
    def post_snapshot(body: office.NothingIn) -> Response:  # noqa: ARG001  read from here
        """Freeze every label that may teach a model now; the same labels are the same snapshot, and 200

        Its lines lie in the object store under `snapshots/<hex of the digest>/cases.jsonl.gz`, one photo each.
        """
        digest, new = export_snapshot(database, parts.store, clock, settings.label_table, by=caller().actor)
        return shown(show.snapshot(show_snapshot(database, digest), settings.world), 201 if new else 200)

    @bp.get("/snapshots", responses=answers({200: training.SnapshotPage}))
    @allow(Role.TRAINER, Role.ADMIN, reach=Reach.NONE)
    def get_snapshots(query: received.PageQuery) -> Response:
        """Snapshots, newest first"""
        rows = list_snapshots(database, query.limit + 1, cursors.read_moment_cursor(query.cursor))
        page, after = cursors.cut(rows, query.limit, lambda row: (row.made_at, row.digest))
        return shown(training.SnapshotPage(items=[show.snapshot(row, settings.world) for row in page], next=after))

    @bp.put(
        "/snapshots/<digest>/same-photo-groups",
        responses=answers({200: training.SamePhotoGroupsOut, 201: training.SamePhotoGroupsOut}, 404),
    )
    @allow(Role.TRAINER, reach=Reach.NONE, large=True)
    def put_same_photo_groups(path: training.SnapshotPath, body: training.SamePhotoGroupsIn) -> Response:
        """Hand back which photos of a snapshot show the same photograph

        Labels of photos that another subject has as well are withheld from then on. The same again changes nothing;
        another report about the same snapshot replaces the first, and what was found in other snapshots stands.
        """
        groups = [group.photos for group in body.groups]
        new = record_same_photos(
            database, clock, path.digest, body.method, groups, settings.label_table, by=caller().actor
        )
        return shown(show.same_photos(*show_same_photos(database, path.digest)), 201 if new else 200)

    @bp.get("/label-corrections", responses=answers({200: training.CorrectionPage}))
    @allow(Role.TRAINER, Role.ADMIN, reach=Reach.NONE)
    def get_label_corrections(query: received.PageQuery) -> Response:
        """Labels that a laboratory corrected or took back, newest first, each with what had learned from it

        The next snapshot holds what is said now, or leaves the case out.
        """
        found = list_corrections(database, query.limit + 1, cursors.read_moment_cursor(query.cursor))
        page, after = cursors.cut(found, query.limit, lambda row: (row.corrected_at, row.new_label_id))
        return shown(training.CorrectionPage(items=[show.correction(one) for one in page], next=after))

    @bp.put(
        "/candidates/<release_id>",
        responses=answers({200: training.CandidateOut, 201: training.CandidateOut}, 409),
    )
    @allow(Role.TRAINER, reach=Reach.NONE, large=True)
    def put_candidate(path: training.CandidatePath, body: training.CandidateIn) -> Response:
        """Make a candidate known, with its figures and what the gate says of it, also when it was refused"""
        report = training.to_report(path.release_id, body)
        new = post_candidate(database, clock, report, settings.world, by=caller().actor)
        return shown(show.candidate(*show_candidate(database, path.release_id)), 201 if new else 200)

    @bp.get("/candidates", responses=answers({200: training.CandidatePage}))
    @allow(Role.TRAINER, Role.ADMIN, reach=Reach.NONE)
    def get_candidates(query: received.PageQuery) -> Response:
        """Candidates, newest first"""
        found = list_candidates(database, query.limit + 1, cursors.read_moment_cursor(query.cursor))
        page, after = cursors.cut(found, query.limit, lambda one: (one[0].posted_at, one[0].release_id))
        return shown(training.CandidatePage(items=[show.candidate(*one) for one in page], next=after))

    return bp
