"""The noise: known answers, an independent oracle, and what every property of a function of indices promises."""

from __future__ import annotations

import math
from typing import Any, cast

import array_api_strict
import numpy as np
import pytest
import randomgen
from hypothesis import given
from hypothesis import strategies as st

from simlab import random as noise
from simlab.random import Key, kernels

WORD = st.integers(0, 2**32 - 1)
KEYS = st.builds(Key, WORD, WORD)

# Random123 distribution (Salmon et al. 2011), file kat_vectors: counter, key, answer of philox4x32-10.
KNOWN_ANSWERS = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


def blocks(key: Key, pair: int, group: int, component: int, stream: int, pairs: int = 8) -> tuple[np.ndarray, ...]:
    """Words u, v (walkers) of one group of two steps, from the numba form."""
    u, v = np.empty((2, 1, pairs), np.uint64)
    kernels.fill_words(pair, group, component, np.uint64(stream), np.uint64(key.low), np.uint64(key.high), u, v)
    return u[0].view(np.int32), v[0].view(np.int32)


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN_ANSWERS)
def test_philox_gives_the_known_answers(
    counter: tuple[int, ...], key: tuple[int, int], answer: tuple[int, ...]
) -> None:
    words = noise.philox(tuple(np.array([c], np.uint64) for c in counter), Key(*key))  # type: ignore[arg-type]
    assert tuple(int(w[0]) for w in words) == answer


@given(KEYS, st.tuples(WORD, WORD, WORD, WORD))
def test_philox_is_that_of_randomgen(key: Key, counter: tuple[int, int, int, int]) -> None:
    number = sum(c << (32 * i) for i, c in enumerate(counter))
    # randomgen advances its counter before the first block.
    oracle = randomgen.Philox(counter=(number - 1) % 2**128, key=key.low + (key.high << 32), number=4, width=32)
    expected = oracle.random_raw(4)
    words = noise.philox(tuple(np.array([c], np.uint64) for c in counter), key)  # type: ignore[arg-type]
    assert [int(w[0]) for w in words] == [int(w) for w in expected]


@given(KEYS, st.integers(0, 2**31), st.integers(0, 2**31), st.integers(0, 15), WORD)
def test_numba_words_are_the_array_words(key: Key, pair: int, group: int, component: int, stream: int) -> None:
    u, v = blocks(key, pair, group, component, stream)
    walkers = 2 * pair + np.arange(16, dtype=np.uint64)
    for step in (2 * group, 2 * group + 1):
        expected = noise.words(key, walkers, np.uint64(step), component, stream)
        np.testing.assert_array_equal(u.view(np.uint32), expected[0])
        np.testing.assert_array_equal(v.view(np.uint32), expected[1])


@given(KEYS, st.integers(0, 2**31), st.integers(0, 2**31))
def test_numba_normals_are_the_array_normals_to_rounding(key: Key, pair: int, group: int) -> None:
    u, v = blocks(key, pair, group, 0, 0, pairs=64)
    walkers = 2 * pair + np.arange(128, dtype=np.uint64)
    expected = [noise.normals(key, walkers, np.uint64(2 * group + half)) for half in (0, 1)]
    for dtype, constants, fill in (
        (np.float32, kernels.CONSTANTS32, kernels.fill_normals32),
        (np.float64, kernels.CONSTANTS64, kernels.fill_normals64),
    ):
        even, odd = np.empty((2, 128), dtype)
        fill(u, v, constants, even, odd)
        # |z| <= 6.7 times a few roundings of the angle, the radius and their product.
        np.testing.assert_allclose([even, odd], expected, rtol=0, atol=6.7 * 4 * float(np.finfo(dtype).eps))


def test_polynomials_are_good_to_a_rounding() -> None:
    # Ends, middle and neighbourhoods of the seams of the uniforms: x next to 0, sqrt(1/2), 1/2 and 1.
    n = np.unique(
        np.concatenate(
            [np.clip(c + np.arange(-300, 301), 0, 2**31 - 1) for c in (0, 2**30, 2**31 - 1, 1518500250, 12345678)]
        )
    )
    u = (2 * n).astype(np.uint32).view(np.int32)
    for quarter in (0, 0x40000000, 0x7FFFFFFF):
        v = np.full(len(n), quarter, np.int32)
        t = (quarter + 0.5) * 2.0**-32
        radius = np.sqrt(-2 * np.log((n + 0.5) * 2.0**-31))
        expected = [radius * math.cos(math.pi * t), radius * math.sin(math.pi * t)]
        for dtype, constants, fill in (
            (np.float32, kernels.CONSTANTS32, kernels.fill_normals32),
            (np.float64, kernels.CONSTANTS64, kernels.fill_normals64),
        ):
            even, odd = np.empty((2, len(n)), dtype)
            fill(u, v, constants, even, odd)
            error = np.abs(np.array([even, odd], float) - expected) / np.maximum(radius, 1e-300)
            assert error.max() < 4 * np.finfo(dtype).eps


CELLS = st.lists(st.integers(0, 2**32 - 1) | st.integers(0, 2) | st.text(max_size=3), max_size=4).map(tuple)


@given(st.integers(0, 2**40), st.integers(0, 2**40))
def test_near_seeds_have_far_keys(a: int, b: int) -> None:
    assert (noise.key(a) == noise.key(b)) == (a == b)
    assert noise.key(a, 0) != noise.key(a, 1) != noise.key(a)


@given(st.integers(0, 3) | st.integers(0, 2**128 - 1), st.integers(0, 3), CELLS, CELLS)
def test_different_seeds_and_cells_have_different_keys(a: int, b: int, one: Any, other: Any) -> None:
    assert (noise.key(a, *one) == noise.key(b, *other)) == ((a, one) == (b, other))
    # A key may stand for a seed, and a cell of a key is another than the same cell of its seed.
    parent = noise.key(a, *one)
    assert noise.key(parent) == parent
    assert (noise.key(parent, *other) == parent) == (other == ())


def test_names_and_numbers_of_a_cell_do_not_run_together() -> None:
    cells: list[Any] = [
        (), ("",), ("", ""), ("a",), ("b",), ("a", "b"), ("b", "a"), ("ab",), ("a", 0), (0, "a"), (0,), (0, 0), (1,),
        ("0",), ("1",), (1, 0), (10,), (2**32 - 1,), ("key",), ("key", 0),
    ]  # fmt: skip
    keys = {noise.key(seed, *cell) for seed in (0, 1, noise.key(0), noise.key(0, "a")) for cell in cells}
    assert len(keys) == 4 * len(cells) - 2  # key(0) and key(0, "a") as seeds, without a cell, are there already
    assert noise.key(0, cast(int, np.uint32(7))) == noise.key(0, 7)


@pytest.mark.parametrize("part", [-1, 2**32, 2**40, 0.5, True, None, b"a", (1,), np.nan])
def test_a_cell_of_anything_else_is_refused(part: Any) -> None:
    for seed in (0, noise.key(0)):
        with pytest.raises(ValueError, match=r"cell must hold names and whole numbers from 0 to 2\^32 - 1, got .*\.$"):
            noise.key(seed, "a", part)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int64", "uint64", ">i4", "list"])
def test_places_may_be_any_integers(dtype: str) -> None:
    key, steps = noise.key(0), np.array([[3], [4]])

    def stored(places: np.ndarray) -> Any:
        return places.tolist() if dtype == "list" else places.astype(dtype)

    expected = noise.normals(key, np.arange(5), steps, 1, 2)
    np.testing.assert_array_equal(noise.normals(key, stored(np.arange(5)), stored(steps), 1, 2), expected)
    several = noise.normals(
        key, stored(np.arange(5)), 3, stored(np.arange(2)[:, None]), stored(np.array([[[2]], [[7]]]))
    )
    assert several.shape == (2, 2, 5)
    np.testing.assert_array_equal(several[0, 1], expected[0])


@pytest.mark.parametrize("seed", [-1, 2**128, 0.5, True, "0", None, (1, 2)])
def test_what_is_no_seed_is_refused(seed: Any) -> None:
    with pytest.raises(ValueError, match=r"seed must be a whole number from 0 to 2\^128 - 1 or a Key, got .*\.$"):
        noise.key(seed)


def standard_score(sample: np.ndarray, expected: float) -> float:
    return float((sample.mean() - expected) / (sample.std(ddof=1) / math.sqrt(sample.size)))


@pytest.mark.parametrize("seed", [0, 1, 2**63])
def test_moments_of_normals_and_uniforms(seed: int) -> None:
    # 2^20 numbers, 4.9 sigmas: a false alarm once in 10^6 looks, 24 looks here.
    key = noise.key(seed)
    walkers, steps = np.arange(2**12)[:, None], np.arange(2**8)[None, :]
    z = noise.normals(key, walkers, steps).ravel()
    for power, moment in ((1, 0), (2, 1), (3, 0), (4, 3), (6, 15)):
        assert abs(standard_score(z**power, moment)) < 4.9
    x = noise.uniforms(key, walkers, steps).ravel()
    assert x.min() > 0
    assert x.max() < 1
    for power in (1, 2, 3):
        assert abs(standard_score(x**power, 1 / (power + 1))) < 4.9


def test_noise_of_different_keys_streams_components_walkers_and_steps_is_uncorrelated() -> None:
    walkers, steps = np.arange(2**10)[:, None], np.arange(2**8)[None, :]
    base = noise.normals(noise.key(0), walkers, steps)
    others = {
        "seed": noise.normals(noise.key(1), walkers, steps),
        "cell": noise.normals(noise.key(0, 1), walkers, steps),
        "stream": noise.normals(noise.key(0), walkers, steps, stream=1),
        "component": noise.normals(noise.key(0), walkers, steps, component=1),
        "walker": np.roll(base, 1, axis=0),
        "step": np.roll(base, 1, axis=1),
        "pair and step": np.roll(base, (1, 1), axis=(0, 1)),
    }
    for name, other in others.items():
        # Products of independent normals: also of their squares, where Box-Muller partners would show.
        assert abs(standard_score(base * other, 0)) < 4.9, name
        assert abs(standard_score((base**2 - 1) * (other**2 - 1), 0)) < 4.9, name


@given(st.integers(1, 64), st.integers(1, 16), st.integers(0, 63), st.integers(0, 15))
def test_any_part_of_the_table_is_the_same_part_of_the_whole(walkers: int, steps: int, first: int, begin: int) -> None:
    key = noise.key(5)
    whole = noise.normals(key, np.arange(128)[:, None], np.arange(32)[None, :])
    part = noise.normals(key, np.arange(first, first + walkers)[:, None], np.arange(begin, begin + steps)[None, :])
    np.testing.assert_array_equal(part, whole[first : first + walkers, begin : begin + steps])


def test_the_array_form_runs_on_any_array_library() -> None:
    device = array_api_strict.Device("device1")
    walkers = array_api_strict.arange(8, device=device)[:, None]
    steps = array_api_strict.arange(4, device=device)[None, :]
    for function in (noise.normals, noise.uniforms):
        strict = function(noise.key(3), walkers, steps, 1, 2)
        plain = function(noise.key(3), np.arange(8)[:, None], np.arange(4)[None, :], 1, 2)
        assert strict.device == device
        back = np.asarray(strict.to_device(array_api_strict.Device("CPU_DEVICE")))
        np.testing.assert_array_equal(back, plain)
