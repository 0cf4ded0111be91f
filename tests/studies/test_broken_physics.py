"""Claims can fail: each is shown a laboratory with one thing broken, and must say so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import xarray as xr

from simlab import statistics
from simlab.lab import settings
from simlab.lab.found import Found
from simlab.lab.results import claims_of
from simlab.lab.runner import run
from simlab.sde import EULER, HEUN
from simlab.sde.walk import _kernel
from simlab.statistics import Joint
from simlab.studies import load
from simlab.studies.langevin_drift import escape, histogram, posterior, potential, valley, walk
from simlab.theory import fokker_planck, sgd
from tests.studies.memory import forgetting


def verdicts(scene: str, **changes: Any) -> dict[str, str]:
    """The smoke run of one scene: claim -> verdict."""
    study = load("langevin_drift")
    config = settings.validate(study, {**study.presets["smoke"], "scenes": (scene,), **changes})
    return {claim.name: claim.verdict for claim in claims_of(run(study, config))}


@pytest.fixture(scope="module")
def smoke() -> tuple[Any, xr.DataTree]:
    """The config and the result of a smoke run."""
    study = load("langevin_drift")
    config = settings.validate(study, study.presets["smoke"])
    return config, run(study, config)


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    yield from forgetting((_kernel, potential._chain, escape.passage_steps, walk.chain))


@pytest.fixture
def scheme_step() -> Iterator[Callable[[Any, Any], None]]:
    """Give a scheme another step, for kernels and theory alike."""
    before = [(scheme, scheme.step) for scheme in (EULER, HEUN)]
    yield lambda scheme, step: object.__setattr__(scheme, "step", step)
    for scheme, step in before:
        object.__setattr__(scheme, "step", step)


@pytest.mark.parametrize(("drift", "noise"), [(1.0, 1.1), (1.25, 1.0)])
def test_a_wrong_scheme_does_not_sample_gibbs(
    drift: float, noise: float, scheme_step: Callable[[Any, Any], None]
) -> None:
    scheme_step(EULER, lambda x, f, g, dt, dW: x + drift * f(x) * dt + noise * g(x) * dW)
    found = verdicts("well")
    assert found["well/gibbs"] == "fails"
    assert found["well/escape-limit"] != "holds"


def test_euler_in_the_place_of_heun_is_told(scheme_step: Callable[[Any, Any], None]) -> None:
    scheme_step(HEUN, EULER.step)
    found = verdicts("walk")
    assert found["walk/stratonovich"] == found["walk/stratonovich-distinguished"] == "fails"


@pytest.mark.parametrize(
    ("name", "factor", "claim"),
    [("slope", 3.0, "well/slope"), ("mean_first_passage", 1.5, "well/escape-limit"),
     ("euler_harmonic_variance", 1.05, "well/harmonic")],
)  # fmt: skip
def test_a_wrong_reference_is_told(name: str, factor: float, claim: str, monkeypatch: pytest.MonkeyPatch) -> None:
    right = getattr(fokker_planck, name)
    monkeypatch.setattr(fokker_planck, name, lambda *arguments: factor * right(*arguments))
    assert verdicts("well")[claim] == "fails"


def test_a_boundary_that_is_not_shifted_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fokker_planck, "DISCRETE_BOUNDARY_SHIFT", 0.0)
    assert verdicts("well")["well/escape-shift"] != "holds"


@pytest.mark.parametrize("factor", [0.5, 2.0])
@pytest.mark.parametrize(
    ("module", "claim"),
    [(histogram, "well/histogram"), (walk, "walk/ito-distribution"), (valley, "valley/density"),
     (posterior, "posterior/distribution")],
)  # fmt: skip
def test_wrong_error_bars_are_told(module: Any, claim: str, factor: float, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(samples: np.ndarray) -> Joint:
        value, covariance, count = statistics.joint_mean(samples)
        return Joint(value, factor**2 * covariance, count)

    monkeypatch.setattr(module, "joint_mean", wrong)
    assert verdicts(claim.partition("/")[0], duration=1.0, escape_walkers=1024)[claim] == "fails"


def test_a_wrong_drift_along_the_valley_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    right = sgd.normal_variance
    monkeypatch.setattr(sgd, "normal_variance", lambda h, s: 1.2 * right(h, s))
    found = verdicts("valley")
    assert found["valley/drift-constant"] == found["valley/drift-label"] == "fails"


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_the_share_of_the_excess_is_that_of_the_measured_entries(share: float) -> None:
    true, exact = np.array([1.0, 0.2, 1.0]), np.array([1.1, 0.25, 1.3])
    found = posterior.excess_share(true + share * (exact - true), exact, true, 1000)
    np.testing.assert_allclose(found.value, share, atol=1e-12)


@pytest.mark.parametrize(
    ("claim", "variable", "change"),
    [
        ("well/relaxation", "relaxation_theory", 0.2), ("well/moments", "second_moment_theory", 0.005),
        ("well/gibbs", "moment_at_zero_theory", 0.01), ("well/slope", "moment_slope_theory", 0.4),
        ("well/harmonic", "harmonic_variance_theory", 0.05), ("well/escape", "escape_time_theory", 1.0),
        ("well/escape-limit", "escape_limit_theory", 3.0), ("well/escape-shift", "boundary_shift_theory", 1.0),
        ("walk/ito", "exponent_theory", 0.2), ("walk/ito-distinguished", "exponent", -1.0),
        ("walk/stratonovich", "exponent_theory", 0.2), ("walk/stratonovich-distinguished", "exponent", 1.0),
        ("valley/drift-label", "drift_theory", 1e-10), ("valley/flat-half", "flat_limit_theory", 0.05),
        ("valley/prefers-flat", "flat_limit", -0.16), ("valley/still", "stirred", 1e-12),
        ("posterior/distribution", "moment_theory", 0.1), ("posterior/mean", "moment", 0.1),
        ("posterior/bias", "excess_share", -1.0),
    ],
)  # fmt: skip
def test_a_claim_falls_with_the_number_it_is_about(
    claim: str, variable: str, change: float, smoke: tuple[Any, xr.DataTree]
) -> None:
    config, result = smoke
    scene = load("langevin_drift").scene(claim.partition("/")[0])
    data = result[claim.partition("/")[0]].to_dataset()
    found = Found.of(scene, data.assign({variable: data[variable].copy(data=data[variable].values + change)}))
    assert {c.name: c.verdict for c in scene.compare(config, found)}[claim] == "fails"
