"""Ensembles and temperatures whatever the numbers are stored as, with NaN, infinity, and logits in the wrong place."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import log_softmax, logsumexp

from simlab import ensembles as ens
from simlab import nn, statistics
from simlab.nn import calibration
from tests.domains.calls import KINDS
from tests.sde import host_cuda

RNG = np.random.default_rng(0)
LOGITS = RNG.standard_normal((4, 20, 5))
LOGS, Y = log_softmax(LOGITS, axis=-1), np.arange(20) % 5
SINGLE = float(np.finfo(np.float32).eps)
WHOLE = RNG.integers(0, 9, (20, 5)).astype(float)

OF_LOGS: dict[str, Callable[[Any], Any]] = {
    "average": ens.average,
    "average, cold": lambda z: ens.average(z, 0.5),
    "ensembles": lambda z: ens.ensembles(z, 3),
    "nested": lambda z: list(ens.nested(z, [1, 2, 4]))[-1],
    "curve": lambda z: ens.curve(z, Y, [1, 3])[1:],
    "curve, validation": lambda z: ens.curve(LOGS, Y, [1, 3], (z, Y))[2:],
    "temperature_before": lambda z: ens.temperature_before(z, Y),
    "brier": lambda z: ens.brier(z, Y),
    "ece": lambda z: ens.ece(z, Y),
}
"""Functions of log-probabilities (4, 20, 5)."""
OF_LOGITS: dict[str, Callable[[Any], Any]] = {
    "nll": lambda z: ens.nll(z, Y, 1.5),
    "temperature": lambda z: ens.temperature(z, Y),
    "calibrated_nll": lambda z: ens.calibrated_nll(z, Y),
    "calibrate": lambda z: ens.calibrate(z, 2.0),
    "log_softmax": nn.log_softmax,
    "cross_validated_nll": lambda z: ens.cross_validated_nll(z, Y),
    "validation_excess": lambda z: ens.validation_excess(z, Y, 9),
    "error": lambda z: ens.error(z, Y),
}
"""Functions that a number added to all logits of an example does not change."""


def test_the_numbers_of_the_issue() -> None:
    z, y = np.array([[3, 1, 0], [0, 2, 1], [1, 1, 4]]), np.array([0, 2, 1])
    expected = (logsumexp(z / 1.5, axis=-1) - z[np.arange(3), y] / 1.5).mean()
    for kind in KINDS:
        np.testing.assert_allclose(ens.nll(KINDS[kind](z.astype(float)), y, 1.5), expected, rtol=1e-14)
    sure = np.array([[[0, -40], [-40, 0]], [[-40, 0], [-40, 0]]])
    np.testing.assert_allclose(ens.average(sure)[0], np.log([0.5, 0.5]), rtol=1e-14)


@pytest.mark.parametrize("name", OF_LOGITS)
def test_logits_may_be_stored_as_anything(name: str) -> None:
    expected = OF_LOGITS[name](WHOLE)
    assert np.asarray(expected).dtype == np.float64
    for kind, store in KINDS.items():
        found = OF_LOGITS[name](store(WHOLE))
        large = name in ("calibrate", "log_softmax") and kind == "float32"  # as large as the input, in its precision
        tolerance = 4 * SINGLE if large else 1e-13
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)
        assert np.asarray(found).dtype == (np.float32 if large else np.float64), kind


@pytest.mark.parametrize("name", [*OF_LOGS, *OF_LOGITS])
def test_single_precision_is_lost_in_storage_only(name: str) -> None:
    function = {**OF_LOGS, **OF_LOGITS}[name]
    stored = LOGS.astype(np.float32)
    found, expected = function(stored), function(stored.astype(float))
    for a, b in zip(np.atleast_1d(found), np.atleast_1d(expected), strict=True):
        # Averages of single precision are made in it; a best temperature moves by the root of its rounding at most.
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", ["int8", "int64", "uint8", "uint64", ">i4", list, pd.Series, "object"])
def test_labels_may_be_any_integers(dtype: Any) -> None:
    y = Y.astype(dtype) if isinstance(dtype, str) else dtype(Y.tolist())
    assert ens.nll(LOGS[0], y) == ens.nll(LOGS[0], Y)
    assert ens.brier(LOGS[0], y) == ens.brier(LOGS[0], Y)
    assert ens.error(LOGS[0], y) == ens.error(LOGS[0], Y)
    assert ens.temperature(LOGS[0], y) == ens.temperature(LOGS[0], Y)


@pytest.mark.parametrize("name", OF_LOGS)
@pytest.mark.parametrize("dtype", [float, np.float32, np.float16])
def test_logits_are_refused_where_log_probabilities_are_meant(name: str, dtype: type) -> None:
    shift = np.linspace(-1, 1, 20)[:, None]
    for wrong in (LOGITS, LOGS + shift, np.exp(LOGS), 1000 * LOGITS if dtype is not np.float16 else 10 * LOGITS):
        with pytest.raises(ValueError, match="log_softmax"):
            OF_LOGS[name](wrong.astype(dtype))
    one = LOGS.copy()
    one[2, 7] += 0.1
    with pytest.raises(ValueError, match="log_softmax"):
        OF_LOGS[name](one.astype(dtype))
    OF_LOGS[name](LOGS.astype(dtype))


@given(st.integers(2, 2000), st.floats(0, 300), st.sampled_from([np.float32, np.float64]))
def test_what_a_softmax_makes_is_never_refused(classes: int, scale: float, dtype: type) -> None:
    logits: np.ndarray = (scale * np.random.default_rng(classes).standard_normal((2, 3, classes))).astype(dtype)
    ens.average(nn.log_softmax(logits))
    ens.average(nn.log_softmax(logits.astype(np.float32)).astype(float))  # made in single precision, kept in double
    plain = logits - np.log(np.exp(logits - logits.max(-1, keepdims=True)).sum(-1, keepdims=True))
    ens.average(plain - logits.max(-1, keepdims=True))
    half = nn.log_softmax(logits.astype(np.float16)).astype(np.float16)
    ens.average(half)


@pytest.mark.parametrize("name", [*OF_LOGS, *OF_LOGITS])
def test_nan_in_nan_out(name: str) -> None:
    some = LOGS.copy()
    some[1, 3, 2] = np.nan
    whole = np.where(np.arange(5) == 2, np.nan, LOGS)
    for logs in (some, whole, some.astype(np.float32)):
        found = {**OF_LOGS, **OF_LOGITS}[name](logs)
        parts = found if isinstance(found, tuple) else (found,)
        assert all(np.isnan(part).any() for part in parts)
    if name in OF_LOGITS:  # the other members are as they were
        found, clean = OF_LOGITS[name](some), OF_LOGITS[name](LOGS)
        np.testing.assert_array_equal(found[[0, 2, 3]], clean[[0, 2, 3]])


@pytest.mark.parametrize("name", OF_LOGITS)
def test_a_logit_without_bound_is_no_distribution(name: str) -> None:
    some = np.where(np.arange(5) == 2, np.inf, LOGITS)
    assert np.isnan(OF_LOGITS[name](some)).all()
    assert ens.nll(np.array([[0.0, -np.inf]]), [1]) == np.inf
    assert np.isnan(ens.nll(np.array([[-np.inf, -np.inf]]), [1]))
    assert np.isnan(ens.error(np.array([[-np.inf, -np.inf]]), [1]))
    assert ens.error(np.array([[0.0, -np.inf]]), [1]) == 1
    assert np.isnan(nn.error(np.array([[[np.inf]], [[-np.inf]], [[1.0]]]), [1])).tolist() == [True, True, False]


def test_where_no_temperature_helps_there_is_none() -> None:
    never = np.log(np.array([[[1.0, 0.0]], [[1.0, 0.0]]]), where=[True, False], out=np.full((2, 1, 2), -np.inf))
    assert np.isnan(ens.temperature_before(never, [1]))


def test_an_equivalent_of_what_is_unknown_is_unknown() -> None:
    n, loss = [1, 2, 4], [1.0, 0.8, 0.7]
    found = ens.deep_ensemble_equivalent(n, loss, [np.nan, 0.75, np.inf, -np.inf])
    assert np.isnan(found[0])
    assert 2 < found[1] < 4
    assert found[2:].tolist() == [1, np.inf]
    assert np.isnan(ens.deep_ensemble_equivalent(n, [1.0, np.nan, 0.7], [0.9, 0.71])).all()
    assert ens.deep_ensemble_equivalent(n, [np.inf, 0.8, 0.7], 0.9) == 2


def test_laws_and_tables_carry_nan() -> None:
    n, y = np.array([1, 2, 4, 8]), np.array([1.0, 0.8, 0.72, 0.69])
    found = statistics.power_laws(n, np.stack([y, np.where(n == 4, np.nan, y), np.where(n == 4, np.inf, y)]))
    for part in found:
        assert np.isnan(part).tolist() == [False, True, True]
    table = np.where(np.eye(3, 4) > 0, np.nan, 1.0)
    assert np.isnan(statistics.crossed(table).se)
    assert np.isnan(statistics.bootstrap(table, np.mean, resamples=5).value)
    assert np.isnan(statistics.bootstrap(table, np.mean, resamples=5).se)


def test_a_net_that_diverged_has_no_error_rate() -> None:
    outputs = np.stack([LOGS[0], np.where(np.arange(5) == 2, np.nan, LOGS[0]), LOGS[1]])
    found = nn.error(outputs, Y)
    assert np.isnan(found).tolist() == [False, True, False]
    assert found[0] == (LOGS[0].argmax(axis=-1) != Y).mean()
    single = nn.error(outputs[..., 2:3], Y % 2)
    assert np.isnan(single).tolist() == [False, True, False]
    rows = np.where(np.arange(20)[:, None] == 3, np.nan, np.eye(5)[Y])
    assert np.isnan(nn.error(LOGS[:2], rows)).all()
    # One output against one target: their signs, example by example.
    targets = np.where(Y[:, None] > 2, 1.0, -1.0)
    assert nn.error(np.stack([targets, -targets]), targets).tolist() == [0, 1]
    with pytest.raises(ValueError, match="y must be integers"):
        nn.error(LOGS, Y.astype(float))


@pytest.mark.parametrize("lr", [1e30, 1e4])
def test_a_run_that_diverges_records_no_error_rate_beside_its_lost_loss(lr: float) -> None:
    x = np.random.default_rng(0).standard_normal((64, 5))
    net, y = nn.mlp([5, 16, 3]), np.arange(64) % 3
    names = ("loss", "error", "test_loss", "test_error")
    record = nn.Record(names, test=(x, y), at=[60])
    params = nn.init(net, models=2, dtype="float64")
    _, log = nn.train(net, params, (x, y), nn.SGD(lr), batch_size=16, steps=60, record=record)
    for name in names:
        assert np.isnan(log[name].isel(step=-1)).all(), name


def test_large_inputs_are_not_copied_into_double_precision() -> None:
    import tracemalloc

    logits = np.zeros((8, 20_000, 20), np.float32)
    logs = nn.log_softmax(logits)
    zeros = np.zeros(20_000, int)
    calls: list[Callable[[], Any]] = [lambda: ens.nll(logits, zeros, 2.0), lambda: ens.brier(logs, zeros)]
    for call in calls:
        tracemalloc.start()
        call()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        # A few blocks of 2^17 doubles, and four numbers for each row: a third of a copy in double precision.
        assert peak < 8 * calibration.BLOCK["cpu"] * 4 + 4 * 8 * logits.size / 20 + 2**20
        assert peak < logits.size * 8


def test_lists_come_to_the_card_where_the_others_are(monkeypatch: pytest.MonkeyPatch) -> None:
    card = host_cuda.install(monkeypatch)
    own = card.asarray(LOGS)
    for name, function in {**OF_LOGS, **OF_LOGITS}.items():
        if name == "curve, validation":
            continue
        found, expected = function(own), function(LOGS)
        for a, b in zip(*((part if isinstance(part, tuple) else (part,)) for part in (found, expected)), strict=True):
            assert np.ndim(b) == 0 or type(a) is host_cuda.DeviceArray, name
            np.testing.assert_allclose(card.to_host(a), b, rtol=1e-12)
    with pytest.raises(ValueError, match="validation must be on the gpu"):
        ens.curve(own, Y, [1], (LOGS, Y))
    with pytest.raises(ValueError, match="labels must be on the cpu"):
        ens.nll(LOGS, card.asarray(Y))


def test_the_error_of_half_a_million_is_exact() -> None:
    assert math.isclose(ens.nll(np.zeros((500_000, 2), np.float32), np.zeros(500_000, int)), math.log(2), rel_tol=1e-13)


def test_units_of_a_power_law_do_not_matter_or_are_refused() -> None:
    n, y = np.array([1, 2, 4, 8.0]), np.array([9.0, 7, 6.2, 5.9])
    law = statistics.fit_power_law(n, y)
    for units in (1e-90, 1e90):
        found = statistics.fit_power_law(n, units * y)
        np.testing.assert_allclose([found.a, found.b / units, found.c / units], [law.a, law.b, law.c], rtol=1e-6)
        np.testing.assert_allclose(found.a_interval, law.a_interval, rtol=1e-6)
        np.testing.assert_allclose(statistics.power_laws(n, units * y).a, law.a, rtol=1e-6)
        exact = statistics.fit_power_law(n, units * y, covariance=units**2 * np.eye(4))
        np.testing.assert_allclose(exact.a_interval, statistics.fit_power_law(n, y, 1.0).a_interval, rtol=1e-6)
    for units in (1e-17, 1e17):
        np.testing.assert_allclose(statistics.fit_power_law(units * n, y).a, law.a, rtol=1e-6)
        np.testing.assert_allclose(statistics.power_laws(units * n, y).a, law.a, rtol=1e-6)
    calls: list[Callable[..., Any]] = [statistics.fit_power_law, statistics.power_laws]
    for call in calls:
        for wrong in ((n, 1e-200 * y), (n, 1e200 * y), (1e200 * n, y), (1e-200 * n, y)):
            with pytest.raises(ValueError, match="must be"):
                call(*wrong)
    assert np.isnan(statistics.power_laws(n, np.ones(4))).all()


def test_logits_and_temperatures_beyond_all_numbers() -> None:
    assert ens.nll(np.array([[1e308, -1e308]]), [0]) == 0
    assert ens.nll(np.array([[1e308, -1e308]]), [1]) == np.inf
    assert ens.calibrate(np.array([[1e300, 0.0]]), 1e-30).tolist() == [[0, -np.inf]]
    assert ens.calibrate(np.array([[3e38, 0.0]], np.float32), 1e-30).tolist() == [[0, -np.inf]]
    np.testing.assert_allclose(ens.calibrate(np.array([[1.0, 0.0]], np.float32), 1e30), -np.log(2), rtol=1e-6)
    for tau in (9e-31, 1.1e30):
        with pytest.raises(ValueError, match="tau must be from 1e-30 to 1e"):
            ens.nll(LOGS, Y, tau)
