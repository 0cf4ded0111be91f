"""The public functions of `simlab.linear`: what they take, and what lies just outside."""

from __future__ import annotations

from typing import Any

import numpy as np

from simlab import linear
from simlab.random import key
from tests.domains.calls import Call

MODULES = [linear]

Z = np.array([[50.0, 2, 3], [4, 5, 6], [7, 8, 10], [1, 9, 2], [3, 3, 70]])
"""Whole numbers that every kind can hold, and squares that bytes cannot; columns are independent."""
Y = np.array([1.0, 2, 3, 4, 99])
GAPS, NOT_FINITE = np.where(Z == 5, np.nan, Z), np.where(Z == 5, np.inf, Z)
MASKED = np.ma.masked_equal(Z, 5)
NO_TABLE: tuple[Any, ...] = (
    GAPS, NOT_FINITE, MASKED, Z + 0j, Z.astype(str), [[1.0, None], [2.0, 3.0]], [[1.0], [1.0, 2.0]], "Z", None, 1.0
)  # fmt: skip
NO_ROW: tuple[Any, ...] = (np.where(Y == 4, np.nan, Y), -np.inf * Y, Y[:4], Y + 0j, list("abcde"), None, [], Y[0])
NO_RIDGE = (0, -1e-300, np.nan, np.inf, "0.1", None, True, [0.1, 0.2], 1j)
TESTS, TRUTH = Z[:2] + 1, Y[:2]
CURVE = {"features": Z, "targets": Y, "test_features": TESTS, "test_targets": TRUTH, "ridge": 0.5}
AROUND_CURVE = {
    "features": (*NO_TABLE, Z[:, :2], Z[0], np.zeros((0, 3)), 1e200 * Z), "targets": (*NO_ROW, Z),
    "ridge": (*NO_RIDGE, 1e-12),
    "test_features": (*NO_TABLE, Z[:, :2], Z[0], np.zeros((0, 3))),
    "test_targets": (TRUTH * np.nan, Y, TRUTH + 0j, "y", None, TRUTH[0], 1e200 * TRUTH),
}  # fmt: skip
SPECTRUM = linear.decompose(Z, Y)
LARGEST = float(SPECTRUM.values.max())

CALLS = [
    Call(linear.ridge, {"features": Z, "targets": Y, "ridge": 0.5},
         {"features": (*NO_TABLE, Z[0], Z[:3], np.zeros((5, 0))), "targets": (*NO_ROW, Z[:4]), "ridge": NO_RIDGE},
         arrays=("features", "targets")),
    Call(linear.ridge, {"features": Z, "targets": Y, "ridge": 1e-20}, {},
         dict.fromkeys(("features", "targets", "ridge"), "as above"),
         arrays=("features", "targets"), name="linear.ridge, hardly any"),
    Call(linear.min_norm, {"features": Z, "targets": Y},
         {"features": (*NO_TABLE, Z[0], Z[:3], np.ones((5, 2))), "targets": (*NO_ROW, Z[:4])},
         arrays=("features", "targets")),
    Call(linear.min_norm, {"features": Z[:2], "targets": Y[:2]}, {}, dict.fromkeys(("features", "targets"), "as above"),
         arrays=("features", "targets"), name="linear.min_norm, wide"),
    Call(linear.decompose, {"features": Z, "targets": Y},
         {"features": (*NO_TABLE, Z[0], Z[:3], np.stack([Z, Z]), 1e200 * Z, 1e-160 * Z), "targets": (*NO_ROW, Z)},
         arrays=("features", "targets")),
    Call(linear.width_curve, CURVE, AROUND_CURVE, arrays=("features", "targets", "test_features", "test_targets")),
    Call(linear.sample_curve, CURVE, AROUND_CURVE, arrays=("features", "targets", "test_features", "test_targets")),
    Call(linear.random_features, {"x": Z, "theta": Z[:2], "activation": "tanh"},
         {"x": (MASKED, Z + 0j, Z[0], Z[:, :2], None, "x", np.zeros((2, 0))),
          "theta": (MASKED, Z + 0j, Z[0], Z[:, :2], None, "x"), "activation": ("step", None, 1, ["relu"])},
         arrays=("x", "theta")),
    Call(linear.sphere, {"key": key(0), "count": 3, "dimension": 4, "stream": 1, "device": None},
         {"key": (0, None, (0, 0, 0), "key", (-1, 0), (0.5, 0)), "count": (0, -1, 1.5, "3", None, np.nan),
          "dimension": (0, -1, 1.5, "4", None, np.inf), "stream": (-1, 0.5, 2**32, "1", None),
          "device": ("cpu", 0, np)}),
    Call(SPECTRUM.ridge, {"ridges": np.array([0.0, 1, 99])}, {"ridges": (-1.0, [0, np.nan], [np.inf], "0.1", None, 1j)},
         arrays=("ridges",)),
    Call(SPECTRUM.descent, {"steps": np.array([0.0, 1, 99]), "lr": 1 / LARGEST},
         {"steps": (-1, [0.5], [np.nan], [np.inf], "1", None, 1j),
          "lr": (0, -1, 2 / LARGEST, np.nan, np.inf, "0.1", None, True)}, arrays=("steps",)),
    Call(SPECTRUM.filtered, {"shares": np.array([0.0, 1, 1])}, {"shares": ([0.0, 1.0], "1", None, 1j)},
         arrays=("shares",)),
]  # fmt: skip
