"""Read a formula that a user typed. sympy's own parser evaluates code, so this one walks Python's syntax tree.

Nothing is ever evaluated: a node that is not on the list below ends in one sentence. Integers stay exact, and decimals
are taken at their word (0.1 is 1/10).
"""

from __future__ import annotations

import ast
import difflib
from collections.abc import Callable, Iterable
from typing import Any

import sympy as sp

FUNCTIONS: dict[str, tuple[Callable[..., sp.Expr], int | None]] = {
    "exp": (sp.exp, 1), "log": (sp.log, 1), "sqrt": (sp.sqrt, 1), "sin": (sp.sin, 1), "cos": (sp.cos, 1),
    "tan": (sp.tan, 1), "asin": (sp.asin, 1), "acos": (sp.acos, 1), "atan": (sp.atan, 1), "sinh": (sp.sinh, 1),
    "cosh": (sp.cosh, 1), "tanh": (sp.tanh, 1), "erf": (sp.erf, 1), "Abs": (sp.Abs, 1), "abs": (sp.Abs, 1),
    "sign": (sp.sign, 1), "floor": (sp.floor, 1), "Min": (sp.Min, None), "Max": (sp.Max, None),
}  # fmt: skip
"""name -> (function, number of arguments; None is any number from two on)."""
CONSTANTS = {"pi": sp.pi, "E": sp.E}
COMPARISONS = {ast.Lt: sp.Lt, ast.LtE: sp.Le, ast.Gt: sp.Gt, ast.GtE: sp.Ge}
LONGEST, DEEPEST, LARGEST_POWER, LARGEST_NUMBER = 1000, 40, 64, sp.Integer(10) ** 30


class ExpressionError(ValueError):
    """A formula that cannot be read; the message is one sentence with the place and what is allowed."""


def parse(text: str, symbols: Iterable[str] = ("x",)) -> sp.Expr:
    """The sympy expression of a formula in the given real symbols; ExpressionError otherwise.

    Allowed: numbers, the symbols, + - * / **, the functions in FUNCTIONS, pi and E, `a if x > 0 else b`, and
    Piecewise((a, x > 0), (b, True)).
    """
    if len(text) > LONGEST:
        raise ExpressionError(f"a formula has at most {LONGEST} characters, this one has {len(text)}.")
    known = {name: sp.Symbol(name, real=True) for name in symbols}
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        column = getattr(error, "offset", None)
        where = f" at column {column}" if column else ""
        raise ExpressionError(f"{_short(text)} is not a formula{where}; write one such as x**4/4 - x**2/2.") from error
    try:
        result = _Reader(text.strip(), known).read(tree.body, 0)
    except ExpressionError:
        raise
    except (ArithmeticError, TypeError, ValueError, RecursionError, AttributeError) as error:
        raise ExpressionError(f"{_short(text)} has no value: {error}.") from error
    if not isinstance(result, sp.Expr):
        raise ExpressionError(f"{_short(text)} is a condition, not a number.")
    if result.has(sp.nan, sp.zoo, sp.oo, -sp.oo) or result.has(sp.I):
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
        return method(node, depth + 1)  # type: ignore[misc]  # refuse() never returns

    def refuse(self, node: ast.AST, why: str) -> None:
        """End in one sentence that names the place."""
        allowed = f"numbers, {', '.join(self.symbols)}, pi, E, + - * / **, {', '.join(FUNCTIONS)}, Piecewise"
        column = getattr(node, "col_offset", 0) + 1
        raise ExpressionError(f"{_short(self.text)}: {why} (column {column}); allowed are {allowed}.")

    def _Constant(self, node: ast.Constant, depth: int) -> Any:
        if isinstance(node.value, bool):
            return sp.true if node.value else sp.false
        if not isinstance(node.value, (int, float)):
            self.refuse(node, f"{node.value!r} is not a real number")
        written = ast.get_source_segment(self.text, node) or repr(node.value)
        if len(written) > 40:
            self.refuse(node, "a number has at most 40 characters")
        exact = sp.Integer(node.value) if isinstance(node.value, int) else sp.Rational(written.replace("_", ""))
        if abs(exact) > LARGEST_NUMBER or (exact != 0 and abs(exact) < 1 / LARGEST_NUMBER):
            self.refuse(node, f"{written} is out of range (1e-30 to 1e30)")
        return exact

    def _Name(self, node: ast.Name, depth: int) -> sp.Expr:
        if node.id in self.symbols:
            return self.symbols[node.id]
        if node.id in CONSTANTS:
            return CONSTANTS[node.id]
        near = difflib.get_close_matches(node.id, [*self.symbols, *CONSTANTS, *FUNCTIONS], 1)
        self.refuse(node, f"the name {node.id!r} is unknown" + (f", did you mean {near[0]}?" if near else ""))
        raise AssertionError

    def _UnaryOp(self, node: ast.UnaryOp, depth: int) -> Any:
        if isinstance(node.op, ast.USub):
            return -self.number(node.operand, depth)
        if isinstance(node.op, ast.UAdd):
            return self.number(node.operand, depth)
        self.refuse(node, f"{_describe(node.op)} is not allowed")
        raise AssertionError

    def _BinOp(self, node: ast.BinOp, depth: int) -> sp.Expr:
        left, right = self.number(node.left, depth), self.number(node.right, depth)
        match node.op:
            case ast.Add():
                return left + right
            case ast.Sub():
                return left - right
            case ast.Mult():
                return left * right
            case ast.Div():
                if right == 0:
                    self.refuse(node, "division by zero")
                return left / right
            case ast.Pow():
                return self.power(node, left, right)
            case ast.BitXor():
                self.refuse(node, "^ is not a power, write **")
        self.refuse(node, f"{_describe(node.op)} is not allowed")
        raise AssertionError

    def power(self, node: ast.AST, base: sp.Expr, exponent: sp.Expr) -> sp.Expr:
        """base**exponent, unless it is a tower that would fill the memory."""
        size = sp.Abs(exponent)
        if exponent.is_number and not bool(size <= LARGEST_POWER):
            self.refuse(node, f"the exponent is beyond {LARGEST_POWER}")
        if base == 0 and not exponent.is_positive:
            self.refuse(node, "zero to a power that is not positive has no value")
        if base.is_number and not bool(sp.Abs(base) <= 10**6):
            self.refuse(node, "powers of numbers beyond 10^6 are too large")
        return base**exponent

    def _Call(self, node: ast.Call, depth: int) -> sp.Expr:
        if not isinstance(node.func, ast.Name) or node.keywords:
            self.refuse(node, "only plain calls such as exp(x) are allowed")
        name = node.func.id  # type: ignore[attr-defined]  # refuse() never returns
        if name == "Piecewise":
            return self.piecewise(node, depth)
        if name not in FUNCTIONS:
            near = difflib.get_close_matches(name, [*FUNCTIONS, "Piecewise"], 1)
            self.refuse(node, f"the function {name!r} is unknown" + (f", did you mean {near[0]}?" if near else ""))
        function, count = FUNCTIONS[name]
        if count != len(node.args) and (count is not None or len(node.args) < 2):
            self.refuse(node, f"{name} takes {count or 'two or more'} argument{'' if count == 1 else 's'}")
        return function(*(self.number(a, depth) for a in node.args))

    def piecewise(self, node: ast.Call, depth: int) -> sp.Expr:
        """Piecewise((value, condition), ..., (value, True))."""
        cases = []
        for pair in node.args:
            if not isinstance(pair, ast.Tuple) or len(pair.elts) != 2:
                self.refuse(pair, "Piecewise takes pairs (value, condition)")
            value, condition = pair.elts  # type: ignore[attr-defined]  # refuse() never returns
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
        for operator, left, right in zip(node.ops, values, values[1:], strict=False):
            if type(operator) not in COMPARISONS:
                self.refuse(node, "conditions compare with < <= > >=")
            result = sp.And(result, COMPARISONS[type(operator)](left, right))
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
