"""What the contestants of `networks.py` train, and what a contestant is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from simlab import nn
from simlab.nn.layers.layer import leaves
from simlab.nn.training.setup import TRAINING
from simlab.random import key
from simlab.random.shuffle import batches

EXAMPLES = 1024
LR, MOMENTUM, WEIGHT_DECAY, EPS = 0.05, 0.9, 1e-4, 1e-5
Leaves = list[np.ndarray]


@dataclass(frozen=True)
class Task:
    """A stack of ReLU nets, and data that all of them share.

    Parameters are a flat list, W (model, in, out) and b (model, out) of each dense layer. With batch normalisation a
    hidden layer has scale and shift, (model, out), in the place of b.
    """

    models: int
    batch: int
    widths: tuple[int, ...]
    norm: bool = False

    def __str__(self) -> str:
        """As the tables name it."""
        return f"{self.models} models, batch {self.batch}, {'-'.join(map(str, self.widths))}{', norm' * self.norm}"

    @cached_property
    def net(self) -> Any:
        """Our layers."""
        return nn.mlp(self.widths, "relu", "batch" if self.norm else None)

    @cached_property
    def params(self) -> Any:
        """The initial parameters as our layers have them."""
        return nn.init(self.net, models=self.models)

    @property
    def start(self) -> Leaves:
        """The same as a flat list."""
        return leaves(self.params)

    @cached_property
    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """Features (n, in) and labels (n), the largest of as many random linear functions."""
        rng = np.random.default_rng(0)
        x = rng.standard_normal((EXAMPLES, self.widths[0]), np.float32)
        rule = rng.standard_normal((self.widths[0], self.widths[-1]), np.float32)
        return x, (x @ rule).argmax(axis=1)

    @property
    def steps(self) -> int:
        """Steps of one epoch."""
        return EXAMPLES // self.batch

    def order(self, epoch: int) -> np.ndarray:
        """Minibatches of an epoch, (step, model, batch): for every model a shuffle of its own, that of our training."""
        return batches(key(0, TRAINING), np.arange(self.models), EXAMPLES, self.batch, epoch * self.steps)


class Trainer(ABC):
    """SGD of a task on a device, "cpu" or "gpu". RuntimeError or ImportError where it cannot run here.

    State and orders are what the framework likes; both stay on the device. An epoch may use up the state it is given.
    """

    def __init__(self, task: Task, device: str) -> None:
        self.task, self.device = task, device

    @abstractmethod
    def begin(self) -> Any:
        """The state before the first step."""

    @abstractmethod
    def shuffle(self) -> Any:
        """A new order of all minibatches of an epoch."""

    @abstractmethod
    def put(self, order: np.ndarray) -> Any:
        """An order (step, model, batch) brought to the device."""

    @abstractmethod
    def epoch(self, state: Any, order: Any) -> Any:
        """The state after a step on each minibatch; the device may still be at work."""

    def epochs(self, state: Any, count: int, order: Any) -> Any:
        """The state after so many epochs, of this order or of shuffles of its own where it is None."""
        for _ in range(count):
            state = self.epoch(state, self.shuffle() if order is None else order)
        return state

    @abstractmethod
    def host(self, state: Any) -> Leaves:
        """The parameters as NumPy arrays."""

    @abstractmethod
    def wait(self, state: Any) -> None:
        """Return when the device is done."""


class Contestant:
    """A trainer that shuffles in every epoch, or whose minibatches are given in advance and come again."""

    def __init__(self, trainer: Trainer, given: bool) -> None:
        self.trainer = trainer
        self.state = trainer.begin()
        self.order = trainer.put(trainer.task.order(0)) if given else None

    def run(self, epochs: int) -> None:
        """Train on for so many epochs."""
        self.state = self.trainer.epochs(self.state, epochs, self.order)
        self.trainer.wait(self.state)
