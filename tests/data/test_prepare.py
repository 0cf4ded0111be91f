"""Splits, balance, label noise and standardisation: what they promise, for any data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simlab import data
from tests.refusals import refused_in_one_sentence

SEEDS = st.integers(0, 2**31)
ALARM = 4.9
"""Standard errors: one false alarm in a million, two-sided."""


@st.composite
def labelled(draw: Any) -> data.Data:
    """2 to 5 classes of unequal sizes; feature 0 is the place of the example, so that it can be recognised."""
    counts = draw(st.lists(st.integers(1, 30), min_size=2, max_size=5))
    rng = np.random.default_rng(draw(SEEDS))
    y = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    x = np.column_stack([np.arange(len(y)), rng.standard_normal((len(y), 2))])
    found = data.from_arrays(x, y)
    found.x.flags.writeable = found.y.flags.writeable = False
    return found


def places(part: data.Data) -> np.ndarray:
    return part.x[:, 0].astype(int)


def plain(n: int, classes: int = 10) -> data.Data:
    return data.from_arrays(np.arange(n)[:, None], np.arange(n) % classes)


@given(labelled(), SEEDS, st.booleans(), st.data())
def test_parts_are_disjoint_and_nest(whole: data.Data, seed: int, stratified: bool, draw: Any) -> None:
    train = draw.draw(st.integers(1, len(whole)))
    test = draw.draw(st.integers(0, len(whole) - train))
    sizes = (train, test) if test else (train,)
    parts = data.split(whole, *sizes, seed=seed, stratified=stratified)
    assert tuple(len(part) for part in parts) == sizes
    taken = np.concatenate([places(part) for part in parts])
    assert len(set(taken)) == len(taken)
    for part in parts:
        np.testing.assert_array_equal(part.y, whole.y[places(part)])
    smaller = data.split(whole, draw.draw(st.integers(1, train)), *sizes[1:], seed=seed, stratified=stratified)
    np.testing.assert_array_equal(smaller[0].x, parts[0].x[: len(smaller[0])])
    if test:
        np.testing.assert_array_equal(smaller[1].x, parts[1].x)


@given(labelled(), SEEDS, st.data())
def test_stratified_parts_have_their_share_of_every_class(whole: data.Data, seed: int, draw: Any) -> None:
    m = draw.draw(st.integers(1, len(whole)))
    (part,) = data.split(whole, m, seed=seed, stratified=True)
    share = whole.counts / len(whole)
    # The bound is that of the docstring; the last term is for the rounding of the shares here.
    assert (np.abs(part.counts - m * share) <= 0.5 + len(share) * share / 2 + 1e-9).all()


@pytest.mark.parametrize("stratified", [False, True])
def test_every_example_comes_first_equally_often(stratified: bool) -> None:
    whole, seeds = plain(10, classes=5), 4000
    firsts = [places(data.split(whole, 1, seed=seed, stratified=stratified)[0])[0] for seed in range(seeds)]
    chi2 = (np.bincount(firsts, minlength=10) - seeds / 10) ** 2 / (seeds / 10)
    assert chi2.sum() < 46.0  # 9 degrees of freedom: one false alarm in a million is at 45.08


@given(labelled(), SEEDS)
def test_balanced_classes_are_equal(whole: data.Data, seed: int) -> None:
    found = data.balance(whole, seed=seed)
    assert (found.counts == whole.counts.min()).all()
    assert (np.diff(places(found)) > 0).all()
    np.testing.assert_array_equal(found.y, whole.y[places(found)])
    assert f"{len(whole) - len(found)} dropped" in str(found)


def test_balance_keeps_every_example_of_a_class_equally_often() -> None:
    whole, seeds = data.from_arrays(np.arange(12)[:, None], np.repeat([0, 1], [8, 4])), 2000
    kept = np.zeros(12)
    for seed in range(seeds):
        kept[places(data.balance(whole, seed=seed))] += 1
    assert (kept[8:] == seeds).all()
    assert (np.abs(kept[:8] - seeds / 2) < ALARM * np.sqrt(seeds / 4)).all()


@given(labelled(), SEEDS, st.floats(0, 1), st.floats(0, 1))
def test_label_noise_is_fixed_and_nests(whole: data.Data, seed: int, one: float, two: float) -> None:
    low, high = (data.noisy_labels(whole, share, seed=seed) for share in sorted((one, two)))
    np.testing.assert_array_equal(low.x, whole.x)
    hit = low.y != whole.y
    np.testing.assert_array_equal(low.y[hit], high.y[hit])
    assert f"{hit.sum()} labels changed" in str(low)
    assert len(low.counts) == len(whole.counts)
    assert (data.noisy_labels(whole, 1.0, seed=seed).y != whole.y).all()
    np.testing.assert_array_equal(data.noisy_labels(whole, 0.0, seed=seed).y, whole.y)
    (part,) = data.split(whole, len(whole) // 2 + 1, seed=seed)
    (more,) = data.split(whole, len(whole), seed=seed)
    again = data.noisy_labels(more, one, seed=seed).y[: len(part)]
    np.testing.assert_array_equal(data.noisy_labels(part, one, seed=seed).y, again)


def test_wrong_labels_are_uniform() -> None:
    whole, share = plain(100_000), 0.2
    noisy = data.noisy_labels(whole, share, seed=3)
    wrong = int((noisy.y != whole.y).sum())
    assert abs(wrong - share * len(whole)) < ALARM * np.sqrt(len(whole) * share * (1 - share))
    cells = np.bincount(10 * whole.y + noisy.y, minlength=100)[~np.eye(10, dtype=bool).ravel()]
    assert ((cells - wrong / 90) ** 2 / (wrong / 90)).sum() < 162.0  # 89 degrees of freedom, one in a million


@given(SEEDS, st.sampled_from(["feature", "global"]), st.sampled_from([np.float32, np.float64]))
def test_standardised_training_part(seed: int, scale: Any, dtype: Any) -> None:
    rng = np.random.default_rng(seed)
    x = (rng.standard_normal((40, 5)) * [1, 10, 1e-3, 1, 0] + [0, 3, 1, 0, 0.1]).astype(dtype)
    whole = data.from_arrays(x, np.arange(40) % 2)
    x.flags.writeable = False
    train, test = (data.from_arrays(x[rows], whole.y[rows]) for rows in (slice(0, 25), slice(25, 40)))
    train_, test_ = data.standardise(train, test, scale=scale)
    assert train_.x.dtype == test_.x.dtype == dtype
    # Features are as large as 1e3 deviations, so rounding is a thousand times that of a number near 1, at 8 roundings.
    rounding = 8e3 * np.finfo(dtype).eps
    np.testing.assert_allclose(train_.x.mean(axis=0, dtype=float), 0, atol=rounding)
    deviations = train_.x.astype(float).std(axis=0)
    if scale == "feature":
        np.testing.assert_allclose(deviations, [1, 1, 1, 1, 0], atol=rounding)
    else:
        np.testing.assert_allclose((deviations**2).mean(), 1, atol=rounding)
    assert not train_.x[:, 4].any()  # exactly 0, though 0.1 has no exact mean
    assert not test_.x[:, 4].any()
    # The test part goes through the very same affine map.
    slope = (train_.x[1] - train_.x[0])[:4] / (x[1] - x[0])[:4]
    np.testing.assert_allclose((test_.x[0] - train_.x[0])[:4], slope * (x[25] - x[0])[:4], rtol=0, atol=10 * rounding)
    assert "1 constant there" in str(test_)


def test_what_was_done_is_told_in_order() -> None:
    train, test = data.split(plain(20), 10, 5, seed=1)
    train, test = data.standardise(data.noisy_labels(train, 0.5, seed=2), test, scale="global")
    assert [words.split()[0] for words in train.done] == ["10", "50%", "standardised"]
    assert [words.split()[0] for words in test.done] == ["5", "standardised"]
    assert repr(train) == f"<{train}>"


TARGETS = data.from_arrays(np.eye(4), np.eye(4))
HUGE = data.from_arrays(np.array([[1e308], [-1e308]]), [0, 1])
REFUSED: list[tuple[Callable[[], Any], str]] = [
    (lambda: data.split(plain(20), seed=0), "at least one part"),
    (lambda: data.split(plain(20), 15, 6, seed=0), r"15 \+ 6 examples do not fit into 20"),
    (lambda: data.split(plain(20), 0, seed=0), r"sizes\[0\] must be a positive integer"),
    (lambda: data.split(plain(20), 0.5, seed=0), r"sizes\[0\] must be a positive integer"),  # type: ignore[arg-type]
    (lambda: data.split(plain(20), 5, seed=-1), "seed must be"),
    (lambda: data.split(TARGETS, 2, seed=0, stratified=True), "needs class labels"),
    (lambda: data.balance(TARGETS, seed=0), "balance needs class labels"),
    (lambda: data.balance(data.split(plain(20), 3, seed=0)[0], seed=0), "has no examples"),
    (lambda: data.noisy_labels(TARGETS, 0.1, seed=0), "noisy_labels needs class labels"),
    (lambda: data.noisy_labels(plain(20), 1.1, seed=0), r"share must be in \[0, 1\]"),
    (lambda: data.noisy_labels(plain(20), float("nan"), seed=0), r"share must be in \[0, 1\]"),
    (lambda: data.standardise(plain(20), TARGETS), "1 and 4 features"),
    (lambda: data.standardise(plain(20), scale="pixel"), "scale must be"),  # type: ignore[arg-type]
    (lambda: data.standardise(data.from_arrays(np.ones((4, 2)), [0, 1, 0, 1])), "is constant"),
    (lambda: data.standardise(HUGE), "beyond the range of floats"),
]


@pytest.mark.parametrize(("call", "message"), REFUSED)
def test_refused_in_one_sentence(call: Callable[[], Any], message: str) -> None:
    refused_in_one_sentence(call, message)
