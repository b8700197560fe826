"""What each command does, told to people; what it gives back are the figures of its last line."""

import argparse
from collections.abc import Callable, Mapping
from typing import Any

import torch
from rich.console import Console
from rich.markup import escape

from pallor.clock import SystemClock
from pallor.store import open_store
from trainer.cross_validate import cross_validate
from trainer.data.group_report import group_photos, photos_in
from trainer.engines import build_engines
from trainer.figures import figures_of
from trainer.inputs import import_folder, read_inputs
from trainer.progress import Bars
from trainer.rounds import go_round
from trainer.steps import private_folder, write_json

Command = Callable[[argparse.Namespace, Bars, Console], Mapping[str, Any]]


def command_of(name: str) -> Command:
    """The command of a name, ready to be called."""
    torch.set_num_threads(1)  # more stall each other on a busy machine, and would change the sums
    commands: Mapping[str, Command] = {
        "cycle": cycle,
        "groups": groups,
        "evaluate": evaluate,
        "import": import_data,
        "engines": engines,
    }
    return commands[name]


def cycle(args: argparse.Namespace, bars: Bars, console: Console) -> Mapping[str, Any]:
    """``trainer.rounds.go_round``, told to people."""
    ended = go_round(args, SystemClock(), bars)
    for run in ended.forgotten:
        console.print(f"{run}: somebody of it was erased; its pictures of people are deleted", highlight=False)
    if ended.outcome is None:
        console.print(escape(ended.said), highlight=False)
        return {"due": False}
    outcome = ended.outcome
    console.print(f"{outcome.manifest.release_id} in {outcome.candidate}", highlight=False, soft_wrap=True)
    console.print(f"read {outcome.report}, and {outcome.mistakes}", highlight=False, soft_wrap=True)
    for refusal in outcome.refusals:
        console.print(f"[red]{refusal.reason}[/red] {escape(refusal.said)}", highlight=False, soft_wrap=True)
    console.print("the gate refuses it" if outcome.refusals else "the gate lets it pass", highlight=False)
    if ended.signed_by:
        console.print(f"signed as a candidate by {escape(ended.signed_by)}; people decide", highlight=False)
    return {
        "due": True,
        "release_id": outcome.manifest.release_id,
        "manifest": outcome.manifest.digest(),
        "gate_passed": not outcome.refusals,
        "gate_refusals": [refusal.reason for refusal in outcome.refusals],
        "signed_by": ended.signed_by,
    }


def groups(args: argparse.Namespace, bars: Bars, console: Console) -> Mapping[str, Any]:
    """``trainer.data.group_report.group_photos`` of a folder; the figures of each level."""
    private_folder(args.out)
    report = group_photos(*photos_in(args.photos, args.out), args.out, processes=args.processes, bars=bars)
    for image_id, problem in report["unreadable"].items():
        console.print(f"[yellow]not read[/yellow] {escape(image_id)}: {escape(problem)}", highlight=False)
    console.print(
        f"look at {args.out / 'contact_sheet.png'} and {args.out / 'groups.md'}", highlight=False, soft_wrap=True
    )
    return {level: figures | {"sizes": figures["sizes"][:10]} for level, figures in report["levels"].items()}


def evaluate(args: argparse.Namespace, bars: Bars, console: Console) -> Mapping[str, Any]:
    """Cross-validate by the protocols that the recipe has seeds for."""
    private_folder(args.run)
    inputs = read_inputs(args, bars)
    evidence = cross_validate(inputs.photos, inputs.base, inputs.recipe, args.run, args.processes, bars)
    write_json(args.run / "evidence.json", evidence)
    console.print(f"evidence in {args.run / 'evidence.json'}", highlight=False, soft_wrap=True)
    return figures_of(evidence)


def import_data(args: argparse.Namespace, bars: Bars, console: Console) -> Mapping[str, Any]:
    """Freeze the public data set."""
    digest = import_folder(args.folder, open_store(args.store), bars)
    console.print(f"snapshot {digest}", highlight=False, soft_wrap=True)
    return {"snapshot": digest}


def engines(args: argparse.Namespace, bars: Bars, console: Console) -> Mapping[str, Any]:
    """``trainer.engines.build_engines``, told to people."""
    built = build_engines(
        args.release, args.out,
        families=args.families, precisions=args.precisions, release_id=args.release_id, bars=bars,
    )  # fmt: skip
    console.print(f"{built.manifest.release_id} in {args.out}", highlight=False, soft_wrap=True)
    sizes = {file.path: file.bytes for file in built.manifest.files}
    return {
        "release_id": built.manifest.release_id,
        "manifest": built.manifest.digest(),
        "engines": {
            path: {"bytes": sizes[path], "seconds": round(seconds, 2)} for path, seconds in built.seconds.items()
        },
    }
