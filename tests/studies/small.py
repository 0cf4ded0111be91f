"""Runs in miniature, for what needs no claim: that a run repeats itself, and that a card measures what the CPU does."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pytest
import xarray as xr

from simlab.lab.study import Study

ROUNDING = 0.02
"""Standard errors by which lanes may differ where trajectories do not part: rounding makes some ten-thousandths."""
ALARM = 1e-4
"""Of all numbers of a study together, were the lanes independent samples."""


class Small(NamedTuple):
    """The smoke preset in miniature.

    changes: fields of the config. constants: numbers of the scenes' modules, "module.NAME". parting: scenes whose
    trajectories are chaotic, so that another order of a sum is another sample. samples: how many replicates their
    standard errors come from.
    """

    changes: Mapping[str, Any]
    constants: Mapping[str, Any] = {}
    parting: tuple[str, ...] = ()
    samples: int = 0


WHOLE = Small({})
"""The smoke preset as it is, of a study that is quick enough."""
SMALL = {
    "langevin_drift": Small({"walkers": 1024, "duration": 100.0, "escape_walkers": 1024}),
    "random_features": Small({"replicates": 32, "tests": 100}, {"model_wise.SMALL": ((16, 32), (32, 32))}),
    "scale_invariance": Small(
        {
            "walkers": 256, "dimensions": (4,), "replicates": 8, "width": 8, "examples": 200, "tests": 150,
            "product": 0.005, "lifetimes": 4.0, "phase_width": 8, "phase_examples": 100, "phase_steps": (10, 30, 100),
            "phase_replicates": 8, "period_decays": (0.04,), "period_lifetimes": 8.0, "elrs": 6, "regime_steps": 200,
        },
        {
            "phases.ANNEALING": 30, "phases.BUMP_STEPS": (5, 20, 100), "regimes.ANNEALING": 50,
            "regimes.TOY_STEPS": 1000,
        },
        ("equivalence", "equilibrium", "phases", "periods", "regimes"), 8,
    ),
    "ensemble_power_laws": Small({
        "teachers": 8, "splits": 8, "training": 200, "validation": 200, "tests": 300, "epochs": 20,
        "widths": (3, 6, 12, 24, 32, 48), "budgets": (300, 500, 1000, 2000, 4000),
    }),
}  # fmt: skip


def shrink(study: Study, patch: pytest.MonkeyPatch) -> None:
    """Give the scenes' modules their small numbers."""
    for name, value in SMALL.get(study.name, WHOLE).constants.items():
        module, _, constant = name.partition(".")
        patch.setattr(importlib.import_module(f"{study.package}.{module}"), constant, value)


def measured(data: xr.Dataset) -> list[str]:
    """Names of what has an error bar."""
    return [str(n) for n in data.variables if f"{n}_se" in data.variables]


def differing(small: Small, here: Mapping[str, xr.Dataset], there: Mapping[str, xr.Dataset]) -> list[str]:
    """What two lanes do not measure alike, as `scene: name, by so many standard errors of the difference`.

    Where trajectories part, lanes are two samples of one distribution: Student's quantile at ALARM, shared by all
    numbers, with the degrees of freedom of two samples. They have data and first weights in common, and so differ less.
    What has no spread, such as the first norm of all nets, is allowed the rounding of single precision.
    """
    from scipy.special import stdtrit

    numbers = sum(data[name].size for data in here.values() for name in measured(data))
    quantile = -float(stdtrit(2 * (small.samples - 1), ALARM / numbers / 2)) if small.parting else ROUNDING
    found = []
    for scene, data in here.items():
        other, allowed = there[scene], quantile if scene in small.parting else ROUNDING
        for name in measured(data):
            apart = np.abs(data[name].values - other[name].values)
            error = np.hypot(data[f"{name}_se"].values, other[f"{name}_se"].values)
            if not (apart <= allowed * error + 1e-6 * np.abs(data[name].values)).all():
                with np.errstate(divide="ignore", invalid="ignore"):
                    found.append(f"{scene}: {name}, by {np.max(apart / error):.3g} of {allowed:.3g} allowed")
    return found
