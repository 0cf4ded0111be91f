"""Bad input is refused by a ValueError of one sentence that says what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from simlab import ensembles as ens
from simlab import statistics
from tests.refusals import refused_in_one_sentence

LOGS = np.log(np.full((4, 6, 3), 1 / 3))
Y = np.array([0, 1, 2, 0, 1, 2])
N, LOSS = np.array([1, 2, 4, 8]), np.array([1.0, 0.8, 0.72, 0.69])
P, TABLE = np.array([10, 20]), np.array([[3.0, 2.0, 1.5, 1.2], [2.5, 2.0, 1.6, 1.4]])
SPLIT = ens.best_split(P, N, TABLE, [40])

REFUSED: list[tuple[Callable[[], Any], str]] = [
    (lambda: ens.average(LOGS[0]), "log_probs must have shape"),
    (lambda: ens.average(LOGS[:0]), "log_probs must have shape"),
    (lambda: ens.average(LOGS, 0.0), "tau must be positive, got 0"),
    (lambda: ens.average(LOGS, np.ones(3)), "tau must be a number or have shape"),
    (lambda: ens.calibrate(LOGS, -1.0), "tau must be positive, got -1"),
    (lambda: ens.nll(LOGS, Y, 0.0), "tau must be positive, got 0"),
    (lambda: ens.nll(LOGS, Y, np.ones(3)), "tau must be a number or have shape"),
    (lambda: ens.curve(LOGS, Y, []), "sizes must hold at least one"),
    (lambda: ens.curve(LOGS, Y, np.array([1.5])), "n must be in 1 ... 4"),
    (lambda: statistics.fit_power_law(N, LOSS).predict(0), "n must be positive"),
    (lambda: ens.partition(4, 5), "n must be in 1 ... 4"),
    (lambda: ens.ensembles(LOGS, 0), "n must be in 1 ... 4"),
    (lambda: ens.curve(LOGS, Y + 1, [1]), "labels must be in 0 ... 2"),
    (lambda: ens.curve(LOGS, Y, [5]), "n must be in 1 ... 4"),
    (lambda: ens.curve(LOGS, Y, [1], (LOGS[:3], Y)), "same members"),
    (lambda: ens.nll(LOGS, Y[:5]), "labels must have shape"),
    (lambda: ens.nll(LOGS, np.stack([Y] * 3)), "labels must have shape"),
    (lambda: ens.temperature(LOGS, Y - 1), "labels must be in 0 ... 2"),
    (lambda: ens.temperature(LOGS, Y + 0.5), "labels must be integers"),
    (lambda: ens.brier(LOGS, Y + 1), "labels must be in 0 ... 2"),
    (lambda: ens.ece(LOGS, Y, bins=0), "bins must be at least 1"),
    (lambda: ens.cross_validated_nll(LOGS, Y, folds=7), "folds must be in 2 ... 6"),
    (lambda: ens.cross_validated_nll(LOGS, Y, repeats=0), "repeats at least 1"),
    (lambda: ens.validation_excess(LOGS, Y, 0), "size must be a positive number"),
    (lambda: statistics.crossed(np.ones((1, 5))), "at least two groups"),
    (lambda: statistics.bootstrap(np.ones((1, 5)), np.mean), "at least two entries"),
    (lambda: statistics.bootstrap(np.ones((3, 5)), np.mean, resamples=1), "resamples must be at least 2"),
    (lambda: ens.deep_ensemble_equivalent([2, 1], [0.1, 0.2], 0.1), "n must rise"),
    (lambda: ens.deep_ensemble_equivalent([1, 2], [0.1], 0.1), "one number for each n"),
    (lambda: statistics.fit_power_law(N[:3], LOSS[:3]), "too few for 3 parameters"),
    (lambda: statistics.fit_power_law([1, 1, 2, 2], LOSS, 0.1), "4 points at 2 different n are too few"),
    (lambda: statistics.fit_power_law(N, LOSS[:3]), "the same length"),
    (lambda: statistics.fit_power_law(N - 1, LOSS), "n must be positive"),
    (lambda: statistics.fit_power_law(N, np.where(N == 4, np.nan, LOSS)), "diverged"),
    (lambda: statistics.fit_power_law(N, LOSS, 0.0), "se must be positive"),
    (lambda: statistics.fit_power_law(N, LOSS, 0.1, covariance=np.eye(4)), "se or covariance, not both"),
    (lambda: statistics.fit_power_law(N, LOSS, covariance=np.ones((4, 4))), "positive definite"),
    (lambda: statistics.fit_power_law(N, LOSS, covariance=np.eye(3)), "positive definite"),
    (lambda: statistics.fit_power_law(N, LOSS, level=1.0), "level must be between"),
    (lambda: statistics.fit_power_law(N, LOSS, exponent=-1.0), "exponent must be positive"),
    (lambda: statistics.fit_power_law(N, np.ones(4)), "the same at every n"),
    (lambda: statistics.power_laws(N, LOSS[:3]), "one for each"),
    (lambda: statistics.power_laws([1, 1, 2, 2], LOSS), "three different positive sizes"),
    (lambda: ens.best_split(P[::-1], N, TABLE, [40]), "parameters must be positive and rise"),
    (lambda: ens.best_split(P, N[::-1], TABLE, [40]), "n must be positive and rise"),
    (lambda: ens.best_split(P, N, TABLE.T, [40]), "loss must have shape"),
    (lambda: ens.best_split(P, N, TABLE, [-1]), "budgets must be positive"),
    (lambda: ens.best_split(P, N, TABLE, [40, 5]), "no width has a loss at the budget 5"),
    (lambda: ens.predict_split(P, N, TABLE, [40], cheap=15), "raise cheap"),
    (lambda: ens.predict_split(P, N, TABLE[None], [40], cheap=80), r"shape \(width, size\)"),
    (lambda: ens.regret(SPLIT, ens.best_split(P, N, TABLE, [50])), "budgets of the two splits differ"),
]


@pytest.mark.parametrize(("call", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_refused_in_one_sentence(call: Callable[[], Any], message: str) -> None:
    refused_in_one_sentence(call, message)
