"""What the networks learn: a random teacher, or the user's data, in three parts."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from simlab import data
from simlab.core.errors import InputError
from simlab.data.versions import by_version
from simlab.lab.scene import Lab
from simlab.random import Key
from simlab.studies.ensemble_power_laws.config import Config

Array = Any
FEWEST = 600
"""Fewest examples of a user's data."""


class Task(NamedTuple):
    """Inputs (n, in) in single precision and labels (n) of the three parts, on the device; the key of all noise."""

    train: tuple[Array, Array]
    validation: tuple[Array, Array]
    test: tuple[Array, Array]
    classes: int
    key: Key


def teacher(config: Config, replicate: int, lab: Lab) -> Task:
    """A random teacher of 16 inputs, 32 hidden units and 10 classes, with data of its own."""
    key = lab.key("teachers", replicate)
    sizes = config.training, config.validation, config.tests
    parts = data.split(data.teacher(sum(sizes), gain=config.gain, seed=key), *sizes, seed=key)
    return _task(parts, key, lab)


def digits(config: Config, replicate: int, lab: Lab) -> Task:
    """The digits or the user's data, shuffled: a sixth to train on, a third to validate, a half to test."""
    examples = load(config.data)
    key = lab.key("digits", replicate)
    parts = data.split(examples, *parts_of(len(examples)), seed=key)
    return _task(data.standardise(*parts, scale="global"), key, lab)


def parts_of(examples: int) -> tuple[int, int, int]:
    """Examples to train on, to validate and to test."""
    return examples // 6, examples // 3, examples // 2


@by_version
def load(path: Path | None) -> data.Data:
    """The user's data; InputError where they have no classes or are too few."""
    if path is None:
        return data.digits()
    examples = data.read(path)
    if examples.classes is None:
        raise InputError(f"data = {path}: y holds targets, and this study needs class labels; save y as integers.")
    if len(examples) < FEWEST:
        raise InputError(f"data = {path}: {len(examples)} examples; at least {FEWEST} are needed.")
    return examples


def _task(parts: tuple[data.Data, ...], key: Key, lab: Lab) -> Task:
    asarray = lab.device.asarray
    train, validation, test = ((asarray(p.x.astype(np.float32)), asarray(p.y)) for p in parts)
    assert parts[0].classes is not None
    return Task(train, validation, test, len(parts[0].classes), key)
