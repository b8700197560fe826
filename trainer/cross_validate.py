"""A recipe judged by the protocols that it has seeds for, from fine-tuning to evidence."""

from pathlib import Path

from trainer.data.photos import Photos
from trainer.evidence import Evidence, fold_evidence
from trainer.folds import Task, jobs_of, judge_all
from trainer.model import Base
from trainer.progress import Bars
from trainer.recipe import Recipe


def cross_validate(photos: Photos, base: Base, recipe: Recipe, run: Path, processes: int, bars: Bars) -> Evidence:
    """Every fold that ``run`` does not hold yet is fine-tuned, ``processes`` at once; then the evidence of all."""
    jobs = jobs_of(photos, recipe)
    with bars(f"cross-validating {recipe.name}", len(jobs)) as done:
        task = Task(photos, base, recipe, run)
        outcomes = judge_all(jobs, task, processes=processes, done=lambda _: done(1))
    return fold_evidence(photos, base, recipe, jobs, outcomes)
