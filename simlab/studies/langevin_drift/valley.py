"""Scene 3, the talk's "drift within this manifold is possible": SGD on L = h(x) y^2/2, of zero loss where y = 0.

The valley needs no code of its own: SGD on a symbolic loss with a symbolic noise is a chain like any other, and the
three noise models are three settings of its parameters. Noise across the valley makes x drift to where it is flat,
without any tangential diffusion; noise along the valley adds the diffusion, and then x has a stationary density.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp
import xarray as xr

from simlab.core.device import Device
from simlab.core.errors import InputError
from simlab.core.progress import Progress
from simlab.lab import plot as look
from simlab.lab.claim import Claim
from simlab.lab.cost import WALKER_STEP, Cost, affordable
from simlab.lab.quantities import given, measured, measured_jointly, predicted
from simlab.sde import Options, Walkers
from simlab.statistics import Estimate, Joint, chi_square, edges_of, fit, joint_mean, mean, occupation
from simlab.studies.langevin_drift import streams
from simlab.studies.langevin_drift.config import Config
from simlab.theory import fokker_planck
from simlab.theory.sgd import LR, mean_drift, reduced, sgd

PANELS = 2
X, Y = sp.symbols("x y", real=True)
C, S, SIGMA, TAU = (sp.Symbol(n, nonnegative=True) for n in ("c", "s", "sigma", "tau"))
"""steepness; constant and label noise across the valley; noise along the valley, a kick lr tau a step."""
H = 1 + C * sp.cos(X)
ACROSS = sp.sqrt(S**2 + SIGMA**2 * H)
CHAIN = sgd(H * Y**2 / 2, (X, Y), [TAU, ACROSS])
NOISES = {"constant": (S, S), "label": (SIGMA, SIGMA * sp.sqrt(H))}
"""noise model -> (its symbol, the standard deviation of the gradient noise across the valley)."""
WEAK = 1e-3
"""Noise at which the drift is measured: x moves by 1e-5 meanwhile, so the formula at fixed x is exact to O(WEAK^2)."""
SEEN = 20.0
"""Walkers in the steep half at any time, at least: without any there is no error bar."""
PLACES, BINS, FRAMES, BURN_IN, DRIFT_STEPS = 16, 24, 24, 24, 800
"""Places and steps of the drift; bins of the circle, and frames that are kept, and that go by before."""


def check(config: Config) -> None:
    """Refuse a learning rate at which SGD leaves the valley."""
    if config.lr * (1 + config.steepness) >= 2:
        raise InputError(
            f"lr = {config.lr:g} is unstable in this valley: lr times the largest curvature "
            f"{1 + config.steepness:g} must stay below 2."
        )
    affordable(config, cost(config))
    steep = 1 - _flat(config)
    if steep * _walkers(config) < SEEN:
        raise InputError(
            f"exponent = {config.exponent:g} with lr = {config.lr:g} and steepness = {config.steepness:g}: theory "
            f"leaves a share {steep:.1e} of the time to the steep half, too little for walkers = {config.walkers}; "
            "take a smaller exponent or more walkers."
        )


def cost(config: Config) -> list[Cost]:
    """Two drifts, and a density for each kick, whose frames are kept; steps have two components."""
    wide, n = PLACES * _each(config), _walkers(config)
    drifts, steps = _memory(config) + DRIFT_STEPS, [(BURN_IN + FRAMES) * _every(k) for k in config.kicks]
    across = [Cost(("lr", "steepness", "walkers"), drifts, 80.0 * wide, drifts * wide * 2 * WALKER_STEP)] * len(NOISES)
    along = [Cost(("kicks", "walkers"), s, n * 8.0 * (5 * FRAMES + 4 * BINS), s * n * 2 * WALKER_STEP) for s in steps]
    return across + along


def simulate(config: Config, device: Device, progress: Progress) -> xr.Dataset:
    """Drift at fixed places, density with noise along the valley, and the line without any noise."""
    places = 2 * np.pi * (np.arange(PLACES) + 0.5) / PLACES
    found: dict[str, Any] = given("place", "place", places, "position along the valley", "rad")
    lost = 0
    for i, name in enumerate(NOISES):
        drift, diverged = _drift(config, name, places, streams.DRIFT + i, device, progress)
        found |= measured(f"drift_{name}", "place", drift, f"mean drift of x a step, {name} noise", "rad/step")
        lost += diverged
    edges = np.linspace(0, 2 * np.pi, BINS + 1)
    kicks, shares, flats = np.sort(config.kicks), [], []
    for i, kick in enumerate(kicks):
        positions, diverged = _density(config, kick, streams.DENSITY + i, device, progress)
        shares.append(joint_mean(occupation(positions, edges)))
        flats.append(mean((np.cos(positions) < 0).mean(axis=0)))
        lost += diverged
    flat = Estimate.stack(flats)
    # The reduced equation is the limit t -> 0, approached as t^2: a straight line, with the same weights for every bin.
    limit = fit(kicks**2, *flat, (0.0, 1.0))
    weights = limit.hat[0]
    share = Joint(
        sum(w * s.value for w, s in zip(weights, shares, strict=True)),
        sum(w**2 * s.covariance for w, s in zip(weights, shares, strict=True)),
        shares[0].samples,
    )
    found |= given("angle", "angle", (edges[1:] + edges[:-1]) / 2, "position along the valley", "rad")
    found |= given("kick", "kick", kicks, "noise along the valley a step", "rad")
    found |= measured_jointly("share", "angle", share, "share of time in the bin, t -> 0")
    found |= measured("flat", "kick", flat, "share of time in the flat half")
    found |= measured("flat_limit", (), Estimate(limit.coefficients[0], limit.se[0]), "the same, t -> 0")
    found |= given("stirred", (), _still(config, device), "largest move on the zero-loss line without noise", "rad")
    return xr.Dataset({**found, **given("diverged", (), lost, "walkers that left the numbers")})


def theory(config: Config, simulation: xr.Dataset) -> xr.Dataset:
    """The drift of sympy's averaging, and the density of the reduced equation along the valley."""
    found: dict[str, Any] = {}
    for name in NOISES:
        drift = _averaged(config, name, simulation["place"].values)
        found |= predicted(f"drift_{name}", "place", drift, f"mean drift of x a step, {name} noise", "rad/step")
    law = fokker_planck.density(_reduced(config), {})
    angle = simulation["angle"].values
    edges = edges_of(angle)
    found |= predicted("share", "angle", np.diff(law.cdf(edges)), "share of time in the bin")
    found |= predicted("flat_limit", (), _flat(config), "share of time in the flat half, t -> 0")
    return xr.Dataset(found)


def compare(config: Config, data: xr.Dataset) -> list[Claim]:
    """Drift formulas, reduced density, flat half, stillness."""
    talk = "talk, Discussion: drift within this manifold is possible"
    claims = [
        Claim.chi_square(
            f"valley/drift-{name}", sentence, source,
            *chi_square((data[f"drift_{name}"] - data[f"drift_{name}_theory"]).values, data[f"drift_{name}_se"].values),
        )
        for name, sentence, source in (
            ("constant", "Constant noise across the valley: x drifts by -lr^2 s^2 h'/(2 h (2 - lr h)) a step.", talk),
            ("label", "Label noise: x drifts by -lr^2 sigma^2 h'/(2 (2 - lr h)) a step.", "Damian, Ma & Lee 2021"),
        )
    ]  # fmt: skip
    density = chi_square((data.share - data.share_theory).values, data.share_covariance.values, _walkers(config))
    flat, error = float(data.flat_limit), float(data.flat_limit_se)
    claims += [
        Claim.chi_square(
            "valley/density", "With noise along the valley, t -> 0, x has the density of the reduced equation, "
            f"(1 - lr h/2)^{config.exponent:g}.", "talk, Experiment 2", *density,
        ),
        Claim.equals(
            "valley/flat-half", "The flat half of the valley holds the share of time that theory says (t -> 0).", talk,
            flat, float(data.flat_limit_theory), error, resolution=abs(float(data.flat_limit_theory) - 0.5),
        ),
        Claim.exceeds(
            "valley/prefers-flat", "Walkers prefer the flat half: its share exceeds one half by many standard errors.",
            talk, (flat - 0.5) / error,
        ),
        Claim.exact(
            "valley/still", "At exact interpolation without label noise nothing moves: the talk's drift needs noise "
            "that survives at zero loss.", talk, float(data.stirred), 0.0,
        ),
    ]  # fmt: skip
    return claims


def plot(config: Config, data: xr.Dataset, axes: list[Any]) -> None:
    """The drift along the valley and the density that it makes."""
    drift, density = axes
    around, unit = np.linspace(0, 2 * np.pi, 241), (config.lr * WEAK) ** 2
    for i, name in enumerate(NOISES):
        look.points(
            drift, data.place, data[f"drift_{name}"] / unit, data[f"drift_{name}_se"] / unit, f"{name} noise", color=i
        )
        look.line(drift, around, _averaged(config, name, around) / unit, f"theory, {name} noise", color=i)
    drift.axhline(0, color="0.7", lw=1)
    drift.set(
        title="drift along the zero-loss valley", xlabel="x (rad)", ylabel=r"mean drift a step / $(\eta\,\sigma)^2$"
    )
    width = float(data.angle[1] - data.angle[0])
    look.bars(density, data.angle, data.share / width, data.share_se / width, width, r"SGD walkers, $t\to0$")
    law = fokker_planck.density(_reduced(config), {})
    look.line(density, around, law.pdf(around), f"$(1 - \\eta h/2)^{{{config.exponent:g}}}$")
    density.set(title="flat places hold the time", xlabel="x (rad), flattest at $\\pi$", ylabel="density")


def _drift(
    config: Config, name: str, places: np.ndarray, stream: int, device: Device, progress: Progress
) -> tuple[Estimate, int]:
    """Mean displacement a step from each place, once y has forgotten its start."""
    strengths = {str(S): 0.0, str(SIGMA): 0.0, str(NOISES[name][0]): WEAK}
    each = _each(config)
    x0 = np.stack([np.repeat(places, each), np.zeros(PLACES * each)], axis=1)
    crowd = Walkers(
        CHAIN, PLACES * each, x0=x0, seed=config.seed, device=device, options=Options(stream=stream),
        parameters={**strengths, "c": config.steepness, "lr": config.lr, "tau": 0.0},
    )  # fmt: skip
    memory, steps = _memory(config), DRIFT_STEPS
    with progress.task(f"valley: drift, {name} noise", total=memory + steps) as task:
        crowd.run(memory, task.advance)
        start = crowd.positions()[:, 0]
        crowd.run(steps, task.advance)
        moved = ((crowd.positions()[:, 0] - start) / steps).reshape(PLACES, each)
    return mean(moved.T), crowd.diverged()


def _density(config: Config, kick: float, stream: int, device: Device, progress: Progress) -> tuple[np.ndarray, int]:
    """Frames (frame, walker) of the angle, half a diffusion time apart, with label noise and kicks along the valley."""
    every = _every(kick)
    walkers = _walkers(config)
    x0 = np.stack([2 * np.pi * (np.arange(walkers) + 0.5) / walkers, np.zeros(walkers)], axis=1)
    sigma = kick * np.sqrt(config.exponent / config.lr)
    crowd = Walkers(
        CHAIN, walkers, x0=x0, seed=config.seed, device=device, options=Options(stream=stream),
        parameters={"c": config.steepness, "lr": config.lr, "s": 0.0, "sigma": sigma, "tau": kick / config.lr},
    )  # fmt: skip
    frames = []
    with progress.task(f"valley: density at t = {kick:g}", total=(BURN_IN + FRAMES) * every) as task:
        crowd.run(BURN_IN * every, task.advance)
        for _ in range(FRAMES):
            crowd.run(every, task.advance)
            frames.append(np.mod(crowd.positions()[:, 0], 2 * np.pi))
    return np.array(frames), crowd.diverged()


def _still(config: Config, device: Device) -> float:
    """How far x moves in 1000 steps from y = 0 when no noise is left."""
    x0 = np.stack([2 * np.pi * np.arange(1024) / 1024, np.zeros(1024)], axis=1)
    nothing = {"c": config.steepness, "lr": config.lr, "s": 0.0, "sigma": 0.0, "tau": 0.0}
    options = Options(stream=streams.STILL)
    crowd = Walkers(CHAIN, 1024, x0=x0, seed=config.seed, device=device, parameters=nothing, options=options)
    crowd.run(1000)
    return float(np.abs(crowd.positions() - x0).max())


def _flat(config: Config) -> float:
    """The share of time in the flat half, t -> 0."""
    law = fokker_planck.density(_reduced(config), {})
    return float(law.cdf(np.array([1.5 * np.pi]))[0] - law.cdf(np.array([0.5 * np.pi]))[0])


def _walkers(config: Config) -> int:
    """Walkers of the density, each of which takes many steps."""
    return max(1024, config.walkers // 4)


def _each(config: Config) -> int:
    """Walkers of the drift at each place."""
    return max(256, -(-config.walkers // PLACES))


def _every(kick: float) -> int:
    """Steps between frames: the slowest wave on the circle decays in 2/kick^2 steps, sooner with a drift."""
    return max(1, round(1 / kick**2))


def _memory(config: Config) -> int:
    """Steps in which y forgets its start to e^-10 where the valley is flattest."""
    return max(1, round(10 / (config.lr * (1 - config.steepness))))


def _averaged(config: Config, name: str, x: np.ndarray) -> np.ndarray:
    """The mean drift a step at weak noise, from sympy's averaging over y."""
    strength, noise = NOISES[name]
    values = {C: config.steepness, LR: config.lr, strength: WEAK}
    found: np.ndarray = sp.lambdify(X, mean_drift(H, noise).subs(values), "numpy")(x)
    return found


def _reduced(config: Config) -> Any:
    """The 1-D Ito equation of x with time counted in steps; it depends on exponent = lr sigma^2/t^2 only, so t = 1."""
    values = {C: config.steepness, LR: config.lr}
    sigma = sp.sqrt(sp.Rational(str(config.exponent)) / sp.Rational(str(config.lr)))
    return reduced(H.subs(values), (sigma * sp.sqrt(H)).subs(values), sp.Integer(1)).subs(values)
