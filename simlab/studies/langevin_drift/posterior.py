"""Scene 4, real input: unadjusted Langevin on the posterior of Bayesian linear regression.

y = X w + noise with a normal prior on w: the posterior is normal, the drift linear, and so the chain's law is normal
too, with mean and covariance known after any number of steps. Walkers are compared with that law, and with the true
posterior, from which a finite step is bound to differ: dx = -grad U dt + sqrt(2) dW widens every direction of curvature
k by 1/(1 - dt k/2).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import sympy as sp
import xarray as xr

from simlab.core.device import Device
from simlab.core.progress import Progress
from simlab.data.regression import Regression
from simlab.lab import plot as look
from simlab.lab.claim import Claim
from simlab.lab.cost import ENTRY, FLOP, WALKER_STEP, Cost, affordable
from simlab.lab.quantities import given, measured, predicted
from simlab.sde import SDE, Options, Walkers
from simlab.statistics import Estimate, chi_square, joint_mean
from simlab.studies.langevin_drift import streams
from simlab.studies.langevin_drift.config import Config
from simlab.studies.langevin_drift.data import load
from simlab.theory.sgd import linear_chain_moments

PANELS = 2


class Posterior(NamedTuple):
    """exp(-(w - mean)^T precision (w - mean)/2), the names of its weights, and the data it came from."""

    mean: np.ndarray
    precision: np.ndarray
    names: tuple[str, ...]


def posterior(data: Regression, prior: float) -> Posterior:
    """The exact posterior in standardised units: noise variance from the residuals of least squares."""
    n, d = data.X.shape
    solution, *_ = np.linalg.lstsq(data.X, data.y, rcond=None)
    variance = float(((data.y - data.X @ solution) ** 2).sum() / max(n - d - 1, 1))
    precision = data.X.T @ data.X / variance + np.eye(d) / prior**2
    return Posterior(np.linalg.solve(precision, data.X.T @ data.y / variance), precision, data.names)


def model(d: int) -> SDE:
    """The equation dw = -(P w - q) dt + sqrt(2) dW with the precision P and q = P mean as parameters.

    One kernel serves any data of width d.
    """
    w = sp.symbols(f"w0:{d}", real=True)
    drift = [sp.Symbol(f"q{i}", real=True) - sum(_entry(i, j) * w[j] for j in range(d)) for i in range(d)]
    return SDE(w, drift, sp.sqrt(2))


def check(config: Config) -> None:
    """Read the data before anything runs, and see that the slowest direction is within reach."""
    affordable(config, cost(config))


def cost(config: Config) -> list[Cost]:
    """One run of d components, and the table of all moments of every walker."""
    target = posterior(load(config.data), config.prior)
    steps, d, n = schedule(config, target)[1], len(target.mean), config.walkers
    entries = d * (d + 3) / 2
    seconds = n * (steps * d * (1 + d / 10) * WALKER_STEP + 8 * entries * ENTRY + entries**2 * FLOP)
    return [Cost(("walkers", "prior", "step"), steps, n * 8 * (4 * d + 4 * entries), seconds)]


def simulate(config: Config, device: Device, progress: Progress) -> xr.Dataset:
    """Mean and covariance of independent walkers after a fixed number of steps from w = 0."""
    target = posterior(load(config.data), config.prior)
    d = len(target.mean)
    dt, steps = schedule(config, target)
    crowd = Walkers(
        model(d), config.walkers, dt=dt, x0=0.0, seed=config.seed, device=device,
        parameters=_parameters(target), options=Options(stream=streams.POSTERIOR),
    )  # fmt: skip
    with progress.task(f"posterior: {d} weights", total=steps) as task:
        crowd.run(steps, task.advance)
    # Weights in units of their own posterior spread, so that all entries of one table are comparable.
    scale = np.sqrt(np.diag(np.linalg.inv(target.precision)))
    units = crowd.positions() / scale
    centre = target.mean / scale
    i, j = np.triu_indices(d)
    moments = np.concatenate([units - centre, (units - units.mean(0))[:, i] * (units - units.mean(0))[:, j]], axis=1)
    joint = joint_mean(moments)
    names = [*target.names, *(f"{target.names[a]} x {target.names[b]}" for a, b in zip(i, j, strict=True))]
    se = np.sqrt(np.diag(joint.covariance))
    return xr.Dataset(
        {
            **given("weight", "weight", list(target.names), "weight of the regression"),
            **given("entry", "entry", names, "entry of the mean (a name) or of the covariance (two names)"),
            **measured(
                "moment", "entry", Estimate(joint.value, se), "mean and covariance in posterior standard deviations"
            ),
            **given(
                "moment_covariance", ("entry", "entry_"), joint.covariance, "covariance of the errors of the moments"
            ),
            **given("steps", (), steps, "number of steps"),
            **given("posterior_dt", (), dt, "time step"),
            **given("diverged", (), crowd.diverged(), "walkers that left the numbers"),
        }
    )


def theory(config: Config, simulation: xr.Dataset) -> xr.Dataset:
    """The exact law of the chain after these steps, and the true posterior, in the same units."""
    target = posterior(load(config.data), config.prior)
    d = len(target.mean)
    dt, steps = schedule(config, target)
    step = np.eye(d) - dt * target.precision
    mean, covariance = linear_chain_moments(
        step, dt * target.precision @ target.mean, 2 * dt * np.eye(d), np.zeros(d), np.zeros((d, d)), steps
    )
    exact = np.linalg.inv(target.precision)
    scale = np.sqrt(np.diag(exact))
    i, j = np.triu_indices(d)
    upper = (covariance / np.outer(scale, scale))[i, j]
    truth = np.concatenate([np.zeros(d), (exact / np.outer(scale, scale))[i, j]])
    return xr.Dataset(
        {
            **predicted(
                "moment", "entry", np.concatenate([(mean - target.mean) / scale, upper]), "moments of the chain"
            ),
            **given("moment_posterior", "entry", truth, "moments of the true posterior"),
        }
    )


def compare(config: Config, data: xr.Dataset) -> list[Claim]:
    """All entries against the chain's law; the mean against the true posterior; the step's bias as predicted."""
    d = data.sizes["weight"]
    covariance = data.moment_covariance.values
    own = (data.moment - data.moment_theory).values
    off = (data.moment - data.moment_posterior).values
    z = own / data.moment_se.values
    source = "talk, Langevin dynamics: SGD returns samples from a distribution"
    widest = slice(d, None)
    bias = (data.moment_theory - data.moment_posterior).values[widest]
    # Regression of the measured excess on the predicted one: 1 if the whole bias is there, 0 if there is none. Its
    # weights come from the exact law, since estimated ones would hang together with what they weigh.
    weight = np.linalg.solve(_covariance_errors(data, config.walkers), bias)
    found, error = float(weight @ off[widest] / (weight @ bias)), float(1 / np.sqrt(weight @ bias))
    return [
        Claim.chi_square(
            "posterior/law", f"Mean and covariance over walkers are those of the {d}-dimensional chain: all {len(z)} "
            f"entries at once (largest |z| {np.abs(z).max():.1f}).", source,
            *chi_square(own, covariance, config.walkers),
        ),
        Claim.chi_square(
            "posterior/mean", "The sample mean is the mean of the true posterior.", source,
            *chi_square(off[:d], covariance[:d, :d], config.walkers),
        ),
        Claim.equals(
            "posterior/bias", "The covariance exceeds the true posterior's by just what the finite step explains "
            "(share of the predicted excess).", "Mandt, Hoffman & Blei 2017, with the finite step", found, 1.0, error,
            resolution=0.5,
        ),
    ]  # fmt: skip


def plot(config: Config, data: xr.Dataset, axes: list[Any]) -> None:
    """Spread of every weight against both laws, and the z-score of every entry."""
    spread, scores = axes
    d = data.sizes["weight"]
    i, j = np.triu_indices(d)
    diagonal = d + np.flatnonzero(i == j)
    at = np.arange(d)
    look.points(spread, at, data.moment[diagonal], data.moment_se[diagonal], "walkers")
    look.marks(spread, at, data.moment_theory[diagonal], "law of the chain")
    look.line(spread, [-0.5, d - 0.5], np.ones(2), "true posterior", style="--")
    spread.set(title="posterior of a regression", ylabel="variance / posterior variance", xlabel="weight")
    spread.set_xticks(at, [str(n) for n in data.weight.values], rotation=45)
    z = ((data.moment - data.moment_theory) / data.moment_se).values
    matrix = np.full((d, d + 1), np.nan)
    matrix[:, 0] = z[:d]
    matrix[i, j + 1] = z[d:]
    image = scores.imshow(matrix, cmap="RdBu_r", vmin=-4, vmax=4, aspect="auto")
    scores.figure.colorbar(image, ax=scores, label="z")
    scores.set(title="z-score of every entry", ylabel="weight")
    scores.set_xticks(range(d + 1), ["mean", *(str(n) for n in data.weight.values)], rotation=90)
    scores.set_yticks(range(d), [str(n) for n in data.weight.values])


def schedule(config: Config, target: Posterior) -> tuple[float, int]:
    """The step dt from the largest curvature, and how many until the slowest direction has forgotten its start."""
    curvatures = np.linalg.eigvalsh(target.precision)
    slowest = max(float(curvatures[0]), 1 / config.prior**2)  # what the prior guarantees, and rounding may hide
    dt = config.step / float(curvatures[-1])
    # The start is so many posterior standard deviations away, and shall be a hundredth of a standard error at the end.
    distance = float(np.sqrt(target.mean @ target.precision @ target.mean))
    return dt, int(np.ceil(np.log(1 + 100 * distance * np.sqrt(config.walkers)) / (dt * slowest)))


def _covariance_errors(data: xr.Dataset, walkers: int) -> np.ndarray:
    """Covariance of the errors of the entries of a sample covariance, from the exact law of the chain (Isserlis)."""
    d = data.sizes["weight"]
    i, j = np.triu_indices(d)
    law = np.empty((d, d))
    law[i, j] = law[j, i] = data.moment_theory.values[d:]
    k, m = i[:, None], j[:, None]
    found: np.ndarray = (law[k, i] * law[m, j] + law[k, j] * law[m, i]) / walkers
    return found


def _entry(i: int, j: int) -> sp.Symbol:
    return sp.Symbol(f"P{min(i, j)}_{max(i, j)}", real=True)


def _parameters(target: Posterior) -> dict[str, float]:
    d = len(target.mean)
    linear = target.precision @ target.mean
    entries = {str(_entry(i, j)): float(target.precision[i, j]) for i in range(d) for j in range(i, d)}
    return {**entries, **{f"q{i}": float(linear[i]) for i in range(d)}}
