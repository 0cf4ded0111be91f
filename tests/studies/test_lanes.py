"""The comparison of the CPU with a card can fail: one constant that is slightly wrong on the card is noticed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import xarray as xr

from simlab import nn
from simlab.lab import settings
from simlab.lab.runner import run
from simlab.nn.kernels.cuda import advance as persistent
from simlab.sde import gpu
from simlab.sde.walk import _kernel
from simlab.studies import load
from tests.sde import host_cuda
from tests.studies.memory import forgetting
from tests.studies.small import SMALL, differing, shrink


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    yield from forgetting((_kernel, gpu.load, persistent._train))


def small_run(study: str, scene: str, **changes: Any) -> dict[str, xr.Dataset]:
    """One scene in miniature."""
    own = load(study)
    config = {**own.presets["smoke"], **SMALL[study].changes, "scenes": (scene,), **changes}
    return {scene: run(own, settings.validate(own, config))[scene].to_dataset()}


def altered(module: Any, right: str, wrong: str) -> Callable[..., str]:
    """A module's `source` that writes something else in one place."""
    write = module.source

    def source(*arguments: Any) -> str:
        text: str = write(*arguments)
        assert text.count(right) == 1
        return text.replace(right, wrong)

    return source


@pytest.mark.parametrize(
    ("study", "scene", "changes", "module", "right", "wrong"),
    [
        ("langevin_drift", "walk", {}, gpu, "= normals[lane][half]", "= (real)1.001 * normals[lane][half]"),
        ("ensemble_power_laws", "digits", {"epochs": 2}, persistent, "rate.lr = lr[", "rate.lr = (real)1.02 * lr["),
    ],
)
def test_a_kernel_that_is_slightly_wrong_is_noticed(
    study: str,
    scene: str,
    changes: dict[str, Any],
    module: Any,
    right: str,
    wrong: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = small_run(study, scene, **changes)
    host_cuda.install(monkeypatch)
    monkeypatch.setattr(module, "source", altered(module, right, wrong))
    assert differing(SMALL[study], here, small_run(study, scene, device="gpu", **changes)) != []


def test_a_decay_that_is_slightly_wrong_is_noticed_where_trajectories_part(monkeypatch: pytest.MonkeyPatch) -> None:
    shrink(load("scale_invariance"), monkeypatch)
    here = small_run("scale_invariance", "equilibrium")
    right = nn.SGD
    monkeypatch.setattr(
        nn, "SGD", lambda lr, momentum=0.0, weight_decay=0.0: right(lr, momentum, 1.01 * np.asarray(weight_decay))
    )
    assert differing(SMALL["scale_invariance"], here, small_run("scale_invariance", "equilibrium")) != []


@pytest.mark.parametrize("scene", ["equilibrium", "regimes"])
def test_another_sample_of_a_chaotic_scene_is_no_difference(scene: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other data and other first weights even: at this seed and any other, to the rate of false alarm."""
    shrink(load("scale_invariance"), monkeypatch)
    one, other = (small_run("scale_invariance", scene, seed=seed) for seed in (0, 1))
    assert differing(SMALL["scale_invariance"], one, other) == []
