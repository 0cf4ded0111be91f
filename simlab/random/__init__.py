"""Noise as a function of (seed, stream, walker, step): the same words on every device, in any order and any chunking.

Words come from Philox4x32-10 (Salmon, Moraes, Dror & Shaw 2011). One call of the generator makes four 32-bit words and
serves two walkers for two steps: its counter is (walker // 2, step // 2, component, stream), its key 64 bits of the
seed. The words (u, v) of a walker become two standard normals by Box-Muller, one for each of the two steps:

    r = sqrt(-2 ln((floor(u/2) + 1/2) / 2^31)),    t = (v + 1/2) / 2^32 with v read as a signed integer in (-1/2, 1/2),
    normal at the even step = (-1)^u r cos(pi t),  normal at the odd step = r sin(pi t).

Every one of the 64 bits is used once, so the distribution is normal on a grid of 2^64 points: |z| stays below 6.67, and
the missing tail lowers the variance by about 1e-9. This module is the readable array form and the reference; `kernels`
holds the numba form and `philox.cuh` the CUDA form. Words agree bit for bit, normals to rounding.
Limits: 2^33 walkers, 2^33 steps, 2^32 components and streams; what lies beyond is refused by a ValueError, except in
arrays of a GPU, whose numbers are not checked.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from functools import cache
from numbers import Integral
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from array_api_compat import array_namespace

from simlab.core import checks
from simlab.random import coefficients

Array = Any
ROUNDS = 10
MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)
LOW = 0xFFFFFFFF
PLACES, WORDS = 2**33, 2**32
"""Walkers and steps, components and streams (and words of 32 bits): how many there are."""


SEEDS = 2**128
"""Seeds: four words, as many as SeedSequence has in front of a cell; more would be taken for the cell of another."""


class Key(NamedTuple):
    """The 64-bit key of a generator, as two 32-bit words."""

    low: int
    high: int


Seed = int | Key
"""What functions with noise of their own take: a whole number from 0, or a key."""


def key(seed: Seed, *cell: int | str) -> Key:
    """Key of a seed, or of another key, and of a cell: a chain of names and whole numbers, such as "teachers", 3.

    Different seeds and chains have different keys, except by chance, at 2^-64. NumPy's SeedSequence mixes their bits,
    so that the keys of neighbouring seeds have nothing in common. ValueError for a seed that is not a whole number from
    0 to 2^128 - 1, and for a part of a cell that is neither a name nor a whole number from 0 to 2^32 - 1.
    """
    if isinstance(seed, Key):
        own = _checked(seed)
        if not cell:
            return own
        return key(own.low | own.high << 32, "key", *cell)
    given: Any = seed  # from a user, so it may be anything
    if isinstance(given, bool) or not isinstance(given, Integral) or not 0 <= int(given) < SEEDS:
        raise ValueError(f"seed must be a whole number from 0 to 2^128 - 1 or a Key, got {checks.shown(given)}.")
    low, high = np.random.SeedSequence(int(given), spawn_key=_spawn(cell)).generate_state(2, np.uint32)
    return Key(int(low), int(high))


def _spawn(cell: tuple[Any, ...]) -> tuple[int, ...]:
    """A cell as words of 32 bits: one word for a number, the first four of its SHA-256 for a name."""
    found: list[int] = []
    for part in cell:  # from a user, as well
        if isinstance(part, str):
            found += np.frombuffer(hashlib.sha256(part.encode()).digest()[:16], "<u4").tolist()
        elif not isinstance(part, bool) and isinstance(part, Integral) and 0 <= int(part) < WORDS:
            found.append(int(part))
        else:
            raise ValueError(f"cell must hold names and whole numbers from 0 to 2^32 - 1, got {checks.shown(part)}.")
    return tuple(found)


def philox(counter: tuple[Array, Array, Array, Array], key: Key) -> tuple[Array, Array, Array, Array]:
    """Philox4x32-10 of four uint64 arrays that hold 32-bit counters; the four words, again in uint64 arrays."""
    parts: Any = counter
    if not isinstance(parts, (tuple, list)) or len(parts) != 4:
        raise ValueError(f"counter must be four arrays, got {checks.shown(counter)}.")
    return _philox(tuple(_whole("counter", part, WORDS) for part in parts), _checked(key))


def words(key: Key, walker: Array, step: Array, component: int = 0, stream: int = 0) -> tuple[Array, Array]:
    """The words (u, v) that a walker uses at this step and at its partner step; shapes of walker and step broadcast.

    walker, step: integers, arrays of any device; component and stream may be arrays as well. Returns uint64 arrays of
    values below 2^32. ValueError for what is not a whole number within the limits of this module.
    """
    u, v, _ = _words(key, walker, step, component, stream)
    return u, v


def normals(key: Key, walker: Array, step: Array, component: int = 0, stream: int = 0) -> Array:
    """Independent standard normals in float64, one for each (walker, step); arguments as in `words`."""
    u, v, even = _words(key, walker, step, component, stream)
    xp = array_namespace(u)
    signed = xp.astype(v, xp.float64) - 2.0**32 * xp.astype(v >= 2**31, xp.float64)
    angle = math.pi * (signed + 0.5) * 2.0**-32
    radius = xp.sqrt(-2.0 * xp.log((xp.astype(u >> 1, xp.float64) + 0.5) * 2.0**-31))
    cosine = xp.where((u & 1) == 1, -xp.cos(angle), xp.cos(angle))
    return radius * xp.where(even, cosine, xp.sin(angle))


def uniforms(key: Key, walker: Array, step: Array, component: int = 0, stream: int = 0) -> Array:
    """Independent uniforms on (0, 1) in float64, one word each: multiples of 2^-32 shifted by 2^-33.

    Arguments as in `words`. They share their words with `normals` of the same stream: use another stream where both are
    needed.
    """
    u, v, even = _words(key, walker, step, component, stream)
    xp = array_namespace(u)
    return (xp.astype(xp.where(even, u, v), xp.float64) + 0.5) * 2.0**-32


def _words(key: Key, walker: Array, step: Array, component: Array, stream: Array) -> tuple[Array, Array, Array]:
    """The words (u, v), and whether the step is even."""
    key, walker, step = _checked(key), _whole("walker", walker, PLACES), _whole("step", step, PLACES)
    component = _whole("component", component, WORDS, scalar=True)
    stream = _whole("stream", stream, WORDS, scalar=True)
    xp = array_namespace(walker, step)
    walker, step = xp.broadcast_arrays(walker, step)
    zero = xp.zeros_like(walker)
    a, b, c, d = _philox((walker >> 1, step >> 1, zero + component, zero + stream), key)
    odd = (walker & 1) == 1
    u, v = xp.where(odd, c, a), xp.where(odd, d, b)
    return u, v, xp.broadcast_to((step & 1) == 0, u.shape)


def _philox(counter: tuple[Array, ...], key: Key) -> tuple[Array, Array, Array, Array]:
    """Philox4x32-10, its arguments as they should be."""
    a, b, c, d = counter
    k, l = key
    for _ in range(ROUNDS):
        p, q = a * MULTIPLIERS[0], c * MULTIPLIERS[1]
        a, b, c, d = (q >> 32) ^ b ^ k, q & LOW, (p >> 32) ^ d ^ l, p & LOW
        k, l = (k + WEYL[0]) & LOW, (l + WEYL[1]) & LOW
    return a, b, c, d


def _checked(key: Key) -> Key:
    """A key that is one."""
    if not isinstance(key, Key):
        raise ValueError(f"key must be a Key, as simlab.random.key makes them, got {checks.shown(key)}.")
    return Key(*(_whole("key", word, WORDS, scalar=True) for word in key))


def _whole(name: str, values: Array, limit: int, scalar: bool = False) -> Any:
    """Whole numbers from 0 to below the limit, an array as one of uint64; scalar: a plain number stays one."""
    if isinstance(values, (int, np.integer)) and not isinstance(values, bool):
        if not 0 <= values < limit:
            raise ValueError(_outside(name, values, limit))
        return int(values) if scalar else np.asarray(values, np.uint64)
    try:
        xp = array_namespace(values)
    except TypeError:  # lists, tables, text
        values, xp = checks.stored(name, values), np
    if not xp.isdtype(values.dtype, "integral"):
        raise ValueError(_outside(name, values, limit))
    # Checking numbers on a GPU would make the host wait for it, at every step of training.
    if math.prod(values.shape) and not hasattr(values, "__cuda_array_interface__"):
        low, high = (0 if xp.isdtype(values.dtype, "unsigned integer") else int(xp.min(values))), int(xp.max(values))
        if low < 0 or high >= limit:
            raise ValueError(_outside(name, low if low < 0 else high, limit))
    return xp.astype(values, xp.uint64)


def _outside(name: str, value: Any, limit: int) -> str:
    return f"{name} must be whole numbers from 0 to 2^{limit.bit_length() - 1} - 1, got {checks.shown(value)}."


@cache
def cuda_text() -> str:
    """The CUDA form of the same noise: device functions `simlab_philox` and `simlab_normals` (float and double)."""
    single = {"SIN32": coefficients.SIN32, "COS32": coefficients.COS32, "LOG32": [-2 * c for c in coefficients.LOG32]}
    double = {"SIN64": coefficients.SIN64, "COS64": coefficients.COS64, "LOG64": coefficients.LOG64}
    polynomials = [f"#define SIMLAB_{name}(x) {_horner(powers, 'f')}\n" for name, powers in single.items()]
    polynomials += [f"#define SIMLAB_{name}(x) {_horner(powers, '')}\n" for name, powers in double.items()]
    return "".join(polynomials) + Path(__file__).with_name("philox.cuh").read_text(encoding="utf-8")


def _horner(powers: Sequence[float], suffix: str) -> str:
    """A polynomial in x as nested products, lowest power first in `powers`."""
    text = f"{powers[-1]!r}{suffix}"
    for c in reversed(powers[:-1]):
        text = f"({text} * (x) + {c!r}{suffix})"
    return text
