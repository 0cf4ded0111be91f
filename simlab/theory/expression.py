"""Read a formula that a user typed. sympy's own parser evaluates code, so this one walks Python's syntax tree.

No code is ever evaluated: a node that is not on the list below ends in one sentence. Integers stay exact, and decimals
are taken at their word (0.1 is 1/10).

sympy evaluates what has no symbol in it, to as many digits as a floor or a comparison asks for, and tries to prove what
it cannot decide. So every constant on the way is held to LARGEST_NUMBER, comparisons of constants are made here, and
the calls that sympy makes are counted.
"""

from __future__ import annotations

import ast
import math
import operator
import warnings
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

import numpy as np
import sympy as sp

from simlab.core.checks import shown
from simlab.core.errors import did_you_mean
from simlab.theory.work import TooMuchWork, counted_calls

FUNCTIONS: dict[str, tuple[Callable[..., sp.Expr], int | None]] = {
    "exp": (sp.exp, 1), "log": (sp.log, 1), "sqrt": (sp.sqrt, 1), "sin": (sp.sin, 1), "cos": (sp.cos, 1),
    "tan": (sp.tan, 1), "asin": (sp.asin, 1), "acos": (sp.acos, 1), "atan": (sp.atan, 1), "sinh": (sp.sinh, 1),
    "cosh": (sp.cosh, 1), "tanh": (sp.tanh, 1), "erf": (sp.erf, 1), "Abs": (sp.Abs, 1), "abs": (sp.Abs, 1),
    "sign": (sp.sign, 1), "floor": (sp.floor, 1), "Min": (sp.Min, None), "Max": (sp.Max, None),
}  # fmt: skip
"""name -> (function, number of arguments; None is any number from two on)."""
CONSTANTS = {"pi": sp.pi, "E": sp.E}
OPERATORS: dict[type, Callable[[sp.Expr, sp.Expr], sp.Expr]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
}  # fmt: skip
COMPARISONS = {ast.Lt: sp.Lt, ast.LtE: sp.Le, ast.Gt: sp.Gt, ast.GtE: sp.Ge}
LONGEST, DEEPEST, LARGEST_POWER, LARGEST_NUMBER = 1000, 40, 64, sp.Integer(10) ** 30
OUT_OF_RANGE = "is out of range (1e-30 to 1e30)"
MOST_CALLS = 1_000_000
"""Calls of functions that reading a formula may take, about a fifth of a second; usual ones take a few thousand."""
MOST_BITS = 2048
"""Size of the numbers in a product or power."""
CLOSE = 1e-9
"""Constants that are equal to this are not compared: sympy would try to prove whether they are."""


class ExpressionError(ValueError):
    """A formula that cannot be read; the message is one sentence with the place and what is allowed."""


def parse(text: str, symbols: Iterable[str] = ("x",)) -> sp.Expr:
    """The sympy expression of a formula in the given real symbols; ExpressionError otherwise.

    Allowed: numbers, the symbols, + - * / **, the functions in FUNCTIONS, pi and E, `a if x > 0 else b`, and
    Piecewise((a, x > 0), (b, True)). Every constant in it lies between 1e-30 and 1e30 (or is 0), every exponent is at
    most 64, and what a million calls of sympy do not evaluate is refused.
    """
    if not isinstance(text, str):
        raise ExpressionError(f"text must be a formula such as x**4/4 - x**2/2, got {shown(text)}.")
    if len(text) > LONGEST:
        raise ExpressionError(f"a formula has at most {LONGEST} characters, this one has {len(text)}.")
    names: Any = symbols
    if isinstance(names, str) or not np.iterable(names) or not all(isinstance(s, str) for s in names):
        raise ExpressionError(f'symbols must be a sequence of names, such as ("x",), got {shown(symbols)}.')
    known = {name: sp.Symbol(name, real=True) for name in symbols}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Python about its own syntax
            tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        column = getattr(error, "offset", None)
        where = f" at column {column}" if column else ""
        raise ExpressionError(f"{_short(text)} is not a formula{where}; write one such as x**4/4 - x**2/2.") from error
    try:
        with counted_calls(MOST_CALLS):
            result = _Reader(text.strip(), known).read(tree.body, 0)
            finite = isinstance(result, sp.Expr) and _is_finite(result)
    except ExpressionError:
        raise
    except TooMuchWork:
        raise ExpressionError(f"{_short(text)} takes too long to evaluate; write it with fewer terms.") from None
    except (ArithmeticError, TypeError, ValueError, RecursionError, AttributeError) as error:
        raise ExpressionError(f"{_short(text)} has no value: {error}.") from error
    if not isinstance(result, sp.Expr):
        raise ExpressionError(f"{_short(text)} is a condition, not a number.")
    if not finite:
        raise ExpressionError(f"{_short(text)} is not a finite real number.")
    return result


class _Reader:
    """One formula on its way from syntax tree to sympy."""

    def __init__(self, text: str, symbols: dict[str, sp.Symbol]) -> None:
        self.text, self.symbols = text, symbols

    def read(self, node: ast.AST, depth: int) -> Any:
        """The value of a node; each kind has its method, and there is no other kind."""
        if depth > DEEPEST:
            raise ExpressionError(f"{_short(self.text)} is nested more than {DEEPEST} deep.")
        method = getattr(self, "_" + type(node).__name__, None)
        if method is None:
            self.refuse(node, f"{_describe(node)} is not allowed")
        value = method(node, depth + 1)
        if isinstance(value, sp.Expr) and not value.free_symbols:
            self.constant(node, value)
        return value

    def constant(self, node: ast.AST, value: sp.Expr) -> float:
        """The float of an expression without symbols, which must be a real number of a moderate size."""
        if value.has(sp.nan, sp.zoo, sp.oo, -sp.oo) or value.is_real is False:
            raise ExpressionError(
                f"{_short(self.text)} is not a finite real number (column {getattr(node, 'col_offset', 0) + 1})."
            )
        size = value.evalf(15, maxn=60)
        if not size.is_Float and not size.is_Rational:
            self.refuse(node, "a constant has no real value that can be found")
        if abs(size) > 1.001 * LARGEST_NUMBER or 0 < abs(size) < 0.999 / LARGEST_NUMBER:
            self.refuse(node, f"a constant {OUT_OF_RANGE}")
        return float(size)

    def refuse(self, node: ast.AST, why: str) -> NoReturn:
        """End in one sentence that names the place."""
        allowed = f"numbers, {', '.join(self.symbols)}, pi, E, + - * / **, {', '.join(FUNCTIONS)}, Piecewise"
        raise ExpressionError(
            f"{_short(self.text)}: {why} (column {getattr(node, 'col_offset', 0) + 1}); allowed are {allowed}."
        )

    def _Constant(self, node: ast.Constant, depth: int) -> Any:
        if isinstance(node.value, bool):
            return sp.true if node.value else sp.false
        if not isinstance(node.value, (int, float)):
            self.refuse(node, f"{node.value!r} is not a real number")
        written = ast.get_source_segment(self.text, node) or repr(node.value)
        if len(written) > 40:
            self.refuse(node, "a number has at most 40 characters")
        mantissa = written.lower().split("e")[0]
        if isinstance(node.value, float) and not set(mantissa) & set("123456789"):
            return sp.Integer(0)
        if isinstance(node.value, float) and not 1e-31 < node.value < 1e31:  # before 10**999999999 is made
            self.refuse(node, f"{written} {OUT_OF_RANGE}")
        exact = sp.Integer(node.value) if isinstance(node.value, int) else sp.Rational(written.replace("_", ""))
        if abs(exact) > LARGEST_NUMBER or (exact != 0 and abs(exact) < 1 / LARGEST_NUMBER):
            self.refuse(node, f"{written} {OUT_OF_RANGE}")
        return exact

    def _Name(self, node: ast.Name, depth: int) -> sp.Expr:
        known = {**CONSTANTS, **self.symbols}
        if node.id not in known:
            self.refuse(node, f"the name {node.id!r} is unknown{did_you_mean(node.id, [*known, *FUNCTIONS])}")
        return known[node.id]

    def _UnaryOp(self, node: ast.UnaryOp, depth: int) -> Any:
        if not isinstance(node.op, (ast.USub, ast.UAdd)):
            self.refuse(node, f"{_describe(node.op)} is not allowed")
        value = self.number(node.operand, depth)
        return -value if isinstance(node.op, ast.USub) else value

    def _BinOp(self, node: ast.BinOp, depth: int) -> sp.Expr:
        left, right = self.number(node.left, depth), self.number(node.right, depth)
        if isinstance(node.op, ast.Pow):
            return self.power(node, left, right)
        if isinstance(node.op, ast.BitXor):
            self.refuse(node, "^ is not a power, write **")
        if type(node.op) not in OPERATORS:
            self.refuse(node, f"{_describe(node.op)} is not allowed")
        if isinstance(node.op, ast.Div) and right == 0:
            self.refuse(node, "division by zero")
        return OPERATORS[type(node.op)](left, right)

    def power(self, node: ast.AST, base: sp.Expr, exponent: sp.Expr) -> sp.Expr:
        """base**exponent, unless it is a tower that would fill the memory, or complex."""
        number = None if exponent.free_symbols else self.constant(node, exponent)
        if number is not None and abs(number) > LARGEST_POWER:
            self.refuse(node, f"the exponent is beyond {LARGEST_POWER}")
        if base == 0 and not exponent.is_positive:
            self.refuse(node, "zero to a power that is not positive has no value")
        if not base.free_symbols:
            value = self.constant(node, base)
            if value < 0 and not exponent.is_integer:
                self.refuse(node, "a negative number to a power that is not whole is complex")
            if abs(value) > 10**6:
                self.refuse(node, "powers of numbers beyond 10^6 are too large")
            if number is not None and value != 0 and abs(number * math.log10(abs(value))) > 30.001:
                self.refuse(node, f"a constant {OUT_OF_RANGE}")
        coefficient = base.as_coeff_Mul()[0]
        if number is not None and coefficient.is_Rational and _bits(coefficient) * abs(number) > MOST_BITS:
            self.refuse(node, "the numbers in a power become too large")
        result = base**exponent
        for p in result.atoms(sp.Pow):
            if p.exp.is_Rational and abs(p.exp) > LARGEST_POWER:
                self.refuse(node, f"the exponent is beyond {LARGEST_POWER}")
        return result

    def _Call(self, node: ast.Call, depth: int) -> sp.Expr:
        if not isinstance(node.func, ast.Name) or node.keywords:
            self.refuse(node, "only plain calls such as exp(x) are allowed")
        name = node.func.id
        if name == "Piecewise":
            return self.piecewise(node, depth)
        if name not in FUNCTIONS:
            self.refuse(node, f"the function {name!r} is unknown{did_you_mean(name, [*FUNCTIONS, 'Piecewise'])}")
        function, count = FUNCTIONS[name]
        if count != len(node.args) and (count is not None or len(node.args) < 2):
            self.refuse(node, f"{name} takes {count or 'two or more'} argument{'' if count == 1 else 's'}")
        return self.apply(node, function, [self.number(a, depth) for a in node.args])

    def apply(self, node: ast.AST, function: Callable[..., sp.Expr], values: list[sp.Expr]) -> sp.Expr:
        """function(*values); where it is a decision about constants their floats decide."""
        if function in (sp.Min, sp.Max):
            constants = [v for v in values if not v.free_symbols]
            best = constants[:1]
            for other in constants[1:]:
                lower = self.is_lower(node, best[0], other)
                best = [best[0] if lower == (function is sp.Min) else other]
            return function(*best, *(v for v in values if v.free_symbols))
        if function in (sp.sign, sp.floor, sp.Abs) and not values[0].free_symbols and not values[0].is_Rational:
            number = self.constant(node, values[0])
            if abs(number - round(number)) <= CLOSE * max(1, abs(number)):
                self.refuse(node, "a constant is too close to a whole number for floor, sign or Abs to tell")
            if function is sp.floor:
                return sp.Integer(math.floor(number))
            side = sp.Integer(1 if number > 0 else -1)
            return side if function is sp.sign else side * values[0]
        return function(*values)

    def is_lower(self, node: ast.AST, one: sp.Expr, other: sp.Expr) -> bool:
        """Whether one constant is below another (or the same)."""
        if one == other or (one.is_Rational and other.is_Rational):
            return bool(one <= other)
        a, b = self.constant(node, one), self.constant(node, other)
        if abs(a - b) <= CLOSE * max(abs(a), abs(b)):
            self.refuse(node, "two constants are too close to each other to be compared")
        return a < b

    def piecewise(self, node: ast.Call, depth: int) -> sp.Expr:
        """Piecewise((value, condition), ..., (value, True))."""
        cases = []
        for pair in node.args:
            if not isinstance(pair, ast.Tuple) or len(pair.elts) != 2:
                self.refuse(pair, "Piecewise takes pairs (value, condition)")
            value, condition = pair.elts
            cases.append((self.number(value, depth), self.condition(condition, depth)))
        if not cases or cases[-1][1] != sp.true:
            self.refuse(node, "Piecewise must end with a pair (value, True)")
        return sp.Piecewise(*cases)

    def _IfExp(self, node: ast.IfExp, depth: int) -> sp.Expr:
        condition = self.condition(node.test, depth)
        return sp.Piecewise((self.number(node.body, depth), condition), (self.number(node.orelse, depth), True))

    def _Compare(self, node: ast.Compare, depth: int) -> Any:
        values = [self.number(v, depth) for v in (node.left, *node.comparators)]
        result = sp.true
        for sign, left, right in zip(node.ops, values, values[1:], strict=False):
            if type(sign) not in COMPARISONS:
                self.refuse(node, "conditions compare with < <= > >=")
            compare = COMPARISONS[type(sign)]
            if not left.free_symbols and not right.free_symbols and left != right:
                left, right = (sp.Integer(0), sp.Integer(1))[:: 1 if self.is_lower(node, left, right) else -1]
            result = sp.And(result, compare(left, right))
        return result

    def condition(self, node: ast.AST, depth: int) -> Any:
        """A node that must be true or false."""
        value = self.read(node, depth)
        if isinstance(value, sp.Expr):
            self.refuse(node, "a condition is wanted here, such as x > 0")
        return value

    def number(self, node: ast.AST, depth: int) -> sp.Expr:
        """A node that must be a number."""
        value = self.read(node, depth)
        if not isinstance(value, sp.Expr):
            self.refuse(node, "a number is wanted here, not a condition")
        return value


def _is_finite(e: sp.Expr) -> bool:
    """Whether no infinity and no imaginary unit is left in an expression, and no number too large to handle."""
    return not e.has(sp.nan, sp.zoo, sp.oo, -sp.oo, sp.I) and all(_bits(a) <= MOST_BITS for a in e.atoms(sp.Rational))


def _bits(number: sp.Rational) -> int:
    return max(int(number.p).bit_length(), int(number.q).bit_length())


def _describe(node: ast.AST) -> str:
    words = {
        "Attribute": "an attribute", "Subscript": "an index", "Lambda": "a lambda", "List": "a list",
        "Tuple": "a tuple", "BoolOp": "and/or", "JoinedStr": "a string", "Mod": "%", "FloorDiv": "//", "MatMult": "@",
        "Not": "not",
    }  # fmt: skip
    return words.get(type(node).__name__, type(node).__name__)


def _short(text: str) -> str:
    return repr(text) if len(text) < 80 else repr(text[:77] + "...")


__all__ = ["ExpressionError", "parse"]
