"""The public functions of `simlab.ensembles`: what they take, and what lies just outside."""

from __future__ import annotations

from typing import Any

import numpy as np

from simlab import ensembles as ens
from simlab import statistics
from tests.domains.calls import Call

MODULES = [ens]

RNG = np.random.default_rng(0)
LOGITS = RNG.standard_normal((4, 6, 3))
LOGS = LOGITS - np.log(np.exp(LOGITS).sum(axis=-1, keepdims=True))
Y = np.array([0, 1, 2, 0, 1, 2])
MASKED = np.ma.masked_greater(LOGS, -0.5)
NO_NUMBERS: tuple[Any, ...] = (
    LOGS + 0j,
    LOGS.astype(str),
    MASKED,
    "x",
    None,
    0.0,
    [[[0.0, None]]],
    LOGS[:, :0],
    LOGS[..., :0],
)
NO_LOGS = (*NO_NUMBERS, LOGITS, LOGS + 1e-3, np.exp(LOGS), np.zeros((4, 6, 3)), np.where(LOGS > -0.5, np.inf, LOGS))
NO_MEMBERS = (*NO_LOGS, LOGS[0], LOGS[:0])
NO_LABELS: tuple[Any, ...] = (
    Y + 1,
    Y - 1,
    Y + 0.5,
    Y.astype(float),
    Y > 0,
    Y[:5],
    np.stack([Y] * 3),
    Y + 0j,
    list("abcabc"),
    [0, 1, 2, 0, 1, None],
    None,
    0,
    np.ma.masked_equal(Y, 2),
    Y.astype(np.uint64) + np.uint64(2**63),
    np.eye(3)[Y],
)
NO_TAU: tuple[Any, ...] = (0, -1, np.inf, -np.inf, "1", None, 1j, np.ones(3), [1, 1, 1, 0])
NO_COUNT: tuple[Any, ...] = (
    0,
    -1,
    1.5,
    np.nan,
    np.inf,
    "2",
    None,
    True,
    [1, 2],
    1e300,
    2**63,
    10**400,
    np.timedelta64(2, "s"),
)
NO_ROW: tuple[Any, ...] = (np.array(2), np.array("a"), np.ma.masked_equal([1, 2], 2))
N, LOSS = np.array([1.0, 2, 4, 8]), np.array([90.0, 70, 62, 59])
NO_SIZES: tuple[Any, ...] = (
    N[:3],
    N[::-1],
    N - 1,
    N * np.nan,
    N * np.inf,
    N + 0j,
    list("abcd"),
    None,
    [],
    np.stack([N, N]),
)
NO_LOSS: tuple[Any, ...] = (
    LOSS[:3],
    LOSS + 0j,
    list("abcd"),
    None,
    [],
    [1.0, 2, 3, None],
    np.ma.masked_equal(LOSS, 62),
)
P, TABLE = np.array([10.0, 20]), np.array([[30.0, 20, 15, 12], [25, 20, 16, 14]])
NO_TABLE: tuple[Any, ...] = (TABLE.T, TABLE[0], TABLE + 0j, "x", None, np.ma.masked_equal(TABLE, 15), TABLE[:, :0])
NO_WIDTHS: tuple[Any, ...] = (P[::-1], P[:1], -P, 0 * P, P * np.nan, 1e-320 * P, P + 0j, "x", None, [])
NO_BUDGETS: tuple[Any, ...] = (-1, 0, 1e-320, [40, np.nan], np.inf, "x", None, [], [[40.0]])
SPLITS = {"parameters": NO_WIDTHS, "n": NO_SIZES, "loss": NO_TABLE, "budgets": NO_BUDGETS}
CELLS = {"parameters": P, "n": N, "loss": TABLE, "budgets": np.array([40.0, 80])}
FIT = {"n": N, "y": LOSS, "se": np.array([1.0, 2, 1, 2]), "covariance": None, "exponent": None, "level": 0.9}
NO_SE: tuple[Any, ...] = (0, -1, 1e-320, 1e300, np.nan, np.inf, [1.0, 1], [1, 1, 1, -1], "x", 1j, np.ones((4, 4)))
NO_EXPONENT: tuple[Any, ...] = (0, -1, 1e-320, 9, np.nan, np.inf, "1", True, [1, 2])
NO_POINTS = {"n": (*NO_SIZES[:1], *NO_SIZES[2:]), "y": (*NO_LOSS, LOSS * np.nan, LOSS * np.inf, 0 * LOSS)}
LAW = statistics.fit_power_law(N, LOSS)
SPLIT = ens.best_split(**CELLS)
AVERAGED = ens.average(LOGS)

CALLS = [
    Call(
        ens.average, {"log_probs": LOGS, "tau": [1, 2, 3, 4]}, {"log_probs": NO_MEMBERS, "tau": NO_TAU}, arrays=("tau",)
    ),
    Call(ens.partition, {"members": 6, "n": 4}, {"members": (*NO_COUNT, 3), "n": (*NO_COUNT, 7)}),
    Call(ens.ensembles, {"log_probs": LOGS, "n": 3}, {"log_probs": NO_MEMBERS, "n": (*NO_COUNT, 5)}),
    Call(
        ens.nested,
        {"log_probs": LOGS, "sizes": [1, 2]},
        {"log_probs": NO_MEMBERS, "sizes": ([], 1, "12", None, [0], [5], [1.5], [np.nan], [None], *NO_ROW)},
    ),
    Call(
        ens.curve,
        {"log_probs": LOGS, "labels": Y, "sizes": np.array([1.0, 2]), "validation": (LOGS, Y)},
        {
            "log_probs": (*NO_MEMBERS, LOGS[:3], np.stack([LOGS] * 2)),
            "labels": NO_LABELS,
            "sizes": ([], 1, "12", None, [0], [5], [1.5], *NO_ROW),
            "validation": (LOGS, (LOGS,), (LOGITS, Y), (LOGS, Y + 1), (LOGS[:3], Y), (LOGS[0], Y), "no", (LOGS, None)),
        },
        arrays=("sizes",),
    ),
    Call(ens.temperature_before, {"log_probs": LOGS, "labels": Y}, {"log_probs": NO_MEMBERS, "labels": NO_LABELS}),
    Call(
        ens.calibrate,
        {"log_probs": np.array([[1.0, 5], [7, 3]]), "tau": 2},
        {"log_probs": (LOGS + 0j, "x", None, MASKED, 0.0, [], LOGS[..., :0]), "tau": NO_TAU[:-1]},
    ),
    Call(
        ens.cross_validated_nll,
        {"log_probs": 9 * np.eye(6)[:, :3], "labels": Y, "repeats": 2, "folds": 3, "seed": 0},
        {
            "log_probs": NO_NUMBERS[:-2],
            "labels": NO_LABELS,
            "repeats": NO_COUNT,
            "folds": (*NO_COUNT, 1, 7),
            "seed": (-1, 0.5, "0", None, True),
        },
        arrays=("log_probs",),
    ),
    Call(
        ens.validation_excess,
        {"log_probs": 9 * np.eye(6)[:, :3], "labels": Y, "size": 50},
        {"log_probs": NO_NUMBERS[:-2], "labels": NO_LABELS, "size": (0, 0.5, -1, np.nan, np.inf, "50", None, True)},
        arrays=("log_probs",),
    ),
    Call(ens.brier, {"log_probs": AVERAGED, "labels": Y}, {"log_probs": (*NO_LOGS, LOGS[0, 0]), "labels": NO_LABELS}),
    Call(
        ens.ece,
        {"log_probs": AVERAGED, "labels": Y, "bins": 4},
        {"log_probs": (*NO_LOGS, LOGS[0, 0]), "labels": NO_LABELS, "bins": NO_COUNT},
    ),
    Call(
        statistics.crossed,
        {"losses": TABLE},
        {"losses": (TABLE[:1], TABLE[:, :1], N, TABLE + 0j, "x", None, 1.0, np.ma.masked_equal(TABLE, 15))},
        arrays=("losses",),
    ),
    Call(
        statistics.bootstrap,
        {"samples": TABLE, "estimator": lambda a: a[:, 0] - a.mean(), "axes": (0, -1), "resamples": 5, "seed": 1},
        {
            "samples": (TABLE[:1], TABLE[:, :1], TABLE + 0j, "x", None, 1.0),
            "estimator": (None, "mean"),
            "axes": (2, -3, (), (0, 0), (0, -2), 0.5, "01", None, True, [[1], [1, 2]], np, np.array(1.0)),
            "resamples": (*NO_COUNT, 1),
            "seed": (-1, 0.5, "0", None, True),
        },
        arrays=("samples",),
    ),
    Call(
        ens.deep_ensemble_equivalent,
        {"n": N, "loss": LOSS, "value": [95.0, 60, 65, 50]},
        {"n": NO_SIZES, "loss": NO_LOSS, "value": ("x", None, 1j, [1, None])},
        arrays=("n", "loss", "value"),
    ),
    Call(
        statistics.fit_power_law,
        FIT,
        {
            **NO_POINTS,
            "se": NO_SE,
            "covariance": (np.eye(4),),
            "exponent": NO_EXPONENT,
            "level": (0, 1, -0.1, 1.1, np.nan, "0.9", None, True),
        },
        arrays=("n", "y", "se"),
    ),
    Call(
        statistics.fit_power_law,
        {**FIT, "se": None, "covariance": np.diag([1.0, 4, 1, 4])},
        {
            "covariance": (
                -np.eye(4),
                1e-320 * np.eye(4),
                np.eye(3),
                np.ones((4, 4)),
                np.triu(np.ones((4, 4))),
                np.eye(4) * np.nan,
                "x",
                1j,
            )
        },
        dict.fromkeys(("n", "y", "se", "exponent", "level"), "as above"),
        arrays=("n", "y", "covariance"),
        name="ensembles.fit_power_law, covariance",
    ),
    Call(
        statistics.compare_exponent,
        {"n": N, "y": LOSS, "se": np.array([1.0, 2, 1, 2]), "exponent": 1},
        {**NO_POINTS, "se": NO_SE, "exponent": NO_EXPONENT},
        arrays=("n", "y", "se"),
    ),
    Call(LAW.predict, {"n": np.array([1.0, 9])}, {"n": (0, -1, 1e-200, np.nan, "x", None, 1j)}, arrays=("n",)),
    Call(
        statistics.power_laws,
        {"n": N, "losses": np.stack([LOSS, TABLE[0]])},
        {"n": (*NO_SIZES[:1], *NO_SIZES[2:], [1, 1, 2, 2]), "losses": NO_LOSS},
        arrays=("n", "losses"),
    ),
    Call(ens.iso_budget, CELLS, SPLITS, arrays=("parameters", "n", "loss", "budgets")),
    Call(
        ens.best_split,
        CELLS,
        {**SPLITS, "budgets": (*NO_BUDGETS, 5, 1000)},
        arrays=("parameters", "n", "loss", "budgets"),
    ),
    Call(
        ens.predict_split,
        {**CELLS, "cheap": 80, "se": 1, "exponent": 1},
        {
            **SPLITS,
            "loss": (*NO_TABLE, TABLE[None]),
            "cheap": (0, -1, np.nan, "80", None, True, 10),
            "se": (0, -1, np.nan, np.inf, [1.0, 1], "x", 1j),
            "exponent": NO_EXPONENT,
        },
        arrays=("parameters", "n", "loss", "budgets"),
    ),
    Call(
        ens.regret,
        {"predicted": SPLIT, "measured": SPLIT},
        {
            "predicted": (None, "x", 1.0, (1, 2), ens.best_split(P, N, TABLE, [40])),
            "measured": (None, "x", 1.0, (1, 2)),
        },
    ),
]
