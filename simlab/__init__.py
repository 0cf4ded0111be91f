"""simlab: a laboratory for the theory of deep learning."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import TYPE_CHECKING, Any

from simlab.core import interrupts

if TYPE_CHECKING:
    from simlab.lab.result import Result

__version__ = "0.1.0"

interrupts.from_the_start()


def run(
    study: str, preset: str = "default", *, progress: bool = True, overwrite: bool = False, **fields: Any
) -> Result:
    """Run a study by name, with a preset and some of its fields changed, and return its result.

    >>> simlab.run("langevin_drift", preset="smoke", scenes=["walk"], seed=1)  # doctest: +SKIP

    Fields are those of `python -m simlab.studies.NAME --help`. With out="a/folder" the result and its figures are
    written there, finished work is kept meanwhile, and a run that was stopped goes on. InputError says in one sentence
    what cannot be.
    """
    # By name, for the parts below import this package for its version.
    loaded = importlib.import_module("simlab.studies").load(study)
    run_study = importlib.import_module("simlab.lab.result").run_study
    result: Result = run_study(loaded, preset, fields, progress=progress, overwrite=overwrite)
    return result


def __getattr__(name: str) -> ModuleType:
    """A part of simlab on its first use: `import simlab; simlab.nn`. Nothing is loaded before it is asked for."""
    if not name.startswith("_"):
        try:
            return importlib.import_module(f"{__name__}.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"{__name__}.{name}":  # something that the part needs is not installed
                raise
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    import pkgutil

    return sorted({*globals(), *(part.name for part in pkgutil.iter_modules(__path__))})
