"""What pools of networks need: core-seconds of training and measuring them, bytes of their answers."""

from __future__ import annotations

from simlab.lab.cost import ENTRY, Cost, forward_seconds, training_seconds
from simlab.studies.ensemble_power_laws import pool, task, training
from simlab.studies.ensemble_power_laws.config import Config

MEASURED = 120.0
"""Passes over the answers: of every temperature, of every size of the ensemble, of fits to the validation data."""
CLASSES = 10
"""Classes of a teacher."""
ANSWER = 24.0
"""Bytes for each member, example and class."""


def check(config: Config) -> None:
    """Refuse settings that no scene of the teachers' networks can use."""
    pool.check(config)


def teachers(config: Config) -> list[Cost]:
    """The pools of all teachers, which are trained once for all scenes."""
    sizes = config.training, config.validation, config.tests
    fields = ("teachers", "members", "widths", "training", "validation", "tests", "epochs")
    return _pools(config, fields, config.teachers, config.widths, sizes, training.INPUTS, CLASSES)


def digits(config: Config) -> list[Cost]:
    """The pools of all shuffles of real data."""
    data = task.load(config.data)
    assert data.classes is not None
    fields = ("splits", "members", "widths", "epochs")
    inputs, classes = data.x.shape[1], len(data.classes)
    return _pools(config, fields, config.splits, pool.few(config), task.parts_of(len(data)), inputs, classes)


def _pools(
    config: Config, fields: tuple[str, ...], count: int, widths: tuple[int, ...], sizes: tuple[int, int, int],
    inputs: int, classes: int,
) -> list[Cost]:  # fmt: skip
    """A part for each width: `count` pools, trained, evaluated and measured one after another."""
    examples, validation, tests = sizes
    steps, batch = training.steps_of(config, examples), min(training.BATCH, examples)
    costs = []
    for width, parameters in zip(widths, training.parameters(widths, inputs, classes).tolist(), strict=True):
        units = width + classes
        trained = training_seconds(parameters, units, float(config.members) * steps * batch)
        evaluated = forward_seconds(parameters, units, float(config.members) * (validation + tests))
        answers = float(config.members) * (validation + tests) * classes
        size = ANSWER * answers + 4 * (sum(sizes) * inputs * 3 + 6.0 * config.members * parameters)
        seconds = count * (trained + evaluated + MEASURED * answers * ENTRY)
        costs.append(Cost(fields, count * steps, size, seconds))
    return costs
