"""The safe parser: what it reads, and that everything else ends in one sentence."""

from __future__ import annotations

import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from simlab.theory.expression import FUNCTIONS, ExpressionError, parse

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
