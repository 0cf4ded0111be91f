"""The public functions of `simlab.statistics`: what they take, and what lies just outside."""

from __future__ import annotations

from typing import Any

import numpy as np

from simlab import statistics
from tests.domains.calls import Call

MODULES = [statistics]

SAMPLES = np.array([[1.0, 2], [4, 50], [99, 3], [8, 7]])
MASKED = np.ma.masked_equal(SAMPLES, 4)
NO_NUMBERS: tuple[Any, ...] = (
    MASKED, SAMPLES + 0j, SAMPLES.astype(str), [[1.0, None]], [[1.0], [1.0, 2.0]], "x", None, 1.0, np.zeros((0, 2))
)  # fmt: skip
X, POWERS = np.array([1.0, 2, 3, 4, 5]), (0.0, 1.0, 2.0)
NO_ROW: tuple[Any, ...] = (X[:4], X + 0j, "x", None, [1, 2, 3, 4, None], np.stack([X, X]), np.ma.masked_equal(X, 3))
COVARIANCE = np.array([[4.0, 1], [1, 9]])

CALLS = [
    Call(statistics.mean, {"samples": SAMPLES}, {"samples": NO_NUMBERS}, arrays=("samples",)),
    Call(statistics.joint_mean, {"samples": SAMPLES},
         {"samples": (*NO_NUMBERS, np.ones((2, 2, 2)), np.ones((2, 0)))}, arrays=("samples",)),
    Call(statistics.ratio, {"above": SAMPLES, "below": SAMPLES[::-1]},
         {"above": (*NO_NUMBERS, SAMPLES[:3], SAMPLES[:, 0]), "below": (*NO_NUMBERS, SAMPLES[:3], SAMPLES[:, 0])},
         arrays=("above", "below")),
    Call(statistics.jackknife, {"samples": SAMPLES, "estimator": lambda m: m[0] / m[1]},
         {"samples": NO_NUMBERS, "estimator": (None, "mean", 1)}, arrays=("samples",)),
    Call(statistics.chi_square, {"deviation": np.array([1.0, 2]), "error": COVARIANCE, "samples": 50},
         {"deviation": ([1.0], [], 1.0, "x", None, [1, None], [1j, 0], COVARIANCE),
          "error": (COVARIANCE[:1], [1.0], [-1.0, 1.0], -COVARIANCE, [[1.0, 2], [2, 1]], [[1.0, 0.5], [0, 1]], "x",
                    None, COVARIANCE + 0j, [1, None], []),
          "samples": (0, -1, np.nan, "50", None, True)}, arrays=("deviation", "error")),
    Call(statistics.fit, {"x": X, "y": X**2, "se": np.array([1.0, 2, 1, 2, 1]), "powers": POWERS},
         {"x": (*NO_ROW, 0 * X, X // 2 * 0 + 3, 0 * X + [1, 1, 2, 2, 2], np.inf * X, 1e200 * X, 1e8 + 1e-8 * X),
          "y": NO_ROW, "se": (*NO_ROW, 0, -1, 0 * X, -X, np.inf, np.inf * X),
          "powers": ((), 1.0, (0.0, np.nan), (0.0, np.inf), "01", None, (1.0, 1.0), tuple(range(6)), (0, 400, 800))},
         arrays=("x", "y", "se")),
    Call(statistics.fit, {"x": X, "y": X**2, "se": 2, "powers": (-1, 0.5)},
         {"x": (X - 1, -X)}, dict.fromkeys(("y", "se", "powers"), "as above"), name="statistics.fit, roots"),
    Call(statistics.occupation, {"positions": SAMPLES, "edges": np.array([1.0, 3, 50, 60])},
         {"positions": (*NO_NUMBERS, X),
          "edges": ([1.0], [], [1.0, 1.0], [2.0, 1.0], [0.0, np.nan], "x", None, 1.0, [1j, 2], np.ones((2, 2)))},
         arrays=("positions", "edges")),
    Call(statistics.edges_of, {"centres": X},
         {"centres": ([1.0], [], X[::-1], [1, 1], [1, 2, 4], [1, np.nan], [1, np.inf], "x", None, 1.0, [1j, 2])},
         arrays=("centres",)),
    Call(statistics.extrapolate, {"steps": X[:3], "values": X[:3] ** 2, "powers": POWERS},
         {"steps": (X[:2], X, [1.0, 1.0, 2.0], [1.0, np.nan, 2.0], [0.0, 0.0, 1.0], 1e200 * X[:3], "x", None,
                    [1j, 2, 3]),
          "values": (X[:2], X, 1.0, "x", None, [1j, 2, 3]),
          "powers": (POWERS[:2], (), (0, 1, np.nan), (0, 1, 1), "012", None, 1.0)}, arrays=("steps", "values")),
    Call(statistics.vertex, {"x": X, "y": np.array([1.0, 4, 5, 3, 2]), "top": True},
         {"x": (*NO_ROW, 0 * X, X // 2 * 0 + 3, 0 * X + [1, 1, 2, 2, 2], np.inf * X, np.nan * X),
          "y": (X[:4], X + 0j, "x", None, 1.0, [1, 2, 3, 4, None]), "top": (1, None, "top")}, arrays=("x", "y")),
]  # fmt: skip
