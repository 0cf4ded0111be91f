"""Kernels do what their expressions say, on every target, in any chunks; and what cannot run is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from simlab import random as noise
from simlab.core import jit
from simlab.random import coefficients, kernels, key
from simlab.sde import DT, SDE, Options, Walkers, functions, kernel, langevin, walk
from simlab.sde.functions import f32, f64
from simlab.theory.chain import Chain
from simlab.theory.schemes import SCHEMES
from tests.sde import host_cuda
from tests.sde.models import MODELS, WELL, A, X

EVERY_MODEL = pytest.mark.parametrize("name", MODELS)


def in_numpy(name: str, walkers: int, steps: int, seed: int, stream: int, dt: float) -> np.ndarray:
    """The readable way: the update as a NumPy function, one normal at a time from the array form of the noise."""
    model, scheme, parameters, x0 = MODELS[name]
    chain = model if isinstance(model, Chain) else SCHEMES[scheme](model)
    by_name = {**parameters, "dt": dt}
    values = {s: by_name[str(s)] for s in chain.parameters}
    update = sp.lambdify(
        (*chain.state, *chain.normals), [e.subs(values) for e in chain.update], ["scipy", "numpy"], cse=True
    )
    state = list(np.broadcast_to(np.asarray(x0, float), (walkers, len(chain.state))).T)
    key, index = noise.key(seed), np.arange(walkers)
    for n in range(steps):
        normals = [noise.normals(key, index, np.int64(n), j, stream) for j in range(len(chain.normals))]
        state = [np.broadcast_to(s, walkers) for s in update(*state, *normals)]
    return np.array(state).T


def close(found: np.ndarray, expected: np.ndarray, dtype: str, steps: int) -> None:
    """Equal to rounding: errors of a step are a few eps of numbers of order 10, growing less than 2-fold per step."""
    assert np.isfinite(expected).all()
    np.testing.assert_allclose(found, expected, rtol=0, atol=200 * steps * float(np.finfo(dtype).eps))


@EVERY_MODEL
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_numba_kernel_is_its_expression(name: str, dtype: Any) -> None:
    model, scheme, parameters, x0 = MODELS[name]
    walkers, steps = 301, 13
    found = walk(
        model,
        walkers=walkers,
        steps=steps,
        dt=0.02,
        x0=x0,
        seed=7,
        scheme=scheme,
        parameters=parameters,
        options=Options(dtype=dtype, stream=3),
    )
    assert found.dims == (("time", "walker") if len(model.state) == 1 else ("time", "walker", "component"))
    assert found.dtype == dtype
    expected = in_numpy(name, walkers, steps, 7, 3, 0.02)
    if name == "stopped":  # a comparison may fall either way when the state is within rounding of the boundary
        agree = found.values[0, :, 1] == expected[:, 1]
        assert agree.mean() > 0.99
        close(found.values[0][agree], expected[agree], dtype, steps)
    else:
        close(found.values.reshape(walkers, -1), expected, dtype, steps)


@EVERY_MODEL
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_cuda_text_is_the_numba_kernel(name: str, dtype: Any) -> None:
    model, scheme, parameters, x0 = MODELS[name]
    arguments: dict[str, Any] = {"dt": 0.02, "x0": x0, "seed": 7, "scheme": scheme, "options": Options(dtype, 3)}
    card, cpu_walkers = (
        Walkers(model, 133, parameters=parameters, device=device, **arguments) for device in (host_cuda.device(), "cpu")
    )
    # Odd and even begins and ends, one step, many steps.
    for steps in (5, 1, 0, 7):
        card.advance(steps)
        cpu_walkers.advance(steps)
    close(card.positions(), cpu_walkers.positions(), dtype, 13)
    assert card.diverged() == 0


@pytest.mark.gpu
@EVERY_MODEL
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_card_gives_the_numbers_of_the_cpu(name: str, dtype: Any) -> None:
    model, scheme, parameters, x0 = MODELS[name]
    both = [
        walk(
            model,
            walkers=1001,
            steps=13,
            dt=0.02,
            x0=x0,
            scheme=scheme,
            parameters=parameters,
            options=Options(dtype),
            device=device,
            every=4,
        )
        for device in ("cpu", "gpu")
    ]
    close(both[1].values, both[0].values, dtype, 13)


@given(st.sampled_from(sorted(MODELS)), st.integers(1, 700), st.integers(0, 40), st.integers(1, 11), st.integers(1, 5))
def test_results_do_not_depend_on_threads_chunks_every_or_the_number_of_walkers(
    name: str, walkers: int, steps: int, every: int, threads: int
) -> None:
    model, scheme, parameters, x0 = MODELS[name]
    arguments: dict[str, Any] = {"dt": 0.02, "x0": x0, "seed": 1, "scheme": scheme, "parameters": parameters}
    whole = walk(model, walkers=700, steps=steps, **arguments)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jit, "thread_count", lambda: threads)
        part = walk(model, walkers=walkers, steps=steps, every=every, **arguments)
    np.testing.assert_array_equal(part.isel(time=-1).values, whole.isel(time=0).isel(walker=slice(walkers)).values)
    assert part.step.values.tolist() == sorted({*range(every, steps, every), steps})
    np.testing.assert_allclose(part.time.values, part.step.values * 0.02)


def test_seeds_and_streams_are_independent_runs() -> None:
    arguments: dict[str, Any] = {"walkers": 4096, "steps": 8, "dt": 0.1, "parameters": {"a": 0.5}}
    base = walk(WELL, **arguments).values[0]
    for other in ({"seed": 1}, {"seed": key(0, "other")}, {"options": Options(stream=1)}):
        again = walk(WELL, **arguments, **other).values[0]
        correlation = np.corrcoef(base, again)[0, 1]
        assert abs(correlation) < 4.9 / np.sqrt(4096)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_means_and_variances_of_a_walk(dtype: Any) -> None:
    x = walk(SDE(X, 0, 1), walkers=2**18, steps=25, dt=0.04, options=Options(dtype)).values[0].astype(float)
    n = x.size  # x ~ N(0, 1) exactly; 4.9 sigmas are one false alarm in a million
    assert abs(x.mean()) < 4.9 / np.sqrt(n)
    assert abs(x.var() - 1) < 4.9 * np.sqrt(2 / n)
    assert abs((x**4).mean() - 3) < 4.9 * np.sqrt(96 / n)


def test_walkers_that_diverge_are_counted_and_kept() -> None:
    found = walk(SDE(X, X**3, 1), walkers=1000, steps=200, dt=0.1)
    assert 0 < found.attrs["diverged"] <= 1000
    assert found.attrs["diverged"] == int((~np.isfinite(found.values)).sum())


def test_a_user_s_functions_are_good_to_rounding() -> None:
    x = np.concatenate([np.linspace(-40, 40, 20001), [0.0, 1e-9, -1e-9, np.pi, np.pi / 2, 900.0]])
    for library, dtype in ((f32, np.float32), (f64, np.float64)):
        at = x.astype(dtype)
        for name in ("sin", "cos", "exp"):
            function = getattr(library, name)
            with np.errstate(over="ignore"):
                exact = getattr(np, name)(at.astype(np.longdouble))
                exact = exact.astype(dtype).astype(float)
            found = np.array([function(v) for v in at], float)
            finite = np.isfinite(exact)
            np.testing.assert_array_equal(found[~finite], exact[~finite])
            found, exact = found[finite], exact[finite]
            error = np.abs(found - exact) / np.maximum(np.abs(exact), 1 if name != "exp" else 1e-37)
            assert error.max() < 3 * np.finfo(dtype).eps, name
    assert [f64.exp(v) for v in (np.inf, -np.inf)] == [np.inf, 0.0]
    assert np.isnan(f64.exp(np.nan))
    assert [f64.sign(v) for v in (-2.0, 0.0, 3.0)] == [-1, 0, 1]


def test_kernels_are_made_once_and_can_be_read() -> None:
    one = kernel(WELL, "euler", "float32")
    assert one is kernel(WELL, "euler", "float32")
    assert one is not kernel(WELL, "heun", "float32")
    assert "x_new = (x + k0 * (x - (x * x * x)) + k1 * xi0)" in one.source
    module = jit.load(one.source, coefficients, kernels, functions)
    assert Path(module.__file__).read_text("utf-8") == one.source
    assert "x + k0 * (x - (x * x * x)) + k1 * xi0" in kernel(WELL, "euler", "float32", "gpu").source


def test_numbers_of_a_kernel_come_from_the_host_in_double_precision() -> None:
    constants = kernel(WELL, "euler", "float32").constants({"a": 0.5, "dt": 0.04})
    np.testing.assert_allclose(constants, [0.04, np.sqrt(2 * 0.5 * 0.04)], rtol=4 * np.finfo(float).eps)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dt": 0.0}, "dt must be a positive number"),
        ({"dt": None}, "moves in steps of dt"),
        ({"walkers": 0}, "walkers must be a whole number from 1"),
        ({"walkers": 1.5}, "walkers must be a whole number"),
        ({"steps": -1}, "steps must be a whole number from 0"),
        ({"every": 0}, "every must be a whole number from 1"),
        ({"seed": -1}, "seed must be a whole number from 0"),
        ({"scheme": "rk4"}, "scheme must be one of euler, heun, milstein"),
        ({"parameters": {}}, "parameters without a value"),
        ({"parameters": {"a": 1, "b": 2}}, "no parameter b"),
        ({"parameters": {"a": -1}}, "not a finite real number at"),
        ({"x0": np.zeros(7)}, "x0 has shape"),
        ({"x0": np.nan}, "not finite numbers"),
    ],
)
def test_a_walk_that_makes_no_sense_is_refused(change: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {"walkers": 10, "steps": 3, "dt": 0.1, "parameters": {"a": 1.0}, **change}
    with pytest.raises(ValueError, match=message):
        walk(WELL, **arguments)


def test_options_that_make_no_sense_are_refused() -> None:
    for change, message in (
        ({"dtype": "float16"}, 'dtype must be "float32" or "float64"'),
        ({"stream": -1}, "stream must be"),
        ({"progress": 3}, "progress must be a function"),
    ):
        with pytest.raises(ValueError, match=message):
            Options(**change)


def test_progress_counts_every_step() -> None:
    told: list[int] = []
    walk(WELL, walkers=5, steps=7, every=3, dt=0.1, parameters={"a": 1.0}, options=Options(progress=told.append))
    assert sum(told) == 7


def test_functions_that_kernels_do_not_know_are_named() -> None:
    with pytest.raises(ValueError, match="kernels cannot compute gamma"):
        kernel(SDE(X, sp.gamma(X), 1))
    with pytest.raises(ValueError, match="says nothing where no condition holds"):
        kernel(SDE(X, sp.Piecewise((X, X > 0)), 1))


def test_awkward_names_are_no_trouble() -> None:
    names = [sp.Symbol(n, real=True) for n in ("lambda", "exp", "x'", "k0", "real")]
    sde = SDE(tuple(names), tuple(-s for s in names), 1)
    found = walk(sde, walkers=4, steps=2, dt=0.1)
    assert found.component.values.tolist() == ["lambda", "exp", "x'", "k0", "real"]
    plain = walk(SDE(sp.symbols("a:5"), tuple(-s for s in sp.symbols("a:5")), 1), walkers=4, steps=2, dt=0.1)
    np.testing.assert_allclose(found.values, plain.values)


def test_a_conversion_of_calculus_gives_the_same_law() -> None:
    # The same Ito walk by Euler and by Heun (which rewrites it): the means of sin x agree with the law, -a.
    sde = SDE(X, 0, 1 + A * sp.sin(X), "ito", (0, 2 * sp.pi), "periodic")
    for scheme in ("euler", "heun", "milstein"):
        x = walk(sde, walkers=2**14, steps=2000, dt=0.01, scheme=scheme, parameters={"a": 0.6}).values[0]
        sample = np.sin(x)
        bias = 0.005  # weak order one at dt = 0.01; a test of the transfer operator measures 0.0005 for Euler
        assert abs(sample.mean() + 0.6) < 4.9 * sample.std() / np.sqrt(x.size) + bias


def test_dt_by_name_and_by_argument_are_one() -> None:
    by_name = walk(langevin(X**2 / 2, X, A), walkers=5, steps=3, parameters={"a": 1, DT: 0.1})
    by_argument = walk(langevin(X**2 / 2, X, A), walkers=5, steps=3, dt=0.1, parameters={"a": 1})
    np.testing.assert_array_equal(by_name.values, by_argument.values)
    assert by_name.time.values.tolist() == [pytest.approx(0.3)]


def test_sixteen_components() -> None:
    w = sp.symbols("w0:16", real=True)
    found = walk(SDE(w, tuple(-s for s in w), 1), walkers=1000, steps=10, dt=0.1)
    assert found.shape == (1, 1000, 16)
    correlation = np.corrcoef(found.values[0].T) - np.eye(16)
    assert np.abs(correlation).max() < 5.5 / np.sqrt(1000)  # 120 pairs
