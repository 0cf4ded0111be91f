"""Losses against their definitions, at the ends of the range of floats, and with their derivatives in the outputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simlab import nn
from simlab.nn.losses import softmax, unchecked

SEEDS = st.integers(0, 2**31)
LOSSES = [nn.mse, nn.cross_entropy, nn.CrossEntropy(0.2), nn.logistic]


def targets(loss: Any, rng: np.random.Generator, n: int, out: int, soft: bool) -> np.ndarray:
    if loss == nn.mse:
        return rng.standard_normal((n, out))
    if soft and loss != nn.logistic:
        return softmax(rng.standard_normal((n, out)))
    return rng.integers(0, 2 if loss == nn.logistic else out, n)


@given(SEEDS, st.integers(1, 5), st.integers(1, 5), st.sampled_from(LOSSES), st.booleans())
def test_derivatives_in_the_outputs(seed: int, n: int, out: int, loss: Any, soft: bool) -> None:
    rng = np.random.default_rng(seed)
    out = 1 if loss == nn.logistic else out
    f, v = rng.standard_normal((2, 2, n, out))
    y = targets(loss, rng, n, out, soft)
    h = 1e-4  # a central difference is off by h^2 times the third derivative, which is below 1
    slope = (loss.value(f + h * v, y) - loss.value(f - h * v, y)) / (2 * h)
    np.testing.assert_allclose((loss.grad(f, y) * v).sum(axis=(1, 2)), slope, rtol=0, atol=1e-6)
    bend = (loss.grad(f + h * v, y) - loss.grad(f - h * v, y)) / (2 * h)
    np.testing.assert_allclose(loss.hvp(f, y, v), bend, rtol=0, atol=1e-6)


@given(SEEDS, st.integers(1, 5), st.integers(2, 5), st.floats(0, 0.9))
def test_cross_entropy_is_its_definition(seed: int, n: int, out: int, smoothing: float) -> None:
    rng = np.random.default_rng(seed)
    f, y = rng.standard_normal((n, out)), rng.integers(0, out, n)
    t = (1 - smoothing) * np.eye(out)[y] + smoothing / out
    p = np.exp(f) / np.exp(f).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(nn.CrossEntropy(smoothing).value(f, y), -(t * np.log(p)).sum(axis=1).mean(), rtol=1e-12)


@given(SEEDS, st.integers(1, 5), st.integers(2, 5), st.floats(0, 0.9))
def test_soft_targets_are_mixtures_of_labels(seed: int, n: int, out: int, smoothing: float) -> None:
    rng = np.random.default_rng(seed)
    loss, f, p = nn.CrossEntropy(smoothing), rng.standard_normal((n, out)), rng.dirichlet(np.ones(out), n)
    y = rng.integers(0, out, n)
    np.testing.assert_array_equal(loss.value(f, np.eye(out)[y]), loss.value(f, y))
    # The loss is linear in the target, so a mixture of labels has the mean loss of its labels.
    pure = np.array([[loss.value(f[i : i + 1], np.array([k])) for k in range(out)] for i in range(n)])
    np.testing.assert_allclose(loss.value(f, p), (p * pure).sum(axis=1).mean(), rtol=1e-12)


def test_soft_targets_of_a_float32_net_fit_a_float64_net() -> None:
    p = softmax(np.random.default_rng(0).standard_normal((2, 50, 100)).astype(np.float32))
    assert nn.cross_entropy.value(np.zeros((2, 50, 100)), p).dtype == np.float64


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_cross_entropy_at_large_logits(dtype: str) -> None:
    f = np.array([[[1e4, -1e4, 0]], [[-1e4, 1e4, 0]], [[1e4, 1e4, 1e4]]], dtype)
    y = np.array([0])
    np.testing.assert_allclose(nn.cross_entropy.value(f, y), [0, 2e4, np.log(3)], rtol=1e-6)
    np.testing.assert_allclose(nn.cross_entropy.grad(f, y)[:, 0, 0], [0, -1, 1 / 3 - 1], rtol=1e-6)
    assert nn.cross_entropy.hvp(f, y, f).dtype == dtype
    assert np.isfinite(nn.cross_entropy.hvp(f, y, f)).all()


@given(SEEDS, st.integers(1, 5))
def test_logistic_is_the_cross_entropy_of_two_logits(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    f, v, y = rng.standard_normal((n, 1)), rng.standard_normal((n, 1)), rng.integers(0, 2, n)
    two, along = np.pad(f, ((0, 0), (1, 0))), np.pad(v, ((0, 0), (1, 0)))
    np.testing.assert_allclose(nn.logistic.value(f, y), nn.cross_entropy.value(two, y), rtol=1e-12)
    np.testing.assert_allclose(nn.logistic.grad(f, y), nn.cross_entropy.grad(two, y)[:, 1:], atol=1e-15)
    np.testing.assert_allclose(nn.logistic.hvp(f, y, v), nn.cross_entropy.hvp(two, y, along)[:, 1:], atol=1e-15)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_logistic_at_large_logits(dtype: str) -> None:
    f = np.array([[1e4], [-1e4]], dtype)
    np.testing.assert_allclose(nn.logistic.value(f, np.array([0, 1])), 1e4)
    np.testing.assert_allclose(nn.logistic.grad(f, np.array([0, 1])), [[0.5], [-0.5]])
    assert not nn.logistic.hvp(f, np.array([0, 1]), f).any()


def test_mse_is_the_mean_over_examples_and_outputs() -> None:
    assert nn.mse.value(np.array([[1.0, 2.0], [3.0, 4.0]]), np.zeros((2, 2))) == 30 / 4


@pytest.mark.parametrize("loss", [nn.mse, nn.cross_entropy, nn.CrossEntropy(0.1), nn.logistic], ids=repr)
def test_a_trusting_loss_is_the_same_loss(loss: Any) -> None:
    rng = np.random.default_rng(0)
    outputs = rng.standard_normal((3, 5, 1))
    y = rng.standard_normal((5, 1)) if loss == nn.mse else np.zeros(5, int)
    quick = unchecked(loss)
    assert quick == loss
    assert repr(quick) == repr(loss)
    for one, other in ((quick.value, loss.value), (quick.grad, loss.grad)):
        np.testing.assert_array_equal(one(outputs, y), other(outputs, y))
