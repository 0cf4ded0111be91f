"""The pieces of the example are what their formulas say, and what they leave out is refused in a sentence."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simlab import nn
from tests.nn import nets
from tests.refusals import refused_in_one_sentence

OWN = runpy.run_path(str(Path(__file__).parents[2] / "examples" / "own_pieces.py"))
HUBER, SINE, SCALING, SIGN, ROOT = (OWN[name] for name in ("Huber", "sine", "Scaling", "SignSGD", "InverseRoot"))
RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((12, 3)), 2 * RNG.standard_normal((12, 2))
NET = nn.serial(nn.dense(3, 4), SINE, SCALING(4, 4), nn.dense(4, 2))
PLAIN = nn.serial(nn.dense(3, 4), SINE, nn.dense(4, 2))
PARAMS, PLAIN_PARAMS = (nn.init(net, models=3, dtype="float64") for net in (NET, PLAIN))


def test_gradients_are_those_of_differences() -> None:
    flat = nn.flatten(PARAMS)
    grads = nn.flatten(nn.value_and_grad(NET, HUBER(), PARAMS, X, Y)[1])
    v = RNG.standard_normal(flat.shape)

    def value(t: float) -> Any:
        return nn.value_and_grad(NET, HUBER(), nn.unflatten(PARAMS, flat + t * v), X, Y)[0]

    # Central differences: h^2 of truncation and 1e-16 / h of rounding, and a corner of the second derivative or two.
    np.testing.assert_allclose((value(1e-6) - value(-1e-6)) / 2e-6, (grads * v).sum(axis=1), rtol=1e-6, atol=1e-8)


def test_curvature_works_where_all_pieces_have_it() -> None:
    flat = nn.flatten(PLAIN_PARAMS)
    v = RNG.standard_normal(flat.shape)
    product = nn.flatten(nn.hvp(PLAIN, HUBER(), PLAIN_PARAMS, X, Y, nn.unflatten(PLAIN_PARAMS, v)))

    def gradient(t: float) -> Any:
        return nn.flatten(nn.value_and_grad(PLAIN, HUBER(), nn.unflatten(PLAIN_PARAMS, flat + t * v), X, Y)[1])

    np.testing.assert_allclose((gradient(1e-6) - gradient(-1e-6)) / 2e-6, product, rtol=1e-6, atol=1e-7)
    run = nets.trained(
        PLAIN, PLAIN_PARAMS, (X, Y), nn.SGD(0.1), batch_size=4, steps=3, loss=HUBER(), record=["sharpness"]
    )
    assert np.isfinite(run[1].sharpness).all()


def test_the_optimiser_is_its_recursion_for_numbers_of_each_model() -> None:
    beta, steps = [0.0, 0.5, 0.9], 5
    sign = SIGN(ROOT(0.1), beta)
    end = nn.flatten(nets.trained(NET, PARAMS, (X, Y), sign, batch_size=12, steps=steps, loss=HUBER())[0])
    w, v = nn.flatten(PARAMS), np.zeros((3, 1))
    for step in range(steps):
        grads = nn.flatten(nn.value_and_grad(NET, HUBER(), nn.unflatten(PARAMS, w), X, Y)[1])
        v = np.array(beta)[:, None] * v + (1 - np.array(beta)[:, None]) * grads
        w = w - 0.1 / (1 + step) ** 0.5 * np.sign(v)
    np.testing.assert_allclose(end, w, rtol=1e-12, atol=1e-14)  # rounding of five steps


def test_a_run_of_own_pieces_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    how: dict[str, Any] = {"batch_size": 4, "loss": HUBER(), "checkpoint": tmp_path / "run.npz"}
    train = partial(nets.trained, NET, PARAMS, (X, Y))
    train(SIGN(ROOT(0.1)), steps=4, **how)
    there = train(SIGN(ROOT(0.1)), steps=9, **how)[0]
    whole = train(SIGN(ROOT(0.1)), steps=9, batch_size=4, loss=HUBER())[0]
    np.testing.assert_array_equal(nn.flatten(there), nn.flatten(whole))
    refused_in_one_sentence(lambda: train(SIGN(ROOT(0.2)), steps=9, **how), "checkpoint of another run")
    refused_in_one_sentence(lambda: train(SIGN(ROOT(0.1), 0.5), steps=9, **how), "checkpoint of another run")


@dataclass(frozen=True)
class Bare(nn.Optimiser):
    """The least that an optimiser is."""

    lr: Any

    def update(self, params: Any, opt_state: Any, grads: Any, number: Any, draw: nn.Draw) -> tuple[Any, Any]:
        return nn.tree_map(lambda w, g: w - nn.on(number["lr"], w) * g, params, grads), opt_state


class Rateless(nn.Optimiser):
    """No dataclass, and without a rate."""

    def update(self, params: Any, opt_state: Any, grads: Any, number: Any, draw: nn.Draw) -> tuple[Any, Any]:
        return params, opt_state


class Widthless(nn.Layer):
    """A layer that does not say what it takes."""

    def forward(self, params: Any, x: Any) -> tuple[Any, Any]:
        return x, x

    def vjp(self, params: Any, cache: Any, dy: Any) -> tuple[Any, Any]:
        return nn.NoParams(), dy


class Identity(Widthless):
    """A layer without parameters that has no hash and may be changed."""

    n_in = n_out = None
    __hash__ = None  # type: ignore[assignment]


def test_the_least_that_pieces_are_works() -> None:
    params = nn.init(PLAIN, models=3, dtype="float64")
    how: dict[str, Any] = {"batch_size": 4, "steps": 5, "engine": "arrays"}
    one, other = (
        nets.trained(PLAIN, params, (X, Y), o, **how)[0] for o in (Bare([0.1, 0.2, 0.3]), nn.SGD([0.1, 0.2, 0.3]))
    )
    np.testing.assert_array_equal(nn.flatten(one), nn.flatten(other))
    net = nn.serial(PLAIN, Identity())
    same = nets.trained(net, nn.init(net, models=3, dtype="float64"), (X, Y), nn.SGD(0.1), **how)
    assert np.isfinite(nn.flatten(same[0])).all()


CURVED = (NET, HUBER(), PARAMS, X, Y)
SLOPE: Any = 1.0
REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "curvature of a layer without it": (
        lambda: nn.hvp(*CURVED, PARAMS), "Scaling has no method linearize, which curvature"),
    "a spectrum": (lambda: nn.top_eigenvalues(nn.hessian(*CURVED)), "Scaling has no method linearize"),
    "sharpness at the start": (
        lambda: nets.trained(
            NET, PARAMS, (X, Y), nn.SGD(0.1), batch_size=4, steps=3, loss=HUBER(), record=["sharpness"]),
        "Scaling has no method linearize"),
    "gradients of examples": (lambda: nn.per_example_grads(*CURVED), "Scaling has no method per_example"),
    "a kernel": (lambda: nn.infinite_width(nn.serial(SCALING(3, 3)), X), "Scaling has no infinite-width limit"),
    "a file": (lambda: nn.save("net.npz", NET, PARAMS), "net: sine is no layer of simlab"),
    "a number out of its range": (lambda: SIGN(0.1, 1.0), r"beta must be in \[0, 1\), got 1.0"),
    "text for a number": (lambda: SIGN(0.1, "0.9"), "beta must be a number"),
    "a rate of text": (lambda: SIGN("0.1"), "lr must be a number"),
    "no rate": (lambda: nets.trained(PLAIN, PLAIN_PARAMS, (X, Y), Rateless(), batch_size=4, steps=1), "lr must be"),
    "no widths": (lambda: nn.serial(PLAIN, Widthless()), "Widthless must have n_in and n_out"),
    "a slope that is none": (lambda: nn.Activation("own", np.sin, SLOPE, None), "slope must be a function"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_pieces_leave_out_is_refused(name: str) -> None:
    call, message = REFUSED[name]
    refused_in_one_sentence(call, message)


def test_all_that_pieces_need_is_public() -> None:
    needed = "Activation Draw Layer Loss NoParams Optimiser Quantity Schedule leaves on tree_map"
    assert set(needed.split()) <= set(nn.__all__)
