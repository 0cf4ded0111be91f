"""What was measured, taken along any of its axes; and cells that are finished already, of which nothing is told."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pytest

from simlab.core.device import Device
from simlab.core.progress import Progress
from simlab.lab.cells import Store
from simlab.lab.found import Found
from simlab.lab.lab import Lab
from simlab.lab.scene import axis, quantity
from simlab.lab.study import BaseConfig
from simlab.statistics import Joint

ROW, COLUMN = axis("row"), axis("column")
TABLE = quantity("table", ROW, COLUMN)


def found() -> Found:
    scene: Any = ModuleType("tests.scene")
    scene.SOURCE, scene.ROW, scene.COLUMN, scene.TABLE = "a test", ROW, COLUMN, TABLE
    result = Found.of(scene)
    rows = [Joint(np.arange(3.0) + k, np.eye(3) * (k + 1), 10) for k in range(2)]
    result.enter({ROW: np.array([7, 8]), COLUMN: np.array([1, 2, 4]), TABLE: rows})
    return result


def test_a_table_may_be_read_by_columns() -> None:
    column = found()[TABLE].along(COLUMN)[2]
    assert column.axes == (ROW,)
    np.testing.assert_array_equal(column.coordinates[0], [7, 8])
    np.testing.assert_array_equal(column.value, [2, 3])
    np.testing.assert_array_equal(column.se, np.sqrt([1, 2]))
    assert np.isnan(column.covariance).all(), "of errors along another axis"


def test_the_first_axis_changes_nothing() -> None:
    table = found()[TABLE]
    same = table.along(ROW)
    np.testing.assert_array_equal(same[1].value, table[1].value)
    np.testing.assert_array_equal(same[1].covariance, table[1].covariance)
    np.testing.assert_array_equal(table[0].along(COLUMN).covariance, table[0].covariance)


def square(config: BaseConfig, item: int, lab: Lab) -> int:
    return item**2


def test_nothing_is_told_of_cells_that_are_finished(capsys: pytest.CaptureFixture[str]) -> None:
    config = BaseConfig(seed=0)
    lab = Lab("study", config, Device.open("cpu"), Progress("lines"), Store("study"))
    assert lab.cells(square, config, range(3), "squares") == [0, 1, 4]
    assert "squares: done" in capsys.readouterr().err
    assert lab.cells(square, config, range(3), "squares") == [0, 1, 4]
    assert capsys.readouterr().err == ""
    assert lab.cells(square, config, range(4), "squares")[3] == 9
    assert "squares: done" in capsys.readouterr().err
