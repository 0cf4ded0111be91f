"""A loss, an activation, a layer, an optimiser and a schedule of one's own, trained next to those of simlab.

    python examples/own_pieces.py [figure.png]

Each is a small frozen dataclass with the methods that its base class names. Arrays have the model axis first and
functions look at the last axes only: outputs are (..., n, out). What is left out is refused in a sentence when somebody
asks for it: a loss without `hvp` trains, but has no sharpness. It takes a second, and leaves a figure.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from simlab import data, nn
from simlab.lab import plot


@dataclass(frozen=True)
class Huber(nn.Loss):
    """(f - y)^2 / 2 up to |f - y| = 1 and |f - y| - 1/2 beyond, the mean over examples."""

    def target_axes(self, y: Any) -> int:
        """One example's target is a row of numbers."""
        return 1

    def value(self, outputs: Any, y: Any) -> Any:
        """(..., n, out) -> (...)."""
        size = abs(outputs - y)
        return np.where(size < 1, size * size / 2, size - 0.5).sum(axis=-1).mean(axis=-1)

    def grad(self, outputs: Any, y: Any) -> Any:
        """The gradient in the outputs."""
        return np.clip(outputs - y, -1, 1) / outputs.shape[-2]

    def hvp(self, outputs: Any, y: Any, v: Any) -> Any:
        """The Hessian times v, for sharpness and its like."""
        return (abs(outputs - y) < 1) * v / outputs.shape[-2]


sine = nn.Activation("sine", np.sin, lambda x, y: np.cos(x), lambda x, y: -y)
"""An activation: its value, and its first and second derivative as functions of (x, y)."""


class Scale(NamedTuple):
    """Parameters of `Scaling`: (model, width)."""

    s: Any


@dataclass(frozen=True)
class Scaling(nn.Layer):
    """y = s x, feature by feature."""

    n_in: int
    n_out: int

    def init(self, key: Any, model: Any, dtype: Any) -> Scale:
        """Ones, for each of the models with these indices."""
        return Scale(np.ones((len(model), self.n_in), dtype))

    def forward(self, params: Scale, x: Any) -> tuple[Any, Any]:
        """The output, and what the derivative needs of this pass."""
        return params.s[..., None, :] * x, x

    def vjp(self, params: Scale, cache: Any, dy: Any) -> tuple[Scale, Any]:
        """The gradients in the parameters and in x."""
        return Scale((cache * dy).sum(axis=-2)), params.s[..., None, :] * dy


@dataclass(frozen=True)
class SignSGD(nn.Optimiser):
    """w <- w - lr sign(v), with v <- beta v + (1 - beta) g (Bernstein et al. 2018); both may differ between models."""

    lr: Any
    beta: Any = 0.9

    ranges: ClassVar = {"beta": (0.0, 1.0)}

    def init(self, params: Any) -> Any:
        """The state of the optimiser at the start: v = 0."""
        return (nn.tree_map(np.zeros_like, params),)

    def update(self, params: Any, opt_state: Any, grads: Any, number: Any, draw: nn.Draw) -> tuple[Any, Any]:
        """One step; `number` holds lr and the numbers of `ranges`, (model,) each."""
        lr, beta = number["lr"], number["beta"]
        v = nn.tree_map(lambda v, g: nn.on(beta, v) * v + nn.on(1 - beta, v) * g, opt_state[0], grads)
        return nn.tree_map(lambda w, v: w - nn.on(lr, w) * np.sign(v), params, v), (v,)


@dataclass(frozen=True)
class InverseRoot(nn.Schedule):
    """lr / sqrt(1 + step); a plain function of the step would do as well."""

    lr: float

    def __call__(self, step: int) -> float:
        """The rate of this step."""
        return self.lr / math.sqrt(1 + step)


def main(path: Path) -> None:
    """Train 16 models with each loss and optimiser."""
    train = data.teacher(400, (8, 32, 2), gain=1.0, kind="values", noise=0.1)
    net = nn.serial(nn.dense(8, 32), sine, Scaling(32, 32), nn.dense(32, 2))
    params = nn.init(net, models=16)
    steps = 400
    with plot.style():
        figure = Figure(figsize=(5.2, 3.8), layout="constrained")
        axes = figure.add_subplot()
        for color, optimiser in enumerate((nn.SGD(InverseRoot(0.1)), SignSGD(InverseRoot(0.03)))):
            record = nn.Record(["loss"], at=nn.log_steps(steps))
            how = nn.Options(loss=Huber())
            _, found = nn.train(net, params, train, optimiser, batch_size=50, steps=steps, record=record, options=how)
            mean, error = found.loss.mean("model"), found.loss.std("model", ddof=1) / 4
            name = type(optimiser).__name__
            print(f"{name}: loss {float(mean[0]):.3f} at the start, {float(mean[-1]):.3f} after {steps} steps")
            axes.errorbar(1 + found.step, mean, 2 * error, fmt="o", color=plot.COLORS[color], label=name)
        axes.set(xscale="log", yscale="log", xlabel="step + 1", ylabel="Huber loss", title="Pieces of one's own")
        axes.legend()
    plot.save_figure(figure, path, path.suffix.removeprefix("."))


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "own_pieces.png"))
