"""The memory split: the numbers of the reference sheet, and that no other split of a budget is better."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simlab.theory import random_features
from simlab.theory.memory_split import NARROWEST, best_split, local_exponent, split_risk

BUDGETS = st.floats(-1, 2.5).map(lambda x: 10.0**x)
RIDGES = st.floats(-6, 1).map(lambda x: 10.0**x)


@pytest.mark.parametrize(
    ("noise", "budget", "psi1", "members", "risk"),
    [
        (1.0, 8, 0.96, 8.4, 0.440), (1.0, 32, 1.3, 25.6, 0.350),
        (0.5, 4, 1.1, 3.6, 0.382), (0.5, 8, 1.4, 5.7, 0.287),
    ],
)  # fmt: skip
def test_the_numbers_of_the_reference_sheet(
    noise: float, budget: float, psi1: float, members: float, risk: float
) -> None:
    found = best_split(budget, 3.0, 1e-3, noise=noise)
    assert found.risk[0] == pytest.approx(risk, abs=5e-4)
    # The sheet's widths are those of a grid, in a flat minimum: 3 % off, and printed to 2 digits.
    assert found.members[0] == pytest.approx(members, rel=0.03)
    assert found.psi1[0] == pytest.approx(psi1, abs=0.03 * psi1 + 0.05)
    # By so much as its K is off, the risk is not: less than half a unit of the digits printed.
    assert 0 <= split_risk(budget / members, budget, 3.0, 1e-3, noise=noise) - found.risk[0] < 5e-4


def test_a_single_network_takes_over_once_the_budget_drives_it_past_its_own_peak() -> None:
    found = best_split([8, 16], 3.0, 1e-3, noise=0.5)
    assert found.members[0] > 5
    assert found.members[1] == 1
    # .195 on the sheet, whose grid of widths ended a little short of the whole budget: one unit.
    assert found.risk[1] == pytest.approx(0.195, abs=1e-3)
    assert found.risk[1] == random_features.risk(16, 3.0, 1e-3)


def test_at_a_ridge_of_a_tenth_one_network_is_best_at_every_budget() -> None:
    budgets = np.geomspace(1, 256, 17)
    found = best_split(budgets, 3.0, 0.1, noise=0.5)
    np.testing.assert_array_equal(found.members, 1)
    np.testing.assert_array_equal(found.psi1, budgets)


@pytest.mark.parametrize("noise", [0.2, 0.5, 1.0])
@pytest.mark.parametrize("budget", [0.5, 3.0, 10.0, 60.0])
def test_if_the_ridge_may_be_chosen_too_splitting_never_pays(budget: float, noise: float) -> None:
    ridges, shares = np.geomspace(1e-5, 10, 200)[:, None], np.geomspace(1, 0.02, 60)
    risks = split_risk(budget * shares, budget, 3.0, ridges, noise=noise)
    assert np.unravel_index(risks.argmin(), risks.shape)[1] == 0  # K = 1


@given(
    st.lists(BUDGETS, min_size=1, max_size=4), st.floats(0.1, 10), RIDGES, st.floats(0, 2), st.floats(0, 1),
    st.sampled_from(["relu", "tanh", "abs"]),
)  # fmt: skip
def test_no_other_split_of_the_budget_is_better(
    budgets: list[float], psi2: float, ridge: float, noise: float, share: float, activation: str
) -> None:
    model = {"noise": noise, "activation": activation}
    found = best_split(budgets, psi2, ridge, **model)
    np.testing.assert_allclose(found.psi1 * found.members, budgets, rtol=1e-14)
    assert (found.members >= 1).all()
    budget = found.budget
    others = NARROWEST * (budget / NARROWEST) ** np.array([[share], [0.0], [0.5], [1.0]])  # widths from end to end
    # The refined minimum is flat: right to the square of 1e-8. Rounding moves it by a few parts in 1e16.
    assert (found.risk <= split_risk(others, budget, psi2, ridge, **model) * (1 + 1e-13)).all()
    np.testing.assert_array_equal(found.risk, split_risk(found.psi1, budget, psi2, ridge, **model))


@given(RIDGES, st.floats(0.1, 10), st.floats(0, 2))
def test_the_envelope_falls_with_the_budget(ridge: float, psi2: float, noise: float) -> None:
    found = best_split(np.geomspace(0.1, 100, 4), psi2, ridge, noise=noise)
    # More members at the same width are never worse, so neither is a larger budget.
    assert (np.diff(found.risk) <= 1e-13 * found.risk[1:]).all()


def test_the_exponent_of_the_envelope_at_large_budgets_is_one_over_its_floor() -> None:
    # One wide network: E_1 - E_inf falls as 1/N, to the risk of the kernel machine.
    budgets = np.geomspace(1e4, 1e5, 9)
    floor = random_features.risk(1e9, 3.0, 0.1, members=np.inf)
    exponent = local_exponent(best_split(budgets, 3.0, 0.1), float(floor))
    assert exponent[1:-1] == pytest.approx(1, abs=1e-3)  # the next order is 1/N


def test_splits_that_the_budget_does_not_pay_for_are_infinite() -> None:
    assert split_risk(2.0, 1.0, 3.0, 0.1) == np.inf
    assert split_risk(1.0, 1.0, 3.0, 0.1) == random_features.risk(1.0, 3.0, 0.1)


@pytest.mark.parametrize("budget", [0.0, -1.0, np.nan, np.inf, [1.0, 0.01]])
def test_a_budget_that_makes_no_sense_is_refused(budget: float | list[float]) -> None:
    with pytest.raises(ValueError, match=r"^budget must be (finite )?numbers"):
        best_split(budget, 3.0, 0.1)


def test_arguments_of_the_model_are_named_where_they_make_no_sense() -> None:
    with pytest.raises(ValueError, match=r"^ridge must be"):
        best_split(1.0, 3.0, -0.1)
    with pytest.raises(ValueError, match=r"^psi2 must be"):
        split_risk(1.0, 2.0, 0.0, 0.1)
