"""Synthetic data: Gaussian inputs with the labels or targets of a random net."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from simlab.core.checks import number, one_of, require_width, shown
from simlab.data.dataset import Data
from simlab.random import Seed, key, normals, uniforms

CELL = 0x7EAC
"""The cell of all keys here: a net or a split with the same seed has independent numbers."""
INPUTS, FIRST, BIAS, LAST, NOISE = range(5)
"""Streams of a teacher."""

Kind = Literal["sampled", "argmax", "values"]


def teacher(
    n: int,
    widths: Sequence[int] = (16, 32, 10),
    *,
    gain: float = 50.0,
    bias: float = 0.3,
    kind: Kind = "sampled",
    noise: float = 0.0,
    seed: Seed = 0,
) -> Data:
    """Inputs x ~ N(0, I), n of them, with the labels or targets that a random net of one hidden layer gives them.

    widths: (n_in, hidden, n_out). f(x) = h W2 - E[h W2] with h = relu(x W1 + b), W1 ~ N(0, 2 / n_in), b ~ N(0, bias^2),
    W2 ~ N(0, gain^2 / hidden). Labels are "sampled" from softmax(f), or are the "argmax" of f; or "values" gives the
    targets f + noise N(0, I).
    The mean is that over all inputs, not over these n, so example i is the same for every n: draw all parts at once and
    split. Teachers of other seeds have other weights, too. With sampled labels, `done` contains the mean entropy of
    softmax(f), the least cross-entropy that a student can reach.
    ValueError unless n is at least 2, sizes are positive, there are two classes, and gain, bias and noise fit.
    """
    require_width(n, "n")
    n_in, hidden, n_out = _widths(widths)
    one_of("kind", kind, ("sampled", "argmax", "values"))
    if n < 2 or (kind != "values" and n_out < 2):
        raise ValueError(f"a teacher needs at least 2 examples and 2 classes, got n = {n} and widths {shown(widths)}.")
    words = "finite: gain must be positive, bias and noise at least 0"
    gain = number("gain", gain, above=0, allowed=words)
    bias, noise = (number(name, value, at_least=0, allowed=words) for name, value in (("bias", bias), ("noise", noise)))
    if noise and kind != "values":
        raise ValueError(f'noise is added to targets; use kind="values", or noisy_labels in place of noise = {noise}.')
    W1 = _normals(seed, n_in, hidden, FIRST) * math.sqrt(2 / n_in)
    b = bias * _normals(seed, 1, hidden, BIAS)
    W2 = _normals(seed, hidden, n_out, LAST) * (gain / math.sqrt(hidden))
    x = _normals(seed, n, n_in, INPUTS)
    f = (np.maximum(x @ W1 + b, 0) - _rectified_mean(b, np.sqrt((W1**2).sum(axis=0)))) @ W2
    source = f"teacher {n_in}-{hidden}-{n_out} of seed {seed}"
    if kind == "values":
        done = (f"noise of deviation {noise:g}",) if noise else ()
        return Data(x, f + noise * _normals(seed, n, n_out, NOISE), None, source, done)
    classes = tuple(str(label) for label in range(n_out))
    if kind == "argmax":
        return Data(x, f.argmax(axis=1), classes, source, ("labels where it is largest",))
    y, entropy = _sampled(f, seed)
    return Data(x, y, classes, source, (f"labels drawn from its softmax, of mean entropy {entropy:.3g}",))


def _widths(widths: Any) -> tuple[int, int, int]:
    """(n_in, hidden, n_out); ValueError unless these are three positive integers."""
    given = list(widths) if isinstance(widths, Sequence) and not isinstance(widths, str) else []
    if len(given) != 3:
        raise ValueError(f"widths must be (n_in, hidden, n_out), got {shown(widths)}.")
    n_in, hidden, n_out = (require_width(size, f"widths[{i}]") for i, size in enumerate(given))
    return n_in, hidden, n_out


def _sampled(f: np.ndarray, seed: Seed) -> tuple[np.ndarray, float]:
    """Labels drawn from softmax(f), and its mean entropy."""
    p, rows = _softmax(f), np.arange(len(f))
    u = uniforms(key(seed, CELL), rows, 0 * rows, stream=NOISE)
    # The last sum is 1 up to rounding, so it is not compared.
    y = (u[:, None] > p.cumsum(axis=1)[:, :-1]).sum(axis=1)
    return y, -(p * np.log(np.maximum(p, np.finfo(float).tiny))).sum(axis=1).mean()


def _normals(seed: Seed, rows: int, columns: int, stream: int) -> np.ndarray:
    """(rows, columns): walker = row, step = column."""
    drawn: np.ndarray = normals(key(seed, CELL), np.arange(rows)[:, None], np.arange(columns)[None, :], stream=stream)
    return drawn


def _rectified_mean(mean: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """E[max(z, 0)] of normal z: s phi(m / s) + m Phi(m / s)."""
    from scipy.special import ndtr

    r = mean / deviation
    return deviation * np.exp(-0.5 * r * r) / math.sqrt(2 * math.pi) + mean * ndtr(r)


def _softmax(f: np.ndarray) -> np.ndarray:
    """Probabilities over the last axis."""
    e: np.ndarray = np.exp(f - f.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)
