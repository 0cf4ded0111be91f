"""Everything that a scene imports, and what its module must define.

    from simlab.lab.scene import Axes, Claim, Found, Lab, Panel, Theory, Values, axis, quantity

A scene is a module. Its quantities are declared at its top; PARTS, where it has any, are modules with more of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from simlab.core.errors import InputError
from simlab.lab.claim import Claim
from simlab.lab.cost import Cost
from simlab.lab.found import Axes, Found
from simlab.lab.lab import Lab
from simlab.lab.measured import Measured
from simlab.lab.panel import Panel
from simlab.lab.quantity import Axis, Beside, Expected, Fit, HeldOut, Quantity, Theory, Values, axis, quantity

__all__ = [
    "Axes",
    "Axis",
    "Beside",
    "Claim",
    "Cost",
    "Draw",
    "Expected",
    "Fit",
    "Found",
    "HeldOut",
    "InputError",
    "Lab",
    "Measured",
    "Panel",
    "Quantity",
    "Scene",
    "Theory",
    "Values",
    "axis",
    "quantity",
]

Draw = Callable[[Any, Found, Panel], None]
"""Draws one panel: draw(config, found, panel)."""


class Scene(Protocol):
    """The module of a scene.

    SOURCE: where its claims come from, in the talk or a paper. PANELS: functions that draw one panel each; the first
    is shown in the overview of the study.
    """

    __name__: str
    SOURCE: str
    PANELS: Sequence[Draw]

    def check(self, config: Any) -> None:
        """InputError for what the types of the Config cannot exclude."""

    def cost(self, config: Any) -> list[Cost]:
        """What the scene's parts need; `Study.check` compares it with the limits."""

    def simulate(self, config: Any, lab: Lab) -> Values:
        """What is measured, and plain facts of the run."""

    def theory(self, config: Any, axes: Axes) -> Values:
        """What is expected, from the config, the coordinates of the axes, and the standard errors."""

    def compare(self, config: Any, found: Found) -> list[Claim]:
        """Claims about the results."""
