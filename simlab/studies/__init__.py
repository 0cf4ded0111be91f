"""The studies of this laboratory, by name. A study is a package whose __init__ is light and holds STUDY."""

from __future__ import annotations

import importlib

from simlab.core.errors import InputError, did_you_mean
from simlab.lab.study import Study

STUDIES = ("langevin_drift", "random_features", "scale_invariance", "ensemble_power_laws")


def load(name: str) -> Study:
    """The study of this name; InputError if there is none."""
    if name not in STUDIES:
        hint = did_you_mean(name, STUDIES) or f"; there are {', '.join(STUDIES)}."
        raise InputError(f"there is no study {name!r}{hint}")
    study: Study = importlib.import_module(f"simlab.studies.{name}").STUDY
    return study
