"""What nets need, for the cost of a scene: core-seconds of training and measuring, bytes of data and parameters."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

from simlab.lab.cost import forward_seconds, training_seconds
from simlab.studies.scale_invariance import problem
from simlab.studies.scale_invariance.config import Config

RECORD, STEP = 1e-3, 8e-4
"""Core-seconds of a record, and of a step by array operations, even of few nets."""
RECORDED = 300.0
"""Bytes of overhead of a record."""


class Nets(NamedTuple):
    """Nets with `layers` hidden layers of this width, on data sets of `examples` examples; bytes: of a number."""

    config: Config
    models: int
    width: int
    layers: int
    examples: int
    bytes: int = 4

    @property
    def widths(self) -> tuple[int, ...]:
        """Widths of all layers."""
        return (problem.features(self.config), *(self.width,) * self.layers, problem.classes(self.config))

    @property
    def parameters(self) -> float:
        """Parameters of one net."""
        return float(sum(a * b for a, b in pairwise(self.widths)))

    @property
    def units(self) -> float:
        """Units of one net."""
        return float(sum(self.widths[1:]))

    def training(self, batch: int, steps: float) -> float:
        """Core-seconds of training all nets in the compiled kernels."""
        return training_seconds(self.parameters, self.units, self.models * batch * steps)

    def forward(self, examples: float) -> float:
        """Core-seconds of the outputs of all nets on this many examples."""
        return forward_seconds(self.parameters, self.units, self.models * examples)

    def memory(self, data_sets: int, together: int) -> float:
        """Bytes of data (each data set as made and as stacked, and a copy for each net), parameters and outputs.

        together: nets whose outputs on all examples are in memory at a time.
        """
        tests = min(self.config.tests, problem.available(self.config) - self.examples)
        data = (2 * data_sets + self.models) * (self.examples + tests) * (self.widths[0] + 2.0)
        outputs = 3.0 * min(together, self.models) * max(self.examples, tests) * self.width
        return self.bytes * (data + 5 * self.models * self.parameters + outputs)
