"""Densities whose ends are powers, kinks that no formula shows, and what cannot be normalised."""

from __future__ import annotations

from functools import partial
from typing import Any

import mpmath  # type: ignore[import-untyped]
import numpy as np
import pytest
import sympy as sp
from scipy import stats

from simlab.theory import fokker_planck as fp
from simlab.theory.sde import SDE, langevin

X, T = sp.Symbol("x", real=True), sp.Symbol("T", positive=True)
ACCURATE = 1e-11
"""Relative: panels are resolved to 2e-12, and logarithms of densities to 1e-300 are rounded to 1e-13."""


def cir(shape: float, domain: Any = (0, sp.oo)) -> SDE:
    """dx = (shape/2 - x) dt + sqrt(x) dW has the density gamma(shape, scale 1/2)."""
    return SDE(X, sp.Float(shape) / 2 - X, sp.sqrt(X), domain=domain, boundary="reflecting")


def jacobi(a: float, b: float) -> SDE:
    drift = (sp.Float(a) * (1 - X) - sp.Float(b) * X) / 2
    return SDE(X, drift, sp.sqrt(X * (1 - X)), domain=(0, 1), boundary="reflecting")


def student(nu: float) -> SDE:
    return SDE(X, (1 - sp.Float(nu)) / 2 * X / nu, sp.sqrt(1 + X**2 / sp.Float(nu)))


def inverse_gamma(shape: float) -> SDE:
    return SDE(X, 1 + (1 - sp.Float(shape)) / 2 * X, X, domain=(0, sp.oo), boundary="reflecting")


def with_density(log_p: sp.Expr, diffusion: sp.Expr, domain: Any) -> SDE:
    """The Ito equation with noise^2 = diffusion that has this density."""
    drift = sp.simplify((sp.diff(diffusion, X) + diffusion * sp.diff(log_p, X)) / 2)
    return SDE(X, drift, sp.sqrt(diffusion), domain=domain, boundary="reflecting")


F = with_density(-sp.log(X) * sp.Rational(3, 4) - sp.Rational(7, 4) * sp.log(1 + X / 6), X * (1 + X / 6), (0, sp.oo))


def raised(x: np.ndarray, power: int) -> np.ndarray:
    return x**power


def squared(x: np.ndarray, mean: float) -> np.ndarray:
    return (x - mean) ** 2


ENDS = ((0.25, 0.5), (0.06, 3), (3, 0.5), (1, 1), (5, 7))
LAWS: dict[str, tuple[SDE, Any]] = {
    **{f"gamma {a}": (cir(a), stats.gamma(a, scale=0.5)) for a in (0.05, 0.25, 0.5, 1, 2, 7.5)},
    **{f"beta {a} {b}": (jacobi(a, b), stats.beta(a, b)) for a, b in ENDS},
    **{f"t {nu}": (student(nu), stats.t(nu)) for nu in (0.5, 1, 2.5, 8)},
    **{f"inverse gamma {a}": (inverse_gamma(a), stats.invgamma(a, scale=2)) for a in (0.3, 1.5, 6)},
    "F 0.5 3": (F, stats.f(0.5, 3)),
    "logistic": (SDE(X, -sp.tanh(X / 2), sp.sqrt(2)), stats.logistic()),
    "Laplace": (langevin("Abs(x)", X, 0.5), stats.laplace(scale=0.5)),
    "between walls": (SDE(X, -X, sp.sqrt(2), domain=(-1, 3), boundary="reflecting"), stats.truncnorm(-1, 3)),
    "on a circle": (
        SDE(X, 5 * sp.sin(X), sp.sqrt(2), domain=(0, 2 * sp.pi), boundary="periodic"), stats.vonmises(5, loc=np.pi)
    ),
    "left of a wall": (
        SDE(X, -sp.Rational(1, 8) - X, sp.sqrt(-X), domain=(-sp.oo, 0), boundary="reflecting"), None
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LAWS)
def test_pearson_s_densities_are_right_to_near_rounding(name: str) -> None:
    sde, exact = LAWS[name]
    mirrored = exact is None
    exact = stats.gamma(0.25, scale=0.5) if mirrored else exact
    found = fp.density(sde, {})
    share = np.array([1e-6, 1e-3, 0.02, 0.2, 0.5, 0.8, 0.99])
    x = exact.ppf(share)
    np.testing.assert_allclose(exact.cdf(x), share, rtol=1e-9)
    points = -x if mirrored else x
    np.testing.assert_allclose(found.pdf(points), exact.pdf(x), rtol=ACCURATE, atol=0)
    below = 1 - exact.cdf(x) if mirrored else exact.cdf(x)
    np.testing.assert_allclose(found.cdf(points), below, rtol=ACCURATE, atol=1e-14)  # mass beyond e^-690
    assert found.expect(np.ones_like) == pytest.approx(1, abs=1e-13)
    for power in (1, 2):
        moment = float(exact.moment(power)) if name != "on a circle" else np.nan
        if np.isfinite(moment):
            sign = -1 if mirrored and power == 1 else 1
            assert found.expect(partial(raised, power=power)) == pytest.approx(sign * moment, rel=ACCURATE, abs=1e-13)


def test_the_numbers_of_the_issue() -> None:
    for shape, below, mean in ((0.5, 0.1585, 0.25), (0.25, 0.413, 0.125)):
        for domain in ((0, sp.oo), (0, 30), (0.0, float("inf"))):
            found = fp.density(cir(shape, domain), {})
            assert found.cdf(0.01)[0] == pytest.approx(below, abs=5e-4)
            assert found.expect(lambda x: x) == pytest.approx(mean, rel=1e-11)
    assert fp.density(jacobi(0.25, 0.5), {}).expect(lambda x: x) == pytest.approx(1 / 3, rel=1e-13)


def test_a_density_at_its_walls() -> None:
    rising, flat, falling = (fp.density(cir(shape), {}) for shape in (0.5, 1, 2))
    assert rising.pdf(0)[0] == np.inf
    assert flat.pdf(0)[0] == pytest.approx(2, rel=1e-12)
    assert falling.pdf(0)[0] == 0
    assert rising.support[0] == 0
    assert [rising.cdf(v)[0] for v in (-1, 0, 1e9)] == [0, 0, 1]
    assert np.isnan(rising.pdf(np.nan)[0])
    assert np.isnan(rising.cdf(np.nan)[0])


@pytest.mark.parametrize(
    ("sde", "fragment"),
    [
        (cir(0), "cannot be normalised towards the end x = 0"),
        (cir(-0.5), "cannot be normalised towards the end x = 0"),
        (jacobi(1, 0), "cannot be normalised towards the end x = 1"),
        (cir(0.01), "too heavy to be integrated"),
        (SDE(X, -X / (1 + X**2) ** 2, 1 / sp.sqrt(1 + X**2)), "cannot be normalised"),  # a constant density
        (SDE(X, 0, sp.sqrt(1 + X**2) ** sp.Rational(1, 2)), "cannot be normalised"),  # 1/x
        (SDE(X, -X, sp.sqrt(X)), "not a finite number"),
        (SDE(X, 1 - X, X), "not a finite number"),
        (langevin("x**2 + 1/(x - 0.3)", X, T), "not a finite number near x = 0.3"),
        (langevin("x**2 + log(Abs(x - 0.3))", X, T), "not a finite number near x = 0.3"),
        (langevin("x**2 + sin(1000*x)", X, T), "not resolved"),
        (langevin("x**2/2 - 1e-20*x**4", X, T), "does not confine"),
        (langevin("log(1 + x**2)", X, T), "too heavy to be sampled"),
    ],
)
def test_what_has_no_density_is_refused_in_one_sentence(sde: SDE, fragment: str) -> None:
    with pytest.raises(fp.NotNormalisable, match=fragment) as error:
        fp.density(sde, dict.fromkeys(sde.parameters, 0.5))
    assert str(error.value).endswith(".")


def test_heavy_tails_that_walkers_visit_soon_are_taken() -> None:
    cauchy = fp.density(SDE(X, 0, 1 + X**2 / 4, "stratonovich"), {})  # p ~ 1/(1 + x^2/4)
    x = np.array([-1e6, -3.0, 0.0, 1.0, 1e9])
    np.testing.assert_allclose(cauchy.cdf(x), stats.cauchy(scale=2).cdf(x), rtol=ACCURATE)
    with pytest.raises(ValueError, match="f has no mean here"):
        cauchy.expect(np.abs)
    with pytest.raises(ValueError, match="f has no mean here"):
        fp.density(cir(0.5), {}).expect(lambda z: 1 / z)


@pytest.mark.parametrize(
    "drift",
    [
        -X - sp.ceiling(X) + sp.S.Half, -X - sp.floor(X) - sp.S.Half, -X - sp.frac(X) + sp.S.Half,
        -X - sp.Mod(X, 1) + sp.S.Half, -X - sp.asin(sp.sin(X)), -X + sp.acos(sp.cos(X - sp.pi / 2)) - sp.pi / 2,
        -X - sp.atan(sp.tan(X)), -X - sp.sign(X) * sp.Abs(sp.Abs(sp.Abs(X) - 2) - 1),
        -X - sp.ceiling(3 * X**3) + sp.S.Half,
        -X - sp.Piecewise((0, sp.Abs(X) < sp.sqrt(2)), (sp.sign(X), True)), -X - sp.Max(-1, sp.Min(1, 9 * X)),
    ],
)  # fmt: skip
def test_kinks_and_jumps_are_found(drift: sp.Expr) -> None:
    found = fp.density(SDE(X, drift, 1), {})
    # The drift is odd: half of the mass lies on each side. Kinks that panels must find are found to 1e-13 a panel.
    assert found.cdf(0)[0] == pytest.approx(0.5, abs=1e-11)
    assert found.expect(lambda x: x) == pytest.approx(0, abs=1e-10)


def test_densities_narrow_for_their_place() -> None:
    for potential, mean, deviation in (
        ("1e6*(x - 100)**2", 100, 5e-4),
        ("1e30*x**2", 0, 5e-16),
        ("1e-12*x**2", 0, 5e5),
    ):
        found = fp.density(langevin(potential, X, 0.5), {})
        assert found.expect(lambda x: x) == pytest.approx(mean, rel=1e-12, abs=1e-12 * deviation)
        assert found.expect(partial(squared, mean=mean)) == pytest.approx(deviation**2, rel=1e-9)


def test_first_passages_from_a_wall_where_the_noise_vanishes() -> None:
    # 2 int_a^b dy/psi int_0^y psi/s^2 with psi = x^c e^(-2x), c = shape: by mpmath, with the incomplete gamma function.
    shape = 0.5
    inner = lambda y: y ** (-shape) * mpmath.exp(2 * y) * mpmath.gammainc(shape, 0, 2 * y) / 2**shape  # noqa: E731
    exact = float(2 * mpmath.quad(inner, [0.1, 1]))
    assert fp.mean_first_passage(cir(shape), {}, 0.1, 1) == pytest.approx(exact, rel=1e-11)
    mirrored = SDE(X, -sp.Float(shape) / 2 - X, sp.sqrt(-X), domain=(-sp.oo, 0), boundary="reflecting")
    assert fp.mean_first_passage(mirrored, {}, -0.1, -1) == pytest.approx(exact, rel=1e-11)
    # Brownian motion from a wall: (b^2 - a^2)/s^2.
    walls = SDE(X, 0, 1, domain=(0, 5), boundary="reflecting")
    assert fp.mean_first_passage(walls, {}, 0.5, 2) == pytest.approx(3.75, rel=1e-12)
    for start, target in ((-1, 1), (0.1, 6), (0.1, 0)):
        with pytest.raises(ValueError, match="must lie inside of the domain"):
            fp.mean_first_passage(walls, {}, start, target)
