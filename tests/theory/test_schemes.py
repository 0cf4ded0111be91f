"""Equations, calculi and schemes as expressions."""

from __future__ import annotations

import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from simlab.theory.chain import DT, Chain, stopped, unit_normals
from simlab.theory.schemes import EULER, HEUN, MILSTEIN, SCHEMES, Scheme, baoab
from simlab.theory.sde import SDE, langevin

X, Y = sp.symbols("x y", real=True)
S = sp.Symbol("s", positive=True)
COEFFICIENTS = st.lists(st.fractions(-2, 2, max_denominator=4), min_size=3, max_size=3)


def polynomial(coefficients: list[sp.Rational], x: sp.Symbol = X) -> sp.Expr:
    return sum(sp.Rational(str(c)) * x**n for n, c in enumerate(coefficients))


@given(COEFFICIENTS, COEFFICIENTS, COEFFICIENTS)
def test_calculi_round_trip(drift: list[sp.Rational], a: list[sp.Rational], b: list[sp.Rational]) -> None:
    sde = SDE((X, Y), (polynomial(drift), X * Y), sp.Matrix([[polynomial(a), Y], [0, polynomial(b, Y)]]))
    back = sde.to("stratonovich").to("ito")
    assert [sp.expand(e - f) for e, f in zip(back.drift, sde.drift, strict=True)] == [0, 0]


def test_a_stratonovich_equation_is_the_ito_equation_with_half_s_s_prime() -> None:
    assert SDE(X, 0, X**2 + 1, "stratonovich").to("ito").drift == (sp.Mul(X, X**2 + 1),)


def moments(scheme: Scheme, sde: SDE) -> list[sp.Expr]:
    """The coefficients of sqrt(dt) and dt in E (x' - x)^n for n = 1, 2, 3, from the Gaussian moments of the update."""
    root = sp.Symbol("r", positive=True)
    chain = scheme(sde)
    (xi,) = chain.normals
    move = sp.Poly(sp.expand(sp.expand(chain.update[0] - X).subs(DT, root**2)), xi, root)
    result = []
    for n in (1, 2, 3):
        orders = {1: sp.Integer(0), 2: sp.Integer(0)}
        for (normal, order), coefficient in (move**n).as_dict().items():
            if order in orders and normal % 2 == 0:
                orders[order] += coefficient * (sp.factorial2(normal - 1) if normal else 1)
        result.append(orders)
    return result


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)
def test_one_step_has_the_ito_moments_to_first_order(scheme: Scheme) -> None:
    b, s = X - X**3 / 5, 1 + X**2 / 4
    sde = SDE(X, b, s).to(scheme.calculus)
    for found, expected in zip(moments(scheme, sde), (b, s**2, 0), strict=True):
        assert sp.expand(found[1]) == 0
        assert sp.expand(found[2] - expected) == 0


def test_milstein_is_euler_for_additive_noise() -> None:
    sde = SDE(X, -(X**3), S)
    assert [sp.expand(a - b) for a, b in zip(MILSTEIN(sde).update, EULER(sde).update, strict=True)] == [0]


def test_milstein_refuses_noise_that_does_not_commute() -> None:
    with pytest.raises(ValueError, match="Milstein needs diagonal noise"):
        MILSTEIN(SDE((X, Y), (0, 0), sp.Matrix([[1, Y], [0, 1]])))
    HEUN(SDE((X, Y), (0, 0), sp.Matrix([[1, Y], [0, 1]]), "stratonovich"))


def test_formulas_read_as_in_a_book() -> None:
    x, dW = sp.symbols("x dW", real=True)
    f, g = sp.Function("f"), sp.Function("g")
    assert EULER.formula == x + f(x) * DT + g(x) * dW
    assert sp.expand(MILSTEIN.formula - EULER.formula - g(x) * g(x).diff(x) * (dW**2 - DT) / 2) == 0


def test_baoab_keeps_the_harmonic_configuration_exactly() -> None:
    T = sp.Symbol("T", positive=True)
    chain = baoab(X**2 / 2, X, Y, friction=1, temperature=T)
    jacobian = sp.Matrix(chain.update).jacobian([X, Y])
    root = sp.Matrix(chain.update).jacobian(chain.normals)
    a, b, c = sp.symbols("a b c")
    covariance = sp.Matrix([[a, b], [b, c]])
    equations = (jacobian * covariance * jacobian.T + root * root.T - covariance).subs(DT, sp.Rational(1, 2))
    solution = sp.solve(list(equations), [a, b, c], dict=True)[0]
    assert sp.simplify(solution[a] - T) == 0


def test_a_stopped_chain_counts_the_steps_it_lives() -> None:
    chain = stopped(Chain((X,), (X + 1,), ()), X < 3)
    state: dict[sp.Symbol, sp.Expr] = dict(zip(chain.state, (sp.Integer(0), sp.Integer(0)), strict=True))
    for _ in range(6):
        state = {s: e.subs(state) for s, e in zip(chain.state, chain.update, strict=True)}
    assert list(state.values()) == [3, 3]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SDE(X, (1, 2), 1), "drift has 2 components"),
        (lambda: SDE((X, Y), (0, 0), (1, 1, 1)), "diagonal noise has 3"),
        (lambda: SDE(X, 0, 1, boundary="periodic"), "needs a domain"),
        (lambda: SDE(X, 0, 1, domain=(1, 0), boundary="periodic"), "low < high"),
        (lambda: SDE(X, 0, 1, domain=(0, 1)), "a domain needs a boundary"),
        (lambda: SDE(X, "-y", 1), "the name 'y' is unknown"),
        (lambda: SDE("x", -X, 1), "distinct sympy symbols"),
        (lambda: SDE(X, sp.I * X, 1), "must be real"),
        (lambda: EULER(SDE(X, -S * X, sp.Symbol("s"))), "name of two symbols"),
        (lambda: SDE(X, 0, 1, calculus="strat"), "calculus must be"),  # type: ignore[arg-type]
        (lambda: SDE((X, X), (0, 0), 1), "distinct"),
        (lambda: SDE((X, Y), (0, 0), sp.Matrix([[1, 1]])), "1 rows"),
        (lambda: EULER(SDE(X, -sp.Symbol("dt") * X, 1)), "the name dt is the time step"),
        (lambda: Chain((X,), (X, X), ()), "1 state symbols but 2"),
        (lambda: Chain((sp.Symbol("xi0", real=True),), (X,), unit_normals(1)), "name unit normals"),
    ],
)
def test_nonsense_is_refused(make: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()  # type: ignore[operator]


def test_boundaries_bring_a_walker_back() -> None:
    circle = SDE(X, 0, 1, domain=(0, 2), boundary="periodic")
    walls = SDE(X, 0, 1, domain=(0, 2), boundary="reflecting")
    for position, wrapped, folded in ((2.5, 0.5, 1.5), (-0.5, 1.5, 0.5), (4.25, 0.25, 0.25), (1, 1, 1)):
        assert float(circle.confine(sp.Float(position), 0)) == wrapped
        assert float(walls.confine(sp.Float(position), 0)) == folded
    assert langevin(X**2 / 2, X, 1).confine(X, 0) == X
