"""Teachers: labels follow the law that the docstring states."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.special import log_softmax
from scipy.stats import norm

from simlab import data
from tests.refusals import refused_in_one_sentence

ALARM = 4.9
"""Standard errors: one false alarm in a million, two-sided."""


def test_an_example_does_not_depend_on_how_many_there_are() -> None:
    few, many = data.teacher(20, seed=4), data.teacher(500, seed=4)
    np.testing.assert_array_equal(few.x, many.x[:20])
    np.testing.assert_array_equal(few.y, many.y[:20])
    other = data.teacher(20, seed=5)
    assert not np.isclose(few.x, other.x).any()


@pytest.mark.parametrize("gain", [3.0, 50.0])
def test_labels_are_those_of_the_net(gain: float) -> None:
    f = data.teacher(5000, gain=gain, kind="values").y
    np.testing.assert_array_equal(data.teacher(5000, gain=gain, kind="argmax").y, f.argmax(axis=1))
    sampled = data.teacher(5000, gain=gain)
    log_p = log_softmax(f, axis=1)
    entropy = -(np.exp(log_p) * log_p).sum(axis=1)
    excess = -log_p[np.arange(5000), sampled.y] - entropy  # mean 0 where labels are drawn from p
    assert abs(excess.mean()) < ALARM * excess.std() / np.sqrt(5000)
    assert f"mean entropy {entropy.mean():.3g}" in str(sampled)


def test_the_recipe_of_the_ensembles_is_almost_deterministic() -> None:
    entropies = [float(str(data.teacher(2000, seed=seed)).split("entropy ")[1].rstrip(".")) for seed in range(20)]
    # Found in another program: about 0.06; teachers differ by a fifth.
    error = np.std(entropies) / np.sqrt(len(entropies))
    assert abs(np.mean(entropies) - 0.065) < 0.005 + ALARM * error


@pytest.mark.parametrize("bias", [0.0, 2.0])
def test_size_and_mean_of_the_outputs(bias: float) -> None:
    """E f^2 over inputs and teachers is gain^2 times the mean variance of a rectified normal, and E f is 0."""
    teachers, n = 60, 2000
    f = np.array([data.teacher(n, gain=3, bias=bias, kind="values", seed=seed).y for seed in range(teachers)])
    rng = np.random.default_rng(0)
    s = np.sqrt(2 / 16 * rng.chisquare(16, 200_000))
    b = bias * rng.standard_normal(s.size)
    r = b / s
    mean = s * norm.pdf(r) + b * norm.cdf(r)
    variance = (s**2 + b**2) * norm.cdf(r) + s * b * norm.pdf(r) - mean**2
    size = (f**2).mean(axis=(1, 2))
    assert abs(size.mean() - 9 * variance.mean()) < ALARM * size.std() / np.sqrt(teachers)
    # The mean over all inputs is taken off, so what is left is that of n inputs alone: small, and 0 on average.
    z = f.mean(axis=1) / (f.std(axis=1) / np.sqrt(n))
    # Outputs of one teacher are correlated, so their squares average as over `teachers` values at the worst.
    assert abs((z**2).mean() - 1) < ALARM * np.sqrt(2 / teachers)


def test_noise_of_targets() -> None:
    clean, noisy = (data.teacher(4000, (16, 32, 3), gain=1, kind="values", noise=noise) for noise in (0.0, 0.5))
    z = (noisy.y - clean.y) / 0.5
    assert abs(z.mean()) < ALARM / np.sqrt(z.size)
    assert abs(z.var() - 1) < ALARM * np.sqrt(2 / z.size)
    assert noisy.classes is None
    assert "noise of deviation 0.5" in str(noisy)


REFUSED: list[tuple[Callable[[], Any], str]] = [
    (lambda: data.teacher(1), "at least 2 examples"),
    (lambda: data.teacher(0), "n must be a positive integer"),
    (lambda: data.teacher(5, (16, 32, 1)), "2 classes"),
    (lambda: data.teacher(5, (16, 0, 10)), r"widths\[1\] must be a positive integer"),
    (lambda: data.teacher(5, gain=0), "gain must be positive"),
    (lambda: data.teacher(5, bias=-1), "bias and noise at least 0"),
    (lambda: data.teacher(5, noise=0.1), "noise is added to targets"),
    (lambda: data.teacher(5, kind="soft"), "kind must be"),  # type: ignore[arg-type]
    (lambda: data.teacher(5, seed=-1), "seed must be"),
]


@pytest.mark.parametrize(("call", "message"), REFUSED)
def test_refused_in_one_sentence(call: Callable[[], Any], message: str) -> None:
    refused_in_one_sentence(call, message)
