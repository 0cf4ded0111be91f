"""Scene 6, real input: the handwritten digits (even against odd) or the user's own regression data.

Random features: the peak is where the number of features is that of the training examples, whatever the data. Raw
columns: the theory of ridge regression knows of the data only their covariance, the coefficients of the best linear
predictor along its eigenvectors, and the variance of what that predictor misses. Training sets are drawn with
replacement, so that all data together are the population, and the excess risk needs no test set. A Gaussian twin, with
the same covariance and noise, tells what the theory owes to Gaussian inputs.
"""

from __future__ import annotations

from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

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
from simlab.linear import decompose, random_features, width_curve
from simlab.statistics import chi_square, jackknife, joint_mean, mean
from simlab.studies.random_features import problem
from simlab.studies.random_features.config import Config
from simlab.studies.random_features.data import load
from simlab.theory import least_squares

PANELS = 1
RIDGES = np.geomspace(1e-3, 10, 12)
"""Ridges of the raw columns, on |y - X b|^2/n + ridge |b|^2."""
TESTS = 600
"""Examples at most that random features are tested on."""
RIDGE, REACH, RANGES = 1e-5, 0.1, 4
"""Ridge lambda of the random features at N = n; the reach of the peak's parabola; ranges of ridges."""
ORDER, TWIN = 4, 10**6
"""The stream that shuffles the examples, and where the replicates of the Gaussian twin begin."""
SOURCE = "talk, Double descent; Hastie, Montanari, Rosset & Tibshirani 2022"


class Population(NamedTuple):
    """X and y, the covariance's eigenvalues (d) and eigenvectors (d, d), the best linear predictor and its miss."""

    X: Floats
    y: Floats
    spectrum: Floats
    vectors: Floats
    beta: Floats
    miss: float


def check(config: Config) -> None:
    """Refuse data that are unreadable, or too few to train and to test on."""
    data = _population(config.data)
    if len(data.y) < 60:
        raise InputError(f"data = {config.data}: {len(data.y)} examples are too few; this scene needs at least 60.")
    if config.training > len(data.y) // 2:
        raise InputError(
            f"training = {config.training} of {len(data.y)} examples leaves too few to test on: take at most "
            f"{len(data.y) // 2}."
        )
    affordable(config, cost(config))


def cost(config: Config) -> list[Cost]:
    """A curve over all widths, and two ridge curves, of every replicate."""
    own, n = _population(config.data), config.training
    rows, d = own.X.shape
    m = min(TESTS, rows - n)
    one, draw = problem.curve(n, 3 * n, m), problem.drawn(0, d, 0, 3 * n)
    ridges = float(n) * d * (20 * min(n, d) * FLOP + 15 * ENTRY) + n * d * d * 2 * FLOP
    seconds = draw.seconds + problem.features(n + m, 3 * n, d) + one.seconds + 2 * ridges + rows * 30 * ENTRY
    size = 8 * (draw.held + one.held + 6 * n * d + 3 * config.replicates * (one.kept + 2 * len(RIDGES)))
    each = seconds + 4 * problem.OVERHEAD
    return [Cost(("training", "replicates"), config.replicates, size, config.replicates * each)]


def simulate(config: Config, device: Device, progress: Progress) -> xr.Dataset:
    """Test error of random features at every width; excess risk of the raw columns at every ridge, and of the twin."""
    count = config.replicates
    with progress.task("real data", total=4 * count) as task:
        curves, rows, twins = [], [], []
        for replicate in range(count):
            curves.append(_curve(config, replicate, device))
            rows.append(_raw(config, replicate, device))
            twins.append(_twin(config, replicate, device))
            task.advance(4)
    curves_, rows_, twins_ = map(np.array, (curves, rows, twins))
    shown = np.unique(np.round(np.geomspace(config.training / 20, 3 * config.training, 45)).astype(int))
    found: dict[str, Any] = given("width", "width", shown, "number of features N")
    found |= given("ridge", "ridge", RIDGES, "ridge of the raw columns")
    found |= measured("error", "width", mean(curves_[:, shown - 1]), "mean squared test error of random features")
    found |= measured("peak", (), jackknife(curves_, partial(_peak, config)), "N/n at the peak")
    n = config.training
    found |= measured(
        "rise", (), mean(curves_[:, n - 1] - curves_[:, n // 2 - 1]), "error at N = n less that at N = n/2"
    )
    found |= measured("risk", "ridge", mean(rows_), "excess risk of the raw columns")
    found |= measured("twin", "ridge", mean(twins_), "excess risk of the Gaussian twin")
    theirs = _reference(config)
    relative = problem.ranges(twins_ / theirs - 1, RANGES)
    found |= measured_jointly("twin_range", "range", joint_mean(relative), "twin's risk over theory, less 1")
    distance = jackknife(rows_, partial(_distance, theirs))
    found |= measured("distance", (), distance, "root mean square of ln(risk/theory) over the ridges")
    found |= measured("best", (), jackknife(rows_, partial(_best, theirs)), "ln of the ridge of least risk")
    return xr.Dataset(found)


def theory(config: Config, simulation: xr.Dataset) -> xr.Dataset:
    """Ridge regression from the empirical spectrum; the peak at N = n."""
    risk = _reference(config)
    found: dict[str, Any] = predicted("peak", (), 1.0, "N/n at the peak")
    found |= predicted("risk", "ridge", risk, "excess risk of the raw columns")
    found |= predicted("twin", "ridge", risk, "excess risk of the Gaussian twin")
    found |= predicted("twin_range", "range", np.zeros(RANGES), "twin's risk over theory, less 1")
    found |= predicted("distance", (), 0.0, "root mean square of ln(risk/theory) over the ridges")
    found |= predicted("best", (), float(_best(risk, risk)), "ln of the ridge of least risk")
    return xr.Dataset(found)


def compare(config: Config, data: xr.Dataset) -> list[Claim]:
    """The peak's place; the twin's curve exactly; the data's curve within a fifth of its own variation."""
    joint = chi_square(data["twin_range"].values, data["twin_range_covariance"].values, config.replicates)
    variation = float(np.log(data.risk_theory).std())
    return [
        Claim.equals(
            "real_data/peak", "Random features on real data have their peak at N = n, but for one part in fifty.",
            SOURCE,
            float(data.peak), 1.0, float(data.peak_se), bias=0.02, resolution=0.1,
        ),
        Claim.exceeds(
            "real_data/peak-is-there", "Random features on real data do worse at N = n than at N = n/2.", SOURCE,
            float(data.rise) / float(data.rise_se), sigmas=6,
        ),
        Claim.chi_square(
            "real_data/gaussian-twin", "Gaussian inputs with the data's spectrum follow the theory at every ridge.",
            SOURCE, *joint,
        ),
        Claim.equals(
            "real_data/raw-columns",
            "The spectrum alone gives the data's ridge curve, but for a fifth of the variation of its logarithm.",
            SOURCE, float(data.distance), 0.0, float(data.distance_se), bias=variation / 5, resolution=variation / 2,
        ),
        Claim.equals(
            "real_data/best-ridge", "The ridge of least risk is the one that theory predicts, but for a factor 1.3.",
            SOURCE, float(data.best), float(data.best_theory), float(data.best_se), bias=float(np.log(1.3)),
            resolution=1.0,
        ),
    ]  # fmt: skip


def plot(config: Config, data: xr.Dataset, axes: list[Any]) -> None:
    """The ridge curve of the raw columns, of their twin, and theory."""
    (panel,) = axes
    name = "digits" if config.data is None else "data"
    look.points(panel, data["ridge"], data.risk, data.risk_se, f"{name}, raw columns", color=0)
    look.points(panel, data["ridge"], data.twin, data.twin_se, "Gaussian twin", color=2)
    dense = np.geomspace(RIDGES[0], RIDGES[-1], 200)
    look.line(panel, dense, _reference(config, dense), "theory from the spectrum")
    panel.set(xscale="log", yscale="log", title="Real data: theory from the spectrum", xlabel="ridge",
              ylabel="excess risk")  # fmt: skip


def _population(path: Path | None) -> Population:
    """The population of a file as it is now: one that was written anew since is read anew."""
    about = path.stat() if path is not None and path.exists() else None
    return _population_of(path, (about.st_mtime_ns, about.st_size, about.st_ino) if about else ())


@cache
def _population_of(path: Path | None, version: tuple[int, ...]) -> Population:
    X, y, _ = load(path)
    spectrum, vectors = np.linalg.eigh(X.T @ X / len(X))
    beta = np.linalg.lstsq(X, y, rcond=None)[0]
    return Population(X, y, np.maximum(spectrum, 0), vectors, beta, float((y - X @ beta).std()))


def _reference(config: Config, ridges: Floats = RIDGES) -> Floats:
    own = _population(config.data)
    power = (own.vectors.T @ own.beta) ** 2
    return least_squares.spectrum_risk(own.spectrum, power, config.training, ridges, noise=own.miss)


def _excess(own: Population, b: Floats) -> Floats:
    """(b - beta)^T Sigma (b - beta) of coefficients (ridge, d)."""
    return (((b - own.beta) @ own.vectors) ** 2 * own.spectrum).sum(axis=-1)


def _curve(config: Config, replicate: int, device: Device) -> Floats:
    """Test error of random features of the data at every width to 3n."""
    own, n = _population(config.data), config.training
    at = problem.key(config, problem.REAL_DATA, n, replicate)
    index = np.arange(len(own.y))
    order = np.argsort(noise.uniforms(at, index, 0 * index, stream=ORDER))
    train, test = order[:n], order[n : n + TESTS]
    theta = problem.weights(at, 3 * n, own.X.shape[1], device)
    z, t = (random_features(device.asarray(own.X[rows]), theta, config.activation) for rows in (train, test))
    y, t_y = device.asarray(own.y[train]), device.asarray(own.y[test])
    return device.to_host(width_curve(z, y, t, t_y, RIDGE * (n / own.X.shape[1]) ** 2))


def _raw(config: Config, replicate: int, device: Device) -> Floats:
    """Excess risk of the raw columns at every ridge, from n examples drawn with replacement."""
    own, n = _population(config.data), config.training
    at = problem.key(config, problem.REAL_DATA, n, replicate)
    index = np.arange(n)
    rows = np.minimum((noise.uniforms(at, index, 0 * index, stream=ORDER + 1) * len(own.y)).astype(int), len(own.y) - 1)
    return _ridge_curve(own, own.X[rows], own.y[rows], device)


def _twin(config: Config, replicate: int, device: Device) -> Floats:
    """The same for Gaussian inputs with the covariance of the data."""
    own, n = _population(config.data), config.training
    at = problem.key(config, problem.REAL_DATA, n, replicate + TWIN)
    rows, columns = np.arange(n)[:, None], np.arange(len(own.beta))[None, :]
    x = (noise.normals(at, rows, columns, stream=problem.POINTS) * np.sqrt(own.spectrum)) @ own.vectors.T
    y = x @ own.beta + own.miss * noise.normals(at, rows[:, 0], 0 * rows[:, 0], stream=problem.LABELS)
    return _ridge_curve(own, x, y, device)


def _ridge_curve(own: Population, x: Floats, y: Floats, device: Device) -> Floats:
    root = len(y) ** -0.5
    return _excess(own, device.to_host(decompose(device.asarray(x * root), device.asarray(y * root)).ridge(RIDGES)))


def _peak(config: Config, curve: Floats) -> Floats:
    """N/n at the top of the parabola through the logarithm of the error near N = n."""
    return problem.turn(curve, config.training, REACH) / config.training


def _distance(theirs: Floats, risk: Floats) -> Floats:
    return np.sqrt((np.log(risk / theirs) ** 2).mean(axis=-1))


def _best(theirs: Floats, risk: Floats) -> Floats:
    """Logarithm of the ridge at the lowest point of a parabola through the risks around theory's lowest."""
    lowest = int(np.clip(theirs.argmin(), 2, len(RIDGES) - 3))
    window = slice(lowest - 2, lowest + 3)
    return problem.summit(np.log(RIDGES[window]), np.log(risk[..., window]), top=False)
