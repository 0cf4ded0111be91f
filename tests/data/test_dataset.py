"""Arrays as data: which labels, which floats, what is told, what is refused."""

from __future__ import annotations

import doctest
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from simlab import data
from simlab.core.errors import InputError
from tests.refusals import refused_in_one_sentence

X = np.arange(8.0).reshape(4, 2)


@pytest.mark.parametrize(
    ("y", "classes", "labels"),
    [
        ([10, 2, 2, -1], ("-1", "2", "10"), [2, 1, 1, 0]),
        (["10", "2", "2", "1"], ("1", "10", "2"), [1, 2, 2, 0]),
        ([True, False, True, True], ("False", "True"), [1, 0, 1, 1]),
        (np.array([3, 5, 3, 5], np.uint8), ("3", "5"), [0, 1, 0, 1]),
    ],
)
def test_labels_count_from_0_in_the_order_of_their_values(y: Any, classes: tuple[str, ...], labels: list[int]) -> None:
    found = data.from_arrays(X, y)
    assert found.classes == classes
    assert found.y.dtype == np.int64
    np.testing.assert_array_equal(found.y, labels)


@pytest.mark.parametrize(
    ("given", "kept"),
    [("uint8", "float32"), ("int16", "float32"), ("bool", "float32"), ("float16", "float32"), ("float32", "float32"),
     ("int32", "float64"), ("float64", "float64"), (">f4", "float32")],
)  # fmt: skip
def test_features_are_float32_where_it_is_exact(given: str, kept: str) -> None:
    x = X.astype(given)
    found = data.from_arrays(x, [0, 1, 0, 1])
    assert found.x.dtype == kept
    assert found.x.dtype.isnative
    np.testing.assert_array_equal(found.x, x)
    assert not np.shares_memory(found.x, x)


def test_what_is_found_is_told() -> None:
    assert str(data.from_arrays(X, [0, 1, 0, 1])) == "arrays: 4 examples, 2 features in [0, 7], 2 classes of 2 each."
    told = str(data.from_arrays(X[:, :1], X[:, 0] / 8, source="ours"))
    assert told == "ours: 4 examples, 1 feature in [0, 6], 1 target in [0, 0.75]."


def test_the_example_of_the_module() -> None:
    assert doctest.testmod(data, optionflags=doctest.NORMALIZE_WHITESPACE) == (0, 3)


REFUSED: list[tuple[Callable[[], Any], str]] = [
    (lambda: data.from_arrays(np.eye(3), np.zeros((3, 2, 2))), "targets must have shape"),
    (lambda: data.from_arrays(np.eye(3), np.zeros((3, 0))), "targets must have shape"),
    (lambda: data.from_arrays(np.eye(3), np.array([0, "a", None], object)), "y must be integers"),
    (lambda: data.from_arrays(np.zeros((3, 0)), [0, 1, 2]), "at least one feature"),
    (lambda: data.from_arrays([["a"], ["b"]], [0, 1]), "x must be real numbers"),
    (lambda: data.from_arrays([[1], [1, 2]], [0, 1]), "must be arrays"),
    (lambda: data.from_arrays(np.eye(3), 1), "give each example a y"),
]


@pytest.mark.parametrize(("call", "message"), REFUSED)
def test_refused_in_one_sentence(call: Callable[[], Any], message: str) -> None:
    refused_in_one_sentence(call, message, InputError)


def test_targets_have_no_counts() -> None:
    with pytest.raises(ValueError, match="counts needs class labels, and arrays has targets"):
        assert data.from_arrays(X, X).counts
