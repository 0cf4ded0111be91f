"""One look for every figure: simulation is points with error bars, theory is lines.

matplotlib is imported where it draws: what is wrong with it, or with a user's settings of it, costs no run.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe & Ito 2008: told apart by every kind of eye.
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


def grid(panels: int, title: str) -> tuple[Figure, list[Any]]:
    """A figure with this many panels in rows of four at most."""
    from matplotlib.figure import Figure

    columns = min(panels, 4)
    rows = -(-panels // columns)
    figure = Figure(figsize=(4.1 * columns, 3.5 * rows + 0.4))
    axes = [figure.add_subplot(rows, columns, i + 1) for i in range(panels)]
    figure.suptitle(title, fontsize=13.5, fontweight="bold", y=0.985)
    # Margins by hand: measuring every label (constrained layout) takes longer than drawing.
    width, height = figure.get_size_inches()
    figure.subplots_adjust(left=0.7 / width, right=1 - 0.25 / width, bottom=0.75 / height, top=1 - 0.75 / height,
                           wspace=0.28, hspace=0.42)  # fmt: skip
    return figure, axes


def points(axes: Any, x: Any, y: Any, se: Any, label: str, *, color: int = 0) -> None:
    """Simulation: points with error bars of two standard errors."""
    axes.errorbar(x, y, yerr=2 * se, fmt="o", ms=3.5, lw=1, capsize=1.5, color=COLORS[color], label=label, zorder=3)


def line(axes: Any, x: Any, y: Any, label: str, *, color: int | None = None, style: str = "-") -> None:
    """Theory: a line."""
    shade = "0.15" if color is None else COLORS[color]
    axes.plot(
        x, y, style, color=shade if style == "-" else (COLORS[1] if color is None else shade), label=label, zorder=2
    )


def bars(axes: Any, x: Any, y: Any, se: Any, width: Any, label: str) -> None:
    """A histogram with its error bars, for a theory line to go through."""
    axes.bar(x, y, width=width, color=COLORS[5], alpha=0.55, edgecolor="white", lw=0.4, label=label, zorder=1)
    axes.errorbar(x, y, yerr=2 * se, fmt="none", ecolor=COLORS[0], lw=1, zorder=3)


def marks(axes: Any, x: Any, y: Any, label: str, *, style: str = "-") -> None:
    """Theory at separate places that no line should join: short horizontal strokes."""
    shade = "0.15" if style == "-" else COLORS[1]
    axes.hlines(y, np.asarray(x) - 0.32, np.asarray(x) + 0.32, colors=shade, linestyles=style, label=label, zorder=2)


def finish(axes: Any) -> None:
    """A legend with room of its own above the data: what was simulated first, then theory; readable ticks."""
    from matplotlib.ticker import LogLocator, NullFormatter

    _place_legend(axes)
    for axis in (axes.xaxis, axes.yaxis):
        low, high = axis.get_view_interval()
        if axis.get_scale() == "log" and high < 300 * low:  # so few decades that their powers alone say too little
            axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.set_major_formatter("{x:g}")
            axis.set_minor_formatter(NullFormatter())


def _place_legend(axes: Any) -> None:
    from matplotlib.container import Container

    handles, labels = axes.get_legend_handles_labels()
    if not handles:
        return
    order = sorted(range(len(handles)), key=lambda i: not isinstance(handles[i], Container))
    low, high = axes.get_ylim()
    room = 0.095 * len(handles)
    logarithmic = axes.get_yscale() == "log"
    if low > 0 or not logarithmic:  # a logarithmic panel without a number has the limits of a line
        axes.set_ylim(low, high * (high / low) ** room if logarithmic else high + room * (high - low))
    axes.legend([handles[i] for i in order], [labels[i] for i in order], loc="upper left", borderaxespad=0.1)


def save_figure(figure: Figure, path: str | Path, kind: str) -> None:
    """Write a figure without a date in it, so that equal figures are equal files."""
    metadata = {"Date": None} if kind == "svg" else {"Software": "simlab"}
    with style():  # the salt of an svg's names is read when it is written
        figure.savefig(path, format=kind, dpi=160, metadata=metadata)
