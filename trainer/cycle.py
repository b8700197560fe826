"""From labelled cases to a judged candidate: the trainer's whole round, each step done once.

``run_cycle`` reads as its own summary. What a step made lies in a folder of its own inside the run; a run that was
killed goes on with the step it was in and ends with the very candidate that an undisturbed run gives. The run folder
holds scores and pictures of real people: it is the trainer's alone, and of it only the candidate's folder goes out.
"""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from pallor.candidate import CandidateReport, Gate, GateRefusal
from pallor.clock import Clock, parse_utc, utc_text
from pallor.digest import hex_of
from pallor.errors import Untrusted
from pallor.release.manifest import Manifest
from pallor.release.shelf import Release as OpenRelease
from pallor.snapshot import read_snapshot
from pallor.store.port import ObjectStore
from trainer.calibrate import Cutoffs, calibrate
from trainer.champion import Champion
from trainer.cross_validate import cross_validate
from trainer.data.photos import Photos
from trainer.data.split import Fold, clusters, fixed_sides, lasting_sides
from trainer.evidence import side_evidence, together
from trainer.export import ask, ask_torch, compare, serve
from trainer.figures import CHAMPION, MODEL
from trainer.finetune import count_steps, finetune, logits_of
from trainer.folds import jobs_of
from trainer.gate import judge_candidate
from trainer.golden import draw_golden
from trainer.inputs import Source, load_photos
from trainer.intended_use import intended_use
from trainer.model import Base, Release, Screen
from trainer.pack import ModelFile, Parts, pack
from trainer.post import Api
from trainer.progress import Bars
from trainer.quantize.files import FP16, FP16_TENSORRT, FP32, INT8, INT8_TENSORRT, quantization_steps, quantize
from trainer.quantize.judge import compare_files
from trainer.recipe import Recipe
from trainer.report.findings import Findings
from trainer.report.mistakes import find_mistakes, mistakes_page
from trainer.report.page import write_page
from trainer.steps import RunDiffers, Steps, read_json, write_json
from trainer.warm_start import base_from_release, save

SIDES = Path("3-fine-tune") / "sides.json"  # in a run's folder
_ORDER = "order.json"
_FOR_CPUS, _FOR_GPUS = (INT8, FP16), (INT8_TENSORRT, FP16_TENSORRT)  # a machine is given the first that fits it


class ExportDisagrees(Untrusted):
    """The exported graph does not say what the network says."""


@dataclass(frozen=True, eq=False)
class Order:
    """What a run is to make; nothing else shapes the candidate.

    Attributes:
        snapshot: gives the snapshot's digest; asked once, when the run begins.
        groups: finds or reads who shows the same photograph, with its report in the folder.
        champion: the release in use, which the candidate must not fall behind.
        formerly: the side of each photo in the rounds before.
        api: where the candidate is posted; None keeps it here. ``exported``: it has made the snapshot, so it is told
            who shows the same photograph.
    """

    store: ObjectStore
    snapshot: Callable[[], str]
    groups: Callable[[Source, Path], Mapping[str, str]]
    base: Base
    recipe: Recipe
    champion: Champion | None
    formerly: Mapping[str, int]
    api: Api | None
    exported: bool
    processes: int


@dataclass(frozen=True)
class Outcome:
    """How a run ended. ``candidate``: its release folder; ``report``: the page to read."""

    manifest: Manifest
    candidate: Path
    report: Path
    refusals: tuple[GateRefusal, ...]


def run_cycle(order: Order, run: Path, clock: Clock, bars: Bars) -> Outcome:
    """Make a candidate in ``run``, or go on making it.

    Raises:
        RunDiffers: the folder holds a run of another recipe, base or champion.
        NothingToLearn, ...: what the steps raise; the run goes on where it was when called again.
    """
    steps = Steps(run, clock)
    begun = _begin(order, run, clock)

    snapshot = read_json(steps.step("1-snapshot", lambda at: _freeze(order, at)) / "snapshot.json")
    source = Source(order.store, snapshot, read_snapshot(order.store, snapshot))
    groups = read_json(steps.step("2-groups", lambda at: _group(order, source, at)) / "groups.json")
    photos = load_photos(source, groups, order.recipe, bars)
    fold = fixed_sides(photos, order.formerly)
    made = Made(order, photos, fold, f"{order.recipe.name}-{begun:%Y%m%d}-{hex_of(snapshot)[:8]}", begun, bars)

    weights = steps.step("3-fine-tune", made.fine_tune) / "screen.safetensors"
    screen = made.screen(weights)
    cutoffs = Cutoffs(**read_json(steps.step("4-calibrate", lambda at: made.calibrate(screen, at)) / "cutoffs.json"))
    release = made.release(screen, cutoffs)
    files = steps.step("5-quantize", lambda at: made.quantize(release, at))
    evidence = steps.step("6-evaluate", lambda at: made.evaluate(files, cutoffs, at))
    verdict = steps.step("7-gate", lambda at: made.judge(evidence, at))
    packed = steps.step("8-candidate", lambda at: made.pack(files, evidence, verdict, at))
    candidate = packed / made.release_id
    manifest = OpenRelease.open(candidate).manifest
    refusals = tuple(GateRefusal(**one) for one in read_json(verdict / "refusals.json"))
    if (api := order.api) is not None:
        steps.step("9-post", lambda at: made.post(api, manifest, refusals, at))
    return Outcome(manifest, candidate, packed / "report.html", refusals)


def _begin(order: Order, run: Path, clock: Clock) -> datetime:
    """When the run was begun; what it was begun with must be what it goes on with."""
    champion = order.champion.manifest.digest() if order.champion else None
    asked = {"recipe": order.recipe.digest(), "base": order.base.name, "champion": champion}
    path = run / _ORDER
    if not path.is_file():
        write_json(path, {**asked, "begun": utc_text(clock.now())})
    known = read_json(path)
    begun = parse_utc(known.pop("begun"))
    if known != asked:
        differing = ", ".join(name for name in asked if asked[name] != known.get(name))
        raise RunDiffers(
            "an unfinished run was begun with something else", field="runs", value=differing,
            remedy=f"Finish it with what {_ORDER} in {run.name} says, or remove that folder.",
        )  # fmt: skip
    return begun


def _freeze(order: Order, at: Path) -> None:
    digest = order.snapshot()
    write_json(at / "snapshot.json", digest)
    # For the next round, which asks what is new; the snapshot itself may have been taken away by then.
    write_json(at / "cases.json", sorted({line.case_id for line in read_snapshot(order.store, digest)}))


def _group(order: Order, source: Source, at: Path) -> None:
    groups = dict(order.groups(source, at))
    if order.api is not None and order.exported:
        order.api.hand_back_groups(source.snapshot, groups, method="points-and-pixels-1")
    write_json(at / "groups.json", groups)


@dataclass(frozen=True, eq=False)
class Made:
    """The steps that need the photos. Each fills the folder it is given."""

    order: Order
    photos: Photos
    fold: Fold
    release_id: str
    begun: datetime
    bars: Bars

    def fine_tune(self, at: Path) -> None:
        order, recipe = self.order, self.order.recipe
        with self.bars("fine-tuning", count_steps(len(self.fold.train), recipe)) as stepped:
            screen = finetune(
                self.photos, self.fold, order.base, recipe, recipe.seed,
                keep=at / "state", stepped=lambda: stepped(1),
            )  # fmt: skip
        write_json(at / SIDES.name, {**order.formerly, **self._sides()})
        lineage = [self.photos.snapshot, *order.base.lineage]
        save(screen, at / "screen.safetensors", lineage=lineage, credit=order.base.credit)
        shutil.rmtree(at / "state")

    def _sides(self) -> dict[str, int]:
        """By photo, for every later round: who was learned from is never judged by, whatever turns up between."""
        where = lasting_sides(self.photos, self.order.formerly)
        return {photo: side for photo, side in zip(self.photos.ids.tolist(), where.tolist(), strict=True) if side >= 0}

    def screen(self, weights: Path) -> Screen:
        screen = Screen(base_from_release(weights, set()), self.order.recipe.training.dropout)
        return screen.eval()

    def calibrate(self, screen: Screen, at: Path) -> None:
        """From the calibration side alone."""
        own = self.fold.calibration
        logits = logits_of(screen, self.photos.inputs[own])
        cluster = clusters(self.photos)[own]
        write_json(
            at / "cutoffs.json",
            asdict(calibrate(logits, self.photos.anaemic[own], cluster, self.order.recipe.calibration)),
        )

    def release(self, screen: Screen, cutoffs: Cutoffs) -> Release:
        seed = self.order.recipe.export.embedding_seed
        return Release(screen, cutoffs.temperature, seed, cutoffs.shift).eval()

    def quantize(self, release: Release, at: Path) -> None:
        """ONNX files, scales from the train side's photos, and the proof that the export says what the network says."""
        recipe, inputs = self.order.recipe, self.photos.inputs
        with self.bars("quantizing", quantization_steps(recipe)) as stepped:
            made = quantize(release, inputs[self.fold.train], recipe, stepped=lambda: stepped(1))
        size, said = recipe.preprocess.size, ask_torch(release, inputs)
        # What the exporter may change, and what rounding every weight to 16 bits may.
        for precision, most in (("fp32", recipe.export.tolerance / 10), ("fp16", recipe.export.tolerance)):
            parity = compare(ask(serve(made.files[precision], size, precision), inputs), said)
            if not parity.max_abs_dp <= most:
                raise ExportDisagrees(f"{precision}: largest |dp| {parity.max_abs_dp:.1e}, allowed is {most:.0e}")
        for precision, model in made.files.items():
            (at / f"{precision}.onnx").write_bytes(model)
        write_json(at / "quantization.json", {"nodes": made.nodes, "parity": asdict(parity)})

    def evaluate(self, files: Path, cutoffs: Cutoffs, at: Path) -> None:
        """Every file in the engine that will serve it, on the test side; beside it the recipe's cross-validation."""
        order, recipe, judged = self.order, self.order.recipe, self.photos.inputs[self.fold.test]
        models = {precision: (files / f"{precision}.onnx").read_bytes() for precision in (FP32, *_FOR_CPUS, *_FOR_GPUS)}
        scores = {
            precision: ask(serve(models[precision], recipe.preprocess.size), judged).probability.astype(np.float64)
            for precision in _FOR_CPUS
        }
        contestants = {MODEL: scores["fp16"], "int8": scores["int8"]}
        if order.champion:
            contestants[CHAMPION] = order.champion.scores(judged, recipe.preprocess)
        side = side_evidence(
            self.photos, self.fold, order.base, recipe, cutoffs, contestants,
            order.champion.cutoffs if order.champion else None,
        )  # fmt: skip
        evidence = side
        if jobs_of(self.photos, recipe):
            folds = cross_validate(self.photos, order.base, recipe, at, order.processes, self.bars)
            evidence = together(side, folds)
        cluster = clusters(self.photos)[self.fold.test]
        compared = compare_files(
            models, judged, self.photos.anaemic[self.fold.test], cluster, cutoffs.threshold, recipe
        )
        write_json(at / "evidence.json", evidence)
        write_json(at / "compared.json", compared)
        np.save(at / "scores.npy", contestants[MODEL])

    def judge(self, evidence: Path, at: Path) -> None:
        rival = self.order.champion
        champion = {"release_id": rival.manifest.release_id} if rival else None
        refusals = judge_candidate(read_json(evidence / "evidence.json"), self.order.recipe.gate, champion)
        write_json(at / "refusals.json", [asdict(refusal) for refusal in refusals])

    def pack(self, files: Path, evaluated: Path, verdict: Path, at: Path) -> None:
        """The release folder, the report, and for the trainer's own eyes the mistakes beside their nearest photos."""
        recipe, test = self.order.recipe, self.fold.test
        models = {one: (files / f"{one}.onnx").read_bytes() for one in (*_FOR_CPUS, *_FOR_GPUS)}
        evidence, quantized = read_json(evaluated / "evidence.json"), read_json(files / "quantization.json")
        threshold = evidence["cutoffs"]["threshold"]
        embeddings = ask(serve(models["fp16"], recipe.preprocess.size), self.photos.inputs).embedding
        scores = np.load(evaluated / "scores.npy")
        mistakes = find_mistakes(self.photos, test, self.fold.train, scores, threshold, embeddings)
        findings = Findings(
            release_id=self.release_id,
            intended_use=intended_use(self.photos.ages[self.fold.train], self.photos.label_table),
            evidence=evidence,
            quantization=read_json(evaluated / "compared.json"),
            nodes=quantized["nodes"],
            refusals=read_json(verdict / "refusals.json"),
            parity=quantized["parity"],
            mistakes=len(mistakes),
        )
        shipped = [
            ModelFile(f"{one}.onnx", models[one], one.removesuffix("-trt"), needs)
            for kinds, needs in ((_FOR_CPUS, ("cpu",)), (_FOR_GPUS, ("gpu",)))
            for one in kinds
        ]
        parts = Parts(findings, self.begun, shipped, draw_golden(recipe.export))
        pack(parts, recipe, at / self.release_id)
        (at / "report.html").write_text(write_page(findings), encoding="utf-8")
        (at / "mistakes.html").write_text(
            mistakes_page(self.photos, mistakes, self.release_id, threshold), encoding="utf-8"
        )

    def post(self, api: Api, manifest: Manifest, refusals: tuple[GateRefusal, ...], at: Path) -> None:
        report = CandidateReport(
            release_id=manifest.release_id,
            manifest_digest=manifest.digest(),
            snapshot_digest=manifest.snapshot_digest,
            recipe_digest=manifest.recipe_digest,
            world=manifest.world,
            gate=Gate(refusals),
            figures=manifest.figures,
            made_at=self.begun,
        )
        api.post_candidate(report)
        write_json(at / "posted.json", {"digest": report.digest()})
