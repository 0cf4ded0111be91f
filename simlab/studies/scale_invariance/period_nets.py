"""The nets of scene 5: how they are trained, and what is recorded of them."""

from __future__ import annotations

from typing import Any, NamedTuple

from simlab import nn
from simlab.core.checks import Floats
from simlab.lab.lab import Lab
from simlab.nn.training.record import sharpness
from simlab.studies.scale_invariance import nets
from simlab.studies.scale_invariance.bursts import crossings
from simlab.studies.scale_invariance.config import Config

EVERY = 10
"""Steps between measurements of loss and norm."""
EDGE_REPLICATES, EDGE_EVERY, EDGE_LIFETIMES, LANCZOS = 6, 20, 14.0, 12
"""The run whose curvature is measured: nets, steps between measurements, length in 1/(lr wd), steps of Lanczos."""

BATCH_LOSS = nn.Quantity(
    "batch_loss", "loss on the minibatch that follows", "1",
    lambda frame: frame.loss.value(frame.net.forward(frame.params, frame.batch[0])[0], frame.batch[1]),
)  # fmt: skip


class Setting(NamedTuple):
    """How a group of nets is trained; logits multiplies the last layer, noise is the share of wrong labels."""

    lr: float
    wd: float
    logits: float = 10.0
    batch: int = 100
    noise: float = 0.0

    def __str__(self) -> str:
        """The name in figures and claims."""
        text = f"lr {self.lr:g}, wd {self.wd:g}"
        text += f", logits {self.logits:g}" if self.logits != 10 else ""
        return text + (f", batch {self.batch}" if self.batch != 100 else "")

    @property
    def rate(self) -> float:
        """Learning rate times weight decay."""
        return self.lr * self.wd


class Path(NamedTuple):
    """What was recorded of nets in training: the norm (step, model), and the loss of the first net on minibatches."""

    steps: Floats
    norm: Floats
    first_loss: Floats


def grid(config: Config) -> list[Setting]:
    """Every learning rate with every decay."""
    return [Setting(lr, wd) for lr in config.period_lrs for wd in config.period_decays]


def settings(config: Config) -> list[Setting]:
    """The grid; another pair with the last product; other logits; another batch."""
    first, last = grid(config)[0], grid(config)[-1]
    twin = Setting(last.lr / 2, 2 * last.wd)
    return [*grid(config), twin, first._replace(logits=20.0), first._replace(batch=50)]


def control(config: Config) -> Setting:
    """The first setting with wrong labels, which keep the loss above zero."""
    return grid(config)[0]._replace(logits=1.0, noise=max(config.noise, 0.1))


def steps_of(config: Config, setting: Setting) -> int:
    """The length of a run."""
    return round(config.period_lifetimes / setting.rate / EVERY) * EVERY


def edge_steps_of(config: Config, setting: Setting) -> int:
    """The length of the run whose curvature is measured."""
    return round(min(EDGE_LIFETIMES, config.period_lifetimes) / setting.rate / EDGE_EVERY) * EDGE_EVERY


def train(config: Config, setting: Setting, lab: Lab) -> Path:
    """Nets of one setting, with their norm and the loss of the first of them."""
    steps = steps_of(config, setting)
    record = _record(config, setting, lab, config.replicates, range(0, steps + 1, EVERY), ["weight_norm", BATCH_LOSS])
    return Path(
        record.step.values.astype(float), record.weight_norm.values.astype(float),
        record.batch_loss.values[:, 0].astype(float),
    )  # fmt: skip


def train_edge(config: Config, setting: Setting, lab: Lab) -> tuple[Floats, Floats]:
    """The rate times the largest eigenvalue of the training loss's Hessian, at bursts and in the falls before."""
    steps = range(0, edge_steps_of(config, setting) + 1, EDGE_EVERY)
    largest = nn.Quantity("sharpness", "largest eigenvalue of the Hessian", "1", curvature)
    record = _record(config, setting, lab, EDGE_REPLICATES, steps, ["weight_norm", largest])
    norm, eigenvalue = (record[name].values.astype(float) for name in ("weight_norm", "sharpness"))
    return crossings(record.step.values.astype(float), norm, setting.lr * eigenvalue)


def _record(
    config: Config, setting: Setting, lab: Lab, replicates: int, at: range, quantities: list[str | nn.Quantity]
) -> Any:
    """What was recorded of nets of a setting at these steps, (step, model)."""
    start = nets.stack(
        config, lab, "periods", (config.width, config.width), replicates=replicates, examples=config.examples,
        noise=setting.noise, logits=setting.logits,
    )  # fmt: skip
    with lab.task("nets", at[-1]) as task:
        _, found = start.train(
            nn.SGD(setting.lr, weight_decay=setting.wd), at[-1], batch=setting.batch,
            key=lab.key("periods", "batches"), record=quantities, at=at, progress=task.advance,
        )  # fmt: skip
    return found


def curvature(frame: Any) -> Any:
    """The largest eigenvalue of the Hessian of the training loss, (model,)."""
    return sharpness(frame, LANCZOS)
