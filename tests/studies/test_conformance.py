"""What every study of the laboratory owes to its users: a study inherits these tests by being listed in STUDIES."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np
import pytest
import xarray as xr

from simlab.lab import runner, settings
from simlab.lab.claim import Claim, Verdict
from simlab.lab.figure import write_figures
from simlab.lab.results import claims_of, load, save
from simlab.lab.study import BaseConfig, Study
from simlab.studies import STUDIES, names
from simlab.studies import load as load_study
from tests.sde import host_cuda
from tests.studies import margins
from tests.studies.small import SMALL, WHOLE, differing, measured, shrink

FUNCTIONS = ("check", "cost", "simulate", "theory", "compare")


class Run(NamedTuple):
    """A run with its config, scenes apart from claims."""

    config: BaseConfig
    result: xr.DataTree
    scenes: dict[str, xr.Dataset]
    claims: list[Claim]


def run(study: Study, **changes: Any) -> Run:
    """The smoke preset with some fields changed."""
    config = settings.validate(study, {**study.presets["smoke"], **changes})
    result = runner.run(study, config)
    scenes = {name: result[name].to_dataset() for name in result.children if name != "claims"}
    return Run(config, result, scenes, claims_of(result))


# One process runs all tests of a study (pytest --dist loadgroup): the others would run the smoke preset again.
@pytest.fixture(scope="module")
def study(study_name: str) -> Study:
    return load_study(study_name)


@pytest.fixture(scope="module")
def smoke(study: Study) -> Run:
    return run(study)


@pytest.fixture
def tiny(study: Study, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    """Runs in miniature."""
    shrink(study, monkeypatch)
    return partial(run, study, **SMALL.get(study.name, WHOLE).changes)


def test_a_study_says_what_it_is_and_what_it_asks(study: Study) -> None:
    assert study.name in names()
    assert study.title
    assert study.question.endswith("?")


def test_every_field_of_the_config_is_documented(study: Study) -> None:
    assert [name for name, field in study.config.model_fields.items() if not field.description] == []


def test_every_scene_has_its_functions_and_its_panels(study: Study) -> None:
    assert study.scenes
    for name in study.scenes:
        scene = study.scene(name)
        assert [f for f in FUNCTIONS if not callable(getattr(scene, f, None))] == []
        assert scene.PANELS
        assert all(map(callable, scene.PANELS))
        assert scene.SOURCE


def test_presets_are_good_input(study: Study) -> None:
    assert {"smoke", "full"} <= set(study.presets)
    configs = {name: settings.validate(study, preset) for name, preset in {"default": {}, **study.presets}.items()}
    study.check(configs["full"])


def test_a_run_has_a_group_for_every_scene_and_one_for_the_claims(study: Study, smoke: Run) -> None:
    assert set(smoke.result.children) == {*study.scenes, "claims"}


def test_dimensions_are_axes_and_variables_have_units_and_a_long_name(smoke: Run) -> None:
    for data in smoke.scenes.values():
        assert {str(d).removesuffix("_") for d in data.dims} <= set(data.coords)
        assert [n for n, v in data.variables.items() if not (v.attrs.get("units") and v.attrs.get("long_name"))] == []


def test_error_bars_and_theory_have_what_they_belong_to(smoke: Run) -> None:
    for data in smoke.scenes.values():
        assert measured(data), "a scene without an error bar"
        for name in map(str, data.variables):
            base, _, kind = name.rpartition("_")
            if kind == "se":
                assert data[name].dims == data[base].dims
                assert (data[name] >= 0).all()
                assert np.isfinite(data[base]).all()
                assert data[base].attrs["ancillary_variables"] == name
            if kind in ("theory", "predicted", "fit"):
                assert data[name].dims in ((), data[base].dims)
                assert np.isfinite(data[name]).all()


def test_every_scene_makes_claims_under_its_own_name(study: Study, smoke: Run) -> None:
    claimed = [c.name for c in smoke.claims]
    assert len(claimed) == len(set(claimed))
    assert {name.partition("/")[0] for name in claimed} == set(study.scenes)
    assert all(name.partition("/")[2] for name in claimed)


def test_a_claim_is_a_finite_number_against_a_finite_bound_with_a_reason(smoke: Run) -> None:
    for c in smoke.claims:
        assert math.isfinite(c.measured), c.name
        assert math.isfinite(c.reference), c.name
        assert math.isfinite(c.bound), c.name
        assert c.verdict in get_args(Verdict)
        assert c.statement.endswith(".")
        assert c.source
        assert c.why


def test_every_claim_that_a_smoke_run_can_decide_holds(study: Study, smoke: Run) -> None:
    asked = [c for c in smoke.claims if c.name not in margins.LEFT_TO_DEFAULT.get(study.name, ())]
    assert [f"{c.name}: {c.quantity}, accepted {c.limits}" for c in asked if c.verdict != "holds"] == []


def test_what_is_asked_of_a_smoke_run_has_a_margin_over_seeds(study: Study, smoke: Run) -> None:
    """After a change of the preset or of claims: python -m tests.studies.margins run NAME."""
    if study.name not in STUDIES:
        pytest.skip("the margins of another package's study are its own")
    left, known = margins.LEFT_TO_DEFAULT.get(study.name, set()), margins.margins(study.name)
    assert margins.kept()[study.name]["preset"] == margins.preset(study)
    assert set(known) == {c.name for c in smoke.claims}
    assert {name for name, margin in known.items() if not margin.decides} <= left <= set(known)


def test_the_same_seed_gives_the_same_bits_and_a_scene_alone_the_numbers_of_the_whole(tiny: Callable[..., Run]) -> None:
    whole = tiny()
    for name, data in whole.scenes.items():
        xr.testing.assert_identical(tiny(scenes=(name,)).scenes[name], data)


def test_another_seed_gives_other_numbers(tiny: Callable[..., Run]) -> None:
    one, other = tiny(), tiny(seed=1)
    for scene, data in one.scenes.items():
        # What is 0 in both, such as the difference of equal functions, says nothing.
        names = [n for n in measured(data) if data[n].any()]
        assert [n for n in names if np.array_equal(data[n], other.scenes[scene][n], equal_nan=True)] == []


def test_a_run_can_be_written_and_read_back_and_drawn_again(study: Study, smoke: Run, tmp_path: Path) -> None:
    folders = tmp_path / "first", tmp_path / "again"
    for folder in folders:
        folder.mkdir()
    save(smoke.result, folders[0] / "result.nc")
    paths = write_figures(study, smoke.config, smoke.result, folders[0])
    assert {path.stem for path in paths} == {"figure", *study.scenes}
    back = load(folders[0] / "result.nc")
    for name, data in smoke.scenes.items():
        xr.testing.assert_identical(back[name].to_dataset(), data)
    np.testing.assert_equal([asdict(c) for c in claims_of(back)], [asdict(c) for c in smoke.claims])
    assert back.attrs == smoke.result.attrs
    assert study.config.model_validate_json(back.attrs["simlab_config"]) == smoke.config
    write_figures(study, smoke.config, back, folders[1])
    for path in paths:
        assert path.read_bytes() == (folders[1] / path.name).read_bytes(), path.name


def test_a_card_measures_what_the_cpu_measures(
    study: Study, tiny: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run in miniature on a gpu device whose kernels are the CUDA text, built by the host compiler.

    Samples are compared, not verdicts: another order of a sum is another sample of a chaotic trajectory.
    """
    cpu, device = tiny(), host_cuda.install(monkeypatch)
    card = tiny(device="gpu")
    assert card.result.attrs["device"] == device.description
    for scene, here in cpu.scenes.items():
        assert set(card.scenes[scene].variables) == set(here.variables)
    assert differing(SMALL.get(study.name, WHOLE), cpu.scenes, card.scenes) == []
    assert [c.name for c in card.claims] == [c.name for c in cpu.claims]
