"""What each layer promises beyond its derivatives: symmetries, statistics, and the law of its initial parameters."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simlab import nn
from simlab.nn.layers.activations import ACTIVATIONS
from simlab.nn.layers.layer import leaves, rebuilt
from tests.nn.nets import NORMS, Case, cases

SEEDS = st.integers(0, 2**31)


def data(seed: int, n: int = 8, features: int = 4) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, features)), rng.integers(0, 3, n)


@given(SEEDS, st.integers(1, 6), st.sampled_from(sorted(NORMS)))
def test_a_model_starts_the_same_in_any_stack(seed: int, models: int, norm: str) -> None:
    net = nn.mlp([3, 4, 4, 2], "gelu", NORMS[norm])
    many = nn.flatten(nn.init(net, models=models, seed=seed))
    assert many.dtype == np.float32
    assert len(np.unique(many, axis=0)) == models
    for k in range(models):
        np.testing.assert_array_equal(nn.flatten(nn.init(net, models=[k], seed=seed))[0], many[k])


def test_layers_draw_apart() -> None:
    params = nn.init(nn.serial(nn.dense(9, 9), nn.residual(nn.dense(9, 9))), models=1)
    first, second = params[0].W, params[1].branch[0].W
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 5 / 9  # five standard errors of 81 pairs


@pytest.mark.parametrize("scaling", ["standard", "ntk", "mup"])
def test_variance_at_the_start(scaling: Any) -> None:
    width, models, gain = 64, 200, 2.0
    x = np.random.default_rng(0).standard_normal((1, width))
    variance = gain * float((x**2).mean())
    # The outputs are independent normals, so their mean square has the relative standard error sqrt(2 / count).
    error = 5 * math.sqrt(2 / (models * width))
    for role in ("input", "hidden", "output"):
        net = nn.serial(nn.dense(width, width, scaling=scaling, role=role, gain=gain))
        outputs = nn.predict(net, nn.init(net, models=models, dtype="float64"), x)
        expected = variance / width if (scaling, role) == ("mup", "output") else variance
        assert abs(float((outputs**2).mean()) / expected - 1) < error, role


@pytest.mark.parametrize(("scaling", "power"), [("mup", 0.0), ("standard", 0.5), ("ntk", -0.5)])
def test_how_far_a_step_moves_the_features(scaling: Any, power: float) -> None:
    # Yang & Hu 2021: at a learning rate free of the width, hidden features move by width^power; the widths are a factor
    # 16 apart and half a power of it is 4, so a factor 2 tells the three scalings apart.
    moved = []
    for width in (64, 1024):
        net = nn.mlp([4, width, width, 1], "tanh", scaling=scaling)
        x = np.random.default_rng(1).standard_normal((1, 4))
        params = nn.init(net, models=4, dtype="float64")
        outputs, cache = net.forward(params, x)
        gradient = net.vjp(params, cache, np.ones_like(outputs))[0]
        hidden = nn.serial(*net.layers[:4])
        change = hidden.jvp(params[:4], cache[:4], gradient[:4], np.zeros_like(x))
        moved.append(math.sqrt(float((change**2).mean())))
    assert 1 / 2 < moved[1] / moved[0] / 16**power < 2


@given(SEEDS, st.sampled_from(sorted(ACTIVATIONS)))
def test_the_order_of_the_neurons_does_not_matter(seed: int, activation: str) -> None:
    net = nn.mlp([4, 6, 3], activation)
    params = nn.init(net, models=2, seed=seed, dtype="float64")
    order = np.random.default_rng(seed).permutation(6)
    first, act, last = params
    first = first._replace(W=first.W[:, :, order], b=first.b[:, order])
    permuted = (first, act, last._replace(W=last.W[:, order]))
    x, _ = data(seed)
    np.testing.assert_allclose(nn.predict(net, permuted, x), nn.predict(net, params, x), rtol=0, atol=1e-13)


@given(SEEDS, st.floats(0.01, 100), st.sampled_from([nn.batch_norm, nn.layer_norm]))
def test_a_normed_net_is_scale_invariant(seed: int, c: float, norm: Any) -> None:
    # Biases in front of a layer normalisation scale with the weights, so they belong to w.
    net = nn.serial(
        nn.dense(4, 6), norm(6, affine=False, eps=0.0), nn.tanh, nn.dense(6, 5), norm(5, affine=False, eps=0.0)
    )
    params = nn.init(net, models=2, seed=seed, dtype="float64")
    x, y = data(seed)
    w = nn.flatten(params)
    value, gradient = nn.value_and_grad(net, nn.cross_entropy, params, x, y % 3)
    scaled, scaled_gradient = nn.value_and_grad(net, nn.cross_entropy, nn.unflatten(params, c * w), x, y % 3)
    np.testing.assert_allclose(scaled, value, rtol=1e-11)
    np.testing.assert_allclose(c * nn.flatten(scaled_gradient), nn.flatten(gradient), rtol=1e-6, atol=1e-9)
    assert (abs((w * nn.flatten(gradient)).sum(axis=1)) < 1e-10 * (1 + abs(nn.flatten(gradient)).max())).all()
    # The derivative of g(c w) = g(w) / c at c = 1.
    product = nn.flatten(nn.hvp(net, nn.cross_entropy, params, x, y % 3, params))
    np.testing.assert_allclose(product, -nn.flatten(gradient), rtol=1e-6, atol=1e-9)


@given(SEEDS, st.floats(0.01, 100))
def test_weight_norm_ignores_the_length_of_its_directions(seed: int, c: float) -> None:
    net = nn.serial(nn.weight_norm(4, 3, gain=2.0))
    (p,) = nn.init(net, models=2, seed=seed, dtype="float64")
    x, _ = data(seed)
    plain = x @ p.V  # it starts as the dense layer with the weights V
    np.testing.assert_allclose(nn.predict(net, (p,), x), plain, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(nn.predict(net, (p._replace(V=c * p.V),), x), plain, rtol=1e-12, atol=1e-13)


@given(cases(norms=("batch", "bare batch")))
def test_population_statistics_give_at_prediction_what_training_saw(case: Case) -> None:
    net, loss, params, x, y, _ = case
    seen = nn.population(net, params, x)
    outputs = net.forward(params, x)[0]
    predicted = nn.predict(net, seen, x)
    np.testing.assert_allclose(predicted, outputs, rtol=0, atol=1e-9 * (1 + abs(outputs).max()))
    # Prediction does not see the rest of the batch, and statistics do not move the training loss.
    np.testing.assert_allclose(nn.predict(net, seen, x[..., :1, :]), predicted[:, :1], rtol=1e-9, atol=1e-11)
    before, after = (nn.value_and_grad(net, loss, p, x, y) for p in (params, seen))
    np.testing.assert_array_equal(after[0], before[0])
    np.testing.assert_array_equal(nn.flatten(after[1]), nn.flatten(before[1]))


def test_statistics_of_batch_norm_are_exact_and_never_trained() -> None:
    net = nn.serial(nn.batch_norm(2, eps=0.25))
    params = nn.init(net, models=1, dtype="float64")
    x = np.array([[0.0, 1.0], [2.0, 1.0]])
    np.testing.assert_allclose(net.forward(params, x)[0], [[[-1 / math.sqrt(1.25), 0], [1 / math.sqrt(1.25), 0]]])
    statistics = nn.population(net, params, x)[0].statistics
    np.testing.assert_array_equal(statistics.mean, [[1, 1]])
    np.testing.assert_array_equal(statistics.var, [[1, 0]])
    gradient = nn.value_and_grad(net, nn.mse, params, x, x)[1]
    assert not any(part.any() for part in gradient[0].statistics)
    assert nn.flatten(params).shape == (1, 4)


def test_layer_norm_standardises_every_example() -> None:
    net = nn.serial(nn.dense(4, 16), nn.layer_norm(16, eps=0.0))
    outputs = nn.predict(net, nn.init(net, models=3, dtype="float64"), data(0)[0])
    np.testing.assert_allclose(outputs.mean(axis=-1), 0, atol=1e-14)
    np.testing.assert_allclose(outputs.var(axis=-1), 1, rtol=1e-12)


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_activations_keep_float32_and_stay_finite(name: str) -> None:
    x = np.array([[-1e4, -90.0, -1.0, 0.0, 1.0, 90.0, 1e4]], np.float32)
    act: Any = ACTIVATIONS[name]
    y, cache = act.forward((), x)
    parts = [y, act.slope(*cache)] + ([] if act.second_derivative is None else [act.second_derivative(*cache)])
    for part in parts:
        assert part.dtype == np.float32
        assert np.isfinite(part).all()


@given(cases())
def test_everything_keeps_the_dtype_of_the_parameters(case: Case) -> None:
    net, loss, _, x, y, _ = case
    params = nn.init(net, models=2)
    if x.ndim == 3:
        x, y = x[0], y[0]
    for result in (
        nn.predict(net, params, x),
        *nn.value_and_grad(net, loss, params, x, y),
        nn.hvp(net, loss, params, x, y, params),
        nn.gauss_newton_product(net, loss, params, x, y, params),
    ):
        assert all(leaf.dtype == np.float32 for leaf in leaves(rebuilt((), [result])))


def test_names_of_norms_make_the_layers() -> None:
    for name, layer in (("batch", nn.batch_norm), ("layer", nn.layer_norm)):
        assert nn.mlp([2, 3, 1], nn.tanh, name).layers[1] == layer(3)
    assert nn.mlp([2, 3, 1], nn.tanh, partial(nn.batch_norm, eps=0.5)).layers[1] == nn.batch_norm(3, eps=0.5)


def test_what_is_fixed_is_drawn_as_ever_and_stays() -> None:
    plain = nn.serial(nn.dense(4, 6), nn.tanh, nn.dense(6, 3, bias=False))
    net = nn.serial(nn.dense(4, 6), nn.tanh, nn.fixed(nn.dense(6, 3, bias=False)))
    full, params = (nn.init(n, models=2, dtype="float64") for n in (plain, net))
    x, y = np.random.default_rng(0).standard_normal((9, 4)), np.arange(9) % 3
    np.testing.assert_array_equal(nn.predict(net, params, x), nn.predict(plain, full, x))
    assert nn.flatten(params).shape == (2, 4 * 6 + 6)
    gradient = nn.flatten(nn.value_and_grad(net, nn.cross_entropy, params, x, y)[1])
    whole = nn.flatten(nn.value_and_grad(plain, nn.cross_entropy, full, x, y)[1])
    np.testing.assert_array_equal(gradient, whole[:, : 4 * 6 + 6])
    for sgd in (nn.SGD(0.1, momentum=0.9, weight_decay=0.1), nn.Adam(0.1, weight_decay=0.1), nn.SphereSGD(0.1)):
        end, _ = nn.train(net, params, (x, y), sgd, batch_size=3, steps=5)
        np.testing.assert_array_equal(end[2].layer.W, params[2].layer.W)
        assert (nn.flatten(end) != nn.flatten(params)).all()
