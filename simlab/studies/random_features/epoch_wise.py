"""Scene 3, the talk's epoch-wise double descent in the linear model: one speed, two speeds, matched step sizes.

One speed: isotropic features and gradient descent from zero; over the Marchenko-Pastur law the excess risk is known at
every step. Two speeds: a slow strong half of the features and a fast half; each has a U-shaped curve of its own, and
the sum has two descents (Heckel & Yilmaz 2021). Step sizes with which both halves reach their best at once remove it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from simlab import random as noise
from simlab.core.checks import Floats
from simlab.core.device import Device
from simlab.core.errors import InputError
from simlab.core.progress import Progress
from simlab.lab import plot as look
from simlab.lab.claim import Claim
from simlab.lab.cost import ENTRY, FLOP, Cost, affordable
from simlab.lab.quantities import given, measured, measured_jointly, predicted
from simlab.linear import decompose
from simlab.statistics import Estimate, chi_square, mean
from simlab.studies.random_features import problem
from simlab.studies.random_features.config import Config
from simlab.theory import least_squares

PANELS = 1
EPOCHS, RANGES = 60, 6
CROWD = 25
"""Examples per feature of the two-speed model, whose theory is that of n >> p."""
STAGES = ("first minimum", "peak between", "second minimum")
STEP = 0.05
"""Step size of the fast features."""
SOURCE = "talk, Double descent and Explaining DD; Advani, Saxe & Sompolinsky 2020; Heckel & Yilmaz 2021"


def check(config: Config) -> None:
    """Refuse speeds so near each other that even theory has one descent only."""
    if _stages(config) is None:
        raise InputError(
            f"fast = {config.fast:g} with noise = {config.noise:g}: theory has no second descent there; take faster "
            "features."
        )
    if _phases(config) is None:
        raise InputError(
            f"fast = {config.fast:g} with noise = {config.noise:g}: with matched step sizes theory's risk has its "
            "minimum too near an end of the run to fall before it and rise after it; take other speeds or noise."
        )
    affordable(config, cost(config))


def cost(config: Config) -> list[Cost]:
    """The decomposition of every problem: one with one speed at both sizes, two with two speeds at the larger."""

    def need(rows: int, columns: int, times: int = 1) -> problem.Need:
        small, entries = min(rows, columns), float(rows) * columns
        return problem.Need(4 * entries, times * entries * (20 * small * FLOP + 15 * ENTRY), 3 * EPOCHS)

    one = problem.cost(config, ("dimension", "aspect"), lambda d: need(_examples(config, d), d))
    return one + problem.cost(config, ("dimension",), lambda d: need(CROWD * d, d, 2), (1,))


def simulate(config: Config, device: Device, progress: Progress) -> xr.Dataset:
    """Excess risk at every recorded step of the three runs of gradient descent; |b - beta|^2 needs no test points."""
    halves = problem.at_all_sizes(
        config, progress, "epoch-wise: one speed", lambda d, r: _one_speed(config, d, r, device)
    )
    relative = []
    for d, curve in zip(problem.sizes(config), halves, strict=True):
        relative.append(problem.ranges(curve / _one_speed_theory(config, d) - 1, RANGES))
    (both,) = problem.at_all_sizes(
        config, progress, "epoch-wise: two speeds", lambda d, r: _two_speeds(config, d, r, device), (1,)
    )
    times = epochs(config)
    found: dict[str, Any] = given("epoch", "epoch", times, "steps of gradient descent", "steps")
    found |= given("stage", "stage", list(STAGES), "stage of training with two speeds")
    found |= measured("risk_one", "epoch", mean(halves[-1]), "excess risk, one speed")
    found |= measured_jointly(
        "limit", "range", problem.limit(*relative), "one speed: risk over theory, less 1, for d -> infinity"
    )
    found |= measured("risk_two", "epoch", mean(both[:, 0]), "excess risk, two speeds")
    found |= measured("risk_matched", "epoch", mean(both[:, 1]), "excess risk, matched step sizes")
    turning = np.array(_stages(config))
    found |= measured("stage_risk", "stage", mean(both[:, 0][:, turning]), "excess risk, two speeds")
    first, peak, second = (both[:, 0][:, i] for i in turning)
    drops = [mean(peak - first), mean(peak - second)]
    found |= measured("rise", (), drops[0], "risk at the peak less at the first minimum")
    found |= measured("drop", (), drops[1], "risk at the peak less at the second minimum")
    turns = mean(_contrasts(config, both[:, 1]))
    worst = (turns.value / turns.se).argmin()
    least = Estimate(turns.value[worst], turns.se[worst])
    found |= measured("single", (), least, "matched steps: the least certain fall before the minimum, or rise after it")
    return xr.Dataset(found)


def theory(config: Config, simulation: xr.Dataset) -> xr.Dataset:
    """The Marchenko-Pastur average at every step, and the superposition of two curves."""
    two, matched = (_superposition(config, m) for m in (False, True))
    turning = np.array(_stages(config))
    found: dict[str, Any] = predicted("risk_one", "epoch", _one_speed_theory(config, config.dimension), "excess risk")
    found |= predicted("limit", "range", np.zeros(RANGES), "one speed: risk over theory, less 1")
    found |= predicted("risk_two", "epoch", two, "excess risk, two speeds")
    found |= predicted("risk_matched", "epoch", matched, "excess risk, matched step sizes")
    found |= predicted("stage_risk", "stage", two[turning], "excess risk, two speeds")
    found |= predicted("rise", (), two[turning[1]] - two[turning[0]], "risk at the peak less at the first minimum")
    found |= predicted("drop", (), two[turning[1]] - two[turning[2]], "risk at the peak less at the second minimum")
    least = float(_contrasts(config, matched[None]).min())
    found |= predicted("single", (), least, "matched steps: the least fall before the minimum, or rise after it")
    return xr.Dataset(found)


def compare(config: Config, data: xr.Dataset) -> list[Claim]:
    """The exact curve; two descents; none with matched steps."""
    joint = chi_square(data["limit"].values, data["limit_covariance"].values, config.replicates)
    claims = [
        Claim.chi_square(
            "epoch_wise/one-speed", "Gradient descent follows the exact curve at every epoch as d grows.", SOURCE,
            *joint,
        )
    ]  # fmt: skip
    for i, stage in enumerate(STAGES):
        one = data.isel(stage=i)
        expected = float(one.stage_risk_theory)
        name, bias = f"epoch_wise/{stage.replace(' ', '-')}", 2 * expected / CROWD
        statement = f"Two speeds, {stage}: the risk is the sum of two curves, but for a share 2 p/n."
        value, error = float(one.stage_risk), float(one.stage_risk_se)
        resolution = 0.3 * expected
        claims.append(Claim.equals(name, statement, SOURCE, value, expected, error, bias=bias, resolution=resolution))
    claims += [
        Claim.exceeds(
            "epoch_wise/second-descent", "With two speeds the risk rises after its first minimum and descends again.",
            SOURCE, float(min(data.rise / data.rise_se, data["drop"] / data.drop_se)), sigmas=6,
        ),
        Claim.exceeds(
            "epoch_wise/matched-steps",
            "With matched step sizes there is one descent: the risk falls to one minimum and rises after it.",
            SOURCE, float(data.single) / float(data.single_se), sigmas=6,
        ),
    ]  # fmt: skip
    return claims


def plot(config: Config, data: xr.Dataset, axes: list[Any]) -> None:
    """All three runs against the number of steps."""
    (panel,) = axes
    for i, (name, label) in enumerate(
        (
            ("risk_two", "two speeds"),
            ("risk_matched", "matched steps"),
            ("risk_one", f"one speed, p = {config.aspect} n"),
        )
    ):
        look.points(panel, data["epoch"][::2], data[name][::2], data[f"{name}_se"][::2], label, color=i)
        look.line(panel, data["epoch"], data[f"{name}_theory"], "", color=i)
    panel.set(xscale="log", yscale="log", title="Epoch-wise: two speeds, two descents", xlabel="epoch (steps)",
              ylabel="excess risk")  # fmt: skip


def epochs(config: Config) -> Any:
    """Steps on a logarithmic scale, from the first to where the slow half has long since converged."""
    return np.unique(np.round(np.geomspace(1, 400 * config.fast, EPOCHS)).astype(int))


def _lr(config: Config) -> float:
    """One speed: a tenth of the largest stable step in the limit of many features."""
    return 0.2 / (1 + config.aspect**0.5) ** 2


def _examples(config: Config, dimension: int) -> int:
    return max(2, round(dimension / config.aspect))


def _one_speed(config: Config, dimension: int, replicate: int, device: Device) -> Floats:
    own = problem.key(config, problem.EPOCH_WISE, dimension, replicate)
    n = _examples(config, dimension)
    x = noise.normals(own, *_grid(device, n, dimension), stream=problem.POINTS)
    beta = device.xp.zeros(dimension)
    beta[0] = 1.0
    y = x[:, 0] + config.noise * problem.label_noise(own, n, device)
    found = decompose(x * n**-0.5, y * n**-0.5).descent(epochs(config), _lr(config))
    return device.to_host(((found - beta) ** 2).sum(axis=1))


def _one_speed_theory(config: Config, dimension: int) -> Floats:
    gamma = dimension / _examples(config, dimension)
    return least_squares.gradient_descent(gamma, epochs(config), _lr(config), noise=config.noise)


def _model(config: Config, dimension: int) -> tuple[Floats, Floats, int, float]:
    """Eigenvalues s, squared coefficients, examples and noise of the two-speed model.

    The fast half has variance 1 and carries little of the signal, so that it soon fits noise; the slow half has
    variance 1/fast and carries most of it.
    """
    half = dimension // 2
    spectrum = np.repeat([1.0, 1 / config.fast], half)
    return spectrum, np.repeat([0.5, config.fast], half) / half, CROWD * dimension, 10 * config.noise


def _steps(config: Config, dimension: int, matched: bool) -> Floats:
    """A step size for each feature: all the same, or such that all are at their best at the same time."""
    spectrum, power, n, deviation = _model(config, dimension)
    if not matched:
        return np.full(dimension, STEP)
    return least_squares.matching_steps(spectrum, power, STEP, n, noise=deviation)


def _superposition(config: Config, matched: bool) -> Floats:
    spectrum, power, n, deviation = _model(config, config.dimension)
    lr = _steps(config, config.dimension, matched)
    return least_squares.two_speeds(spectrum, power, lr, epochs(config), n, noise=deviation)


def _two_speeds(config: Config, dimension: int, replicate: int, device: Device) -> Floats:
    """Excess risk at every recorded step, with one step size and with matched ones (2, epoch).

    A step size for each feature is gradient descent with step 1 on features scaled by its root.
    """
    own = problem.key(config, problem.EPOCH_WISE, dimension, replicate + 10**6)
    spectrum, power, n, deviation = _model(config, dimension)
    scale, beta = device.asarray(spectrum**0.5), device.asarray(power**0.5)
    x = noise.normals(own, *_grid(device, n, dimension), stream=problem.POINTS) * scale
    y = x @ beta + deviation * problem.label_noise(own, n, device)
    curves = []
    for matched in (False, True):
        root = device.asarray(_steps(config, dimension, matched) ** 0.5)
        found = decompose(x * (root * n**-0.5), y * n**-0.5).descent(epochs(config), 1.0) * root
        curves.append(device.to_host((((found - beta) * scale) ** 2).sum(axis=1)))
    return np.array(curves)


def _grid(device: Device, rows: int, columns: int) -> tuple[Any, Any]:
    return device.xp.arange(rows)[:, None], device.xp.arange(columns)[None, :]


def _stages(config: Config) -> tuple[int, int, int] | None:
    """Recorded steps at which the superposition has its first minimum, the peak after it and the second minimum."""
    curve = _superposition(config, False)
    down = np.diff(curve) < 0
    turns = np.flatnonzero(down[1:] != down[:-1]) + 1
    if not down[0] or len(turns) < 3:
        return None
    return int(turns[0]), int(turns[1]), int(turns[2])


def _phases(config: Config) -> tuple[int, int, int] | None:
    """Recorded steps of theory's minimum with matched steps, and where 50 and 99 % of the rise after it are made.

    None where there are too few records before, between or behind them.
    """
    theirs = _superposition(config, True)
    best = int(theirs.argmin())
    half, last = (best + int((theirs[best:] - theirs[best] > s * np.ptp(theirs[best:])).argmax()) for s in (0.5, 0.99))
    return (best, half, last) if best >= 2 and best < half < last else None


def _contrasts(config: Config, curves: Floats) -> Floats:
    """Falls between neighbouring ranges before the common minimum and rises after it (replicate, contrast)."""
    phases = _phases(config)
    assert phases is not None, "check() has refused this"
    best, half, last = phases
    before = problem.ranges(curves[:, : best + 1], 3)
    # The plateau at the end is the third: a second descent would put it below what comes before.
    parts = (curves[:, best:half], curves[:, half:last], curves[:, -5:])
    after = np.stack([part.mean(axis=1) for part in parts], axis=1)
    return np.concatenate([-np.diff(before, axis=1), np.diff(after, axis=1)], axis=1)
