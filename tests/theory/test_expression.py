"""The safe parser: what it reads, and that everything else ends in one sentence."""

from __future__ import annotations

import cProfile
import sys

import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from simlab.theory import expression
from simlab.theory.expression import FUNCTIONS, ExpressionError, parse
from simlab.theory.work import TooMuchWork, counted_calls

X = sp.Symbol("x", real=True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x**4/4 - x**2/2", X**4 / 4 - X**2 / 2),
        ("0.1*x", X / 10),
        ("1e-3 * x**2", X**2 / 1000),
        ("-exp(-x**2) + sqrt(1 + x**2)", -sp.exp(-(X**2)) + sp.sqrt(1 + X**2)),
        ("x**2 if x > 0 else -x", sp.Piecewise((X**2, X > 0), (-X, True))),
        ("Piecewise((x**2, 0 < x < 1), (abs(x), True))", sp.Piecewise((X**2, (X > 0) & (X < 1)), (sp.Abs(X), True))),
        ("Max(x, 0, -x) + cos(pi*x) + E", sp.Max(X, 0, -X) + sp.cos(sp.pi * X) + sp.E),
    ],
)
def test_formulas_are_read_exactly(text: str, expected: sp.Expr) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("x^2", "write **"), ("y + 1", "'y' is unknown"), ("sinn(x)", "did you mean sin"), ("1/0", "division by zero"),
        ("__import__('os').system('true')", "only plain calls"), ("x.__class__", "an attribute"),
        ("9**9**9**9", "exponent"), ("(lambda: 1)()", "only plain calls"), ("[x]", "a list"),
        ("x if x else 1", "a condition is wanted"), ("x > 1", "is a condition"), ("exp(x", "not a formula"),
        ("", "not a formula"), ("x" * 2000, "at most"), ("log(0)", "not a finite real number"),
        ("sqrt(-1)", "not a finite real number"), ("Max(x)", "two or more"), ("-" * 100 + "x", "nested"),
        ("1e400", "out of range"), ("exp(x, x)", "1 argument"), ("'x'", "not a real number"),
    ],
)  # fmt: skip
def test_everything_else_is_refused_in_a_sentence(text: str, fragment: str) -> None:
    with pytest.raises(ExpressionError, match=r"^[^\n]*$") as error:
        parse(text)
    assert fragment in str(error.value)


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("floor(exp(exp(20)))*x**2", "a constant is out of range"), ("exp(exp(20))", "a constant is out of range"),
        ("Min(exp(exp(20)), exp(exp(21)), x)", "out of range"), ("sign(exp(exp(exp(5))) - 1)", "out of range"),
        ("x if exp(exp(20)) > 3 else 1", "out of range"), ("floor(exp(exp((x + 10) - x)))", "out of range"),
        ("exp(-exp(20))*x", "out of range"), ("2**64**64", "out of range"), ("cosh(1e4)*x", "out of range"),
        ("1e999999999", "out of range"), ("1e-999999999", "out of range"), ("(x + 1)**64**2", "exponent is beyond 64"),
        ("((x + 1)**64)**64", "exponent is beyond 64"), ("(((2*x)**64)**64)**64", "too large"),
        ("(-1)**x", "a negative number to a power that is not whole is complex"), ("(-2)**0.5*x", "complex"),
        ("x if sqrt(5 + 2*sqrt(6)) > sqrt(2) + sqrt(3) else 1", "too close to each other"),
        ("floor(sqrt(5 + 2*sqrt(6)) - sqrt(2) - sqrt(3))", "column 7"), ("asin(2)*x", "not a finite real number"),
    ],
)  # fmt: skip
def test_what_would_be_evaluated_for_ever_is_refused(text: str, fragment: str) -> None:
    with pytest.raises(ExpressionError, match=r"^[^\n]*\.$") as error:
        parse(text)
    assert fragment in str(error.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("floor(-pi) + sign(-E) + abs(1 - pi)", sp.pi - 6), ("x if pi > 3 else 1", X),
        ("Max(pi, E, 3, x)", sp.Max(sp.pi, X)),
        ("Min(sqrt(2), 2**0.5, x)", sp.Min(sp.sqrt(2), X)), ("floor(7/2)*x", 3 * X), ("0e999999999*x + 10**30", 10**30),
        ("1_000*x", 1000 * X), ("tanh(exp(20))*x", sp.tanh(sp.exp(20)) * X),
    ],
)  # fmt: skip
def test_constants_are_compared_by_their_floats(text: str, expected: sp.Expr) -> None:
    assert parse(text) == expected


CONSTANTS = st.sampled_from(["x", "2", "0.5", "1e30", "1e-30", "20", "pi", "64", "E"])
FORMULAS = st.recursive(CONSTANTS, lambda e: st.one_of(
    st.tuples(e, st.sampled_from(["+", "-", "*", "/", "**"]), e).map(lambda t: f"({t[0]}{t[1]}{t[2]})"),
    st.tuples(st.sampled_from([f for f in FUNCTIONS if f not in ("Min", "Max")]), e).map(lambda t: f"{t[0]}({t[1]})"),
    st.tuples(st.sampled_from(["Min", "Max"]), e, e).map(lambda t: f"{t[0]}({t[1]}, {t[2]})"),
    st.tuples(e, e, e, e).map(lambda t: f"({t[0]} if {t[1]} < {t[2]} else {t[3]})"),
), max_leaves=30)  # fmt: skip


@given(FORMULAS)
def test_any_formula_is_answered(text: str) -> None:
    try:
        result = parse(text)
    except ExpressionError:
        return
    assert result.free_symbols <= {X}


def test_the_work_is_bounded_by_the_calls_of_sympy(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "Max(" + ", ".join(f"sin({k}*x)" for k in range(40)) + ")"
    monkeypatch.setattr(expression, "MOST_CALLS", 10_000)
    with pytest.raises(ExpressionError, match="takes too long to evaluate"):
        parse(text)
    with pytest.raises(TooMuchWork), counted_calls(100):
        [sp.sin(k * X) for k in range(100)]
    assert sys.getprofile() is None


def test_formulas_are_read_under_a_profiler() -> None:
    with cProfile.Profile() as profiler:
        assert parse("x**2") == X**2
        [sp.sin(k * X) for k in range(10)]
    assert any("sin" in str(entry.code) for entry in profiler.getstats())


WORDS = st.sampled_from(
    ["x", "1", "0.5", "+", "-", "*", "/", "**", "(", ")", ",", "<", " if ", " else ", "pi", ".", *FUNCTIONS]
)


@given(st.one_of(st.text(max_size=40), st.lists(WORDS, max_size=14).map("".join)))
def test_no_text_does_anything_but_parse_or_be_refused(text: str) -> None:
    try:
        result = parse(text)
    except ExpressionError:
        return
    assert isinstance(result, sp.Expr)
    assert result.free_symbols <= {X}


@given(st.recursive(
    st.one_of(st.sampled_from(["x", "x**2", "(x + 1)**3"]), st.integers(0, 99).map(str)),
    lambda e: st.one_of(
        st.tuples(e, st.sampled_from("+-*"), e).map(lambda t: f"({t[0]}{t[1]}{t[2]})"), e.map(lambda t: f"sin({t})")
    ),
    max_leaves=8,
))  # fmt: skip
def test_what_is_read_is_what_python_means(text: str) -> None:
    assert parse(text) == sp.sympify(eval(text, {"x": X, "sin": sp.sin}))
