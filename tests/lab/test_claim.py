"""Verdicts, bounds and how a claim is printed."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from simlab.lab.claim import SIGMAS, Claim, exit_status, unless_diverged

NUMBERS = st.floats(-1e6, 1e6)
ERRORS = st.floats(1e-6, 1e6)
NOT_NUMBERS = pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
WORDS = ("scene/name", "Something is so.", "talk")


def equals(
    measured: float = 1.0, reference: float = 1.0, se: float = 0.1, bias: float = 0.0, resolution: float = math.inf
) -> Claim:
    return Claim.equals(*WORDS, measured, reference, se, bias=bias, resolution=resolution)


@given(NUMBERS, NUMBERS, ERRORS, st.floats(0, 10))
def test_equality_holds_within_four_standard_errors_and_the_declared_bias(
    measured: float, reference: float, se: float, bias: float
) -> None:
    claim = equals(measured, reference, se, bias)
    assert claim.bound == SIGMAS * se + bias
    assert claim.verdict == ("holds" if abs(measured - reference) <= SIGMAS * se + bias else "fails")
    assert equals(reference, measured, se, bias).verdict == claim.verdict
    assert claim.note == ""


def test_a_bias_widens_the_bound_and_is_declared_in_the_reason() -> None:
    off = equals(1.5)
    assert off.verdict == "fails"
    assert "bias" not in off.why
    allowed = equals(1.5, bias=0.2)
    assert allowed.verdict == "holds"
    assert allowed.why == "4 standard errors, false alarm 6e-05, plus a declared bias of 2.0e-01"


def test_the_false_alarm_of_an_equality_is_that_of_the_normal_law() -> None:
    for sigmas in (2.0, 4.0, 5.0):
        why = Claim.equals(*WORDS, 0.0, 0.0, 1.0, sigmas=sigmas).why
        assert why == f"{sigmas:g} standard errors, false alarm {2 * stats.norm.sf(sigmas):.0e}"


@given(ERRORS, ERRORS)
def test_an_error_bar_wider_than_the_resolution_decides_nothing(se: float, resolution: float) -> None:
    claim = equals(se=se, resolution=resolution)
    assert claim.verdict == ("undecided" if SIGMAS * se > resolution else "holds")
    assert bool(claim.note) == (claim.verdict == "undecided")


def test_an_error_bar_as_wide_as_the_resolution_still_decides() -> None:
    assert equals(se=0.25, resolution=1.0).verdict == "holds"  # four of a quarter, without rounding
    assert equals(se=0.25, resolution=math.nextafter(1.0, 0.0)).verdict == "undecided"
    assert equals(se=0.25, bias=0.5, resolution=1.5).verdict == "holds"
    assert equals(2.0, se=0.25, resolution=1.0).verdict == "holds"  # and what lies on the bound is within it
    assert equals(math.nextafter(2.0, 3.0), se=0.25, resolution=1.0).verdict == "fails"


@NOT_NUMBERS
@pytest.mark.parametrize("name", ["measured", "reference", "se", "bias"])
def test_an_equality_with_what_is_not_a_number_is_undecided(name: str, bad: float) -> None:
    claim = equals(**{name: bad})
    assert claim.verdict == "undecided"
    assert claim.note


@NOT_NUMBERS
def test_an_undecided_claim_can_be_printed(bad: float) -> None:
    for name in ("measured", "reference", "se", "bias"):
        claim = equals(**{name: bad})
        assert claim.quantity
        assert claim.limits


@given(st.integers(1, 500), st.floats(1e-8, 0.5))
def test_the_bound_of_a_chi_square_is_scipy_s_quantile(dof: int, false_alarm: float) -> None:
    claim = Claim.chi_square(*WORDS, 1.0, dof, false_alarm=false_alarm)
    # The same quantile by another routine; both say that they are good to about ten digits.
    assert claim.bound == pytest.approx(stats.chi2.isf(false_alarm / 2, dof), rel=1e-9)
    assert claim.low == pytest.approx(stats.chi2.ppf(false_alarm / 2, dof), rel=1e-9)
    hotelling = Claim.chi_square(*WORDS, 1.0, dof, 1000.0, false_alarm=false_alarm)
    scale = dof * 999 / (1000 - dof)
    assert hotelling.bound == pytest.approx(stats.f.isf(false_alarm / 2, dof, 1000 - dof) * scale, rel=1e-7)
    assert hotelling.low == pytest.approx(stats.f.ppf(false_alarm / 2, dof, 1000 - dof) * scale, rel=1e-7)
    assert claim.reference == dof
    assert claim.why == f"chi-square with {dof} degrees of freedom, false alarm {false_alarm:.0e}"


@given(st.integers(1, 100), st.floats(0, 300))
def test_a_chi_square_holds_between_its_quantiles(dof: int, statistic: float) -> None:
    claim = Claim.chi_square(*WORDS, statistic, dof)
    assert claim.verdict == ("holds" if claim.low <= statistic <= claim.bound else "fails")
    assert ("too wide" in claim.note) == (statistic < claim.low)
    assert claim.measured == statistic
    assert claim.limits == f"{claim.low:.3g} to {claim.bound:.3g}"


def test_a_statistic_that_is_not_a_number_is_undecided_and_an_infinite_one_fails() -> None:
    assert Claim.chi_square(*WORDS, math.nan, 3).verdict == "undecided"
    assert Claim.chi_square(*WORDS, math.inf, 3).verdict == "fails"


def test_a_chi_square_without_a_degree_of_freedom_is_undecided() -> None:
    assert Claim.chi_square(*WORDS, 0.0, 0).verdict == "undecided"


@given(st.floats(-20, 20), st.floats(SIGMAS, 15))
def test_an_effect_is_there_beyond_its_sigmas_and_not_there_below_the_usual_ones(
    distance: float, sigmas: float
) -> None:
    claim = Claim.above(*WORDS, distance, 0.0, 1.0, sigmas=sigmas)
    assert claim.verdict == ("holds" if distance >= sigmas else "fails" if distance < SIGMAS else "undecided")
    assert bool(claim.note) == (claim.verdict == "undecided")
    assert claim.bound == sigmas
    assert claim.limits == f"> 0, by {sigmas:.3g} standard errors"


def test_a_distance_that_is_not_a_number_is_undecided() -> None:
    claim = Claim.above(*WORDS, math.nan, 0.0, 1.0)
    assert claim.verdict == "undecided"
    assert claim.note


def test_exact_means_to_the_last_bit() -> None:
    assert Claim.exact(*WORDS, 0.0, 0.0).verdict == "holds"
    assert Claim.exact(*WORDS, 0.1 + 0.2, 0.3).verdict == "fails"
    assert Claim.exact(*WORDS, math.nan, math.nan).verdict != "holds"


def test_walkers_that_diverged_take_every_verdict_away() -> None:
    claims = [equals(), equals(2.0)]
    assert unless_diverged(claims, 0) == claims
    taken = unless_diverged(iter(claims), 3)
    assert [c.verdict for c in taken] == ["undecided", "undecided"]
    assert all(c.note.startswith("3 walkers diverged") for c in taken)
    assert [replace(c, verdict=d.verdict, note=d.note) for c, d in zip(taken, claims, strict=True)] == claims


def test_the_exit_status_is_zero_only_if_every_claim_holds() -> None:
    assert exit_status([]) == 0
    assert exit_status([equals()]) == 0
    assert exit_status([equals(), equals(2.0)]) == 1
    assert exit_status([equals(), equals(math.nan)]) == 1


@given(NUMBERS, ERRORS)
def test_a_quantity_is_printed_to_two_digits_of_its_error(measured: float, se: float) -> None:
    assume(abs(measured) < 1e6)
    value, error = map(float, equals(measured, se=se).quantity.split(" ± "))
    # Two digits: the error is right to half a unit of its second digit, a twentieth; the value to as much of the error.
    assert abs(error - se) <= 0.0501 * se
    assert abs(value - measured) <= 0.0501 * se or se < 1e-5


@pytest.mark.parametrize(
    ("measured", "se", "text"),
    [
        (0.99345, 0.0203, "0.993 ± 0.020"),
        (5031.2, 123.4, "5031 ± 123"),
        (-1.0, 0.0999, "-1.000 ± 0.100"),
        (0.0, 1.0, "0.0 ± 1.0"),
        (1.06e-9, 5e-12, "1.0600e-09 ± 5.0e-12"),
        (2.5e7, 1e4, "2.5000e+07 ± 1.0e+04"),
        (19.546123, math.nan, "19.546"),
        (0.0, 0.0, "0"),
        (math.nan, 0.1, "nan"),
    ],
)
def test_quantities_are_printed_as_a_person_would(measured: float, se: float, text: str) -> None:
    assert equals(measured, se=se).quantity == text


def test_limits_say_what_would_be_accepted() -> None:
    assert equals(reference=2.278804082, se=0.0125).limits == "2.2788 ± 0.05"
    assert Claim.chi_square(*WORDS, 1.0, 16).limits == "2.51 to 47.9"
    assert Claim.above(*WORDS, 1.0, 0.5, 0.01).limits == "> 0.5, by 10 standard errors"
    assert Claim.exact(*WORDS, 0.0, 0.0).limits == "0 ± 0"


@given(st.integers(2, 100))
def test_few_samples_allow_more_standard_errors_at_the_same_rate_of_false_alarms(samples: int) -> None:
    few = Claim.equals(*WORDS, 0.0, 0.0, 1.0, samples=samples)
    assert few.bound > SIGMAS
    # stdtrit is good to some 1e-9 of its value.
    assert math.isclose(2 * stats.t.sf(few.bound, samples - 1), 2 * stats.norm.sf(SIGMAS), rel_tol=1e-6)
    assert Claim.above(*WORDS, few.bound * 1.001, 0.0, 1.0, sigmas=SIGMAS, samples=samples).verdict == "holds"
    assert Claim.above(*WORDS, few.bound * 0.999, 0.0, 1.0, sigmas=SIGMAS, samples=samples).verdict == "fails"


@given(NUMBERS, NUMBERS, ERRORS, st.floats(SIGMAS, 15))
def test_a_number_is_above_another_by_many_of_its_standard_errors_and_not_below(
    measured: float, least: float, se: float, sigmas: float
) -> None:
    claim = Claim.above(*WORDS, measured, least, se, sigmas=sigmas)
    distance = (measured - least) / se
    assert claim.distance == distance
    assert claim.verdict == ("holds" if distance >= sigmas else "fails" if distance < SIGMAS else "undecided")
    assert bool(claim.note) == (claim.verdict == "undecided")
    assert (claim.measured, claim.reference, claim.se, claim.bound) == (measured, least, se, sigmas)
    mirrored = Claim.below(*WORDS, -measured, -least, se, sigmas=sigmas)
    assert (mirrored.verdict, mirrored.distance, mirrored.bound) == (claim.verdict, distance, sigmas)


@NOT_NUMBERS
@pytest.mark.parametrize("make", [Claim.above, Claim.below])
@pytest.mark.parametrize("place", range(3))
def test_a_side_of_what_is_not_a_number_is_undecided(make: Callable[..., Claim], place: int, bad: float) -> None:
    numbers = [2.0, 1.0, 0.01]
    numbers[place] = bad
    claim = make(*WORDS, *numbers)
    assert claim.verdict == "undecided"
    assert claim.note
    assert claim.quantity
    assert claim.limits


def test_a_side_without_an_error_is_undecided() -> None:
    for se in (0.0, -1.0):
        assert Claim.above(*WORDS, 2.0, 1.0, se).verdict == "undecided"
        assert math.isnan(Claim.above(*WORDS, 2.0, 1.0, se).distance)


def test_a_side_is_printed_in_its_own_units() -> None:
    above = Claim.above(*WORDS, 0.663, 0.5, 0.001)
    assert (above.quantity, above.limits) == ("0.6630 ± 0.0010", "> 0.5, by 10 standard errors")
    assert Claim.below(*WORDS, 0.1, 0.5, 0.001, sigmas=4.0).limits == "< 0.5, by 4 standard errors"
    few = Claim.above(*WORDS, 0.663, 0.5, 0.001, samples=9.0)
    assert few.bound > 10
    assert "from 9 samples" in few.why
