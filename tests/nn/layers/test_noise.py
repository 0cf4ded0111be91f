"""Noise on activations: which noise it is, its law, and derivatives at fixed noise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simlab import nn
from simlab.nn.layers.noise import standard_noise
from simlab.random import Key, normals

NOISY = nn.serial(
    nn.activation_noise(0.3), nn.dense(3, 5), nn.activation_noise(0.5), nn.tanh,
    nn.residual(nn.dense(5, 5), nn.activation_noise(0.1)), nn.dense(5, 2),
)  # fmt: skip
RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((7, 3)), RNG.integers(0, 2, 7)
STEPS = st.integers(0, 2**32 - 1)


def init(models: Any = 4, dtype: str = "float64") -> Any:
    return nn.init(NOISY, models=models, dtype=dtype)


def outputs(params: Any, step: int = 0, x: np.ndarray = X) -> np.ndarray:
    found: np.ndarray = NOISY.forward(nn.at_step(params, step), x)[0]
    return found


@given(STEPS, st.integers(0, 1000))
def test_a_model_gets_the_same_noise_in_any_stack(step: int, model: int) -> None:
    many = init([3, model, 5])
    np.testing.assert_allclose(outputs(init([model]), step)[0], outputs(many, step)[1], rtol=1e-13)
    chosen = nn.select(nn.at_step(many, step), np.array([1]))
    np.testing.assert_allclose(NOISY.forward(chosen, X)[0][0], outputs(many, step)[1], rtol=1e-13)
    # Data of the model's own or shared by all: the noise goes by the place in the batch.
    own = outputs(many, step, np.broadcast_to(X, (3, *X.shape)))
    np.testing.assert_allclose(own, outputs(many, step), rtol=1e-13)


@given(STEPS, st.integers(1, 9), st.integers(1, 9), st.sampled_from(["float32", "float64"]))
def test_noise_is_that_of_the_generator(step: int, n: int, width: int, dtype: str) -> None:
    layer = nn.activation_noise(1.0)
    key = Key(123, 2**32 - 1)
    state = nn.at_step(layer.init(key, np.array([4, 0, 7]), dtype), step).state
    found = standard_noise(state, n, width, dtype)
    assert found.dtype == dtype
    example, feature = np.arange(n)[:, None], np.arange(width)[None]
    expected = [normals(key, feature, example, model, step) for model in (4, 0, 7)]
    # Polynomials of the compiled form: normals agree to a few roundings at a size of up to 7.
    np.testing.assert_allclose(found, expected, atol={"float32": 4e-6, "float64": 1e-14}[dtype])


def test_noise_has_its_law_and_is_fresh_everywhere() -> None:
    net = nn.serial(nn.activation_noise(0.5), nn.activation_noise(0.25), nn.dense(40, 40))
    params = nn.init(net, models=3, dtype="float64")
    x = np.ones((50, 40))
    draws = []
    for step in range(4):
        first, second = (nn.at_step(p, step) for p in params[:2])
        middle = net.layers[0].forward(first, x)[0]
        draws += [(middle - x) / 0.5, (net.layers[1].forward(second, middle)[0] - middle) / 0.25]
    xi = np.array(draws).reshape(24, -1)
    # Five standard errors of the mean and of the variance of 48000 normals, and of correlations of 2000 pairs.
    assert abs(xi.mean()) < 5 / np.sqrt(xi.size)
    assert abs(xi.var() - 1) < 5 * np.sqrt(2 / xi.size)
    correlations = np.corrcoef(xi)[np.triu_indices(24, 1)]
    assert abs(correlations).max() < 5 / np.sqrt(xi.shape[1])


def test_prediction_and_population_have_no_noise() -> None:
    params = init()
    quiet = nn.serial(nn.dense(3, 5), nn.tanh, nn.residual(nn.dense(5, 5)), nn.dense(5, 2))
    without = (params[1], params[3], params[4]._replace(branch=params[4].branch[:1]), params[5])
    np.testing.assert_array_equal(nn.predict(NOISY, nn.at_step(params, 9), X), nn.predict(quiet, without, X))
    net = nn.serial(nn.activation_noise(1.0), nn.batch_norm(3))
    seen = nn.population(net, nn.init(net, models=2, dtype="float64"), X)
    np.testing.assert_allclose(seen[1].statistics.mean[0], X.mean(axis=0), atol=1e-15)


def test_noise_is_annealed_by_its_scale() -> None:
    layer = nn.activation_noise(0.5)
    params = layer.init(Key(1, 2), np.arange(3), "float64")
    full = layer.forward(params, X)[0] - X
    for scale in (0.0, 0.5, np.array([0.0, 1.0, 3.0])):
        part = layer.forward(nn.at_step(params, 0, scale), X)[0] - X
        np.testing.assert_allclose(part, full * np.reshape(scale, (-1, 1, 1)), atol=1e-15)
    assert nn.activation_noise(0.0).forward(params, X)[0] is X


@given(STEPS)
def test_derivatives_are_those_at_fixed_noise(step: int) -> None:
    params = nn.at_step(init(2), step)
    flat = nn.flatten(params)
    v = np.random.default_rng(step).standard_normal(flat.shape)
    h = 1e-5  # an error of h^2 times the third derivative and of rounding / h, both near 1e-10

    def moved(sign: int) -> Any:
        return nn.value_and_grad(NOISY, nn.cross_entropy, nn.unflatten(params, flat + sign * h * v), X, Y)

    (up, up_grad), (down, down_grad) = moved(1), moved(-1)
    value, grad = nn.value_and_grad(NOISY, nn.cross_entropy, params, X, Y)
    np.testing.assert_allclose((nn.flatten(grad) * v).sum(axis=1), (up - down) / (2 * h), atol=1e-8)
    product = nn.hvp(NOISY, nn.cross_entropy, params, X, Y, nn.unflatten(params, v))
    np.testing.assert_allclose(nn.flatten(product), (nn.flatten(up_grad) - nn.flatten(down_grad)) / (2 * h), atol=1e-8)
    dense = nn.hessian(NOISY, nn.cross_entropy, params, X, Y).to_dense()
    np.testing.assert_allclose((dense @ v[..., None])[..., 0], nn.flatten(product), atol=1e-12)
    shares = nn.flatten(nn.per_example_grads(NOISY, nn.cross_entropy, params, X, Y), axes=2)
    np.testing.assert_allclose(shares.sum(axis=1), nn.flatten(grad), atol=1e-13)
    assert not np.array_equal(value, nn.value_and_grad(NOISY, nn.cross_entropy, nn.at_step(params, step ^ 1), X, Y)[0])


def test_noise_is_no_parameter_and_steps_cost_nothing_without_it() -> None:
    assert nn.flatten(init()).shape == (4, 3 * 5 + 5 + 5 * 5 + 5 + 5 * 2 + 2)
    net = nn.mlp([3, 4, 2], norm="batch")
    params = nn.init(net, models=2)
    assert nn.at_step(params, 3) is params


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nn.activation_noise(-0.1), "std must be at least 0"),
        (lambda: nn.activation_noise(float("nan")), "std must be at least 0"),
        (lambda: nn.at_step(init(), -1), "step must be in 0"),
        (lambda: nn.at_step(init(), 0, -1.0), "scale must be"),
        (lambda: nn.at_step(init(), 0, np.ones(3)), "one for each of 4 models"),
    ],
)
def test_refused_in_one_sentence(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert str(caught.value).endswith(".")


@pytest.mark.gpu
def test_the_card_draws_the_same() -> None:
    import cupy

    there = nn.init(NOISY, models=3, dtype="float64", device="gpu")
    found = cupy.asnumpy(NOISY.forward(nn.at_step(there, 5), cupy.asarray(X))[0])
    np.testing.assert_allclose(found, outputs(init(3), 5), atol=1e-12)
