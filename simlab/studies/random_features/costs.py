"""The memory and time that problems of this study need; the size of cells and the cost of scenes follow from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from simlab.lab.cost import ENTRY, FLOP, Cost

OVERHEAD, BLOCK_OVERHEAD = 5e-4, 1e-4
"""Core-seconds of overhead of a problem, and of a block of a curve."""


class Need(NamedTuple):
    """What one problem needs: numbers in memory at its peak, core-seconds, and numbers in its result."""

    held: float
    seconds: float
    kept: float = 0.0


def cost(fields: Sequence[str], parts: Sequence[tuple[int, int]], need: Callable[[int], Need]) -> list[Cost]:
    """The cost of all problems (dimension, count); need(dimension): what one of them needs."""
    result = []
    for dimension, count in parts:
        one = need(dimension)
        result.append(Cost((*fields, "replicates"), count, 8 * (one.held + 3 * count * one.kept), count * one.seconds))
    return result


def drawing(examples: int, dimension: int, tests: int, weights: int) -> Need:
    """Drawing points, test points, and the weights of all members."""
    numbers = float(examples + tests + weights) * dimension
    return Need(2.5 * numbers, 15 * numbers * ENTRY + OVERHEAD)


def features(rows: int, width: int, dimension: int) -> float:
    """Core-seconds of the features of these rows."""
    return float(rows) * width * (2 * dimension * FLOP + 3 * ENTRY)


def curve(rows: int, columns: int, tests: int) -> Need:
    """One curve of `simlab.linear`: errors at all columns, with the features given."""
    n, m, first = float(rows), float(tests), float(min(rows, columns))
    beyond = columns - first
    flops = 2 * n * first**2 + first**3 + 2 * first**2 * m + 4 * beyond * n * (n + m) + 200 * columns * m
    return Need((n + 2 * m) * columns + 3 * first**2, FLOP * flops + BLOCK_OVERHEAD * (2 + columns / 96), columns)


def solution(rows: int, width: int) -> float:
    """Core-seconds of one ridge regression."""
    small, large = float(min(rows, width)), float(max(rows, width))
    return FLOP * (2 * large * small**2 + small**3) + BLOCK_OVERHEAD


def decomposition(rows: int, columns: int, times: int = 1) -> Need:
    """Gaussian points and `times` singular value decompositions of them."""
    entries = float(rows) * columns
    return Need(4 * entries, times * entries * (20 * min(rows, columns) * FLOP + 15 * ENTRY) + OVERHEAD)
