"""Scene 3, real nets at equilibrium: the norm that balances growth and decay, and what depends on lr wd alone.

Scale-invariant perceptrons learn digits with wrong labels, which keep the loss and its gradient above zero. Growth is
measured independently of the norm, by the gradient on the minibatch of the next step; over a window growth and decay
must then balance by the exact recursion of rho^2. All settings have one product lr wd and share data, initial weights
and minibatches, so they are compared pair by pair. In one more run the learning rate jumps in the middle,
and the norm relaxes.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from simlab.core.checks import Floats
from simlab.lab.scene import (
    Axes,
    Beside,
    Claim,
    Cost,
    Expected,
    Found,
    Lab,
    Panel,
    Quantity,
    Theory,
    Values,
    axis,
    quantity,
)
from simlab.statistics import Estimate, joint_mean, mean, ratio
from simlab.studies.scale_invariance import needs, nets, problem
from simlab.studies.scale_invariance.config import Config
from simlab.studies.scale_invariance.equilibrium_nets import (
    BATCH,
    EVERY,
    JUMP,
    RARELY,
    Path,
    budget,
    groups,
    jump_at,
    jumping,
    late,
    recorded,
    recursion,
    settings,
    steps_of,
    train,
)

SOURCE = "talk, Scale invariance of DNNs; van Laarhoven 2017; Wan et al. 2021; Li, Lyu & Arora 2020"
SETTING = axis("how the nets are trained")
BALANCE = quantity("decay of rho^2 over its measured growth, per step", SETTING, equation="scale_invariant#one-step")
FOURTH = quantity("rho^4 over lr^2 E|g~|^2/(1 - (1 - lr wd)^2)", SETTING, equation="scale_invariant#equilibrium")
TURN = quantity("-2 ln cos(angle of a step) over theory, minus 1", SETTING, equation="scale_invariant#equilibrium")
VARIATION = quantity(
    "relative variance of |g~|^2, the squared gradient at norm 1", SETTING, equation="scale_invariant#equilibrium"
)
MOVED = quantity("share of the growth that moves the norm", SETTING)
SETTLED = quantity(
    "norm over sqrt(lr) in the late window, (E rho^4)^(1/4)/sqrt(lr)", SETTING, equation="scale_invariant#equilibrium"
)
OTHER_LR = axis("learning rate that is compared with the first, at one lr wd")
SAME_LOSS = quantity("training loss: ln of the ratio at one lr wd", OTHER_LR, equation="scale_invariant#equilibrium")
SAME_TEST_ERROR = quantity(
    "share of test data misclassified: ln of the ratio at one lr wd", OTHER_LR, equation="scale_invariant#equilibrium"
)
SAME_EFFECTIVE_LR = quantity("lr/rho^2: ln of the ratio at one lr wd", OTHER_LR, equation="scale_invariant#equilibrium")
STEP = axis("step")
NORM = quantity("norm of the weights", SETTING, STEP)
JUMPING_NORM = quantity("norm of the weights, the learning rate jumping", STEP)
AFTER = axis("step from the jump on")
RELAXING_NORM = quantity("norm of the weights from the jump on", AFTER, equation="scale_invariant#one-step")
STAGE = axis("step at which the relaxation is tested")
RELAXED = quantity("norm after the jump over that of the recursion", STAGE, equation="scale_invariant#one-step")

SHOWN = 41
"""Points of the curves that are stored."""
CLAIMED = (0.25, 1.0, 3.0)
"""Times after the jump, in units of 1/(4 lr wd), at which the relaxation is tested."""


class Compared(NamedTuple):
    """What settings of one lr wd share: as claims name it, its contrast, in words, and where it is recorded."""

    name: str
    contrast: Quantity
    text: str
    of: Callable[[Path], Floats]


COMPARED = (
    Compared("loss", SAME_LOSS, "training loss", lambda path: path.loss),
    Compared("test-error", SAME_TEST_ERROR, "share of test data misclassified", lambda path: path.test_error),
    Compared("effective-lr", SAME_EFFECTIVE_LR, "effective learning rate lr/rho^2", lambda path: path.effective_lr),
)


def check(config: Config) -> None:
    """Refuse data that cannot be used."""
    problem.check(config)


def cost(config: Config) -> list[Cost]:
    """Nets in every setting; gradients are measured often, losses rarely."""
    found, steps, runs = [], steps_of(config), len(settings(config)) + 1
    fields = ("lifetimes", "product", "lrs", "replicates", "width", "examples")
    for group in groups(config):
        size = needs.Nets(config, len(group) * config.replicates, config.width, 2, config.examples)
        seconds = size.training(BATCH, steps) + steps / EVERY * (needs.RECORD + 3 * size.forward(BATCH))
        seconds += steps / RARELY * size.forward(config.examples + config.tests)
        # Records of all settings are in memory.
        memory = size.memory(config.replicates, 16) + steps / EVERY * (
            needs.RECORDED + 100.0 * runs * config.replicates
        )
        found.append(Cost(fields, steps, memory, seconds))
    return found


def simulate(config: Config, lab: Lab) -> Values:
    """Nets in every setting, the budget of their norms, and the relaxation after the jump."""
    steady = settings(config)
    *paths, jumped = chain.from_iterable(lab.cells(train, config, groups(config), "equilibrium: nets"))
    budgets = [budget(config, s, p) for s, p in zip(steady, paths, strict=True)]
    # From the gradients on minibatches, which are measured independently of the norm, but of the same nets.
    implied = np.array([(b.expected_fourth.mean() / s.lr**2) ** 0.25 for b, s in zip(budgets, steady, strict=True)])
    settled = [mean(b.fourth**0.25 / s.lr**0.5) for b, s in zip(budgets, steady, strict=True)]
    shown = np.unique(np.linspace(0, len(recorded(config)) - 1, SHOWN).astype(int))  # enough for a figure
    return {
        SETTING: [str(s) for s in steady],
        BALANCE: [ratio(b.decay, b.growth) for b in budgets],
        FOURTH: [ratio(b.fourth, b.expected_fourth) for b in budgets],
        TURN: joint_mean(np.stack([b.turn for b in budgets], axis=1)),
        VARIATION: np.array([b.variation.mean() for b in budgets]),
        MOVED: np.array([abs(b.moved / b.decay).mean() for b in budgets]),
        SETTLED: Beside(Estimate.stack(settled), Expected(implied)),
        STEP: recorded(config)[shown],
        NORM: [mean(p.norm[shown].T) for p in paths],
        **_contrasts(config, paths),
        **_relaxation(config, jumped, shown),
    }


def theory(config: Config, axes: Axes) -> Values:
    """Growth and decay in balance, the angle of a step, equal functions at one lr wd, and the exact recursion."""
    return {
        BALANCE: Theory(1.0), FOURTH: Theory(1.0), TURN: Theory(0.0), SAME_LOSS: Theory(0.0),
        SAME_TEST_ERROR: Theory(0.0), SAME_EFFECTIVE_LR: Theory(0.0), RELAXED: Theory(1.0),
    }  # fmt: skip


def compare(config: Config, found: Found) -> list[Claim]:
    """Each setting's norm; all angles; all pairs of settings; the relaxation."""
    claims, few = [], config.replicates
    for i, setting in enumerate(settings(config)):
        bias = config.product * float(found[VARIATION][i]) + float(found[MOVED][i])
        claims += [
            found[BALANCE][i].equals(
                f"balance-{i + 1}", f"In nets trained at {setting} the decay of the norm balances its measured growth.",
                resolution=0.05, samples=few,
            ),
            found[FOURTH][i].equals(
                f"norm-{i + 1}", f"In nets trained at {setting} the norm rho at equilibrium is given by rho^4 = "
                "lr^2 E|g~|^2/(1 - (1 - lr wd)^2), g~ being the gradient at norm 1 and wd the weight decay.",
                bias=bias, resolution=0.05, samples=few,
            ),
        ]  # fmt: skip
    claims.append(found[TURN].agrees(
        "angle", "A step turns the weights of scale-invariant nets at equilibrium by an angle that depends on the "
        "product of learning rate and weight decay alone."
    ))  # fmt: skip
    claims += [
        found[c.contrast].agrees(
            f"same-{c.name}",
            f"Nets with the same product of learning rate and weight decay have the same {c.text} at all learning "
            "rates.",
        )
        for c in COMPARED
    ]
    claims += [
        found[RELAXED][i].equals(
            f"relaxation-{i + 1}",
            "After a jump of the learning rate the norm of nets follows the exact recursion with the measured "
            f"gradients, {times:g}/(4 lr wd) steps later (wd: weight decay).", resolution=0.05, samples=few,
        )
        for i, times in enumerate(CLAIMED)
    ]  # fmt: skip
    return claims


def draw_norm(config: Config, found: Found, panel: Panel) -> None:
    """Norms of every setting in units of sqrt(lr), where they are equal; each is shown at other steps."""
    steady = settings(config)
    for i, setting in enumerate(steady):
        shown = slice(i, None, len(steady))
        panel.points(found[NORM][i][shown] / setting.lr**0.5, str(setting), color=i % 6)
    panel.level(float(found[SETTLED].reference.mean()), "implied by the gradients")
    panel.set(title="One equilibrium for one lr wd", xlabel="step", ylabel="norm of the weights / sqrt(lr)")
    panel.note(f"lr: learning rate, wd: weight decay; {config.replicates} nets each")


def draw_jump(config: Config, found: Found, panel: Panel) -> None:
    """The relaxation after the jump."""
    panel.points(found[JUMPING_NORM][::2], "nets")
    panel.line(RELAXING_NORM, "exact recursion with the measured gradients", color=1)
    panel.place(jump_at(config), "jump")
    panel.set(title=f"The learning rate jumps by a factor {JUMP:g}", ylabel="norm of the weights")
    panel.note(f"first {jumping(config)}")


def draw_same(config: Config, found: Found, panel: Panel) -> None:
    """What does not depend on the learning rate at one lr wd."""
    others = config.lrs[1:]
    for i, c in enumerate(COMPARED):
        panel.points(found[c.contrast], x=i + (np.arange(len(others)) - (len(others) - 1) / 2) * 0.4 / len(others))
    panel.level(0.0, "no difference")
    panel.set(
        title="What depends on lr wd alone", xticks=range(len(COMPARED)), xlabel="",
        xticklabels=["training loss", "test error", "lr/rho^2"], ylabel="ln of the ratio of two learning rates",
    )  # fmt: skip
    panel.note(f"lr wd = {config.product:g}; learning rates {', '.join(f'{lr:g}' for lr in others)} over "
               f"{config.lrs[0]:g}")  # fmt: skip


PANELS = (draw_norm, draw_jump, draw_same)


def _contrasts(config: Config, paths: list[Path]) -> dict[Any, Any]:
    """Contrasts of the settings that differ in the learning rate alone."""
    measured = late(config) & (recorded(config) % RARELY == 0)
    contrasts: dict[Any, Any] = {OTHER_LR: np.array(config.lrs[1:])}
    for compared in COMPARED:
        each = [compared.of(path)[measured].mean(axis=0) for path in paths[: len(config.lrs)]]
        values = np.stack(each, axis=1)  # (replicate, setting)
        contrasts[compared.contrast] = joint_mean(nets.log_ratio(values[:, 1:], values[:, :1]))
    return contrasts


def _relaxation(config: Config, path: Path, shown: np.ndarray) -> dict[Any, Any]:
    """The norm after the jump, and what the recursion with the measured gradients makes of the norm at the jump.

    Expected, not predicted: the recursion starts at the norm of the same nets, and has their gradients at every step.
    """
    steps, curve = recorded(config), recursion(config, path)
    stages = [jump_at(config) + times / (4 * JUMP * config.product) for times in CLAIMED]
    places = [int(np.abs(steps - step).argmin()) for step in stages]
    after = np.unique(np.linspace(np.searchsorted(steps, jump_at(config)), len(steps) - 1, SHOWN).astype(int))
    return {
        STAGE: steps[places],
        RELAXED: mean((path.norm[places] / curve[places]).T),
        JUMPING_NORM: mean(path.norm[shown].T),
        AFTER: steps[after],
        RELAXING_NORM: Beside(mean(path.norm[after].T), Expected(curve[after].mean(axis=1))),
    }
