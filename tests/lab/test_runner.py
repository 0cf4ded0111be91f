"""The runner: all checks before any work, scenes found again as cells are, and theory that has not seen the data."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import sympy as sp
import xarray as xr

from simlab.core.errors import InputError
from simlab.lab.claim import Claim
from simlab.lab.lab import Lab
from simlab.lab.quantity import Beside, Fit, HeldOut, Theory, axis, quantity
from simlab.lab.results import claims_of
from simlab.lab.runner import run
from simlab.lab.study import BaseConfig, Study
from simlab.sde import SDE
from simlab.statistics import Estimate, mean
from tests.lab.scenes import scene

TABLE, MEAN = axis("table"), quantity("mean of all rolls")
STATEMENT = "Rolls have a mean of 1."
DONE: list[str] = []
"""What was called, in its order."""


class Config(BaseConfig):
    """What does a run do?"""

    rolls: int = 30
    bias: float = 0.0
    rate: float = 0.0


def check(config: Config) -> None:
    DONE.append("check")
    if config.rolls == 13:
        raise InputError("rolls = 13: is not lucky.")


def simulate(config: Config, lab: Lab) -> Any:
    DONE.append("simulate")
    x = sp.Symbol("x", real=True)
    walkers = lab.walkers(SDE(x, config.rate * x**3, 1), 16, "walk", dt=1.0, x0=1.0)
    walkers.run(12)
    return {TABLE: ["green", "blue"], MEAN: mean(np.random.default_rng(lab.key("rolls")).normal(1, 1, config.rolls))}


def theory(config: Config, axes: Any) -> Any:
    DONE.append("theory")
    return {MEAN: Theory(1.0, config.bias)}


def compare(config: Config, found: Any) -> list[Claim]:
    return [found[MEAN].equals("mean", STATEMENT)]


FUNCTIONS = {
    "check": check, "cost": lambda config: [], "simulate": simulate, "theory": theory, "compare": compare,
    "TABLE": TABLE, "MEAN": MEAN,
}  # fmt: skip


def study(patch: pytest.MonkeyPatch, **scenes: dict[str, Any]) -> Study:
    """A study of these scenes, which are as above but for what is given."""
    patch.setitem(sys.modules, "casino", ModuleType("casino"))
    patch.setattr("simlab.lab.cost.affordable", lambda *_: None)
    patch.setattr("simlab.lab.runner.sources_of", lambda package: "sources")
    for name, changes in scenes.items():
        patch.setitem(sys.modules, f"casino.{name}", scene(name, **{**FUNCTIONS, **changes}))
    return Study("casino", "Dice", "casino", Config, tuple(scenes))


def config(**fields: Any) -> Config:
    return Config.model_validate(fields)


@pytest.fixture(autouse=True)
def nothing_done() -> None:
    DONE.clear()


def test_all_scenes_are_checked_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    two = study(monkeypatch, one={}, other={})
    with pytest.raises(InputError, match="rolls = 13"):
        run(two, config(rolls=13))
    assert DONE == ["check"]
    DONE.clear()
    result = run(two, config())
    assert DONE == ["check", "check", "simulate", "theory", "simulate", "theory"]
    assert [c.name for c in claims_of(result)] == ["one/mean", "other/mean"]
    DONE.clear()
    assert set(run(two, config(scenes=("other",))).children) == {"other", "claims"}
    assert DONE == ["check", "simulate", "theory"]


@pytest.mark.parametrize(("fields", "found"), [({"bias": 1.0}, True), ({"rolls": 31}, False), ({"seed": 1}, False)])
def test_a_scene_that_is_finished_is_found_again_and_compared_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any], found: bool
) -> None:
    one = study(monkeypatch, one={})
    first = run(one, config(), cells=tmp_path)
    DONE.clear()
    again = run(one, config(), cells=tmp_path)
    assert DONE == ["check", "theory"]
    xr.testing.assert_identical(again["one"].to_dataset(), first["one"].to_dataset())
    assert again["one"].dataset["table"].dtype == first["one"].dataset["table"].dtype == object
    DONE.clear()
    other = run(one, config(**fields), cells=tmp_path)
    assert ["check", *([] if found else ["simulate"]), "theory"] == DONE
    assert ("mean_bias" in other["one"].dataset) == ("bias" in fields)


def test_walkers_that_were_lost_leave_every_claim_of_the_scene_undecided(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = study(monkeypatch, one={})
    for _ in range(2):  # fresh, and found again
        result = run(one, config(rate=9.0), cells=tmp_path)
        (claim,) = claims_of(result)
        assert (claim.verdict, claim.note) == ("undecided", "16 walkers diverged; take smaller steps")
        assert result["one"].attrs["diverged"] == 16
    assert DONE.count("simulate") == 1


@pytest.mark.parametrize("value", [Theory(1.0), Beside(Estimate(np.array(1.0), np.array(0.1)), Theory(1.0))])
def test_a_simulation_cannot_say_that_it_is_theory(monkeypatch: pytest.MonkeyPatch, value: Any) -> None:
    one = study(monkeypatch, one={"simulate": lambda config, lab: {MEAN: value}})
    with pytest.raises(ValueError, match=r"scene one: a simulation cannot return a Theory of mean; derive it in theo"):
        run(one, config())


@pytest.mark.parametrize("kind", [HeldOut, Fit])
def test_a_simulation_may_say_what_it_predicted_and_what_it_fitted(monkeypatch: pytest.MonkeyPatch, kind: Any) -> None:
    value = Beside(Estimate(np.array(1.0), np.array(0.1)), kind(1.0))
    changes = {"simulate": lambda config, lab: {MEAN: value}, "theory": lambda config, axes: {}}
    one = study(monkeypatch, one=changes)
    if kind is HeldOut:
        assert [c.verdict for c in claims_of(run(one, config()))] == ["holds"]
    else:
        with pytest.raises(ValueError, match="'mean of all rolls' has a fit to these data"):
            run(one, config())


def test_theory_cannot_replace_what_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    one = study(monkeypatch, one={"theory": lambda config, axes: {MEAN: 1.0}})
    with pytest.raises(ValueError, match=r"scene one: mean was measured; its theory must be a Theory\(\.\.\.\)\."):
        run(one, config())
