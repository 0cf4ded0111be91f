"""Scene 2, the talk's "Double descent" in samples: at a fixed width there are sample sizes at which more data hurts."""

from __future__ import annotations

from functools import cache, partial
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simlab.core.checks import Floats
from simlab.lab.cost import FLOP
from simlab.lab.scene import Axes, Claim, Cost, Found, InputError, Lab, Panel, Theory, Values, axis, quantity
from simlab.linear import random_features, sample_curve
from simlab.statistics import jackknife, mean
from simlab.studies.random_features import costs, problem, replicates
from simlab.studies.random_features.config import Config
from simlab.studies.random_features.replicates import Block
from simlab.theory import random_features as theory_of

SOURCE = "talk, Double descent; Nakkiran et al. 2021"
CURVE = "random_features#the-risk-without-cancellations"
"""Where the theory is derived."""
EXAMPLES = axis("number of examples n")
RANGE = axis("examples over input dimension, n/d, averaged over ranges")
RISK = quantity("excess risk", EXAMPLES, equation=CURVE)
RISK_LIMIT = quantity("excess risk for d -> infinity, from d/2 and d", EXAMPLES, equation=CURVE)
LIMIT = quantity("excess risk over theory, minus 1, for d -> infinity", RANGE, equation=CURVE)
RISE = quantity("excess risk at the end of the interval where more data hurts minus that at its start", equation=CURVE)
START = quantity("n/N from which on more data hurts", equation=CURVE)
END = quantity("n/N from which on more data helps again", equation=CURVE)

RANGES, REACH = 8, 0.1
RIDGE = 1e-4
"""Ridge lambda at n = N: small, so that there is a peak."""


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
    harm = interval(config)
    if harm is not None and harm.start * config.dimension < 8:
        raise InputError(
            f"width = {config.width:g}: by theory more data begins to hurt at n = {harm.start:.2g} d, too few examples "
            "to measure it; take a larger width or dimension."
        )
    if harm is None:
        raise InputError(
            f"noise = {config.noise:g} with width = {config.width:g}: theory has no minimum before the "
            "peak from which on more data hurts; take other noise or an activation with a linear part."
        )


def cost(config: Config) -> list[Cost]:
    """A curve over all sample sizes for each problem."""
    return costs.cost(("dimension", "most", "width", "tests"), replicates.both(config), partial(_need, config))


def simulate(config: Config, lab: Lab) -> Values:
    """Excess risk at every sample size, its deviation from theory, and its rise over the predicted interval."""
    both = replicates.gather(lab, curves, config, replicates.both(config), partial(_need, config), "sample-wise")
    relative = [_relative(config, d, c) for d, c in zip(replicates.sizes(config), both, strict=True)]
    whole, shown = both[-1], sizes(config, config.dimension)
    start, end = _places(config)
    return {
        EXAMPLES: shown, RANGE: replicates.middles(shown / config.dimension, RANGES),
        RISK: mean(whole[:, shown - 1]),
        RISK_LIMIT: replicates.risk_at_infinity(reference(config, shown, config.dimension), *relative),
        LIMIT: replicates.limit(*(replicates.ranges(r, RANGES) for r in relative)),
        RISE: mean(whole[:, end] - whole[:, start]),
        START: jackknife(whole, partial(_bottom, config)),
        END: jackknife(whole, partial(_top, config)),
    }  # fmt: skip


def curves(config: Config, block: Block, lab: Lab) -> Floats:
    """Excess risk at every sample size (replicate, examples), on one problem for each replicate."""
    return np.array([_curve(config, lab, block.dimension, replicate) for replicate in block.replicates])


def theory(config: Config, axes: Axes) -> Values:
    """Mei & Montanari's curve along n, and its two turning points."""
    examples = axes[EXAMPLES]
    curve = reference(config, np.arange(1, examples[-1] + 1), config.dimension)
    start, end = _places(config)
    risk = Theory(reference(config, examples, config.dimension))
    return {
        RISK: risk, RISK_LIMIT: risk,
        LIMIT: Theory(0.0),
        RISE: Theory(curve[end] - curve[start]),
        START: Theory(_bottom(config, curve), bias=2 / config.dimension),
        END: Theory(_top(config, curve), bias=2 / config.dimension),
    }  # fmt: skip


def compare(config: Config, found: Found) -> list[Claim]:
    """The whole curve, the two ends of the interval, and the rise of the risk within it."""
    start, end = _harm(config)
    return [
        found[LIMIT].agrees(
            "curve",
            "At a fixed width the risk of random features follows theory at all sample sizes as the dimension d grows.",
        ),
        found[RISE].exceeds(
            "more-data-hurts",
            f"From n = {start:.3g} d to n = {end:.3g} d examples, the interval that theory predicts, more data makes "
            "the risk of random features larger.", sigmas=6,
        ),
        found[START].equals(
            "interval-starts",
            "More data begins to hurt random features where theory predicts it, up to a shift of order 1/d.",
            resolution=0.3,
        ),
        found[END].equals(
            "interval-ends",
            "More data ceases to hurt random features where there are as many examples as features, n = N, up to a "
            "shift of order 1/d.",
            resolution=0.15,
        ),
    ]  # fmt: skip


def draw_curve(config: Config, found: Found, panel: Panel) -> None:
    """The curve along n with the interval shaded."""
    start, end = _harm(config)
    panel.axes.axvspan(start, end, color="0.92", zorder=0, label="theory: more data hurts")
    examples = found[EXAMPLES].value
    panel.points(RISK_LIMIT, "simulation, d to infinity", x=examples / config.dimension)
    dense = np.geomspace(examples[0], examples[-1], 400)
    panel.curve(dense / config.dimension, reference(config, dense, config.dimension), "theory")
    panel.set(xscale="log", yscale="log", title="More data can hurt", ylabel="excess risk",
              xlabel="examples over input dimension, n/d")  # fmt: skip
    panel.note(
        f"N = {config.width:g} d features, noise {config.noise:g}, ridge lambda = {RIDGE:g} at n = N; points from "
        f"{replicates.described(config)}"
    )


PANELS = (draw_curve,)


def sizes(config: Config, dimension: int) -> NDArray[np.int64]:
    """Some fifty sample sizes, dense around the peak."""
    return problem.spread(config.width, 0.2, config.most, 16, 15, dimension)


def reference(config: Config, examples: ArrayLike, dimension: int) -> Floats:
    """Exact excess risk at these sample sizes for the ridge term that equals RIDGE at n = N."""
    psi1 = round(config.width * dimension) / dimension
    psi2 = np.asarray(examples) / dimension
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


def _harm(config: Config) -> Interval:
    harm = interval(config)
    assert harm is not None, "check() has refused this"
    return harm


def _places(config: Config) -> list[int]:
    """The indices of both ends of the interval in a curve over every sample size."""
    return [round(end * config.dimension) - 1 for end in _harm(config)]


def _curve(config: Config, lab: Lab, dimension: int, replicate: int) -> Floats:
    """One problem at every sample size."""
    key, device = lab.key("sample_wise", dimension, replicate), lab.device
    most, width = int(sizes(config, dimension)[-1]), round(config.width * dimension)
    points, labels, tests, truth = problem.draw(key, most, dimension, config.tests, config.noise, device)
    theta = problem.weights(key, width, dimension, device)
    z, t = (random_features(x, theta, config.activation) for x in (points, tests))
    return device.to_host(sample_curve(z, labels, t, truth, RIDGE * (width / dimension) ** 2))


def _need(config: Config, dimension: int) -> costs.Need:
    most, width = round(config.most * dimension), round(config.width * dimension)
    drawn = costs.drawing(most, dimension, config.tests, width)
    seconds = costs.features(most + config.tests, width, dimension)
    # Z Z^T, its factorisation and the predictions at test points, for all sample sizes at once.
    n, m = float(most), float(config.tests)
    flops = 2 * n**2 * width + n**3 / 3 + 2 * n * m * width + 2 * n**2 * m + 200 * n * m
    return costs.Need(drawn.held + 3 * n**2 + 2 * n * (m + width), drawn.seconds + seconds + FLOP * flops, n)


def _relative(config: Config, dimension: int, curves: Floats) -> Floats:
    """Risk over theory, minus 1, at each sample size that is shown (replicate, examples)."""
    examples = sizes(config, dimension)
    return curves[:, examples - 1] / reference(config, examples, dimension) - 1


def _top(config: Config, curve: Floats) -> Floats:
    return _extremum(config, curve, config.width, REACH, top=True)


def _bottom(config: Config, curve: Floats) -> Floats:
    return _extremum(config, curve, _harm(config).start, 1.0, top=False)


def _extremum(config: Config, curve: Floats, centre: float, reach: float, *, top: bool) -> Floats:
    """n/N at the extremum of the parabola through the logarithm of the risk near n = centre d."""
    size = replicates.extremum(curve, centre * config.dimension, reach, top=top)
    return size / round(config.width * config.dimension)
