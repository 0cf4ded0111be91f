"""Scene 1, a loss that sees the direction only: the equilibrium of the norm, and the temperature that it makes.

Walkers w in d dimensions on L = -kappa mu.w/|w| take SGD steps with weight decay; the gradient has the true part and
isotropic tangential noise of deviation sigma/|w|. The norm finds its equilibrium by itself, and with it the direction
the temperature lr sigma^2/(2 rho^2), which depends on the product of learning rate and weight decay alone.
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
from simlab.lab.cost import ENTRY, Cost, affordable
from simlab.lab.quantities import given, measured, measured_jointly, predicted
from simlab.statistics import Estimate, Joint, chi_square, fit, mean
from simlab.studies.scale_invariance.config import Config
from simlab.studies.scale_invariance.walkers import (
    CLAIMED,
    CURVE,
    LR,
    START,
    Stationary,
    relaxation,
    stationary,
    steps_of,
)
from simlab.theory import scale_invariant as theory_of
from simlab.theory.von_mises_fisher import VonMisesFisher

PANELS = 2
BINS = 16
"""Bins of the cosine."""
RESOLVED = 1e-4
"""The mean of 1 - cos at least: its bins, a sixteenth of it or less, are then a hundred roundings wide."""
SOURCE = "talk, Scale invariance of DNNs; van Laarhoven 2017; Li, Lyu & Arora 2020"


def check(config: Config) -> None:
    """Refuse products that do not fall, and directions without a first correction or too near to the optimum."""
    if list(config.products) != sorted(set(config.products), reverse=True):
        raise InputError("products: they must fall, each of them once.")
    named = f"kappa = {config.kappa:g} with sigma = {config.sigma:g}"
    try:
        found = [_direction(config, d, config.products[-1]) for d in config.dimensions]
        found += [_direction(config, _middle(config), p, corrected=c) for p in config.products for c in (True, False)]
    except ValueError as error:
        raise InputError(f"{named}: {error}") from error
    nearest = min(1 - one.mean for one in found)
    if nearest < RESOLVED:
        raise InputError(
            f"{named}: walkers stay within 1 - cos = {nearest:.1e} of the optimum, and single precision needs "
            f"{RESOLVED:.0e}; take less kappa or more sigma."
        )
    affordable(config, cost(config))


def cost(config: Config) -> list[Cost]:
    """A run for every dimension, every product and three learning rates, and the relaxation."""
    fields, n = ("walkers", "dimensions", "products"), config.walkers
    runs = [(d, steps_of(lr * wd)) for d, lr, wd in _settings(config)]
    runs.append((_middle(config), round(1 / config.products[-1])))
    return [Cost(fields, s, n * (24.0 * d + 8 * CURVE + 100), s * n * (4.5 * d + 3) * ENTRY) for d, s in runs]


def simulate(config: Config, device: Device, progress: Progress) -> xr.Dataset:
    """Stationary averages in every dimension, at every product and along a line of one product; the relaxation."""
    d, smallest = _middle(config), config.products[-1]
    settings = _settings(config)
    with progress.task("sphere: walkers", sum(steps_of(lr * wd) for _, lr, wd in settings)) as t:
        runs = [stationary(config, device, i, *setting, t.advance) for i, setting in enumerate(settings)]
    first, second = len(config.dimensions), len(config.dimensions) + len(config.products)
    found: dict[str, Any] = given("size", "size", np.array(config.dimensions), "dimensions of the weights")
    found |= given("product", "product", np.array(config.products), "learning rate times weight decay")
    found |= measured("square", "size", _means(runs[:first], "square"), "mean square of the norm")
    found |= measured("turn", "size", _means(runs[:first], "turn"), "mean of -2 ln cos(angle of a step)")
    own = runs[config.dimensions.index(d)].last
    edges = _direction(config, d, smallest).quantile(np.linspace(0, 1, BINS + 1))
    share = np.histogram(own, edges)[0] / len(own)
    found |= given("bin_low", "bin", edges[:-1], "lower end of the bin") | given(
        "bin_high", "bin", edges[1:], "upper end"
    )
    error = np.sqrt(share * (1 - share) / len(own))
    found |= measured("share", "bin", Estimate(share, error), "share of walkers with a cosine in the bin")
    gap = np.array([1 - _direction(config, d, p, corrected=False).mean for p in config.products])
    excess = [mean((1 - r.cosine) / g - 1) for r, g in zip(runs[first:second], gap, strict=True)]
    found |= measured("excess", "product", Estimate.stack(excess), "1 - mean cosine over its limit, less 1")
    three = np.stack([r.cosine for r in runs[second:]])
    # The walkers of the three settings are independent, and so the two differences hang together by the first.
    differences = Joint(three[1:].mean(axis=1) - three[0].mean(), _covariance(three), float(config.walkers))
    found |= measured_jointly("line", "contrast", differences, "difference of mean cosines at one lr wd")
    steps, norms = relaxation(config, device, d, smallest)
    found |= given("step", "step", steps, "steps", "steps")
    found |= measured("norm", "step", mean(norms), "norm of the weights")
    return xr.Dataset(found)


def theory(config: Config, simulation: xr.Dataset) -> xr.Dataset:
    """The equilibrium, the von Mises-Fisher distribution and the exact recursion."""
    d, smallest = _middle(config), config.products[-1]
    wd = smallest / LR
    squares = [
        float(theory_of.equilibrium_norm(LR, wd, _gradient_square(config, size)) ** 2) for size in config.dimensions
    ]
    found: dict[str, Any] = predicted("square", "size", squares, "mean square of the norm")
    turn = np.full(len(squares), -2 * np.log1p(-smallest))
    found |= predicted("turn", "size", turn, "mean of -2 ln cos(angle of a step)")
    cosine = _direction(config, d, smallest)
    edges = np.append(simulation.bin_low, simulation.bin_high[-1])
    found |= predicted("share", "bin", cosine.probabilities(edges), "share of walkers with a cosine in the bin")
    shift = [theory_of.concentration_error(config.kappa, config.sigma, LR, p / LR, d) for p in config.products]
    found |= predicted("excess", "product", np.array(shift, float), "1 - mean cosine over its limit, less 1")
    found |= predicted("line", "contrast", np.zeros(2), "difference of mean cosines at one lr wd")
    start = START * theory_of.equilibrium_norm(LR, wd, (d - 1) * config.sigma**2)
    curve = theory_of.relaxation(start, LR, wd, (d - 1) * config.sigma**2, int(simulation.step[-1]))
    found |= predicted("norm", "step", curve[simulation.step.values], "norm of the weights")
    return xr.Dataset(found)


def compare(config: Config, data: xr.Dataset) -> list[Claim]:
    """Equilibrium in every dimension; the distribution of the direction and how it is approached; relaxation."""
    smallest, claims = config.products[-1], []
    for size in config.dimensions:
        one = data.sel(size=size)
        spread = float(theory_of.norm_variance(LR, smallest / LR, 2 / (size - 1)))
        claims.append(Claim.equals(
            f"sphere/norm-{size}", f"d = {size}: the mean of rho^2 is that of the equilibrium.", SOURCE,
            float(one.square), float(one.square_theory), float(one.square_se),
            bias=spread * float(one.square_theory),
        ))  # fmt: skip
        claims.append(Claim.equals(
            f"sphere/turn-{size}", f"d = {size}: a step turns the weights by the angle that lr wd alone sets.", SOURCE,
            float(one.turn), float(one.turn_theory), float(one.turn_se),
        ))  # fmt: skip
    shares = chi_square(
        (data["share"] - data["share_theory"]).values, _multinomial(config, data["share_theory"].values)
    )
    claims.append(Claim.chi_square(
        "sphere/direction", "The direction has the von Mises-Fisher law of the temperature lr sigma^2/(2 rho^2).",
        SOURCE, *shares,
    ))  # fmt: skip
    line = chi_square(data["line"].values, data["line_covariance"].values, config.walkers)
    claims.append(Claim.chi_square(
        "sphere/product", "At one lr wd the direction has one law, for learning rates a factor 16 apart.", SOURCE, *line
    ))  # fmt: skip
    roots = np.sqrt(config.products)
    limit = fit(roots, data["excess"].values, data["excess_se"].values, (0.0, 1.0))
    bias = float(abs((limit.hat @ np.square(roots))[0])) * _second_order(config)
    claims += [
        Claim.equals(
            "sphere/limit", "The distance from the von Mises-Fisher law vanishes as lr wd -> 0, as the root of it.",
            SOURCE, float(limit.coefficients[0]), 0.0, float(limit.se[0]), bias=bias,
        ),
        Claim.equals(
            "sphere/excess", "Its size at the smallest lr wd is kappa lr/(4 rho^2).", SOURCE, float(data["excess"][-1]),
            float(data["excess_theory"][-1]), float(data["excess_se"][-1]), bias=_second_order(config) * smallest,
        ),
    ]  # fmt: skip
    spread = float(theory_of.norm_variance(LR, smallest / LR, 2 / (_middle(config) - 1)))
    for lifetimes in CLAIMED:
        at = int(np.abs(data.step.values - lifetimes / (4 * smallest)).argmin())
        one = data.isel(step=at)
        claims.append(Claim.equals(
            f"sphere/relaxation-{lifetimes:g}", f"The norm is on the exact curve after {lifetimes:g}/(4 lr wd) steps.",
            SOURCE, float(one.norm), float(one.norm_theory), float(one.norm_se), bias=spread * float(one.norm_theory),
        ))  # fmt: skip
    return claims


def plot(config: Config, data: xr.Dataset, axes: list[Any]) -> None:
    """The relaxation of the norm, and the distribution of the cosine."""
    norm, cosine = axes
    look.points(norm, data.step, data.norm, data.norm_se, "walkers, no force")
    look.line(norm, data.step, data.norm_theory, "exact recursion")
    norm.set(title="The norm finds its equilibrium", xlabel="step", ylabel="norm of the weights")
    edges = np.append(data.bin_low, data.bin_high[-1])
    first = edges[1] - 1.5 * (edges[2] - edges[1])  # the lowest bin reaches to -1: draw what of it is not empty
    edges = np.concatenate([[first], edges[1:]])
    width = np.diff(edges)
    look.bars(cosine, edges[:-1] + width / 2, data["share"] / width, data["share_se"] / width, width, "walkers")
    grid = np.linspace(edges[0], edges[-1], 400)[:-1]
    exact = _direction(config, _middle(config), config.products[-1])
    look.line(cosine, grid, exact.pdf(grid), "von Mises-Fisher")
    cosine.set(title="The direction has a temperature", xlabel="cosine with the optimum", ylabel="density")


def _settings(config: Config) -> list[tuple[int, float, float]]:
    """Dimension, learning rate and weight decay: in every dimension, at every product, along a line of one product."""
    d, smallest = _middle(config), config.products[-1]
    by_size = [(size, LR, smallest / LR) for size in config.dimensions]
    by_product = [(d, LR, product / LR) for product in config.products]
    line = [(d, LR * factor, smallest / (LR * factor)) for factor in (1.0, 4.0, 0.25)]
    return [*by_size, *by_product, *line]


def _middle(config: Config) -> int:
    """The dimension of all that is not done in every one."""
    return config.dimensions[len(config.dimensions) // 2]


def _direction(config: Config, d: int, product: float, *, corrected: bool = True) -> VonMisesFisher:
    """The distribution of the cosine in the limit lr wd -> 0, or with the first correction."""
    arguments = (config.kappa, config.sigma, LR, product / LR, d)
    share = float(theory_of.concentration_error(*arguments)) if corrected else 0.0
    return VonMisesFisher(float(theory_of.concentration(*arguments)) / (1 + share), d)


def _gradient_square(config: Config, d: int) -> float:
    """E|g~|^2 of the noise and of the true gradient, kappa^2 E sin^2, in the direction's own distribution."""
    cosine = _direction(config, d, config.products[-1])
    return (d - 1) * config.sigma**2 + config.kappa**2 * (1 - cosine.mean**2 - cosine.variance)


def _second_order(config: Config) -> float:
    """A bound on the coefficient of lr wd in the excess: the square of that of its root, and 2 for the finite step."""
    d = _middle(config)
    first = float(theory_of.concentration_error(config.kappa, config.sigma, LR, config.products[-1] / LR, d))
    return 2 * (first**2 / config.products[-1] + 2)


def _means(runs: list[Stationary], name: str) -> Estimate:
    return Estimate.stack([mean(getattr(r, name)) for r in runs])


def _covariance(samples: Floats) -> Floats:
    """Of the differences of the means of independent rows from that of the first."""
    own = samples.var(axis=1, ddof=1) / samples.shape[1]
    return np.diag(own[1:]) + own[0]


def _multinomial(config: Config, shares: Floats) -> Floats:
    """The covariance of the shares of independent walkers."""
    return (np.diag(shares) - np.outer(shares, shares)) / config.walkers
