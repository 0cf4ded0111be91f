"""The order of examples: exact permutations, uniform, and a function of (key, model, epoch) only."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from simlab.random import key, philox
from simlab.random import shuffle as order


def reference(seed: int, model: int, epoch: int, n: int) -> list[int]:
    """The shuffle from the array form of Philox, in Python."""
    counter: Any = [np.array(c, np.uint64) for c in (np.arange(n // 4 + 1), model, epoch, order.STREAM)]
    words = np.array(philox(tuple(counter), key(seed))).T.ravel()
    places = list(range(n))
    for i in range(n - 1):
        other = i + (int(words[i]) * (n - i) >> 32)
        places[i], places[other] = places[other], places[i]
    return places


@given(st.integers(0, 99), st.integers(0, 2**31), st.integers(0, 2**31), st.integers(1, 40), st.data())
def test_batches_are_the_shuffle_cut_in_pieces(seed: int, model: int, epoch: int, n: int, data: st.DataObject) -> None:
    size = data.draw(st.integers(1, n))
    step = epoch * (n // size) + data.draw(st.integers(0, n // size - 1))
    found = order.batches(key(seed), np.array([7, model]), n, size, step)
    assert found.shape == (n // size, 2, size)
    assert found[:, 1].ravel().tolist() == reference(seed, model, epoch, n)[: n // size * size]


def test_all_permutations_are_equally_likely() -> None:
    models = np.arange(24_000)
    found = order.batches(key(1), models, 4, 4, 5)[0]
    counts = [int((found == np.array(p)).all(axis=1).sum()) for p in permutations(range(4))]
    assert sum(counts) == len(models)
    assert chisquare(counts).pvalue > 1e-4  # the false-alarm rate


def test_epochs_and_models_are_apart() -> None:
    first, second = (order.batches(key(1), np.arange(2), 30, 30, step)[0] for step in (0, 1))
    rows = {tuple(row) for row in (*first, *second)}
    assert len(rows) == 4
