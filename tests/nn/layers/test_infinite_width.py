"""Kernels of infinitely wide nets: wide nets go to them as 1 / sqrt(width), and expectations against each other."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import mpmath  # type: ignore[import-untyped]
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from simlab import nn
from simlab.nn.layers.activations import ACTIVATIONS, Activation
from simlab.nn.layers.infinite_width import FINEST, arc_cosine, arc_sine, by_quadrature

X = np.random.default_rng(0).standard_normal((3, 3))
dense = partial(nn.dense, scaling="ntk")
bare_layer_norm = partial(nn.layer_norm, affine=False)


def deep(activation: Any, norm: Any = None) -> Callable[[int], Any]:
    return lambda width: nn.mlp([3, width, width, 1], activation, norm, scaling="ntk")


NETS: dict[str, Callable[[int], Any]] = {
    "one hidden layer": lambda width: nn.mlp([3, width, 1], "relu", scaling="ntk"),
    "relu": deep("relu"),
    "leaky_relu": deep(nn.leaky_relu(0.3)),
    "tanh": deep("tanh"),
    "erf": deep("erf"),
    "gelu": deep("gelu"),
    "softplus": deep("softplus"),
    "layer norm": deep("relu", bare_layer_norm),
    "residual": lambda width: nn.serial(
        dense(3, width), nn.residual(nn.tanh, dense(width, width)), nn.relu, dense(width, 1, bias=False)
    ),
}


def kernels(net: Any, models: int) -> np.ndarray:
    """Empirical tangent kernels (model, n, n), a few models at a time."""
    parts = [nn.init(net, models=list(range(i, i + 10)), dtype="float64") for i in range(0, models, 10)]
    return np.concatenate([nn.tangent_kernel(net, params, X)[..., 0, 0] for params in parts])


@pytest.mark.parametrize("name", NETS)
def test_a_wide_net_deviates_by_one_over_the_root_of_its_width(name: str) -> None:
    net, models, widths = NETS[name], 60, np.array([32, 64, 128, 256])
    formula = nn.infinite_width(net(2), X).ntk
    squares = np.array([((kernels(net(width), models) - formula) ** 2).mean(axis=(1, 2)) for width in widths])
    # The logarithm of the root mean square over models, and its standard error by the delta method.
    log, se = np.log(squares.mean(axis=1)) / 2, squares.std(axis=1) / squares.mean(axis=1) / 2 / np.sqrt(models)
    fit = np.polynomial.polynomial.Polynomial.fit(np.log(widths), log, 1, w=1 / se).convert()
    spread = np.log(widths) - np.average(np.log(widths), weights=1 / se**2)
    slope_se = (spread**2 / se**2).sum() ** -0.5
    assert slope_se < 0.1
    # With one hidden layer the law is exact; deeper, the square has a term of the next order, B / width^2 beside
    # A / width, which adds at most B / A / 2 / 32 to the slope, and B / A is the depth and a few units.
    assert abs(fit.coef[1] + 0.5) < 4 * slope_se + (0 if name == "one hidden layer" else 3 / 2 / 32)


@pytest.mark.parametrize(
    "make",
    [
        *(NETS[name] for name in ("one hidden layer", "layer norm", "residual")),
        lambda width: nn.mlp([3, width, 1], "erf"),
    ],
    ids=["one hidden layer", "layer norm", "residual", "standard scaling"],
)
def test_outputs_have_the_covariance_of_the_formula(make: Callable[[int], Any]) -> None:
    net, models = make(32), 1000
    outputs = nn.predict(net, nn.init(net, models=models, dtype="float64"), X)[..., 0]
    products = outputs[:, :, None] * outputs[:, None, :]
    formula = nn.infinite_width(net, X, ntk=False).nngp
    # The covariance of order one of a finite net is off by no more than about the inverse of its width.
    bound = 5 * products.std(axis=0) / np.sqrt(models) + 1 / 32
    assert (abs(products.mean(axis=0) - formula) < bound).all()


def test_the_kernel_of_one_hidden_layer_is_the_textbook_formula() -> None:
    norm = np.linalg.norm(X, axis=1)
    angle = np.arccos(np.clip(X @ X.T / np.outer(norm, norm), -1, 1))
    flat, bent = (np.pi - angle) / np.pi, (np.sin(angle) + (np.pi - angle) * np.cos(angle)) / np.pi
    found = nn.infinite_width(NETS["one hidden layer"](7), X)
    nngp = np.outer(norm, norm) / 3 * bent
    np.testing.assert_allclose(found.nngp, nngp, rtol=1e-7)  # arccos of 1 - eps, here, is off by the root of eps
    np.testing.assert_allclose(found.ntk, nngp + X @ X.T / 3 * flat + flat / 2 + 1, rtol=1e-7)


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e4, 1e9, 1e16])
@pytest.mark.parametrize("gap", [0.0, 1e-15, 1e-9, 0.3, 1.9999999, 2.0])
def test_closed_forms_keep_their_digits_at_any_variance_and_angle(size: float, gap: float) -> None:
    a, b = np.array([size]), np.array([size * (1 if gap in (0.0, 2.0) else 1 + 1e-12)])
    c = a * (1 - gap) if gap in (0.0, 2.0) else np.sqrt(a * b) * (1 - gap)
    with mpmath.workdps(60):  # of these very floats
        u, v, w = (mpmath.mpf(float(part[0])) for part in (a, b, c))
        determinant = max(u * v - w * w, mpmath.mpf(0))
        root, angle = mpmath.sqrt(1 + 2 * u + 2 * v + 4 * determinant), mpmath.atan2(mpmath.sqrt(determinant), w)
        sine = (2 / mpmath.pi * mpmath.atan2(2 * w, root), 4 / mpmath.pi / root)
        length = mpmath.sqrt(u * v) / (2 * mpmath.pi)
        cosine = (
            length * (mpmath.sin(angle) + (mpmath.pi - angle) * mpmath.cos(angle)),
            (mpmath.pi - angle) / (2 * mpmath.pi),
        )
    for found, exact in zip(arc_sine(a, b, c), sine, strict=True):
        np.testing.assert_allclose(found, float(exact), rtol=1e-14)  # some twenty roundings
    for found, exact, unit in zip(arc_cosine(0.0)(a, b, c), cosine, (size, 1), strict=True):
        np.testing.assert_allclose(found, float(exact), atol=1e-15 * unit)


def test_the_diagonal_is_exact_and_blocks_are_parts_of_the_whole() -> None:
    net = deep("relu")(4)
    whole, block = nn.infinite_width(net, X), nn.infinite_width(net, X[:2], X[1:])
    np.testing.assert_array_equal(whole.nngp.diagonal(), whole.left)
    np.testing.assert_allclose(whole.nngp.diagonal(), (X**2).mean(axis=1), rtol=1e-14)  # the gain keeps the variance
    np.testing.assert_allclose(block.ntk, whole.ntk[:2, 1:], rtol=1e-7)
    np.testing.assert_allclose(block.right, whole.right[1:], rtol=1e-14)


pairs = st.tuples(st.floats(0.01, 9), st.floats(0.01, 9), st.floats(-1, 1))


@given(pairs)
def test_quadrature_is_the_closed_form(pair: tuple[float, float, float]) -> None:
    a, b, c = (np.array([v]) for v in (*pair[:2], pair[2] * np.sqrt(pair[0] * pair[1])))
    erf: Any = nn.erf
    for found, exact in zip(by_quadrature(erf._value_and_slope)(a, b, c), arc_sine(a, b, c), strict=True):
        np.testing.assert_allclose(found, exact, atol=1e-12)


@pytest.mark.parametrize("name", ["tanh", "gelu", "softplus"])
def test_quadrature_has_converged(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    act: Any = ACTIVATIONS[name]
    a, b, c = (np.array(v) for v in ([0.3, 1.0, 4.0], [1.0, 1.0, 25.0], [-0.2, 1.0, 9.5]))
    coarse = by_quadrature(act._value_and_slope)(a, b, c)
    monkeypatch.setattr("simlab.nn.layers.infinite_width.FINEST", FINEST / 6)
    scale = by_quadrature(act._value_and_slope)(b, b, b)
    for found, better, size in zip(coarse, by_quadrature(act._value_and_slope)(a, b, c), scale, strict=True):
        np.testing.assert_allclose(found, better, rtol=0, atol=1e-12 * size.max())


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
@pytest.mark.parametrize("variance", [1e-6, 0.2, 1.0, 6.0, 30.0, 900.0])
def test_expectations_of_one_gaussian_are_integrals(name: str, variance: float) -> None:
    act: Any = ACTIVATIONS[name]
    a = np.array([variance])
    found = (act.expectations or by_quadrature(act._value_and_slope))(a, a, a)

    def integrand(z: float, part: int) -> float:
        u = np.array([np.sqrt(variance) * z])
        return float(act._value_and_slope(u)[part][0] ** 2 * np.exp(-z * z / 2) / np.sqrt(2 * np.pi))

    for part in (0, 1):
        exact = sum(quad(integrand, *ends, args=(part,), epsabs=1e-12)[0] for ends in ((-12, 0), (0, 12)))
        np.testing.assert_allclose(found[part], exact, rtol=1e-9)  # what quad itself promises is 1e-12 twice


@given(st.floats(0.01, 9), st.floats(0.01, 9), st.floats(-1, 1), st.floats(0, 0.99))
def test_leaky_relu_is_a_relu_and_a_line(a: float, b: float, cosine: float, leak: float) -> None:
    # max(u, 0) + leak min(u, 0) = (1 - leak) max(u, 0) + leak u, and E max(u, 0) v = c / 2.
    u, v, c = (np.array([value]) for value in (a, b, cosine * np.sqrt(a * b)))
    value, slope = arc_cosine(leak)(u, v, c)
    relu, step = arc_cosine(0.0)(u, v, c)
    line = leak * (1 - leak) + leak**2
    np.testing.assert_allclose(value, (1 - leak) ** 2 * relu + line * c, atol=1e-13)
    np.testing.assert_allclose(slope, (1 - leak) ** 2 * step + line, atol=1e-13)


kinked: Any = Activation("abs", abs, lambda x, y: np.sign(x), None)
REFUSED: list[tuple[Callable[[], Any], str]] = [
    (lambda: nn.infinite_width(nn.mlp([3, 4, 1]), X), 'grows with the width; use scaling="ntk"'),
    (lambda: nn.infinite_width(nn.mlp([3, 4, 1], scaling="mup"), X), "learns features"),
    (
        lambda: nn.infinite_width(nn.mlp([3, 4, 1], norm="batch"), X, ntk=False),
        "BatchNormLayer has no",
    ),
    (
        lambda: nn.infinite_width(nn.mlp([3, 4, 1], norm="weight"), X, ntk=False),
        "WeightNormLayer has no",
    ),
    (lambda: nn.infinite_width(deep("relu", "layer")(4), X), "use affine=False"),
    (
        lambda: nn.infinite_width(nn.serial(nn.tanh, dense(3, 1)), X),
        "tanh has an infinite-width limit after a",
    ),
    (
        lambda: nn.infinite_width(nn.serial(bare_layer_norm(3)), X),
        "layer_norm has an infinite-width limit",
    ),
    (lambda: nn.infinite_width(nn.serial(dense(3, 3), nn.residual(dense(3, 3), nn.relu)), X), "put one last"),
    (lambda: nn.infinite_width(deep("relu")(4), np.zeros((1, 3))), "lies on the kink"),
    (lambda: nn.infinite_width(deep(kinked)(4), X), "abs has kinks and no closed form"),
    (lambda: nn.infinite_width(deep("relu")(4), X[:, :2]), r"shape \(n, 3\), got \(3, 2\)"),
    (lambda: nn.infinite_width(deep("relu")(4), X, X[0]), r"shape \(n, 3\), got \(3,\)"),
    (lambda: nn.infinite_width(deep("relu")(4), np.nan * X), "features hold NaN"),
]


@pytest.mark.parametrize(("call", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_refused_in_one_sentence(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert str(caught.value).endswith(".")
