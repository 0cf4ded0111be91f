"""Scene 3, the talk's "drift within this manifold is possible": SGD on L = h(x) y^2/2, with zero loss on y = 0.

SGD on a symbolic loss with symbolic noise is a chain like any other, and the three noise models are three settings of
its parameters. Noise across the valley makes x drift to where the valley is flat, without any diffusion along it; noise
along the valley adds the diffusion, and then x has a stationary density.
"""

from __future__ import annotations

import numpy as np
import sympy as sp

from simlab.core.checks import Floats
from simlab.lab.cost import WALKER_STEP, affordable
from simlab.lab.scene import Axes, Claim, Cost, Found, InputError, Lab, Panel, Theory, Values, axis, quantity
from simlab.sde import SDE
from simlab.statistics import Estimate, Joint, edges_of, fit, joint_mean, mean, occupation
from simlab.studies.langevin_drift.config import Config
from simlab.theory import fokker_planck
from simlab.theory.sgd import LR, mean_drift, reduced, sgd

SOURCE = "talk, Discussion: drift within this manifold is possible"
NOISE = axis("noise across the valley")
PLACE = axis("position x along the valley", "rad")
DRIFT = quantity("mean drift of x", NOISE, PLACE, unit="rad/step", equation="sgd#along-the-valley-a-drift")
ANGLE = axis("position x along the valley", "rad")
SHARE = quantity("share of time in the bin, t -> 0", ANGLE, equation="sgd#with-noise-along-the-valley-a-density")
KICK = axis("noise t along the valley", "rad/step")
FLAT = quantity("share of time in the flat half", KICK, equation="sgd#with-noise-along-the-valley-a-density")
FLAT_LIMIT = quantity("share of time in the flat half, t -> 0", equation="sgd#with-noise-along-the-valley-a-density")
STIRRED = quantity("largest displacement of a walker that starts on the zero-loss line, without noise", unit="rad")

X, Y = sp.symbols("x y", real=True)
C, S, SIGMA, TAU = (sp.Symbol(n, nonnegative=True) for n in ("c", "s", "sigma", "tau"))
"""c: steepness; s, sigma: constant and label noise across the valley; tau: noise along it, a kick lr tau per step."""
H = 1 + C * sp.cos(X)
ACROSS = sp.sqrt(S**2 + SIGMA**2 * H)
CHAIN = sgd(H * Y**2 / 2, (X, Y), [TAU, ACROSS])
NOISES = {"constant": (S, S), "label": (SIGMA, SIGMA * sp.sqrt(H))}
"""noise model -> (its symbol, the standard deviation of the gradient noise across the valley)."""
WEAK = 1e-3
"""Noise at which the drift is measured: x moves by 1e-5 meanwhile, so the formula at fixed x is exact to O(WEAK^2)."""
SEEN = 20.0
"""Fewest walkers expected in the steep half at any time: without any there is no error bar."""
BINS, FRAMES, BURN_IN, DRIFT_STEPS = 24, 24, 24, 800
"""Bins of the circle; frames that are recorded; frames of burn-in; steps over which the drift is measured."""
PLACES = 2 * np.pi * (np.arange(16) + 0.5) / 16
"""Where the drift is measured."""
CENTRES = 2 * np.pi * (np.arange(BINS) + 0.5) / BINS


def check(config: Config) -> None:
    """Refuse a learning rate at which SGD leaves the valley."""
    if config.lr * (1 + config.steepness) >= 2:
        raise InputError(
            f"lr = {config.lr:g} is unstable in this valley: lr times the largest curvature "
            f"{1 + config.steepness:g} must stay below 2."
        )
    affordable(config, cost(config))  # before the density of such a run is computed, which may fail
    steep = 1 - flat_half(config)
    if steep * density_walkers(config) < SEEN:
        raise InputError(
            f"exponent = {config.exponent:g} with lr = {config.lr:g} and steepness = {config.steepness:g}: by "
            f"theory SGD spends a share {steep:.1e} of its time in the steep half, too little to be measured with "
            f"walkers = {config.walkers}; take a smaller exponent or more walkers."
        )


def cost(config: Config) -> list[Cost]:
    """Two drifts, and a density for each kick with all frames in memory; walkers have two components."""
    wide, n = len(PLACES) * walkers_per_place(config), density_walkers(config)
    drifts, steps = memory(config) + DRIFT_STEPS, [(BURN_IN + FRAMES) * spacing(k) for k in config.kicks]
    across = [Cost(("lr", "steepness", "walkers"), drifts, 80.0 * wide, drifts * wide * 2 * WALKER_STEP)] * len(NOISES)
    along = [Cost(("kicks", "walkers"), s, n * 8.0 * (5 * FRAMES + 4 * BINS), s * n * 2 * WALKER_STEP) for s in steps]
    return across + along


def simulate(config: Config, lab: Lab) -> Values:
    """Drift at fixed places, density with noise along the valley, and walkers without any noise."""
    drifts = lab.cells(drift, config, list(NOISES), "valley: drift")
    kicks = np.sort(config.kicks)
    frames = [float(spacing(kick)) for kick in kicks]
    shares, flats = zip(*lab.cells(density, config, range(len(kicks)), "valley: density", weights=frames), strict=True)
    flat = Estimate.stack(flats)
    # The reduced equation is the limit t -> 0, approached as t^2: a straight line, with the same weights for every bin.
    line = fit(kicks**2, *flat, (0.0, 1.0))
    weights = line.hat[0]
    share = Joint(
        sum(w * s.value for w, s in zip(weights, shares, strict=True)),
        sum(w**2 * s.covariance for w, s in zip(weights, shares, strict=True)),
        shares[0].samples,
    )
    return {
        NOISE: list(NOISES),
        PLACE: PLACES,
        DRIFT: drifts,
        ANGLE: CENTRES,
        SHARE: share,
        KICK: kicks,
        FLAT: flat,
        FLAT_LIMIT: Estimate(line.coefficients[0], line.se[0]),
        STIRRED: stirred(config, lab),
    }


def drift(config: Config, noise: str, lab: Lab) -> Estimate:
    """Mean displacement per step from each place, once y has forgotten its start."""
    parameters = {S: 0.0, SIGMA: 0.0, TAU: 0.0, C: config.steepness, LR: config.lr, NOISES[noise][0]: WEAK}
    each = walkers_per_place(config)
    x0 = np.stack([np.repeat(PLACES, each), np.zeros(len(PLACES) * each)], axis=1)
    walkers = lab.walkers(CHAIN, len(x0), "drift", noise, x0=x0, parameters=parameters)
    settling = memory(config)
    with lab.task(f"drift, {noise} noise", settling + DRIFT_STEPS) as task:
        walkers.run(settling, task.advance)
        start = walkers.positions()[:, 0]
        walkers.run(DRIFT_STEPS, task.advance)
    moved = (walkers.positions()[:, 0] - start) / DRIFT_STEPS
    return mean(moved.reshape(len(PLACES), each).T)


def density(config: Config, item: int, lab: Lab) -> tuple[Joint, Estimate]:
    """Share of time in the bins and in the flat half, with label noise and one of the kicks along the valley."""
    kick, n = sorted(config.kicks)[item], density_walkers(config)
    x0 = np.stack([2 * np.pi * (np.arange(n) + 0.5) / n, np.zeros(n)], axis=1)
    sigma = kick * np.sqrt(config.exponent / config.lr)
    walkers = lab.walkers(
        CHAIN, n, "density", item, x0=x0,
        parameters={C: config.steepness, LR: config.lr, S: 0.0, SIGMA: sigma, TAU: kick / config.lr},
    )  # fmt: skip
    every = spacing(kick)
    frames = lab.frames(walkers, BURN_IN * every, every, FRAMES, f"density at t = {kick:g}")
    x = np.array([np.mod(w.positions()[:, 0], 2 * np.pi) for w in frames])
    return joint_mean(occupation(x, edges_of(CENTRES))), mean((np.cos(x) < 0).mean(axis=0))


def stirred(config: Config, lab: Lab) -> float:
    """How far walkers move in 1000 steps from y = 0 without any noise."""
    x0 = np.stack([2 * np.pi * np.arange(1024) / 1024, np.zeros(1024)], axis=1)
    nothing = {C: config.steepness, LR: config.lr, S: 0.0, SIGMA: 0.0, TAU: 0.0}
    walkers = lab.walkers(CHAIN, len(x0), "still", x0=x0, parameters=nothing)
    walkers.run(1000)
    return float(np.abs(walkers.positions() - x0).max())


def theory(config: Config, axes: Axes) -> Values:
    """The drift of sympy's averaging, and the density of the reduced equation along the valley."""
    return {
        DRIFT: Theory([averaged_drift(config, noise, axes[PLACE]) for noise in NOISES]),
        SHARE: Theory(np.diff(reduced_density(config).cdf(edges_of(axes[ANGLE])))),
        FLAT_LIMIT: Theory(flat_half(config)),
    }


def compare(config: Config, found: Found) -> list[Claim]:
    """Drift formulas, reduced density, flat half, no motion without noise."""
    (constant, label), flat = (found[DRIFT][i] for i in range(2)), found[FLAT_LIMIT]
    return [
        constant.agrees(
            "drift-constant",
            "With constant gradient noise s across a zero-loss valley of curvature h(x), SGD of rate lr drifts along "
            "it by -lr^2 s^2 h'/(2 h (2 - lr h)) per step.",
        ),
        label.agrees(
            "drift-label", "With label noise sigma across a zero-loss valley of curvature h(x), SGD of rate lr drifts "
            "along it by -lr^2 sigma^2 h'/(2 (2 - lr h)) per step.", source="Damian, Ma & Lee 2021",
        ),
        found[SHARE].agrees(
            "density", "With label noise across a zero-loss valley of curvature h(x) and weak noise along it, SGD has "
            f"the stationary density of the reduced equation, p(x) ~ (1 - lr h/2)^{config.exponent:g}.",
            source="talk, Experiment 2",
        ),
        flat.equals(
            "flat-half", "In the limit of weak noise along a zero-loss valley SGD spends the predicted share of its "
            "time in the flat half.",
            resolution=abs(float(flat.reference) - 0.5),
        ),
        flat.exceeds(
            "prefers-flat", "SGD spends more than half of its time in the flat half of a zero-loss valley.", 0.5
        ),
        found[STIRRED].exactly(
            "still", "At zero loss without label noise SGD does not move: a drift along the valley needs noise that "
            "survives at zero loss.", 0.0,
        ),
    ]  # fmt: skip


def draw_drift(config: Config, found: Found, panel: Panel) -> None:
    """The drift along the valley under both noises."""
    around, unit = np.linspace(0, 2 * np.pi, 241), (config.lr * WEAK) ** 2
    for i, (noise, symbol) in enumerate(zip(NOISES, ("s", "σ √h"), strict=True)):
        panel.points(found[DRIFT][i] / unit, f"{noise} noise {symbol}", color=i)
        panel.curve(around, averaged_drift(config, noise, around) / unit, "theory", color=i)
    panel.level(0)
    panel.set(title="Drift along the zero-loss valley", ylabel="drift per step / (lr noise)² (rad)")
    panel.note(f"L = h(x) y²/2, h = 1 + {config.steepness:g} cos x, flattest at π; lr = {config.lr:g}; noise: s or σ")


def draw_density(config: Config, found: Found, panel: Panel) -> None:
    """The density that results from drift and diffusion."""
    around = np.linspace(0, 2 * np.pi, 241)
    panel.bars(found[SHARE] / (2 * np.pi / BINS), "SGD walkers, t → 0")
    panel.curve(around, reduced_density(config).pdf(around), f"theory, ~ (1 - lr h/2)^{config.exponent:g}")
    panel.set(title="SGD prefers flat places", ylabel="probability density (1/rad)")
    panel.note(f"label noise σ across the valley, kicks t along it, lr σ²/t² = {config.exponent:g}")
    panel.note(f"h = 1 + {config.steepness:g} cos x, flattest at π; lr = {config.lr:g}")


PANELS = (draw_drift, draw_density)


def flat_half(config: Config) -> float:
    """The share of time in the flat half, t -> 0."""
    below, above = reduced_density(config).cdf(np.array([0.5 * np.pi, 1.5 * np.pi]))
    return float(above - below)


def density_walkers(config: Config) -> int:
    """Number of walkers for the density, each of which takes many steps."""
    return max(1024, config.walkers // 4)


def walkers_per_place(config: Config) -> int:
    """Number of walkers for the drift, at each place."""
    return max(256, -(-config.walkers // len(PLACES)))


def spacing(kick: float) -> int:
    """Steps between frames: the slowest wave on the circle decays in 2/kick^2 steps, sooner with a drift."""
    return max(1, round(1 / kick**2))


def memory(config: Config) -> int:
    """Steps after which the initial y has decayed by e^-10 where the valley is flattest."""
    return max(1, round(10 / (config.lr * (1 - config.steepness))))


def averaged_drift(config: Config, noise: str, x: np.ndarray) -> Floats:
    """The mean drift per step at weak noise, from sympy's averaging over y."""
    strength, across = NOISES[noise]
    values = {C: config.steepness, LR: config.lr, strength: WEAK}
    return np.asarray(sp.lambdify(X, mean_drift(H, across).subs(values), "numpy")(x))


def reduced_density(config: Config) -> fokker_planck.Density:
    """The stationary density of x, t -> 0."""
    return fokker_planck.density(reduced_equation(config), {})


def reduced_equation(config: Config) -> SDE:
    """The 1-D Ito equation of x with time counted in steps; it depends on exponent = lr sigma^2/t^2 only, so t = 1."""
    values = {C: config.steepness, LR: config.lr}
    sigma = sp.sqrt(sp.Rational(str(config.exponent)) / sp.Rational(str(config.lr)))
    return reduced(H.subs(values), (sigma * sp.sqrt(H)).subs(values), sp.Integer(1)).subs(values)
