"""Matrices known by products against the same written down, and estimates of their spectra against exact spectra."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse.linalg import eigsh

from simlab import nn
from simlab.nn.layers.layer import leaves
from tests.nn.nets import NORMS, Case, cases

NO_BATCH = tuple(norm for norm in NORMS if "batch" not in norm)
KINDS: list[Any] = [nn.hessian, nn.gauss_newton, nn.gradient_noise]


def small(models: int = 2, dtype: str = "float64") -> Any:
    """A net of 51 parameters with data: the arguments of every function here."""
    rng = np.random.default_rng(0)
    net = nn.mlp([4, 6, 3], "tanh")
    return (
        net,
        nn.cross_entropy,
        nn.init(net, models=models, dtype=dtype),
        rng.standard_normal((20, 4)),
        np.arange(20) % 3,
    )


def close(a: np.ndarray, b: np.ndarray, relative: float) -> bool:
    return a.shape == b.shape and float(abs(a - b).max()) <= relative * (1 + float(abs(b).max()))


@given(cases())
def test_dense_matrices_are_the_products(case: Case) -> None:
    v = case.direction()
    flat = nn.flatten(v)
    for kind, product in ((nn.hessian, nn.hvp), (nn.gauss_newton, nn.gauss_newton_product)):
        dense = kind(*case[:5]).to_dense()
        assert close((dense @ flat[..., None])[..., 0], nn.flatten(product(*case[:5], v)), 1e-11)
        assert close(dense, dense.swapaxes(1, 2), 1e-11)


@given(cases(norms=NO_BATCH))
def test_gradient_noise_is_the_covariance_of_single_examples(case: Case) -> None:
    n = case.x.shape[-2]
    single = n * nn.flatten(nn.per_example_grads(*case[:5]), axes=2)
    for k, noise in enumerate(nn.gradient_noise(*case[:5]).to_dense()):
        expected = np.cov(single[k], rowvar=False, bias=True).reshape(noise.shape)
        assert close(noise, expected, 1e-11)


def test_the_hessian_is_the_derivative_of_the_gradient() -> None:
    net, loss, params, x, y = small()
    flat, h = nn.flatten(params), 1e-5
    dense = nn.hessian(net, loss, params, x, y).to_dense()

    def grad(at: np.ndarray) -> np.ndarray:
        return nn.flatten(nn.value_and_grad(net, loss, nn.unflatten(params, at), x, y)[1])

    for i in range(0, 51, 7):
        unit = h * np.eye(51)[i]
        # An error of h^2 times the third derivative and of rounding / h, both near 1e-10.
        assert close(dense[:, i], (grad(flat + unit) - grad(flat - unit)) / (2 * h), 1e-8)


def test_gradient_noise_of_a_batch_is_the_covariance_over_batches() -> None:
    # Half the sum over all pairs of examples: batches of 2 drawn with replacement, every one of them.
    net, loss, params, x, y = small()
    x, y = x[:5], y[:5]
    pairs = np.array([[i, j] for i in range(5) for j in range(5)])
    batches = [nn.flatten(nn.value_and_grad(net, loss, params, x[p], y[p])[1]) for p in pairs]
    for k, noise in enumerate(nn.gradient_noise(net, loss, params, x, y).to_dense()):
        assert close(np.cov([b[k] for b in batches], rowvar=False, bias=True), noise / 2, 1e-12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layer", [None, "0", "2.b"])
def test_operator_spectrum_and_trace_are_those_of_the_dense_matrix(kind: Any, layer: str | None) -> None:
    args = small()
    matrix = kind(*args, layer=layer)
    dense = matrix.to_dense()
    part = nn.columns(args[2], layer)
    np.testing.assert_allclose(dense, kind(*args).to_dense()[:, part, part], atol=1e-14)
    exact = np.linalg.eigvalsh(dense)
    k = 2
    found = nn.top_eigenvalues(matrix, k)
    assert close(found.values, exact[:, : -k - 1 : -1], 1e-12)
    lengths = found.vectors @ found.vectors.swapaxes(1, 2)
    np.testing.assert_allclose(lengths, np.broadcast_to(np.eye(k), lengths.shape), atol=1e-13)
    left = (found.vectors @ dense) - found.values[..., None] * found.vectors
    np.testing.assert_allclose(np.linalg.norm(left, axis=2), found.residuals, atol=1e-14)
    for model in (0, 1):
        operator = matrix.operator(model)
        np.testing.assert_allclose(operator @ np.eye(len(exact[0])), dense[model], atol=1e-14)
        np.testing.assert_allclose(eigsh(operator, k=1)[0], abs(exact[model]).max(), rtol=1e-10)
    estimate, se = nn.trace(matrix)
    assert (abs(estimate - exact.sum(axis=1)) < 4 * se).all()


def test_eigenvalues_that_occur_twice_are_found_twice() -> None:
    # With squared errors a linear net has the same curvature for each of its outputs.
    rng = np.random.default_rng(0)
    net = nn.mlp([3, 2])
    args: Any = (net, nn.mse, nn.init(net, models=2, dtype="float64"), rng.standard_normal((9, 3)), np.zeros((9, 2)))
    exact = np.linalg.eigvalsh(nn.hessian(*args).to_dense())[:, ::-1]
    for k in (2, 8):  # 8 is all of them
        np.testing.assert_allclose(nn.top_eigenvalues(nn.hessian(*args), k).values, exact[:, :k], rtol=1e-12)


def test_few_steps_leave_residuals_that_bound_the_error() -> None:
    args = small()
    exact = np.linalg.eigvalsh(nn.hessian(*args).to_dense())
    for steps in range(1, 12):
        values, _, residuals = nn.top_eigenvalues(nn.hessian(*args), steps=steps)
        nearest = abs(values - exact).min(axis=1)
        assert (nearest <= residuals[:, 0] + 1e-14).all()
    assert (nn.top_eigenvalues(nn.hessian(*args), steps=2).residuals > 1e-3).all()  # which steps=2 does owe


def test_float32_is_as_exact_as_its_rounding() -> None:
    values, vectors, _ = nn.top_eigenvalues(nn.hessian(*small(dtype="float32")), 3)
    exact = nn.top_eigenvalues(nn.hessian(*small()), 3).values
    assert values.dtype == vectors.dtype == np.float32
    np.testing.assert_allclose(values, exact, rtol=1e-5)  # a hundred roundings of 6e-8, in the parameters too
    matrix = nn.hessian(*small(dtype="float32"))
    density = nn.spectral_density(matrix)
    parts = (*nn.trace(matrix), *density, *density.moment(2), *density.smooth(np.arange(3.0), 0.1))
    assert all(part.dtype == np.float32 for part in parts)


def test_a_model_has_the_same_estimates_in_any_stack() -> None:
    net, loss, params, x, y = small(3)
    one = nn.select(params, slice(2, 3))
    stack, lone = (nn.hessian(net, loss, p, x, y) for p in (params, one))
    many, alone = nn.trace(stack), nn.trace(lone, index=[2])
    np.testing.assert_allclose([a[2] for a in many], [a[0] for a in alone], rtol=1e-12)
    density, single = nn.spectral_density(stack), nn.spectral_density(lone, index=[2])
    np.testing.assert_allclose(density.moment(2)[0][2], single.moment(2)[0][0], rtol=1e-12)


def test_the_standard_error_of_the_trace_is_right() -> None:
    # The same model 500 times, with probes of its own each: an experiment repeated.
    net, loss, params, x, y = small(1)
    repeats, probes = 500, 20
    stack = nn.unflatten(params, np.repeat(nn.flatten(params), repeats, axis=0))
    dense = nn.hessian(net, loss, params, x, y).to_dense()[0]
    value, se = nn.trace(nn.hessian(net, loss, stack, x, y), probes=probes)
    exact = float(np.trace(dense))
    variance = 2 * float((dense**2).sum() - (np.diag(dense) ** 2).sum()) / probes
    # Relative errors: of a mean square of 500 normals sqrt(2/500), of the mean of 500 variances less; 5 of each.
    assert abs(value.mean() - exact) < 5 * np.sqrt(variance / repeats)
    assert abs(((value - exact) ** 2).mean() / variance - 1) < 5 * np.sqrt(2 / repeats)
    assert abs((se**2).mean() / variance - 1) < 5 * np.sqrt(2 / repeats)
    # Student's t with 19 degrees of freedom is inside 2.093 in 95 %; 500 tries leave 1 %, taken 4 times.
    assert abs((abs(value - exact) < 2.093 * se).mean() - 0.95) < 0.04


@given(st.sampled_from(KINDS), st.integers(0, 2**31), st.integers(1, 60))
def test_density_has_the_moments_of_its_probes(kind: Any, seed: int, steps: int) -> None:
    args = small()
    matrix = kind(*args)
    dense = matrix.to_dense()
    density = nn.spectral_density(matrix, probes=4, steps=steps, seed=seed)
    signs = np.concatenate([matrix.signs(i, seed, None) for i in range(4)], axis=1)
    image = signs
    for power in range(min(2 * steps, 8)):
        exact = (signs * image).sum(axis=2) / 51
        np.testing.assert_allclose((density.weights * density.nodes**power).sum(axis=2), exact, atol=1e-13)
        image = image @ dense


def test_density_is_that_of_the_dense_spectrum() -> None:
    args = small()
    exact = np.linalg.eigvalsh(nn.hessian(*args).to_dense())
    density = nn.spectral_density(nn.hessian(*args), probes=60)
    at, width = np.linspace(-2, 3, 3001), 0.05
    value, se = density.smooth(at, width)
    np.testing.assert_allclose(value.sum(axis=1) * (at[1] - at[0]), 1, rtol=1e-6)
    expected = np.exp(-(((at - exact[..., None]) / width) ** 2) / 2).mean(axis=1) / (width * np.sqrt(2 * np.pi))
    # At 9 points a standard deviation of noise is passed by 4 of them once in 2000 tries; where there is no eigenvalue
    # the density is 0 with no error at all.
    some = slice(900, 2101, 150)
    assert (abs(value - expected)[:, some] <= 4 * se[:, some] + 1e-9).all()
    assert (se[:, some].max(axis=1) > 0.01).all()
    for power in (1, 2, 3):
        moment, error = density.moment(power)
        assert (abs(moment - (exact**power).mean(axis=1)) < 4 * error).all()


@given(cases())
def test_views_name_every_column_once(case: Case) -> None:
    flat = nn.flatten(case.params)
    parts = nn.by_layer(case.params)
    assert [s.stop - s.start for s in parts.values()] == [leaf[0].size for leaf in leaves(case.params)]
    np.testing.assert_array_equal(np.concatenate([flat[:, s] for s in parts.values()], axis=1), flat)
    norms = nn.norms_by_layer(case.params)
    total = np.sum([n**2 for n in norms.values()], axis=0)
    np.testing.assert_allclose(total, (flat**2).sum(axis=1), rtol=1e-12)


def test_views_go_by_the_place_in_the_net() -> None:
    params = nn.init(nn.serial(nn.dense(2, 3), nn.relu, nn.residual(nn.dense(3, 3, bias=False))), models=1)
    assert nn.by_layer(params) == {"0.W": slice(0, 6), "0.b": slice(6, 9), "2.branch.0.W": slice(9, 18)}
    assert nn.columns(params, "0") == slice(0, 9)
    assert nn.columns(params, "2.branch") == slice(9, 18)
    assert nn.columns(params) == slice(0, 18)


@pytest.mark.gpu
@pytest.mark.parametrize("kind", KINDS)
def test_the_card_finds_the_same(kind: Any) -> None:
    import cupy

    net, loss, host, x, y = small()
    card = nn.unflatten(nn.init(net, models=2, dtype="float64", device="gpu"), cupy.asarray(nn.flatten(host)))
    here: Any = (net, loss, host, x, y)
    there: Any = (net, loss, card, cupy.asarray(x), cupy.asarray(y))
    matrices = kind(*there), kind(*here)
    functions: tuple[Any, ...] = (nn.trace, partial(nn.top_eigenvalues, k=3))
    for function in functions:
        found, wanted = (function(m)[0] for m in matrices)
        np.testing.assert_allclose(cupy.asnumpy(found), wanted, rtol=1e-9)
    moments = [nn.spectral_density(m).moment(2)[0] for m in matrices]
    np.testing.assert_allclose(cupy.asnumpy(moments[0]), moments[1], rtol=1e-9)
    column, wanted = matrices[0].operator(1) @ cupy.ones(51), matrices[1].operator(1) @ np.ones(51)
    np.testing.assert_allclose(cupy.asnumpy(column), wanted, atol=1e-12)


def test_probes_are_not_the_initial_parameters() -> None:
    # A net of one layer draws its parameters with the key of the seed itself.
    net = nn.dense(9, 7, bias=False)
    params = nn.init(net, models=2, dtype="float64")
    args = (net, nn.mse, params, np.ones((3, 9)), np.zeros((3, 7)))
    start = nn.hessian(*args).normals(1, 0, None)[:, 0]
    for k in range(2):
        assert abs(np.corrcoef(start[k], nn.flatten(params)[k])[0, 1]) < 5 / 63**0.5  # five standard errors


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # infinite parameters have no finite products
def test_a_net_that_has_diverged_has_no_spectrum_and_leaves_the_others_alone() -> None:
    net, loss, params, x, y = small()
    flat = nn.flatten(params).copy()
    flat[0] = np.inf
    lost = nn.unflatten(params, flat)
    with_lost, without = (nn.hessian(net, loss, p, x, y) for p in (lost, params))
    found, wanted = nn.top_eigenvalues(with_lost), nn.top_eigenvalues(without)
    assert np.isnan(found.values[0]).all()
    # Lanczos may stop a few blocks apart; both are as exact as rounding.
    np.testing.assert_allclose(found.values[1], wanted.values[1], rtol=1e-12)
    nodes = nn.spectral_density(with_lost, steps=5).nodes
    assert np.isnan(nodes[0]).all()
    np.testing.assert_array_equal(nodes[1], nn.spectral_density(without, steps=5).nodes[1])
