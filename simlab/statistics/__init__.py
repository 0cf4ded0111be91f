"""Statistics of independent samples: estimates with their errors, fits, power laws, resampling.

>>> average = mean(samples)  # (walker, ...), each row one walker's own average
>>> law = fit_power_law(n, y, se)
"""

from simlab.statistics.estimates import (
    ChiSquare,
    Estimate,
    Joint,
    chi_square,
    edges_of,
    jackknife,
    joint_mean,
    mean,
    occupation,
    ratio,
)
from simlab.statistics.exponent_test import Comparison, compare_exponent
from simlab.statistics.fits import LinearFit, extrapolate, fit, vertex
from simlab.statistics.power_law import Forecast, PowerLaw, fit_power_law
from simlab.statistics.power_laws import PowerLaws, power_laws
from simlab.statistics.resampling import bootstrap, crossed

__all__ = [
    "ChiSquare",
    "Comparison",
    "Estimate",
    "Forecast",
    "Joint",
    "LinearFit",
    "PowerLaw",
    "PowerLaws",
    "bootstrap",
    "chi_square",
    "compare_exponent",
    "crossed",
    "edges_of",
    "extrapolate",
    "fit",
    "fit_power_law",
    "jackknife",
    "joint_mean",
    "mean",
    "occupation",
    "power_laws",
    "ratio",
    "vertex",
]
