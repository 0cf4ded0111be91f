"""What users hand over as mathematics: text, numbers, arrays, symbols of the same name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sympy as sp

from simlab.sde import DT, EULER, SDE, Chain, Options, baoab, kernel, langevin, stopped, walk
from simlab.theory import fokker_planck as fp
from simlab.theory import sgd, transfer

X, Y, T = sp.Symbol("x", real=True), sp.Symbol("y", real=True), sp.Symbol("T", positive=True)
PLAIN = sp.Symbol("x")
DOUBLE = X**4 / 4 - X**2 / 2


def test_text_is_mathematics_everywhere() -> None:
    well = langevin(DOUBLE, X, T)
    assert langevin("x**4/4 - x**2/2", X, T) == well
    assert langevin("x**4/4 - x**2/2", X, "1/2") == well.subs({T: sp.S.Half})
    assert SDE(X, "x - x**3", sp.sqrt(2 * T)) == well
    assert SDE((X, Y), ("-x", "x - y"), [["1", 0], [0, "x**2"]]) == SDE((X, Y), (-X, X - Y), sp.diag(1, X**2))
    assert SDE(X, "-T*x", sp.sqrt(T)) == SDE(X, -T * X, sp.sqrt(T))  # a parameter that another argument names
    assert sgd.sgd("x**2*y**2/2", (X, Y), [0, 1]) == sgd.sgd(X**2 * Y**2 / 2, (X, Y), [0, 1])
    assert sgd.mean_drift("1 + x**2", "1") == sgd.mean_drift(1 + X**2, 1)
    assert baoab("x**2/2", X, Y, friction=1, temperature=T) == baoab(X**2 / 2, X, Y, friction=1, temperature=T)
    assert Chain((X,), ("x/2",), ()) == Chain((X,), (X / 2,), ())
    assert fp.slope(well, "x**2", {"T": 0.5}) == fp.slope(well, X**2, {T: 0.5})
    assert fp.kramers("x**4/4 - x**2/2", 0.1, -1, 0) == fp.kramers(DOUBLE, 0.1, -1, 0)


def test_states_that_were_not_declared_real_are_real() -> None:
    found = langevin("Abs(x) + x**2/2", PLAIN, T)
    assert found.drift == (-PLAIN - sp.sign(PLAIN),)
    assert walk(found, walkers=3, steps=4, dt=0.1, parameters={"T": 1}).attrs["diverged"] == 0
    assert langevin(sp.sympify("x**2/2"), PLAIN, T).drift == (-PLAIN,)


@pytest.mark.parametrize(
    "make",
    [
        lambda: langevin(sp.sympify("x**2/2"), X, T),
        lambda: langevin(X**2 / 2, sp.Symbol("x", positive=True), T),
        lambda: SDE(X, -PLAIN, 1),
        lambda: SDE(X, -X, 1 + PLAIN**2),
        lambda: SDE((X, Y), (-X, -Y), [[1, sp.Symbol("y")], [0, 1]]),
        lambda: Chain((X,), (PLAIN / 2,), ()),
        lambda: stopped(EULER(langevin(DOUBLE, X, T)), PLAIN < 1),
        lambda: sgd.sgd(PLAIN**2, (X,), [1]),
        lambda: sgd.mean_drift(1 + PLAIN**2, 1, X),
        lambda: baoab(PLAIN**2, X, Y, friction=1, temperature=1),
        lambda: fp.slope(langevin(DOUBLE, X, T), PLAIN**2, {T: 1}),
        lambda: fp.residual(langevin(DOUBLE, X, T), sp.exp(-(PLAIN**2))),
    ],
)
def test_another_symbol_of_the_same_name_is_refused_with_what_mends_it(make: Any) -> None:
    with pytest.raises(ValueError, match=r"real=True\) once and use it in both\.$") as error:
        make()
    assert "assumptions" in str(error.value)


@pytest.mark.parametrize(
    "value",
    [np.arange(3.0), np.array(["x", "x"]), [[X]], None, True, 1j, float("nan"), object(), sp.Matrix([[X, X]]), X < 1],
)
def test_what_is_no_expression_is_refused(value: Any) -> None:
    for make in (lambda: langevin(value, X, T), lambda: SDE(X, value, 1), lambda: sgd.sgd(value, (X,), [1])):
        with pytest.raises(ValueError, match=r"\.$"):
            make()


def test_time_is_a_component() -> None:
    for drift in (-X + sp.sin(sp.Symbol("t")), -X * sp.Symbol("t", positive=True)):
        with pytest.raises(ValueError, match="add a component with drift 1 and noise 0"):
            SDE(X, drift, 1)
    clock = sp.Symbol("t", real=True)
    found = walk(SDE((X, clock), (-X + sp.sin(clock), 1), (1, 0)), walkers=2, steps=10, dt=0.1)
    assert found.values[0, 0, 1] == pytest.approx(1)


def test_noise_as_a_table_or_an_array_and_numbers_of_any_kind() -> None:
    wanted = SDE((X, Y), (0, 0), sp.Matrix([[1, 2], [0, 3]]))
    for table in ([[1, 2], [0, 3]], ((1, 2), (0, 3)), np.array([[1, 2], [0, 3]])):
        assert SDE((X, Y), (0, 0), table) == wanted
    assert SDE((X, Y), np.zeros(2, int), np.array([1, 3])) == SDE((X, Y), (0, 0), (1, 3))
    assert SDE(X, 0, np.array(2)) == SDE(X, 0, np.int8(2)) == SDE(X, 0, 2)
    frozen = np.ones(2, int)
    frozen.flags.writeable = False
    assert SDE((X, Y), frozen, 1).drift == (1, 1)


def test_domains_with_an_infinite_end() -> None:
    half = SDE(X, 1 - X, sp.sqrt(X), domain=(0, sp.oo), boundary="reflecting")
    assert half == SDE(X, 1 - X, sp.sqrt(X), domain=(0, np.inf), boundary="reflecting")
    assert half.confine(sp.Integer(-2), 0) == 2
    left = SDE(X, 0, 1, domain=(-sp.oo, 3), boundary="reflecting")
    assert [left.confine(sp.Integer(v), 0) for v in (5, 1)] == [1, 1]
    found = walk(SDE(X, -1, 1, domain=(0, sp.oo), boundary="reflecting"), walkers=500, steps=50, dt=0.1)
    assert found.values.min() >= 0
    with pytest.raises(ValueError, match="must be finite for a periodic boundary"):
        SDE(X, 0, 1, domain=(0, sp.oo), boundary="periodic")


def test_values_by_name_and_states_with_close_names() -> None:
    well = langevin(DOUBLE, X, T)
    by_symbol = fp.density(well, {T: 0.5}).expect(np.square)
    values: tuple[Any, ...] = (0.5, np.float32(0.5), np.array(0.5), sp.S.Half)
    for value in values:
        assert fp.density(well, {"T": value}).expect(np.square) == by_symbol
    assert fp.mean_first_passage(well, {"T": 0.1}, -1, 1) == fp.mean_first_passage(well, {T: 0.1}, -1, 1)
    one, other = (transfer.gaussian(EULER(well), v) for v in ({"T": 0.5, "dt": 0.1}, {T: 0.5, DT: 0.1}))
    np.testing.assert_array_equal(one.operator, other.operator)
    close = sp.symbols("x x_", real=True)
    found = walk(SDE(close, (-close[0], 1 - close[1]), (0, 0)), walkers=2, steps=3, dt=0.5, x0=[1, 0])
    np.testing.assert_allclose(found.values[0, 0], [0.125, 0.875])


def test_kramers_wants_a_bottom_and_a_top() -> None:
    for bottom, top in ((0, -1), (-1, 1), (-0.9, 0), (-1, 0.1), (1, -1)):
        with pytest.raises(ValueError, match="must be a m"):
            fp.kramers(DOUBLE, 0.1, bottom, top)
    # To a thousandth of their distance is near enough: a bottom that a user read off a figure.
    assert fp.kramers(DOUBLE, 0.1, -1.0004, 0.0004) == pytest.approx(fp.kramers(DOUBLE, 0.1, -1, 0), rel=2e-3)


def test_clocks_in_single_precision() -> None:
    clock = sp.Symbol("t", real=True)
    model = SDE((X, clock), (-X, 1), (1, 0))
    assert kernel(model).clocks == ("t",)
    assert kernel(stopped(EULER(langevin(DOUBLE, X, T)), X < 0)).clocks == ("lifetime",)
    assert kernel(langevin(DOUBLE, X, T)).clocks == ()
    assert kernel(SDE(X, 1, 0, domain=(0, 1), boundary="periodic")).clocks == ()
    with pytest.raises(ValueError, match=r'component t counts.* 2\^24 = 16777216 steps.*dtype="float64"\.$'):
        walk(model, walkers=1, steps=2**24 + 1, dt=0.01, options=Options(dtype="float32"))
    assert "2^24" in str(Options.__doc__)
