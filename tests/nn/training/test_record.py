"""What is recorded: temperatures, calibrated losses, errors, angles, schedules of records."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from simlab import nn
from simlab.nn.calibration import BLOCK, LARGEST, calibrated_nll, log_softmax, nll, temperature
from simlab.nn.training.record import angle, error


@given(st.integers(0, 2**31), st.integers(2, 6), st.floats(-2, 2))
def test_the_temperature_is_the_minimiser(seed: int, classes: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    logits, labels = 10**scale * rng.standard_normal((3, 40, classes)), rng.integers(0, classes, (3, 40))
    found = temperature(logits, labels)
    for m in range(3):
        best = minimize_scalar(lambda t, m=m: nll(logits[m], labels[m], np.exp(t)), bounds=(-12, 12), method="bounded",
                               options={"xatol": 1e-10})  # fmt: skip
        # Not the place, which is flat to the root of rounding: the value.
        assert nll(logits[m], labels[m], found[m]) <= best.fun + 1e-12


def test_temperature_undoes_a_scale_and_has_ends() -> None:
    rng = np.random.default_rng(0)
    logits = rng.standard_normal((400, 5))
    labels = (logits + rng.gumbel(size=logits.shape)).argmax(axis=-1)
    one = temperature(logits, labels)
    assert abs(one - 1) < 0.3  # labels drawn from the softmax itself: four standard errors or more
    np.testing.assert_allclose(temperature(7 * logits, labels), 7 * one, rtol=1e-10)
    np.testing.assert_allclose(temperature(logits - 1e4, labels), one, rtol=1e-6)  # a shift changes nothing
    right = np.eye(5)[labels]
    assert temperature(right, labels) < 1.01 * np.exp(-LARGEST)
    assert temperature(-right, labels) > 0.99 * np.exp(LARGEST)


@given(st.integers(0, 2**31), st.floats(-3, 3), st.floats(0, 4))
def test_the_temperature_solves_its_equation(seed: int, scale: float, margin: float) -> None:
    rng = np.random.default_rng(seed)
    logits, labels = rng.standard_normal((5, 60, 4)), rng.integers(0, 4, 60)
    logits[:, np.arange(60), labels] += margin
    tau = temperature(10**scale * logits, labels)
    p = np.exp(log_softmax(logits * (10**scale / tau)[:, None, None]))
    slope = ((p * logits).sum(axis=-1) - logits[:, np.arange(60), labels]).mean(axis=-1)
    inside = (tau < 0.99 * np.exp(LARGEST)) & (tau > 1.01 * np.exp(-LARGEST))
    np.testing.assert_allclose(slope[inside], 0, atol=1e-13)  # 60 numbers of order one, rounded
    assert (slope[~inside & (tau > 1)] >= 0).all()
    assert (slope[~inside & (tau < 1)] <= 0).all()


def test_temperatures_of_a_group_do_not_depend_on_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    logits, labels = rng.standard_normal((3, 7, 50, 4)), rng.integers(0, 4, (7, 50))
    logits += 2 * np.eye(4)[labels]
    logits[1, 2, 3, 0] = np.nan
    whole = temperature(logits, labels)
    assert whole.shape == (3, 7)
    np.testing.assert_array_equal(np.isnan(whole), np.arange(21).reshape(3, 7) == 9)
    monkeypatch.setitem(BLOCK, "cpu", 400)
    np.testing.assert_array_equal(temperature(logits, labels), whole)
    np.testing.assert_allclose(temperature(logits.astype(np.float32), labels), whole, rtol=1e-5)  # input rounded
    assert temperature(logits[:0], labels).shape == (0, 7)
    assert temperature(logits[0, 0], labels[0]).shape == ()


def test_calibrated_loss_is_the_mean_of_both_halves() -> None:
    rng = np.random.default_rng(1)
    logits, labels = 5 * rng.standard_normal((2, 31, 3)), rng.integers(0, 3, 31)
    first, second = (slice(0, None, 2), slice(1, None, 2))
    parts = [
        len(labels[judged]) * nll(logits[:, judged], labels[judged], temperature(logits[:, fitted], labels[fitted]))
        for judged, fitted in ((first, second), (second, first))
    ]
    np.testing.assert_allclose(calibrated_nll(logits, labels), sum(parts) / 31, rtol=1e-12)
    assert (calibrated_nll(logits, labels) < nll(logits, labels)).all()


def test_nll_is_safe_and_is_the_cross_entropy() -> None:
    logits, labels = np.random.default_rng(2).standard_normal((4, 9, 3)), np.arange(9) % 3
    np.testing.assert_allclose(nll(logits, labels), nn.cross_entropy.value(logits, labels), rtol=1e-14)
    huge = np.array([[[1e4, -1e4]]], np.float32)
    assert nll(huge, np.array([0]))[0] == 0
    assert nll(huge, np.array([1]))[0] == 2e4


def test_errors_are_counted() -> None:
    outputs = np.array([[[0.1, 0.9], [0.8, 0.2], [0.3, 0.7]]])
    assert error(outputs, np.array([1, 1, 1])) == 1 / 3
    assert error(outputs, np.eye(2)[[1, 1, 1]]) == 1 / 3  # soft targets and one-hot rows
    assert error(outputs[..., :1] - 0.5, np.array([0, 1, 1])) == 1 / 3  # one output: its sign


def test_angles_are_exact_where_they_are_small() -> None:
    net = nn.serial(nn.dense(3, 2))
    params = nn.unflatten(nn.init(net, models=3, dtype="float64"), np.eye(8)[:3])
    turned = np.eye(8)[:3].copy()
    for m, size in enumerate((1e-9, 1.0, np.pi)):
        turned[m] = np.cos(size) * np.eye(8)[m] + np.sin(size) * np.eye(8)[7]
    np.testing.assert_allclose(angle(nn.unflatten(params, 5 * turned), params), [1e-9, 1.0, np.pi], rtol=1e-7)


def test_steps_of_a_longer_run_hold_those_of_a_shorter() -> None:
    short, long = nn.log_steps(500, 3), nn.log_steps(9000, 3)
    assert short == (0, 1, 2, 5, 10, 22, 46, 100, 215, 464, 500)
    assert set(short) - {500} <= set(long)
    assert nn.linear_steps(10, 4) == (0, 4, 8, 10)
    assert nn.log_steps(0) == nn.linear_steps(0, 3) == (0,)


def test_the_batch_of_a_frame_is_the_one_that_training_takes() -> None:
    net, rng = nn.mlp([3, 4, 2], "tanh"), np.random.default_rng(0)
    x, y = rng.standard_normal((11, 3)), rng.integers(0, 2, 11)
    params = nn.init(net, models=2, dtype="float64")
    record = nn.Record(["batch_gradient_norm"], at=range(6))
    _, found = nn.train(net, params, (x, y), nn.SGD(0.1), batch_size=4, steps=5, record=record)
    for step in range(5):
        w, after = (nn.train(net, params, (x, y), nn.SGD(0.1), batch_size=4, steps=s)[0] for s in (step, step + 1))
        move = np.linalg.norm(nn.flatten(after) - nn.flatten(w), axis=1)
        np.testing.assert_allclose(found.batch_gradient_norm[step], move / 0.1, rtol=1e-11)


def test_own_quantities() -> None:
    net, x, y = nn.mlp([2, 3, 2]), np.ones((4, 2)), np.array([0, 1, 0, 1])
    first = nn.Quantity("first", "the first output", "1", lambda frame: frame.outputs[:, 0, 0])
    params = nn.init(net, models=2)
    record = nn.Record(["loss", first, "learning_rate"])
    _, found = nn.train(net, params, (x, y), nn.SGD([0.1, 0.2]), batch_size=2, steps=1, record=record)
    np.testing.assert_array_equal(found.first[0], nn.predict(net, params, x)[:, 0, 0])
    np.testing.assert_array_equal(found.learning_rate, [[0.1, 0.2]] * 2)


def test_calibration_of_one_output_is_that_of_two_logits() -> None:
    net, rng = nn.mlp([2, 3, 1]), np.random.default_rng(0)
    x, y = rng.standard_normal((12, 2)), rng.integers(0, 2, 12)
    params = nn.init(net, models=2, dtype="float64")
    record = nn.Record(["test_calibrated_nll", "test_temperature"], test=(x, y))
    _, found = nn.train(net, params, (x, y), nn.SGD(0.1), batch_size=4, steps=0, record=record)
    f = nn.predict(net, params, x)
    logits = np.concatenate([0 * f, f], axis=-1)
    np.testing.assert_array_equal(found.test_calibrated_nll[0], calibrated_nll(logits, y))
    np.testing.assert_array_equal(found.test_temperature[0], temperature(logits, y))
