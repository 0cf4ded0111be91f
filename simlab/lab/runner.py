"""The runner: simulate every scene, derive what is expected, and compare. Nothing is written here but cells."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from simlab.core.device import Device
from simlab.core.kernel_cache import require_compiler
from simlab.core.progress import Progress
from simlab.lab import results
from simlab.lab.cells import Recorded, Store, fields_read, sources_of
from simlab.lab.claim import Claim, unless_diverged
from simlab.lab.codec import Kept
from simlab.lab.found import Found
from simlab.lab.lab import Lab

if TYPE_CHECKING:
    from simlab.lab.study import BaseConfig, Study


def run(
    study: Study, config: BaseConfig, progress: Progress | None = None, *, cells: Path | None = None
) -> xr.DataTree:
    """The result of all chosen scenes, with claims and provenance.

    cells: a folder that keeps every finished cell and scene; those that are there already are not computed again.
    """
    device, progress = Device.open(config.device), progress or Progress.silent()
    require_compiler()  # now, not at the first kernel after minutes
    names = study.chosen(config)
    study.check(config)  # all scenes, before any work is done
    # Before the run, so that a failure costs no work, and a commit made meanwhile is not taken for the one that ran.
    settings = config.model_dump_json(exclude={"out"})
    about = results.provenance(study.name, settings, device.description, config.seed, 0.0, title=study.title)
    store = Store(study.name, cells, sources_of(study.package.partition(".")[0]))
    started = time.monotonic()
    scenes: dict[str, xr.Dataset] = {}
    claims: list[Claim] = []
    for name in names:
        scene = study.scene(name)
        data, diverged = _simulated(study, scene, config, device, progress, store)
        found = Found.of(scene, data)
        found.enter_theory(scene.theory(config, found.axes))
        scenes[name] = found.dataset
        claims += unless_diverged(scene.compare(config, found), diverged)
    return results.tree(scenes, claims, {**about, "run_time": time.monotonic() - started})


def _simulated(
    study: Study, scene: Any, config: BaseConfig, device: Device, progress: Progress, store: Store
) -> tuple[xr.Dataset, int]:
    """What a scene's simulation found, from the store or anew, and how many walkers became NaN or infinite."""
    work = f"{scene.__name__}.simulate"
    kept = store.find(work, (), config, device)
    if kept is None:
        recorded = Recorded(config)
        lab = Lab(study.name, recorded, device, progress, store)
        found = Found.of(scene)
        found.enter_simulation(scene.simulate(recorded, lab))
        variables = {str(n): (v.dims, _plain(v.values), v.attrs) for n, v in found.dataset.variables.items()}
        kept = store.keep(work, (), device, Kept(variables, lab.lost(), fields_read(recorded)))
    data = xr.Dataset(
        {n: (d, v.astype(object) if v.dtype.kind == "U" else v, a) for n, (d, v, a) in kept.result.items()}
    )
    return data.assign_attrs(diverged=kept.diverged), kept.diverged


def _plain(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Texts as a file keeps them."""
    return values.astype(str) if values.dtype.kind == "O" else values
