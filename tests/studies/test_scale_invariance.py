"""Scale invariance: claims fail where they should, bad input is refused, a user's own data run, bursts are counted.

Every broken laboratory is the smoke run of one scene with one thing broken; `notice` are claims that must not hold.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from simlab import nn
from simlab.core.checks import Floats
from simlab.core.errors import InputError
from simlab.lab import settings
from simlab.lab.claim import Claim
from simlab.lab.found import Found
from simlab.lab.results import claims_of
from simlab.lab.runner import run
from simlab.studies.scale_invariance import STUDY, nets, period_nets, periods, phases, walkers
from simlab.studies.scale_invariance.bursts import bursts
from simlab.theory import scale_invariant

Break = Callable[[pytest.MonkeyPatch], None]


def result(scene: str, **changes: Any) -> xr.DataTree:
    """The smoke run of one scene, with fewer nets where they are enough for what is broken."""
    fewer = {"replicates": 8} if scene in ("equivalence", "periods", "regimes") else {}
    config = {**STUDY.presets["smoke"], **fewer, "scenes": (scene,), **changes}
    return run(STUDY, settings.validate(STUDY, config))


def claims(scene: str, **changes: Any) -> dict[str, Claim]:
    """Its claims, without the scene in their names."""
    return {claim.name.partition("/")[2]: claim for claim in claims_of(result(scene, **changes))}


def wrong_temperature(patch: pytest.MonkeyPatch) -> None:
    right = scale_invariant.concentration
    patch.setattr(scale_invariant, "concentration", lambda *arguments: 1.3 * right(*arguments))


def more_decay(patch: pytest.MonkeyPatch) -> None:
    walk = walkers.Walk

    def step(self: Any, w: Any, step: int) -> Any:
        force, square, _ = self.gradient(w, step)
        return (1 - 1.05 * self.lr * self.wd) * w - self.lr / square**0.5 * force

    patch.setattr(walk, "step", step)


def noise_along_the_weights(patch: pytest.MonkeyPatch) -> None:
    right = walkers.Walk.gradient

    def gradient(self: Any, w: Any, step: int) -> Any:
        force, square, cosine = right(self, w, step)
        return force + 0.3 * w / square**0.5, square, cosine

    patch.setattr(walkers.Walk, "gradient", gradient)


def rate_a_step_late(patch: pytest.MonkeyPatch) -> None:
    right = scale_invariant.growing_lr
    patch.setattr(scale_invariant, "growing_lr", lambda lr, wd, step: right(lr, wd, max(step - 1, 0)))


def coarse_eps(patch: pytest.MonkeyPatch) -> None:
    right = nets.scale_invariant
    patch.setattr(nets, "scale_invariant", lambda widths, eps=0.0: right(widths, 1e-5))


def full_gradient(patch: pytest.MonkeyPatch) -> None:
    wrong = nn.QUANTITIES["batch_gradient_norm"]._replace(measure=nn.QUANTITIES["gradient_norm"].measure)
    patch.setitem(nn.QUANTITIES, "batch_gradient_norm", wrong)


def other_decay(patch: pytest.MonkeyPatch) -> None:
    right = nn.SGD

    def sgd(lr: Any, momentum: float = 0.0, weight_decay: Any = 0.0) -> Any:
        return right(lr, momentum, 1.1 * np.asarray(weight_decay))

    patch.setattr(nn, "SGD", sgd)


def thawed(patch: pytest.MonkeyPatch) -> None:
    variants = tuple(v._replace(frozen=False) for v in phases.VARIANTS)
    patch.setattr(phases, "VARIANTS", variants)


def no_decay(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(phases, "DECAY", 0.0)


def clean_control(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(periods, "control", lambda config: period_nets.grid(config)[0])


def half_curvature(patch: pytest.MonkeyPatch) -> None:
    right = period_nets.curvature
    patch.setattr(period_nets, "curvature", lambda frame: 0.2 * right(frame))


def off_the_sphere(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(nn, "SphereSGD", nn.SGD)


BROKEN: list[tuple[str, Break, set[str]]] = [
    ("sphere", wrong_temperature, {"direction"}),
    ("sphere", more_decay, {"norm-4", "norm-10", "relaxation-0.5"}),
    ("sphere", noise_along_the_weights, {"norm-10"}),
    ("equivalence", rate_a_step_late, {"functions"}),
    ("equivalence", coarse_eps, {"function"}),
    ("equilibrium", full_gradient, {"balance-1", "norm-1", "relaxation-2"}),
    ("equilibrium", other_decay, {"balance-1"}),
    ("phases", thawed, {"frozen-width", "frozen-loss"}),
    ("phases", no_decay, {"shrinkage", "test-loss"}),
    ("periods", clean_control, {"floor"}),
    ("periods", half_curvature, {"edge"}),
    ("regimes", off_the_sphere, {"equilibrium", "divergence"}),
]


@pytest.mark.parametrize(("scene", "break_it", "notice"), BROKEN, ids=[f"{s}: {b.__name__}" for s, b, _ in BROKEN])
def test_broken_laboratories_are_told(
    scene: str, break_it: Break, notice: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    break_it(monkeypatch)
    found = claims(scene)
    assert notice <= {name for name, claim in found.items() if claim.verdict != "holds"}


CHANGED: dict[str, dict[str, tuple[str, float]]] = {
    "sphere": {
        "norm-4": ("square_theory", 0.1), "turn-4": ("turn_theory", 1e-3), "direction": ("share_theory", 0.1),
        "product": ("line", 0.1), "limit": ("limit", 0.2), "excess": ("excess_theory", 0.1),
        "relaxation-0.5": ("norm_theory", 0.1),
    },
    "equivalence": {
        "functions": ("worst", 1e-6), "norms": ("growth", 1e-6), "function": ("function", 1e-6),
        "orthogonal": ("orthogonal", 1e-6), "gradient": ("gradient", 1e-6), "hessian": ("hessian", 1e-6),
    },
    "equilibrium": {
        "balance-1": ("balance", 0.1), "norm-1": ("fourth", 0.1), "angle": ("turn", 0.1),
        "same-loss": ("same_loss", 0.1), "same-test-error": ("same_test_error", 0.5),
        "same-effective-lr": ("same_effective_lr", 0.1), "relaxation-1": ("relaxed", 0.1),
    },
    "phases": {
        "growth": ("growth", -3.0), "shrinkage": ("shrinkage", -3.0), "memorised": ("train_error", 0.1),
        "width": ("widening", -10.0), "test-error": ("gain_test_error", -0.2), "test-loss": ("gain_test_loss", -3.0),
        "frozen-width": ("lost_widening_frozen", -10.0), "frozen-loss": ("lost_test_loss_frozen", -3.0),
        "frozen-error": ("gain_test_error", -0.2), "whitened": ("gain_test_error", -0.5),
        "no-peak": ("early_rise", 0.1), "no-bump": ("bump_rise", 0.1),
    },
    "periods": {
        "law": ("exponent", -0.5), "product": ("twin", 0.5), "irregular": ("irregular", -1.0), "decay": ("decay", -1.0),
        "free": ("approach", -1.0), "edge": ("above_edge", -3.0), "calm": ("below_edge", -3.0), "floor": ("floor", 1.0),
    },
    "regimes": {
        "toy-threshold": ("threshold_theory", 0.1), "toy-random": ("random_theory", 0.1),
        "convergence": ("fallen", -1.0), "equilibrium": ("fallen", 1.0), "level": ("rise_of_loss", -3.0),
        "sharpness": ("widening", -4.0), "divergence": ("loss", -6.0), "annealing": ("gain_over_low", -0.3),
        "best-start": ("gain_over_chaotic", -0.3),
    },
}  # fmt: skip
"""Of each scene: claim -> the stored number it is about, and a change after which it must fail."""


@pytest.mark.parametrize("scene", CHANGED)
def test_a_claim_falls_with_the_number_it_is_about(scene: str) -> None:
    config = settings.validate(STUDY, {**STUDY.presets["smoke"], "scenes": (scene,)})
    data, module = run(STUDY, config)[scene].to_dataset(), STUDY.scene(scene)
    for claim, (name, change) in CHANGED[scene].items():
        changed = data.assign({name: data[name].copy(data=data[name].values + change)})
        found = {c.name: c.verdict for c in module.compare(config, Found.of(module, changed))}
        assert found[f"{scene}/{claim}"] == "fails", claim


def test_bursts_are_the_turns_of_the_norm() -> None:
    falls = [(10.0, 5.0), (8.0, 4.0), (9.0, 6.0)]
    log_norm = [np.log(7.0)]
    for top, bottom in falls:
        for end in (top, bottom):
            log_norm += list(np.linspace(log_norm[-1], np.log(end), 11)[1:])
    wiggle = 0.02 * (np.arange(len(log_norm)) % 2)  # below what counts as a burst
    norm: Floats = np.exp(np.array(log_norm) + wiggle)
    found = bursts(np.linspace(0.0, 5.0 * (len(norm) - 1), len(norm)), norm)
    # The last fall ends the run, and is none that a burst has ended.
    np.testing.assert_allclose(found.top, [50, 150], atol=5)
    np.testing.assert_allclose(found.bottom, [100, 200], atol=5)
    np.testing.assert_allclose(found.largest, [10, 8], rtol=0.03)
    np.testing.assert_allclose(found.least, [5, 4], rtol=0.03)


def test_a_users_own_data_run(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 900)
    np.savez(tmp_path / "own.npz", x=rng.standard_normal((900, 12)) + 2 * np.eye(3, 12)[y], y=y)
    found = claims("equivalence", data=tmp_path / "own.npz", examples=300)
    assert all(claim.verdict == "holds" for claim in found.values())


@pytest.mark.parametrize(
    ("scene", "changes", "message"),
    [
        ("phases", {"phase_steps": (10, 5, 100)}, "phase_steps must be increasing"),
        ("equivalence", {"data": Path("nowhere.npz")}, "no such file"),
        ("equilibrium", {"examples": 1797}, "examples = 1797"),
    ],
)
def test_bad_input_is_refused_before_any_work(scene: str, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        result(scene, **changes)
    assert "\n" not in str(caught.value)
