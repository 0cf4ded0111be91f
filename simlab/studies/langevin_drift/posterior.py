"""Scene 4, real input: unadjusted Langevin on the posterior of Bayesian linear regression.

y = X w + noise with a normal prior on w: the posterior is normal and the drift linear, so that the distribution of the
chain is normal too, with mean and covariance known after any number of steps. Walkers are compared with that
distribution, and with the true posterior, from which a chain of finite step must differ: Euler steps of
dx = -grad U dt + sqrt(2) dW multiply the variance along a direction of curvature k by 1/(1 - dt k/2).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import sympy as sp

from simlab.core.checks import Floats
from simlab.data.regression import Regression
from simlab.lab.cost import ENTRY, FLOP, WALKER_STEP
from simlab.lab.scene import Axes, Claim, Cost, Found, Lab, Panel, Theory, Values, axis, quantity
from simlab.sde import SDE
from simlab.statistics import Estimate, joint_mean
from simlab.studies.langevin_drift.config import Config
from simlab.studies.langevin_drift.data import load
from simlab.theory.sgd import linear_chain_moments

SOURCE = "talk, Langevin dynamics: SGD returns samples from a distribution"
WEIGHT = axis("weight of the regression")
ENTRY_NAME = axis("mean of a weight (one name) or covariance of two (two names)")
MOMENT = quantity(
    "mean or covariance, in posterior standard deviations",
    ENTRY_NAME,
    equation="fokker_planck#what-a-finite-step-samples",
)
TRUE_MOMENT = quantity(
    "mean or covariance of the true posterior, in its standard deviations",
    ENTRY_NAME,
    equation="fokker_planck#gibbs-and-the-talks-form",
)
EXCESS_SHARE = quantity(
    "share of the predicted excess of the covariance over the true posterior's",
    equation="fokker_planck#what-a-finite-step-samples",
)
STEPS = quantity("steps of each walker")
POSTERIOR_DT = quantity("time step dt")


class Posterior(NamedTuple):
    """exp(-(w - mean)^T precision (w - mean)/2), and the names of its weights."""

    mean: Floats
    precision: Floats
    names: tuple[str, ...]

    @property
    def covariance(self) -> Floats:
        """The covariance of the weights."""
        return np.asarray(np.linalg.inv(self.precision), float)

    @property
    def scale(self) -> Floats:
        """Standard deviations of the weights: units in which all entries of a table are comparable."""
        return np.sqrt(np.diag(self.covariance))


def check(config: Config) -> None:
    """Nothing more to refuse: `cost` reads the data, and refuses unusable ones."""


def cost(config: Config) -> list[Cost]:
    """One run of d components, and the table of all moments of every walker."""
    target = target_of(config)
    steps, d, n = schedule(config, target)[1], len(target.mean), config.walkers
    entries = d * (d + 3) / 2
    seconds = n * (steps * d * (1 + d / 10) * WALKER_STEP + 8 * entries * ENTRY + entries**2 * FLOP)
    return [Cost(("walkers", "prior", "step"), steps, n * 8 * (4 * d + 4 * entries), seconds)]


def simulate(config: Config, lab: Lab) -> Values:
    """Mean and covariance of independent walkers after a fixed number of steps from w = 0."""
    target = target_of(config)
    d, (dt, steps) = len(target.mean), schedule(config, target)
    walkers = lab.walkers(model(d), config.walkers, "posterior", dt=dt, parameters=parameters(target))
    with lab.task(f"posterior: {d} weights", steps) as task:
        walkers.run(steps, task.advance)
    w = walkers.positions() / target.scale
    centred, (i, j) = w - w.mean(axis=0), np.triu_indices(d)
    moments = np.concatenate([w - target.mean / target.scale, centred[:, i] * centred[:, j]], axis=1)
    moment = joint_mean(moments)
    share = excess_share(moment.value[d:], chain_moments(config, target)[d:], true_moments(target)[d:], moment.samples)
    return {
        WEIGHT: target.names,
        ENTRY_NAME: [*target.names, *(f"{target.names[a]} x {target.names[b]}" for a, b in zip(i, j, strict=True))],
        MOMENT: moment,
        EXCESS_SHARE: share,
        STEPS: steps,
        POSTERIOR_DT: dt,
    }


def theory(config: Config, axes: Axes) -> Values:
    """The exact distribution of the chain after these steps, and the true posterior, in the same units."""
    target = target_of(config)
    return {
        MOMENT: Theory(chain_moments(config, target)), TRUE_MOMENT: true_moments(target), EXCESS_SHARE: Theory(1.0),
    }  # fmt: skip


def compare(config: Config, found: Found) -> list[Claim]:
    """All entries against the chain's distribution; the mean against the true posterior; the step's bias."""
    moment, true, d = found[MOMENT], found[TRUE_MOMENT].value, len(found[WEIGHT].value)
    return [
        moment.agrees(
            "distribution",
            f"Mean and covariance of Langevin walkers on a {d}-dimensional regression posterior are those of the exact "
            f"Euler chain, all {len(true)} entries at once.",
        ),
        moment[:d].agrees(
            "mean", "The mean of Langevin walkers on a regression posterior is that of the true posterior.", true[:d]
        ),
        found[EXCESS_SHARE].equals(
            "bias", "The covariance of Langevin walkers exceeds that of the true posterior by the amount that theory "
            "predicts for the finite step (measured as a share of the predicted excess).",
            source="Mandt, Hoffman & Blei 2017, with the finite step", resolution=0.5,
        ),
    ]  # fmt: skip


def draw_variances(config: Config, found: Found, panel: Panel) -> None:
    """Variance of every weight against both distributions."""
    weights = found[WEIGHT].value
    i, j = np.triu_indices(len(weights))
    variances = found[MOMENT][len(weights) + np.flatnonzero(i == j)]
    panel.points(variances, "walkers", x=weights)
    panel.marks(variances, "exact Euler chain", x=weights)
    panel.curve(weights, np.ones(len(weights)), "true posterior", color=1, style="--")
    panel.set(title="Langevin walkers sample a posterior", xlabel="weight", ylabel="variance / posterior variance")
    panel.axes.tick_params("x", rotation=45)
    panel.note(f"dt = {config.step:g}/(largest curvature), {int(found[STEPS]):,} steps, {config.walkers:,} walkers")


def draw_deviations(config: Config, found: Found, panel: Panel) -> None:
    """How far every entry is from the chain's: means in the first column, then the covariance matrix."""
    weights, z = found[WEIGHT].value, found[MOMENT].z
    d = len(weights)
    i, j = np.triu_indices(d)
    table = np.full((d, d + 2), np.nan)
    table[:, 0] = z[:d]
    table[i, j + 2] = table[j, i + 2] = z[d:]
    image = panel.axes.imshow(table, cmap="RdBu_r", vmin=-4, vmax=4, aspect="auto")
    panel.scale(image, "(walkers - chain) / standard error")
    panel.axes.set_xticks([0, *range(2, d + 2)], ["mean", *weights], rotation=90)
    panel.axes.set_yticks(range(d), weights)
    panel.set(title="All means and covariances", xlabel="mean, or covariance with this weight", ylabel="weight")
    panel.note(f"largest deviation from the exact chain: {np.abs(z).max():.1f} standard errors, of {len(z)} entries")


PANELS = (draw_variances, draw_deviations)


def target_of(config: Config) -> Posterior:
    """The posterior of the user's data, or of the bundled ones."""
    return posterior(load(config.data), config.prior)


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
    drift = [sp.Symbol(f"q{i}", real=True) - sum(entry(i, j) * w[j] for j in range(d)) for i in range(d)]
    return SDE(w, drift, sp.sqrt(2))


def entry(i: int, j: int) -> sp.Symbol:
    """The symbol of an entry of the precision."""
    return sp.Symbol(f"P{min(i, j)}_{max(i, j)}", real=True)


def parameters(target: Posterior) -> dict[str, float]:
    """Numbers for the symbols of the equation."""
    d, linear = len(target.mean), target.precision @ target.mean
    entries = {str(entry(i, j)): float(target.precision[i, j]) for i in range(d) for j in range(i, d)}
    return {**entries, **{f"q{i}": float(linear[i]) for i in range(d)}}


def schedule(config: Config, target: Posterior) -> tuple[float, int]:
    """The step dt, from the largest curvature, and the steps until the slowest direction has forgotten its start."""
    curvatures = np.linalg.eigvalsh(target.precision)
    slowest = max(float(curvatures[0]), 1 / config.prior**2)  # guaranteed by the prior, hidden by rounding
    dt = config.step / float(curvatures[-1])
    # Distance of the start in posterior standard deviations: at the end it shall be below 1/100 of a standard error.
    distance = float(np.sqrt(target.mean @ target.precision @ target.mean))
    return dt, int(np.ceil(np.log(1 + 100 * distance * np.sqrt(config.walkers)) / (dt * slowest)))


def chain_moments(config: Config, target: Posterior) -> Floats:
    """Means, less those of the posterior, and covariances of the exact chain after its steps, in posterior units."""
    d, (dt, steps) = len(target.mean), schedule(config, target)
    mean, covariance = linear_chain_moments(
        np.eye(d) - dt * target.precision, dt * target.precision @ target.mean, 2 * dt * np.eye(d),
        np.zeros(d), np.zeros((d, d)), steps,
    )  # fmt: skip
    return _entries((mean - target.mean) / target.scale, covariance, target)


def true_moments(target: Posterior) -> Floats:
    """The same of the true posterior."""
    return _entries(np.zeros(len(target.mean)), target.covariance, target)


def _entries(mean: Floats, covariance: Floats, target: Posterior) -> Floats:
    units = np.outer(target.scale, target.scale)
    return np.concatenate([mean, (covariance / units)[np.triu_indices(len(mean))]])


def excess_share(measured: Floats, exact: Floats, true: Floats, samples: float) -> Estimate:
    """Regression of the measured excess on the predicted one: 1 if the whole bias is there, 0 if there is none.

    Its weights come from the exact distribution, since estimated ones would be correlated with what they weigh.
    """
    excess, predicted = measured - true, exact - true
    weight = np.linalg.solve(covariance_errors(exact, samples), predicted)
    return Estimate(np.asarray(weight @ excess / (weight @ predicted)), np.asarray(1 / np.sqrt(weight @ predicted)))


def covariance_errors(entries: Floats, samples: float) -> Floats:
    """Covariance of the errors of a sample covariance from this many normal samples (Isserlis' theorem).

    entries: the upper triangle of the exact covariance, row by row.
    """
    d = round((np.sqrt(8 * len(entries) + 1) - 1) / 2)
    i, j = np.triu_indices(d)
    exact = np.empty((d, d))
    exact[i, j] = exact[j, i] = entries
    k, m = i[:, None], j[:, None]
    return np.asarray((exact[k, i] * exact[m, j] + exact[k, j] * exact[m, i]) / samples)
