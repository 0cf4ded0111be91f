"""Whole configurations from the ranges of their fields: refused in one sentence, or they run.

`check` sees them as they are and must refuse or accept, at once. What it accepts is not run, which may take a week, but
in miniature: with everything dear moved into a small part of its range, in the same order. So what cannot work
together is met: more in a minibatch than there is, the same step twice, too few points for a fit.
"""

from __future__ import annotations

from contextlib import nullcontext, suppress

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from simlab.core.errors import InputError
from simlab.lab import runner
from simlab.lab import settings as fields
from simlab.lab.figure import figure
from simlab.lab.results import claims_of
from simlab.lab.study import BaseConfig, Study
from simlab.studies import STUDIES, load
from tests.studies.configurations import Values, in_miniature, miniature, ranges, whole

FEW = settings(
    max_examples=max(4, settings().max_examples // 12),
    suppress_health_check=[HealthCheck.too_slow],
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # what fails is told as it is: to make it smaller takes long
)


def configured(study: Study, values: Values) -> BaseConfig | None:
    """The config, or None where it is refused in sentences."""
    try:
        return fields.validate(study, values)
    except InputError as error:
        sentences(study, error)
        return None


def accepted(study: Study, scene: str, config: BaseConfig) -> bool:
    """Whether a scene takes this config; what it does not take it refuses in one sentence."""
    try:
        study.check(config.model_copy(update={"scenes": (scene,)}))
    except InputError as error:
        sentences(study, error)
        return False
    return True


def sentences(study: Study, error: InputError) -> None:
    """Each line is a sentence that names a field."""
    for line in str(error).splitlines():
        assert line.endswith("."), line
        assert any(name in line for name in study.config.model_fields), line


def runs(study: Study, scene: str, values: Values) -> None:
    """In miniature it is refused, or runs and is drawn; a warning, too, would be a failure."""
    config = configured(study, {**miniature(study, values), "scenes": (scene,)})
    if config is None or not accepted(study, scene, config):
        return
    # The first networks may show that all others would have nothing to tell.
    late = suppress(InputError) if study.name == "ensemble_power_laws" else nullcontext()
    with late, in_miniature(study):
        result = runner.run(study, config)
        figure(study, config, result)
        figure(study, config, result, scene)


@pytest.mark.parametrize("name", STUDIES)
@given(data=st.data())
@settings(FEW)
def test_any_configuration_is_refused_in_a_sentence_or_runs(name: str, data: st.DataObject) -> None:
    study = load(name)
    values = data.draw(whole(study))
    config = configured(study, values)
    if config is not None:
        for scene in study.scenes:
            accepted(study, scene, config)
    runs(study, data.draw(st.sampled_from(study.scenes)), values)


@pytest.mark.parametrize("name", STUDIES)
def test_an_end_of_a_range_is_refused_in_a_sentence_or_accepted(name: str) -> None:
    study = load(name)
    for field, own in ranges(study).items():
        for value in own.extremes():
            config = configured(study, {field: value})
            if config is not None:
                for scene in study.scenes:
                    accepted(study, scene, config)


APART: dict[str, tuple[str, str, dict[str, object], list[str]]] = {
    "more in a batch than there is": ("scale_invariance", "phases", {"phase_examples": 50}, ["phase_examples = 50"]),
    "the same of the periods": ("scale_invariance", "periods", {"examples": 50}, ["examples = 50", "100"]),
    "an endless checkpoint": ("scale_invariance", "phases", {"phase_steps": (10, 100, 10**15)}, ["phase_steps"]),
    "a checkpoint before the first": ("scale_invariance", "phases", {"phase_steps": (-1, 10, 100)}, ["phase_steps"]),
    "one rate for two": ("scale_invariance", "regimes", {"elrs": 7}, ["elrs = 7", "0.004", "0.01"]),
    "a window without a record": ("scale_invariance", "equilibrium", {"product": 0.04}, ["product = 0.04"]),
    "a rate twice": ("scale_invariance", "equilibrium", {"lrs": (0.1, 0.1)}, ["lrs", "different"]),
    "a period twice": ("scale_invariance", "periods", {"period_decays": (0.01, 0.01)}, ["period_decays", "different"]),
    "weights gone in a step": (
        "scale_invariance", "periods", {"period_lrs": (9, 5), "period_decays": (9,)}, ["period_lrs = 9", "81"],
    ),
    "a dimension twice": ("scale_invariance", "sphere", {"dimensions": (4, 4)}, ["dimensions", "different"]),
    "products that rise": ("scale_invariance", "sphere", {"products": (0.001, 0.002, 0.004)}, ["products", "fall"]),
    "a product twice": ("scale_invariance", "sphere", {"products": (0.004, 0.004, 0.002)}, ["products", "once"]),
    "too large a correction at one product": (
        "scale_invariance", "sphere", {"kappa": 20.0, "dimensions": (10,), "products": (0.04, 0.01, 0.0025)},
        ["kappa = 20", "first order"],
    ),
    "no temperature": ("scale_invariance", "sphere", {"sigma": 1e-5}, ["kappa = 3", "sigma = 1e-05"]),
    "hardly a temperature": (
        "scale_invariance", "sphere", {"sigma": 0.1, "products": (4e-5, 2e-5, 1.1e-5)},
        ["kappa = 3", "single precision"],
    ),
    "nobody in the steep half": (
        "langevin_drift", "valley", {"exponent": 100, "lr": 1.0, "steepness": 0.4}, ["exponent = 100", "steep half"],
    ),
    "windows beyond the budget": (
        "random_features", "memory_split", {"budgets": (1.2, 4, 8), "split_noise": 2.0}, ["budgets: at 1.2"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", APART)
def test_what_does_not_go_together_is_refused_before_any_work(case: str) -> None:
    name, scene, changes, fragments = APART[case]
    study = load(name)
    with pytest.raises(InputError) as caught:
        study.check(fields.validate(study, {**changes, "scenes": (scene,)}))
    sentences(study, caught.value)
    assert [f for f in fragments if f not in str(caught.value)] == [], str(caught.value)


def test_a_step_that_is_looked_at_for_two_reasons_is_recorded_once() -> None:
    """4/(4 lr wd) is the last of the evenly spaced steps, and at lr wd = 0.003 the two differ by a third of a step."""
    study = load("scale_invariance")
    values = {"scenes": ("sphere",), "walkers": 256, "dimensions": (4,), "products": (0.012, 0.006, 0.003)}
    with in_miniature(study):
        found = runner.run(study, fields.validate(study, values))["sphere"]
    assert len(set(found.step.values.tolist())) == found.sizes["step"] == found.norm.size == 18


def test_where_nothing_bursts_there_is_no_verdict_and_no_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    study = load("scale_invariance")
    config = fields.validate(study, {**miniature(study, {}), "scenes": ("periods",)})
    monkeypatch.setattr("simlab.studies.scale_invariance.bursts.RISE", 1e30)
    with in_miniature(study):
        result = runner.run(study, config)
        figure(study, config, result)
    verdicts = {c.name.partition("/")[2]: c.verdict for c in claims_of(result)}
    assert verdicts.pop("floor") == "holds"
    assert set(verdicts.values()) == {"undecided"}
