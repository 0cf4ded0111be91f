"""simlab: a laboratory for the theory of deep learning."""

import importlib
from types import ModuleType

from simlab.core import interrupts

__version__ = "0.1.0"

interrupts.from_the_start()


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
