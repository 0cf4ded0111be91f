"""The identities that hand-written derivatives must obey, over random nets, depths, widths, norms and losses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from simlab import nn
from simlab.nn.layers.layer import leaves, tree_map
from tests.nn.nets import KINKED, NORMS, SMOOTH, Case, cases, kinks_stay

STEP = 1e-4
NO_BATCH = tuple(norm for norm in NORMS if "batch" not in norm)


def slope(function, at: np.ndarray, v: np.ndarray) -> np.ndarray:  # type: ignore[no-untyped-def]
    """The derivative along v by five points: an error of order STEP^4 and of rounding / STEP, both near 1e-12."""
    f = [function(at + k * STEP * v) for k in (-2, -1, 1, 2)]
    return np.asarray((f[0] - 8 * f[1] + 8 * f[2] - f[3]) / (12 * STEP))


def close(a: np.ndarray, b: np.ndarray, relative: float = 1e-6) -> bool:
    return a.shape == b.shape and float(abs(a - b).max()) <= relative * (1 + float(abs(b).max()))


@given(cases())
def test_jvp_and_vjp_are_transposes(case: Case) -> None:
    net, _, params, x, _, draw = case
    u, dx = case.direction(), draw(x.shape)
    outputs, cache = net.forward(params, x)
    v = draw(outputs.shape)
    gradient, back = net.vjp(params, cache, v)
    forward = (net.jvp(params, cache, u, dx) * v).sum()
    backward = (nn.flatten(u) * nn.flatten(gradient)).sum() + (dx * back).sum()
    assert abs(forward - backward) <= 1e-11 * (1 + abs(forward) + float(abs(nn.flatten(gradient)).sum()))


@given(cases(activations=SMOOTH))
def test_gradient_and_hessian_product_are_finite_differences(case: Case) -> None:
    flat, v = nn.flatten(case.params), case.direction()
    assert close((case.grad(flat) * nn.flatten(v)).sum(axis=1), slope(case.value, flat, nn.flatten(v)))
    assert close(nn.flatten(nn.hvp(*case[:5], v)), slope(case.grad, flat, nn.flatten(v)))


@given(cases(activations=KINKED))
def test_gradient_and_hessian_product_away_from_kinks(case: Case) -> None:
    flat, v = nn.flatten(case.params), case.direction()
    ends = [case.net.forward(nn.unflatten(case.params, flat + k * STEP * nn.flatten(v)), case.x)[1] for k in (-2, 2)]
    assume(kinks_stay(*ends))
    assert close((case.grad(flat) * nn.flatten(v)).sum(axis=1), slope(case.value, flat, nn.flatten(v)))
    assert close(nn.flatten(nn.hvp(*case[:5], v)), slope(case.grad, flat, nn.flatten(v)))


@given(cases())
def test_hessian_is_symmetric(case: Case) -> None:
    u, v = case.direction(), case.direction()
    left = (nn.flatten(u) * nn.flatten(nn.hvp(*case[:5], v))).sum(axis=1)
    right = (nn.flatten(v) * nn.flatten(nn.hvp(*case[:5], u))).sum(axis=1)
    assert close(left, right, 1e-10)


@given(cases())
def test_gauss_newton_is_the_hessian_of_the_loss_seen_through_the_jacobian(case: Case) -> None:
    net, loss, params, x, y, _ = case
    u, v = case.direction(), case.direction()
    outputs, cache = net.forward(params, x)
    along_u, along_v = (net.jvp(params, cache, w, np.zeros_like(x)) for w in (u, v))
    product = nn.gauss_newton_product(net, loss, params, x, y, v)
    inner = (along_u * loss.hvp(outputs, y, along_v)).sum(axis=(1, 2))
    assert close((nn.flatten(u) * nn.flatten(product)).sum(axis=1), inner, 1e-10)
    assert ((nn.flatten(v) * nn.flatten(product)).sum(axis=1) >= -1e-12).all()


@given(cases(norms=NO_BATCH))
def test_per_example_gradients_sum_to_the_gradient(case: Case) -> None:
    shares = nn.per_example_grads(*case[:5])
    n = case.x.shape[-2]
    for share, leaf in zip(leaves(shares), leaves(case.params), strict=True):
        assert share.shape == (len(leaf), n, *leaf.shape[1:])
    total = nn.flatten(tree_map(lambda share: share.sum(axis=1), shares))
    assert close(total, case.grad(nn.flatten(case.params)), 1e-12)


@given(cases(norms=NO_BATCH), st.integers(0, 5))
def test_per_example_gradient_is_that_of_the_example_alone(case: Case, i: int) -> None:
    n = case.x.shape[-2]
    i %= n
    y = case.y[..., i : i + 1] if case.loss.target_axes(case.y) == 0 else case.y[..., i : i + 1, :]
    alone = nn.value_and_grad(case.net, case.loss, case.params, case.x[..., i : i + 1, :], y)[1]
    share = tree_map(lambda leaf: n * leaf[:, i], nn.per_example_grads(*case[:5]))
    assert close(nn.flatten(share), nn.flatten(alone), 1e-11)


@given(cases(norms=NO_BATCH))
def test_tangent_kernel_is_the_jacobian_times_its_transpose(case: Case) -> None:
    net, _, params, x, _, draw = case
    outputs, cache = net.forward(params, x)
    v = draw(outputs.shape)
    gradient = net.vjp(params, cache, v)[0]
    kernel = nn.tangent_kernel(net, params, x)
    models, n, out = outputs.shape
    assert kernel.shape == (models, n, n, out, out)
    through = net.jvp(params, cache, gradient, np.zeros_like(x))
    expected = (kernel.swapaxes(2, 3).reshape(models, n * out, n * out) @ v.reshape(models, -1, 1)).reshape(v.shape)
    assert close(expected, through, 1e-10)
    assert close(nn.tangent_kernel(net, params, x, x[..., :1, :]), kernel[:, :, :1], 1e-10)


@given(cases())
def test_a_stack_is_its_models_alone(case: Case) -> None:
    net, loss, params, x, y, _ = case
    params, v = nn.population(net, params, x), case.direction()
    value, gradient = nn.value_and_grad(net, loss, params, x, y)
    product, outputs = nn.hvp(net, loss, params, x, y, v), nn.predict(net, params, x)
    for k in range(len(value)):
        one, along = (nn.select(tree, slice(k, k + 1)) for tree in (params, v))
        x_k = x[k] if x.ndim == 3 else x
        y_k = y[k] if y.ndim == 2 + loss.target_axes(y) else y
        v_k, g_k = nn.value_and_grad(net, loss, one, x_k, y_k)
        assert close(v_k, value[k : k + 1], 1e-13)
        assert close(nn.flatten(g_k), nn.flatten(gradient)[k : k + 1], 1e-12)
        assert close(nn.flatten(nn.hvp(net, loss, one, x_k, y_k, along)), nn.flatten(product)[k : k + 1], 1e-11)
        assert close(nn.predict(net, one, x_k), outputs[k : k + 1], 1e-12)


@given(cases())
def test_unflatten_inverts_flatten(case: Case) -> None:
    again = nn.unflatten(case.params, nn.flatten(case.params))
    for a, b in zip(leaves(again), leaves(case.params), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.gpu
@pytest.mark.parametrize("norm", NORMS)
def test_the_card_agrees_with_the_processor(norm: str) -> None:
    import cupy

    net = nn.mlp([4, 6, 5, 3], "gelu", NORMS[norm])
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((7, 4)), rng.integers(0, 3, 7)
    host = nn.init(net, models=3, dtype="float64")
    card = nn.init(net, models=3, dtype="float64", device="gpu")
    v = rng.standard_normal(nn.flatten(host).shape)
    for function in (nn.hvp, nn.gauss_newton_product):
        here = function(net, nn.cross_entropy, host, x, y, nn.unflatten(host, v))
        args = (cupy.asarray(x), cupy.asarray(y), nn.unflatten(card, cupy.asarray(v)))
        there = function(net, nn.cross_entropy, card, *args)
        assert close(cupy.asnumpy(nn.flatten(there)), nn.flatten(here), 1e-10)
