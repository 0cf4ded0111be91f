"""Scene 2, the talk's "Double descent" again: at a fixed width there are sample sizes at which more data hurts."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from simlab.core.checks import Floats
from simlab.core.device import Device
from simlab.core.errors import InputError
from simlab.core.progress import Progress
from simlab.lab import plot as look
from simlab.lab.claim import Claim
from simlab.lab.cost import FLOP, Cost, affordable
from simlab.lab.quantities import given, measured, measured_jointly, predicted
from simlab.linear import random_features, sample_curve
from simlab.statistics import chi_square, jackknife, mean
from simlab.studies.random_features import problem
from simlab.studies.random_features.config import Config
from simlab.theory import random_features as theory_of

PANELS = 1
RANGES, REACH = 8, 0.1
RIDGE = 1e-4
"""Ridge lambda at n = N: small, so that there is a peak."""
SOURCE = "talk, Double descent; Nakkiran et al. 2021"


class Interval(NamedTuple):
    """n/d where the theory curve has its minimum before the peak, and where the peak is."""

    start: float
    end: float


def check(config: Config) -> None:
    """Refuse curves that stop before they are past the peak."""
    if config.most < 2 * config.width:
        raise InputError(
            f"most = {config.most:g} is less than twice width = {config.width:g}: the curve would end at its peak."
        )
    found = interval(config)
    if found is not None and found.start * config.dimension < 8:
        raise InputError(
            f"width = {config.width:g}: theory's interval of harm starts at n = {found.start:.2g} d, too few "
            "examples to see it; take more width or a larger dimension."
        )
    if found is None:
        raise InputError(
            f"noise = {config.noise:g} with width = {config.width:g}: theory has no lowest point before "
            "the peak from which more data hurts; take other noise or an activation with a linear part."
        )
    affordable(config, cost(config))


def cost(config: Config) -> list[Cost]:
    """A curve over all sample sizes for each problem."""
    return problem.cost(config, ("dimension", "most", "width", "tests"), lambda d: _need(config, d))


def _need(config: Config, dimension: int) -> problem.Need:
    most, width = round(config.most * dimension), round(config.width * dimension)
    own = problem.drawn(most, dimension, config.tests, width)
    seconds = problem.features(most + config.tests, width, dimension)
    # Z Z^T and its factor, and what test points make of it, for all examples at once.
    n, m = float(most), float(config.tests)
    flops = 2 * n**2 * width + n**3 / 3 + 2 * n * m * width + 2 * n**2 * m + 200 * n * m
    return problem.Need(own.held + 3 * n**2 + 2 * n * (m + width), own.seconds + seconds + FLOP * flops, n)


def simulate(config: Config, device: Device, progress: Progress) -> xr.Dataset:
    """Excess risk at every sample size, its deviation from theory, and what the predicted interval costs."""
    curves = problem.at_all_sizes(config, progress, "sample-wise", lambda d, r: _curve(config, d, r, device))
    dimensions = problem.sizes(config)
    relative = [
        problem.ranges(c[:, (own := sizes(config, d)) - 1] / reference(config, own, d) - 1, RANGES)
        for d, c in zip(dimensions, curves, strict=True)
    ]
    shown = sizes(config, config.dimension)
    found: dict[str, Any] = given("examples", "examples", shown, "number of examples n", "examples")
    found |= measured("risk", "examples", mean(curves[-1][:, shown - 1]), "excess risk")
    joint = problem.limit(*relative)
    found |= measured_jointly("limit", "range", joint, "risk over theory, less 1, for d -> infinity")
    at = [round(e * config.dimension) - 1 for e in _predicted(config)]
    found |= measured(
        "rise", (), mean(curves[-1][:, at[1]] - curves[-1][:, at[0]]), "risk at the end less at the start"
    )
    found |= measured("end", (), jackknife(curves[-1], lambda c: _top(config, c)), "n/N where more data helps again")
    found |= measured(
        "start", (), jackknife(curves[-1], lambda c: _bottom(config, c)), "n/N from where more data hurts"
    )
    return xr.Dataset(found)


def theory(config: Config, simulation: xr.Dataset) -> xr.Dataset:
    """Mei & Montanari's curve along n, and its two turning points."""
    examples = simulation["examples"].values
    curve = reference(config, np.arange(1, examples[-1] + 1), config.dimension)
    low, high = (round(e * config.dimension) - 1 for e in _predicted(config))
    found: dict[str, Any] = predicted("risk", "examples", reference(config, examples, config.dimension), "excess risk")
    found |= predicted("limit", "range", np.zeros(RANGES), "risk over theory, less 1")
    found |= predicted("rise", (), curve[high] - curve[low], "risk at the end less at the start")
    found |= predicted("end", (), float(_top(config, curve)), "n/N where more data helps again")
    found |= predicted("start", (), float(_bottom(config, curve)), "n/N from where more data hurts")
    return xr.Dataset(found)


def compare(config: Config, data: xr.Dataset) -> list[Claim]:
    """The whole curve, the two ends of the interval, and the harm in it."""
    low, high = _predicted(config)
    joint = chi_square(data["limit"].values, data["limit_covariance"].values, config.replicates)
    bias = 2 / config.dimension
    return [
        Claim.chi_square(
            "sample_wise/curve", "The risk follows theory over all sample sizes as d grows.", SOURCE, *joint
        ),
        Claim.exceeds(
            "sample_wise/more-data-hurts",
            f"From n = {low:.3g} d to n = {high:.3g} d, the interval that theory predicts, more data makes it worse.",
            SOURCE, float(data.rise) / float(data.rise_se), sigmas=6,
        ),
        Claim.equals(
            "sample_wise/interval-starts", "The harm starts where theory says, but for a shift of order 1/d.", SOURCE,
            float(data.start), float(data.start_theory), float(data.start_se), bias=bias, resolution=0.3,
        ),
        Claim.equals(
            "sample_wise/interval-ends", "It ends at n = N, where theory has its peak, but for a shift of order 1/d.",
            SOURCE, float(data.end), float(data.end_theory), float(data.end_se), bias=bias, resolution=0.15,
        ),
    ]  # fmt: skip


def plot(config: Config, data: xr.Dataset, axes: list[Any]) -> None:
    """The curve along n with the interval shaded."""
    (panel,) = axes
    low, high = _predicted(config)
    panel.axvspan(low, high, color="0.92", zorder=0, label="theory: more data hurts")
    look.points(panel, data["examples"] / config.dimension, data.risk, data.risk_se, f"N = {config.width:g} d")
    dense = np.geomspace(float(data["examples"][0]), float(data["examples"][-1]), 400)
    look.line(panel, dense / config.dimension, reference(config, dense, config.dimension), "theory")
    panel.set(xscale="log", yscale="log", title="More data can hurt", xlabel="n/d", ylabel="excess risk")


def sizes(config: Config, dimension: int) -> Any:
    """Some fifty sample sizes, dense around the peak."""
    return problem.spread(config.width, 0.2, config.most, 16, 15, dimension)


def reference(config: Config, examples: Any, dimension: int) -> Floats:
    """Exact excess risk at these sample sizes for the ridge term that RIDGE is at n = N."""
    psi1 = round(config.width * dimension) / dimension
    psi2 = examples / dimension
    return theory_of.risk(psi1, psi2, RIDGE * psi1 / psi2, activation=config.activation, noise=config.noise)


def interval(config: Config) -> Interval | None:
    """Where theory rises with n: from the lowest point before the peak to the peak; None without such a point."""
    return _interval(config.width, config.noise, config.activation)


@cache
def _interval(width: float, noise: float, activation: str) -> Interval | None:
    psi2 = np.geomspace(0.02 * width, 1.3 * width, 4001)
    curve = theory_of.risk(width, psi2, RIDGE * width / psi2, activation=activation, noise=noise)
    rises = np.flatnonzero(np.diff(curve) > 0)
    if rises.size == 0 or rises[0] == 0 or (np.diff(rises) > 1).any():
        return None
    return Interval(float(psi2[rises[0]]), float(psi2[rises[-1] + 1]))


def _predicted(config: Config) -> Interval:
    found = interval(config)
    assert found is not None, "check() has refused this"
    return found


def _curve(config: Config, dimension: int, replicate: int, device: Device) -> Floats:
    own = problem.key(config, problem.SAMPLE_WISE, dimension, replicate)
    most, width = int(sizes(config, dimension)[-1]), round(config.width * dimension)
    points, labels, tests, truth = problem.draw(own, most, dimension, config.tests, config.noise, device)
    theta = problem.weights(own, width, dimension, device)
    z, t = (random_features(x, theta, config.activation) for x in (points, tests))
    return device.to_host(sample_curve(z, labels, t, truth, RIDGE * (width / dimension) ** 2))


def _top(config: Config, curve: Floats) -> Floats:
    return _turn(config, curve, config.width, REACH, top=True)


def _bottom(config: Config, curve: Floats) -> Floats:
    return _turn(config, curve, _predicted(config).start, 1.0, top=False)


def _turn(config: Config, curve: Floats, centre: float, reach: float, *, top: bool) -> Floats:
    """n/N at the extremum of the parabola through the logarithm of the risk near n = centre d."""
    size = problem.turn(curve, centre * config.dimension, reach, top=top)
    return size / round(config.width * config.dimension)
