"""Optimisers and schedules beside recursions written out for one number, and the laws of their noise."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2, kstest

from simlab import nn
from simlab.nn.training.draws import LABELS, LANGEVIN, Draw
from simlab.random import key
from tests.nn import nets

LINE = nn.serial(nn.dense(1, 1, bias=False))
"""f = w x: with x = 1, y = c the mean squared error is (w - c)^2 and its gradient 2 (w - c)."""
ONE, CENTRE = np.ones((1, 1)), np.full((1, 1), 0.7)
numbers = st.floats(0, 0.9)


def ends(optimiser: nn.Optimiser, steps: int, starts: Any = (2.0,), **options: Any) -> np.ndarray:
    """The weights w after training from these starts, one model each."""
    params = nn.unflatten(nn.init(LINE, models=len(starts), dtype="float64"), np.array(starts)[:, None])
    end, _ = nets.trained(LINE, params, (ONE, CENTRE), optimiser, batch_size=1, steps=steps, **options)
    return nn.flatten(end)[:, 0]


@given(st.floats(0, 0.3), numbers, numbers, st.booleans(), st.booleans(), st.integers(1, 8))
def test_sgd_is_its_recursion(
    lr: float, momentum: float, decay: float, nesterov: bool, decoupled: bool, n: int
) -> None:
    w, v = 2.0, 0.0
    for _ in range(n):
        g = 2 * (w - 0.7) + (0 if decoupled else decay * w)
        v = momentum * v + g
        w = w - lr * ((g + momentum * v if nesterov else v) + (decay * w if decoupled else 0))
    sgd = nn.SGD(lr, momentum, decay, nesterov=nesterov, decoupled=decoupled)
    assert ends(sgd, n)[0] == pytest.approx(w, rel=1e-12, abs=1e-14)


@given(st.floats(0, 0.3), st.floats(0.1, 0.99), st.floats(0.1, 0.999), numbers, st.booleans(), st.integers(1, 8))
def test_adam_is_its_recursion(lr: float, b1: float, b2: float, decay: float, decoupled: bool, steps: int) -> None:
    w, m, v = 2.0, 0.0, 0.0
    for t in range(1, steps + 1):
        g = 2 * (w - 0.7) + (0 if decoupled else decay * w)
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
        w -= lr * m / (1 - b1**t) / (math.sqrt(v / (1 - b2**t)) + 1e-8) + (lr * decay * w if decoupled else 0)
    found = ends(nn.Adam(lr, b1, b2, weight_decay=decay, decoupled=decoupled), steps)[0]
    assert found == pytest.approx(w, rel=1e-11, abs=1e-13)


def test_every_model_has_numbers_of_its_own() -> None:
    rates, momenta, decays = np.array([0.1, 0.2, 0.3]), [0.0, 0.5, 0.9], np.array([0.0, 0.1, 0.2])
    together = ends(nn.SGD(rates, momenta, decays), 5, (2.0, 2.0, 2.0))
    alone = [ends(nn.SGD(float(lr), m, float(d)), 5)[0] for lr, m, d in zip(rates, momenta, decays, strict=True)]
    np.testing.assert_array_equal(together, alone)


def test_schedules_by_hand() -> None:
    step = nn.StepDecay(1.0, every=10, factor=0.5)
    assert [step(s) for s in (0, 9, 10, 25)] == [1, 1, 0.5, 0.25]
    cosine = nn.Cosine(1.0, 100, end=0.2)
    assert [cosine(s) for s in (0, 50, 100, 900)] == pytest.approx([1, 0.6, 0.2, 0.2])
    # It stays at its end: without the clamp it would be at its start again at 200.
    assert [float(cosine(s)) for s in (101, 150, 200, 250, 10**9)] == [0.2] * 5
    start = np.array([0.1, 1.0])
    np.testing.assert_array_equal(nn.Cosine(start, 7)(11), [0.0, 0.0])
    np.testing.assert_array_equal(nn.WarmUp(nn.Cosine(start, 4), 2)(6), [0.0, 0.0])
    cyclic = nn.Cyclic(1.0, 100)
    assert [cyclic(s) for s in (0, 50, 100, 150)] == pytest.approx([1, 0.5, 1, 0.5])
    warm = nn.WarmUp(nn.StepDecay(1.0, 4), 4)
    assert [warm(s) for s in (0, 1, 3, 4)] == pytest.approx([0.25, 0.5, 1, 0.1])
    table = nn.Piecewise([0, 3, 5], [0.1, np.array([0.2, 0.3]), 0.4])
    assert [np.max(table(s)) for s in (0, 2, 3, 4, 5, 99)] == [0.1, 0.1, 0.3, 0.3, 0.4, 0.4]


def test_schedules_are_what_training_uses() -> None:
    rate = nn.Piecewise([0, 2], [0.1, [0.2, 0.3]])
    lr = [(0.1, 0.1), (0.1, 0.1), (0.2, 0.3), (0.2, 0.3)]
    by_hand = [2.0, 2.0]
    for rates in lr:
        by_hand = [w - r * 2 * (w - 0.7) for w, r in zip(by_hand, rates, strict=True)]
    np.testing.assert_allclose(ends(nn.SGD(rate), 4, (2.0, 2.0)), by_hand, rtol=1e-14)
    long = nn.WarmUp(0.1, 3000)  # longer than a table of rates
    slow = 2.0
    for s in range(1100):
        slow -= 0.1 * (s + 1) / 3000 * 2 * (slow - 0.7)
    assert ends(nn.SGD(long), 1100)[0] == pytest.approx(slow, rel=1e-9)


def test_the_sphere_keeps_its_radius() -> None:
    net = nn.mlp([5, 6, 3], "tanh")
    params = nn.init(net, models=2, dtype="float64")
    x, y = np.random.default_rng(0).standard_normal((20, 5)), np.arange(20) % 3
    record = nn.Record(["weight_norm", "effective_lr"], at=range(6))
    for radius in (None, 2.5, np.array([1.0, 3.0])):
        sgd = nn.SphereSGD(0.1, momentum=0.5, radius=radius)
        _, found = nn.train(net, params, (x, y), sgd, batch_size=5, steps=5, record=record)
        wanted = found.weight_norm[0].values if radius is None else np.broadcast_to(radius, 2)
        np.testing.assert_allclose(found.weight_norm[1:], np.broadcast_to(wanted, (5, 2)), rtol=1e-14)
        np.testing.assert_allclose(found.effective_lr[1:], np.broadcast_to(0.1 / wanted**2, (5, 2)), rtol=1e-13)


def test_langevin_samples_the_law_of_its_chain() -> None:
    lr, temperature, models = 0.2, 0.5, 4000
    found = ends(nn.SGLD(lr, temperature=temperature, weight_decay=0.4), 60, np.zeros(models))
    # w <- a w + lr 2 c + sqrt(2 lr T) xi with a = 1 - lr (2 + 0.4); after 60 steps a^60 < 1e-16.
    a = 1 - lr * 2.4
    mean, variance = 2 * 0.7 / 2.4, 2 * lr * temperature / (1 - a * a)
    assert abs(found.mean() - mean) < 4 * math.sqrt(variance / models)  # false alarm: 6e-5
    low, high = chi2.ppf([3e-5, 1 - 3e-5], models - 1)
    assert low < ((found - found.mean()) ** 2).sum() / variance < high
    assert kstest((found - mean) / math.sqrt(variance), "norm").pvalue > 1e-4


def test_label_noise_of_numbers_adds_its_variance() -> None:
    lr, models = 0.1, 4000
    found = ends(nn.LabelNoiseSGD(lr, noise=0.5), 100, np.zeros(models))
    a = 1 - 2 * lr
    variance = (2 * lr * 0.5) ** 2 / (1 - a * a)
    low, high = chi2.ppf([3e-5, 1 - 3e-5], models - 1)
    assert low < ((found - found.mean()) ** 2).sum() / variance < high
    assert abs(found.mean() - 0.7) < 4 * math.sqrt(variance / models)


def test_label_noise_of_classes_flips_the_share_it_says_to_all_others_alike() -> None:
    y = np.tile(np.arange(4), (50, 100))
    draw = Draw(key(1), np.arange(50), 3)
    sgd = nn.LabelNoiseSGD(0.1, noise=np.linspace(0, 1, 50))
    turned = (sgd.targets(y, 4, np.zeros(1), {}, draw) - y) % 4
    share = (turned > 0).mean(axis=1)
    assert share[0] == 0
    assert share[-1] == 1
    spread = np.sqrt(sgd.noise * (1 - sgd.noise) / 400)
    assert (abs(share - sgd.noise) <= 4.5 * spread).all()  # 50 shares, false alarm 3e-4
    counts = np.bincount(turned[turned > 0], minlength=4)[1:]
    assert abs(counts - counts.sum() / 3).max() < 4 * math.sqrt(counts.sum() * 2 / 9)


def test_label_noise_takes_labels_of_one_byte() -> None:
    y, draw = np.tile(np.arange(100, 200, dtype=np.uint8), (2, 1)), Draw(key(1), np.arange(2), 3)
    sgd = nn.LabelNoiseSGD(0.1, noise=1.0)
    found = (sgd.targets(labels, 300, np.zeros(1), {}, draw) for labels in (y, y.astype(np.int64)))
    np.testing.assert_array_equal(*found)


@given(st.integers(0, 2**20), st.integers(1, 9), st.lists(st.integers(0, 2**31), min_size=1, max_size=3))
def test_compiled_noise_is_that_of_the_arrays(step: int, count: int, models: list[int]) -> None:
    draw = Draw(key(2), np.array(models), step)
    plain = draw.normals(count, LANGEVIN, np.zeros(1))
    # The polynomials of the compiled form are good to 4e-7 of a normal of at most 6.7, where the test of `random` has
    # the exact bound.
    np.testing.assert_allclose(draw.normals(count, LANGEVIN, np.zeros(1, np.float32)), plain, atol=4e-6)
    assert not np.allclose(draw.normals(count, LABELS, np.zeros(1)), plain)
