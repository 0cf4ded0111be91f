"""Rolls of a die at a few tables, each of them a cell."""

import numpy as np

from simlab.lab.scene import Axes, Claim, Cost, Found, Lab, Panel, Theory, Values, axis, quantity
from simlab.statistics import Joint, joint_mean
from tests.lab.casino import Config

SOURCE = "Laplace"
TABLE, FACE = axis("table"), axis("face of the die")
SHARE = quantity("share of rolls", TABLE, FACE)


def check(config: Config) -> None:
    """Anything goes."""


def cost(config: Config) -> list[Cost]:
    return [Cost(("rolls",), config.rolls, 8.0 * config.rolls, 1e-9 * config.rolls)]


def simulate(config: Config, lab: Lab) -> Values:
    tables = range(config.tables)
    return {TABLE: list(tables), FACE: range(1, 7), SHARE: lab.cells(rolls, config, tables, "dice")}


def rolls(config: Config, table: int, lab: Lab) -> Joint:
    die = np.random.default_rng(lab.key("rolls", table)).integers(6, size=config.rolls)
    return joint_mean(np.eye(6)[die])


def theory(config: Config, axes: Axes) -> Values:
    return {SHARE: Theory(1 / 6)}


def compare(config: Config, found: Found) -> list[Claim]:
    return [found[SHARE][i].agrees(f"fair-{i}", f"The die of table {i} is fair.") for i in range(config.tables)]


def draw(config: Config, found: Found, panel: Panel) -> None:
    panel.points(found[SHARE][0], "the first table")
    panel.line(found[SHARE][0], "1/6")


PANELS = (draw,)
