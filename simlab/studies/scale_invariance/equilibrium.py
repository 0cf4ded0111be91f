"""Scene 3, real nets at equilibrium: the norm that balances growth and decay, and what lr wd alone decides.

Scale-invariant perceptrons learn digits with wrong labels, which keep the loss and its gradient above zero. Growth is
measured apart from the norm, by the gradient on the minibatch of the next step; over a window the exact recursion of
rho^2 must then balance. All settings have one product lr wd and share data, first weights and minibatches, so they are
compared pair by pair. In one more run the learning rate jumps in the middle, and the norm relaxes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from simlab import nn
from simlab.core.checks import Floats
from simlab.lab.cost import affordable
from simlab.lab.scene import Axes, Beside, Claim, Cost, Found, HeldOut, Lab, Panel, Theory, Values, axis, quantity
from simlab.statistics import Estimate, joint_mean, mean, ratio
from simlab.studies.scale_invariance import needs, nets, problem
from simlab.studies.scale_invariance.config import Config

SOURCE = "talk, Scale invariance of DNNs; van Laarhoven 2017; Wan et al. 2021; Li, Lyu & Arora 2020"
SETTING = axis("how the nets are trained")
BALANCE = quantity("decay of rho^2 over its measured growth, per step", SETTING)
FOURTH = quantity("rho^4 over lr^2 E|g~|^2/(1 - (1 - lr wd)^2)", SETTING)
TURN = quantity("-2 ln cos(angle of a step) over theory, minus 1", SETTING)
VARIATION = quantity("relative variance of |g~|^2", SETTING)
MOVED = quantity("share of the growth that moves the norm", SETTING)
SETTLED = quantity("norm over sqrt(lr) in the late window, (E rho^4)^(1/4)/sqrt(lr)", SETTING)
OTHER_LR = axis("learning rate that is compared with the first, at one lr wd")
SAME_LOSS = quantity("training loss: ln of the ratio at one lr wd", OTHER_LR)
SAME_TEST_ERROR = quantity("share of test data misclassified: ln of the ratio at one lr wd", OTHER_LR)
SAME_EFFECTIVE_LR = quantity("lr/rho^2: ln of the ratio at one lr wd", OTHER_LR)
STEP = axis("step")
NORM = quantity("norm of the weights", SETTING, STEP)
JUMPING_NORM = quantity("norm of the weights, the learning rate jumping", STEP)
STAGE = axis("step at which the relaxation is judged")
RELAXED = quantity("norm after the jump over that of the recursion", STAGE)

BATCH, EVERY, RARELY = 50, 7, 98
"""Examples of a minibatch; steps between measurements of norm and gradient, and of loss and error.

The minibatches of an epoch are without replacement, and the gradient on one depends on its place: at a distance that
shares no factor with the usual 20 places all are seen alike."""
SHOWN = 41
"""Steps of the curves that are kept."""
JUMP = 3.0
"""The factor by which the learning rate jumps, after half of the run."""
FIRST, FAR = 8.0, 20.0
"""The first norm at the first rate, and that of one more setting: equilibrium must not depend on it."""
CLAIMED = (0.25, 1.0, 3.0)
"""Times after the jump, in units of 1/(4 lr wd), at which the relaxation is judged."""
COMPARED = {
    "loss": (SAME_LOSS, "training loss"), "test-error": (SAME_TEST_ERROR, "share of test data misclassified"),
    "effective-lr": (SAME_EFFECTIVE_LR, "lr/rho^2"),
}  # fmt: skip


class Setting(NamedTuple):
    """How nets are trained. jump: the factor of the learning rate in the second half."""

    lr: float
    wd: float
    first_norm: float
    jump: float = 1.0

    def __str__(self) -> str:
        """As figures and claims name it."""
        return f"lr {self.lr:g}, wd {self.wd:.2g}" + (f", first norm {FAR:g}" if self.first_norm == FAR else "")

    @property
    def kept(self) -> float:
        """By what a step multiplies rho^2 without a gradient."""
        return (1 - self.lr * self.wd) ** 2


class Path(NamedTuple):
    """What was recorded of nets in training, (step, replicate); NaN where it was not measured."""

    norm: Floats
    batch_gradient_norm: Floats
    effective_lr: Floats
    loss: Floats
    test_error: Floats

    @property
    def square(self) -> Floats:
        """The squared norm rho^2."""
        return self.norm**2

    @property
    def unit_gradient(self) -> Floats:
        """|g~|^2, the squared gradient on the minibatch at norm 1."""
        return (self.batch_gradient_norm * self.norm) ** 2


class Budget(NamedTuple):
    """The balance of rho^2 in the late window, (replicate,) each: time averages, and the change from end to end."""

    decay: Floats  # of rho^2 per step, with what moved it
    growth: Floats
    turn: Floats  # -2 ln cos(angle of a step) over theory, minus 1
    fourth: Floats  # rho^4
    expected_fourth: Floats  # lr^2 |g~|^2/(1 - (1 - lr wd)^2)
    variation: Floats  # of |g~|^2
    moved: Floats


def check(config: Config) -> None:
    """Refuse data that cannot be used."""
    problem.check(config)
    affordable(config, cost(config))


def cost(config: Config) -> list[Cost]:
    """Nets in every setting; gradients are measured often, losses rarely."""
    size = needs.Nets(config, config.replicates, config.width, 2, config.examples)
    steps, records, runs = _steps(config), _steps(config) / EVERY, len(settings(config)) + 1
    seconds = size.training(BATCH, steps) + records * (needs.RECORD + 3 * size.forward(BATCH))
    seconds += steps / RARELY * size.forward(config.examples + config.tests)
    memory = size.memory(config.replicates, 16) + records * (needs.RECORDED + 100.0 * runs * size.models)
    fields = ("lifetimes", "product", "lrs", "replicates", "width", "examples")
    return [Cost(fields, steps, memory, seconds)] * runs


def simulate(config: Config, lab: Lab) -> Values:
    """Nets in every setting, the budget of their norms, and the relaxation after the jump."""
    still = settings(config)
    *paths, jumped = lab.cells(train, config, [*still, jumping(config)], "equilibrium: nets")
    budgets = [budget(config, s, p) for s, p in zip(still, paths, strict=True)]
    predicted = np.array([(b.expected_fourth.mean() / s.lr**2) ** 0.25 for b, s in zip(budgets, still, strict=True)])
    settled = [mean(b.fourth**0.25 / s.lr**0.5) for b, s in zip(budgets, still, strict=True)]
    shown = np.unique(np.linspace(0, len(_recorded(config)) - 1, SHOWN).astype(int))  # a figure needs no more
    return {
        SETTING: [str(s) for s in still],
        BALANCE: [ratio(b.decay, b.growth) for b in budgets],
        FOURTH: [ratio(b.fourth, b.expected_fourth) for b in budgets],
        TURN: joint_mean(np.stack([b.turn for b in budgets], axis=1)),
        VARIATION: np.array([b.variation.mean() for b in budgets]),
        MOVED: np.array([abs(b.moved / b.decay).mean() for b in budgets]),
        SETTLED: Beside(Estimate.stack(settled), HeldOut(predicted)),
        STEP: _recorded(config)[shown],
        NORM: [mean(p.norm[shown].T) for p in paths],
        **_contrasts(config, paths),
        **_relaxation(config, jumped, shown),
    }


def train(config: Config, setting: Setting, lab: Lab) -> Path:
    """Nets in one setting."""
    steps = _steps(config)
    start = nets.stack(
        config, lab, "equilibrium", (config.width, config.width), replicates=config.replicates,
        examples=config.examples, noise=config.noise, logits=1.0,
    ).at_norm(setting.first_norm)  # fmt: skip
    rate = nn.Piecewise([0, _jump(config)], [setting.lr, setting.jump * setting.lr])
    names = ["weight_norm", "batch_gradient_norm", "effective_lr", "loss", "test_error"]
    with lab.task("nets", steps) as task:
        _, record = start.train(
            nn.SGD(rate, weight_decay=setting.wd), steps, batch=BATCH, key=nets.key_of(lab, "equilibrium", "batches"),
            record=[*names[:3], _rarely("loss"), _rarely("test_error")], at=_recorded(config), progress=task.advance,
        )  # fmt: skip
    return Path(*(record[name].values.astype(float) for name in names))


def budget(config: Config, setting: Setting, path: Path) -> Budget:
    """The balance of rho^2 in the late window.

    It is exact from the first step of the window to the last: what growth and decay do not balance has moved the norm.
    """
    late, lr, kept = _late(config), setting.lr, setting.kept
    square, unit, span = path.square[late], path.unit_gradient[late], np.ptp(_recorded(config)[late])
    growth = lr**2 * path.batch_gradient_norm[late] ** 2
    moved, moved_log = (square[-1] - square[0]) / span, np.log(square[-1] / square[0]) / span
    turn = (np.log1p(growth / (kept * square))[:-1].mean(axis=0) - moved_log) / -np.log(kept) - 1
    return Budget(
        decay=((1 - kept) * square[:-1]).mean(axis=0) + moved,
        growth=growth[:-1].mean(axis=0),
        turn=turn,
        fourth=(square**2).mean(axis=0),
        expected_fourth=lr**2 / (1 - kept) * unit.mean(axis=0),
        variation=unit.var(axis=0) / unit.mean(axis=0) ** 2,
        moved=moved,
    )


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
                f"balance-{i + 1}", f"Nets at {setting}: the decay of the norm balances its measured growth.",
                resolution=0.05, samples=few,
            ),
            found[FOURTH][i].equals(
                f"norm-{i + 1}", f"Nets at {setting}: at equilibrium rho^4 is lr^2 E|g~|^2/(1 - (1 - lr wd)^2).",
                bias=bias, resolution=0.05, samples=few,
            ),
        ]  # fmt: skip
    claims.append(found[TURN].agrees(
        "angle", "In every setting a step turns the weights of nets by the angle that lr wd alone sets."
    ))  # fmt: skip
    claims += [
        found[contrast].agrees(f"same-{name}", f"At one lr wd the learning rate makes no difference to: {text}.")
        for name, (contrast, text) in COMPARED.items()
    ]
    claims += [
        found[RELAXED][i].equals(
            f"relaxation-{i + 1}",
            f"Nets {times:g}/(4 lr wd) steps after a jump of the learning rate: the norm is where the exact recursion "
            "with the measured gradients puts it.", resolution=0.05, samples=few,
        )
        for i, times in enumerate(CLAIMED)
    ]  # fmt: skip
    return claims


def draw_norm(config: Config, found: Found, panel: Panel) -> None:
    """Norms of every setting in units of sqrt(lr), where they are the same; each shows steps of its own."""
    still = settings(config)
    for i, setting in enumerate(still):
        shown = slice(i, None, len(still))
        panel.points(found[NORM][i][shown] / setting.lr**0.5, str(setting), color=i % 6)
    panel.level(float(found[SETTLED].reference.mean()), "predicted from the gradients")
    panel.set(title="One equilibrium for one lr wd", xlabel="step", ylabel="norm of the weights / sqrt(lr)")
    panel.note(f"lr: learning rate, wd: weight decay; {config.replicates} nets each")


def draw_jump(config: Config, found: Found, panel: Panel) -> None:
    """The relaxation after the jump."""
    panel.points(found[JUMPING_NORM][::2], "nets")
    panel.line(JUMPING_NORM, "exact recursion with the measured gradients", color=1)
    panel.place(_jump(config), "jump")
    panel.set(title=f"The learning rate jumps by a factor {JUMP:g}", ylabel="norm of the weights")
    panel.note(f"first {jumping(config)}")


def draw_same(config: Config, found: Found, panel: Panel) -> None:
    """What does not depend on the learning rate at one lr wd."""
    others = config.lrs[1:]
    for i, (contrast, _) in enumerate(COMPARED.values()):
        panel.points(found[contrast], x=i + (np.arange(len(others)) - (len(others) - 1) / 2) * 0.4 / len(others))
    panel.level(0.0, "no difference")
    panel.set(
        title="What lr wd alone decides", xticks=range(len(COMPARED)), xlabel="",
        xticklabels=["training loss", "test error", "lr/rho^2"], ylabel="ln of the ratio of two learning rates",
    )  # fmt: skip
    panel.note(f"lr wd = {config.product:g}; learning rates {', '.join(f'{lr:g}' for lr in others)} over "
               f"{config.lrs[0]:g}")  # fmt: skip


PANELS = (draw_norm, draw_jump, draw_same)


def settings(config: Config) -> list[Setting]:
    """Every learning rate, and the first one from far away; all have one product lr wd.

    First norms go as sqrt(lr), so that also the way to equilibrium is the same in the space of functions.
    """
    lrs = config.lrs
    still = [Setting(lr, config.product / lr, FIRST * (lr / lrs[0]) ** 0.5) for lr in lrs]
    return [*still, still[0]._replace(first_norm=FAR)]


def jumping(config: Config) -> Setting:
    """The first setting, with a learning rate that jumps."""
    return settings(config)[0]._replace(jump=JUMP)


def _steps(config: Config) -> int:
    return round(config.lifetimes / config.product / EVERY) * EVERY


def _recorded(config: Config) -> np.ndarray:
    """The steps of all records."""
    return np.arange(0, _steps(config) + 1, EVERY)


def _late(config: Config) -> np.ndarray:
    """Which records are in the window of the last two lifetimes."""
    late: np.ndarray = _recorded(config) >= (config.lifetimes - 2) / config.product
    return late


def _jump(config: Config) -> int:
    """The first step of the larger learning rate, in the middle."""
    return round(config.lifetimes / config.product / 2 / EVERY) * EVERY


def _rarely(name: str) -> nn.Quantity:
    """A quantity of that name, measured where a step is a multiple of RARELY."""
    usual = nn.QUANTITIES[name]
    return usual._replace(measure=lambda f: usual.measure(f) if f.step % RARELY == 0 else f.lr * np.nan)


def _contrasts(config: Config, paths: list[Path]) -> dict[Any, Any]:
    """Of the settings that differ in the learning rate alone."""
    measured = _late(config) & (_recorded(config) % RARELY == 0)
    found: dict[Any, Any] = {OTHER_LR: np.array(config.lrs[1:])}
    for name, (contrast, _) in COMPARED.items():
        each = [getattr(p, name.replace("-", "_"))[measured].mean(axis=0) for p in paths[: len(config.lrs)]]
        values = np.stack(each, axis=1)  # (replicate, setting)
        found[contrast] = joint_mean(nets.log_ratio(values[:, 1:], values[:, :1]))
    return found


def _relaxation(config: Config, path: Path, shown: np.ndarray) -> dict[Any, Any]:
    """The norm after the jump, and what the recursion with the measured gradients makes of the norm at the jump."""
    steps, curve = _recorded(config), recursion(config, path)
    stages = [_jump(config) + times / (4 * JUMP * config.product) for times in CLAIMED]
    places = [int(np.abs(steps - step).argmin()) for step in stages]
    predicted = np.where(steps[shown] >= _jump(config), curve[shown].mean(axis=1), np.nan)
    return {
        STAGE: steps[places],
        RELAXED: mean((path.norm[places] / curve[places]).T),
        JUMPING_NORM: Beside(mean(path.norm[shown].T), HeldOut(predicted)),
    }


def recursion(config: Config, path: Path) -> Floats:
    """Rho after the jump by the exact recursion from what the norm was there, (step, replicate); before it as measured.

    The squared gradient of each net between two measurements is the first of them.
    """
    lr, wd, steps = JUMP * config.lrs[0], config.product / config.lrs[0], _recorded(config)
    curve, unit = path.square, path.unit_gradient
    for i in range(int(np.searchsorted(steps, _jump(config))), len(steps) - 1):
        now = curve[i]
        for _ in range(EVERY):
            now = (1 - lr * wd) ** 2 * now + lr**2 * unit[i] / now
        curve[i + 1] = now
    return curve**0.5
