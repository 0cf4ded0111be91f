"""What a run will need is said before: steps as they are then counted, bytes to a factor of three, and refused in one
sentence where it is too much.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any
from unittest.mock import Mock

import pytest
import sympy as sp

from simlab import nn
from simlab.core.device import Device
from simlab.core.errors import InputError
from simlab.core.progress import Progress
from simlab.lab import cost, runner, settings
from simlab.lab.cells import Store
from simlab.lab.cost import Cost, affordable, total
from simlab.lab.lab import Lab
from simlab.lab.study import BaseConfig
from simlab.sde import Walkers
from simlab.studies import STUDIES, load
from simlab.theory import fokker_planck
from simlab.theory.quadrature import smooth
from tests.refusals import refused_in_one_sentence
from tests.studies.configurations import in_miniature, miniature

PRESETS = ("smoke", "default", "full")
SCENES = [(name, scene) for name in STUDIES for scene in load(name).scenes]


def config_of(name: str, scene: str, **changes: Any) -> BaseConfig:
    return settings.validate(load(name), {**changes, "scenes": (scene,)})


def small(name: str, scene: str, **changes: Any) -> BaseConfig:
    """One scene in miniature."""
    return config_of(name, scene, **{**miniature(load(name), {}), **changes})


def run_small(config: BaseConfig, name: str) -> None:
    with in_miniature(load(name)):
        runner.run(load(name), config)


def lab_of(config: BaseConfig, name: str) -> Lab:
    """A bench for one scene, whose finished cells nobody keeps."""
    return Lab(name, config, Device.open("cpu"), Progress.silent(), Store(name))


@pytest.mark.parametrize(("name", "scene"), SCENES)
def test_every_preset_is_within_the_limits(name: str, scene: str) -> None:
    study = load(name)
    for preset in PRESETS:
        config = settings.validate(study, dict(study.presets.get(preset, {})))
        parts = study.scene(scene).cost(config)
        affordable(config, parts)
        assert all(min(p.steps, p.bytes, p.seconds) > 0 for p in parts)
        assert all(hasattr(config, f) for p in parts for f in p.fields)


@pytest.mark.parametrize("name", STUDIES)
def test_a_smoke_run_is_the_shortest_and_a_full_one_the_longest(name: str) -> None:
    study = load(name)
    configs = [settings.validate(study, dict(study.presets.get(preset, {}))) for preset in PRESETS]
    smoke, default, full = (
        sum(total(study.scene(scene).cost(config)).seconds for scene in study.scenes) for config in configs
    )
    assert smoke < default < full


TOO_MUCH: dict[str, tuple[str, str, dict[str, Any], list[str]]] = {
    "no end of a run": (
        "scale_invariance", "periods", {"period_lrs": (2e-6, 3e-6), "period_decays": (2e-6,)},
        ["period_lrs = 2e-06 3e-06", "period_decays = 2e-06", "steps", "1e+08"],
    ),
    "a far checkpoint": (
        "scale_invariance", "phases", {"phase_steps": (10, 100, 10**8)}, ["phase_steps = 10 100 1e+08", "hours"],
    ),
    "wide nets": ("scale_invariance", "equilibrium", {"width": 4096, "replicates": 4096}, ["width = 4096", "GB"]),
    "many rates": (
        "scale_invariance", "regimes", {"replicates": 4096, "elrs": 100, "regime_steps": 300000},
        ["regime_steps = 300000", "elrs = 100", "hours"],
    ),
    "many coordinates": (
        "scale_invariance", "sphere", {"walkers": 2**22, "dimensions": (1000,)}, ["walkers", "dimensions = 1000", "GB"],
    ),
    "wide features": ("random_features", "model_wise", {"dimension": 4096, "widest": 100}, ["dimension = 4096", "GB"]),
    "many examples": ("random_features", "sample_wise", {"dimension": 4096, "most": 100}, ["most = 100", "GB"]),
    "many members": (
        "random_features", "ensembles", {"replicates": 100000, "members": 64}, ["members = 64", "replicates", "GB"],
    ),
    "many problems": ("random_features", "epoch_wise", {"dimension": 4096, "replicates": 100000}, ["hours"]),
    "many networks": ("ensemble_power_laws", "width", {"members": 1024, "tests": 10**6}, ["members = 1024", "GB"]),
    "many teachers": (
        "ensemble_power_laws", "forecast", {"teachers": 10000, "epochs": 10000}, ["teachers = 10000", "hours"],
    ),
    "many shuffles": ("ensemble_power_laws", "digits", {"splits": 1000, "epochs": 10000, "members": 1024}, ["hours"]),
    "a long average": ("langevin_drift", "well", {"duration": 1.9e6}, ["duration = 1.9e+06", "steps"]),
    "weak kicks": ("langevin_drift", "valley", {"kicks": (1e-3, 1.1e-3, 1.2e-3)}, ["kicks = 0.001", "steps"]),
    "a slow valley": ("langevin_drift", "valley", {"lr": 1e-6, "steepness": 0.99}, ["lr = 1e-06", "steps"]),
    "a fine circle": (
        "langevin_drift", "walk", {"walkers": 2**22, "walk_dt": 1e-4, "modulation": 0.95}, ["walk_dt = 0.0001"],
    ),
    "small steps": ("langevin_drift", "posterior", {"step": 1e-3, "prior": 1e3, "walkers": 2**22}, ["step = 0.001"]),
    "densities of many nodes": ("langevin_drift", "well", {"temperature": 1e6}, ["temperature = 1e+06", "shorter"]),
}  # fmt: skip


@pytest.mark.parametrize("case", TOO_MUCH)
def test_what_is_beyond_the_limits_is_refused_with_the_numbers(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name, scene, changes, fragments = TOO_MUCH[case]
    monkeypatch.setattr(cost, "machine_memory", lambda: 32e9)
    with pytest.raises(InputError) as caught:
        load(name).check(config_of(name, scene, **changes))
    said = str(caught.value)
    assert said.endswith(".")
    assert "\n" not in said
    assert [f for f in fragments if f not in said] == [], said


@pytest.mark.parametrize("need", ["steps", "bytes", "seconds"])
def test_each_limit_is_kept_by_itself_and_the_dearest_part_is_named(need: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "machine_memory", lambda: 8e9)
    limits: dict[str, Any] = {"steps": 1e8, "bytes": 6e9, "seconds": 2 * 7 * 86400.0}
    config = config_of("langevin_drift", "well")
    cheap = Cost(("dt",), 1.0, 1.0, 1.0)
    more: dict[str, Any] = {need: limits[need] - 3}
    dear = cheap._replace(fields=("walkers", "dts"), **more)
    affordable(config, [cheap, dear])
    more = {need: 1.01 * limits[need]}
    dear = dear._replace(**more)
    named = "walkers = 131072, dts = 0.02 0.04 0.06 0.08 0.1"
    message = rf"^{named}: takes .* steps, .* GB .* on two cores, .*1e\+08 steps, 6 GB and 168 hours"
    refused_in_one_sentence(lambda: affordable(config, [cheap, dear]), message, InputError)
    more = {need: float("nan")}
    refused_in_one_sentence(lambda: affordable(config, [dear._replace(**more)]), "^walkers", InputError)


def counted(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, count: Callable[..., float]) -> list[float]:
    """What calls of a function or a method count, as they come."""
    found: list[float] = []
    right = getattr(owner, name)

    def counting(*arguments: Any, **named: Any) -> Any:
        found.append(count(*arguments, **named))
        return right(*arguments, **named)

    monkeypatch.setattr(owner, name, counting)
    return found


@pytest.mark.parametrize("scene", ["equivalence", "equilibrium", "phases", "periods", "regimes"])
def test_steps_of_nets_are_those_that_are_then_taken(scene: str, monkeypatch: pytest.MonkeyPatch) -> None:
    config, name = small("scale_invariance", scene, elrs=14), "scale_invariance"
    taken = counted(monkeypatch, nn, "train", lambda *a, steps, **_: steps)
    with in_miniature(load(name)):
        expected = total(load(name).scene(scene).cost(config)).steps
        load(name).scene(scene).simulate(config, lab_of(config, name))
    assert sum(taken) == expected


@pytest.mark.parametrize("scene", ["walk", "valley", "posterior", "well"])
def test_steps_of_walkers_are_those_that_are_then_taken(scene: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the harmonic well, which has no escape; of the valley all but the 1,000 steps that nothing stirs."""
    config = small("langevin_drift", scene, potential="x**2/2")
    taken = counted(monkeypatch, Walkers, "advance", lambda _, steps: steps)
    run_small(config, "langevin_drift")
    unstirred = 1000 if scene == "valley" else 0
    assert sum(taken) - unstirred == total(load("langevin_drift").scene(scene).cost(config)).steps


@pytest.mark.parametrize("scene", ["model_wise", "sample_wise", "epoch_wise", "ensembles", "memory_split"])
def test_problems_are_those_that_are_then_solved(scene: str, monkeypatch: pytest.MonkeyPatch) -> None:
    config, name = small("random_features", scene, width=2.0, most=6.0), "random_features"
    solved = counted(monkeypatch, Lab, "key", lambda *_: 1)
    with in_miniature(load(name)):
        expected = total(load(name).scene(scene).cost(config)).steps
    run_small(config, name)
    assert sum(solved) == expected


@pytest.mark.parametrize(
    ("name", "scene", "changes"),
    [
        ("langevin_drift", "walk", {"walkers": 32768, "walk_dt": 0.1}),
        ("langevin_drift", "posterior", {"walkers": 16384, "step": 1.9}),
        ("scale_invariance", "sphere", {"walkers": 1024, "dimensions": (200,), "products": (0.049, 0.048, 0.047)}),
        ("random_features", "sample_wise", {"dimension": 128, "most": 6.0, "width": 2.0}),
        ("random_features", "real_data", {"training": 300}),
    ],
)  # fmt: skip
def test_memory_is_as_said_to_a_factor_of_three(name: str, scene: str, changes: dict[str, Any]) -> None:
    config = small(name, scene, **changes)
    own = load(name).scene(scene)
    load(name).check(config)  # distributions and data that are remembered are no part of it
    run_small(small(name, scene), name)
    tracemalloc.start()
    try:
        own.simulate(config, lab_of(config, name))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert 1 / 3 < peak / total(own.cost(config)).bytes < 3


@pytest.mark.parametrize("potential", ["Abs(x)", "log(cosh(x))", "sqrt(1 + x**2)"])
def test_wells_that_grow_like_a_line_are_taken_with_the_default_steps(potential: str) -> None:
    load("langevin_drift").check(config_of("langevin_drift", "well", potential=potential))


def test_the_density_of_a_potential_is_found_once(monkeypatch: pytest.MonkeyPatch) -> None:
    density = Mock(side_effect=fokker_planck.density)
    monkeypatch.setattr(fokker_planck, "density", density)
    config = config_of("langevin_drift", "well", potential="x**4/4 - 0.501*x**2")
    load("langevin_drift").check(config)
    assert density.call_count == 1


def test_formulas_in_each_other_are_made_smooth_in_few_searches(monkeypatch: pytest.MonkeyPatch) -> None:
    x = sp.Symbol("x", real=True)
    nested = x
    for _ in range(20):
        nested = sp.sin(nested)
    slope, subs = nested.diff(x), Mock(side_effect=sp.Basic.subs)
    monkeypatch.setattr(sp.Basic, "subs", lambda *given: subs(*given))
    assert smooth(slope + sp.exp(1 - sp.sin(x) ** 2)) == slope + sp.exp(sp.cos(x) ** 2)
    assert subs.call_count <= 2  # of sin(x)**2, and perhaps of the cos(x)**2 that takes its place
