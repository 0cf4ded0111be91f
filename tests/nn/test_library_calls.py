"""The library as people call it who come from elsewhere: a call works, or says in one sentence how it is meant."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest

from simlab import data, nn
from tests.nn import nets
from tests.refusals import refused_in_one_sentence

RNG = np.random.default_rng(0)
X, Y = RNG.integers(0, 99, (40, 16)), RNG.integers(0, 3, 40)
ONE_HOT = np.eye(3)[Y]
NET = nn.mlp([16, 5, 3])
ONE = nn.mlp([16, 5, 1])
PARAMS, ONE_PARAMS = nn.init(NET, models=2), nn.init(ONE, models=2)
SGD = nn.SGD(1e-4)


def trained(given: Any, optimiser: Any = SGD, net: Any = NET, **options: Any) -> Any:
    params = PARAMS if net is NET else ONE_PARAMS
    return nets.trained(net, params, given, optimiser, **{"batch_size": 8, "steps": 6, **options})


def numbers(run: Any) -> np.ndarray:
    return np.asarray(nn.flatten(run[0]))


class Tensor:
    """A tensor of PyTorch as far as NumPy sees it, without and with a gradient on record."""

    def __init__(self, values: np.ndarray, requires_grad: bool = False) -> None:
        self.values, self.requires_grad = values, requires_grad
        self.shape, self.ndim, self.dtype = values.shape, values.ndim, f"torch.{values.dtype}"

    def detach(self) -> Tensor:
        return Tensor(self.values)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if self.requires_grad:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")
        return np.asarray(self.values, dtype)


def test_widths_come_in_a_list_or_one_by_one() -> None:
    assert nn.mlp(64, 16, 10) == nn.mlp([64, 16, 10]) == nn.mlp((64, 16, 10)) == nn.mlp(np.array([64, 16, 10]))  # type: ignore[arg-type]
    assert nn.mlp(64, 32, 16, 8, 10, activation="tanh") == nn.mlp([64, 32, 16, 8, 10], "tanh")
    assert nn.mlp(np.int64(64), 10, norm="batch") == nn.mlp([64, 10], "relu", "batch")  # type: ignore[arg-type]
    assert nn.mlp([64, 16, 10], "tanh", None, "ntk") == nn.mlp(64, 16, 10, activation="tanh", scaling="ntk")


def test_data_of_the_library_are_taken_as_they_are() -> None:
    parts = data.split(data.digits(), 100, 50, seed=0)
    train, test = data.standardise(*parts, scale="global")
    net = nn.mlp(64, 5, 10)
    params, how = nn.init(net, models=2), {"batch_size": 20, "steps": 5}
    record, plain = (nn.Record(["loss", "test_error"], test=t) for t in (test, (test.x, test.y)))
    one = nn.train(net, params, train, nn.SGD(0.1), record=record, **how)  # type: ignore[arg-type]
    other = nn.train(net, params, (train.x, train.y), nn.SGD(0.1), record=plain, **how)  # type: ignore[arg-type]
    np.testing.assert_array_equal(numbers(one), numbers(other))
    assert one[1].equals(other[1])
    each = nn.train_each({5: net}, train, nn.SGD(0.1), models=2, batch_size=20, steps=5)[0][5]
    np.testing.assert_array_equal(nn.flatten(each), numbers(one))


def test_images_are_flattened() -> None:
    images = X.reshape(40, 4, 4)
    np.testing.assert_array_equal(nn.predict(NET, PARAMS, images), nn.predict(NET, PARAMS, X))
    np.testing.assert_array_equal(numbers(trained((images, Y))), numbers(trained((X, Y))))
    # As many images as models are images all the same: the net takes 16 numbers, not 4.
    np.testing.assert_array_equal(nn.predict(NET, PARAMS, images[:2]), nn.predict(NET, PARAMS, X[:2]))
    np.testing.assert_array_equal(
        nn.predict(NET, PARAMS, X.reshape(40, 2, 4, 2)), nn.predict(NET, PARAMS, X), "channels"
    )
    own = np.stack([X, 2 * X])  # features of each model, as ever
    np.testing.assert_array_equal(nn.predict(NET, PARAMS, own)[0], nn.predict(NET, PARAMS, X)[0])


FUNCTIONS: dict[str, tuple[Any, Any]] = {
    "lambda": (lambda step: 1e-3 / (1 + step), [1e-3 / (1 + s) for s in range(6)]),
    "of each model": (lambda step: np.array([1e-3, 2e-3]) / (1 + step), np.array([1e-3, 2e-3]) / np.c_[1:7]),
    "a NumPy number": (lambda step: np.float32(2.0**-9), [2.0**-9] * 6),
}  # fmt: skip


@pytest.mark.parametrize("engine", ["fused", "arrays"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_of_the_step_is_a_schedule(name: str, engine: str) -> None:
    function, rates = FUNCTIONS[name]
    table = nn.Piecewise(range(6), rates)
    one = trained((X, Y), nn.SGD(function, momentum=0.9), engine=engine, record=["learning_rate"])
    other = trained((X, Y), nn.SGD(table, momentum=0.9), engine=engine, record=["learning_rate"])
    np.testing.assert_array_equal(numbers(one), numbers(other))
    np.testing.assert_array_equal(one[1].learning_rate[0], other[1].learning_rate[0])
    warm, other = (numbers(trained((X, Y), nn.SGD(nn.WarmUp(f, 3)), engine=engine)) for f in (function, table))
    np.testing.assert_array_equal(warm, other)


def test_progress_is_shown_where_it_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    silent = trained((X, Y), progress=False)
    assert capsys.readouterr() == ("", "")
    shown = trained((X, Y), progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert "training" in err
    np.testing.assert_array_equal(numbers(shown), numbers(silent))
    told: list[int] = []
    trained((X, Y), progress=told.append, record=nn.Record(at=[0, 2, 6]))
    assert sum(told) == 6


WAYS: dict[str, Callable[[np.ndarray], Any]] = {
    **{kind: partial(np.asarray, dtype=kind) for kind in ("i1", "u1", ">i2", "u4", "u8", "f2", "f4", ">f8", "g")},
    "Fortran": np.asfortranarray, "strided": lambda a: np.repeat(a, 2, axis=1)[:, ::2], "list": lambda a: a.tolist(),
    "table": pd.DataFrame, "mixed table": lambda a: pd.DataFrame(a).astype({0: "float32"}).astype({1: "Int64"}),
    "objects": lambda a: a.astype(object), "tensor": Tensor,
}  # fmt: skip
LABELS: dict[str, Callable[[np.ndarray], Any]] = {
    "i1": lambda y: y.astype("i1"), "u1": lambda y: y.astype("u1"), ">i4": lambda y: y.astype(">i4"),
    "u8": lambda y: y.astype("u8"), "list": lambda y: y.tolist(), "Series": pd.Series,
    "Int64": lambda y: pd.Series(y, dtype="Int64"), "objects": lambda y: y.astype(object),
    "tensor": Tensor,
}  # fmt: skip


@pytest.mark.parametrize("engine", ["fused", "arrays"])
def test_training_does_not_depend_on_how_the_data_are_stored(engine: str) -> None:
    wanted = numbers(trained((X, Y), engine=engine))
    for name, way in WAYS.items():
        found = trained((way(X), Y), engine=engine, record=nn.Record(["test_loss"], test=(way(X), Y)))
        np.testing.assert_array_equal(numbers(found), wanted, name)
    for name, way in LABELS.items():
        np.testing.assert_array_equal(numbers(trained((X, way(Y)), engine=engine)), wanted, name)
    truth = trained((X, Y > 0), net=ONE), trained((X, (Y > 0).astype(int)), net=ONE)
    np.testing.assert_array_equal(numbers(truth[0]), numbers(truth[1]), "truth values are labels")


def test_directions_and_flat_parameters_take_the_precision_of_the_net() -> None:
    flat = RNG.integers(-9, 9, (2, 103))
    v = nn.unflatten(PARAMS, flat)
    assert {leaf.dtype for leaf in nn.leaves(v)} == {np.dtype(np.float32)}
    wide = nn.tree_map(lambda leaf: leaf.astype(np.float64), v)
    for product in (nn.hvp, nn.gauss_newton_product):
        one, other = (nn.flatten(product(NET, nn.cross_entropy, PARAMS, X, Y, d)) for d in (v, wide))
        assert one.dtype == other.dtype == np.float32
        np.testing.assert_array_equal(one, other)


def test_norms_are_right_where_squares_leave_single_precision() -> None:
    for size in (1e-30, 1e25):
        huge = nn.tree_map(lambda leaf, s=size: leaf * np.float32(s), PARAMS)
        wanted = np.linalg.norm(nn.flatten(huge).astype(float), axis=1)
        found = nn.train(NET, huge, (X, Y), nn.SGD(0.5), batch_size=8, steps=0, record=["weight_norm", "effective_lr"])[
            1
        ]
        # Rounding of 103 squares in single precision, and of what is below its smallest numbers.
        np.testing.assert_allclose(found.weight_norm.values[0], wanted, rtol=1e-5)
        np.testing.assert_allclose(found.effective_lr.values[0], 0.5 / wanted**2, rtol=1e-5)
        by_layer = nn.norms_by_layer(huge)["0.W"]
        np.testing.assert_allclose(by_layer, np.linalg.norm(huge[0].W.astype(float), axis=(1, 2)), rtol=1e-5)
    lost = nn.tree_map(lambda leaf: leaf * np.float32(np.nan), PARAMS)
    assert np.isnan(nn.norms_by_layer(lost)["0.W"]).all()


class Absolute:
    """A loss of someone who never asks for curvature."""

    def target_axes(self, y: Any) -> int:
        return 1

    def value(self, outputs: Any, y: Any) -> Any:
        return abs(outputs - y).mean(axis=(-2, -1))

    def grad(self, outputs: Any, y: Any) -> Any:
        return np.sign(outputs - y) / outputs.shape[-2] / outputs.shape[-1]


class Inherited(nn.Loss):
    """The same with `Loss` as its base."""

    target_axes, value, grad = Absolute.target_axes, Absolute.value, Absolute.grad


def sharp(loss: Any, at: list[int]) -> Any:
    def trained_too_far(step: int) -> float:
        raise AssertionError("a step was taken")

    record = nn.Record(["sharpness"], at=at)
    start = nn.SGD(lambda step: 0.1 if step == 0 else trained_too_far(step))
    return trained((X, ONE_HOT), start, loss=loss, record=record, steps=max(at), batch_size=40)


CURVATURES: tuple[Any, ...] = (nn.hessian, nn.gauss_newton)
REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "a function of NumPy": (lambda: nn.mlp([16, 5, 3], activation=np.tanh), 'relu, leaky_relu.*give its name, "tanh"'),
    "another function": (lambda: nn.mlp([16, 5, 3], lambda x: x), "an Activation with its slope and second_derivative"),
    "a class of activations": (lambda: nn.mlp([16, 5, 3], nn.leaky_relu), 'give its name, "leaky_relu"'),
    "an activation among the widths": (lambda: nn.mlp(16, 5, 3, "tanh"), r"widths\[3\] must be a positive integer"),
    "too much": (lambda: nn.mlp([16, 5, 3], "relu", None, "ntk", 4), "widths must be one list"),
    "layers in a list": (lambda: nn.serial([nn.dense(3, 2)]), "one by one"),  # type: ignore[arg-type]
    "a function as a layer": (lambda: nn.serial(nn.dense(3, 2), np.tanh), r"layers\[1\] must be a layer"),  # type: ignore[arg-type]
    "no optimiser": (lambda: nn.train(NET, PARAMS, (X, Y), batch_size=8, steps=1), "optimiser must be one such as"),
    "an optimiser's name": (lambda: trained((X, Y), "adam"), "optimiser must be one such as"),
    "an optimiser's class": (lambda: trained((X, Y), nn.Adam), "optimiser must be one such as"),
    "text for a rate": (lambda: nn.SGD("0.1"), "lr must be a number or one number for each model, got '0.1'"),
    "text for a momentum": (lambda: nn.SGD(0.1, momentum="0.9"), "momentum must be a number"),
    "a schedule's class": (lambda: nn.SGD(nn.Cosine), "lr must be a number or one number for each model"),
    "a function of nothing": (lambda: nn.SGD(lambda: 0.1), "lr: a function must take the step"),
    "a function of too much": (lambda: nn.Adam(lambda step, loss: 0.1), "lr: a function must take the step"),
    "noise of nothing": (lambda: trained((X, Y), noise=lambda: 1.0), "noise: a function must take the step"),
    "a whole number with a point": (lambda: trained((X, Y), steps=3.0), "steps must be a whole number.*got 3.0"),
    "a quantity's name": (
        lambda: nn.Record([nn.Quantity("step", "", "1", lambda frame: frame.size)]), "the name 'step' stands for"),
    "two quantities of one name": (
        lambda: nn.Record(["loss", nn.Quantity("loss", "", "1", lambda frame: 0)]), "the name 'loss' stands for"),
    "a schedule of NaN": (lambda: trained((X, Y), nn.SGD(lambda step: np.nan)), "lr must be at least 0 and finite"),
    "a schedule of nothing": (lambda: trained((X, Y), nn.SGD(lambda step: None)), "lr must be a number"),
    "a schedule of three": (lambda: trained((X, Y), nn.SGD(lambda step: [1, 2, 3])), r"have shape \(2,\)"),
    "one-hot rows": (lambda: trained((X, ONE_HOT)), r"y.argmax\(-1\), or name the loss"),
    "one-hot rows of integers": (lambda: trained((X, ONE_HOT.astype(int))), r"of one-hot rows give y.argmax\(-1\)"),
    "one-hot rows of truth": (lambda: trained((X, ONE_HOT > 0)), r"of one-hot rows give y.argmax\(-1\)"),
    "probabilities": (lambda: trained((X, 0.9 * ONE_HOT + 0.1 / 3)), "labels or probabilities as floats"),
    "one-hot rows of Data": (lambda: trained(data.from_arrays(X, ONE_HOT)), "labels or probabilities as floats"),
    "float labels in a column": (lambda: trained((X, (Y > 0)[:, None] * 1.0), net=ONE), r"y.astype\(int\)"),
    "float labels": (lambda: trained((X, Y * 1.0)), "y must hold integer labels"),
    "words for labels": (lambda: trained((X, np.array(["a", "b", "c"])[Y])), "y must hold integer labels"),
    "too few labels": (lambda: trained((X, Y[:-1])), r"labels of shape \(40,\).*got \(39,\)"),
    "too few targets": (lambda: trained((X, 2 * ONE_HOT[:-1])), r"targets of shape \(40, 3\).*got \(39, 3\)"),
    "too few targets of an own loss": (lambda: trained((X, ONE_HOT[:-1]), loss=Absolute()), "give each example a y"),
    "one target for all": (lambda: trained((X, ONE_HOT[:1]), loss=Absolute()), "give each example a y"),
    "images of another size": (lambda: nn.predict(NET, PARAMS, np.ones((5, 28, 28))), r"x.reshape\(len\(x\), -1\)"),
    "a gradient on record": (lambda: nn.predict(NET, PARAMS, Tensor(X * 1.0, True)), r"detach\(\).cpu\(\).numpy\(\)"),
    "a gradient on record of y": (lambda: trained((X, Tensor(Y, True))), r"detach\(\).cpu\(\).numpy\(\)"),
    "a masked array": (lambda: nn.predict(NET, PARAMS, np.ma.masked_equal(X, X[0, 0])), "masked"),
    "a number beyond single precision": (lambda: nn.predict(NET, PARAMS, 1e300 * X), "infinite values, in float32"),
    "data in a list": (lambda: trained([X, Y]), "data must be a tuple"),
    "data in a dict": (lambda: trained({"x": X, "y": Y}), "data must be a tuple"),
    "x alone": (lambda: trained(X), "data must be a tuple"),
    "a net for its parameters": (lambda: nn.predict(PARAMS, NET, X), "net must be a layer"),
    "parameters of another net": (lambda: nn.predict(NET, ONE_PARAMS, X), "params do not have the shapes"),
    "a name for a loss": (lambda: nn.value_and_grad(NET, "mse", PARAMS, X, Y), "loss must be mse"),  # type: ignore[arg-type]
    "a class for a loss": (lambda: nn.hvp(NET, nn.CrossEntropy, PARAMS, X, Y, PARAMS), "loss must be mse"),  # type: ignore[arg-type]
    "progress": (lambda: trained((X, Y), progress="yes"), "progress must be True or a function"),
    "a quantity of others": (lambda: trained((X, Y), record=["accuracy"]), "there is no quantity 'accuracy'"),
    "sharpness without hvp": (lambda: sharp(Absolute(), [0, 2]), r"Absolute has no method hvp\(outputs, y, v\)"),
    "sharpness without hvp, at the end": (lambda: sharp(Absolute(), [2]), r"Absolute has no method hvp"),
    "sharpness without hvp, inherited": (lambda: sharp(Inherited(), [2]), r"Inherited has no method hvp"),
    **{
        f"{function.__name__} without hvp": (
            partial(function, NET, Absolute(), PARAMS, X, ONE_HOT), "Absolute has no method hvp"
        )
        for function in CURVATURES
    },
    "hvp without hvp": (lambda: nn.hvp(NET, Absolute(), PARAMS, X, ONE_HOT, PARAMS), "Absolute has no method hvp"),  # type: ignore[arg-type]
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_meant_is_refused_with_what_is(name: str) -> None:
    call, message = REFUSED[name]
    refused_in_one_sentence(call, message)


def test_a_loss_may_be_asked_for_by_name() -> None:
    one = trained((X, ONE_HOT), loss=nn.cross_entropy)
    np.testing.assert_allclose(
        numbers(one), numbers(trained((X, Y))), rtol=0, atol=1e-6
    )  # rounding of single precision
    trained((X, ONE_HOT), loss=nn.mse)


def test_a_gradient_noise_needs_no_curvature_of_the_loss() -> None:
    nn.gradient_noise(NET, Absolute(), PARAMS, X, ONE_HOT).to_dense()  # type: ignore[arg-type]


LAZY = """
import sys, simlab
assert "numpy" not in sys.modules
assert simlab.nn.mlp([2, 3, 1]).n_in == 2
assert simlab.linear.ridge and simlab.sde.walk and simlab.statistics.mean and simlab.theory.__name__
assert {"nn", "linear", "sde", "ensembles", "statistics", "theory", "__version__"} <= set(dir(simlab))
try:
    simlab.torch
except AttributeError as error:
    assert "torch" in str(error)
assert not hasattr(simlab, "nothing")
from simlab import ensembles
"""


def test_the_parts_of_the_library_are_there_once_it_is_imported() -> None:
    subprocess.run([sys.executable, "-c", LAZY], check=True)
