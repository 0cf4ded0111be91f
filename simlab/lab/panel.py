"""A panel of a figure: it draws quantities, and takes labels, units, error bars and theory from them.

Simulation is points with error bars of two standard errors, theory a line. Legends are above the panel, where they
cover no data.
"""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from simlab.lab.found import Found
from simlab.lab.measured import Measured
from simlab.lab.plot import COLORS, GREY
from simlab.lab.quantity import Axis, Quantity

HEIGHT = 2.55
"""Inches of a panel's axes."""
Style = Literal["-", "--", ":", "-."]


@dataclass
class Panel:
    """One set of axes and what a scene has found. `axes` is matplotlib's own, for what no method here does.

    In all methods `what` is a quantity, or a part of one: `found[Q][i]`. x: places other than its axis' coordinates.
    color: a number of the palette.
    """

    axes: Any
    found: Found
    notes: list[str] = field(default_factory=list)
    side: float = 0.0
    """Inches of its width that are needed on the right, such as by a colour bar."""

    def points(self, what: Quantity | Measured, label: str = "", *, x: Any = None, color: int = 0) -> None:
        """What was measured: points with error bars of two standard errors."""
        one, x = self._along(what, x)
        se = np.where(np.isfinite(one.se), one.se, 0.0)
        self.axes.errorbar(
            x, one.value, yerr=2 * se, fmt="o", ms=3.5, lw=1, capsize=1.5, color=COLORS[color], label=label or None,
            zorder=3,
        )  # fmt: skip

    def line(
        self,
        what: Quantity | Measured,
        label: str = "theory",
        *,
        x: Any = None,
        color: int | None = None,
        style: Style = "-",
    ) -> None:
        """Its reference, theory or another one, joined by a line."""
        one, x = self._along(what, x)
        self.curve(x, one.reference, label, color=color, style=style)

    def marks(self, what: Quantity | Measured, label: str = "theory", *, x: Any = None, style: Style = "-") -> None:
        """The same at places that no line should join: short horizontal strokes."""
        one, x = self._along(what, x)
        at = np.arange(len(one.reference)) if np.asarray(x).dtype.kind in "OU" else np.asarray(x)
        shade = GREY if style == "-" else COLORS[1]
        self.axes.hlines(one.reference, at - 0.32, at + 0.32, colors=shade, linestyles=style, label=label, zorder=2)

    def bars(
        self, what: Quantity | Measured, label: str = "", *, x: Any = None, width: Any = None, color: int = 5
    ) -> None:
        """A histogram with error bars, for a line of theory to go through; its places are evenly spaced.

        x, width: centres and widths of bars that are not.
        """
        one, x = self._along(what, x)
        if width is None:
            width = x[1] - x[0] if len(x) > 1 else 1.0
        self.axes.bar(x, one.value, width=width, color=COLORS[color], alpha=0.55, edgecolor="white", lw=0.4,
                      label=label or None, zorder=1)  # fmt: skip
        self.axes.errorbar(x, one.value, yerr=2 * one.se, fmt="none", ecolor=COLORS[0], lw=1, zorder=3)

    def map(self, what: Quantity | Measured, label: str = "", *, colors: str = "viridis", limits: Any = None) -> None:
        """Colours over two axes, the first upwards and the second to the right, with a colour bar."""
        one = self._get(what)
        y, x = one.coordinates
        low, high = limits or (None, None)
        places = [np.arange(len(c)) if np.asarray(c).dtype.kind in "OU" else c for c in (x, y)]
        image = self.axes.pcolormesh(*places, one.value, cmap=colors, vmin=low, vmax=high, shading="nearest")
        image.set_edgecolor("face")
        for axis, values, at in zip((self.axes.xaxis, self.axes.yaxis), (x, y), places, strict=True):
            if np.asarray(values).dtype.kind in "OU":
                axis.set_ticks(at, [str(v) for v in values], rotation=45)
        self.scale(image, label or labelled(one.quantity))
        self.axes.set(xlabel=labelled(one.axes[1]), ylabel=labelled(one.axes[0]))

    def scale(self, image: Any, label: str) -> None:
        """A colour bar."""
        self.side = 0.6
        self.axes.figure.colorbar(image, cax=self.axes.inset_axes((1.02, 0, 0.045, 1)), label=label)

    def right(self, label: str, **properties: Any) -> Panel:
        """A second vertical axis for another quantity over the same places, with a label of its own."""
        self.side = 0.3
        other = Panel(self.axes.twinx(), self.found)
        other.axes.spines["right"].set_visible(True)
        other.axes.set(ylabel=label, **properties)
        return other

    def curve(
        self, x: Any, y: Any, label: str = "", *, color: int | None = None, style: Style = "-", width: float = 1.6
    ) -> None:
        """A line through given points, such as theory on a fine grid."""
        shade = GREY if color is None else COLORS[color]
        self.axes.plot(x, y, style, color=shade, lw=width, label=label or None, zorder=2)

    def place(self, x: float, label: str = "") -> None:
        """A vertical line that marks a position."""
        self.axes.axvline(x, color="0.75", lw=1, ls=":", label=label or None, zorder=0)

    def level(self, y: float, label: str = "") -> None:
        """A horizontal line that marks a value."""
        self.axes.axhline(y, color="0.75", lw=1, ls=":", label=label or None, zorder=0)

    def note(self, text: str) -> None:
        """Parameters of this panel, written below it."""
        self.notes.append(text)

    def blank(self, title: str, reason: str) -> None:
        """A panel with nothing in it, and why."""
        self.axes.set_axis_off()
        self.axes.text(0.5, 0.5, reason, ha="center", va="center", wrap=True, transform=self.axes.transAxes)
        self.set(title=title)

    def set(self, **properties: Any) -> None:
        """Title, labels, scales and limits, as matplotlib's `Axes.set` takes them."""
        self.axes.set(**properties)

    def finish(self, letter: str) -> tuple[int, int]:
        """Letter, title, a legend above the panel and notes below it; how many lines the legend and the notes take."""
        rows = self._legend()
        title, up = self.axes.get_title(), 1 + (5 + 12.6 * rows) / (72 * HEIGHT)
        self.axes.set_title("")
        self.axes.text(-0.13, up, letter, transform=self.axes.transAxes, fontweight="bold", fontsize=12, va="bottom")
        self.axes.text(0, up, title, transform=self.axes.transAxes, fontsize=11, va="bottom")
        wrapped = 1
        for one, width in ((self.axes.xaxis, 46), (self.axes.yaxis, 34)):
            lines = textwrap.wrap(one.get_label_text(), width, break_long_words=False)
            one.set_label_text("\n".join(lines))
            wrapped = max(wrapped, len(lines)) if one is self.axes.xaxis else wrapped
            _readable(one)
        notes, hanging = textwrap.wrap("; ".join(self.notes), 64), _hanging(self.axes.xaxis)
        if notes:
            down = -24 - 12.5 * wrapped - hanging
            self.axes.annotate("\n".join(notes), (0, 0), (0, down), xycoords="axes fraction",
                               textcoords="offset points", fontsize=8, color="0.35", va="top")  # fmt: skip
        return rows, len(notes) + wrapped - 1 + math.ceil(hanging / 12.5)

    def _legend(self) -> int:
        """What was simulated first, then theory, in two columns where the labels are short; how many lines it takes."""
        from matplotlib.container import Container

        others = [a for a in self.axes.figure.axes if a.get_shared_x_axes().joined(a, self.axes) and a is not self.axes]
        handles, labels = [], []
        for axes in (self.axes, *others):  # a second vertical axis has handles of its own
            for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
                handles.append(handle)
                labels.append(label)
        if not handles:
            return 0
        order = sorted(range(len(handles)), key=lambda i: not isinstance(handles[i], Container))
        columns = 2 if len(handles) > 1 and max(map(len, labels)) < 27 else 1
        self.axes.legend(
            [handles[i] for i in order], [labels[i] for i in order], loc="lower left", bbox_to_anchor=(-0.02, 1.0),
            ncols=columns, borderaxespad=0.2, handlelength=1.6, columnspacing=1.0, labelspacing=0.25,
        )  # fmt: skip
        return -(-len(handles) // columns)

    def _get(self, what: Quantity | Measured) -> Measured:
        return self.found[what] if isinstance(what, Quantity) else what

    def _along(self, what: Quantity | Measured, x: Any) -> tuple[Measured, Any]:
        """A quantity over one axis, and its places; labels that are not there yet are taken from both."""
        one = self._get(what)
        if x is None:
            x = one.coordinates[0] if one.coordinates else np.array([0.0])
            if one.axes and not self.axes.get_xlabel():
                self.axes.set_xlabel(labelled(one.axes[0]))
        if not self.axes.get_ylabel():
            self.axes.set_ylabel(labelled(one.quantity))
        return one, x


def labelled(quantity: Quantity | Axis) -> str:
    """The meaning of a quantity with its unit, as on an axis."""
    return quantity.meaning if quantity.unit in ("1", "") else f"{quantity.meaning} ({quantity.unit})"


def _hanging(axis: Any) -> float:
    """About how many points slanted labels of ticks reach below the line that upright ones take."""
    slants = [(len(t.get_text()), math.radians(t.get_rotation())) for t in axis.get_ticklabels()]
    return max((6.5 * size * abs(math.sin(a)) + 10.5 * (math.cos(a) - 1) for size, a in slants if a), default=0.0)


def _readable(axis: Any) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter

    low, high = axis.get_view_interval()
    if axis.get_scale() == "log" and high < 300 * low:  # powers of ten alone are too few ticks
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter(NullFormatter())
