"""Margins tell a claim that any sample decides from one that is a toss of a coin."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from simlab.lab.claim import Claim
from simlab.studies import load
from tests.studies import margins


def exceeding(effects: list[float]) -> margins.Margin:
    """The margin of a claim that an effect is at least 4 errors, from its values over seeds."""
    claims = [Claim.above("a", "A.", "b", effect, 0.0, 1.0, sigmas=4) for effect in effects]
    return margins.margin("one-sided", [[*margins.place(c, 0.0), float(c.verdict == "holds")] for c in claims])


def test_a_large_effect_decides_and_one_near_its_bound_does_not() -> None:
    rng = np.random.default_rng(0)
    large, near = (exceeding(list(size * np.exp(0.2 * rng.standard_normal(200)))) for size in (16.0, 6.0))
    # ln 4 and ln 1.5 in deviations of 0.2, of which 200 are known to a twentieth: four of these
    np.testing.assert_allclose(large.margin, np.log(4) / 0.2, rtol=0.25)
    np.testing.assert_allclose(near.margin, np.log(1.5) / 0.2, rtol=0.25)
    assert large.decides
    assert not near.decides
    assert near.held < near.seeds == 200


def test_a_calibrated_claim_decides_and_a_biased_or_unresolved_one_does_not() -> None:
    rng = np.random.default_rng(1)

    def judged(bias: float, resolution: float) -> margins.Margin:
        claims = [Claim.equals("a", "A.", "b", bias + z, 0.0, 1.0) for z in rng.standard_normal(200)]
        return margins.margin("within", [[*margins.place(c, resolution), 1.0] for c in claims])

    assert judged(0.0, np.inf).decides
    assert not judged(2.0, np.inf).decides
    assert not judged(0.0, 3.9).decides  # the bound is 4


@pytest.mark.parametrize("samples", [np.inf, 30.0])
def test_a_statistic_is_where_its_distribution_has_it(samples: float) -> None:
    claim = Claim.chi_square("a", "A.", "b", 1.0, 5, samples)
    places = [margins.place(replace(claim, measured=edge), samples)[0] for edge in (claim.low, claim.bound)]
    np.testing.assert_allclose(places, [-margins.EDGE, margins.EDGE], atol=0.01)  # the edge has three digits


def test_seeds_are_added_and_those_of_another_preset_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(margins, "PATH", tmp_path / "margins.json")
    study = load("langevin_drift")
    small = {**study.presets["smoke"], "walkers": 1024, "scenes": ("walk",)}
    margins.add(replace(study, presets={"smoke": small}), 1, 2)
    margins.add(replace(study, presets={"smoke": small}), 3, 3)
    found = margins.margins(study.name)
    assert {m.seeds for m in found.values()} == {3}
    assert f"| {study.name} | walk/ito | within | 3/3 |" in margins.table([study.name])
    margins.add(replace(study, presets={"smoke": {**small, "walkers": 2048}}), 1, 2)
    assert {m.seeds for m in margins.margins(study.name).values()} == {2}
    assert json.loads(margins.PATH.read_text("utf-8"))[study.name]["preset"]["walkers"] == 2048
