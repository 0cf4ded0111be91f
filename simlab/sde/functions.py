"""The functions that generated numba kernels call, in the working dtype and, where it pays, free of branches."""

from __future__ import annotations

import math
from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic


@intrinsic
def floor(typing_context: Any, value: Any) -> Any:
    """floor(x) as a float (numba's own makes an integer, which no vector unit likes)."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = arguments[0].type
        rounded = builder.module.declare_intrinsic("llvm.floor", [kind], ir.FunctionType(kind, [kind]))
        return builder.call(rounded, arguments)

    return value(value) if isinstance(value, types.Float) else None, emit


@njit(inline="always")
def inverse(x: Any) -> Any:
    """1/x; x/x/x keeps the dtype without a literal, and the compiler folds it."""
    return type(x)(1) / x


@njit(inline="always")
def sign(x: Any) -> Any:
    """-1, 0 or 1, with the sign of x."""
    return type(x)(0) if x == type(x)(0) else math.copysign(type(x)(1), x)


@njit(inline="always")
def smaller(a: Any, b: Any) -> Any:
    """min(a, b), NaN if a is NaN."""
    return b if b < a else a


@njit(inline="always")
def larger(a: Any, b: Any) -> Any:
    """max(a, b), NaN if a is NaN."""
    return b if b > a else a
