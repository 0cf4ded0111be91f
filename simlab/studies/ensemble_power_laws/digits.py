"""Scene 7: real data, the digits or the user's own.

Shuffles of one data set share its examples: error bars include the split, the networks and the halves, but not the
choice of the examples. The training error vanishes at small widths and a few hundred test examples are easy, so that
the limit c of a power law is known to some hundredths only; comparisons within a shuffle are much more precise.
"""

from __future__ import annotations

import numpy as np

from simlab.lab.scene import Axes, Beside, Claim, Cost, Expected, Found, Lab, Panel, Values, quantity
from simlab.statistics import jackknife, mean
from simlab.studies.ensemble_power_laws import curves, needs, pool, quantities, splits, task, training
from simlab.studies.ensemble_power_laws.config import Config
from simlab.studies.ensemble_power_laws.fixed_temperature import fall
from simlab.studies.ensemble_power_laws.quantities import CALIBRATED, MEMBERS, PARAMETERS, WIDTH

SOURCE = "talk, Power law wrt width of DNN and Memory split effect"
PARTS = (quantities,)
WARM = quantity("log of the best temperature of one network, mean over widths")
EXPONENT = quantity("exponent a", WIDTH)
REST = quantity("residual of the power law over the range of the loss, at the largest width")
FALL = quantity(
    "fall of the loss at the last doubling, over the predicted one, at the largest width",
    equation="ensembles#a-fixed-temperature",
)
CUT = quantity("share of the term d/n² in the predicted fall", equation="ensembles#a-fixed-temperature")
GAIN = quantity("loss of the widest network minus that of a split of its budget", unit="nat")


def check(config: Config) -> None:
    """Refuse data that cannot be used."""
    pool.check(config)


def cost(config: Config) -> list[Cost]:
    """The pools of the shuffles."""
    return needs.digits(config)


def simulate(config: Config, lab: Lab) -> Values:
    """Losses before and after calibration, the last fall, and the split at the largest network's budget."""
    pools, n, p = pool.digits(config, lab), pool.sizes(config), parameters(config)
    last = pools.half[:, -1]
    predicted = fall(pools.series[:, -1], pool.half_sizes(config))
    falls = np.stack([last[:, -2] - last[:, -1], *predicted], axis=1)  # (shuffle, 3)
    return {
        WIDTH: np.array(pool.few(config)),
        MEMBERS: n,
        PARAMETERS: p,
        CALIBRATED: mean(pools.calibrated),
        WARM: mean(np.log(pools.tau[..., 0]).mean(axis=1)),
        EXPONENT: jackknife(pools.calibrated, lambda m: curves.exponents(n, m)),
        REST: jackknife(pools.calibrated[:, -1], lambda m: curves.residual(n, m)),
        FALL: Beside(jackknife(falls, lambda m: m[0] / m[1]), Expected(1.0)),
        CUT: falls[:, 2].mean() / falls[:, 1].mean(),
        GAIN: mean(splits.gain(p, n, pools.calibrated)),
    }


def theory(config: Config, axes: Axes) -> Values:
    """None: the references are predictions from other members."""
    return {}


def compare(config: Config, found: Found) -> list[Claim]:
    """Calibration, the curves in n, and the split."""
    many, last = config.splits, pool.half_sizes(config)[-1]
    return [
        found[WARM].exceeds(
            "calibration",
            "A single network on real data is overconfident: its best temperature is above 1, on average over widths.",
            sigmas=4, samples=many,
        ),
        found[FALL].equals(
            "fixed-temperature",
            f"At a fixed temperature and the largest width the loss on real data falls from {last // 2} to {last} "
            "networks as the spread of others predicts, up to the square of the last term of the series in 1/n.",
            bias=float(found[CUT]) ** 2, samples=many,
        ),
        curves.follows(
            found[REST], found[EXPONENT][-1], "law",
            "At the largest width the calibrated loss of n networks on real data is c + b n^-a", many,
        ),
        found[GAIN].exceeds(
            "several-beat-one",
            f"On real data the parameters of one network of {config.widths[-1]} hidden units are better spent on "
            "several smaller ones.", sigmas=4, samples=many,
        ),
    ]  # fmt: skip


def draw_budgets(config: Config, found: Found, panel: Panel) -> None:
    """Loss against all parameters, a line for each of some widths."""
    p, n = found[PARAMETERS].value, found[MEMBERS].value
    for color, k in enumerate(np.unique(np.linspace(0, len(p) - 1, 5).round().astype(int))):
        panel.points(found[CALIBRATED][k], f"{found[WIDTH].value[k]} hidden units", x=p[k] * n, color=color)
        panel.curve(p[k] * n, found[CALIBRATED][k].value, color=color, width=1)
    name = "digits" if config.data is None else "data"
    panel.set(xscale="log", yscale="log", title=f"Real data ({name})", xlabel="parameters of all members together")
    panel.note(f"a line: one width, 1, 2, 3, 4, 8, ... members; {config.splits} shuffles of the same examples")


PANELS = (draw_budgets,)


def parameters(config: Config) -> np.ndarray:
    """Parameters of one network of each width."""
    examples = task.load(config.data)
    assert examples.classes is not None
    return training.parameters(pool.few(config), examples.x.shape[1], len(examples.classes))
