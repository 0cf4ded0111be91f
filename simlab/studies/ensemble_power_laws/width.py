"""Scene 3, the talk's "Power law wrt width of DNN" and "calibration removes double descent behaviour"."""

from __future__ import annotations

import numpy as np

from simlab.core.checks import Floats
from simlab.lab.scene import Axes, Claim, Found, Lab, Panel, Theory, Values, axis, quantity
from simlab.statistics import jackknife, mean, vertex
from simlab.studies.ensemble_power_laws import curves, needs, places, pool, quantities
from simlab.studies.ensemble_power_laws.config import Config
from simlab.studies.ensemble_power_laws.quantities import CALIBRATED, MEMBERS, PLACE, SIDE, WIDTH
from simlab.studies.ensemble_power_laws.splits import leave_one_out

SOURCE = "talk, Power law wrt width of DNN"
PARTS = (quantities,)
FITTED = (1, 2)
"""Members of the ensembles whose calibrated loss is claimed to follow a power law in width."""

FEW = axis("members of an ensemble whose loss is a power law in width")
STEP = axis("hidden units before a step in width")
ERROR = quantity("share of training data misclassified", WIDTH)
NLL = quantity("NLL of one network", WIDTH, unit="nat")
RISE = quantity("loss of one network at the interpolation width minus that at this one", SIDE, unit="nat")
CALIBRATED_FALL = quantity("fall of the calibrated loss of one network up to the interpolation width", unit="nat")
MARGIN = quantity(
    "fall of the calibrated loss of one network over a step in width plus its mean over all steps", STEP, unit="nat"
)
APART = quantity("log of the width where the loss of one network peaks over that where the training error vanishes")
EXPONENT = quantity("exponent of the width", FEW)
REST = quantity("residual of the power law in width over the range of the loss", FEW)
TURN = quantity("loss at the largest width minus that at the best", MEMBERS, unit="nat")
check, cost = needs.check, needs.teachers


def simulate(config: Config, lab: Lab) -> Values:
    """Loss of one network before and after calibration at every width, where it peaks, and power laws in width."""
    pools, n, widths = pool.teachers(config, lab), pool.sizes(config), np.array(config.widths)
    one, best = pools.nll[..., 0], pools.calibrated[..., 0]
    low, peak, wide = places.find(config, pools.error)
    steps = best[:, :-1] - best[:, 1:]
    apart = np.array([_apart(widths, *pair) for pair in zip(one, pools.error, strict=True)])
    of_few = pools.calibrated[..., np.isin(n, FITTED)].swapaxes(1, 2)  # (teacher, few, width)
    return {
        **pool.coordinates(config, pools, n),
        SIDE: widths[[low, wide]],
        STEP: widths[:-1],
        FEW: list(FITTED),
        ERROR: mean(pools.error),
        NLL: mean(one),
        CALIBRATED: mean(pools.calibrated),
        RISE: mean(one[:, peak, None] - one[:, [low, wide]]),
        CALIBRATED_FALL: mean(best[:, low] - best[:, peak]),
        MARGIN: mean(steps + steps.mean(axis=1, keepdims=True)),
        APART: mean(apart),
        EXPONENT: jackknife(of_few, lambda m: curves.exponents(widths, m)),
        REST: jackknife(of_few, lambda m: curves.residual(widths, m)),
        TURN: mean(_turn(pools.calibrated)),
    }


def theory(config: Config, axes: Axes) -> Values:
    """The peak is where the training error vanishes, up to a step in width."""
    widths, peak = axes[WIDTH], places.measured_at(axes).peak
    return {APART: Theory(0.0, bias=np.log(widths[peak + 1] / widths[peak - 1]) / 2)}


def compare(config: Config, found: Found) -> list[Claim]:
    """The peak and its place, its absence after calibration, the power law in width, and where it ends."""
    many, (low, peak, wide) = config.teachers, found[PLACE].value
    return [
        found[RISE].weakest().exceeds(
            "double-descent", f"From {low} to {peak} hidden units the loss of one network rises, and from there to "
            f"{wide} it falls again.", sigmas=4, samples=many,
        ),
        found[APART].equals(
            "peak-place",
            f"The loss of one network peaks where the training error falls below {100 * places.REACHED:g} %, up to a "
            "step in width.", resolution=float(np.log(wide / config.widths[0]) / 2), samples=many,
        ),
        found[CALIBRATED_FALL].exceeds(
            "calibration-removes-it", f"From {low} to {peak} hidden units the calibrated loss of one network falls.",
            sigmas=4, samples=many,
        ),
        found[MARGIN].weakest().exceeds(
            "no-step-up",
            "No step in width raises the calibrated loss of one network by as much as a step lowers it on average.",
            sigmas=4, samples=many,
        ),
        *(
            curves.follows(
                found[REST][k], found[EXPONENT][k], f"law-{size}",
                f"With {_members(size)} the calibrated loss of ensembles is a power law in width", many,
            )
            for k, size in enumerate(FITTED)
        ),
        found[TURN][-1].exceeds(
            "law-ends",
            f"From {_first(found)} members on the calibrated loss of ensembles is no power law in width: the widest "
            "networks are worse than narrower ones.", sigmas=4, samples=many,
        ),
    ]  # fmt: skip


def draw_descent(config: Config, found: Found, panel: Panel) -> None:
    """Before and after calibration, with the training error."""
    one = found[CALIBRATED].along(MEMBERS)[0]
    panel.points(NLL, "one network", color=1)
    panel.points(one, "calibrated", color=0)
    dense = np.geomspace(config.widths[0], config.widths[-1], 80)
    panel.curve(dense, curves.fitted(config.widths, one.value, dense), f"fit, a = {float(found[EXPONENT][0]):.2f}",
                color=0)  # fmt: skip
    panel.right("training error").curve(config.widths, found[ERROR].value, "training error", style="--", width=1)
    panel.place(float(found[PLACE].value[1]))
    panel.set(xscale="log", title="Calibration removes the peak")
    panel.note("fit: c + b h^-a of h hidden units; dotted: interpolation width")


def draw_ensembles(config: Config, found: Found, panel: Panel) -> None:
    """Calibrated loss against width for several sizes of the ensemble."""
    loss = found[CALIBRATED].along(MEMBERS)
    shown = np.flatnonzero(found[MEMBERS].value != 3)
    for color, k in enumerate([*shown[:: max(1, len(shown) // 4)][:4], shown[-1]]):
        panel.points(loss[k], _members(int(found[MEMBERS].value[k])), color=color)
        panel.curve(config.widths, loss[k].value, color=color, width=1)
    panel.set(xscale="log", title="Large ensembles have a best width")


PANELS = (draw_descent, draw_ensembles)


def _members(size: int) -> str:
    return f"{size} member{'s'[: size - 1]}"


def _apart(widths: Floats, loss: Floats, error: Floats) -> float:
    """The logarithm of the width where the loss peaks after its first dip over that of vanishing error."""
    logs = np.log(widths)
    start = int(loss[: int((error < places.REACHED).argmax()) + 1].argmin())
    highest = start + int(loss[start:].argmax())
    near = slice(max(highest - 1, 0), highest + 2)
    top = vertex(logs[near], loss[near]) if len(logs[near]) == 3 else np.nan
    return float(np.where(np.isnan(top), logs[highest], top)) - places.vanishing(widths, error)


def _turn(losses: Floats) -> Floats:
    """Loss of the widest networks minus that at the width that all other teachers find best (teacher, size)."""
    best = leave_one_out(losses).argmin(axis=1)
    return losses[:, -1] - np.take_along_axis(losses, best[:, None], axis=1)[:, 0]


def _first(found: Found) -> int:
    """The least number of members from which on the widest networks are worse by four standard errors."""
    turn = found[TURN]
    uncertain = np.flatnonzero(turn.value < 4 * turn.se)
    return int(found[MEMBERS].value[min(uncertain.max(initial=-1) + 1, len(turn.value) - 1)])
