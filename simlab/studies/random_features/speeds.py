"""The linear models of scene 3, with one speed and with two, and their theory at every recorded step."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simlab.core.checks import Floats
from simlab.studies.random_features import replicates
from simlab.studies.random_features.config import Config
from simlab.theory import least_squares

EPOCHS = 60
EXAMPLES = 25
"""Examples per feature of the two-speed model, whose theory holds for n >> p."""
STEP = 0.05
"""Step size of the fast features."""


class Speeds(NamedTuple):
    """Eigenvalues s, squared coefficients, examples and noise of the two-speed model."""

    spectrum: Floats
    power: Floats
    examples: int
    noise: float


def epochs(config: Config) -> NDArray[np.int64]:
    """Steps on a logarithmic scale, from the first to where the slow half has long since converged."""
    return np.unique(np.round(np.geomspace(1, 400 * config.fast, EPOCHS)).astype(int))


def one_speed(config: Config, dimension: int) -> Floats:
    """The exact excess risk at every recorded step."""
    gamma = dimension / examples(config, dimension)
    return least_squares.gradient_descent(gamma, epochs(config), step_size(config), noise=config.noise)


def model(config: Config, dimension: int) -> Speeds:
    """The two-speed model.

    The fast half has variance 1 and carries little of the signal, so that it soon fits noise; the slow half has
    variance 1/fast and carries most of it.
    """
    half = dimension // 2
    spectrum = np.repeat([1.0, 1 / config.fast], half)
    power = np.repeat([0.5, config.fast], half) / half
    return Speeds(spectrum, power, EXAMPLES * dimension, 10 * config.noise)


def superposition(config: Config, matched: bool) -> Floats:
    """Theory of two speeds at every recorded step, for n >> p."""
    two, lr = model(config, config.dimension), step_sizes(config, config.dimension, matched)
    return least_squares.two_speeds(two.spectrum, two.power, lr, epochs(config), two.examples, noise=two.noise)


def step_sizes(config: Config, dimension: int, matched: bool) -> Floats:
    """A step size for each feature: all equal, or such that all features reach their minimal risk at the same time."""
    if not matched:
        return np.full(dimension, STEP)
    two = model(config, dimension)
    return least_squares.matching_steps(two.spectrum, two.power, STEP, two.examples, noise=two.noise)


def step_size(config: Config) -> float:
    """One speed: a tenth of the largest stable step in the limit of many features."""
    return 0.2 / (1 + config.aspect**0.5) ** 2


def examples(config: Config, dimension: int) -> int:
    """Examples of the one-speed model."""
    return max(2, round(dimension / config.aspect))


def stages(config: Config) -> tuple[int, int, int] | None:
    """Recorded steps at which the superposition has its first minimum, the peak after it and the second minimum."""
    curve = superposition(config, False)
    down = np.diff(curve) < 0
    turns = np.flatnonzero(down[1:] != down[:-1]) + 1
    if not down[0] or len(turns) < 3:
        return None
    return int(turns[0]), int(turns[1]), int(turns[2])


def known_stages(config: Config) -> tuple[int, int, int]:
    """The same; AssertionError where `check` should have refused."""
    found = stages(config)
    assert found is not None, "check() has refused this"
    return found


def phases(config: Config) -> tuple[int, int, int] | None:
    """Recorded steps of the minimum in theory with matched step sizes, and of 50 and 99 % of the rise after it.

    None where there are too few records before, between or after them.
    """
    exact = superposition(config, True)
    best = int(exact.argmin())
    half, last = (best + int((exact[best:] - exact[best] > s * np.ptp(exact[best:])).argmax()) for s in (0.5, 0.99))
    return (best, half, last) if best >= 2 and best < half < last else None


def changes(config: Config, curves: Floats) -> Floats:
    """Falls between neighbouring ranges before the common minimum and rises after it (replicate, contrast)."""
    found = phases(config)
    assert found is not None, "check() has refused this"
    best, half, last = found
    before = replicates.ranges(curves[:, : best + 1], 3)
    # The plateau at the end is the third: a second descent would put it below what comes before.
    parts = (curves[:, best:half], curves[:, half:last], curves[:, -5:])
    after = np.stack([part.mean(axis=1) for part in parts], axis=1)
    return np.concatenate([-np.diff(before, axis=1), np.diff(after, axis=1)], axis=1)
