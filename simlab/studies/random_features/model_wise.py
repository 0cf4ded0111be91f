"""Scene 1, the talk's "Double descent": test error against width, at every width, and where theory puts it.

The ridge term a = n N lambda/d^2 of the regression is the same at every width, so that one factorisation serves all of
them; `ridges` are the values of lambda at N = n.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simlab.core.checks import Floats
from simlab.lab.scene import Axes, Claim, Cost, Found, InputError, Lab, Panel, Theory, Values, axis, quantity
from simlab.linear import random_features, width_curve
from simlab.statistics import Estimate, jackknife, mean
from simlab.studies.random_features import costs, networks, problem, replicates
from simlab.studies.random_features.config import Config
from simlab.studies.random_features.replicates import Block, Part
from simlab.theory import random_features as theory_of

SOURCE = "talk, Double descent; Mei & Montanari 2022"
CURVE = "random_features#the-risk-without-cancellations"
PEAK_AT_N = "random_features#what-diverges-at-n--n-and-how-it-decays"
"""Where theories are derived."""
RIDGE = axis("ridge lambda at N = n")
WIDTH = axis("number of features N")
SIZE = axis("input dimension d")
RANGE = axis("features over input dimension, N/d, averaged over ranges")
RISK = quantity("excess risk", RIDGE, WIDTH, equation=CURVE)
DEVIATION = quantity("excess risk over theory, minus 1", RIDGE, SIZE, RANGE)
LIMIT = quantity("excess risk over theory, minus 1, for d -> infinity", RIDGE, RANGE, equation=CURVE)
HEIGHT = quantity("excess risk at N = n for d -> infinity", RIDGE, equation=PEAK_AT_N)
RISE = quantity("excess risk at N = n minus that at N = n/2, same data", RIDGE, equation=PEAK_AT_N)
PEAK = quantity("N/n at the peak of the first ridge", equation=PEAK_AT_N)
FALL = quantity("exponent of d in the deviation from theory")

RANGES, REACH = 8, 0.1
SMALL = ((16, 300), (32, 600))
"""Dimensions and replicates for the correction of order 1/d, which at small d is larger than the noise."""


def check(config: Config) -> None:
    """Refuse curves that stop before they are past the peak, and ridges named twice."""
    if config.widest < 1.5 * config.samples:
        raise InputError(
            f"widest = {config.widest:g} stops before the peak at N/d = samples = {config.samples:g} is passed: "
            f"take at least {1.5 * config.samples:g}."
        )
    if len(set(config.ridges)) < len(config.ridges):
        raise InputError("ridges: a ridge is named twice; name each once.")
    half, peak = _half_and_peak(config, config.dimension, config.ridges[0])
    if peak < 1.05 * half:
        raise InputError(
            f"ridges: at the first, {config.ridges[0]:g}, with this noise and activation theory has no peak at "
            "N = n; take a smaller one."
        )
    best = all_ridges(config)[-1]
    half, peak = _half_and_peak(config, config.dimension, best)
    if peak > 0.98 * half:
        raise InputError(
            f"noise = {config.noise:g} with activation = {config.activation}: even at the best ridge, {best:.2g}, "
            "by theory more width does not lower the risk; take less noise or an activation with a linear part."
        )


def cost(config: Config) -> list[Cost]:
    """Every curve at both sizes, and one net of the largest width for each problem of the small dimensions."""
    fields = ("dimension", "samples", "widest", "tests", "ridges")
    small = costs.cost(("widest", "tests"), SMALL, partial(_need_of_widest, config))
    return costs.cost(fields, replicates.both(config), partial(_need, config)) + small


def simulate(config: Config, lab: Lab) -> Values:
    """Excess risk at some fifty widths, its relative deviation from theory at two sizes, and the peak's place."""
    ridges, dimensions, shown = all_ridges(config), replicates.sizes(config), widths(config, config.dimension)
    both = replicates.gather(lab, curves, config, replicates.both(config), partial(_need, config), "model-wise")
    relative = [_relative(config, d, c) for d, c in zip(dimensions, both, strict=True)]  # (replicate, ridge, range)
    deviations = [mean(r) for r in relative]
    peaks = [c[..., round(config.samples * d) - 1] for d, c in zip(dimensions, both, strict=True)]
    whole = both[-1]
    small = replicates.gather(
        lab, widest, config, [Part(*s) for s in SMALL], partial(_need_of_widest, config), "model-wise: finite size"
    )
    return {
        RIDGE: ridges, WIDTH: shown, SIZE: dimensions, RANGE: replicates.middles(shown / config.dimension, RANGES),
        RISK: mean(whole[..., shown - 1]),
        DEVIATION: Estimate(*(np.stack(parts, axis=1) for parts in zip(*deviations, strict=True))),
        LIMIT: [replicates.limit(*(r[:, i] for r in relative)) for i in range(len(ridges))],
        HEIGHT: replicates.at_infinity(*map(mean, peaks)),
        RISE: mean(peaks[-1] - whole[..., _half(config, config.dimension) - 1]),
        PEAK: jackknife(whole[:, 0], partial(_peak, config)),
        FALL: _exponent(*map(mean, small)),
    }  # fmt: skip


def curves(config: Config, block: Block, lab: Lab) -> Floats:
    """Excess risk at every ridge and every width (replicate, ridge, width), on one problem for each replicate."""
    return np.array([_curves(config, lab, block.dimension, replicate) for replicate in block.replicates])


def widest(config: Config, block: Block, lab: Lab) -> Floats:
    """Risk over theory, minus 1, of one net of the largest width (replicate)."""
    return np.array([_widest(config, lab, block.dimension, replicate) for replicate in block.replicates])


def theory(config: Config, axes: Axes) -> Values:
    """Mei & Montanari's curve at the same widths, its height at N = n and its peak."""
    ridges = np.array(all_ridges(config))[:, None]
    _, at_half = _half_and_peak(config, config.dimension // 2, ridges)
    half, peak = _half_and_peak(config, config.dimension, ridges)
    whole = reference(config, np.arange(1, axes[WIDTH][-1] + 1), config.dimension, config.ridges[0])
    return {
        RISK: Theory(reference(config, axes[WIDTH], config.dimension, ridges)),
        LIMIT: Theory(0.0),
        HEIGHT: Theory(replicates.extrapolated(at_half, peak)),
        RISE: Theory(peak - half),
        PEAK: Theory(_peak(config, whole), bias=0.5 / config.dimension),
        FALL: Theory(-1.0, bias=5 / SMALL[1][0]),
    }


def compare(config: Config, found: Found) -> list[Claim]:
    """The whole curve, the correction 1/d, the peak's place and height, and its absence at the best ridge."""
    last = len(config.ridges)
    claims = []
    for i, ridge in enumerate(all_ridges(config)):
        which = "the best ridge" if i == last else f"ridge {ridge:.1e}"
        statement = f"At {which} the risk of random features follows theory over all widths as the dimension d grows."
        claims.append(found[LIMIT][i].agrees(f"curve-{i}", statement))
    height, shift = found[HEIGHT][0], abs(found[PEAK].reference - 1)
    return [
        *claims,
        found[FALL].equals(
            "finite-size",
            "The deviation of the widest networks of random features from theory falls with the dimension as 1/d, from "
            "d = 16 to 32.",
            resolution=1.0,
        ),
        found[PEAK].equals(
            "peak-place",
            "Double descent of random features in width has its peak where there are as many features as examples, up "
            f"to the {100 * shift:.1f} % by which the ridge moves it and a shift of order 1/d.",
            resolution=0.1,
        ),
        height.equals(
            "peak-height",
            "The height of the peak of double descent in width is that of theory as the dimension d grows.",
            resolution=0.5 * float(height.reference),
        ),
        found[RISE][0].exceeds(
            "peak-is-there", "With too little ridge the risk of random features rises from N = n/2 to N = n (N "
            "features, n examples).", sigmas=6,
        ),
        found[RISE][last].below(
            "peak-is-gone", "At the best ridge the risk of random features falls from N = n/2 to N = n (N features, n "
            "examples): there is no peak.", sigmas=6,
        ),
    ]  # fmt: skip


def draw_curves(config: Config, found: Found, panel: Panel) -> None:
    """Double descent, with theory through the points."""
    n = round(config.samples * config.dimension)
    width = found[WIDTH].value
    dense = np.geomspace(width[0], width[-1], 400)
    for i, ridge in enumerate(all_ridges(config)):
        name = "best ridge" if i == len(config.ridges) else "ridge"
        panel.points(found[RISK][i], f"{name} {ridge:.1g}", x=width / n, color=i)
        panel.curve(dense / n, reference(config, dense, config.dimension, ridge), color=i)
    panel.place(1)
    panel.set(xscale="log", yscale="log", title="Double descent: points simulated, lines exact",
              xlabel="features over examples, N/n")  # fmt: skip
    panel.note(
        f"input dimension d = {config.dimension}, n = {config.samples:g} d examples, noise {config.noise:g}, "
        f"{config.activation} features, {config.replicates} training sets; the ridge is lambda at N = n; "
        "points at this d, lines for d to infinity, which differ by the order 1/d"
    )


def draw_distance(config: Config, found: Found, panel: Panel) -> None:
    """The distance from theory at the first ridge as d grows."""
    places = np.arange(RANGES)  # evenly spaced, since most ranges are close to the peak
    panel.line(found[LIMIT][0], x=places)
    for i, size in enumerate(found[SIZE].value):
        panel.points(found[DEVIATION][0][i], f"d = {size}", x=places + 0.22 * (i - 1), color=(4, 0)[i])
    panel.points(found[LIMIT][0], "d to infinity, from both", x=places + 0.22, color=1)
    panel.set(
        title=f"Distance from theory at ridge {config.ridges[0]:.0e}", ylabel="risk over theory, minus 1",
        xlabel="features over input dimension, N/d, by ranges", xticks=places,
        xticklabels=[f"{place:.2g}" for place in found[RANGE].value],
    )  # fmt: skip
    panel.note("each size has a correction of order 1/d, which the extrapolation from both removes")


PANELS = (draw_curves, draw_distance)


def widths(config: Config, dimension: int) -> NDArray[np.int64]:
    """Some fifty widths: dense around the peak, at each size as nearly as possible the same shares of d."""
    return problem.spread(config.samples, 0.1, config.widest, 20, 17, dimension)


def reference(config: Config, width: ArrayLike, dimension: int, ridge: ArrayLike) -> Floats:
    """Exact excess risk at these widths, for the ridge term that equals `ridge` at N = n."""
    psi1, psi2 = np.asarray(width) / dimension, round(config.samples * dimension) / dimension
    return theory_of.risk(psi1, psi2, np.asarray(ridge) * psi2 / psi1, activation=config.activation, noise=config.noise)


def all_ridges(config: Config) -> list[float]:
    """The ridges asked for, and the best one at N = n, last."""
    return [*config.ridges, problem.best_ridge(config.samples, config.samples, config.noise, config.activation)[0]]


def _curves(config: Config, lab: Lab, dimension: int, replicate: int) -> Floats:
    """One problem at every ridge and every width (ridge, width)."""
    key, device = lab.key("model_wise", dimension, replicate), lab.device
    n, most = round(config.samples * dimension), int(widths(config, dimension)[-1])
    points, labels, tests, truth = problem.draw(key, n, dimension, config.tests, config.noise, device)
    theta = problem.weights(key, most, dimension, device)
    z, t = (random_features(x, theta, config.activation) for x in (points, tests))
    scale = (n / dimension) ** 2
    rows = [width_curve(z, labels, t, truth, ridge * scale) for ridge in all_ridges(config)]
    return np.array([device.to_host(row) for row in rows])


def _widest(config: Config, lab: Lab, dimension: int, replicate: int) -> float:
    """One net of the largest width, at the first ridge."""
    key, device = lab.key("model_wise", "widest", dimension, replicate), lab.device
    n, width = round(config.samples * dimension), round(config.widest * dimension)
    data = problem.draw(key, n, dimension, config.tests, config.noise, device)
    theta = problem.weights(key, width, dimension, device)[None]
    ridge = config.ridges[0] * n / width
    pairs = networks.products(networks.residuals(data, theta, config.activation, ridge, device), device)
    return float(pairs[0, 0] / reference(config, width, dimension, config.ridges[0]) - 1)


def _need(config: Config, dimension: int) -> costs.Need:
    """One problem: its features, and a curve for each ridge."""
    n, most, count = round(config.samples * dimension), round(config.widest * dimension), len(config.ridges) + 1
    drawn, one = costs.drawing(n, dimension, config.tests, most), costs.curve(n, most, config.tests)
    seconds = drawn.seconds + costs.features(n + config.tests, most, dimension) + count * one.seconds
    return costs.Need(drawn.held + one.held, seconds, count * one.kept)


def _need_of_widest(config: Config, dimension: int) -> costs.Need:
    return networks.need(
        round(config.samples * dimension), dimension, config.tests, [round(config.widest * dimension)], 1
    )


def _relative(config: Config, dimension: int, curves: Floats) -> Floats:
    """Risk over theory, minus 1, averaged over each range of widths (replicate, ridge, range)."""
    width, ridges = widths(config, dimension), np.array(all_ridges(config))[:, None]
    return replicates.ranges(curves[..., width - 1] / reference(config, width, dimension, ridges) - 1, RANGES)


def _half(config: Config, dimension: int) -> int:
    return round(config.samples * dimension / 2)


def _half_and_peak(config: Config, dimension: int, ridge: ArrayLike) -> Floats:
    """Exact excess risk at N = n/2 and at N = n (2, ridge)."""
    n = round(config.samples * dimension)
    return np.moveaxis(reference(config, [_half(config, dimension), n], dimension, ridge), -1, 0)


def _peak(config: Config, curve: Floats) -> Floats:
    """N/n at the top of the parabola through the logarithm of the risk near N = n; curve: every width (..., N)."""
    n = round(config.samples * config.dimension)
    return replicates.extremum(curve, n, REACH) / n


def _exponent(small: Estimate, large: Estimate) -> Estimate:
    """The exponent of d in risk/theory - 1, from the two dimensions of SMALL."""
    doubling, ratio = np.log(SMALL[1][0] / SMALL[0][0]), large.value / small.value
    slope = np.log(ratio if ratio > 0 else np.nan) / doubling
    return Estimate(slope, np.hypot(small.se / small.value, large.se / large.value) / doubling)
