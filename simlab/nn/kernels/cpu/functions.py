"""Functions of a vector of float32 for the fused kernel: e^x, erf, and the activations, each a value with its slope.

Their error is a few units in the last place; NaN passes through every one of them. e^x stays at
1e-38 below x = -87.3 and is not asked for above 88.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from simlab.nn.kernels.cpu.simd import FUSED, ROUND, magnitude, power_of_two, where_less

OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": set(FUSED)}
INNER = {**OPTIONS, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
"""For functions that only compiled code calls: wrappers for Python would be a seventh of what is compiled."""
F = np.float32
LOG2E, LN2_HIGH, LN2_LOW = F(1 / math.log(2)), F(0.693359375), F(math.log(2) - 0.693359375)
EXP_REST = tuple(F(1 / math.factorial(n)) for n in range(2, 8))
# erf x = x p(x^2) / q(x^2) for |x| < 3.93, beyond which erf is 1 to rounding: fitted for the least relative error.
ERF_ABOVE = tuple(map(F, (1.1283791, 0.19074109, 0.05278478, 0.0037778388, 0.00028477868, 2.0424085e-06)))
ERF_BELOW = tuple(map(F, (1, 0.5023726, 0.11423999, 0.014993857, 0.0011648037, 3.80071e-05)))
# ln((1 + r) / (1 - r)) = 2 r + 2 r^3 / 3 + ...: for r < 1/3 the terms from r^15 on are below 1e-8 of it.
LOGARITHM = tuple(F(2 / (2 * n + 1)) for n in range(1, 7))
ROOT_HALF, GAUSS, ERF_SLOPE = F(math.sqrt(0.5)), F(1 / math.sqrt(2 * math.pi)), F(2 / math.sqrt(math.pi))


@njit(**INNER)
def polynomial(c: Any, x: Any) -> Any:
    """Return c_0 + c_1 x + ... of six numbers."""
    return ((((x * c[5] + c[4]) * x + c[3]) * x + c[2]) * x + c[1]) * x + c[0]


@njit(**INNER)
def within(x: Any, bound: Any) -> Any:
    """Cut x at -bound and bound."""
    x = where_less(bound, x, bound, x)
    return where_less(x, -bound, -bound, x)


@njit(**INNER)
def exp_parts(x: Any) -> Any:
    """(e^r - 1, 2^n) with x = r + n ln 2 and |r| < 0.35."""
    x = where_less(x, F(-87.3), F(-87.3), x)
    shifted = x * LOG2E + F(ROUND)
    n = shifted - F(ROUND)
    r = (x - n * LN2_HIGH) - n * LN2_LOW
    return polynomial(EXP_REST, r) * (r * r) + r, power_of_two(shifted)


@njit(**INNER)
def exp(x: Any) -> Any:
    """e^x."""
    rest, power = exp_parts(x)
    return rest * power + power


@njit(**INNER)
def erf_value(x: Any) -> Any:
    """The error function."""
    x = within(x, F(3.93))
    return x * polynomial(ERF_ABOVE, x * x) / polynomial(ERF_BELOW, x * x)


@njit(**INNER)
def relu(x: Any, leak: Any) -> Any:
    """Return max(x, 0) and its slope."""
    return where_less(x, F(0), F(0), x), where_less(F(0), x, F(1), F(0))


@njit(**INNER)
def leaky_relu(x: Any, leak: Any) -> Any:
    """Return max(x, 0) + leak min(x, 0) and its slope."""
    slope = where_less(F(0), x, F(1), leak)
    return x * slope, slope


@njit(**INNER)
def tanh(x: Any, leak: Any) -> Any:
    """Return tanh x and its slope."""
    # By e^2x - 1, which keeps small numbers exact; at 9.1 tanh is 1 to rounding.
    x = within(x, F(9.1))
    rest, power = exp_parts(x + x)
    less = rest * power + (power - F(1))
    y = less / (less + F(2))
    return y, F(1) - y * y


@njit(**INNER)
def erf(x: Any, leak: Any) -> Any:
    """Return erf x and its slope."""
    return erf_value(x), exp(x * x * F(-1)) * ERF_SLOPE


@njit(**INNER)
def gelu(x: Any, leak: Any) -> Any:
    """Return x Phi(x), with Phi the normal distribution function, and its slope."""
    below = erf_value(x * ROOT_HALF) * F(0.5) + F(0.5)
    return x * below, x * (exp(x * x * F(-0.5)) * GAUSS) + below


@njit(**INNER)
def softplus(x: Any, leak: Any) -> Any:
    """Return ln(1 + e^x) and its slope."""
    # max(x, 0) + ln(1 + e), e = e^-|x|, by r = e / (2 + e).
    e = exp(magnitude(x) * F(-1))
    r = e / (e + F(2))
    z = r * r
    inverse = F(1) / (e + F(1))
    return (
        where_less(x, F(0), F(0), x) + (polynomial(LOGARITHM, z) * z + F(2)) * r,
        where_less(x, F(0), e * inverse, inverse),
    )


ACTIVATIONS = (relu, leaky_relu, tanh, erf, gelu, softplus)
