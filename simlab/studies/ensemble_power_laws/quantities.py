"""Quantities and axes of several scenes."""

from __future__ import annotations

from simlab.lab.quantity import axis, quantity

WIDTH = axis("hidden units")
MEMBERS = axis("members n of an ensemble")
PLACE = axis("half the interpolation width or less, that width, and the largest one")
"""As hidden units, of networks that are among the widths."""
SIDE = axis("half the interpolation width or less, and the largest one")
BUDGET = axis("parameters of all members together")
EXTREME = axis("a split")
"""Many members of the least budget, and few of the largest."""
PARAMETERS = quantity("parameters of one network", WIDTH)
CALIBRATED = quantity("calibrated NLL", WIDTH, MEMBERS, unit="nat")
"""Negative log-likelihood of ensembles of new members at the best temperature after averaging."""
