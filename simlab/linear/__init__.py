"""Linear models: least squares, ridge and random features, every width and every sample size at once."""

from simlab.linear.curves import sample_curve, width_curve
from simlab.linear.features import random_features, sphere
from simlab.linear.solvers import min_norm, ridge
from simlab.linear.spectral import Spectrum, decompose

__all__ = [
    "Spectrum", "decompose", "min_norm", "random_features", "ridge", "sample_curve", "sphere", "width_curve",
]  # fmt: skip
