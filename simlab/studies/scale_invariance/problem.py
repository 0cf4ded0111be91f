"""The data of all scenes: the digits or the user's own, each replicate with its own split and wrong labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from simlab import data
from simlab.core.checks import Floats
from simlab.core.device import Device
from simlab.core.errors import InputError
from simlab.data.versions import by_version
from simlab.random import Key
from simlab.studies.scale_invariance.config import Config

Array = Any


class Problem(NamedTuple):
    """Data of all models of a stack, on the device: x (model, n, in), y (model, n), and the same for tests."""

    x: Array
    y: Array
    test_x: Array
    test_y: Array

    def part(self, models: Any) -> Problem:
        """Some of the models, any number of times."""
        return Problem(*(a[models] for a in self))


def check(config: Config, examples: str = "examples") -> None:
    """InputError if the data cannot be read, have no classes, or leave too few for tests; `examples` names a field."""
    source, wanted = _source(config.data), getattr(config, examples)
    if source.classes is None:
        raise InputError("data: y must be integer labels, for this study classifies.")
    if wanted + 50 > len(source):
        raise InputError(
            f"{examples} = {wanted}: the data have {len(source)} examples, and at least 50 must be left for tests."
        )


def classes(config: Config) -> int:
    """The number of classes of the data."""
    return len(_source(config.data).counts)


def available(config: Config) -> int:
    """The number of examples of the data."""
    return len(_source(config.data))


def features(config: Config) -> int:
    """The number of features of the data."""
    return int(_source(config.data).x.shape[1])


def make(
    config: Config, keys: list[Key], examples: int, noise: float, device: Device, *, whiten: bool = False,
    dtype: str = "float32",
) -> Problem:  # fmt: skip
    """The data of the replicates with these keys; all features are in units of one scale.

    noise: the share of wrong training labels. whiten: features are rotated to principal components and divided by
    their standard deviations, so that all have one scale.
    """
    whole, parts = _source(config.data), []
    for key in keys:
        train, test = data.split(whole, examples, min(config.tests, len(whole) - examples), seed=key)
        train, test = data.standardise(data.noisy_labels(train, noise, seed=key), test, scale="global")
        x, test_x = _whitened(train.x, test.x) if whiten else (train.x, test.x)
        parts.append((x.astype(np.float32).astype(dtype), train.y, test_x.astype(np.float32).astype(dtype), test.y))
    return Problem(*(device.asarray(np.stack(column)) for column in zip(*parts, strict=True)))


@by_version
def _source(path: Path | None) -> data.Data:
    return data.digits() if path is None else data.read(path)


def _whitened(train: Floats, test: Floats) -> tuple[Floats, Floats]:
    """Both in the units of the training part's principal components; directions without variance become zero."""
    mean = train.mean(axis=0)
    _, sizes, components = np.linalg.svd((train - mean) / len(train) ** 0.5, full_matrices=False)
    used = sizes > 1e-3 * sizes[0]
    scale = np.where(used, 1 / np.where(used, sizes, 1), 0)
    return (train - mean) @ (components.T * scale), (test - mean) @ (components.T * scale)
