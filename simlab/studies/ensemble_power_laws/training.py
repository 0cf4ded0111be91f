"""Training of all networks of one width of a task, and how many steps and parameters that takes."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from simlab import nn
from simlab.core.device import Device
from simlab.core.errors import InputError
from simlab.nn.calibration import log_softmax
from simlab.studies.ensemble_power_laws.config import Config
from simlab.studies.ensemble_power_laws.task import Task

Array = Any
BATCH, MOMENTUM, INPUTS, LAST = 50, 0.9, 16, 0.01
"""INPUTS: of a teacher; with more inputs the curvature is larger, and the learning rate is reduced in proportion.
LAST: variance gain of the last layer; with small outputs at the start wide networks keep improving with width."""


class Answers(NamedTuple):
    """Training error, and log-probabilities (member, example, class) on the validation and test data."""

    error: float
    validation: Array
    test: Array


def train(config: Config, task: Task, width: int, device: Device) -> Answers:
    """All networks of one width of a task."""
    x = task.train[0]
    relu = nn.relu
    net = nn.serial(
        nn.dense(x.shape[1], width, role="input", gain=relu.gain), relu,
        nn.dense(width, task.classes, role="output", gain=LAST),
    )  # fmt: skip
    steps = steps_of(config, len(x))
    lr = config.lr * min(1.0, INPUTS / x.shape[1])
    sgd = nn.SGD(nn.Cosine(lr, steps), momentum=MOMENTUM, weight_decay=config.weight_decay)
    start = nn.init(net, models=config.members, seed=task.key, device=device.name)
    at_end = nn.Record(("error",), at=[steps])
    end, record = nn.train(
        net, start, task.train, sgd, batch_size=min(BATCH, len(x)), steps=steps, seed=task.key, record=at_end
    )
    diverged = int((record.diverged >= 0).sum())
    if diverged:
        raise InputError(
            f"lr = {config.lr:g}: {diverged} networks of {width} hidden units diverged; take a smaller one."
        )
    error = float(record.error.isel(step=-1).mean())
    validation, test = (log_softmax(nn.predict(net, end, part[0])) for part in (task.validation, task.test))
    return Answers(error, validation, test)


def steps_of(config: Config, examples: int) -> int:
    """Steps of training on this many examples."""
    return config.epochs * -(-examples // BATCH)


def parameters(widths: tuple[int, ...], n_in: int = 16, classes: int = 10) -> NDArray[np.int64]:
    """Parameters of one network of each width."""
    return np.array([(n_in + 1) * h + (h + 1) * classes for h in widths])
