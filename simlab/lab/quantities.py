"""Paired variables of a scene: `q` measured, `q_se` its standard error, `q_theory` the reference.

Each has a name and units.
"""

from __future__ import annotations

from typing import Any

import xarray as xr

from simlab.statistics import Estimate, Joint

Dims = str | tuple[str, ...]
Variables = dict[str, xr.Variable]


def measured(name: str, dims: Dims, estimate: Estimate, long_name: str, units: str = "1") -> Variables:
    """`name` and `name_se`; dims is () for a single number."""
    return {
        name: xr.Variable(dims, estimate.value, {"long_name": long_name, "units": units}),
        f"{name}_se": xr.Variable(dims, estimate.se, {"long_name": f"standard error of {long_name}", "units": units}),
    }


def measured_jointly(name: str, dim: str, joint: Joint, long_name: str, units: str = "1") -> Variables:
    """The same with `name_covariance` (dim, dim_), for quantities whose errors hang together."""
    covariance = {
        "long_name": f"covariance of the errors of {long_name}",
        "units": units if units == "1" else f"({units})^2",
    }
    se = joint.covariance.diagonal() ** 0.5
    return {
        **measured(name, dim, Estimate(joint.value, se), long_name, units),
        f"{name}_covariance": xr.Variable((dim, f"{dim}_"), joint.covariance, covariance),
    }


def predicted(name: str, dims: Dims, values: Any, long_name: str, units: str = "1") -> Variables:
    """`name_theory`."""
    return {f"{name}_theory": xr.Variable(dims, values, {"long_name": f"theory of {long_name}", "units": units})}


def given(name: str, dims: Dims, values: Any, long_name: str, units: str = "1") -> Variables:
    """A coordinate, or a plain fact of the run such as the number of diverged walkers."""
    return {name: xr.Variable(dims, values, {"long_name": long_name, "units": units})}
