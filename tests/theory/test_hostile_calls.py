"""What a user hands over by mistake, and what mathematics allows: answers, or one sentence, but no traceback."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import sympy as sp

from simlab.sde import walk
from simlab.theory import fokker_planck, von_mises_fisher
from simlab.theory.sde import SDE, langevin

X, T = sp.Symbol("x", real=True), sp.Symbol("T", positive=True)


@pytest.mark.parametrize(
    "potential", [sp.ceiling(X) ** 2 + X**2, sp.frac(X) + X**2, sp.Mod(X, 1) + X**2, X**2 + sp.Heaviside(X),
                  sp.sign(sp.sin(3 * X)) + X**2, "floor(x)**2 + x**2"],
)  # fmt: skip
def test_the_derivative_of_a_jump_is_refused_in_one_sentence(potential: object) -> None:
    with pytest.raises(ValueError, match=r"derivative of a jump.*without jumps\.$"):
        fokker_planck.density(langevin(potential, X, 1), {})


@pytest.mark.parametrize("potential", ["abs(asin(sin(x))) + x**2/10", "acos(cos(x)) + x**2/10"])
def test_triangles_have_a_density_and_walk(potential: str) -> None:
    equation = langevin(potential, X, 1)
    grid = np.arange(-40, 40, 1e-3) + 5e-4  # 0 and 1 are ends of its cells: the midpoint rule is right to its square
    wave = np.abs(np.arcsin(np.sin(grid))) if "asin" in potential else np.arccos(np.cos(grid))
    p = np.exp(-wave - grid**2 / 10)
    cdf = [p[grid < end].sum() / p.sum() for end in (0.0, 1.0)]
    np.testing.assert_allclose(fokker_planck.density(equation, {}).cdf([0.0, 1.0]), cdf, atol=1e-6)
    assert walk(equation, walkers=4, steps=3, dt=0.01, x0=0.1).attrs["diverged"] == 0


def test_nan_and_far_away_have_a_density_without_a_warning() -> None:
    density = fokker_planck.density(langevin("x**2/2", X, 1), {})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = density.pdf([np.nan, 1e308, -1e308, 0]), density.cdf([np.nan, 1e308, -1e308, 0])
    np.testing.assert_allclose(found[0], [np.nan, 0, 0, 1 / np.sqrt(2 * np.pi)], rtol=1e-12)
    np.testing.assert_allclose(found[1], [np.nan, 1, 0, 0.5], rtol=1e-12)


def test_an_equation_takes_values_by_name_and_knows_two_calculi() -> None:
    equation = langevin(X**2 / 2, X, T)
    for name in (T, "T", sp.Symbol("T")):
        assert equation.subs({name: 2}).noise[0] == 2
    with pytest.raises(ValueError, match="calculus must be one of ito, stratonovich"):
        SDE(X, -X, X).to("strat")  # type: ignore[arg-type]


def test_a_loss_of_another_theta_is_refused_and_text_works() -> None:
    angle = von_mises_fisher.ANGLE
    expected = von_mises_fisher.diffusion(-sp.cos(angle), 1, 3)
    assert von_mises_fisher.diffusion("-cos(theta)", 1, 3) == expected
    with pytest.raises(ValueError, match="loss holds a symbol theta with other assumptions"):
        von_mises_fisher.diffusion(-sp.cos(sp.Symbol("theta")), 1, 3)


def test_a_value_given_twice_is_refused() -> None:
    equation = langevin(X**2 / 2, X, T)
    with pytest.raises(ValueError, match="parameters must hold each name once"):
        walk(equation, walkers=2, steps=1, dt=0.1, parameters={"T": 1, T: 2})
    with pytest.raises(ValueError, match="dt must be given once"):
        walk(equation, walkers=2, steps=1, dt=0.1, parameters={"T": 1, "dt": 0.2})


@pytest.mark.parametrize("drift", [-X + sp.Symbol("t"), "-x + t", "sin(t)"])
def test_time_in_a_drift_says_what_to_do(drift: object) -> None:
    with pytest.raises(ValueError, match="add a component with drift 1 and noise 0"):
        SDE(X, drift, 1)
