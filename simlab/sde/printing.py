"""Expressions to code: hoist constants, name common subexpressions, print the rest for numba or for CUDA C++."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

import sympy as sp
from sympy.core.relational import Relational
from sympy.logic.boolalg import BooleanAtom

from simlab.theory.chain import Chain

Language = Literal["numba", "cuda"]


class Plan(NamedTuple):
    """A chain made ready for printing.

    state, normals: the symbols; a state whose name could mean something else in a kernel is called s0, s1, ...
    constants: (symbol, expression in the parameters), evaluated once on the host in double precision and then
        rounded to the working dtype; every number of the chain is one of them, so a kernel holds no literals.
    repeated: (symbol, expression), common subexpressions of the update in order.
    update: the next state.
    """

    state: tuple[sp.Symbol, ...]
    normals: tuple[sp.Symbol, ...]
    constants: tuple[tuple[sp.Symbol, sp.Expr], ...]
    repeated: tuple[tuple[sp.Symbol, sp.Expr], ...]
    update: tuple[sp.Expr, ...]


def plan(chain: Chain) -> Plan:
    """Split the update into host constants, repeated subexpressions and results."""
    safe = {s: sp.Symbol(f"s{i}", real=True) for i, s in enumerate(chain.state) if not _is_safe(str(s))}
    state = tuple(safe.get(s, s) for s in chain.state)
    moving = frozenset((*state, *chain.normals))
    names = sp.numbered_symbols("k", real=True, exclude=moving)
    constants: dict[sp.Expr, sp.Symbol] = {}
    plain = [e.xreplace(safe).rewrite(sp.Heaviside, sp.Piecewise) for e in chain.update]
    update = [_hoist(e, moving, constants, names) for e in plain]
    repeated, results = sp.cse(update, symbols=sp.numbered_symbols("t", exclude={*moving, *constants.values()}))
    return Plan(state, chain.normals, tuple((s, e) for e, s in constants.items()), tuple(repeated), tuple(results))


def _is_safe(name: str) -> bool:
    """Whether a state may keep its name: one letter, perhaps with a number, that no template uses itself."""
    return re.fullmatch("[A-Za-z](_?[0-9]+)?", name) is not None and name[0] not in "cijknstuv"


def _hoist(
    e: sp.Basic, moving: frozenset[sp.Symbol], constants: dict[sp.Expr, sp.Symbol], names: Iterator[sp.Symbol]
) -> sp.Basic:
    """Replace the largest constant subexpressions by symbols; -1 as a factor stays a sign."""
    if e in moving or isinstance(e, BooleanAtom):
        return e
    if isinstance(e, sp.Expr) and not e.free_symbols & moving:
        if e not in constants:
            constants[e] = next(names)
        return constants[e]
    if isinstance(e, (sp.Add, sp.Mul)):
        still = [a for a in e.args if not a.free_symbols & moving]
        rest = [_hoist(a, moving, constants, names) for a in e.args if a.free_symbols & moving]
        if still and not (isinstance(e, sp.Mul) and e.func(*still) == -1):
            still = [_hoist(e.func(*still), moving, constants, names)]
        return e.func(*still, *rest)
    if isinstance(e, sp.Pow) and _is_plain(e.exp):
        return sp.Pow(_hoist(e.base, moving, constants, names), e.exp)
    return e.func(*(_hoist(a, moving, constants, names) for a in e.args))


def _is_plain(exponent: sp.Expr) -> bool:
    """Whether the power is computed by products and square roots: integers and halves up to 16."""
    return bool(exponent.is_Rational and exponent.q <= 2 and abs(exponent) <= 16)


# sympy class -> name; both languages know these by overloads on the working dtype.
FUNCTIONS: dict[type, str] = {
    sp.exp: "exp", sp.log: "log", sp.sin: "sin", sp.cos: "cos", sp.tan: "tan", sp.asin: "asin", sp.acos: "acos",
    sp.atan: "atan", sp.atan2: "atan2", sp.sinh: "sinh", sp.cosh: "cosh", sp.tanh: "tanh", sp.erf: "erf",
    sp.floor: "floor", sp.Abs: "fabs", sp.sign: "sign",
}  # fmt: skip
RELATIONS = {sp.Eq: "==", sp.Ne: "!=", sp.Lt: "<", sp.Le: "<=", sp.Gt: ">", sp.Ge: ">="}
LOGIC = {
    "numba": {sp.And: " and ", sp.Or: " or ", sp.Not: "not "},
    "cuda": {sp.And: " && ", sp.Or: " || ", sp.Not: "!"},
}
CHOICE = {"numba": "({0} if {1} else {2})", "cuda": "({1} ? {0} : {2})"}


def comment(text: object) -> str:
    """Text that is safe in a comment of generated code, such as without the backslashes of LaTeX."""
    return str(text).replace("\\", "").replace('"', "'").replace("\n", " ")


def code(e: sp.Basic, language: Language) -> str:
    """The expression as source text; ValueError names a function that kernels do not have."""

    def show(a: sp.Basic) -> str:
        return code(a, language)

    if isinstance(e, sp.Symbol):
        return str(e)
    if isinstance(e, sp.Add):
        terms = [show(a) for a in e.args]
        return "(" + " + ".join(terms).replace("+ -", "- ") + ")"
    if isinstance(e, sp.Mul):
        return _product(e, show)
    if isinstance(e, sp.Pow):
        return _power(e, show)
    if isinstance(e, sp.Piecewise):
        return _choice(e, show, CHOICE[language])
    if isinstance(e, (sp.Min, sp.Max)):
        first, *rest = (show(a) for a in e.args)
        name = "smaller" if isinstance(e, sp.Min) else "larger"
        for other in rest:
            first = f"{name}({first}, {other})"
        return first
    if isinstance(e, Relational):
        return f"({show(e.lhs)} {RELATIONS[e.func]} {show(e.rhs)})"
    logic = LOGIC[language]
    if isinstance(e, (sp.And, sp.Or)):
        return "(" + logic[e.func].join(show(a) for a in e.args) + ")"
    if isinstance(e, sp.Not):
        return f"({logic[sp.Not]}{show(e.args[0])})"
    if e.func in FUNCTIONS:
        return f"{FUNCTIONS[e.func]}({', '.join(show(a) for a in e.args)})"
    known = ", ".join(sorted({*FUNCTIONS.values(), "sqrt", "Min", "Max", "Piecewise"}))
    raise ValueError(f"kernels cannot compute {e.func.__name__} in {e}; they know {known}.")


def _product(e: sp.Expr, show: Callable[[sp.Basic], str]) -> str:
    factors = [a for a in e.args if a != -1]
    over = [a for a in factors if isinstance(a, sp.Pow) and a.exp.is_Rational and a.exp.is_negative]
    above = " * ".join(show(a) for a in factors if a not in over)
    if over:
        below = sp.Mul(*(sp.Pow(a.base, -a.exp, evaluate=False) for a in over), evaluate=False)
        above = f"{above} / ({show(below)})" if above else f"inverse({show(below)})"
    return f"-{above}" if len(factors) < len(e.args) else above


def _power(e: sp.Pow, show: Callable[[sp.Basic], str]) -> str:
    base, exponent = e.base, e.exp
    if not _is_plain(exponent):
        return f"pow({show(base)}, {show(exponent)})"
    if exponent.is_negative:
        return f"inverse({_power(sp.Pow(base, -exponent, evaluate=False), show)})"
    if exponent == 1:
        return show(base)
    if exponent == sp.Rational(1, 2):
        return f"sqrt({show(base)})"
    if exponent.is_Integer:
        # Repeated squaring, as a product of equal halves that the compiler shares.
        half, odd = divmod(int(exponent), 2)
        square = show(base) if half == 1 else f"({_power(sp.Pow(base, half, evaluate=False), show)})"
        return f"({square} * {square}{' * ' + show(base) if odd else ''})"
    return f"sqrt({show(base)}) * {_power(sp.Pow(base, exponent.p // 2, evaluate=False), show)}"


def _choice(e: sp.Piecewise, show: Callable[[sp.Basic], str], pattern: str) -> str:
    *cases, (last, otherwise) = e.args
    if otherwise != sp.true:
        raise ValueError(f"{e} says nothing where no condition holds; end it with (value, True).")
    text = show(last)
    for value, condition in reversed(cases):
        text = pattern.format(show(value), show(condition), text)
    return text
