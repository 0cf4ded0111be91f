"""The studies by name: those of simlab, and those that other installed packages provide.

A study is a package whose __init__ imports little and defines STUDY. A package of your own provides a study through an
entry point of the group `simlab.studies`: its name is that of the study, its value for example `my_package:STUDY`.
"""

from __future__ import annotations

import importlib
from importlib.metadata import EntryPoint, entry_points

from simlab.core.errors import InputError, did_you_mean
from simlab.lab.study import Study

STUDIES = ("langevin_drift", "random_features", "scale_invariance", "ensemble_power_laws")
"""The studies of simlab."""
GROUP = "simlab.studies"
"""The group of the entry points."""


def names() -> tuple[str, ...]:
    """The names of all studies."""
    return (*STUDIES, *sorted(_others()))


def load(name: str) -> Study:
    """The study of this name; InputError if there is none, or if it cannot be imported."""
    if not isinstance(name, str):
        raise InputError(f"study must be the name of one, got {name!r}.")
    if name in STUDIES:
        study: Study = importlib.import_module(f"simlab.studies.{name}").STUDY
        return study
    others = _others()
    if name not in others:
        known = names()
        hint = did_you_mean(name, known) or f"; there are {', '.join(known)}."
        raise InputError(f"there is no study {name!r}{hint}")
    place = others[name].value
    try:
        loaded = others[name].load()
    except Exception as error:  # importing another package may raise anything
        raise InputError(
            f"the study {name!r} cannot be imported from {place} ({type(error).__name__}: {error})."
        ) from error
    if not isinstance(loaded, Study) or loaded.name != name:
        raise InputError(f"the entry point {name!r} of {GROUP} must be a Study of that name, and {place} is not.")
    return loaded


def _others() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP) if point.name not in STUDIES}
