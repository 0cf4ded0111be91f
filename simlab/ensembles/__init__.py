"""Ensembles: averages of members, temperatures, losses at any number of them, and how to split a budget of memory.

>>> tau = temperature(average(validation), validation_labels)  # log_probs (member, example, class) of the members
>>> loss = nll(average(test), test_labels, tau)
>>> found = curve(test, test_labels, sizes=[1, 2, 4, 8, 16], validation=(validation, validation_labels))
>>> simlab.statistics.fit_power_law(found.n, found.calibrated)
"""

from simlab.ensembles.averaging import Curve, average, curve, ensembles, nested, partition, temperature_before
from simlab.ensembles.calibration import (
    calibrate,
    calibrated_nll,
    cross_validated_nll,
    nll,
    temperature,
    validation_excess,
)
from simlab.ensembles.metrics import CalibrationError, brier, deep_ensemble_equivalent, ece, error
from simlab.ensembles.split import Prediction, Split, best_split, iso_budget, predict_split, regret

__all__ = [
    "CalibrationError",
    "Curve",
    "Prediction",
    "Split",
    "average",
    "best_split",
    "brier",
    "calibrate",
    "calibrated_nll",
    "cross_validated_nll",
    "curve",
    "deep_ensemble_equivalent",
    "ece",
    "ensembles",
    "error",
    "iso_budget",
    "nested",
    "nll",
    "partition",
    "predict_split",
    "regret",
    "temperature",
    "temperature_before",
    "validation_excess",
]
