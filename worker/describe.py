"""What this machine can run, and how the golden photos of a release went on it: for a person, and for an agent."""

from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

from pallor.errors import PallorError, Unavailable
from worker.engines.machine import Machine, needs_met
from worker.engines.plan import told
from worker.serving import Serving

FORMAT = 1

Described = dict[str, Any]


def describe(machine: Machine, threads: int, admitted: Callable[[], Serving]) -> Described:
    """One JSON object, always with the same names; what is not known is null.

    ``fault`` says why no engine may serve. ``engine.fallback`` says why another engine serves than the one meant.
    ``needs_met`` is what files of a release may need of this machine.
    """
    serving, fault = None, None
    try:
        serving = admitted()
    except PallorError as error:
        fault = told(error)
    return {
        "format": FORMAT,
        "admitted": serving is not None,
        "fault": fault,
        "release": serving and _release(serving),
        "engine": serving and asdict(serving.engine.describe()),
        "golden": serving and {"photos": len(serving.golden.probabilities), **asdict(serving.golden)},
        "machine": _machine(machine, threads),
        "needs_met": sorted(needs_met(machine)),
    }


def in_words(said: Described) -> Iterator[tuple[str, str]]:
    """The same for people: names and values, in order."""
    release, engine, machine = said["release"], said["engine"], said["machine"]
    if release and engine:
        use = release["intended_use"]
        yield "release", f"{release['release_id']} ({release['status']}, {release['world']} world)"
        yield "manifest", release["manifest"]
        yield "model", engine["model_digest"]
        yield "engine", f"{engine['flavour']} {engine['version']}, {engine['precision']}"
        yield "fallback", engine["fallback"] or "none: this is the engine that was meant"
        yield "intended for", f"{use['min_age_months']} to {use['max_age_months']} months of age"
        golden = said["golden"]
        yield "golden photos", f"{golden['photos']}, largest difference {golden['largest_difference']:.2g}"
    else:
        yield "nothing serves", said["fault"]
    sets = " ".join(machine["instruction_sets"]) or "instruction sets unknown"
    yield "processor", f"{machine['processor']}, {machine['cores']} cores, {machine['threads']} threads a photo; {sets}"
    gpu = machine["gpu"]
    yield "GPU", f"{gpu['name']}, {gpu['capability']}, CUDA {gpu['driver']}" if gpu else machine["no_gpu"]
    for flavour, library in machine["libraries"].items():
        yield flavour, library["version"] or library["missing"]
    yield "meets", " ".join(said["needs_met"])


def _release(serving: Serving) -> Described:
    manifest = serving.release.manifest
    return {
        "release_id": manifest.release_id,
        "status": manifest.status,
        "world": manifest.world,
        "manifest": serving.release.digest,
        "intended_use": asdict(manifest.intended_use),
    }


def _machine(machine: Machine, threads: int) -> Described:
    gpu = machine.gpu
    return {
        "system": machine.system,
        "architecture": machine.architecture,
        "processor": machine.processor,
        "cores": machine.cores,
        "threads": threads,
        "instruction_sets": list(machine.instruction_sets),
        "gpu": None if isinstance(gpu, Unavailable) else asdict(gpu),
        "no_gpu": told(gpu) if isinstance(gpu, Unavailable) else None,
        "libraries": {
            flavour: {"version": None, "families": None, "missing": told(one)}
            if isinstance(one, Unavailable)
            else {"version": one.version, "families": one.families and list(one.families), "missing": None}
            for flavour, one in machine.libraries.items()
        },
    }
