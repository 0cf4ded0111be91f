"""The functions that generated numba kernels call, one set for each working dtype, branch-free where that is faster.

numba's own sin, cos and exp go to the C library one number at a time; these are polynomials that stay in vector code.
Relative to max(1, |f|) they are good to a few roundings while |x| < 1e5 (single: 1e3) for sin and cos,
everywhere for exp.
"""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from simlab.random.coefficients import SIN32, SIN64
from simlab.random.kernels import CONTRACT, float_of_bits32, float_of_bits64


@intrinsic
def floor(typing_context: Any, value: Any) -> Any:
    """The floor of x as a float (numba's own returns int64, which prevents vectorisation)."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = arguments[0].type
        rounded = builder.module.declare_intrinsic("llvm.floor", [kind], ir.FunctionType(kind, [kind]))
        return builder.call(rounded, arguments)

    return (value(value), emit) if isinstance(value, types.Float) else None


@intrinsic
def truncate(typing_context: Any, value: Any) -> Any:
    """A float that holds a small whole number as a 32-bit integer."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.fptosi(arguments[0], ir.IntType(32))

    return (types.int32(value), emit) if isinstance(value, types.Float) else None


def _split(value: float, real: Any) -> tuple[Any, Any, Any]:
    """A constant as a sum of three numbers of the dtype, the first two with room for products by whole numbers."""
    bits = 12 if real is np.float32 else 33
    scale = 2.0 ** (bits - 1 - math.floor(math.log2(value)))
    high = math.floor(value * scale) / scale
    scale *= 2.0**bits
    middle = math.floor((value - high) * scale) / scale
    tails = {math.pi: 1.2246467991473532e-16, math.log(2): 2.3190468138462996e-17}  # value - float(value)
    return real(high), real(middle), real(value - high - middle + tails[value])


def library(real: Any) -> SimpleNamespace:
    """The functions for one dtype, with every constant in that dtype."""
    single = real is np.float32
    zero, half, one, two, inverse_pi, log2e = map(real, (0, 0.5, 1, 2, 1 / math.pi, 1 / math.log(2)))
    pi1, pi2, pi3 = _split(math.pi, real)
    ln1, ln2, ln3 = _split(math.log(2), real)
    sine = tuple(real(c) for c in (SIN32 if single else SIN64))
    taylor = tuple(real(1 / math.factorial(n)) for n in range(8 if single else 14))
    lowest, highest = map(real, (-87.3, 88.72) if single else (-708.3, 709.78))
    infinity = real(np.inf)
    options = {"inline": "always", "fastmath": CONTRACT}

    if single:

        @njit(**options)
        def odd_polynomial(t: Any) -> Any:
            q = t * t
            return ((((sine[4] * q + sine[3]) * q + sine[2]) * q + sine[1]) * q + sine[0]) * t

        @njit(**options)
        def exp_polynomial(r: Any) -> Any:
            c = taylor
            return ((((((c[7] * r + c[6]) * r + c[5]) * r + c[4]) * r + c[3]) * r + c[2]) * r + c[1]) * r + c[0]

        @njit(**options)
        def power_of_two(n: Any) -> Any:
            return float_of_bits32(np.int32((truncate(n) + np.int32(127)) << np.int32(23)))

    else:

        @njit(**options)
        def odd_polynomial(t: Any) -> Any:
            q = t * t
            p = (((sine[8] * q + sine[7]) * q + sine[6]) * q + sine[5]) * q + sine[4]
            return ((((p * q + sine[3]) * q + sine[2]) * q + sine[1]) * q + sine[0]) * t

        @njit(**options)
        def exp_polynomial(r: Any) -> Any:
            c = taylor
            p = ((((((c[13] * r + c[12]) * r + c[11]) * r + c[10]) * r + c[9]) * r + c[8]) * r + c[7]) * r + c[6]
            return (((((p * r + c[5]) * r + c[4]) * r + c[3]) * r + c[2]) * r + c[1]) * r + c[0]

        @njit(**options)
        def power_of_two(n: Any) -> Any:
            return float_of_bits64(np.uint64(np.int64(truncate(n)) + np.int64(1023)) << np.uint64(52))

    @njit(**options)
    def sin(x: Any) -> Any:
        n = floor(x * inverse_pi + half)
        r = ((x - n * pi1) - n * pi2) - n * pi3
        return odd_polynomial(r * inverse_pi) * (one - two * (n - two * floor(n * half)))

    @njit(**options)
    def cos(x: Any) -> Any:
        n = floor(x * inverse_pi)
        m = n + half
        r = ((x - m * pi1) - m * pi2) - m * pi3
        return odd_polynomial(r * inverse_pi) * (two * (n - two * floor(n * half)) - one)

    @njit(**options)
    def exp(x: Any) -> Any:
        inside = min(max(x, lowest), highest)
        n = floor(inside * log2e + half)
        r = ((inside - n * ln1) - n * ln2) - n * ln3
        # Two factors: 2^n alone overflows one step before the product does.
        part = floor(n * half)
        value = exp_polynomial(r) * power_of_two(part) * power_of_two(n - part)
        value = infinity if x > highest else value
        value = zero if x < lowest else value
        return x if x != x else value

    @njit(**options)
    def inverse(x: Any) -> Any:
        return one / x

    @njit(**options)
    def sign(x: Any) -> Any:
        return one if x > zero else (-one if x < zero else x)

    @njit(**options)
    def smaller(a: Any, b: Any) -> Any:
        return b if b < a else a

    @njit(**options)
    def larger(a: Any, b: Any) -> Any:
        return b if b > a else a

    return SimpleNamespace(
        sin=sin, cos=cos, exp=exp, inverse=inverse, sign=sign, smaller=smaller, larger=larger, floor=floor
    )


f32, f64 = library(np.float32), library(np.float64)
