"""Expressions, symbols and values as a user hands them over: read, or refused in one sentence."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

import numpy as np
import sympy as sp

from simlab.core.checks import many_axes, number, shown
from simlab.theory.expression import ExpressionError, parse

Values = Mapping[Any, float]
"""A number for every parameter, by symbol or by name."""
NO_TIME = "t is not the time here; for drift or noise that depends on time add a component with drift 1 and noise 0."


def expression(
    name: str, value: Any, symbols: Iterable[sp.Symbol] = (), parameters: Iterable[sp.Symbol] = ()
) -> sp.Expr:
    """One real expression: sympy's, a number, or text in symbols and parameters; ValueError for anything else.

    A symbol of the same name as one of `symbols` but with other assumptions is another symbol to sympy, of which
    nothing would depend on the state: it is refused.
    """
    symbols = tuple(symbols)
    if isinstance(value, str):
        return _read(name, value, (*symbols, *parameters))
    if isinstance(value, (np.ndarray, np.generic)) and value.ndim == 0:
        value = value.item()
    found = None
    if not (value is None or isinstance(value, bool) or many_axes(value)):
        with suppress(sp.SympifyError, TypeError):
            found = sp.sympify(value, strict=True)
    if not isinstance(found, sp.Expr) or found.is_Matrix:
        raise ValueError(f"{name} must be an expression of sympy, a number or a formula as text, got {shown(value)}.")
    if found.is_real is False or found.has(sp.I, sp.nan, sp.zoo, sp.oo, -sp.oo):
        raise ValueError(f"{name}: expressions must be real and finite, got {shown(value)}.")
    if isinstance(found, sp.Number) and abs(found) > sys.float_info.max:
        raise ValueError(f"{name}: numbers must be at most 1.8e308 in size, got {shown(value)}.")
    same_symbols(name, found, symbols)
    return found


def same_symbols(name: str, e: sp.Basic, symbols: Iterable[sp.Symbol]) -> None:
    """Refuse symbols in e that are called like one of `symbols` and are another."""
    by_name = {s.name: s for s in symbols}
    for s in sorted(e.free_symbols, key=str):
        if isinstance(s, sp.Symbol) and by_name.get(s.name, s) != s:
            raise ValueError(
                f"{name} holds a symbol {s} with other assumptions than the {s} of the equation, so the two are "
                f"different symbols to sympy; make {s} = sympy.Symbol({s.name!r}, real=True) once and use it in both."
            )


def states(name: str, value: Any) -> tuple[sp.Symbol, ...]:
    """One symbol or a sequence of distinct ones."""
    found = (value,) if isinstance(value, (sp.Symbol, str)) or not np.iterable(value) else tuple(value)
    names = [s.name for s in found if isinstance(s, sp.Symbol)]
    if not found or len(names) < len(found) or len(set(names)) < len(names):
        raise ValueError(f"{name} must be distinct sympy symbols, got {shown(value)}.")
    return found


def derivative(e: sp.Expr, x: sp.Symbol, order: int = 1) -> sp.Expr:
    """The derivative by a symbol that stands for a real number, whether it was declared real or not.

    Numbers are real here: of |u| it is that of u or -u, also where sympy cannot tell whether u is real.
    """
    real = x if x.is_real else sp.Dummy(x.name, real=True)
    e = e.xreplace({x: real}).replace(
        lambda a: isinstance(a, sp.Abs) and a.args[0].is_real is None,
        lambda a: sp.Piecewise((a.args[0], a.args[0] >= 0), (-a.args[0], True)),
    )
    return sp.diff(e, real, order).xreplace({real: x})


def by_name(name: str, values: Mapping[Any, Any]) -> dict[str, Any]:
    """Values by the names of their symbols; ValueError where one is given twice, by symbol and by name."""
    found = {str(symbol): value for symbol, value in values.items()}
    if len(found) < len(values):
        raise ValueError(f"{name} must hold each name once, got {shown(dict(values))}.")
    return found


def bind(parameters: Iterable[sp.Symbol], values: Any, besides: Iterable[str] = ()) -> dict[sp.Symbol, float]:
    """Values by symbol; one that is missing, unknown or no number is named. besides: names that may be left over."""
    parameters = tuple(parameters)
    if not isinstance(values, Mapping):
        raise ValueError(f"values must be a dictionary from parameters to numbers, got {shown(values)}.")
    same = by_name("values", values)
    if missing := [str(s) for s in parameters if str(s) not in same]:
        wanted = ", ".join(f"{m!r}: ..." for m in missing)
        raise ValueError(f"values: the model has parameters without a value: give {{{wanted}}}.")
    if unknown := set(same) - {str(s) for s in parameters} - set(besides):
        known = ", ".join(str(s) for s in parameters) or "none"
        raise ValueError(
            f"values: the model has no parameter {', '.join(sorted(unknown))}; its parameters are {known}."
        )
    return {s: number(f"{s} in the values of the parameters", same[str(s)], infinite=True) for s in parameters}


def _read(name: str, text: str, symbols: tuple[sp.Symbol, ...]) -> sp.Expr:
    try:
        found = parse(text, [s.name for s in symbols])
    except ExpressionError as error:
        if "the name 't' is unknown" in str(error):
            raise ValueError(f"{name}: {NO_TIME}") from error
        raise ValueError(f"{name}: {error}") from error
    return found.xreplace({sp.Symbol(s.name, real=True): s for s in reversed(symbols)})


__all__ = ["bind", "by_name", "derivative", "expression", "same_symbols", "states"]
