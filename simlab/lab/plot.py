"""One look for every figure: simulation is points with error bars, theory is lines.

matplotlib is imported only for drawing: a problem with it, or with a user's settings, does not fail a run.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe & Ito 2008: distinguishable with any kind of colour vision.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
GREY = "0.15"
"""Theory, where no series has a colour of its own."""
LOOK: Any = {
    "font.size": 10.5, "axes.titlesize": 11.5, "axes.spines.top": False,
    "axes.spines.right": False, "legend.frameon": False, "legend.fontsize": 8.5, "lines.linewidth": 1.6,
    "svg.hashsalt": "simlab", "svg.fonttype": "path",
}  # fmt: skip


@contextmanager
def style() -> Iterator[None]:
    """The laboratory's look, for the figures made inside, whatever a user set; nothing global stays changed."""
    mpl = _matplotlib()
    # Backends draw on screens, which no figure here does.
    plain = {k: v for k, v in mpl.rcParamsDefault.items() if not k.startswith(("backend", "interactive"))}
    with mpl.rc_context({**plain, **LOOK}):
        yield


def _matplotlib() -> Any:
    """The module; its import would end at an MPLBACKEND that is not installed here, as children of Jupyter inherit."""
    first = "matplotlib" not in sys.modules
    backend = os.environ.pop("MPLBACKEND", "") if first else ""
    try:
        import matplotlib as mpl
    finally:
        if backend:
            os.environ["MPLBACKEND"] = backend
    if backend:
        with suppress(ValueError):
            mpl.rcParams["backend"] = backend  # as it does itself
    return mpl


def save_figure(figure: Figure, path: str | Path | IO[bytes], kind: str) -> None:
    """Write a figure without a date in it, so that equal figures are equal files."""
    metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind, {"Software": "simlab"})
    with style():  # the salt of svg identifiers is read when the file is written
        figure.savefig(path, format=kind, dpi=160, metadata=metadata)
