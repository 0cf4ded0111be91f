"""Losses of a batch: the value, and its gradient and Hessian product w.r.t. the outputs.

Outputs are (..., n, out), values (...), the mean over the n examples. Targets are shared by all models or have the
model axis first. All three functions of a loss check the targets and raise ValueError; a loss with checks=False looks
at their shapes only, for loops over targets that were checked before.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from simlab.core.checks import number, shown
from simlab.core.device import Device
from simlab.nn.arguments import beside
from simlab.nn.layers.activations import sigmoid
from simlab.nn.layers.layer import Array


class Loss(Protocol):
    """A mean over examples.

    A loss of a user's own has these methods; `hvp` is asked for by curvature alone.
    """

    @abstractmethod
    def target_axes(self, y: Array) -> int:
        """The number of axes that one example's target has in y: 0 for labels, 1 for a row of numbers."""

    @abstractmethod
    def value(self, outputs: Array, y: Array) -> Array:
        """(..., n, out) -> (...)."""

    @abstractmethod
    def grad(self, outputs: Array, y: Array) -> Array:
        """The gradient of the value: (..., n, out)."""

    def hvp(self, outputs: Array, y: Array, v: Array) -> Array:
        """The Hessian of the value times v: (..., n, out). It is positive semi-definite for the losses here."""
        raise _without_hvp(self)


@dataclass(frozen=True)
class MeanSquaredError:
    """mean (f - y)^2 over examples and outputs; y is (n, out) or (model, n, out)."""

    checks: bool = field(default=True, repr=False, compare=False)

    def target_axes(self, y: Array) -> int:
        return 1

    def value(self, outputs: Array, y: Array) -> Array:
        error = self._error(outputs, y)
        return (error * error).mean(axis=(-2, -1))

    def grad(self, outputs: Array, y: Array) -> Array:
        error = self._error(outputs, y)
        return 2 / (error.shape[-2] * error.shape[-1]) * error

    def hvp(self, outputs: Array, y: Array, v: Array) -> Array:
        self._error(outputs, y)
        return 2 / (outputs.shape[-2] * outputs.shape[-1]) * v

    def _error(self, outputs: Array, y: Array) -> Array:
        y = targets_like(outputs, y, outputs.dtype)
        if y.ndim < 2 or y.shape[-2:] != outputs.shape[-2:] or not _broadcasts(outputs, y, 2):
            raise ValueError(f"y: mse needs targets of shape {_shapes(outputs, 2)}, got {y.shape}.")
        if self.checks and not bool(Device.of(y).xp.isfinite(y).all()):
            raise ValueError("y: targets hold NaN or infinite values; remove or fill them first.")
        return outputs - y


@dataclass(frozen=True)
class CrossEntropy:
    """-sum t log softmax(f), the mean over examples; y holds labels or soft targets.

    Labels are integers below the number of outputs, (n) or (model, n), and stand for their one-hot rows p. Soft targets
    are those rows themselves, probabilities of a float dtype, (n, out) or (model, n, out).
    t = (1 - label_smoothing) p + label_smoothing / out (Szegedy et al. 2016, section 7). Logits are shifted by their
    maximum, so that no exponential overflows. ValueError unless 0 <= label_smoothing < 1.
    """

    label_smoothing: float = 0.0
    checks: bool = field(default=True, repr=False, compare=False)

    def __post_init__(self) -> None:
        number("label_smoothing", self.label_smoothing, at_least=0, below=1, allowed="in [0, 1)")

    def target_axes(self, y: Array) -> int:
        return 1 if _soft(y) else 0

    def value(self, outputs: Array, y: Array) -> Array:
        targets = self._targets(outputs, y)
        shifted = outputs - outputs.max(axis=-1, keepdims=True)
        log_sum = Device.of(outputs).xp.log(Device.of(outputs).xp.exp(shifted).sum(axis=-1))
        return (log_sum - (targets * shifted).sum(axis=-1)).mean(axis=-1)

    def grad(self, outputs: Array, y: Array) -> Array:
        return (softmax(outputs) - self._targets(outputs, y)) / outputs.shape[-2]

    def hvp(self, outputs: Array, y: Array, v: Array) -> Array:
        self._targets(outputs, y)
        p = softmax(outputs)
        return p * (v - (p * v).sum(axis=-1, keepdims=True)) / outputs.shape[-2]

    def _targets(self, outputs: Array, y: Array) -> Array:
        """The probabilities t, (..., n, out), in the dtype of the outputs."""
        classes, smooth = outputs.shape[-1], self.label_smoothing
        y = targets_like(outputs, y)
        if _soft(y):
            rows = _probabilities(outputs, y, self.checks)
        else:
            labels = _labels(outputs, y, classes, "cross_entropy", self.checks)
            hit = labels[..., None] == Device.of(outputs).xp.arange(classes)
            rows = hit.astype(outputs.dtype)
        return rows if smooth == 0 else (1 - smooth) * rows + smooth / classes


@dataclass(frozen=True)
class Logistic:
    """log(1 + e^f) - y f, the mean over examples, for nets with one output; y holds labels 0 and 1, (n) or (model, n).

    It is the cross-entropy of the two logits (0, f). No exponential overflows.
    """

    checks: bool = field(default=True, repr=False, compare=False)

    def target_axes(self, y: Array) -> int:
        return 0

    def value(self, outputs: Array, y: Array) -> Array:
        labels = self._labels(outputs, y)
        return (Device.of(outputs).xp.logaddexp(outputs, outputs.dtype.type(0)) - labels * outputs).mean(axis=(-2, -1))

    def grad(self, outputs: Array, y: Array) -> Array:
        return (sigmoid(outputs) - self._labels(outputs, y)) / outputs.shape[-2]

    def hvp(self, outputs: Array, y: Array, v: Array) -> Array:
        self._labels(outputs, y)
        return sigmoid(outputs) * sigmoid(-outputs) * v / outputs.shape[-2]

    def _labels(self, outputs: Array, y: Array) -> Array:
        """The labels as numbers, (..., n, 1)."""
        if outputs.shape[-1] != 1:
            raise ValueError(f"loss: logistic needs a net with one output, got {outputs.shape[-1]}; use cross_entropy.")
        return _labels(outputs, y, 2, "logistic", self.checks)[..., None].astype(outputs.dtype)


def softmax(logits: Array) -> Array:
    """Probabilities over the last axis."""
    e = Device.of(logits).xp.exp(logits - logits.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def unchecked(loss: Loss) -> Loss:
    """The same loss without the check of the values of its targets, where it has one that can be left out."""
    return replace(loss, checks=False) if isinstance(loss, (MeanSquaredError, CrossEntropy, Logistic)) else loss


def require_loss(loss: Any, curved: bool = False) -> None:
    """ValueError unless this is a loss, with a Hessian product where curvature is asked for."""
    if isinstance(loss, type) or not all(
        callable(getattr(loss, name, None)) for name in ("target_axes", "value", "grad")
    ):
        raise ValueError(
            "loss must be mse, cross_entropy, logistic or another Loss, with methods target_axes, value and grad, got "
            f"{shown(loss)}."
        )
    if curved and not callable(getattr(loss, "hvp", None)):
        raise _without_hvp(loss)


def _without_hvp(loss: Any) -> ValueError:
    return ValueError(
        f"loss: {type(loss).__name__} has no method hvp(outputs, y, v), the Hessian product that curvature and "
        "sharpness need; write it, or leave them out."
    )


mse = MeanSquaredError()
cross_entropy = CrossEntropy()
logistic = Logistic()


def _soft(y: Array) -> bool:
    """Whether targets of `cross_entropy` are probabilities: floats with an axis of classes, not float labels."""
    return bool(y.dtype.kind == "f" and y.ndim > 1)


def _probabilities(outputs: Array, y: Array, checks: bool) -> Array:
    """Rows that are at least 0 and sum to 1, (..., n, out), in the dtype of the outputs; ValueError otherwise."""
    if y.shape[-2:] != outputs.shape[-2:] or not _broadcasts(outputs, y, 2):
        raise ValueError(f"y: cross_entropy needs probabilities of shape {_shapes(outputs, 2)}, got {y.shape}.")
    # Rounding of a softmax over the classes, in the coarser of the two dtypes; NaN fails both comparisons.
    xp = Device.of(y).xp
    slack = 8 * outputs.shape[-1] * max(float(xp.finfo(d).eps) for d in (y.dtype, outputs.dtype))
    if checks and not bool((y >= 0).all() & (abs(y.sum(axis=-1) - 1) <= slack).all()):
        raise ValueError("y: probabilities must be at least 0 and sum to 1 in every row; divide each row by its sum.")
    return y.astype(outputs.dtype, copy=False)


def _labels(outputs: Array, y: Array, classes: int, name: str, checks: bool) -> Array:
    """Integer labels below the number of classes, one for each example; ValueError otherwise."""
    y = targets_like(outputs, y)
    if y.dtype.kind not in "iu":
        raise ValueError(f"y: {name} needs integer labels, got {y.dtype}; use labels 0 ... {classes - 1}.")
    if y.ndim < 1 or y.shape[-1] != outputs.shape[-2] or not _broadcasts(outputs, y, 1):
        one_hot = "; of one-hot rows give y.argmax(-1)" if y.shape[-2:] == outputs.shape[-2:] else ""
        raise ValueError(f"y: {name} needs labels of shape {_shapes(outputs, 1)}, got {y.shape}{one_hot}.")
    if checks and not bool(((y >= 0) & (y < classes)).all()):
        raise ValueError(
            f"y: labels must be in 0 ... {classes - 1}, got {y.min()} ... {y.max()}; count classes from 0."
        )
    return y


def targets_like(outputs: Array, y: Array, dtype: Any = None) -> Array:
    """The targets as an array, on the device of the outputs or refused; booleans are labels 0 and 1."""
    home = Device.of(outputs)
    found = beside(home, "y: targets", y)
    wanted = np.dtype(dtype) if dtype else np.dtype(np.int8) if found.dtype.kind == "b" else found.dtype
    if found.dtype == wanted:
        return found
    with np.errstate(over="ignore"):  # what single precision cannot hold becomes infinite, and is refused as such
        return found.astype(wanted)


def _broadcasts(outputs: Array, y: Array, core: int) -> bool:
    """Whether the targets' leading axes fit those of the outputs without adding any."""
    leading = y.shape[: y.ndim - core]
    shared = outputs.shape[: outputs.ndim - 2]
    return len(leading) <= len(shared) and all(a in (1, b) for a, b in zip(leading[::-1], shared[::-1], strict=False))


def _shapes(outputs: Array, core: int) -> str:
    """The shapes of targets that fit, for a message."""
    last = outputs.shape[-2:][:core]
    return f"{last} or {outputs.shape[:-2] + last}"
