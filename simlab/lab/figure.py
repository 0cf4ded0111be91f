"""Figures of a result, fresh or loaded: one of every scene, and an overview of the first panel of each."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simlab.core import files
from simlab.core.errors import InputError
from simlab.lab import plot
from simlab.lab.found import Found
from simlab.lab.panel import HEIGHT, Panel

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from simlab.lab.study import BaseConfig, Study

FORMATS = ("png", "svg", "pdf")
WIDTH, LEFT, RIGHT = 3.5, 0.85, 0.45
"""Inches of a panel's axes, and beside them."""
LINE, TITLE, NOTE, LABEL = 0.175, 0.42, 0.16, 0.62
"""Inches of a line of a legend, of a title, of a line of notes, and of the labels below."""


def figure(study: Study, config: BaseConfig, result: xr.DataTree, scene: str | None = None) -> Figure:
    """All panels of a scene, or the first panel of every scene; InputError where the result has no such scene."""
    names = [n for n in study.scenes if n in result]
    if scene is not None and scene not in names:
        raise InputError(f"scene: the result has no scene {scene!r}; it has {', '.join(names)}.")
    found = {n: Found.of(study.scene(n), result[n].to_dataset()) for n in (names if scene is None else [scene])}
    drawn = [(f, draw) for n, f in found.items() for draw in study.scene(n).PANELS[: None if scene else 1]]
    title = study.title if scene is None else f"{scene.replace('_', ' ').capitalize()} ({study.name})"
    with plot.style():
        return _figure(config, title, drawn)


def write_figures(
    study: Study, config: BaseConfig, result: xr.DataTree, folder: Path, *, scenes: Iterable[str | None] | None = None,
    formats: Iterable[str] = ("png", "svg"),
) -> list[Path]:  # fmt: skip
    """Draw the overview, figure.png, and every scene, NAME.png; or these scenes only, None being the overview."""
    chosen = [None, *(n for n in study.scenes if n in result)] if scenes is None else list(scenes)
    paths = []
    for scene in chosen:
        drawing = figure(study, config, result, scene)
        for kind in formats:
            path = folder / f"{scene or 'figure'}.{kind}"
            files.write_atomically(path, partial(plot.save_figure, drawing, kind=kind))
            paths.append(path)
    return paths


def replace_figures(study: Study, config: BaseConfig, result: xr.DataTree, folder: Path) -> list[Path]:
    """Draw all figures of a result, once those of another result that lay in the folder are gone."""
    for name in figure_names(study):
        (folder / name).unlink(missing_ok=True)
    return write_figures(study, config, result, folder)


def figure_names(study: Study) -> list[str]:
    """The names of all files that figures of a study may have."""
    return [f"{name}.{kind}" for name in ("figure", *study.scenes) for kind in FORMATS]


def _figure(config: BaseConfig, title: str, drawn: list[tuple[Found, Any]]) -> Figure:
    from matplotlib.figure import Figure

    columns = {1: 1, 2: 2, 3: 3, 4: 2}.get(len(drawn), 3 if len(drawn) < 7 else 4)
    sheet = Figure(figsize=(columns * (LEFT + WIDTH + RIGHT), 4.0))
    panels, heads, feet = [], [], []
    for number, (found, draw) in enumerate(drawn):
        panel = Panel(sheet.add_axes((0.1, 0.1, 0.5, 0.5), label=str(number)), found)
        draw(config, found, panel)
        rows, lines = panel.finish(chr(ord("a") + number))
        panels.append(panel)
        heads.append(TITLE + LINE * rows)
        feet.append(LABEL + NOTE * lines)
    rows_of = [range(i, min(i + columns, len(panels))) for i in range(0, len(panels), columns)]
    heights = [max(heads[i] for i in row) + HEIGHT + max(feet[i] for i in row) for row in rows_of]
    width, height = columns * (LEFT + WIDTH + RIGHT), sum(heights) + 0.35
    sheet.set_size_inches(width, height)
    sheet.suptitle(
        title,
        fontsize=min(13, 130 * width / len(title)),
        fontweight="bold",
        x=0.12 / width,
        y=1 - 0.1 / height,
        ha="left",
        va="top",
    )
    top = height - 0.35
    for row, tall in zip(rows_of, heights, strict=True):
        bottom = top - max(heads[i] for i in row) - HEIGHT
        for column, i in enumerate(row):
            left = column * (LEFT + WIDTH + RIGHT) + LEFT
            wide = WIDTH - panels[i].side
            panels[i].axes.set_position((left / width, bottom / height, wide / width, HEIGHT / height))
        top -= tall
    return sheet
