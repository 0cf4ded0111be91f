"""Scene 1, a loss of the direction only: the equilibrium of the norm, and the temperature of the direction.

Walkers w in d dimensions on L = -kappa mu.w/|w| take SGD steps with weight decay; the gradient is the true one plus
isotropic tangential noise of standard deviation sigma/|w|. The norm relaxes to an equilibrium, at which the direction
has the temperature lr sigma^2/(2 rho^2), which depends on the product of learning rate and weight decay
alone.
"""

from __future__ import annotations

import numpy as np

from simlab.core.checks import Floats
from simlab.lab.cost import ENTRY
from simlab.lab.scene import Axes, Claim, Cost, Found, InputError, Lab, Panel, Theory, Values, axis, quantity
from simlab.statistics import Estimate, Joint, fit
from simlab.studies.scale_invariance.config import Config
from simlab.studies.scale_invariance.walkers import (
    BINS,
    CLAIMED,
    CURVE,
    LR,
    START,
    Setting,
    direction,
    edges,
    middle,
    relaxation,
    stationary,
    steps_of,
)
from simlab.theory import scale_invariant as theory_of

SOURCE = "talk, Scale invariance of DNNs; van Laarhoven 2017; Li, Lyu & Arora 2020"
SIZE = axis("dimension d of the weights")
SQUARE = quantity("mean of the squared norm rho^2", SIZE, equation="scale_invariant#equilibrium")
TURN = quantity("mean of -2 ln cos(angle of a step)", SIZE, equation="scale_invariant#equilibrium")
COSINE = axis("cosine with the optimum, at the median of the bin")
SHARE = quantity(
    "share of walkers in the bin",
    COSINE,
    equation="scale_invariant#the-direction-is-a-sample-at-an-intrinsic-temperature",
)
PRODUCT = axis("learning rate times weight decay")
EXCESS = quantity(
    "(1 - mean cosine) over its limit, minus 1", PRODUCT, equation="scale_invariant#what-small-steps-leave-out"
)
LIMIT = quantity(
    "(1 - mean cosine) over its limit, minus 1, extrapolated to lr wd = 0",
    equation="scale_invariant#what-small-steps-leave-out",
)
FACTOR = axis("learning rate over the reference one, at one lr wd")
LINE = quantity(
    "mean cosine minus that at the reference learning rate",
    FACTOR,
    equation="scale_invariant#the-direction-is-a-sample-at-an-intrinsic-temperature",
)
STEP = axis("step")
NORM = quantity("norm of the weights", STEP, equation="scale_invariant#relaxation")

FACTORS = (1.0, 4.0, 0.25)
"""Learning rates over the reference one, LR, at the smallest product."""
RESOLVED = 1e-4
"""Smallest mean of 1 - cos: its bins, a sixteenth of it or less, are then a hundred roundings wide."""


def check(config: Config) -> None:
    """Refuse products that do not fall, and directions without a first correction or too near to the optimum."""
    if list(config.products) != sorted(set(config.products), reverse=True):
        raise InputError("products: give each once, in falling order.")
    named = f"kappa = {config.kappa:g} with sigma = {config.sigma:g}"
    try:
        directions = [direction(config, d, config.products[-1]) for d in config.dimensions]
        directions += [
            direction(config, middle(config), p, corrected=c) for p in config.products for c in (True, False)
        ]
    except ValueError as error:
        raise InputError(f"{named}: {error}") from error
    nearest = min(1 - one.mean for one in directions)
    if nearest < RESOLVED:
        raise InputError(
            f"{named}: walkers stay within 1 - cos = {nearest:.1e} of the optimum, and single precision needs "
            f"{RESOLVED:.0e}; take less kappa or more sigma."
        )


def cost(config: Config) -> list[Cost]:
    """A run for every dimension, every product and three learning rates, and the relaxation."""
    fields, n = ("walkers", "dimensions", "products"), config.walkers
    runs = [(s.d, steps_of(s.lr * s.wd)) for s in settings(config)]
    runs.append((middle(config), round(1 / config.products[-1])))
    return [Cost(fields, s, n * (24.0 * d + 8 * CURVE + 100), s * n * (4.5 * d + 3) * ENTRY) for d, s in runs]


def simulate(config: Config, lab: Lab) -> Values:
    """Stationary averages in every dimension, at every product and at three rates of one product; the relaxation."""
    smallest, all_settings = config.products[-1], settings(config)
    weights = [s.d * steps_of(s.lr * s.wd) for s in all_settings]
    runs = lab.cells(stationary, config, all_settings, "sphere: walkers", weights=weights)
    ((steps, norm),) = lab.cells(relaxation, config, [smallest], "sphere: relaxation")
    sizes, products = len(config.dimensions), len(config.products)
    by_size, by_product, line = runs[:sizes], runs[sizes : sizes + products], runs[sizes + products :]
    gaps = [1 - direction(config, middle(config), p, corrected=False).mean for p in config.products]
    excess = [Estimate((1 - r.cosine.value) / g - 1, r.cosine.se / g) for r, g in zip(by_product, gaps, strict=True)]
    share = by_size[config.dimensions.index(middle(config))].share
    return {
        SIZE: np.array(config.dimensions),
        SQUARE: [r.square for r in by_size],
        TURN: [r.turn for r in by_size],
        COSINE: direction(config, middle(config), smallest).quantile((np.arange(BINS) + 0.5) / BINS),
        SHARE: Joint(share, _multinomial(_expected_shares(config), config.walkers)),
        PRODUCT: np.array(config.products),
        EXCESS: excess,
        LIMIT: _limit(config, Estimate.stack(excess)),
        FACTOR: np.array(FACTORS[1:]),
        LINE: _differences([r.cosine for r in line], config.walkers),
        STEP: steps,
        NORM: norm,
    }


def theory(config: Config, axes: Axes) -> Values:
    """The equilibrium, the von Mises-Fisher distribution and the exact recursion."""
    d, smallest = middle(config), config.products[-1]
    wd, noise = smallest / LR, (d - 1) * config.sigma**2
    squares = np.array(
        [theory_of.equilibrium_norm(LR, wd, _gradient_square(config, size)) ** 2 for size in config.dimensions]
    )
    variances = np.array([theory_of.norm_variance(LR, wd, 2 / (size - 1)) for size in config.dimensions])
    excess = [theory_of.concentration_error(config.kappa, config.sigma, LR, p / LR, d) for p in config.products]
    roots = np.sqrt(config.products)
    hat = fit(roots, np.zeros(len(roots)), axes.se(EXCESS), (0.0, 1.0)).hat
    start = START * theory_of.equilibrium_norm(LR, wd, noise)
    norm = theory_of.relaxation(start, LR, wd, noise, int(axes[STEP][-1]))[axes[STEP]]
    return {
        SQUARE: Theory(squares, variances * squares),
        TURN: Theory(-2 * np.log1p(-smallest)),
        SHARE: Theory(_expected_shares(config)),
        EXCESS: Theory(excess, _second_order(config) * np.array(config.products)),
        LIMIT: Theory(0.0, abs(hat @ np.square(roots))[0] * _second_order(config)),
        LINE: Theory(0.0),
        NORM: Theory(norm, theory_of.norm_variance(LR, wd, 2 / (d - 1)) * norm),
    }


def compare(config: Config, found: Found) -> list[Claim]:
    """Equilibrium in every dimension; the distribution of the direction and how it is approached; relaxation."""
    claims = []
    for i, size in enumerate(config.dimensions):
        claims += [
            found[SQUARE][i].equals(
                f"norm-{size}",
                f"The mean squared norm of SGD walkers with weight decay in {size} dimensions is that of theory.",
            ),
            found[TURN][i].equals(
                f"turn-{size}",
                f"A step of SGD walkers in {size} dimensions turns the weights by an angle that depends on the "
                "product of learning rate and weight decay alone.",
            ),
        ]
    claims += [
        found[SHARE].agrees(
            "direction",
            "The direction of SGD walkers with norm rho and gradient noise sigma has the von Mises-Fisher distribution "
            "at the temperature lr sigma^2/(2 rho^2).",
        ),
        found[LINE].agrees(
            "product",
            "At one product of learning rate and weight decay the mean cosine of SGD walkers with the "
            "optimum is the same for learning rates up to a factor 16 apart.",
        ),
        found[LIMIT].equals(
            "limit",
            "The deviation of the direction of SGD walkers from the von Mises-Fisher distribution vanishes as "
            "the root of learning rate times weight decay.",
        ),
        found[EXCESS][-1].equals(
            "excess",
            "The mean of 1 - cosine of SGD walkers with norm rho and force kappa exceeds that of the von Mises-Fisher "
            "distribution by the share kappa lr/(4 rho^2), lr being small.",
        ),
    ]
    for lifetimes in CLAIMED:
        at = int(np.abs(found[STEP].value - lifetimes / (4 * config.products[-1])).argmin())
        claims.append(found[NORM][at].equals(
            f"relaxation-{lifetimes:g}",
            f"The norm of SGD walkers without a force is on the exact curve after {lifetimes:g}/(4 lr wd) steps (lr: "
            "learning rate, wd: weight decay).",
        ))  # fmt: skip
    return claims


def draw_norm(config: Config, found: Found, panel: Panel) -> None:
    """The relaxation of the norm."""
    panel.points(NORM, "walkers, no force")
    panel.line(NORM, "exact recursion")
    panel.set(title="The norm finds its equilibrium")
    _note(config, panel)


def draw_cosine(config: Config, found: Found, panel: Panel) -> None:
    """The distribution of the cosine."""
    d, smallest = middle(config), config.products[-1]
    exact, ends = direction(config, d, smallest), edges(config, d, smallest)
    ends[0] = exact.quantile(1e-4)  # the lowest bin reaches to -1: draw its populated part only
    widths, grid = np.diff(ends), np.linspace(ends[0], ends[-1], 400)[:-1]
    panel.bars(found[SHARE] / widths, "walkers", x=ends[:-1] + widths / 2, width=widths)
    panel.curve(grid, exact.pdf(grid), "von Mises-Fisher")
    panel.set(title="The direction has a temperature", xlabel="cosine with the optimum", ylabel="density")
    _note(config, panel)
    panel.note(f"kappa = {config.kappa:g}, sigma = {config.sigma:g}")


def draw_excess(config: Config, found: Found, panel: Panel) -> None:
    """The deviation from the limit of small lr wd."""
    panel.points(EXCESS, "walkers")
    products = np.linspace(0, config.products[0], 100)[1:]
    first = [theory_of.concentration_error(config.kappa, config.sigma, LR, p / LR, middle(config)) for p in products]
    panel.curve(products, first, "first order, kappa lr/(4 rho^2)")
    panel.level(0.0, "von Mises-Fisher")
    panel.set(title="The limit of small lr wd")
    panel.note(f"d = {middle(config)}, kappa = {config.kappa:g}, sigma = {config.sigma:g}")


PANELS = (draw_norm, draw_cosine, draw_excess)


def settings(config: Config) -> list[Setting]:
    """Settings in every dimension, at every product, and at three learning rates of one product."""
    d, smallest = middle(config), config.products[-1]
    by_size = [(size, LR, smallest / LR) for size in config.dimensions]
    by_product = [(d, LR, product / LR) for product in config.products]
    line = [(d, LR * factor, smallest / (LR * factor)) for factor in FACTORS]
    return [Setting(i, *setting) for i, setting in enumerate([*by_size, *by_product, *line])]


def _expected_shares(config: Config) -> Floats:
    d, smallest = middle(config), config.products[-1]
    shares: Floats = direction(config, d, smallest).probabilities(edges(config, d, smallest))
    return shares


def _gradient_square(config: Config, d: int) -> float:
    """E|g~|^2 of the noise and of the true gradient, kappa^2 E sin^2, in the direction's own distribution."""
    cosine = direction(config, d, config.products[-1])
    return (d - 1) * config.sigma**2 + config.kappa**2 * (1 - cosine.mean**2 - cosine.variance)


def _second_order(config: Config) -> float:
    """A bound on the coefficient of lr wd in the excess: the square of that of its root, and 2 for the finite step."""
    smallest = config.products[-1]
    first = float(theory_of.concentration_error(config.kappa, config.sigma, LR, smallest / LR, middle(config)))
    return 2 * (first**2 / smallest + 2)


def _limit(config: Config, excess: Estimate) -> Estimate:
    """The excess at lr wd = 0, on a line in the root of lr wd."""
    line = fit(np.sqrt(config.products), excess.value, excess.se, (0.0, 1.0))
    return Estimate(line.coefficients[0], line.se[0])


def _differences(means: list[Estimate], walkers: int) -> Joint:
    """Differences of independent means from the first of them, which makes the differences correlated."""
    value, variance = Estimate.stack(means).value, Estimate.stack(means).se ** 2
    return Joint(value[1:] - value[0], np.diag(variance[1:]) + variance[0], float(walkers))


def _multinomial(shares: Floats, walkers: int) -> Floats:
    """The covariance of the shares of independent walkers, where these shares are expected."""
    return (np.diag(shares) - np.outer(shares, shares)) / walkers


def _note(config: Config, panel: Panel) -> None:
    wd = config.products[-1] / LR
    panel.note(f"lr = {LR:g}, weight decay {wd:g}, d = {middle(config)}, {config.walkers:,} walkers")
