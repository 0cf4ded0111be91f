"""What is recorded while nets train: quantities of each model at chosen steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from simlab.core.checks import is_whole, require_width, shown, whole
from simlab.core.device import Device, stored
from simlab.nn.arguments import pair
from simlab.nn.calculus.curvature import hessian
from simlab.nn.calculus.derivatives import predict, value_and_grad
from simlab.nn.calculus.spectra import top_eigenvalues
from simlab.nn.calculus.views import measured_norm
from simlab.nn.calibration import calibrated_nll, labels_of, temperature
from simlab.nn.layers.layer import Array, Layer, Params, leaves
from simlab.nn.losses import Loss
from simlab.nn.training.engine import Batches
from simlab.nn.training.setup import Setup, with_population

if TYPE_CHECKING:
    from simlab.data import Data


@dataclass(frozen=True)
class Frame:
    """A block of models at a recorded step: what quantities are made from. All arrays have the model axis first."""

    setup: Setup
    step: int
    params: Params
    before: Params  # at the record before, the same at the first
    lr: Array  # (model,)
    test: tuple[Array, Array]

    @property
    def net(self) -> Layer:
        """The net."""
        return self.setup.net

    @property
    def loss(self) -> Loss:
        """The loss it learns from."""
        return self.setup.loss

    @property
    def train(self) -> tuple[Array, Array]:
        """The training data (x, y)."""
        return self.setup.x, self.setup.y

    @cached_property
    def batch(self) -> tuple[Array, Array]:
        """The minibatch of the step that follows, (x, y)."""
        return Batches(self.setup).at(self.step)

    @cached_property
    def eval_params(self) -> Params:
        """The parameters with the population statistics of the training data."""
        return with_population(self.setup, self.params)

    @cached_property
    def outputs(self) -> Array:
        """On the training data: (model, n, out)."""
        return predict(self.net, self.eval_params, self.train[0])

    @cached_property
    def test_outputs(self) -> Array:
        """On the test data: (model, n, out)."""
        return predict(self.net, self.eval_params, self.test[0])

    @cached_property
    def test_logits(self) -> Array:
        """The same with one for each class: a single output f stands for the two logits (0, f) (`Logistic`)."""
        found = self.test_outputs
        xp = Device.of(found).xp
        return xp.concatenate([xp.zeros_like(found), found], axis=-1) if found.shape[-1] == 1 else found

    @cached_property
    def size(self) -> Array:
        """The norm of the parameters, (model,)."""
        return measured_norm(self.params)


class Quantity(NamedTuple):
    """A number of each model: measure(frame) -> (model,)."""

    name: str
    long_name: str
    units: str
    measure: Callable[[Frame], Array]
    needs_test: bool = False
    needs_before: bool = False
    needs_curvature: bool = False


def error(outputs: Array, y: Array) -> Array:
    """The share of examples whose largest output, or for one output whose sign, is not the label's: (model,).

    outputs (..., n, out). y: labels (n) or (..., n), or rows (n, out) or (..., n, out) whose largest number, for one
    output whose sign, stands for the label. NaN where a target is NaN, or an output NaN or +inf (one output
    either way), for then the net has diverged and its loss is NaN. ValueError for other shapes, and for labels that are
    no integers, or no classes.
    """
    outputs = stored("outputs", outputs)
    y, xp = stored("y", y, Device.of(outputs)), Device.of(outputs).xp
    if outputs.ndim < 2 or 0 in outputs.shape[-2:]:
        raise ValueError(f"outputs must have shape (..., n, out), none of them 0, got {tuple(outputs.shape)}.")
    if y.dtype.kind == "f" and y.shape[-2:] == outputs.shape[-2:]:
        lost = xp.isnan(y).any(axis=(-2, -1))
        labels = y[..., 0] > 0 if outputs.shape[-1] == 1 else y.argmax(axis=-1)
    elif outputs.shape[-1] == 1:
        lost, labels = False, labels_of(xp.broadcast_to(outputs, (*outputs.shape[:-1], 2)), y, ("outputs", "y")) > 0
    else:
        lost, labels = False, labels_of(outputs, y, ("outputs", "y"))
    found = outputs[..., 0] > 0 if outputs.shape[-1] == 1 else outputs.argmax(axis=-1)
    lost = lost | ~xp.isfinite(outputs.max(axis=-1)).all(axis=-1)
    return xp.where(lost, xp.nan, (found != labels).mean(axis=-1))[()]


def _error(frame: Frame, outputs: Array, y: Array) -> Array:
    """The same, and NaN where the loss is not finite: a net that diverged has no error rate."""
    xp = Device.of(outputs).xp
    return xp.where(xp.isfinite(frame.loss.value(outputs, y)), error(outputs, y), xp.nan)


def angle(params: Params, before: Params) -> Array:
    """The angle between two parameter vectors of each model, in radians: (model,)."""
    xp = Device.of(leaves(params)[0]).xp
    sizes = measured_norm(params), measured_norm(before)
    # From |u - v| and |u + v| of the unit vectors: the cosine alone loses small angles to rounding.
    minus = plus = 0
    for a, b in zip(leaves(params), leaves(before), strict=True):
        u, v = (leaf / size.reshape(-1, *(1,) * (leaf.ndim - 1)) for leaf, size in zip((a, b), sizes, strict=True))
        minus = minus + ((u - v) ** 2).reshape(len(u), -1).sum(axis=1)
        plus = plus + ((u + v) ** 2).reshape(len(u), -1).sum(axis=1)
    return 2 * xp.arctan2(minus**0.5, plus**0.5)


def effective_rate(lr: Array, size: Array) -> Array:
    """Lr over the squared norm, (model,), also where the square is beyond the range of floats."""
    square = size**2
    xp = Device.of(size).xp
    return xp.where((square > 0) & (square < xp.inf), lr / square, lr / size / size)


def sharpness(frame: Frame, steps: int = 100) -> Array:
    """The largest eigenvalue of the Hessian of the training loss after so many steps of Lanczos at most: (model,)."""
    matrix = hessian(frame.net, frame.loss, frame.params, *frame.train)
    return top_eigenvalues(matrix, steps=steps, index=frame.setup.models.tolist()).values[:, 0]


QUANTITIES = {
    q.name: q
    for q in (
        Quantity("loss", "loss on the training data", "1", lambda f: f.loss.value(f.outputs, f.train[1])),
        Quantity("error", "share of training data misclassified", "1", lambda f: _error(f, f.outputs, f.train[1])),
        Quantity("test_loss", "loss on the test data", "1", lambda f: f.loss.value(f.test_outputs, f.test[1]), True),
        Quantity(
            "test_error", "share of test data misclassified", "1", lambda f: _error(f, f.test_outputs, f.test[1]), True
        ),
        Quantity(
            "test_calibrated_nll", "test loss at a temperature fitted on the other half of the test data", "nat",
            lambda f: calibrated_nll(f.test_logits, f.test[1]), True,
        ),
        Quantity(
            "test_temperature", "temperature of least test loss", "1",
            lambda f: temperature(f.test_logits, f.test[1]), True,
        ),
        Quantity("weight_norm", "norm of the parameters", "1", lambda f: f.size),
        Quantity(
            "gradient_norm", "norm of the gradient of the training loss", "1",
            lambda f: measured_norm(value_and_grad(f.net, f.loss, f.params, *f.train)[1]),
        ),
        Quantity(
            "batch_gradient_norm", "norm of the gradient of the loss on the minibatch that follows", "1",
            lambda f: measured_norm(value_and_grad(f.net, f.loss, f.params, *f.batch)[1]),
        ),
        Quantity("learning_rate", "learning rate of the step that follows", "1", lambda f: f.lr),
        Quantity(
            "effective_lr", "effective learning rate, lr over the squared norm of the parameters", "1",
            lambda f: effective_rate(f.lr, f.size),
        ),
        Quantity("angle", "angle between the parameters and those of the record before", "rad",
                 lambda f: angle(f.params, f.before), needs_before=True),
        Quantity(
            "sharpness", "largest eigenvalue of the Hessian of the training loss", "1",
            sharpness, needs_curvature=True,
        ),
    )
}  # fmt: skip
"""The quantities that go by a name."""


MOST_RECORDS = 10**7
"""Steps of `linear_steps` at most: a record of more is a mistake."""


def log_steps(steps: int, per_decade: int = 10) -> tuple[int, ...]:
    """0, 1 and on to `steps`, evenly spaced in the logarithm; the points of a longer run hold those of a shorter.

    ValueError unless steps is a whole number from 0 to 2^53, and per_decade one from 1 to a million.
    """
    steps, per_decade = whole("steps", steps, 0, 2**53), require_width(per_decade, "per_decade")
    whole("per_decade", per_decade, 1, 10**6)
    found = {0, steps}
    place = 0
    while (at := round(10 ** (place / per_decade))) < steps:
        found.add(at)
        place += 1
    return tuple(sorted(found))


def linear_steps(steps: int, every: int) -> tuple[int, ...]:
    """0, every, 2 every, ... and `steps`. ValueError unless steps is a whole number from 0 and every one from 1."""
    steps, every = whole("steps", steps), require_width(every, "every")
    if steps > MOST_RECORDS * every:
        raise ValueError(f"every must be at least {steps // MOST_RECORDS + 1:,} of {steps:,} steps, got {every}.")
    return tuple(sorted({*range(0, steps, every), steps}))


@dataclass(frozen=True)
class Record:
    """Quantities, by name or made by `Quantity`, and the steps after which they are measured.

    at: step 0 is the start, step s what s updates made; the start and the end where it is None. `log_steps` and
    `linear_steps` make schedules. test: (x, y) or a `data.Data` for the quantities on test data.
    ValueError on an unknown name, on a step that is none, or on a test quantity without test data.
    """

    quantities: Sequence[str | Quantity] = ("loss",)
    at: Iterable[int] | None = None
    test: Data | tuple[Any, Any] | None = None
    found: tuple[Quantity, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        found = _quantities(self.quantities)
        if self.test is not None:
            pair("test", self.test)
        elif any(q.needs_test for q in found):
            first = next(q.name for q in found if q.needs_test)
            raise ValueError(f"test: {first} is measured on test data; give them, Record(..., test=(x, y)).")
        if self.at is not None:
            object.__setattr__(self, "at", _steps(self.at))
        object.__setattr__(self, "found", found)

    def steps(self, last: int) -> list[int]:
        """The recorded steps of a run of `last` steps."""
        return sorted({0, last} if self.at is None else {step for step in self.at if step <= last})


def _quantities(given: Any) -> tuple[Quantity, ...]:
    """Quantities, those that go by a name looked up; ValueError for a name that is unknown or taken."""
    named = [given] if isinstance(given, str | Quantity) else given
    if not isinstance(named, Sequence) or not all(isinstance(q, str | Quantity) for q in named):
        raise ValueError(f"quantities must be names or Quantity tuples in a sequence, got {shown(named)}.")
    unknown = [name for name in named if isinstance(name, str) and name not in QUANTITIES]
    if unknown:
        raise ValueError(f"quantities: there is no quantity {unknown[0]!r}; record some of {', '.join(QUANTITIES)}.")
    found = tuple(QUANTITIES[q] if isinstance(q, str) else q for q in named)
    names = [q.name for q in found]
    taken = [name for name in names if name in ("step", "model", "diverged", "stopped")]
    if taken or len(set(names)) < len(set(found)):
        twice = taken or [name for name in names if names.count(name) > 1]
        raise ValueError(f"quantities: the name {twice[0]!r} stands for something else in the record; take another.")
    strange = [q.name for q in found if not callable(q.measure)]
    if strange:
        raise ValueError(f"quantities: measure of {strange[0]!r} must be a function of a frame.")
    return found


def _steps(given: Any) -> tuple[int, ...]:
    """Steps to record at, in order; ValueError for one that is not a whole number from 0."""
    steps = list(given) if isinstance(given, Iterable) else [given]
    wrong = [s for s in steps if not is_whole(s) or s < 0]
    if wrong:
        raise ValueError(f"at: steps to record at must be whole numbers from 0, got {shown(wrong[0])}.")
    return tuple(sorted({int(step) for step in steps}))
