"""Memory splits on laws whose optimum is known, forecasts from cheap cells, and their regret."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simlab.ensembles import best_split, iso_budget, predict_split, regret
from simlab.statistics import fit_power_law

P = 2.0 ** np.arange(2, 11)
"""Parameters of one network of each width."""
N = np.array([1, 2, 3, 4, 6, 8, 12, 16, 32, 64, 128, 256])


def table(a: float = 1.0, scale: float = 1.0) -> np.ndarray:
    """loss = 1 + 1/P + scale P^-1/2 n^-a: narrow members differ more and are worse."""
    return 1 + 1 / P[:, None] + scale * P[:, None] ** -0.5 * N.astype(float) ** -a


def test_the_best_split_of_a_known_law() -> None:
    # At n = B/P the loss is 1 + 1/P + sqrt(P)/B, least at P = (2 B)^(2/3): a power law of the budget.
    budgets = np.array([(2.0**k) ** 1.5 / 2 for k in (4, 5, 6, 7, 8)])  # optima at P = 2^k
    found = best_split(P, N, table(), budgets)
    np.testing.assert_array_equal(P[found.width], 2.0 ** np.arange(4, 9))
    np.testing.assert_allclose(found.members, budgets / P[found.width], rtol=1e-14)
    np.testing.assert_allclose(found.loss, 1 + 3 / P[found.width], rtol=1e-12)  # linear in 1/n, so exact
    assert not found.edge.any()
    assert (np.diff(found.members) > 0).all()  # larger budgets want more members
    law = fit_power_law(budgets, found.loss)
    np.testing.assert_allclose([law.a, law.c], [2 / 3, 1], rtol=1e-6)


def test_cells_that_are_not_there_are_not_chosen() -> None:
    loss = table()
    losses = iso_budget(P, N, loss, [16.0, 4096.0])
    assert np.isfinite(losses[0]).tolist() == [True] * 3 + [False] * 6  # 16 parameters pay for P <= 16
    assert np.isfinite(losses[1]).tolist() == [False] * 2 + [True] * 7  # and 4096 for 1024 members of the narrowest
    loss[4, N > 8] = np.nan
    assert not np.isfinite(iso_budget(P, N, loss, [4096.0])[0, 4])
    with_hole = np.where((np.arange(9) == 4)[:, None] & (N == 4), np.nan, table())
    np.testing.assert_allclose(iso_budget(P, N, with_hole, [256.0])[0, 4], table()[4, 3], rtol=1e-14)
    assert best_split(P, N, table(), [4.0, 256.0]).edge.tolist() == [True, False]


@given(st.integers(0, 2**31), st.integers(1, 3))
def test_replicates_are_split_each_by_itself(seed: int, replicates: int) -> None:
    rng = np.random.default_rng(seed)
    losses = table() + 0.01 * rng.standard_normal((replicates, len(P), len(N)))
    budgets = [64.0, 200.0]
    found = best_split(P, N, losses, budgets)
    for k in range(replicates):
        single = best_split(P, N, losses[k], budgets)
        for both, one in zip(found[1:], single[1:], strict=True):
            np.testing.assert_array_equal(both[k], one)
    assert (found.loss[..., None] <= found.losses).all()


def test_an_exact_law_is_predicted_from_cheap_cells_without_regret() -> None:
    loss = table(a=0.7, scale=8.0)
    budgets = np.array([300.0, 1000.0, 3000.0])
    measured = best_split(P, N, loss, budgets)
    assert not measured.edge.any()
    cheap = predict_split(P, N, loss, budgets, cheap=600.0)
    assert [law is None for law in cheap.laws] == [False] * 6 + [True] * 3  # P n <= 600 leaves four cells at P = 128
    np.testing.assert_array_equal(cheap.split.width, measured.width)
    np.testing.assert_array_equal(regret(cheap.split, measured), 0)
    linear = table(scale=8.0)
    fixed = predict_split(P, N, linear, budgets, cheap=600.0, exponent=1.0)
    exact = best_split(P, N, linear, budgets)
    np.testing.assert_allclose(fixed.split.loss, exact.loss, rtol=1e-9)
    np.testing.assert_array_equal(regret(fixed.split, exact), 0)
    # Where the best width has too few cheap cells the widest known one is named, and it is said to be the last.
    beyond = predict_split(P, N, table(), [3000.0], cheap=600.0)
    assert beyond.split.edge.all()
    assert regret(beyond.split, best_split(P, N, table(), [3000.0])) > 0


def test_a_wrong_prediction_is_regretted() -> None:
    budgets = np.array([(2.0**6) ** 1.5 / 2])
    measured = best_split(P, N, table(), budgets)
    wrong = measured._replace(width=measured.width + 1)
    # With sqrt(P)/B = 2/P at the best width, the loss at twice that width is 1 + (1/2 + 2 sqrt(2))/P.
    np.testing.assert_allclose(regret(wrong, measured), (0.5 + 2 * 2**0.5 - 3) / 64, rtol=1e-10)
    unknown = measured._replace(width=np.array([0]))
    unmeasured = best_split(P, N[:5], table()[:, :5], budgets)
    assert regret(unknown, unmeasured) == np.inf


def test_noise_costs_little_regret() -> None:
    rng, worst = np.random.default_rng(0), 0.0
    budgets = np.array([300.0, 1000.0])
    exact = best_split(P, N, table(), budgets)
    for _ in range(20):
        noisy = table() + 1e-3 * rng.standard_normal((len(P), len(N)))
        predicted = predict_split(P, N, noisy, budgets, cheap=600.0, se=np.full(noisy.shape, 1e-3), exponent=1.0)
        worst = max(worst, float(regret(predicted.split, exact).max()))
    # A split is chosen on forecasts that are wrong by about se each: the regret is a few of them at most.
    assert worst < 5e-3


@pytest.mark.parametrize("exponent", [None, 1.0])
def test_nothing_is_predicted_below_one_network(exponent: float | None) -> None:
    predicted = predict_split(P, N, table(), [16.0], cheap=600.0, exponent=exponent)
    assert np.isfinite(predicted.split.losses[0]).tolist() == [True] * 3 + [False] * 6
