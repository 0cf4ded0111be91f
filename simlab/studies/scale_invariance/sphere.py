"""Scene 1, a loss that sees the direction only: the equilibrium of the norm, and the temperature that it makes.

Walkers w in d dimensions on L = -kappa mu.w/|w| take SGD steps with weight decay; the gradient has the true part and
isotropic tangential noise of deviation sigma/|w|. The norm finds its equilibrium by itself, and with it the direction
the temperature lr sigma^2/(2 rho^2), which depends on the product of learning rate and weight decay alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from simlab import plot as look
from simlab.claims import Claim
from simlab.cost import ENTRY, Cost, affordable
from simlab.device import Device
from simlab.errors import InputError
from simlab.nn.draws import LANGEVIN, Draw
from simlab.progress import Progress
from simlab.quantities import given, measured, measured_jointly, predicted
from simlab.random import key
from simlab.statistics import Estimate, Joint, chi_square, fit, mean
from simlab.studies.scale_invariance.config import Config
from simlab.theory import scale_invariant as theory_of
from simlab.theory.von_mises_fisher import VonMisesFisher

Array = Any
Floats = NDArray[np.float64]
PANELS = 2
SCENE = 7
"""The scene's cell in the keys of the seed."""
BINS, FRAMES, CURVE = 16, 40, 16
"""Bins of the cosine, frames of a walker that are averaged, recorded steps of the relaxation."""
LR = 0.05
CLAIMED = (0.5, 1.5, 4.0)
"""Lifetimes at which the relaxation is judged."""
RESOLVED = 1e-4
"""The mean of 1 - cos at least: its bins, a sixteenth of it or less, are then a hundred roundings wide."""
START = 3.0
"""The norm at the start of the relaxation, in units of its equilibrium."""
SOURCE = "talk, Scale invariance of DNNs; van Laarhoven 2017; Li, Lyu & Arora 2020"


class Stationary(NamedTuple):
    """A walker's own averages over its frames, (walker,) each, and its cosine in the last one."""

    cosine: Floats
    square: Floats  # rho^2
    turn: Floats  # -2 ln cos of the angle of a step
    last: Floats


def check(config: Config) -> None:
    """Refuse products that do not fall, and directions without a first correction or too near to the optimum."""
    if list(config.products) != sorted(set(config.products), reverse=True):
        raise InputError("products: they must fall, each of them once.")
    named = f"kappa = {config.kappa:g} with sigma = {config.sigma:g}"
    try:
        laws = [_law(config, d, config.products[-1]) for d in config.dimensions]
        laws += [_law(config, _middle(config), p, corrected=c) for p in config.products for c in (True, False)]
    except ValueError as error:
        raise InputError(f"{named}: {error}") from error
    nearest = min(1 - law.mean for law in laws)
    if nearest < RESOLVED:
        raise InputError(
            f"{named}: walkers stay within 1 - cos = {nearest:.1e} of the optimum, and single precision needs "
            f"{RESOLVED:.0e}; take less kappa or more sigma."
        )
    affordable(config, cost(config))


def cost(config: Config) -> list[Cost]:
    """A run for every dimension, every product and three learning rates, and the relaxation."""
    fields, n = ("walkers", "dimensions", "products"), config.walkers
    runs = [(d, _burn(lr * wd) + FRAMES * _gap(lr * wd)) for d, lr, wd in _settings(config)]
    runs.append((_middle(config), round(1 / config.products[-1])))
    return [Cost(fields, s, n * (24.0 * d + 8 * CURVE + 100), s * n * (4.5 * d + 3) * ENTRY) for d, s in runs]


def simulate(config: Config, device: Device, progress: Progress) -> xr.Dataset:
    """Stationary averages in every dimension, at every product and along a line of one product; the relaxation."""
    d, smallest = _middle(config), config.products[-1]
    settings = _settings(config)
    with progress.task("sphere: walkers", sum(_burn(lr * wd) + FRAMES * _gap(lr * wd) for _, lr, wd in settings)) as t:
        runs = [_stationary(config, device, i, *setting, t.advance) for i, setting in enumerate(settings)]
    first, second = len(config.dimensions), len(config.dimensions) + len(config.products)
    found: dict[str, Any] = given("size", "size", np.array(config.dimensions), "dimensions of the weights")
    found |= given("product", "product", np.array(config.products), "learning rate times weight decay")
    found |= measured("square", "size", _means(runs[:first], "square"), "mean square of the norm")
    found |= measured("turn", "size", _means(runs[:first], "turn"), "mean of -2 ln cos(angle of a step)")
    own = runs[config.dimensions.index(d)].last
    edges = _law(config, d, smallest).quantile(np.linspace(0, 1, BINS + 1))
    share = np.histogram(own, edges)[0] / len(own)
    found |= given("bin_low", "bin", edges[:-1], "lower end of the bin") | given(
        "bin_high", "bin", edges[1:], "upper end"
    )
    error = np.sqrt(share * (1 - share) / len(own))
    found |= measured("share", "bin", Estimate(share, error), "share of walkers with a cosine in the bin")
    gap = np.array([1 - _law(config, d, p, corrected=False).mean for p in config.products])
    excess = [mean((1 - r.cosine) / g - 1) for r, g in zip(runs[first:second], gap, strict=True)]
    found |= measured("excess", "product", Estimate.stack(excess), "1 - mean cosine over its limit, less 1")
    three = np.stack([r.cosine for r in runs[second:]])
    # The walkers of the three settings are independent, and so the two differences hang together by the first.
    differences = Joint(three[1:].mean(axis=1) - three[0].mean(), _covariance(three), float(config.walkers))
    found |= measured_jointly("line", "contrast", differences, "difference of mean cosines at one lr wd")
    steps, norms = _relaxation(config, device, d, smallest)
    found |= given("step", "step", steps, "steps", "steps")
    found |= measured("norm", "step", mean(norms), "norm of the weights")
    return xr.Dataset(found)


def theory(config: Config, simulation: xr.Dataset) -> xr.Dataset:
    """The equilibrium, the von Mises-Fisher law and the exact recursion."""
    d, smallest = _middle(config), config.products[-1]
    wd = smallest / LR
    squares = [
        float(theory_of.equilibrium_norm(LR, wd, _gradient_square(config, size)) ** 2) for size in config.dimensions
    ]
    found: dict[str, Any] = predicted("square", "size", squares, "mean square of the norm")
    turn = np.full(len(squares), -2 * np.log1p(-smallest))
    found |= predicted("turn", "size", turn, "mean of -2 ln cos(angle of a step)")
    law = _law(config, d, smallest)
    edges = np.append(simulation.bin_low, simulation.bin_high[-1])
    found |= predicted("share", "bin", law.probabilities(edges), "share of walkers with a cosine in the bin")
    shift = [theory_of.concentration_error(config.kappa, config.sigma, LR, p / LR, d) for p in config.products]
    found |= predicted("excess", "product", np.array(shift, float), "1 - mean cosine over its limit, less 1")
    found |= predicted("line", "contrast", np.zeros(2), "difference of mean cosines at one lr wd")
    start = START * theory_of.equilibrium_norm(LR, wd, (d - 1) * config.sigma**2)
    curve = theory_of.relaxation(start, LR, wd, (d - 1) * config.sigma**2, int(simulation.step[-1]))
    found |= predicted("norm", "step", curve[simulation.step.values], "norm of the weights")
    return xr.Dataset(found)


def compare(config: Config, data: xr.Dataset) -> list[Claim]:
    """Equilibrium in every dimension; the direction's law, its only parameter, and how it is approached; relaxation."""
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
    """The relaxation of the norm, and the law of the cosine."""
    norm, law = axes
    look.points(norm, data.step, data.norm, data.norm_se, "walkers, no force")
    look.line(norm, data.step, data.norm_theory, "exact recursion")
    norm.set(title="The norm finds its equilibrium", xlabel="step", ylabel="norm of the weights")
    edges = np.append(data.bin_low, data.bin_high[-1])
    first = edges[1] - 1.5 * (edges[2] - edges[1])  # the lowest bin reaches to -1: draw what of it is not empty
    edges = np.concatenate([[first], edges[1:]])
    width = np.diff(edges)
    look.bars(law, edges[:-1] + width / 2, data["share"] / width, data["share_se"] / width, width, "walkers")
    grid = np.linspace(edges[0], edges[-1], 400)[:-1]
    exact = _law(config, _middle(config), config.products[-1])
    look.line(law, grid, exact.pdf(grid), "von Mises-Fisher")
    law.set(title="The direction has a temperature", xlabel="cosine with the optimum", ylabel="density")


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


def _burn(product: float) -> int:
    """Steps before the first frame: six lifetimes of rho^4, from its equilibrium."""
    return round(1.5 / product)


def _gap(product: float) -> int:
    """Steps between frames."""
    return max(1, round(0.05 / product))


def _law(config: Config, d: int, product: float, *, corrected: bool = True) -> VonMisesFisher:
    """The law of the cosine in the limit lr wd -> 0, or with the first correction."""
    arguments = (config.kappa, config.sigma, LR, product / LR, d)
    share = float(theory_of.concentration_error(*arguments)) if corrected else 0.0
    return VonMisesFisher(float(theory_of.concentration(*arguments)) / (1 + share), d)


def _gradient_square(config: Config, d: int) -> float:
    """E|g~|^2 of the noise and of the true gradient, kappa^2 E sin^2, in the direction's own law."""
    law = _law(config, d, config.products[-1])
    return (d - 1) * config.sigma**2 + config.kappa**2 * (1 - law.mean**2 - law.variance)


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


def _stationary(
    config: Config, device: Device, number: int, d: int, lr: float, wd: float, tell: Callable[[int], Any]
) -> Stationary:
    """Walkers of one setting at equilibrium."""
    rho = float(theory_of.equilibrium_norm(lr, wd, (d - 1) * config.sigma**2))
    walk = _Walk(config, device, number, d, lr, wd, config.kappa)
    w = walk.start(rho)
    burn, gap = _burn(lr * wd), _gap(lr * wd)
    sums = [device.xp.zeros(config.walkers) for _ in range(3)]
    for step in range(burn + FRAMES * gap):
        if step >= burn and (step - burn) % gap == gap - 1:
            square, cosine, growth = walk.look(w, step)
            # The growth is orthogonal to w, so that the tangent of the angle is its length over what decay leaves.
            turn = device.xp.log1p(growth / ((1 - lr * wd) ** 2 * square))
            for total, value in zip(sums, (cosine, square, turn), strict=True):
                total += value / FRAMES
        w = walk.step(w, step)
        if step % 100 == 99:
            tell(100)
    last = device.to_host(w[0] / (w * w).sum(axis=0) ** 0.5).astype(float)
    cosine, square, turn = (device.to_host(total) for total in sums)
    return Stationary(cosine, square, turn, last)


class _Walk(NamedTuple):
    """SGD on -kappa mu.w/|w|, mu being the first axis, for walkers side by side: w is (d, walker) in float32."""

    config: Config
    device: Device
    number: int
    d: int
    lr: float
    wd: float
    kappa: float

    def start(self, rho: float) -> Array:
        """All walkers at mu, at this norm."""
        w = self.device.xp.zeros((self.d, self.config.walkers), np.float32)
        w[0] = rho
        return w

    def gradient(self, w: Array, step: int) -> tuple[Array, Array, Array]:
        """The gradient times |w|, |w|^2 and the cosine, in the tangent space of each walker."""
        draw = Draw(key(self.config.seed, SCENE, self.number), np.array([0]), step)
        push = self.config.sigma * draw.normals(w.size, LANGEVIN, w).reshape(w.shape)
        push[0] -= self.kappa
        square = (w * w).sum(axis=0)
        push -= (push * w).sum(axis=0) / square * w
        return push, square, w[0] / square**0.5

    def step(self, w: Array, step: int) -> Array:
        """W - lr (g + wd w)."""
        push, square, _ = self.gradient(w, step)
        return (1 - self.lr * self.wd) * w - self.lr / square**0.5 * push

    def look(self, w: Array, step: int) -> tuple[Array, Array, Array]:
        """Before this step: |w|^2 and the cosine, and the lr^2 |g|^2 that it adds."""
        push, square, cosine = self.gradient(w, step)
        return square, cosine, self.lr**2 * (push * push).sum(axis=0) / square


def _relaxation(config: Config, device: Device, d: int, product: float) -> tuple[Any, Floats]:
    """Norms from `START` equilibria without any force, at recorded steps: (step,), (walker, step)."""
    rho = float(theory_of.equilibrium_norm(LR, product / LR, (d - 1) * config.sigma**2))
    curve, claimed = np.round(np.linspace(0, 1 / product, CURVE)), np.array(CLAIMED) / (4 * product)
    steps = np.unique(np.array([*curve, *claimed]).astype(int))
    walk = _Walk(config, device, 99, d, LR, product / LR, 0.0)
    w, norms = walk.start(START * rho), []
    for step in range(steps[-1] + 1):
        if step in steps:
            norms.append(device.to_host((w * w).sum(axis=0) ** 0.5).astype(float))
        w = walk.step(w, step)
    return steps, np.stack(norms, axis=1)
