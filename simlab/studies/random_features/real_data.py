"""Scene 6, real input: the handwritten digits (even against odd) or the user's own regression data.

Random features: the peak is where the number of features is that of the training examples, whatever the data. Raw
columns: the theory of ridge regression uses only the covariance of the data, the coefficients of the best linear
predictor along its eigenvectors, and the variance of what that predictor misses. Training sets are drawn with
replacement, so that all data together are the population, and the excess risk needs no test set. A Gaussian twin, with
Gaussian inputs of the same covariance and the same noise, shows which deviations are due to non-Gaussian inputs.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from simlab import random as noise
from simlab.core.checks import Floats
from simlab.core.device import Device
from simlab.lab.cost import ENTRY
from simlab.lab.scene import Axes, Claim, Cost, Found, InputError, Lab, Panel, Theory, Values, axis, quantity
from simlab.linear import decompose, random_features, width_curve
from simlab.statistics import jackknife, joint_mean, mean, vertex
from simlab.studies.random_features import costs, problem, replicates
from simlab.studies.random_features.config import Config
from simlab.studies.random_features.data import Population, population
from simlab.studies.random_features.replicates import Block, Part

SOURCE = "talk, Double descent; Hastie, Montanari, Rosset & Tibshirani 2022"
SPECTRUM = "least_squares#features-that-are-not-alike"
PEAK_AT_N = "random_features#what-diverges-at-n--n-and-how-it-decays"
"""Where theories are derived."""
WIDTH = axis("number of features N")
RIDGE = axis("ridge, on the mean squared error plus ridge |b|^2")
RANGE = axis("ridge, averaged over ranges")
ERROR = quantity("mean squared test error of random features", WIDTH)
PEAK = quantity("N/n at the peak of random features", equation=PEAK_AT_N)
RISE = quantity("test error of random features at N = n minus that at N = n/2", equation=PEAK_AT_N)
RISK = quantity("excess risk of the raw columns", RIDGE, equation=SPECTRUM)
TWIN = quantity("excess risk of Gaussian inputs with the covariance of the data", RIDGE, equation=SPECTRUM)
TWIN_RANGE = quantity("excess risk of the Gaussian inputs over theory, minus 1", RANGE, equation=SPECTRUM)
DISTANCE = quantity("root mean square of ln(risk of the raw columns/theory) over the ridges", equation=SPECTRUM)
BEST = quantity("ln of the ridge of least risk of the raw columns", equation=SPECTRUM)

RIDGES = np.geomspace(1e-3, 10, 12)
"""Ridges of the raw columns, on |y - X b|^2/n + ridge |b|^2."""
TESTS = 600
"""Largest number of examples that random features are tested on."""
FEATURE_RIDGE, REACH, RANGES = 1e-5, 0.1, 4
"""Ridge lambda of the random features at N = n; the reach of the peak's parabola; ranges of ridges."""


def check(config: Config) -> None:
    """Refuse data that are unreadable, or too few to train and to test on."""
    data = population(config.data)
    if len(data.y) < 60:
        raise InputError(f"data = {config.data}: {len(data.y)} examples are too few; this scene needs at least 60.")
    if config.training > len(data.y) // 2:
        raise InputError(
            f"training = {config.training} of {len(data.y)} examples leaves too few to test on: take at most "
            f"{len(data.y) // 2}."
        )


def cost(config: Config) -> list[Cost]:
    """A curve over all widths, and two ridge curves, of every replicate."""
    needs = _need_of_curve, _need_of_columns, _need_of_columns
    return [part for need in needs for part in costs.cost(("training",), _parts(config), partial(need, config))]


def simulate(config: Config, lab: Lab) -> Values:
    """Test error of random features at every width; excess risk of the raw columns at every ridge, and of the twin."""
    n, widths = config.training, _widths(config.training)
    errors = _gather(lab, curves, config, _need_of_curve, "random features")
    columns = _gather(lab, raw_columns, config, _need_of_columns, "raw columns")
    twins = _gather(lab, gaussian_twin, config, _need_of_columns, "Gaussian twin")
    exact = population(config.data).risk(RIDGES, n)
    return {
        WIDTH: widths, RIDGE: RIDGES, RANGE: replicates.middles(RIDGES, RANGES),
        ERROR: mean(errors[:, widths - 1]),
        PEAK: jackknife(errors, partial(_peak, config)),
        RISE: mean(errors[:, n - 1] - errors[:, n // 2 - 1]),
        RISK: mean(columns),
        TWIN: mean(twins),
        TWIN_RANGE: joint_mean(replicates.ranges(twins / exact - 1, RANGES)),
        DISTANCE: jackknife(columns, partial(_distance, exact)),
        BEST: jackknife(columns, partial(_best, exact)),
    }  # fmt: skip


def curves(config: Config, block: Block, lab: Lab) -> Floats:
    """Test error of random features of the data at every width to 3n (replicate, width)."""
    return np.array([_curve(config, lab, replicate) for replicate in block.replicates])


def raw_columns(config: Config, block: Block, lab: Lab) -> Floats:
    """Excess risk of the raw columns at every ridge, from n examples drawn with replacement (replicate, ridge)."""
    return np.array([_raw(config, lab, replicate) for replicate in block.replicates])


def gaussian_twin(config: Config, block: Block, lab: Lab) -> Floats:
    """The same for Gaussian inputs with the covariance of the data (replicate, ridge)."""
    return np.array([_twin(config, lab, replicate) for replicate in block.replicates])


def theory(config: Config, axes: Axes) -> Values:
    """Ridge regression from the empirical spectrum; the peak at N = n."""
    risk = population(config.data).risk(axes[RIDGE], config.training)
    return {
        PEAK: Theory(1.0, bias=0.02),
        RISK: Theory(risk), TWIN: Theory(risk), TWIN_RANGE: Theory(0.0),
        DISTANCE: Theory(0.0, bias=np.log(risk).std() / 5),
        BEST: Theory(_best(risk, risk), bias=np.log(1.3)),
    }  # fmt: skip


def compare(config: Config, found: Found) -> list[Claim]:
    """The peak's place; the twin's curve exactly; the data's curve up to a fifth of its variation."""
    variation = float(np.log(found[RISK].reference).std())
    return [
        found[PEAK].equals(
            "peak", "The test error of random features on real data peaks where there are as many features as "
            "examples, up to one part in fifty.", resolution=0.1,
        ),
        found[RISE].exceeds(
            "peak-is-there", "On real data with n examples the test error of N random features is larger at N = n than "
            "at N = n/2.", sigmas=6,
        ),
        found[TWIN_RANGE].agrees(
            "gaussian-twin",
            "Ridge regression on Gaussian inputs with the covariance of the real data follows theory at every ridge.",
        ),
        found[DISTANCE].equals(
            "raw-columns",
            "The risk of ridge regression on real data follows the theory of their spectrum at all ridges, up to a "
            "fifth of the variation of its logarithm.",
            resolution=variation / 2,
        ),
        found[BEST].equals(
            "best-ridge", "On real data the ridge of least risk is the one that theory predicts, up to a factor 1.3.",
            resolution=1.0,
        ),
    ]  # fmt: skip


def draw_ridges(config: Config, found: Found, panel: Panel) -> None:
    """The ridge curve of the raw columns, of their twin, and theory."""
    panel.points(RISK, f"{_name(config)}, raw columns")
    panel.points(TWIN, "Gaussian twin", color=2)
    dense = np.geomspace(RIDGES[0], RIDGES[-1], 200)
    panel.curve(dense, population(config.data).risk(dense, config.training), "theory from the spectrum")
    panel.set(xscale="log", yscale="log", title="Real data: theory from the spectrum", ylabel="excess risk",
              xlabel="ridge")  # fmt: skip
    panel.note(
        f"{config.training} examples, {config.replicates} training sets; ridge on the mean squared error; the twin has "
        "Gaussian inputs of the same covariance"
    )


def draw_ratio(config: Config, found: Found, panel: Panel) -> None:
    """Their distance from theory."""
    exact = found[RISK].reference
    panel.points(found[RISK] / exact, f"{_name(config)}, raw columns")
    panel.points(found[TWIN] / exact, "Gaussian twin", x=RIDGES * 1.12, color=2)
    panel.curve(RIDGES, np.ones(len(RIDGES)), "theory from the spectrum")
    panel.set(xscale="log", title="Distance from theory", ylabel="excess risk over theory", xlabel="ridge")
    panel.note("where the twin follows theory and the data do not, more than their covariance matters")


def draw_peak(config: Config, found: Found, panel: Panel) -> None:
    """Double descent of random features of the data."""
    panel.points(ERROR, "simulation", x=found[WIDTH].value / config.training)
    panel.place(1, "theory: the peak is at N = n")
    panel.set(xscale="log", yscale="log", title=f"Double descent on the {_name(config)}", ylabel="mean squared error",
              xlabel="features over examples, N/n")  # fmt: skip
    panel.note(f"{config.activation} features, ridge lambda = {FEATURE_RIDGE:g} at N = n = {config.training}")


PANELS = (draw_ridges, draw_ratio, draw_peak)


def _name(config: Config) -> str:
    return "digits" if config.data is None else "data"


def _widths(n: int) -> NDArray[np.int64]:
    """Widths in the figure."""
    return np.unique(np.round(np.geomspace(n / 20, 3 * n, 45)).astype(int))


def _parts(config: Config) -> list[Part]:
    return [Part(config.training, config.replicates)]


def _gather(
    lab: Lab, work: Callable[[Config, Block, Lab], Floats], config: Config,
    need: Callable[[Config, int], costs.Need], text: str,
) -> Floats:  # fmt: skip
    (rows,) = replicates.gather(lab, work, config, _parts(config), partial(need, config), f"real data: {text}")
    return rows


def _curve(config: Config, lab: Lab, replicate: int) -> Floats:
    data, n, device = population(config.data), config.training, lab.device
    key = lab.key("real_data", "random features", replicate)
    index = np.arange(len(data.y))
    order = np.argsort(noise.uniforms(noise.key(key, "order"), index, 0 * index))
    train, test = order[:n], order[n : n + TESTS]
    theta = problem.weights(key, 3 * n, data.X.shape[1], device)
    z, t = (random_features(device.asarray(data.X[rows]), theta, config.activation) for rows in (train, test))
    y, t_y = device.asarray(data.y[train]), device.asarray(data.y[test])
    return device.to_host(width_curve(z, y, t, t_y, FEATURE_RIDGE * (n / data.X.shape[1]) ** 2))


def _raw(config: Config, lab: Lab, replicate: int) -> Floats:
    data, n = population(config.data), config.training
    index = np.arange(n)
    share = noise.uniforms(lab.key("real_data", "raw columns", replicate), index, 0 * index)
    rows = np.minimum((share * len(data.y)).astype(int), len(data.y) - 1)
    return _ridge_curve(data, data.X[rows], data.y[rows], lab.device)


def _twin(config: Config, lab: Lab, replicate: int) -> Floats:
    data, n = population(config.data), config.training
    key, host = lab.key("real_data", "Gaussian twin", replicate), Device.open("cpu")
    x = (problem.gaussian_points(key, n, len(data.beta), host) * np.sqrt(data.spectrum)) @ data.vectors.T
    y = x @ data.beta + data.miss * problem.label_noise(key, n, host)
    return _ridge_curve(data, x, y, lab.device)


def _ridge_curve(data: Population, x: Floats, y: Floats, device: Device) -> Floats:
    root = len(y) ** -0.5
    b = decompose(device.asarray(x * root), device.asarray(y * root)).ridge(RIDGES)
    return data.excess(device.to_host(b))


def _need_of_curve(config: Config, n: int) -> costs.Need:
    rows, d = population(config.data).X.shape
    m = min(TESTS, rows - n)
    one, drawn = costs.curve(n, 3 * n, m), costs.drawing(0, d, 0, 3 * n)
    seconds = drawn.seconds + costs.features(n + m, 3 * n, d) + one.seconds + rows * 30 * ENTRY
    return costs.Need(drawn.held + one.held, seconds, one.kept)


def _need_of_columns(config: Config, n: int) -> costs.Need:
    d = population(config.data).X.shape[1]
    return costs.decomposition(n, d)._replace(held=6.0 * n * d, kept=len(RIDGES))


def _peak(config: Config, curve: Floats) -> Floats:
    """N/n at the top of the parabola through the logarithm of the error near N = n."""
    return replicates.extremum(curve, config.training, REACH) / config.training


def _distance(exact: Floats, risk: Floats) -> Floats:
    return np.sqrt((np.log(risk / exact) ** 2).mean(axis=-1))


def _best(exact: Floats, risk: Floats) -> Floats:
    """Logarithm of the ridge at the lowest point of a parabola through the risks around the minimum of theory."""
    lowest = int(np.clip(exact.argmin(), 2, len(RIDGES) - 3))
    window = slice(lowest - 2, lowest + 3)
    return vertex(np.log(RIDGES[window]), np.log(risk[..., window]), top=False)
