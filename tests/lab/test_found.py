"""What a scene has found: numbers, errors and references that stay together, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from simlab.lab import results
from simlab.lab.claim import Claim
from simlab.lab.found import Found
from simlab.lab.measured import Measured
from simlab.lab.quantity import Beside, Expected, Fit, HeldOut, Reference, Theory, axis, quantity
from simlab.statistics import Estimate, Joint, chi_square
from tests.lab.scenes import scene

TABLE, FACE = axis("table"), axis("face of the die", "dot")
SHARE = quantity("share of rolls", TABLE, FACE)
MEAN = quantity("mean of a roll", TABLE, unit="dot")
TOTAL = quantity("sum of all rolls", unit="dot")
MODULE = scene(TABLE=TABLE, FACE=FACE, SHARE=SHARE, MEAN=MEAN, TOTAL=TOTAL)
NAMED = ("fair", "A die is fair.")
SIDES = st.integers(1, 4)
FACTORS = st.floats(0.01, 100) | st.floats(-100, -0.01)


def numbers(draw: st.DrawFn, *shape: int, low: float = -10.0) -> np.ndarray:
    return draw(arrays.arrays(np.float64, shape, elements=st.floats(low, 10, width=16)))


@st.composite
def joints(draw: st.DrawFn) -> list[Joint]:
    """Shares at a few tables, with covariances that are no multiple of the unit matrix."""
    tables, faces = draw(SIDES), draw(SIDES)
    found = []
    for _ in range(tables):
        root = numbers(draw, faces, faces)
        found.append(Joint(numbers(draw, faces), root @ root.T + np.eye(faces), draw(st.integers(50, 500))))
    return found


def entered(values: dict[Any, Any], tables: int = 2, faces: int = 3) -> Found:
    """What was found at so many tables with dice of so many faces."""
    found = Found.of(MODULE)
    found.enter({**values, TABLE: [f"table {i}" for i in range(tables)], FACE: np.arange(1, faces + 1)})
    return found


def of(shares: list[Joint]) -> Found:
    """Shares, with the theory that all faces are alike."""
    found = entered({SHARE: shares}, len(shares), len(shares[0].value))
    found.enter({SHARE: Theory(1.5, 0.25)})
    return found


def same(one: Measured, **parts: Any) -> None:
    for name, expected in parts.items():
        np.testing.assert_array_equal(np.asarray(getattr(one, name)), expected, err_msg=name)


@given(joints())
def test_several_joint_estimates_lie_along_a_new_first_axis(shares: list[Joint]) -> None:
    one = of(shares)[SHARE]
    covariance = np.array([j.covariance for j in shares])
    same(one, value=[j.value for j in shares], covariance=covariance, samples=min(j.samples for j in shares))
    same(one, se=np.sqrt(np.diagonal(covariance, axis1=1, axis2=2)))
    assert one.axes == (TABLE, FACE)


@given(st.lists(st.tuples(st.floats(-10, 10), st.floats(0, 10)), min_size=1, max_size=5))
def test_several_estimates_lie_along_a_new_first_axis(pairs: list[tuple[float, float]]) -> None:
    found = entered({MEAN: [Estimate(np.array(v), np.array(s)) for v, s in pairs]}, len(pairs))
    same(found[MEAN], value=[v for v, _ in pairs], se=[s for _, s in pairs], samples=np.inf)
    assert np.isnan(found[MEAN].covariance)
    assert np.isnan(found[MEAN].reference).all()


@given(joints(), st.data())
def test_a_part_is_what_numpy_gives_of_every_array(shares: list[Joint], data: st.DataObject) -> None:
    whole = of(shares)[SHARE]
    tables, faces = whole.value.shape
    row = data.draw(st.integers(-tables, tables - 1))
    few = data.draw(
        st.slices(faces)
        | st.lists(st.integers(0, faces - 1), min_size=1, unique=True)
        | arrays.arrays(np.bool_, faces)
        | st.integers(0, faces - 1)
    )
    one = whole[row]
    same(one, value=whole.value[row], se=whole.se[row], covariance=whole.covariance[row], bias=whole.bias[row])
    assert one.axes == (FACE,)
    part = one[few]
    same(part, value=one.value[few], se=one.se[few], reference=one.reference[few], bias=one.bias[few])
    if isinstance(few, int):
        assert (part.axes, part.coordinates) == ((), ())
        assert np.isnan(part.covariance), "one number has a standard error"
        assert float(part) == one.value[few]
    else:
        same(part, covariance=one.covariance[few][:, few])
        same(part, coordinates=[np.arange(1, faces + 1)[few]])
    rows = data.draw(st.slices(tables))
    same(whole[rows], value=whole.value[rows], covariance=whole.covariance[rows])
    assert list(whole[rows].coordinates[0]) == [f"table {i}" for i in range(tables)][rows]


def test_a_single_number_has_no_parts() -> None:
    found = entered({TOTAL: 7})
    assert int(found[TOTAL]) == 7
    with pytest.raises(IndexError, match="sum of all rolls is a single number"):
        _ = found[TOTAL][0]


@given(joints(), FACTORS)
def test_another_unit_changes_no_distance_and_no_verdict(shares: list[Joint], factor: float) -> None:
    one = of(shares)[SHARE][0]
    for scaled in (one * factor, one / (1 / factor)):
        np.testing.assert_allclose(scaled.value, factor * one.value)
        np.testing.assert_allclose(scaled.se, abs(factor) * one.se)
        np.testing.assert_allclose(scaled.bias, abs(factor) * one.bias)
        np.testing.assert_allclose(scaled.covariance, factor**2 * one.covariance)
        np.testing.assert_allclose(scaled.z, np.sign(factor) * one.z, rtol=1e-9, atol=1e-9)
        assert scaled.agrees(*NAMED).measured == pytest.approx(one.agrees(*NAMED).measured, rel=1e-6)


@given(joints(), st.data())
def test_every_number_may_have_a_factor_of_its_own(shares: list[Joint], data: st.DataObject) -> None:
    one = of(shares)[SHARE]
    factors = data.draw(arrays.arrays(np.float64, one.value.shape[1], elements=FACTORS))
    np.testing.assert_allclose((one * factors).covariance, one.covariance * np.multiply.outer(factors, factors))
    np.testing.assert_allclose((one / factors).value, one.value / factors)


@given(joints())
def test_an_exponential_has_its_errors_to_first_order_with_their_covariance(shares: list[Joint]) -> None:
    one = of(shares)[SHARE][0]
    found = one.exp()
    slopes = np.exp(one.value)
    same(found, value=slopes, reference=np.exp(one.reference), samples=one.samples)
    np.testing.assert_allclose(found.se, slopes * one.se)
    np.testing.assert_allclose(found.bias, np.exp(one.reference) * one.bias)
    np.testing.assert_allclose(found.covariance, np.multiply.outer(slopes, slopes) * one.covariance)
    np.testing.assert_allclose(np.sqrt(np.diag(found.covariance)), found.se)


@given(joints())
def test_a_comparison_of_all_uses_their_covariance_and_how_many_samples_it_is_from(shares: list[Joint]) -> None:
    whole = of(shares)[SHARE]
    for row, joint in enumerate(shares):
        claim = whole[row].agrees(*NAMED)
        samples = min(j.samples for j in shares)
        expected = Claim.chi_square(
            "dice/fair", NAMED[1], "Laplace", *chi_square(joint.value - 1.5, joint.covariance, samples)
        )
        np.testing.assert_equal(claim, expected)
        assert claim.why.startswith(f"Hotelling's T^2 from {samples} samples")


def test_a_comparison_of_independent_numbers_uses_their_errors() -> None:
    found = entered({MEAN: Estimate(np.array([3.0, 4.0]), np.array([0.5, 0.25]))})
    claim = found[MEAN].agrees(*NAMED, [3.5, 3.5], source="Bernoulli")
    assert (claim.measured, claim.reference, claim.source) == (1.0 + 4.0, 2.0, "Bernoulli")
    assert claim.why.startswith("chi-square with 2 degrees of freedom")


@pytest.mark.parametrize(
    ("kind", "usable"), [(Theory, True), (HeldOut, True), (Expected, True), (Fit, False), (None, False)]
)
def test_a_claim_cannot_use_what_was_fitted_to_the_same_data(kind: type[Reference] | None, usable: bool) -> None:
    measured = Estimate(np.array([3.5, 4.0]), np.array([0.1, 0.1]))
    found = entered({MEAN: Beside(measured, kind(3.5)) if kind else measured})
    one = found[MEAN]
    assert one.kind is kind
    if usable:
        assert one[0].equals(*NAMED).verdict == "holds"
        assert one[1].equals(*NAMED).verdict == "fails"
        assert one.agrees(*NAMED).verdict == "fails"
    else:
        for claim in (one[0].equals, one.agrees):
            with pytest.raises(ValueError, match=r"needs a theory or a prediction, and 'mean of a roll' has "):
                claim(*NAMED)
    assert one[0].equals(*NAMED, 3.5).verdict == "holds", "a number that is named stands for itself"
    assert one[0].exceeds(*NAMED, 2.0).verdict == "holds"


def test_claims_of_one_number_state_it_in_its_own_units() -> None:
    found = entered({MEAN: Estimate(np.array([3.0, 5.0]), np.array([0.1, 0.01]))})
    low, high = found[MEAN][0], found[MEAN][1]
    above = high.exceeds(*NAMED, 4.0)
    assert (above.name, above.rule, above.measured, above.reference, above.se) == ("dice/fair", "above", 5, 4, 0.01)
    assert (above.verdict, above.quantity) == ("holds", "5.000 ± 0.010")
    assert low.below(*NAMED, 4.0, sigmas=11.0).verdict == "undecided", "by ten standard errors only"
    assert [low.differs(*NAMED, other).rule for other in (2.0, 4.0)] == ["above", "below"]
    assert found[MEAN].weakest().value == 3.0
    assert found[MEAN].weakest(4.0).value == 3.0
    assert low.exactly(*NAMED, 3.0).verdict == "holds"
    assert low.equals(*NAMED, 3.5, bias=0.2).verdict == "holds"


def test_a_declared_bias_of_the_theory_is_part_of_the_claim() -> None:
    found = entered({MEAN: Beside(Estimate(np.full(2, 3.0), np.full(2, 0.1)), Theory(3.5, [0.0, 0.2]))})
    assert [found[MEAN][i].equals(*NAMED).verdict for i in (0, 1)] == ["fails", "holds"]
    assert found[MEAN][1].equals(*NAMED, bias=0.0).verdict == "fails"


def test_theory_knows_places_and_errors_but_not_what_was_measured() -> None:
    found = entered({MEAN: Estimate(np.array([3.0, 5.0]), np.array([0.1, 0.01]))})
    assert list(found.axes[FACE]) == [1, 2, 3]
    assert list(found.axes.se(MEAN)) == [0.1, 0.01]
    assert MEAN in found.axes
    assert SHARE not in found.axes
    measured: Any = MEAN
    with pytest.raises(TypeError, match="places of an axis"):
        _ = found.axes[measured]


def test_what_is_not_declared_is_refused() -> None:
    found, other = entered({}), quantity("number of cheats")
    for action in (lambda: found[other], lambda: found.enter({other: 1}), lambda: found.axes.se(other)):
        with pytest.raises(ValueError, match=r"scene dice: 'number of cheats' is not declared in its module or its"):
            action()
    assert other not in found
    nowhere = quantity("a share", axis("an axis that is not declared"))
    part = Found.of(scene(SHARE=nowhere))
    with pytest.raises(ValueError, match="'an axis that is not declared' is not declared"):
        part.enter({nowhere: [1.0]})


def test_what_was_not_found_is_said_to_be_missing() -> None:
    with pytest.raises(KeyError, match=r"scene dice has not found 'share' \(share of rolls\)"):
        _ = entered({})[SHARE]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({MEAN: 3.0}, "mean is over (table: 2), got an array of shape ()"),
        ({MEAN: [1.0, 2.0, 3.0]}, "mean is over (table: 2), got an array of shape (3,)"),
        ({MEAN: [[1.0, 2.0]]}, "mean is over (table: 2), got an array of shape (1, 2)"),
        ({TOTAL: [1.0]}, "total is over (), got an array of shape (1,)"),
        ({SHARE: np.zeros((3, 2))}, "share is over (table: 2, face: 3), got an array of shape (3, 2)"),
        ({MEAN: Estimate(np.zeros(2), np.zeros(3))}, "mean_se is over (table: 2), got an array of shape (3,)"),
        ({SHARE: [Joint(np.zeros(3), np.eye(3))]}, "share_covariance is over (table: 2, face: 3, face_)"),
        ({MEAN: Beside([1.0, 2.0], Theory([1.0, 2.0, 3.0]))}, "mean_theory stands beside an array of shape (2,), got"),
        ({MEAN: Beside([1.0, 2.0], Theory(1.0, np.zeros((2, 2)) + 1))}, "mean_bias stands beside an array of shape"),
    ],
)  # fmt: skip
def test_a_shape_that_is_not_declared_is_refused(values: dict[Any, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"scene dice: {message}")):
        entered(values)


@given(joints())
def test_what_was_found_is_found_again_in_a_stored_result(shares: list[Joint]) -> None:
    assume(len(shares) > 1)
    found = of(shares)
    tree = results.tree({"dice": found.dataset}, [], {"simlab_study": "casino"})
    again = Found.of(MODULE, tree["dice"].to_dataset())
    assert again.names == found.names
    for part in ("value", "se", "reference", "bias", "covariance", "samples"):
        np.testing.assert_array_equal(getattr(again[SHARE], part), getattr(found[SHARE], part))
    assert again[SHARE].kind is Theory


def test_a_stored_result_has_names_units_and_meanings_and_survives_the_disk(tmp_path: Path) -> None:
    found = of([Joint(np.zeros(2), np.eye(2), 9.0)] * 2)
    data = found.dataset
    assert set(data.variables) == {
        "table", "face", "share", "share_se", "share_covariance", "share_theory", "share_bias"
    }  # fmt: skip
    assert (data["face"].attrs["units"], data["share"].attrs["units"]) == ("dot", "1")
    assert data["share_covariance"].dims == ("table", "face", "face_")
    assert data["share_theory"].attrs["long_name"] == "theory of share of rolls"
    results.save(results.tree({"dice": data}, [], {"simlab_study": "casino"}), tmp_path / "result.nc")
    xr.testing.assert_identical(results.load(tmp_path / "result.nc")["dice"].to_dataset(), data)


@given(joints())
def test_what_was_measured_can_be_taken_along_any_of_its_axes(shares: list[Joint]) -> None:
    whole = of(shares)[SHARE]
    turned = whole.along(FACE)
    assert turned.axes == (FACE, TABLE)
    for part in ("value", "se", "reference", "bias"):
        same(turned, **{part: getattr(whole, part).T})
    assert np.isnan(turned.covariance), "that was along the faces of one table"
    again = whole.along(TABLE)
    same(again, value=whole.value, covariance=whole.covariance)
    with pytest.raises(ValueError, match=r"tuple\.index"):
        whole.along(axis("another"))


def test_a_number_without_an_error_but_rounding_may_be_claimed() -> None:
    found = entered({MEAN: Beside([3.5, 4.0], Theory(3.5, 1e-9))})
    assert [found[MEAN][i].equals(*NAMED, se=0.0).verdict for i in (0, 1)] == ["holds", "fails"]
    assert found[MEAN][0].equals(*NAMED).verdict == "undecided", "nothing is known of its error"
