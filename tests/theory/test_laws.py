"""Fokker-Planck, transfer operators and SGD against the numbers and identities of the reference sheet."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from simlab.theory import fokker_planck as fp
from simlab.theory import sgd, transfer
from simlab.theory.chain import DT
from simlab.theory.expression import parse
from simlab.theory.quadrature import kinks, panels
from simlab.theory.schemes import EULER, HEUN, Scheme
from simlab.theory.sde import SDE, Calculus, langevin

X, T = sp.Symbol("x", real=True), sp.Symbol("T", positive=True)
DOUBLE = X**4 / 4 - X**2 / 2
WELL = langevin(DOUBLE, X, T)
HALF = {T: 0.5}
POSITIVE = st.fractions(sp.Rational(1, 2), 3, max_denominator=4)
ANY = st.fractions(-2, 2, max_denominator=4)


def rational(value: object) -> sp.Rational:
    return sp.Rational(str(value))


def test_numbers_of_the_double_well() -> None:
    assert fp.density(WELL, HALF).expect(np.square) == pytest.approx(0.893465, abs=5e-7)
    assert fp.slope(WELL, X**2, HALF) == pytest.approx(-0.19639, abs=5e-6)
    for dt, expected in ((0.02, 0.889454), (0.05, 0.883064)):
        chain = transfer.gaussian(EULER(WELL), {**HALF, DT: dt})
        assert chain.expect(np.square) == pytest.approx(expected, abs=1e-6)
    assert fp.mean_first_passage(WELL, {T: 0.1}, -1, 1) == pytest.approx(66.3, abs=0.05)
    assert fp.mean_first_passage(WELL, {T: 0.1}, 1, -1) == pytest.approx(66.3, abs=0.05)
    assert fp.kramers(DOUBLE, 0.1, -1, 0) == pytest.approx(54.1, abs=0.05)
    phi = fp.density_correction(langevin(DOUBLE, X, sp.Rational(1, 2)))
    assert sp.expand(phi - (X**6 / 2 - X**4 - X**2)).is_number


@given(POSITIVE, ANY, ANY, POSITIVE)
def test_stationary_densities_solve_the_fokker_planck_equation(a: object, b: object, c: object, t: object) -> None:
    potential = rational(a) * X**4 + rational(b) * X**3 + rational(c) * X
    for sde in (langevin(potential, X, rational(t)), SDE(X, -X, sp.sqrt(1 + X**2), "stratonovich")):
        residual = fp.residual(sde, fp.stationary(sde)) / fp.stationary(sde)
        assert sp.simplify(residual) == 0


@given(POSITIVE, ANY, ANY, POSITIVE)
def test_densities_are_normalised_and_their_cdf_is_their_integral(a: object, b: object, c: object, t: object) -> None:
    potential = rational(a) * X**4 + rational(b) * X**3 + rational(c) * X
    law = fp.density(langevin(potential, X, T), {T: float(rational(t))})
    assert law.expect(np.ones_like) == pytest.approx(1, abs=1e-12)
    points = np.linspace(*law.support, 7)
    exact = [float((law.panels.weights * law.values)[law.panels.nodes < p].sum()) for p in points]
    np.testing.assert_allclose(law.cdf(points), exact, atol=2e-2)  # the sum stops at a node, the cdf between nodes
    assert (np.diff(law.cdf(np.linspace(*law.support, 999))) >= -1e-14).all()
    centre = float(law.expect(lambda x: x))
    assert law.pdf(np.array([centre]))[0] > 0


@given(POSITIVE, ANY, POSITIVE)
def test_the_chain_leaves_the_gibbs_law_with_the_derived_slope(a: object, c: object, t: object) -> None:
    sde, values = langevin(rational(a) * X**4 / 4 + rational(c) * X, X, T), {T: float(rational(t))}
    gibbs, slope = fp.density(sde, values).expect(np.square), fp.slope(sde, X**2, values)
    errors = []
    for h in np.array([0.004, 0.002]) / float(rational(a)) / float(rational(t)):
        moments = [transfer.gaussian(EULER(sde), {**values, DT: k * h}).expect(np.square) for k in (1, 2, 3, 4)]
        # The slope at 0 of the polynomial through Gibbs at 0 and the exact chains at h .. 4h: right to fourth order.
        found = (np.array(moments) - gibbs) @ [4, -3, 4 / 3, -1 / 4] / h
        errors.append(abs(found - slope))
    # Half the step, an error 16 times smaller (8 is asked), down to the roundings of the moments, 5e-13 times 8/h.
    assert errors[1] < max(errors[0] / 8, 4e-12 * (1 + gibbs) / h)


@pytest.mark.parametrize(("text", "variance"), [("Abs(x)", 0.5), ("Max(2*x, -x)", 0.375), ("sqrt(1 + x**2)", None)])
def test_chains_of_potentials_with_kinks_and_heavy_tails(text: str, variance: float | None) -> None:
    sde = langevin(parse(text), X, T)
    law = fp.density(sde, HALF)
    if variance:  # two exponentials, of which the integrals are known
        assert law.expect(np.square) == pytest.approx(variance, abs=1e-12)
    chain = transfer.gaussian(EULER(sde), {**HALF, DT: 0.05})
    # Twice the nodes, and iteration in place of an eigenvector.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transfer, "RESOLUTION", transfer.RESOLUTION / 2)
        finer = transfer.gaussian(EULER(sde), {**HALF, DT: 0.05})
    assert chain.expect(np.square) == pytest.approx(finer.expect(np.square), rel=1e-10)
    mass = np.exp(-np.abs(chain.nodes))
    mass = mass / mass.sum() @ np.linalg.matrix_power(chain.operator, 4096)
    assert chain.expect(np.square) == pytest.approx(mass @ chain.nodes**2 / mass.sum(), rel=1e-10)
    assert chain.second[0] == pytest.approx(finer.second[0], abs=1e-3)  # at the edge of a continuum


def test_kinks_are_found_where_formulas_change() -> None:
    e = parse("Abs(x - 1) + Max(x, -2*x - 3) + sign(x**2 - 4) + (x if x < 3 else 2*x - 3) + Abs(x**2)")
    assert kinks(X, e, {}, -5, 5) == pytest.approx([-2, -1, 1, 2, 3])
    assert kinks(X, sp.floor(X), {}, 0.5, 2.5) == pytest.approx([1, 2])
    assert kinks(X, X**2, {}, -5, 5) == []


@pytest.mark.parametrize("k_dt", [0.1, 1.0, 1.5, 1.9])
def test_the_harmonic_chain(k_dt: float) -> None:
    k, s = sp.symbols("k s", positive=True)
    assert sp.simplify(fp.euler_harmonic_variance(k, s) - s**2 / (k * (2 - k * DT))) == 0
    chain = transfer.gaussian(EULER(langevin(X**2 / 2, X, T)), {**HALF, DT: k_dt})
    assert chain.expect(np.square) == pytest.approx(1 / (2 - k_dt), rel=1e-9)
    if k_dt != 1:
        assert chain.second[0] == pytest.approx(1 - k_dt, abs=1e-9)


@given(st.integers(0, 15), st.lists(st.floats(-1, 2), max_size=3), st.floats(-1, 2))
def test_panels_integrate_polynomials_exactly_to_anywhere(degree: int, breaks: list[float], end: float) -> None:
    grid = panels(-1.0, 2.0, breaks, count=7)
    samples = grid.nodes**degree
    exact = (end ** (degree + 1) - (-1.0) ** (degree + 1)) / (degree + 1)
    assert float(grid.integral_to(np.array([end]), samples)[0]) == pytest.approx(exact, abs=1e-10)
    assert (grid.weights * samples).sum() == pytest.approx(
        float(grid.integral_to(np.array([2.0]), samples)[0]), rel=1e-12
    )
    np.testing.assert_allclose(grid.running(samples), grid.integral_to(grid.nodes, samples), atol=1e-10)


def test_an_eigenfunction_and_bins() -> None:
    chain = transfer.gaussian(EULER(langevin(X**2 / 2, X, T)), {**HALF, DT: 0.1})
    _, mode = chain.second
    np.testing.assert_allclose(mode(np.array([0.5, 1.0])) / mode(np.array([0.25])), [2, 4], rtol=1e-7)  # phi = x
    edges = np.array([-9, -0.5, 0.3, 9.0])
    sd = np.sqrt(1 / 1.9)
    from scipy.stats import norm

    np.testing.assert_allclose(chain.bin_probabilities(edges), np.diff(norm.cdf(edges, scale=sd)), atol=1e-10)


def test_first_passage_tends_to_the_integral_with_the_shifted_boundary() -> None:
    cold = {T: 0.1}
    rests = []
    for dt in (0.04, 0.01, 0.0025):
        chain = transfer.gaussian(EULER(WELL), {**cold, DT: dt}, high=0.0).first_passage(-1.0) * dt
        shift = fp.DISCRETE_BOUNDARY_SHIFT * np.sqrt(0.2 * dt)
        rests.append(abs(chain - fp.mean_first_passage(WELL, cold, -1.0, shift)))
    assert pytest.approx(0.5826, abs=5e-5) == fp.DISCRETE_BOUNDARY_SHIFT
    assert rests[0] / rests[1] == pytest.approx(4, abs=1)
    assert rests[1] / rests[2] == pytest.approx(4, abs=1)


@pytest.mark.parametrize(("calculus", "scheme", "mean"), [("ito", EULER, -0.6), ("stratonovich", HEUN, -1 / 3)])
def test_the_circle_at_any_scheme(calculus: Calculus, scheme: Scheme, mean: float) -> None:
    noise = 1 + sp.Rational(3, 5) * sp.sin(X)
    law = fp.density(SDE(X, 0, noise, calculus, (0, 2 * sp.pi), "periodic"), {})
    assert law.expect(np.sin) == pytest.approx(mean, abs=1e-10)
    gaps = []
    for dt in (0.01, 0.02):
        chain = transfer.koopman(scheme(SDE(X, 0, noise, calculus)), {DT: dt}, 0, 2 * np.pi)
        gaps.append(chain.expect(np.sin) - mean)
        assert chain.bin_probabilities(np.linspace(0, 2 * np.pi, 9)).sum() == pytest.approx(1, abs=1e-12)
    assert gaps[1] / gaps[0] == pytest.approx(2, abs=0.1)  # weak order one


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("-x**4", "does not confine"), ("x", "does not confine"), ("0*x", "does not confine"),
        ("log(x)", "not a finite number"), ("x**2 + 1/x", "not a finite number"), ("log(1 + x**2)", "too heavy"),
        ("-log(1 + x**2)", "does not confine"),
    ],
)  # fmt: skip
def test_potentials_that_do_not_confine_are_refused(text: str, fragment: str) -> None:
    with pytest.raises(fp.NotNormalisable, match=fragment):
        fp.density(langevin(parse(text), X, T), HALF)


@pytest.mark.parametrize(
    ("text", "mean", "square"),
    [
        ("x**2/2 + 1000*x", -1000, 1000000.5),
        ("1000*x**2", 0, 0.00025),
        ("(x - 100)**2", 100, 10000.25),
        ("Abs(x)", 0, 0.5),
    ],
)
def test_potentials_of_any_scale_and_place(text: str, mean: float, square: float) -> None:
    law = fp.density(langevin(parse(text), X, T), HALF)
    assert law.expect(lambda x: x) == pytest.approx(mean, abs=1e-8)
    assert law.expect(np.square) == pytest.approx(square, rel=1e-8)


def test_a_step_too_long_is_refused() -> None:
    with pytest.raises(ValueError, match="take a smaller dt"):
        _ = transfer.gaussian(EULER(WELL), {**HALF, DT: 3.0}).mass
    with pytest.raises(ValueError, match="take a larger dt"):
        transfer.gaussian(EULER(WELL), {**HALF, DT: 1e-9})


def test_the_valley() -> None:
    h, s = sp.symbols("h s", positive=True)
    assert sp.simplify(sgd.normal_variance(h, s) - sgd.LR * s**2 / (h * (2 - sgd.LR * h))) == 0
    curvature = 1 + X**2
    at = {X: 1, sgd.LR: sp.Rational(1, 5)}
    # lr^2 s^2 h'/(2 h (2 - lr h)) and lr^2 sigma^2 h'/(2 (2 - lr h)) at lr = .2, s = sigma = .3, x = 1
    assert float(sgd.mean_drift(curvature, sp.Rational(3, 10)).subs(at)) == pytest.approx(-0.0036 * 2 / (4 * 1.6))
    label = sp.Rational(3, 10) * sp.sqrt(curvature)
    drift = sgd.mean_drift(curvature, label)
    assert float(drift.subs(at)) == pytest.approx(-0.0036 * 2 / (2 * 1.6))
    potential = sgd.label_noise_potential(curvature, sp.Rational(3, 10))
    assert sp.simplify(drift + sgd.LR * sp.diff(potential, X)) == 0


def test_sgd_is_the_chain_of_its_gradient() -> None:
    y, s = sp.symbols("y s", real=True)
    chain = sgd.sgd(X**2 * y**2 / 2, (X, y), [0, s])
    assert len(chain.normals) == 1
    assert [sp.expand(e) for e in chain.update] == [
        X - sgd.LR * X * y**2,
        sp.expand(y - sgd.LR * (X**2 * y + s * chain.normals[0])),
    ]


@given(st.integers(1, 5), st.integers(0, 300), st.integers(0, 2**31))
def test_linear_chains_by_doubling_are_linear_chains_step_by_step(d: int, steps: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    step = 0.9 * np.linalg.qr(rng.standard_normal((d, d)))[0]
    noise = (root := rng.standard_normal((d, d))) @ root.T
    shift, mean, covariance = rng.standard_normal(d), rng.standard_normal(d), np.eye(d)
    fast = sgd.linear_chain_moments(step, shift, noise, mean, covariance, steps)
    for _ in range(steps):
        mean, covariance = step @ mean + shift, step @ covariance @ step.T + noise
    np.testing.assert_allclose(fast[0], mean, atol=1e-10)
    np.testing.assert_allclose(fast[1], covariance, atol=1e-9 * np.abs(noise).max())
    if steps > 200:
        np.testing.assert_allclose(sgd.discrete_covariance(step, noise), covariance, rtol=1e-6, atol=1e-8)
