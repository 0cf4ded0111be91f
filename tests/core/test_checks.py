"""Arguments come to float64 from any kind of number, and what is none is refused by name, value and what is allowed."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

from simlab.core.checks import number, numbers, one_of, real_array, shown, stored, whole
from simlab.core.device import Device, on_host, real
from simlab.core.device import stored as stored_on
from tests.domains.calls import KINDS
from tests.refusals import refused_in_one_sentence
from tests.sde import host_cuda

HUGE = 10**400
VALUES = np.array([[1.0, 2.0], [3.0, 4.0]])
REFUSED: list[tuple[Callable[[], Any], str]] = [
    (lambda: number("x", math.nan), "x must be a finite number, got nan"),
    (lambda: number("x", math.inf), "x must be a finite number, got inf"),
    (lambda: number("x", math.nan, infinite=True), "x must be a number, got nan"),
    (lambda: number("x", "1"), "x must be a finite number, got '1'"),
    (lambda: number("x", b"1"), "x must be a finite number"),
    (lambda: number("x", True), "x must be a finite number, got True"),
    (lambda: number("x", np.True_), "x must be a finite number, got True"),
    (lambda: number("x", None), "x must be a finite number, got None"),
    (lambda: number("x", 1j), "x must be a finite number, got 1j"),
    (lambda: number("x", [1.0]), r"x must be a finite number, got \[1.0\]"),
    (lambda: number("x", np.array([1.0])), "got float64 of shape"),
    (lambda: number("x", sympy.Symbol("t")), "x must be a finite number, got t"),
    (lambda: number("x", HUGE), "x must be a finite number, got 1000"),
    (lambda: number("x", 10**5000), "got int too long to show"),
    (lambda: number("x", HUGE, infinite=True), "x must be a number, got 1000"),
    (lambda: number("x", 0, above=0), "x must be a finite number above 0, got 0"),
    (lambda: number("x", -0.1, at_least=0, at_most=1), "of at least 0 and at most 1, got -0.1"),
    (lambda: number("x", 1, at_least=0, below=1), "of at least 0 and below 1, got 1"),
    (lambda: whole("n", 0, 1), "n must be a whole number from 1 up, got 0"),
    (lambda: whole("n", 4, 1, 3), "n must be a whole number from 1 to 3, got 4"),
    (lambda: whole("n", 1.5), "n must be a whole number from 0 up, got 1.5"),
    (lambda: whole("n", math.inf), "n must be a whole number"),
    (lambda: whole("n", math.nan), "n must be a whole number"),
    (lambda: whole("n", "1"), "n must be a whole number"),
    (lambda: whole("n", True), "n must be a whole number"),
    (lambda: whole("n", 0, 1, allowed="one of the members"), "n must be one of the members, got 0."),
    (lambda: number("x", 2, below=1, allowed="in [0, 1)"), r"x must be in \[0, 1\), got 2."),
    (lambda: numbers("x", [1, math.nan]), "x must be finite numbers, got nan"),
    (lambda: numbers("x", [1, math.inf], nan=True), "x must be finite numbers, got inf"),
    (lambda: numbers("x", [0.0, 1.0], above=0), "x must be finite numbers above 0, got 0"),
    (lambda: numbers("x", [0.5, 2.0], at_least=0, at_most=1), "got 2"),
    (lambda: numbers("x", 1.0, ndim=1), "x must be a row of numbers, got shape"),
    (lambda: numbers("x", [1.0], ndim=2), "x must be a table of numbers"),
    (lambda: numbers("x", [1.0], ndim=0), "x must be a single number"),
    (lambda: numbers("x", [1.0], ndim=3), "x must be 3 axes"),
    (lambda: real_array("x", "text"), "x must be an array of real numbers, got 'text'"),
    (lambda: real_array("x", ["1.5", 2]), "x must be an array of real numbers"),
    (lambda: real_array("x", np.array(["1.5"], object)), "x must be an array of real numbers"),
    (lambda: real_array("x", [1j]), "x must be an array of real numbers"),
    (lambda: real_array("x", [[1], [1, 2]]), "x must be an array of real numbers"),
    (lambda: real_array("x", [sympy.Symbol("t")]), "x must be an array of real numbers"),
    (lambda: real_array("x", [HUGE]), "x must be an array of real numbers"),
    (lambda: real_array("x", np.array(["2020"], "M8[Y]")), "x must be an array of real numbers, got datetime64"),
    (lambda: real_array("x", {}), "x must be an array of real numbers, got {}"),
    (lambda: real_array("x", None), "x has gaps"),
    (lambda: real_array("x", [1, None]), "x has gaps; fill them"),
    (lambda: real_array("x", np.ma.array([1, 2], mask=[False, True])), "x has masked entries; fill them"),
    (lambda: one_of("kind", "c", ("a", "b")), "kind must be one of a, b, got 'c'"),
    (lambda: one_of("kind", 1, ("a", "b")), "kind must be one of a, b, got 1"),
]


@pytest.mark.parametrize(("call", "message"), REFUSED, ids=[f"{k} {m}" for k, (_, m) in enumerate(REFUSED)])
def test_refused_in_one_sentence(call: Callable[[], Any], message: str) -> None:
    refused_in_one_sentence(call, message)


@pytest.mark.parametrize(
    "value", [2, 2.0, np.int8(2), np.uint64(2), np.float16(2), np.array(2.0), Fraction(2), Decimal(2), sympy.Integer(2)]
)
def test_a_number_of_any_kind_is_a_float(value: Any) -> None:
    for found in (number("x", value), number("x", value, above=1, below=3), number("x", value, at_least=2, at_most=2)):
        assert type(found) is float
        assert found == 2
    assert type(whole("x", value)) is int
    assert whole("x", value, 2, 2) == 2


def test_bounds_hold_to_the_last_bit() -> None:
    below, above = math.nextafter(1.0, 0.0), math.nextafter(1.0, 2.0)
    assert number("x", above, above=1) == above
    assert number("x", below, below=1) == below
    for refused in ({"above": 1.0}, {"below": 1.0}, {"at_least": above}, {"at_most": below}):
        with pytest.raises(ValueError, match="x must be"):
            number("x", 1.0, **refused)  # type: ignore[arg-type]
    assert number("x", math.inf, above=0, infinite=True) == math.inf
    assert number("x", -math.inf, infinite=True) == -math.inf
    with pytest.raises(ValueError, match="below 5"):
        number("x", math.inf, below=5, infinite=True)


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_of_any_kind_are_an_array_of_their_own(kind: str) -> None:
    given_ = KINDS[kind](VALUES)
    found = numbers("x", given_, above=0, ndim=2)
    assert found.dtype == np.float64
    assert found.flags.writeable
    np.testing.assert_array_equal(found, VALUES)
    found[0, 0] = 7
    np.testing.assert_array_equal(np.asarray(given_, float), VALUES)


def test_what_may_be_missing_or_is_exact_is_read() -> None:
    assert real_array("x", pd.Series([1, 2], dtype="Int64")).tolist() == [1, 2]
    assert np.isnan(numbers("x", pd.Series([1, None], dtype="Int64"), nan=True)).tolist() == [False, True]
    assert real_array("x", pd.DataFrame({"a": [1, 2], "b": [0.5, 2]})).tolist() == [[1, 0.5], [2, 2]]
    assert real_array("x", [Fraction(1, 2), sympy.Rational(1, 4), Decimal("0.25")]).tolist() == [0.5, 0.25, 0.25]
    assert real_array("x", np.ma.array([1, 2])).tolist() == [1, 2]
    assert real_array("x", [True, False]).tolist() == [1, 0]
    assert real_array("x", []).shape == (0,)
    assert stored("x", np.array([1, 2], object)).dtype.kind == "i"
    assert stored("x", np.array([1, 2], ">f4")).dtype == np.dtype(">f4")
    assert numbers("x", [1, math.nan, -math.inf], nan=True, infinite=True).shape == (3,)


@given(
    st.one_of(
        st.floats(), st.text(), st.binary(), st.none(), st.lists(st.integers()), st.integers(), st.complex_numbers()
    )
)
def test_a_value_is_shown_on_one_short_line(value: Any) -> None:
    text = shown(value)
    assert "\n" not in text
    assert 0 < len(text) <= 60


def test_arrays_are_shown_by_their_kind_and_shape() -> None:
    assert shown(np.zeros((2, 3), "int8")) == "int8 of shape (2, 3)"
    assert shown(np.float32(0.1)) == "0.1"
    assert shown(pd.DataFrame(VALUES)) == "DataFrame of shape (2, 2)"
    assert shown(10**5000) == "int too long to show"
    assert shown(np) == repr(np)[:57] + "..."  # it has a function of the name shape


def test_numbers_of_a_card_stay_there_or_come_to_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    card = host_cuda.install(monkeypatch)
    own = card.asarray(VALUES.astype("int8"))
    assert type(real("x", own)) is host_cuda.DeviceArray
    assert real("x", own).dtype == np.float64
    assert stored_on("x", own) is own
    assert type(real("x", VALUES.tolist(), card)) is host_cuda.DeviceArray
    assert type(on_host("x", own)) is np.ndarray
    with pytest.raises(ValueError, match="x must be on the cpu as the others are"):
        real("x", own, Device.open("cpu"))
    with pytest.raises(ValueError, match="x must be an array of real numbers"):
        real("x", own * 1j)
    with pytest.raises(ValueError, match="x must be finite numbers below 4, got 4"):
        on_host("x", own, below=4)
    plain = VALUES.copy()
    assert real("x", plain) is plain  # nothing to do
