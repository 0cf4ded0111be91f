"""Scene 1, the talk's "Double descent": test error against width, at every width, and where theory puts it.

The ridge term a = n N lambda/d^2 of the regression is the same at every width, so that one factorisation serves all of
them; `ridges` are the lambda that it amounts to at N = n.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from simlab.core.checks import Floats
from simlab.core.device import Device
from simlab.core.errors import InputError
from simlab.core.progress import Progress
from simlab.lab import plot as look
from simlab.lab.claim import Claim
from simlab.lab.cost import Cost, affordable
from simlab.lab.quantities import given, measured, measured_jointly, predicted
from simlab.linear import random_features, width_curve
from simlab.statistics import Estimate, chi_square, jackknife, mean
from simlab.studies.random_features import networks, problem
from simlab.studies.random_features.config import Config
from simlab.theory import random_features as theory_of

PANELS = 2
RANGES, REACH = 8, 0.1
SMALL = ((16, 300), (32, 600))
"""Dimensions and replicates for the correction of order 1/d: at small d it stands out from the noise."""
SOURCE = "talk, Double descent; Mei & Montanari 2022"


def check(config: Config) -> None:
    """Refuse curves that stop before they are past the peak, and ridges named twice."""
    if config.widest < 1.5 * config.samples:
        raise InputError(
            f"widest = {config.widest:g} stops before the peak at N/d = samples = {config.samples:g} is passed: "
            f"take at least {1.5 * config.samples:g}."
        )
    if len(set(config.ridges)) < len(config.ridges):
        raise InputError("ridges: a ridge is named twice; name each once.")
    n = round(config.samples * config.dimension)
    half, at = reference(config, np.array([_half(config, config.dimension), n]), config.dimension, config.ridges[0])
    if at < 1.05 * half:
        raise InputError(
            f"ridges: at the first, {config.ridges[0]:g}, with this noise and activation theory has no peak at "
            "N = n to look for; take a smaller one."
        )
    best = all_ridges(config)[-1]
    half, at = reference(config, np.array([_half(config, config.dimension), n]), config.dimension, best)
    if at > 0.98 * half:
        raise InputError(
            f"noise = {config.noise:g} with activation = {config.activation}: even at the best ridge, {best:.2g}, "
            "theory learns nothing from more width; take less noise or an activation with a linear part."
        )
    affordable(config, cost(config))


def cost(config: Config) -> list[Cost]:
    """Every curve at both sizes, and the single widest nets of the small dimensions."""
    fields = ("dimension", "samples", "widest", "tests", "ridges")
    small = []
    for dimension, count in SMALL:
        n, width = round(config.samples * dimension), round(config.widest * dimension)
        own = problem.drawn(n, dimension, config.tests, width)
        seconds = own.seconds + problem.features(n + config.tests, width, dimension) + problem.solution(n, width)
        small.append(Cost(("widest", "tests"), count, 8 * own.held, count * (seconds + problem.OVERHEAD)))
    return problem.cost(config, fields, lambda d: _need(config, d)) + small


def _need(config: Config, dimension: int) -> problem.Need:
    """One problem: its features, and a curve for each ridge."""
    n, most, count = round(config.samples * dimension), round(config.widest * dimension), len(config.ridges) + 1
    own, one = problem.drawn(n, dimension, config.tests, most), problem.curve(n, most, config.tests)
    seconds = own.seconds + problem.features(n + config.tests, most, dimension) + count * one.seconds
    return problem.Need(own.held + one.held, seconds, count * one.kept)


def simulate(config: Config, device: Device, progress: Progress) -> xr.Dataset:
    """Excess risk at some fifty widths, its relative deviation from theory at two sizes, and the peak's place."""
    ridges = all_ridges(config)
    found: dict[str, Any] = given("ridge", "ridge", ridges, "ridge lambda at N = n")
    found |= given("width", "width", widths(config, config.dimension), "number of features N", "features")
    found |= given("size", "size", problem.sizes(config), "input dimension d")
    found |= given("range", "range", _middles(config), "middle of a range of N/d")
    risks, deviations, limits, heights = [], [], [], []
    every = problem.at_all_sizes(config, progress, "model-wise", lambda d, r: _curves(config, d, r, device))
    for i, ridge in enumerate(ridges):
        curves = [c[:, i] for c in every]  # (replicate, width) for each size
        relative = [_relative(config, d, c, ridge) for d, c in zip(problem.sizes(config), curves, strict=True)]
        risks.append(mean(curves[-1][:, widths(config, config.dimension) - 1]))
        deviations.append(Estimate.stack([mean(r) for r in relative]))
        limits.append(problem.limit(*relative))
        peaks = [c[:, round(config.samples * d) - 1, None] for d, c in zip(problem.sizes(config), curves, strict=True)]
        heights.append(problem.limit(*peaks))
        if ridge == ridges[0]:
            found |= measured("peak", (), jackknife(curves[-1], lambda c: _peak(config, c)), "N/n at the peak")
        if ridge in (ridges[0], ridges[-1]):
            name = "fall_small" if ridge == ridges[0] else "fall_best"
            at = round(config.samples * config.dimension)
            fall = mean(curves[-1][:, _half(config, config.dimension) - 1] - curves[-1][:, at - 1])
            found |= measured(name, (), fall, "risk at N = n/2 less risk at N = n, same data")
    found |= measured("risk", ("ridge", "width"), Estimate.stack(risks), "excess risk")
    found |= measured(
        "deviation", ("ridge", "size", "range"), Estimate.stack(deviations), "excess risk over theory, less 1"
    )
    height = Estimate.stack([_single(h) for h in heights])
    found |= measured("height", "ridge", height, "excess risk at N = n for d -> infinity, from d/2 and d")
    for i, joint in enumerate(limits):
        found |= measured_jointly(f"limit_{i}", "range", joint, "risk over theory, less 1, for d -> infinity")
    found |= measured("falling", (), _falling(config, device, progress), "exponent of d in the deviation from theory")
    return xr.Dataset(found)


def theory(config: Config, simulation: xr.Dataset) -> xr.Dataset:
    """Mei & Montanari's curve at the same widths, its height at N = n and its peak."""
    ridges, dimension = all_ridges(config), config.dimension
    rows = [reference(config, w := simulation["width"].values, dimension, r) for r in ridges]
    half, n = _half(config, dimension), round(config.samples * dimension)
    found: dict[str, Any] = predicted("risk", ("ridge", "width"), np.array(rows), "excess risk")
    heights = [float(reference(config, np.array(n), dimension, r)) for r in ridges]
    small = dimension // 2
    at_half = [float(reference(config, np.array(round(config.samples * small)), small, r)) for r in ridges]
    limits = [problem.extrapolated(*pair) for pair in zip(at_half, heights, strict=True)]
    found |= predicted("height", "ridge", limits, "excess risk at N = n")
    halves = [float(reference(config, np.array(half), dimension, r)) for r in ridges]
    found |= predicted("fall_small", (), halves[0] - heights[0], "risk at N = n/2 less risk at N = n")
    found |= predicted("fall_best", (), halves[-1] - heights[-1], "risk at N = n/2 less risk at N = n")
    every = reference(config, np.arange(1, w[-1] + 1), dimension, ridges[0])
    found |= predicted("peak", (), float(_peak(config, every)), "N/n at the peak")
    found |= predicted("falling", (), -1.0, "exponent of d in the deviation from theory")
    for i in range(len(ridges)):
        found |= predicted(f"limit_{i}", "range", np.zeros(RANGES), "risk over theory, less 1, for d -> infinity")
    return xr.Dataset(found)


def compare(config: Config, data: xr.Dataset) -> list[Claim]:
    """The whole curve, the correction 1/d, the peak's place and height, and its absence at the best ridge."""
    claims = []
    ridges = data["ridge"].values
    for i, ridge in enumerate(ridges):
        joint = chi_square(data[f"limit_{i}"].values, data[f"limit_{i}_covariance"].values, config.replicates)
        which = "the best ridge" if i == len(ridges) - 1 else f"ridge {ridge:.1e}"
        statement = f"At {which} the risk follows theory over all widths as d grows."
        claims.append(Claim.chi_square(f"model_wise/curve-{i}", statement, SOURCE, *joint))
    height = data.isel(ridge=0)
    shift = abs(float(data.peak_theory) - 1)
    claims += [
        Claim.equals(
            "model_wise/finite-size",
            "What separates the widest nets from theory, at d = 16 and 32, halves when d doubles: it falls as 1/d.",
            SOURCE, float(data.falling), -1.0, float(data.falling_se), bias=5 / SMALL[1][0], resolution=1.0,
        ),
        Claim.equals(
            "model_wise/peak-place",
            f"The peak is at N = n, but for the {100 * shift:.1f} % by which the ridge moves it, and 1/d.",
            SOURCE, float(data.peak), float(data.peak_theory), float(data.peak_se), bias=0.5 / config.dimension,
            resolution=0.1,
        ),
        Claim.equals(
            "model_wise/peak-height", "The height of the peak is that of theory as d grows.", SOURCE,
            float(height.height), float(height.height_theory), float(height.height_se),
            resolution=0.5 * float(height.height_theory),
        ),
        Claim.exceeds(
            "model_wise/peak-is-there", "Without enough ridge the risk rises from N = n/2 to N = n.", SOURCE,
            -float(data.fall_small) / float(data.fall_small_se), sigmas=6,
        ),
        Claim.exceeds(
            "model_wise/peak-is-gone", "At the best ridge the risk falls from N = n/2 to N = n: there is no peak.",
            SOURCE, float(data.fall_best) / float(data.fall_best_se), sigmas=6,
        ),
    ]  # fmt: skip
    return claims


def plot(config: Config, data: xr.Dataset, axes: list[Any]) -> None:
    """Double descent with theory through the points; and the distance between them as d grows."""
    curve, distance = axes
    ratio = data["width"] / round(config.samples * config.dimension)
    dense = np.geomspace(float(data["width"][0]), float(data["width"][-1]), 400)
    last = data.sizes["ridge"] - 1
    for i, ridge in enumerate(data["ridge"].values):
        name = "best ridge" if i == last else "ridge"
        look.points(curve, ratio, data.risk[i], data.risk_se[i], f"{name} {ridge:.1g}", color=i)
        n = round(config.samples * config.dimension)
        look.line(curve, dense / n, reference(config, dense, config.dimension, ridge), "", color=i)
    curve.axvline(1, color="0.8", lw=1, zorder=0)
    curve.set(
        xscale="log",
        yscale="log",
        title="Double descent: points simulated, lines exact",
        xlabel="N/n",
        ylabel="excess risk",
    )
    for j, size in enumerate(data["size"].values):
        one = data.deviation[0, j]
        look.points(distance, data["range"] * 1.04**j, one, data.deviation_se[0, j], f"d = {size}", color=j)
    look.points(
        distance, data["range"] / 1.04, data["limit_0"], data["limit_0_se"], "from both: d to infinity", color=3
    )  # fmt: skip
    distance.axhline(0, color="0.15", lw=1.6)
    distance.set(
        xscale="log",
        title=f"Distance from theory at ridge {config.ridges[0]:.0e}",
        xlabel="N/d",
        ylabel="risk/theory - 1",
    )


def widths(config: Config, dimension: int) -> Any:
    """Some fifty widths: dense around the peak, the same shares of d at each size as nearly as they can be."""
    return problem.spread(config.samples, 0.1, config.widest, 20, 17, dimension)


def reference(config: Config, width: Any, dimension: int, ridge: float) -> Floats:
    """Exact excess risk at these widths, for the ridge term that `ridge` is at N = n."""
    psi1, psi2 = width / dimension, round(config.samples * dimension) / dimension
    return theory_of.risk(psi1, psi2, ridge * psi2 / psi1, activation=config.activation, noise=config.noise)


def all_ridges(config: Config) -> list[float]:
    """The ridges asked for, and the best one at N = n, last."""
    return [*config.ridges, problem.best_ridge(config.samples, config.samples, config.noise, config.activation)[0]]


def _curves(config: Config, dimension: int, replicate: int, device: Device) -> Floats:
    """Excess risk at every ridge and every width (ridge, width), on one problem."""
    own = problem.key(config, problem.MODEL_WISE, dimension, replicate)
    n, most = round(config.samples * dimension), int(widths(config, dimension)[-1])
    points, labels, tests, truth = problem.draw(own, n, dimension, config.tests, config.noise, device)
    theta = problem.weights(own, most, dimension, device)
    z, t = (random_features(x, theta, config.activation) for x in (points, tests))
    scale = (n / dimension) ** 2
    curves = [width_curve(z, labels, t, truth, ridge * scale) for ridge in all_ridges(config)]
    return np.array([device.to_host(c) for c in curves])


def _relative(config: Config, dimension: int, curves: Floats, ridge: float) -> Floats:
    """Risk over theory, less 1, averaged over each range of widths (replicate, range)."""
    own = widths(config, dimension)
    return problem.ranges(curves[:, own - 1] / reference(config, own, dimension, ridge) - 1, RANGES)


def _middles(config: Config) -> Floats:
    return np.exp(problem.ranges(np.log(widths(config, config.dimension) / config.dimension), RANGES))


def _half(config: Config, dimension: int) -> int:
    return round(config.samples * dimension / 2)


def _peak(config: Config, curve: Floats) -> Floats:
    """N/n at the top of the parabola through the logarithm of the risk near N = n; curve: every width (..., N)."""
    n = round(config.samples * config.dimension)
    return problem.turn(curve, n, REACH) / n


def _falling(config: Config, device: Device, progress: Progress) -> Estimate:
    """Exponent of d in risk/theory - 1 of the widest nets at the first ridge, where it is largest."""
    means = []
    with progress.task("model-wise: finite size", total=sum(count for _, count in SMALL)) as task:
        for dimension, count in SMALL:
            rows = [_widest(config, dimension, replicate, device) for replicate in range(count)]
            means.append(mean(np.array(rows)))
            task.advance(count)
    (small, small_se), (large, large_se) = means
    doubling = np.log(SMALL[1][0] / SMALL[0][0])
    ratio = large / small
    slope = np.log(ratio if ratio > 0 else np.nan) / doubling
    return Estimate(slope, np.hypot(small_se / small, large_se / large) / doubling)


def _widest(config: Config, dimension: int, replicate: int, device: Device) -> float:
    """Risk over theory, less 1, of one net of the largest width."""
    own = problem.key(config, problem.MODEL_WISE, dimension, replicate + 10**6)
    n, width = round(config.samples * dimension), round(config.widest * dimension)
    data = problem.draw(own, n, dimension, config.tests, config.noise, device)
    theta = problem.weights(own, width, dimension, device)[None]
    ridge = config.ridges[0] * n / width
    pairs = networks.products(networks.residuals(data, theta, config.activation, ridge, device), device)
    return float(pairs[0, 0] / reference(config, np.array(width), dimension, config.ridges[0]) - 1)


def _single(joint: Any) -> Estimate:
    return Estimate(joint.value[0], np.sqrt(joint.covariance[0, 0]))
