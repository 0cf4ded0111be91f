"""The public functions of `simlab.nn`: what they take, and what lies just outside."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from simlab import nn
from tests.domains.calls import Call

MODULES = [nn]

NET, BATCH = nn.mlp([3, 4, 2], "tanh"), nn.mlp([3, 4, 2], norm="batch")
PARAMS, TWO = (nn.init(NET, models=2, dtype=dtype) for dtype in ("float64", "float32"))
BATCHED = nn.init(BATCH, models=2, dtype="float64")
X = np.arange(1.0, 19).reshape(6, 3)
Y = np.array([0, 1, 1, 0, 1, 0])
TARGETS = X[:, :2]
V = nn.unflatten(PARAMS, np.linspace(-1, 1, 52).reshape(2, 26))
KEPT = tempfile.TemporaryDirectory()
PATH = Path(KEPT.name) / "net.npz"
nn.save(PATH, NET, PARAMS)
(PATH.parent / "path").write_bytes(PATH.read_bytes()[:-30])


class OwnLoss:
    """A loss without curvature."""

    def target_axes(self, y: Any) -> int:
        return 1

    def value(self, outputs: Any, y: Any) -> Any:
        return abs(outputs - y).mean(axis=(-2, -1))

    def grad(self, outputs: Any, y: Any) -> Any:
        return np.sign(outputs - y) / outputs[0].size


class Tensor:
    """What a tensor of PyTorch does that records its gradient."""

    shape, ndim, requires_grad = X.shape, 2, True

    def detach(self) -> Any:
        return self

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise RuntimeError("Can't call numpy() on Tensor that requires grad.")


NO_NET = ("mlp", None, [3, 4, 2], nn.mlp, np.tanh, 3)
NO_PARAMS: tuple[Any, ...] = (
    None, "params", {}, (), [1.0], 1.0, nn.flatten(PARAMS), PARAMS[0], nn.init(nn.mlp([3, 5, 2]), models=2), BATCHED,
    nn.tree_map(lambda leaf: leaf.astype(np.float16), PARAMS), (PARAMS[0], PARAMS[1], TWO[2]),
    (PARAMS[0], PARAMS[1], nn.select(PARAMS[2], [0])),
)  # fmt: skip
MASKED = np.ma.masked_equal(X, 5)
NO_X: tuple[Any, ...] = (
    np.where(X == 5, np.nan, X), np.where(X == 5, np.inf, X), MASKED, X[:, :2], X[0], X[:0], np.stack([X] * 3),
    X.astype(str), X + 0j, [[1.0], [1.0, 2.0]], [[1.0, None, 2.0]], None, "x", 1.0, {}, Tensor(), lambda x: x,
)  # fmt: skip
NO_Y: tuple[Any, ...] = (
    Y + 1, Y - 1, Y[:5], Y[:, None], Y + 0.0, np.eye(2, dtype=int)[Y], np.full((6, 2), 0.4), np.stack([Y] * 3),
    Y.astype(str), Y + 0j, None, "y", 1, np.where(Y, np.nan, 0), Tensor(),
)  # fmt: skip
NO_LOSS = ("cross_entropy", None, nn.CrossEntropy, nn.logistic, len)
NO_V: tuple[Any, ...] = (None, nn.flatten(PARAMS), nn.init(NET, models=1), nn.select(PARAMS, [0]), V[0], "v", {},
    (V[0], V[1], nn.select(V[2], [0])), nn.tree_map(lambda leaf: leaf.tolist(), V),
)  # fmt: skip
NO_SEED = (-1, 0.5, "0", None, True)
NO_FLAG = ("yes", 1, None, 0.0)
NO_RATE: tuple[Any, ...] = (-1e-9, np.nan, np.inf, "0.1", None, True, [0.1, -0.1], [], [[0.1]], 0.1j, Tensor())
NO_DECAY = tuple(value for value in NO_RATE if value is not None)
NO_COUNT = (0, -1, 1.5, "3", None, True, np.nan)
NO_STEPS = (-1, 1.5, "3", None, np.nan, np.inf)
NO_LAYER = ("3", "1.W", "0.", 3, "relu")
NO_INDEX = ([0], [0, -1], [0.5, 1], "ab", 3)

ON = {"net": NET, "params": PARAMS, "x": X}
AROUND_ON: dict[str, Sequence[Any]] = {"net": NO_NET, "params": NO_PARAMS, "x": NO_X}
LEARNT = {**ON, "loss": nn.cross_entropy, "y": Y}
AROUND_LEARNT: dict[str, Sequence[Any]] = {**AROUND_ON, "loss": NO_LOSS, "y": NO_Y}
CURVED = {**AROUND_LEARNT, "loss": (*NO_LOSS, OwnLoss())}
REGRESSION = {**ON, "loss": nn.mse, "y": TARGETS}
ABOVE = dict.fromkeys((*LEARNT, "v", "layer", "kind"), "above")
MATRIX = nn.hessian(**LEARNT)
PROBED: dict[str, Sequence[Any]] = {
    "matrix": (None, MATRIX.to_dense(), "hessian", NET), "seed": NO_SEED, "index": NO_INDEX
}  # fmt: skip
NO_PATH = (PATH.parent / "no-path" / "net.npz", PATH.parent, 3, None, "")
SGD = nn.SGD(0.1)
AROUND_SGD: dict[str, Sequence[Any]] = {
    "lr": NO_RATE, "momentum": (*NO_RATE, 1), "weight_decay": NO_RATE, "nesterov": NO_FLAG, "decoupled": NO_FLAG,
}  # fmt: skip
RUN = {"net": NET, "params": PARAMS, "data": (X, Y), "optimiser": SGD, "batch_size": 3, "steps": 2}
NO_OPTIONS: tuple[Any, ...] = ({}, {"loss": nn.mse}, "options", nn.mse, 3)
NO_FILE = (PATH.parent / "no-checkpoint" / "run.npz", PATH.parent, 3, "")
NO_OPTIMISER = (None, 0.1, "sgd", nn.SGD)
NO_DATA = (
    X, None, "digits", (X,), (X, Y, Y), [X, Y], {"x": X, "y": Y}, (X[:5], Y), (X, Y[:5]), (X, Y + 1), (X, Y + 0.0),
    (X, np.eye(2)[Y]), (X, np.full((6, 2), 0.5)), (X, Y.astype(str)), (X[:, :2], Y), (np.inf * X, Y),
    (X, NO_X[0][:, :2]),
)  # fmt: skip


def mlp(widths: Any = (3, 4, 2), *more: Any) -> Any:
    """`mlp` with all that follows the widths."""
    return nn.mlp(widths, *more)


def layers(layers: Any = NET) -> Any:
    """`serial` and `residual` with their first layer by name."""
    return nn.serial(layers, nn.dense(2, 3)), nn.residual(layers, nn.dense(2, 3))


def dense(kind: Any, net: Any, loss: Any, params: Any, x: Any, y: Any) -> Any:
    """A matrix written down."""
    return kind(net, loss, params, x, y).to_dense()


def tree(function: Any = np.add, first: Any = PARAMS, rest: Any = V) -> Any:
    """`tree_map` with the second tree by name."""
    return nn.tree_map(function, first, rest)


def train_with(loss: Any = None, models: Any = None, noise: Any = 1.0, stop: Any = None, engine: Any = "auto") -> Any:
    """`train` with settings that only a run can refuse."""
    return nn.train(**RUN, options=nn.Options(loss, models, noise, engine, stop))


class Made(Call):
    """A class that others are made from."""

    def __call__(self, **changes: Any) -> Any:
        methods = dict.fromkeys(("forward", "vjp", "target_axes", "value", "grad", "update", "__call__"), len)
        return type("Own", (self.function,), methods)()  # type: ignore[arg-type]


def call(function: Any, arguments: Any, *outside: Any, **more: Any) -> Call:
    """A call with what is said once and what is of its own around it."""
    around: dict[str, Any] = {}
    for part in outside:
        around |= part
    return Call(function, arguments, around, **more)


CALLS = [
    *(Made(base, {}) for base in (nn.Layer, nn.Loss, nn.Optimiser, nn.Schedule)),
    # nets
    Call(nn.mlp, {"activation": "relu", "norm": None, "scaling": "standard"},
         {"activation": ("swish", None, np.tanh, np.sin, nn.leaky_relu, 3, Tensor()),
          "norm": ("group", 3, [], True), "scaling": ("lecun", None, 1)}, {"widths": "below"}, first=([3, 4, 2],)),
    Call(nn.mlp, {}, anything=dict.fromkeys(("widths", "activation", "norm", "scaling"), "above"), first=(3, 4, 2)),
    Call(mlp, {}, {"widths": ([3], [], [3, 0, 2], [3, 2.5, 2], [3, None], "342", None, 3.0, 3, {}, [3, True, 2],
                           np.array(3), [3, 10**400])}),
    Call(nn.dense, {"n_in": 3, "n_out": 2},
         {"n_in": NO_COUNT, "n_out": NO_COUNT, "scaling": ("lecun", None), "role": ("middle", None),
          "gain": (0, -1, np.nan, np.inf, "1", None), "bias": NO_FLAG}),
    Call(nn.weight_norm, {"n_in": 3, "n_out": 2},
         {"n_in": NO_COUNT, "n_out": NO_COUNT, "gain": (0, -1, np.nan, np.inf, "1", None), "bias": NO_FLAG}),
    *(Call(norm, {"width": 3}, {"width": NO_COUNT, "affine": NO_FLAG, "eps": (-1e-9, np.nan, np.inf, "0", None)})
      for norm in (nn.batch_norm, nn.layer_norm)),
    Call(nn.activation_noise, {"std": 0.1}, {"std": (-1e-9, np.nan, np.inf, "0", None, [0.1])}),
    Call(nn.leaky_relu, {"leak": 0.1}, {"leak": (-1e-9, 1, np.nan, "0", None)}),
    Call(nn.Activation,
         {"name": "own", "value": np.sin, "slope": lambda x, y: np.cos(x), "second_derivative": lambda x, y: -y},
         {"value": (None, "sin", 3), "slope": (None, 3), "second_derivative": ("sin", 3), "gain": (0, np.nan, "1"),
          "leak": (-0.1, 1, "0")},
         {"name": "any", "expectations": "functions of covariances"}),
    Call(nn.fixed, {"layer": NET}, {"layer": NO_NET}),
    *(Call(function, {}, first=(NET, nn.dense(2, 3))) for function in (nn.serial, nn.residual)),
    Call(layers, {}, {"layers": (*NO_NET, [NET], nn.dense(3, 4))}),
    # losses
    Call(nn.CrossEntropy, {"label_smoothing": 0.1}, {"label_smoothing": (-1e-9, 1, np.nan, "0", None)},
         {"checks": "a truth value, for loops"}),
    *(Call(loss, {}, anything={"checks": "a truth value, for loops"}) for loss in (nn.MeanSquaredError, nn.Logistic)),
    # parameters
    Call(nn.init, {"net": NET, "models": 2},
         {"net": (*NO_NET, nn.serial(nn.relu)), "seed": NO_SEED, "dtype": ("float16", "int", None, float),
          "device": ("cuda", None, 0),
          "models": (0, -1, 2.5, "2", None, True, [], [-1], [2**32], [[0]], [0.5])}),
    Call(nn.flatten, {"params": PARAMS}, {"params": (None, (), {}, "params", 3), "axes": (0, 3, 1.5, "1", None)}),
    Call(nn.unflatten, {"params_like": PARAMS, "flat": X[:2, :1] + np.arange(26.0)},
         {"params_like": (None, (), "params", 3), "flat": (X, X[0], None, "flat", 1.0, X.astype(str))},
         arrays=("flat",)),
    Call(nn.select, {"params": PARAMS, "models": [1]},
         {"params": (None, "params", 3), "models": ([2], [-3], 2, [0.5], "0", None, [[0]], [True], {})}),
    Call(nn.leaves, {"params": PARAMS}, anything={"params": "any tree"}),
    Call(nn.tree_map, {}, anything={"function": "below", "first": "below"}, first=(np.add, PARAMS, V)),
    Call(tree, {}, {"rest": (PARAMS[:2], None, PARAMS[0], "rest")}, {"function": "a function", "first": "any tree"}),
    Call(nn.on, {"number": np.ones(2), "leaf": PARAMS[0].W},
         anything=dict.fromkeys(("number", "leaf"), "a step of an optimiser, in its loop")),
    Call(nn.by_layer, {"params": PARAMS}, {"params": (None, "params", 3, {})}),
    Call(nn.norms_by_layer, {"tree": PARAMS}, {"tree": (None, "tree", 3, {})}),
    Call(nn.columns, {"params": PARAMS, "layer": "0"}, {"params": (None, "params", 3), "layer": NO_LAYER}),
    Call(nn.at_step, {"params": PARAMS, "step": 3},
         {"step": (-1, 2**32, 0.5, "3", None, True), "scale": (-1e-9, np.nan, "1", None, [[1.0]])},
         {"params": "any tree"}),
    Call(nn.save, {"path": PATH, "net": NET, "params": PARAMS},
         {"path": NO_PATH, "net": (*NO_NET, nn.mlp([3, 4, 2], nn.Activation("own", np.sin, lambda x, y: x, None))),
          "params": NO_PARAMS}),
    Call(nn.load, {"path": PATH}, {"path": (*NO_PATH, PATH.parent / "path"), "device": ("cuda", None)}),
    # derivatives
    call(nn.predict, ON, AROUND_ON, arrays=("x",)),
    call(nn.population, {**ON, "net": BATCH, "params": BATCHED}, AROUND_ON, {"params": (None, PARAMS)}, arrays=("x",)),
    call(nn.value_and_grad, LEARNT, AROUND_LEARNT, arrays=("x",)),
    call(nn.value_and_grad, REGRESSION,
         {"y": (TARGETS[:5], TARGETS[:, :1], Y, TARGETS * np.nan, "y", None, TARGETS + 0j)},
         anything=ABOVE, arrays=("x", "y")),
    call(nn.value_and_grad, {**LEARNT, "params": TWO}, anything=ABOVE, arrays=("x",)),
    *(call(function, {**LEARNT, "v": V}, CURVED, {"v": NO_V}, arrays=("x",))
      for function in (nn.hvp, nn.gauss_newton_product)),
    call(nn.per_example_grads, LEARNT, AROUND_LEARNT, {"net": (*NO_NET, BATCH)}, arrays=("x",)),
    call(nn.tangent_kernel, {**ON, "other": X[:2]}, AROUND_ON, {"other": tuple(x for x in NO_X if x is not None)},
         arrays=("x", "other")),
    Call(nn.infinite_width, {"net": nn.mlp([3, 8, 1], "relu", scaling="ntk"), "x": X, "other": X[:2]},
         {"net": NO_NET, "x": NO_X[:13], "other": [x for x in NO_X[:12] if x is not None], "ntk": NO_FLAG},
         arrays=("x", "other")),
    # curvature
    *(call(function, LEARNT, CURVED, {"layer": NO_LAYER}) for function in (nn.hessian, nn.gauss_newton)),
    call(nn.gradient_noise, LEARNT, AROUND_LEARNT, {"layer": NO_LAYER}),
    *(call(dense, {**LEARNT, "kind": kind}, anything=ABOVE, arrays=("x",))
      for kind in (nn.hessian, nn.gauss_newton, nn.gradient_noise)),
    Call(nn.Matrix, {"product": np.negative, "models": 2, "size": 3, "like": X, "part": len},
         anything=dict.fromkeys(("product", "models", "size", "like", "part"), "made by the functions above")),
    Call(nn.trace, {"matrix": MATRIX}, {**PROBED, "probes": (0, 1, 2.5, "8", None, 2**63, 10**400)}),
    Call(nn.top_eigenvalues, {"matrix": MATRIX},
         {**PROBED, "k": (0, 27, 1.5, "1", None, True), "steps": NO_COUNT}),
    Call(nn.spectral_density, {"matrix": MATRIX},
         {**PROBED, "probes": (0, 1, 2.5, "8", None, 10**400), "steps": NO_COUNT}),
    # training
    Call(nn.SGD, {"lr": 0.1}, AROUND_SGD),
    call(nn.SphereSGD, {"lr": 0.1, "radius": 1.0}, AROUND_SGD, {"radius": (0, *NO_DECAY)}),
    call(nn.LabelNoiseSGD, {"lr": 0.1, "noise": 0.1}, AROUND_SGD, {"noise": NO_RATE}),
    Call(nn.SGLD, {"lr": 0.1, "temperature": 0.1}, dict.fromkeys(("lr", "temperature", "weight_decay"), NO_RATE)),
    Call(nn.Adam, {"lr": 0.1},
         {"lr": NO_RATE, "beta1": (*NO_RATE, 1), "beta2": (*NO_RATE, 1), "eps": NO_RATE, "weight_decay": NO_RATE,
          "decoupled": NO_FLAG}),
    Call(nn.Cosine, {"lr": 0.1, "steps": 9}, {"lr": NO_RATE, "steps": NO_COUNT, "end": NO_RATE}),
    Call(nn.Cyclic, {"lr": 0.1, "period": 9}, {"lr": NO_RATE, "period": NO_COUNT, "end": NO_RATE}),
    Call(nn.StepDecay, {"lr": 0.1, "every": 9}, {"lr": NO_RATE, "every": NO_COUNT, "factor": NO_RATE}),
    Call(nn.WarmUp, {"lr": 0.1, "steps": 9}, {"lr": NO_RATE, "steps": NO_COUNT}),
    Call(nn.Piecewise, {"starts": [0, 9], "rates": [0.1, 0.2]},
         {"starts": ([1, 9], [0, 0], [0], [0, 9.5], "09", None, [], [[0, 9]]),
          "rates": ([0.1], "ab", [0.1, -1], None, 0.1, np.array(0.1))}),
    Call(nn.log_steps, {"steps": 100}, {"steps": (*NO_STEPS, 10**400), "per_decade": (*NO_COUNT, 10**30)}),
    Call(nn.linear_steps, {"steps": 100, "every": 9}, {"steps": NO_STEPS, "every": NO_COUNT}),
    Call(nn.linear_steps, {"steps": 10**12, "every": 10**9}, {"every": (1,)}, {"steps": "above"}),
    Call(nn.Record, {"quantities": ["test_loss"], "at": [0, 3], "test": (X, Y)},
         {"quantities": (["los"], "los", 3, None, [3], [nn.Quantity("own", "", "1", 3)]),  # type: ignore[arg-type]
          "at": ([-1], [0.5], "abc", 0.5, [True], [None]), "test": (None, X, (X,), "test", {"x": X})}),
    Call(nn.error, {"outputs": np.zeros((2, 6, 2)), "y": Y}, anything=dict.fromkeys(("outputs", "y"), "of a Frame")),
    Call(nn.log_softmax, {"logits": np.zeros((6, 2))}, anything={"logits": "in the table of calibration"}),
    Call(nn.train, RUN,
         {"net": NO_NET, "params": NO_PARAMS, "data": NO_DATA, "optimiser": NO_OPTIMISER,
          "batch_size": (0, 7, 1.5, "3", None, True), "steps": (-1, 1.5, "2", None, True),
          "seed": NO_SEED, "record": (3, ["los"], "los"), "options": NO_OPTIONS}),
    Call(nn.Options, {},
         {"loss": ("mse", nn.CrossEntropy, 3), "noise": NO_RATE, "stop": (("loss", 0.1), nn.Until("loss", np.nan), 0.1),
          "checkpoint": NO_FILE, "checkpoint_every": (0, 1.5, "9", None), "engine": ("quick", None, 0),
          "progress": (3, "yes", [])}, {"models": "below"}),
    Call(train_with, {},
         {"loss": (nn.logistic,), "models": ([0], [0, -1], [0, 0.5], 2, "ab", [0, 2**32]),
          "noise": ([0.1, 0.2, 0.3],), "stop": (nn.Until("error", 0.1),), "engine": ("fused",)}),
    Call(nn.Run, {name: value for name, value in RUN.items() if name != "steps"},
         {"net": NO_NET, "params": NO_PARAMS, "data": NO_DATA, "optimiser": NO_OPTIMISER,
          "batch_size": (0, 7, 1.5, "3", None, True), "seed": NO_SEED,
          "options": (*NO_OPTIONS, nn.Options(stop=nn.Until("loss", 0.1)), nn.Options(progress=True))}),
    Call(nn.train_each, {"nets": {4: NET}, "data": (X, Y), "optimiser": SGD, "models": 2, "batch_size": 3, "steps": 2},
         {"nets": ({}, [NET], NET, None, {4: "nets"}), "data": NO_DATA, "optimiser": (*NO_OPTIMISER, {5: SGD}, {}),
          "models": (0, 1.5, "2", None), "dim": ("model", "step", "", 3, None), "seed": NO_SEED,
          "dtype": ("float16", None), "device": ("cuda", None), "options": NO_OPTIONS}),
]  # fmt: skip
