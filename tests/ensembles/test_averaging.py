"""Averages of members, their losses, temperatures and metrics, against definitions written out and exact laws."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from simlab import ensembles as ens
from simlab import nn, statistics
from tests.sde import host_cuda

SEEDS = st.integers(0, 2**31)
ALARM = 4.9
"""Sigmas that chance exceeds once in a million."""


def members(seed: int, shape: tuple[int, ...] = (6, 30, 4), scale: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """Log-probabilities of this shape, last axis classes, and labels that they lean to."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, shape[-1], shape[-2])
    return log_softmax(scale * (rng.standard_normal(shape) + np.eye(shape[-1])[labels]), axis=-1), labels


def test_the_library_has_one_temperature_and_one_likelihood() -> None:
    from simlab.nn import calibration
    from simlab.nn.training import record

    assert ens.temperature is calibration.temperature
    assert ens.nll is calibration.nll
    assert ens.error is record.error


@given(SEEDS, st.integers(1, 5), st.floats(0.2, 5))
def test_averages_are_means_of_probabilities(seed: int, count: int, tau: float) -> None:
    logs, _ = members(seed, (2, count, 7, 3))
    np.testing.assert_allclose(np.exp(ens.average(logs)), np.exp(logs).mean(axis=1), rtol=1e-13)
    cooled = np.exp(logs / tau) / np.exp(logs / tau).sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(np.exp(ens.average(logs, tau)), cooled.mean(axis=1), rtol=1e-12)
    each = np.linspace(0.5, 2, count)
    apart = np.stack([ens.calibrate(logs[:, m], each[m]) for m in range(count)], axis=1)
    np.testing.assert_allclose(ens.average(logs, each), ens.average(apart), rtol=1e-13)


@given(SEEDS, st.sampled_from([6, 8, 12]))
def test_nested_averages_are_those_of_each_size(seed: int, count: int) -> None:
    logs, _ = members(seed, (2, count, 5, 3))
    sizes = [1, 2, 3, 4, 6]
    for n, found in zip(sizes, ens.nested(logs, sizes), strict=True):
        np.testing.assert_allclose(found, ens.ensembles(logs, n), rtol=1e-12)  # rounding
    with pytest.raises(ValueError, match=f"n must be in 1 ... {count}"):
        list(ens.nested(logs, [2, count + 1]))


def test_a_class_without_a_chance_changes_nothing() -> None:
    logs, labels = members(1, (40, 3))
    never = np.concatenate([logs, np.full((40, 1), -np.inf)], axis=-1)
    assert np.isclose(
        ens.temperature(never, labels), ens.temperature(logs, labels), rtol=1e-12
    )  # other places, one end
    assert np.isclose(ens.validation_excess(never, labels, 100), ens.validation_excess(logs, labels, 100), rtol=1e-9)


def test_averages_are_safe_where_probabilities_underflow() -> None:
    logs = np.array([[[0.0, -2000.0]], [[0.0, -2001.0]]], np.float32)
    found = ens.average(logs)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[0, 1], -2000 + math.log((1 + math.exp(-1)) / 2), rtol=1e-6)  # float32
    never = np.array([[[0.0, -np.inf]], [[0.0, -np.inf]]])
    np.testing.assert_array_equal(ens.average(never), [[0.0, -np.inf]])
    np.testing.assert_allclose(ens.average(np.array([[[0.0, -np.inf]], np.log([[0.5, 0.5]])])), np.log([[0.75, 0.25]]))


@given(st.integers(1, 70), st.data())
def test_partitions_use_every_member_equally_and_neighbours_share_none(count: int, data: st.DataObject) -> None:
    n = data.draw(st.integers(1, count))
    groups = ens.partition(count, n)
    used = np.bincount(groups.ravel(), minlength=count)
    assert (used == used[0]).all()
    assert len(groups) == count // math.gcd(count, n)
    for start in range(len(groups)):
        near = groups[[(start + k) % len(groups) for k in range(count // n)]]
        assert len(np.unique(near)) == near.size


def test_partitions_are_unbiased_for_new_members() -> None:
    # Four kinds of members, drawn anew: the mean of the curve over draws is the mean over all n-tuples of kinds.
    kinds, labels = members(3, (4, 5, 3), scale=4.0)
    rng, draws, count = np.random.default_rng(0), 4000, 6
    drawn = kinds[rng.integers(0, 4, (draws, count))]
    for n in (1, 2, 3, 4):
        exact = np.mean(
            [ens.nll(ens.average(kinds[list(some)]), labels) for some in itertools.product(range(4), repeat=n)]
        )
        found = ens.nll(ens.ensembles(drawn, n), labels).mean(axis=-1)
        assert abs(found.mean() - exact) < ALARM * found.std(ddof=1) / math.sqrt(draws), n


def test_a_curve_is_the_losses_of_its_groups() -> None:
    logs, labels = members(0, (2, 6, 40, 4))
    own, own_labels = members(1, (2, 6, 50, 4))
    found = ens.curve(logs, labels, [1, 4, 6], (own, own_labels))
    assert found.nll.shape == found.calibrated.shape == found.tau.shape == (2, 3)
    groups, own_groups = ens.ensembles(logs, 4), ens.ensembles(own, 4)
    tau = ens.temperature(own_groups, own_labels)
    np.testing.assert_allclose(found.nll[:, 1], ens.nll(groups, labels).mean(axis=-1), rtol=1e-14)
    np.testing.assert_allclose(found.calibrated[:, 1], ens.nll(groups, labels, tau).mean(axis=-1), rtol=1e-14)
    np.testing.assert_allclose(found.tau[:, 1], np.exp(np.log(tau).mean(axis=-1)), rtol=1e-14)
    crossed = ens.curve(logs, labels, [6])
    np.testing.assert_allclose(crossed.calibrated[:, 0], ens.cross_validated_nll(ens.average(logs), labels), rtol=1e-14)
    apart = ens.curve(logs, np.stack([labels, labels]), [1, 4, 6], (own, own_labels))
    np.testing.assert_array_equal(apart.nll, found.nll)


def test_without_calibration_more_members_are_better() -> None:
    logs, labels = members(2, (12, 30, 4), scale=4.0)
    loss = ens.curve(logs, labels, [1, 2, 3, 4, 6, 12]).nll
    # At sizes that divide one another the groups are nested, and -ln is convex: no exception is possible.
    assert loss[0] > loss[1] > loss[3] > loss[5]
    assert loss[2] > loss[4] > loss[5]


@given(SEEDS)
def test_the_temperature_before_averaging_is_the_minimiser(seed: int) -> None:
    logs, labels = members(seed, (2, 3, 40, 4), scale=3.0)
    found = ens.temperature_before(logs, labels)
    for m in range(2):
        best = minimize_scalar(lambda s, m=m: ens.nll(ens.average(logs[m], math.exp(s)), labels),
                               bounds=(-3, 3), method="bounded", options={"xatol": 1e-9})  # fmt: skip
        assert ens.nll(ens.average(logs[m], found[m]), labels) <= best.fun + 1e-12  # rounding of a value of order one
    before = ens.temperature_before(logs[:, :1], labels)
    np.testing.assert_allclose(before, ens.temperature(logs[:, 0], labels), rtol=1e-5)  # flat to the root of rounding


@given(SEEDS, st.integers(2, 5))
def test_cross_validation_leaves_out_what_it_judges(seed: int, n: int) -> None:
    logs, labels = members(seed, (2, n, 3), scale=1.0)
    own = [np.arange(n) != k for k in range(n)]  # with a fold for each example no shuffle matters
    parts = [ens.nll(logs[:, ~o], labels[~o], ens.temperature(logs[:, o], labels[o])) for o in own]
    np.testing.assert_allclose(ens.cross_validated_nll(logs, labels, folds=n), np.mean(parts, axis=0), rtol=1e-12)


def test_shuffles_are_fair_and_shared_by_all_groups() -> None:
    logs, labels = members(0, (400, 3), scale=1.0)
    two = ens.cross_validated_nll(np.stack([logs, logs]), labels)
    assert two[0] == two[1]
    single = np.array([ens.cross_validated_nll(logs, labels, repeats=1, seed=k) for k in range(40)])
    assert len(np.unique(single)) == 40
    many = ens.cross_validated_nll(logs, labels, repeats=40, seed=99)
    assert abs(single.mean() - many) < ALARM * single.std(ddof=1) * math.sqrt(2 / 40)
    # A temperature fitted elsewhere costs more than the best one.
    assert many > ens.nll(logs, labels, ens.temperature(logs, labels))


def test_folds_hold_every_example_once() -> None:
    # Where no temperature changes anything the cross-validated loss is the loss.
    logs = np.log(np.full((10, 4), 0.25))
    assert abs(ens.cross_validated_nll(logs, np.arange(10) % 4, folds=3) - math.log(4)) < 1e-14


def test_the_bias_of_a_small_validation_set() -> None:
    # Overconfident outputs, labels drawn from softmax(logits / 2): the excess of a tau from 100 examples.
    rng, size, draws = np.random.default_rng(0), 100, 400
    logits = 4 * rng.standard_normal((20_000, 4))
    labels = (logits / 2 + rng.gumbel(size=logits.shape)).argmax(axis=-1)
    picked = rng.integers(0, len(logits), (draws, size))
    tau = ens.temperature(logits[picked], labels[picked])
    least = ens.nll(logits, labels, ens.temperature(logits, labels))
    excess = np.array([ens.nll(logits, labels, t) for t in tau]) - least
    expected = ens.validation_excess(logits, labels, size)
    next_order = 5 * expected / size
    assert abs(excess.mean() - expected) < ALARM * excess.std(ddof=1) / math.sqrt(draws) + next_order
    np.testing.assert_allclose(ens.validation_excess(logits, labels, 10 * size), expected / 10, rtol=1e-12)
    # A right model has V = H, so that the excess is 1/(2 size).
    np.testing.assert_allclose(expected * 2 * size, 1, atol=3 * ALARM / math.sqrt(len(logits)))  # heavy tails: 3


def naive_ece(p: np.ndarray, labels: np.ndarray, bins: int) -> float:
    total = 0.0
    for low, high in itertools.pairwise(np.linspace(0, 1, bins + 1)):
        rows = [k for k in range(len(p)) if low < p[k].max() <= high]
        if rows:
            gap = np.mean([p[k].max() for k in rows]) - np.mean([p[k].argmax() == labels[k] for k in rows])
            total += len(rows) / len(p) * abs(gap)
    return total


@given(SEEDS, st.integers(1, 20))
def test_metrics_against_definitions_written_out(seed: int, bins: int) -> None:
    logs, labels = members(seed, (3, 25, 4))
    p = np.exp(logs)
    found = ens.ece(logs, labels, bins)
    for m in range(3):
        brier = np.mean([sum((p[m, i, k] - (k == labels[i])) ** 2 for k in range(4)) for i in range(25)])
        np.testing.assert_allclose(ens.brier(logs, labels)[m], brier, rtol=1e-12)
        np.testing.assert_allclose(found.value[m], naive_ece(p[m], labels, bins), rtol=1e-10, atol=1e-14)
    np.testing.assert_array_equal(ens.error(logs, labels), np.mean(p.argmax(axis=-1) != labels, axis=-1))


def test_the_calibration_error_of_true_confidences_is_its_floor() -> None:
    rng = np.random.default_rng(0)
    logs = log_softmax(2 * rng.standard_normal((400, 500, 4)), axis=-1)
    labels = (logs + rng.gumbel(size=logs.shape)).argmax(axis=-1)
    found = ens.ece(logs, labels)
    ratio = found.value / found.floor
    assert abs(ratio.mean() - 1) < ALARM * ratio.std() / math.sqrt(len(ratio))
    assert found.value.mean() > 0.01  # the bias that a perfect model shows


def test_the_equivalent_ensemble() -> None:
    n = np.array([1, 2, 4, 8, 16])
    loss = 0.5 + 0.3 / n
    np.testing.assert_allclose(
        ens.deep_ensemble_equivalent(n, loss, 0.5 + 0.3 / np.array([1, 1.5, 5, 16])), [1, 1.5, 5, 16]
    )
    np.testing.assert_array_equal(ens.deep_ensemble_equivalent(n, loss, [0.9, 0.5]), [1, np.inf])


def test_arrays_of_a_card(monkeypatch: pytest.MonkeyPatch) -> None:
    logs, labels = members(5, (2, 6, 20, 3))

    def results(device: Any) -> list[Any]:
        own, y = device.asarray(logs), device.asarray(labels)
        groups = ens.ensembles(own, 4)
        curves = [ens.curve(own, y, [1, 4]), ens.curve(own, y, [2], (own, y))]
        found = [groups, *(part for c in curves for part in c[1:]), ens.temperature(groups, y), *ens.ece(groups, y),
                 ens.calibrate(groups, 2.0), ens.brier(groups, y), ens.error(groups, y), ens.average(own, 2.0),
                 ens.cross_validated_nll(groups, y), ens.validation_excess(groups, y, 9),
                 ens.temperature_before(own, y)]  # fmt: skip
        assert all(type(a) is type(own) for a in found)
        spread = statistics.crossed(own[..., 0])
        resampled = statistics.bootstrap(own, lambda a: a.mean(axis=(1, 2, 3)), axes=(1, 2), resamples=5)
        loss = ens.curve(own[0], y, [1, 2, 3, 6]).nll
        law = statistics.fit_power_law([1, 2, 3, 6], loss, exponent=1.0)
        split = ens.best_split([1, 2], [1, 2, 3, 6], ens.curve(own, y, [1, 2, 3, 6]).nll, [2])
        return [*(device.to_host(a) for a in found), *spread, *resampled, law.b, law.c, split.loss]

    from simlab.core.device import Device

    expected = results(Device.open("cpu"))
    for found, wanted in zip(results(host_cuda.install(monkeypatch)), expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-12)


@pytest.mark.gpu
def test_arrays_of_a_real_card() -> None:
    from simlab.core.device import Device

    card = Device.open("gpu")
    logs, labels = members(5, (2, 6, 20, 3))
    found = ens.curve(card.asarray(logs), card.asarray(labels), [1, 4])
    expected = ens.curve(logs, labels, [1, 4])
    for own, wanted in zip(found[1:], expected[1:], strict=True):
        np.testing.assert_allclose(card.to_host(own), wanted, rtol=1e-9)


def test_nets_of_a_stack_are_members() -> None:
    net = nn.mlp([2, 8, 3])
    params = nn.init(net, models=4, dtype="float64")
    x, labels = np.random.default_rng(0).standard_normal((30, 2)), np.arange(30) % 3
    logs = ens.calibrate(nn.predict(net, params, x), 1.0)
    np.testing.assert_allclose(ens.curve(logs, labels, [1]).nll[0], nn.cross_entropy.value(logs, labels).mean())
