"""Power laws of ensembles: broken laboratories are noticed, bad input is refused, c + b/n of the members is right.

What is broken is either what was measured, once the smoke pool is trained, or the code that measures, and then the pool
is trained anew. A temperature fitted on the test labels lowers a calibrated loss by a thousandth only, and no claim
notices; that the validation labels alone are used is tested directly.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from simlab import ensembles
from simlab.core.device import Device
from simlab.core.errors import InputError
from simlab.core.progress import Progress
from simlab.ensembles import averaging
from simlab.lab import settings
from simlab.lab.cells import Store
from simlab.lab.claim import Claim
from simlab.lab.lab import Lab
from simlab.lab.results import claims_of
from simlab.lab.runner import run
from simlab.nn.calibration import log_softmax
from simlab.studies.ensemble_power_laws import STUDY, places, pool, task, temperatures, training
from simlab.theory import ensembles as theory_of

Change = Callable[[pool.Pool], pool.Pool]


def config(**changes: Any) -> Any:
    """The smoke preset with fewer teachers, which are enough for what is broken."""
    return settings.validate(STUDY, {**STUDY.presets["smoke"], "teachers": 16, **changes})


def claims(*scenes: str, **changes: Any) -> dict[str, Claim]:
    return {claim.name: claim for claim in claims_of(run(STUDY, config(scenes=scenes, **changes)))}


def bench(settled: Any) -> Lab:
    return Lab(STUDY.name, settled, Device.open("cpu"), Progress.silent(), Store(STUDY.name))


@pytest.fixture(scope="module")
def smoke() -> pool.Pool:
    return pool.teachers(config(), bench(config()))


def shifted(losses: np.ndarray) -> np.ndarray:
    """Ensembles counted off by one place."""
    return np.concatenate([losses[..., 1:], losses[..., -1:]], axis=-1)


def noise(like: np.ndarray) -> np.ndarray:
    """Positive numbers of no meaning, as many."""
    return np.random.default_rng(3).uniform(0.8, 0.9, like.shape)


def lucky(losses: np.ndarray) -> np.ndarray:
    """Narrow networks promise most, and only small ensembles of them keep it."""
    changed, n = losses.copy(), pool.sizes(config())
    changed[:, 1] -= np.where(n <= 4, 0.5 + 0.5 * (1 - 1 / n), 0)
    return changed


class Broken(NamedTuple):
    """What was measured, changed; the scenes to run; claims that must not hold."""

    change: Change
    scenes: tuple[str, ...]
    noticed: str


ALL = tuple(places.WORDS)


def at_all(name: str) -> str:
    """Claims of one kind at all three widths."""
    return " ".join(f"{name}-{place}" for place in ALL)


CASES = {
    "b is twice what the members say": Broken(
        lambda p: p._replace(series=p.series * np.array([1, 2, 1])), ("fixed_temperature",),
        "fixed_temperature/narrow fixed_temperature/peak fixed_temperature/wide"),
    "b is half of it": Broken(
        lambda p: p._replace(series=p.series * np.array([1, 0.5, 1])), ("fixed_temperature",),
        "fixed_temperature/narrow fixed_temperature/wide"),
    "b is a third of it": Broken(  # at the peak the term after it is so large that half of b is a close call
        lambda p: p._replace(series=p.series * np.array([1, 1 / 3, 1])), ("fixed_temperature",),
        "fixed_temperature/narrow fixed_temperature/peak fixed_temperature/wide"),
    "calibrated losses are not calibrated": Broken(
        lambda p: p._replace(calibrated=p.nll), ("ensemble_size", "width"),
        "ensemble_size/moving-temperature ensemble_size/dip-narrow ensemble_size/no-other-law "
        "width/calibration-removes-it"),
    "calibration is left out of one network alone": Broken(
        lambda p: p._replace(calibrated=np.concatenate([p.nll[..., :1], p.calibrated[..., 1:]], axis=-1)),
        ("width",), "width/calibration-removes-it"),
    "the fixed temperature moves": Broken(
        lambda p: p._replace(fixed=p.calibrated), ("ensemble_size",),
        "ensemble_size/fixed-exponent"),
    "the envelope is that of one temperature": Broken(
        lambda p: p._replace(envelope=p.fixed, moved_predicted=0 * p.moved), ("ensemble_size",),
        f"ensemble_size/envelope-dip {at_all('ensemble_size/envelope')}"),
    "half of what a moving temperature gains is predicted": Broken(
        lambda p: p._replace(moved_predicted=p.moved_predicted / 2), ("ensemble_size",),
        "ensemble_size/envelope-peak ensemble_size/envelope-wide"),
    "the calibrated loss is logarithmic in n": Broken(
        lambda p: p._replace(calibrated=p.calibrated[..., :1] - 0.05 * np.log(pool.sizes(config()))),
        ("ensemble_size",), "ensemble_size/no-other-law ensemble_size/no-pure-law"),
    "the calibrated loss falls exponentially": Broken(
        lambda p: p._replace(calibrated=p.calibrated[..., -1:] + 0.3 * np.exp(-(pool.sizes(config()) - 1) / 3)),
        ("ensemble_size",), at_all("ensemble_size/law")),
    "a plain loss is called calibrated and calibrated plain": Broken(
        lambda p: p._replace(nll=p.calibrated, calibrated=p.nll), ("width",), "width/double-descent width/no-step-up"),
    "small ensembles are large ones": Broken(
        lambda p: p._replace(calibrated=p.calibrated[..., ::-1]), ("width",), "width/law-1 width/law-ends"),
    "members are counted off by one": Broken(
        lambda p: p._replace(brier=shifted(p.brier)), ("squared_loss",), at_all("squared_loss/exact")),
    "the spread of the Brier score is a tenth too small": Broken(
        lambda p: p._replace(brier_series=p.brier_series * np.array([1, 0.9])), ("squared_loss",),
        "squared_loss/exact-peak"),
    "widths are in the wrong order": Broken(
        lambda p: p._replace(calibrated=p.calibrated[:, ::-1]), ("width",),
        "width/calibration-removes-it width/no-step-up"),
    "ensembles are no better than one": Broken(
        lambda p: p._replace(calibrated=p.calibrated[..., :1] * (1 + 1e-6 / pool.sizes(config()))),
        ("memory_split",), "memory_split/several-beat-one memory_split/more-members"),
    "losses are noise": Broken(
        lambda p: p._replace(calibrated=noise(p.calibrated), brier_series=noise(p.brier_series)),
        ("memory_split", "squared_loss"),
        "memory_split/several-beat-one memory_split/more-members squared_loss/more-members"),
    "large ensembles are worse than small ones predict": Broken(
        lambda p: p._replace(calibrated=p.calibrated + 0.05 * (pool.sizes(config()) > 4)), ("forecast",),
        "forecast/coverage forecast/wide"),
    "errors of small ensembles are taken for a third of what they are": Broken(
        lambda p: p._replace(blocks_covariance=p.blocks_covariance / 9), ("forecast",), "forecast/coverage"),
    "errors of small ensembles are taken for ten times what they are": Broken(
        lambda p: p._replace(blocks_covariance=100 * p.blocks_covariance), ("forecast",), "forecast/length"),
    "few narrow networks are luckier than many": Broken(
        lambda p: p._replace(calibrated=lucky(p.calibrated)), ("forecast",), "forecast/regret"),
    "widths past interpolation go on to help large ensembles": Broken(
        lambda p: p._replace(calibrated=p.calibrated - 0.02 * np.arange(p.nll.shape[1])[None, :, None]),
        ("width",), "width/law-ends"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_broken_laboratory_is_noticed(case: str, smoke: pool.Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = CASES[case]
    monkeypatch.setattr(pool, "teachers", lambda *_: broken.change(smoke))
    found = claims(*broken.scenes)
    assert [
        f"{name}: {found[name].quantity}" for name in broken.noticed.split() if found[name].verdict == "holds"
    ] == []


def test_an_average_in_log_space_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(averaging, "_average", lambda log_probs, tau=1.0: log_softmax(log_probs.mean(axis=-3)))
    found = claims("squared_loss")
    assert any(found[f"squared_loss/exact-{name}"].verdict == "fails" for name in ALL)


def test_networks_that_do_not_learn_are_refused_after_the_first_teacher(monkeypatch: pytest.MonkeyPatch) -> None:
    trained, train = [], training.train

    def counted(*arguments: Any) -> training.Answers:
        trained.append(arguments)
        return train(*arguments)

    monkeypatch.setattr(training, "train", counted)
    with pytest.raises(InputError, match="training error"):
        claims("width", epochs=1, teachers=8)
    assert len(trained) == len(config().widths)


def test_scenes_share_the_networks_of_a_teacher() -> None:
    small = config(widths=(4, 6, 8, 12, 16, 24), epochs=40, members=32, teachers=8, tests=200)
    lab = bench(small)
    one = lab.cells(pool.of_teacher, small, [(0, 8)], "one")
    wider: Any = settings.validate(STUDY, {**small.model_dump(), "widths": (8, 9, 10, 12, 16, 24), "teachers": 9})
    assert lab.store.find("simlab.studies.ensemble_power_laws.pool.of_teacher", (0, 8), wider, lab.device) is not None
    np.testing.assert_array_equal(lab.cells(pool.of_teacher, wider, [(0, 8)], "again")[0].nll, one[0].nll)


def test_temperatures_come_from_the_validation_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other test labels change losses and leave every temperature as it is."""
    settled = config(widths=(4, 6, 8, 12, 16, 24), epochs=2, members=32)
    learnt = task.teacher(settled, 0, bench(settled))
    answers = training.train(settled, learnt, 8, Device.open("cpu"))
    one = pool.measure(settled, learnt, answers)
    other = pool.measure(settled, learnt._replace(test=(learnt.test[0], learnt.test[1][::-1].copy())), answers)
    np.testing.assert_array_equal(one.tau, other.tau)
    assert (one.calibrated != other.calibrated).all()


def test_the_expansion_at_temperature_one_is_that_of_theory() -> None:
    rng = np.random.default_rng(0)
    scores = log_softmax(rng.normal(size=(12, 50, 4)))
    labels = rng.integers(4, size=50)
    found = temperatures.expand(scores, labels, np.array([1.0]))
    exact = theory_of.law_of_members(np.exp(scores)[:, np.arange(50), labels])
    assert np.isclose(found.b[0], exact.b, rtol=1e-12)  # rounding
    mean = float(ensembles.nll(ensembles.average(scores), labels))
    assert np.isclose(found.c[0], mean - exact.b / 12, rtol=1e-12)


def test_the_expansion_at_any_temperature_is_that_of_close_members() -> None:
    """For members a part in a hundred apart the next order is a part in ten thousand of b."""
    rng = np.random.default_rng(1)
    centre = rng.normal(size=(1, 40, 5))
    scores = log_softmax(centre + 0.01 * rng.normal(size=(16, 40, 5)))
    labels = rng.integers(5, size=40)
    for tau in (0.7, 1.0, 2.0):
        law = temperatures.expand(scores, labels, np.array([tau]))
        loss = [float(ensembles.nll(ensembles.ensembles(scores, n), labels, tau).mean()) for n in (1, 16)]
        assert np.isclose((loss[0] - loss[1]) / (1 - 1 / 16), law.b[0], rtol=0.02)


REFUSED: dict[str, tuple[dict[str, Any], list[str]]] = {
    "members that are no power of two": ({"members": 48}, ["members = 48", "power of two"]),
    "widths that do not rise": ({"widths": (8, 12, 12, 24, 48, 96)}, ["widths", "rising"]),
    "budgets that do not rise": ({"budgets": (4000, 2000, 8000, 9000)}, ["budgets", "rising"]),
    "a budget below one network": ({"budgets": (10, 2000, 4000, 8000)}, ["budgets", "226"]),
    "no ensemble left to predict": ({"cheap": 16}, ["cheap = 16", "members"]),
    "a least budget that buys too many": ({"budgets": (8000, 9000, 10000, 12000)}, ["budgets", "the smallest"]),
    "a largest budget that buys too many": ({"budgets": (7000, 8000, 12000, 26000)}, ["budgets", "largest"]),
    "no budget left to predict": ({"budgets": (1000, 2000, 3000, 5000)}, ["budgets", "forecast"]),
    "a file that is not there": ({"data": Path("none.npz")}, ["none.npz"]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_refused_in_a_sentence_that_names_it(case: str) -> None:
    changes, fragments = REFUSED[case]
    with pytest.raises(InputError) as caught:
        run(STUDY, config(**changes))  # every scene is checked before any work is done
    said = str(caught.value)
    assert said.endswith(".")
    assert [f for f in fragments if f not in said] == []


def test_a_users_own_data_run(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(900, 12))
    np.savez(tmp_path / "own.npz", x=x, y=(x @ rng.normal(size=(12, 3))).argmax(axis=1))
    found = claims("digits", data=tmp_path / "own.npz", splits=8, members=32, epochs=5)
    assert set(found) == {f"digits/{name}" for name in ("calibration", "fixed-temperature", "law", "several-beat-one")}


def test_targets_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "own.npz", x=np.ones((900, 2)) * np.arange(2), y=np.linspace(0, 1, 900))
    with pytest.raises(InputError, match="class labels"):
        task.load(tmp_path / "own.npz")
