"""The fused path against the layers: the same numbers to rounding, in any stack, in any calls, on any threads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import special

from simlab import nn
from simlab.core import jit
from simlab.nn.kernels.cpu import advance as fused
from simlab.nn.kernels.plan import Stack, Steps
from simlab.nn.kernels.plan import plan as plan_of
from simlab.nn.layers.activations import ACTIVATIONS, Activation
from simlab.nn.layers.compose import Serial
from simlab.nn.layers.dense import DenseLayer
from simlab.random import key
from simlab.random import shuffle as order

EPS = 2.0**-23
KEY = key(3)
# A large eps keeps the factors 1 / sqrt(var + eps) from amplifying rounding; a small one is tested apart.
NORMS: dict[str, Any] = {
    "none": None,
    "batch": partial(nn.batch_norm, eps=0.1),
    "bare batch": partial(nn.batch_norm, eps=0.1, affine=False),
}


def core(y: np.ndarray) -> int:
    """How many axes the targets of one model have."""
    return 1 if y.dtype.kind == "i" else 2


def advance(plan: Any, flat: Any, velocity: Any, x: Any, y: Any, batch_size: int, **how: Any) -> None:
    """`fused.advance` with its groups spelt out."""
    marks = {name: how.pop(name) for name in ("alive", "diverged", "fixed", "radius") if name in how}
    steps = Steps(KEY, first=how.pop("step"), **how)
    fused.advance(plan, Stack(flat, velocity, **marks), x, y, batch_size, steps)


class Plain(NamedTuple):
    """Where a stack is after some steps, and how far from a kink it stayed."""

    flat: np.ndarray
    velocity: np.ndarray
    diverged: np.ndarray
    margin: float


class Case(NamedTuple):
    """A net, a loss, a stack in the middle of its training, and what it is trained with."""

    net: Serial
    loss: Any
    flat: np.ndarray
    velocity: np.ndarray
    x: np.ndarray
    y: np.ndarray
    how: dict[str, Any]

    def fused(self, **other: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(parameters, velocities, steps of divergence) after the steps."""
        flat, velocity, how = self.flat.copy(), self.velocity.copy(), {**self.how, **other}
        diverged = how.pop("diverged", np.full(len(flat), -1))
        plan = plan_of(self.net, self.loss)
        assert plan is not None
        advance(plan, flat, velocity, self.x, self.y, diverged=diverged, **how)
        return flat, velocity, diverged

    def plain(self, dtype: str) -> Plain:
        """The same by the functions of the layers, in this precision."""
        how, n = self.how, self.x.shape[-2]
        like = nn.init(self.net, models=len(self.flat), dtype=dtype)
        w, v, x = (a.astype(dtype) for a in (self.flat, self.velocity, self.x))
        momentum, decay = (how[name][:, None].astype(dtype) for name in ("momentum", "weight_decay"))
        diverged, rows, margin = np.full(len(w), -1), np.arange(len(w))[:, None], np.inf
        for step, lr in enumerate(how["lr"][:, :, None].astype(dtype), how["step"]):
            chosen = np.broadcast_to(np.arange(n), (len(w), n))
            if how["batch_size"] < n:
                per_epoch = n // how["batch_size"]
                chosen = order.batches(KEY, how["models"], n, how["batch_size"], step)[step % per_epoch]
            batch = x[chosen] if x.ndim == 2 else x[rows, chosen]
            targets = self.y[chosen] if self.y.ndim == core(self.y) else self.y[rows, chosen]
            with np.errstate(over="ignore", invalid="ignore"):  # of a model that diverges
                params = nn.unflatten(like, w)
                outputs, cache = self.net.forward(params, batch)
                value = self.loss.value(outputs, targets)
                for layer, (before, *_) in zip(self.net.layers, cache, strict=True):
                    if isinstance(layer, Activation) and layer.second_derivative is None:
                        margin = min(margin, float(abs(before).min()))
                g = nn.flatten(self.net.gradient(params, cache, self.loss.grad(outputs, targets)))
                coupled = g if how["decoupled"] else g + decay * w
                moved = momentum * v + coupled
                direction = coupled + momentum * moved if how["nesterov"] else moved
                direction = direction + decay * w if how["decoupled"] else direction
                ok = np.isfinite(value)[:, None] & (diverged < 0)[:, None]
                diverged[~ok[:, 0] & (diverged < 0)] = step
                w, v = np.where(ok, w - lr * direction, w), np.where(ok, moved, v)
        return Plain(w, v, diverged, margin)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Random nets, and random everything else, in float32 and read-only."""
    widths = draw(st.lists(st.integers(1, 40), min_size=2, max_size=5))
    activation: Any = draw(st.sampled_from([*ACTIVATIONS, nn.leaky_relu(0.3)]))
    scaling: Any = draw(st.sampled_from(["standard", "ntk", "mup"]))
    net = nn.mlp(widths, activation, NORMS[draw(st.sampled_from(sorted(NORMS)))], scaling)
    if draw(st.booleans()):  # a bias less, or one more than `mlp` would give
        net = nn.serial(*(replace(a, bias=not a.bias) if isinstance(a, DenseLayer) else a for a in net.layers))
    loss: Any = draw(st.sampled_from([nn.mse, nn.cross_entropy, nn.CrossEntropy(0.2)]))
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    models, n, steps = draw(st.integers(1, 3)), draw(st.integers(2, 50)), draw(st.integers(1, 5))
    stack = (models,) if draw(st.booleans()) else ()
    x = rng.standard_normal((*stack, n, widths[0]), np.float32)
    labels = isinstance(loss, nn.CrossEntropy)
    y: Any = rng.integers(0, widths[-1], (*stack, n)) if labels else rng.standard_normal((*stack, n, widths[-1]))
    flat = nn.flatten(nn.init(net, models=models, seed=draw(st.integers(0, 99))))
    flat = flat + 0.1 * rng.standard_normal(flat.shape, np.float32)
    x.flags.writeable = y.flags.writeable = False
    how: dict[str, Any] = {
        "models": rng.integers(0, 2**31, models),
        "batch_size": draw(st.one_of(st.just(n), st.integers(2, n))),
        "lr": rng.uniform(0, 0.1, (steps, models)),
        "momentum": rng.uniform(0, 1, models),
        "weight_decay": rng.uniform(0, 0.3, models),
        "nesterov": draw(st.booleans()),
        "decoupled": draw(st.booleans()),
        "step": draw(st.integers(0, 40)),
        "alive": np.ones(models, bool),
    }
    how |= {name: how[name].astype(np.float32) for name in ("lr", "momentum", "weight_decay")}
    return Case(net, loss, flat, 0.1 * rng.standard_normal(flat.shape, np.float32), x, y, how)


@given(cases())
def test_a_few_steps_are_those_of_the_layers(case: Case) -> None:
    exact, single = case.plain("float64"), case.plain("float32")
    # A rounding error next to a kink makes another slope.
    assume(exact.margin > 1e-5)
    for found, reference, other in zip(case.fused()[:2], exact[:2], single[:2], strict=True):
        # Both err by rounding alone. Of 3000 random errors all were below 4.1 times that of the layers in the same
        # precision plus one rounding of the largest number, 1 at least; half were below 0.3 times that.
        size = max(1.0, float(abs(reference).max()))
        assert abs(found - reference).max() <= 16 * (abs(other - reference).max() + EPS * size)


@given(cases(), st.data())
def test_bits_depend_on_neither_calls_nor_stack(case: Case, data: st.DataObject) -> None:
    steps, models = case.how["lr"].shape
    cut, first = data.draw(st.integers(0, steps)), data.draw(st.integers(0, models - 1))
    whole = case.fused()
    half = case.fused(lr=case.how["lr"][:cut])
    again = case._replace(flat=half[0], velocity=half[1])
    rest = again.fused(lr=case.how["lr"][cut:], step=case.how["step"] + cut)
    for a, b in zip(whole, rest, strict=True):
        np.testing.assert_array_equal(a, b)
    part = slice(first, first + 1)
    own = {name: case.how[name][part] for name in ("models", "momentum", "weight_decay", "alive")}
    x = case.x[part] if case.x.ndim == 3 else case.x
    y = case.y[part] if case.y.ndim == 1 + core(case.y) else case.y
    alone = Case(case.net, case.loss, case.flat[part], case.velocity[part], x, y, {**case.how, **own})
    for a, b in zip(whole, alone.fused(lr=case.how["lr"][:, part]), strict=True):
        np.testing.assert_array_equal(a[part], b)


@given(cases())
def test_frozen_and_diverged_models_stay_and_the_others_do_not_notice(case: Case) -> None:
    models = len(case.flat)
    alive, diverged = np.arange(models) != 0, np.full(models, -1)
    diverged[-1] = 7
    whole = case.fused()
    still = ~alive | (diverged >= 0)
    for found, before, moved in zip(case.fused(alive=alive, diverged=diverged), case[2:4], whole, strict=False):
        np.testing.assert_array_equal(found[still], before[still])
        np.testing.assert_array_equal(found[~still], moved[~still])


@given(cases())
def test_without_velocity_there_is_no_momentum(case: Case) -> None:
    still = case._replace(how={**case.how, "momentum": np.zeros(len(case.flat), np.float32)})
    plan = plan_of(case.net, case.loss)
    assert plan is not None
    flat, diverged = case.flat.copy(), np.full(len(case.flat), -1)
    advance(plan, flat, None, case.x, case.y, diverged=diverged, **still.how)
    # 0 v + g is g, and so is g in place of it: the operations differ by a product with 1.
    np.testing.assert_array_equal(flat, still.fused()[0])


@pytest.mark.parametrize("loss", [nn.mse, nn.cross_entropy, nn.CrossEntropy(0.1)])
@pytest.mark.parametrize("activation", ["relu", "softplus"])
@pytest.mark.parametrize("norm", ["none", "batch"])
def test_divergence_is_seen_at_the_same_step(loss: Any, activation: str, norm: str) -> None:
    rng = np.random.default_rng(0)
    net = nn.mlp([5, 20, 3], activation, NORMS[norm])
    rates = np.array([0.01, 30, 1e3, 1e6, 1e12, 1e25, 1e38], np.float32)
    models = len(rates)
    flat = nn.flatten(nn.init(net, models=models))
    y: Any = rng.integers(0, 3, 16) if isinstance(loss, nn.CrossEntropy) else rng.standard_normal((16, 3))
    how: dict[str, Any] = {
        "models": np.arange(models), "batch_size": 8, "lr": np.broadcast_to(rates, (20, models)), "step": 5,
        "momentum": np.zeros(models), "weight_decay": np.full(models, 0.5), "nesterov": False, "decoupled": False,
        "alive": np.ones(models, bool),
    }  # fmt: skip
    case = Case(net, loss, flat, np.zeros_like(flat), rng.standard_normal((16, 5), np.float32), y, how)
    found, expected = case.fused(), case.plain("float32")
    np.testing.assert_array_equal(found[2], expected[2])
    assert found[2][0] == -1
    assert (found[2][-2:] > 5).all()
    assert np.isfinite(found[0][0]).all()
    # A step from a finite loss may leave the range of float32; the step from a loss that is not is never taken.
    first = case.fused(lr=how["lr"][: found[2][-1] - 5])
    np.testing.assert_array_equal(found[0][-1], first[0][-1])


@pytest.mark.parametrize("activation", [*ACTIVATIONS])
@pytest.mark.parametrize("place", ["weight", "bias", "feature"])
def test_a_nan_is_never_lost(activation: str, place: str) -> None:
    net = nn.mlp([3, 5, 2], activation)
    flat, x = nn.flatten(nn.init(net, models=2)), np.ones((4, 3), np.float32)
    if place == "feature":
        x = np.stack([x, x])
        x[1, 2, 1] = np.nan
    else:
        flat[1, 0 if place == "weight" else 15] = np.nan
    ones = np.ones(2)
    how = {
        "models": np.arange(2), "batch_size": 4, "lr": np.ones((3, 2)), "momentum": 0 * ones, "weight_decay": 0 * ones,
        "nesterov": False, "decoupled": False, "step": 0, "alive": ones > 0,
    }  # fmt: skip
    found = Case(net, nn.cross_entropy, flat, np.zeros_like(flat), x, np.array([0, 1, 1, 0]), how).fused()
    assert found[2].tolist() == [-1, 0]
    np.testing.assert_array_equal(found[0][1], flat[1])


def test_a_small_eps_is_exact() -> None:
    # With eps = 0 the outputs do not change with the scale of the weights before the normalisation.
    rng = np.random.default_rng(0)
    net = nn.mlp([6, 8, 2], "tanh", partial(nn.batch_norm, affine=False, eps=0.0))
    flat = np.repeat(nn.flatten(nn.init(net, models=1)), 2, axis=0)
    flat[1, :48] *= 2.0**-10  # a power of two: no rounding differs
    how = {
        "models": np.zeros(2, np.int64), "batch_size": 9, "lr": np.ones((1, 2)), "momentum": np.zeros(2), "step": 0,
        "weight_decay": np.zeros(2), "nesterov": False, "decoupled": False, "alive": np.ones(2, bool),
    }  # fmt: skip
    x, y = rng.standard_normal((20, 6), np.float32), rng.integers(0, 2, 20)
    found = Case(net, nn.cross_entropy, flat, np.zeros_like(flat), x, y, how).fused()[0]
    np.testing.assert_array_equal(found[0, 48:], found[1, 48:])


REFERENCES: dict[str, Callable[[np.ndarray], tuple[Any, Any]]] = {
    "relu": lambda x: (np.maximum(x, 0), (x > 0) * 1.0),
    "leaky_relu": lambda x: (np.where(x > 0, x, 0.25 * x), np.where(x > 0, 1, 0.25)),
    "tanh": lambda x: (np.tanh(x), 1 - np.tanh(x) ** 2),
    "erf": lambda x: (special.erf(x), 2 / np.sqrt(np.pi) * np.exp(-x * x)),
    "gelu": lambda x: (
        x * special.ndtr(x),
        special.ndtr(x) + x * np.exp(-x * x / 2) / np.sqrt(2 * np.pi),
    ),
    "softplus": lambda x: (np.logaddexp(x, 0), special.expit(x)),
}


@pytest.mark.parametrize("name", [*ACTIVATIONS])
def test_activations_are_accurate(name: str) -> None:
    x = np.concatenate([np.linspace(-90, 90, 60_000), np.logspace(-30, 1, 4000), -np.logspace(-30, 1, 4000)])
    x = np.append(x, [0, 1e30, -1e30, 3e38]).astype(np.float32)
    x = np.append(x, np.zeros(-len(x) % 16, np.float32))
    s = np.concatenate([x, np.empty_like(x)])
    kernel: Any = fused._kernel()
    kernel.activate(list(ACTIVATIONS).index(name) + 1, s, len(x), 0, len(x), np.float32(0.25))
    value, slope = REFERENCES[name](x.astype(np.float64))
    # Rounding: of the value itself where the function is built from factors, of the 1 that it is compared with in
    # 1 + erf and in slopes. gelu and its slope are as wrong as x times a rounding of that 1.
    unit = EPS * (np.maximum(1, abs(x)) if name == "gelu" else abs(value))
    assert (abs(s[: len(x)] - value) <= 4 * unit + 1e-37).all()
    assert (abs(s[len(x) :] - slope) <= 4 * EPS * np.maximum(1, abs(x) * (name == "gelu"))).all()


def test_every_layer_that_is_not_covered_falls_back() -> None:
    own = replace(ACTIVATIONS["relu"], value=lambda x: x * x)
    plain = nn.mlp([3, 4, 2])
    for net, loss in (
        (nn.mlp([3, 4, 2], norm="layer"), nn.mse),
        (nn.mlp([3, 4, 2], norm="weight"), nn.mse),
        (nn.mlp([3, 4, 2], own), nn.mse),
        (nn.mlp([3, 4, 2], replace(nn.leaky_relu(0.2), leak=0.1)), nn.mse),
        (nn.serial(nn.dense(3, 3), nn.residual(nn.dense(3, 3))), nn.mse),
        (nn.serial(nn.dense(3, 3), nn.relu), nn.mse),
        (nn.serial(nn.relu, nn.dense(3, 3)), nn.mse),
        (nn.serial(nn.batch_norm(3), nn.dense(3, 3)), nn.mse),
        (nn.serial(nn.dense(3, 3), nn.relu, nn.relu, nn.dense(3, 3)), nn.mse),
        (nn.serial(nn.dense(3, 3), nn.relu, nn.batch_norm(3), nn.dense(3, 3)), nn.mse),
        (nn.dense(3, 3), nn.mse),
        (nn.mlp([3, 4, 1]), nn.logistic),
    ):
        assert plan_of(net, loss) is None
    for net in (plain, nn.serial(nn.dense(3, 2)), nn.serial(nn.dense(3, 4), nn.dense(4, 2))):
        assert plan_of(net, nn.cross_entropy) is not None


def test_equal_leaks_make_equal_layers() -> None:
    assert nn.leaky_relu(0.01) == nn.leaky_relu() != nn.leaky_relu(0.02)
    assert plan_of(nn.mlp([3, 4, 2], nn.leaky_relu(0.01)), nn.mse) == plan_of(nn.mlp([3, 4, 2], "leaky_relu"), nn.mse)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"x": np.zeros((9, 4))}, "features must have shape"),
        ({"y": np.zeros(8, int)}, "targets must have shape"),
        ({"y": np.full(9, 2)}, "labels must be"),
        ({"y": np.full(9, -1)}, "labels must be"),
        ({"y": np.zeros(9)}, "labels must be"),
        ({"flat": np.zeros((1, 5), np.float32)}, "parameters must be"),
        ({"velocity": np.zeros((1, 28))}, "parameters must be"),
        ({"batch_size": 1}, "batch_size must be from 2"),
        ({"batch_size": 10}, "batch_size must be from 2"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, Any], sentence: str) -> None:
    plan = plan_of(nn.mlp([3, 4, 2], norm="batch"), nn.cross_entropy)
    assert plan is not None
    flat = np.zeros((1, 30), np.float32)
    arguments: dict[str, Any] = {
        "flat": flat,
        "velocity": flat.copy(),
        "x": np.zeros((9, 3)),
        "y": np.zeros(9, int),
        "batch_size": 3,
    }
    arguments |= change
    one = np.ones(1)
    with pytest.raises(ValueError, match=rf"^{sentence}.*\.$"):
        advance(
            plan, **arguments, models=np.arange(1), lr=np.ones((1, 1)), momentum=one, weight_decay=one,
            nesterov=False, decoupled=False, step=0, alive=one > 0, diverged=np.full(1, -1),
        )  # fmt: skip


@pytest.mark.parametrize("threads", [1, 3, 100])
def test_no_thread_takes_the_models_of_another(monkeypatch: pytest.MonkeyPatch, threads: int) -> None:
    rng = np.random.default_rng(0)
    net = nn.mlp([4, 6, 3])
    models = 37
    flat = nn.flatten(nn.init(net, models=models))
    how = {
        "models": np.arange(models), "batch_size": 4, "lr": np.full((5, models), 0.1), "momentum": np.zeros(models),
        "weight_decay": np.zeros(models), "nesterov": False, "decoupled": False, "alive": np.ones(models, bool),
        "step": 0,
    }  # fmt: skip
    x, y = rng.standard_normal((20, 4), np.float32), rng.integers(0, 3, 20)
    case = Case(net, nn.cross_entropy, flat, np.zeros_like(flat), x, y, how)
    whole = case.fused()
    monkeypatch.setattr(jit, "thread_count", lambda: threads)
    for a, b in zip(whole, case.fused(), strict=True):
        np.testing.assert_array_equal(a, b)
