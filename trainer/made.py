"""The steps of a round that need the photos, from fine-tuning to the post; each fills the folder it is given."""

import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np

from pallor.candidate import CandidateReport, Gate, GateRefusal
from pallor.errors import Untrusted
from pallor.release.manifest import Manifest
from trainer.calibrate import Cutoffs, calibrate
from trainer.cross_validate import cross_validate
from trainer.data.photos import Photos
from trainer.data.split import Fold, clusters, lasting_sides
from trainer.evidence import side_evidence, together
from trainer.export import ask, ask_torch, compare, serve
from trainer.figures import CHAMPION, MODEL
from trainer.finetune import count_steps, finetune, logits_of
from trainer.folds import jobs_of
from trainer.gate import judge_candidate
from trainer.golden import draw_golden
from trainer.intended_use import intended_use
from trainer.metrics import Scores
from trainer.model import Release, Screen
from trainer.order import Order
from trainer.pack import ModelFile, Parts, pack
from trainer.post import Api
from trainer.progress import Bars
from trainer.quantize.files import FP16, FP16_TENSORRT, FP32, INT8, INT8_TENSORRT, quantization_steps, quantize
from trainer.quantize.judge import compare_files
from trainer.report.findings import Findings
from trainer.report.mistakes import find_mistakes, mistake_from, mistakes_page
from trainer.report.page import write_page
from trainer.runs import SIDES
from trainer.steps import read_json, write_json
from trainer.warm_start import base_from_release, save

_FOR_CPUS, _FOR_GPUS = (INT8, FP16), (INT8_TENSORRT, FP16_TENSORRT)  # a machine is given the first that fits it


class ExportDisagrees(Untrusted):
    """The exported graph does not say what the network says."""


@dataclass(frozen=True, eq=False)
class Made:
    """What the steps have in common."""

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
        order, recipe, photos, test = self.order, self.order.recipe, self.photos, self.fold.test
        models = {precision: (files / f"{precision}.onnx").read_bytes() for precision in (FP32, *_FOR_CPUS, *_FOR_GPUS)}
        with self.bars("judging by the test side", 0):
            scores = self._scores(models)
            evidence = side_evidence(
                photos, self.fold, order.base, recipe, cutoffs, scores,
                order.champion.cutoffs if order.champion else None,
            )  # fmt: skip
            compared = compare_files(
                models, photos.inputs[test], photos.anaemic[test], clusters(photos)[test], cutoffs.threshold, recipe
            )
            embeddings = ask(serve(models[FP16], recipe.preprocess.size), photos.inputs).embedding
            mistakes = find_mistakes(photos, test, self.fold.train, scores[MODEL], cutoffs.threshold, embeddings)
        if jobs_of(photos, recipe):
            folds = cross_validate(photos, order.base, recipe, at, order.processes, self.bars)
            evidence = together(evidence, folds)
        write_json(at / "evidence.json", evidence)
        write_json(at / "compared.json", compared)
        write_json(at / "mistakes.json", [asdict(mistake) for mistake in mistakes])

    def _scores(self, models: Mapping[str, bytes]) -> dict[str, Scores]:
        """Of the test side, by what a machine without a GPU would serve, and by the champion."""
        recipe, judged = self.order.recipe, self.photos.inputs[self.fold.test]
        exact, small = (
            ask(serve(models[precision], recipe.preprocess.size), judged).probability.astype(np.float64)
            for precision in (FP16, INT8)
        )
        champion = self.order.champion
        return {
            MODEL: exact,
            INT8: small,
            **({CHAMPION: champion.scores(judged, recipe.preprocess)} if champion else {}),
        }

    def judge(self, evidence: Path, at: Path) -> None:
        rival = self.order.champion
        champion = {"release_id": rival.manifest.release_id} if rival else None
        refusals = judge_candidate(read_json(evidence / "evidence.json"), self.order.recipe.gate, champion)
        write_json(at / "refusals.json", [asdict(refusal) for refusal in refusals])

    def pack(self, files: Path, evaluated: Path, verdict: Path, at: Path) -> None:
        """The release folder, and the report beside it."""
        recipe = self.order.recipe
        models = {one: (files / f"{one}.onnx").read_bytes() for one in (*_FOR_CPUS, *_FOR_GPUS)}
        evidence, quantized = read_json(evaluated / "evidence.json"), read_json(files / "quantization.json")
        findings = Findings(
            release_id=self.release_id,
            intended_use=intended_use(self.photos.ages[self.fold.train], self.photos.label_table),
            evidence=evidence,
            quantization=read_json(evaluated / "compared.json"),
            nodes=quantized["nodes"],
            refusals=read_json(verdict / "refusals.json"),
            parity=quantized["parity"],
            mistakes=len(read_json(evaluated / "mistakes.json")),
        )
        shipped = [
            ModelFile(f"{one}.onnx", models[one], one.removesuffix("-trt"), needs)
            for kinds, needs in ((_FOR_CPUS, ("cpu",)), (_FOR_GPUS, ("gpu",)))
            for one in kinds
        ]
        parts = Parts(findings, self.begun, shipped, draw_golden(recipe.export))
        manifest = pack(parts, recipe, at / self.release_id)
        there = tuple(Path(file.path).stem for file in manifest.files if file.role == "model")
        (at / "report.html").write_text(write_page(replace(findings, shipped=there)), encoding="utf-8")

    def show_mistakes(self, evaluated: Path, at: Path) -> None:
        """For the trainer's own eyes: photos of people, so they lie where nothing is given away."""
        at.chmod(0o700)
        threshold = read_json(evaluated / "evidence.json")["cutoffs"]["threshold"]
        mistakes = [mistake_from(one) for one in read_json(evaluated / "mistakes.json")]
        page = at / "mistakes.html"
        page.touch(mode=0o600)
        page.write_text(mistakes_page(self.photos, mistakes, self.release_id, threshold), encoding="utf-8")

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
