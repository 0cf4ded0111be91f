"""Panels say what they show: labels, units, letters, a legend that covers no data, and nothing is cut off."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from simlab.core.errors import InputError
from simlab.lab import figure, plot, results
from simlab.lab.found import Found
from simlab.lab.panel import Panel, labelled
from simlab.lab.quantity import Beside, Theory, axis, quantity
from simlab.lab.study import BaseConfig, Study
from simlab.statistics import Estimate
from tests.lab.scenes import scene

ANGLE, TABLE = axis("angle x", "rad"), axis("table")
SHARE = quantity("share of time in the bin", TABLE, ANGLE)
SPEED = quantity("mean speed", ANGLE, unit="m/s")
RANK = quantity("rank of the table", TABLE)
QUANTITIES = {"ANGLE": ANGLE, "TABLE": TABLE, "SHARE": SHARE, "SPEED": SPEED, "RANK": RANK}
ANGLES, TABLES = np.linspace(0.5, 3.0, 6), ["green", "blue", "red"]
PLAIN = settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
Draw = Callable[[Any, Found, Panel], None]


class Config(BaseConfig):
    """What is shown?"""


CONFIG = Config.model_validate({})


def found_in(module: ModuleType) -> xr.Dataset:
    found = Found.of(module)
    rows = np.outer([1.0, 2.0, 3.0], np.ones(6))
    found.enter({
        ANGLE: ANGLES, TABLE: TABLES, SHARE: Beside(Estimate(rows, rows / 10), Theory(rows + 0.1)),
        SPEED: Beside(Estimate(ANGLES**2, ANGLES / 20), Theory(ANGLES**2)), RANK: Beside([1.0, 2.0, 3.0], Theory(2.0)),
    })  # fmt: skip
    return found.dataset


@pytest.fixture
def sheet(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Figure]:
    """sheet(draw, ...) is the figure of a scene with these panels; with `others`, the overview of several scenes."""

    def make(*draws: Draw, others: tuple[Draw, ...] = (), title: str = "Dice", name: str | None = "one") -> Figure:
        modules = {"one": scene("one", PANELS=draws, **QUANTITIES)}
        modules |= {f"more_{i}": scene(f"more_{i}", PANELS=(draw,), **QUANTITIES) for i, draw in enumerate(others)}
        monkeypatch.setitem(sys.modules, "casino", ModuleType("casino"))
        for scene_name, module in modules.items():
            monkeypatch.setitem(sys.modules, f"casino.{scene_name}", module)
        study = Study("casino", title, "casino", Config, tuple(modules))
        tree = results.tree({n: found_in(m) for n, m in modules.items()}, [], {"simlab_study": "casino"})
        made = figure.figure(study, CONFIG, tree, name)
        with plot.style():
            made.draw_without_rendering()
        return made

    return make


def panels(made: Figure) -> list[Axes]:
    """The axes of its panels, without those that stand inside or beside of them."""
    return [axes for axes in made.axes if str(axes.get_label()).isdigit()]


def box(thing: Any) -> Any:
    """What a thing takes of its sheet, in pixels."""
    return thing.get_tightbbox()


def texts(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def points(config: Any, found: Found, panel: Panel) -> None:
    panel.points(SPEED, "walkers")
    panel.line(SPEED)
    panel.set(title="Speeds")
    panel.note("a = 0.6")


def test_labels_and_units_are_those_of_the_quantities(sheet: Callable[..., Figure]) -> None:
    (axes,) = panels(sheet(points))
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("angle x (rad)", "mean speed (m/s)")
    assert labelled(SHARE) == "share of time in the bin", "what has no unit has no brackets"

    def part(config: Any, found: Found, panel: Panel) -> None:
        panel.points(found[SHARE][1], "walkers")
        panel.set(ylabel="another")

    (axes,) = panels(sheet(part))
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("angle x (rad)", "another")


def test_points_have_error_bars_of_two_standard_errors_and_a_line_goes_through_the_theory(
    sheet: Callable[..., Figure],
) -> None:
    (axes,) = panels(sheet(points))
    (bars,) = axes.containers
    segments = np.array(bars[2][0].get_segments())
    np.testing.assert_allclose(segments[:, :, 0], np.c_[ANGLES, ANGLES])
    np.testing.assert_allclose(segments[:, 1, 1] - segments[:, 0, 1], 4 * ANGLES / 20)
    (line,) = [one for one in axes.lines if one.get_label() == "theory"]
    np.testing.assert_allclose(np.asarray(line.get_xydata(), float), np.c_[ANGLES, ANGLES**2])


def test_a_number_that_has_no_error_is_a_point_without_a_bar(sheet: Callable[..., Figure]) -> None:
    def draw(config: Any, found: Found, panel: Panel) -> None:
        panel.points(RANK)
        panel.marks(RANK)

    (axes,) = panels(sheet(draw))
    assert [t.get_text() for t in axes.get_xticklabels()] == TABLES
    (bars,) = axes.containers
    np.testing.assert_allclose(np.ptp(np.array(bars[2][0].get_segments())[:, :, 1], axis=1), 0)
    (strokes,) = [c for c in axes.collections if isinstance(c, LineCollection) and c.get_label() == "theory"]
    np.testing.assert_allclose([s[:, 0].mean() for s in strokes.get_segments()], [0, 1, 2])
    np.testing.assert_allclose([s[:, 1] for s in strokes.get_segments()], 2.0)


LABELS = st.lists(st.text("abc xyz", min_size=1, max_size=60).filter(str.strip), min_size=1, max_size=8)


@PLAIN
@given(labels=LABELS, title=st.text("A bc", max_size=40), logarithmic=st.booleans())
def test_a_legend_covers_no_data_no_title_and_no_letter(
    sheet: Callable[..., Figure], labels: list[str], title: str, logarithmic: bool
) -> None:
    def draw(config: Any, found: Found, panel: Panel) -> None:
        for i, label in enumerate(labels):
            panel.points(found[SPEED] * (i + 1), label, color=i % 6)
        panel.set(title=title, yscale="log" if logarithmic else "linear")

    made = sheet(draw)
    (axes,) = panels(made)
    legend = axes.get_legend()
    assert legend is not None
    assert sorted(t.get_text() for t in legend.get_texts()) == sorted(labels)
    assert box(legend).y0 > axes.bbox.y1 - 1, "it stands above the axes"
    for text in axes.texts:
        if text.get_text().strip():
            assert text.get_window_extent().y0 > box(legend).y1 - 3, "and below the title"


def test_what_was_simulated_stands_first_in_a_legend(sheet: Callable[..., Figure]) -> None:
    def draw(config: Any, found: Found, panel: Panel) -> None:
        panel.line(SPEED, "theory")
        panel.place(1.0, "a place")
        panel.level(1.0, "a level")
        panel.curve(ANGLES, ANGLES, "a curve", style="--")
        panel.points(SPEED, "walkers")

    (axes,) = panels(sheet(draw))
    legend = axes.get_legend()
    assert legend is not None
    assert [t.get_text() for t in legend.get_texts()] == ["walkers", "theory", "a place", "a level", "a curve"]


def test_a_map_has_a_bar_that_says_what_its_colours_mean(sheet: Callable[..., Figure]) -> None:
    def draw(config: Any, found: Found, panel: Panel) -> None:
        panel.map(SHARE)

    made = sheet(draw)
    (axes,) = panels(made)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("angle x (rad)", "table")
    assert [t.get_text() for t in axes.get_yticklabels()] == TABLES
    (bar,) = [child for child in axes.child_axes if child.get_ylabel()]
    assert bar.get_ylabel() == "share of time in the bin"
    assert box(bar).x0 > axes.bbox.x1
    (mesh,) = axes.collections
    np.testing.assert_allclose(np.asarray(mesh.get_array()).ravel(), np.repeat([1, 2, 3], 6))


def test_a_second_quantity_has_an_axis_of_its_own_and_one_legend(sheet: Callable[..., Figure]) -> None:
    def draw(config: Any, found: Found, panel: Panel) -> None:
        panel.points(SPEED, "speeds")
        panel.right("share", ylim=(0, 9)).points(found[SHARE][0], "shares", color=1)

    made = sheet(draw)
    (axes,) = panels(made)
    (other,) = [a for a in made.axes if a is not axes]
    assert (axes.get_ylabel(), other.get_ylabel()) == ("mean speed (m/s)", "share")
    legend = axes.get_legend()
    assert legend is not None
    assert [t.get_text() for t in legend.get_texts()] == ["speeds", "shares"]
    assert other.get_legend() is None


def test_few_decades_have_numbers_that_can_be_read(sheet: Callable[..., Figure]) -> None:
    def draw(config: Any, found: Found, panel: Panel) -> None:
        panel.curve([1.0, 20.0], [1e-6, 1.0], "a curve")
        panel.set(xscale="log", yscale="log")

    (axes,) = panels(sheet(draw))
    shown = {t.get_text() for t in axes.get_xticklabels()}
    assert {"1", "2", "5", "10", "20"} <= shown
    assert "$\\mathdefault{10^{-6}}$" in {t.get_text() for t in axes.get_yticklabels()}, "many decades have powers"


def test_panels_have_letters_titles_and_notes(sheet: Callable[..., Figure]) -> None:
    made = sheet(points, points, points)
    assert [texts(axes)[0] for axes in panels(made)] == ["a", "b", "c"]
    assert all(texts(axes)[1:] == ["Speeds", "a = 0.6"] for axes in panels(made))
    assert all(axes.texts[2].get_window_extent().y1 < axes.xaxis.label.get_window_extent().y0 for axes in panels(made))


def test_the_overview_has_the_first_panel_of_every_scene(sheet: Callable[..., Figure]) -> None:
    def named(title: str) -> Draw:
        def draw(config: Any, found: Found, panel: Panel) -> None:
            points(config, found, panel)
            panel.set(title=title)

        return draw

    made = sheet(named("first"), named("second"), others=(named("third"), named("fourth")), name=None)
    assert [texts(axes)[1] for axes in panels(made)] == ["first", "third", "fourth"]
    assert made.get_suptitle() == "Dice"
    only = sheet(named("first"), named("second"), others=(named("third"),), name="one")
    assert [texts(axes)[1] for axes in panels(only)] == ["first", "second"]
    with pytest.raises(InputError, match="the result has no scene 'none'; it has one"):
        sheet(points, name="none")


def crowded(config: Any, found: Found, panel: Panel) -> None:
    """As much as a panel may have to carry."""
    for i in range(6):
        panel.points(found[SPEED] * (i + 1), f"walkers of the {i + 1}th kind with a long name", color=i)
    panel.set(title="A long title of a panel that says it all", xlabel=12 * "a long word ", ylabel=5 * "a long word ")
    panel.note(", ".join(f"parameter {i} = {i / 7:.3f}" for i in range(12)))


def mapped(config: Any, found: Found, panel: Panel) -> None:
    panel.map(SHARE, "a label of colours that is not short")
    panel.note("a = 0.6")


def both(config: Any, found: Found, panel: Panel) -> None:
    points(config, found, panel)
    panel.right("share").points(found[SHARE][0], "shares", color=1)


@pytest.mark.parametrize("count", [1, 3, 4, 5, 8])
@pytest.mark.parametrize("draws", [(points,), (crowded,), (mapped,), (both,), (points, crowded, mapped, both)])
def test_nothing_is_cut_off_and_no_panel_stands_on_another(
    sheet: Callable[..., Figure], draws: tuple[Draw, ...], count: int
) -> None:
    made = sheet(*(draws[i % len(draws)] for i in range(count)), title="A study of one thing and another")
    whole = made.bbox
    boxes = [box(axes) for axes in panels(made)]
    for one in boxes:
        assert whole.x0 - 1 <= one.x0 < one.x1 <= whole.x1 + 1
        assert whole.y0 - 1 <= one.y0 < one.y1 <= whole.y1 + 1
    for i, one in enumerate(boxes):
        for other in boxes[:i]:
            apart = max(one.x0 - other.x1, other.x0 - one.x1, one.y0 - other.y1, other.y0 - one.y1)
            assert apart > -2, (i, one, other)
