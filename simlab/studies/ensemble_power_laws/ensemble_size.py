"""Scene 2, the talk's "Increasing the width and ensemble size": calibrated losses follow c + b n^-a with a < 1.

At any fixed temperature a is 1. The best temperature falls with n, and the calibrated curve is the lower envelope of
the fixed ones; it moves most at the interpolation width, and there a is least.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simlab.core.checks import Floats
from simlab.lab.scene import (
    Axes,
    Beside,
    Claim,
    Expected,
    Fit,
    Found,
    HeldOut,
    Lab,
    Panel,
    Theory,
    Values,
    axis,
    quantity,
)
from simlab.statistics import jackknife, mean, power_laws
from simlab.studies.ensemble_power_laws import curves, needs, places, pool, quantities
from simlab.studies.ensemble_power_laws.config import Config
from simlab.studies.ensemble_power_laws.curves import VISIBLE, exponents
from simlab.studies.ensemble_power_laws.quantities import CALIBRATED, MEMBERS, PLACE, SIDE, WIDTH

SOURCE = "talk, Increasing the width and ensemble size; Lobacheva et al. 2020"
FITTED = "ensembles#a-temperature-that-is-fitted"
"""Where the loss at a fitted temperature is derived."""
PARTS = (quantities,)
TAIL = 4
"""The envelope's exponent is fitted to this many of the largest sizes: for few members its series is not valid."""
BEYOND = 0.25
"""The share of the gain of few members that may be due to the orders left out of the series."""

RIVAL = axis("alternative function of n")
TAU = quantity("best temperature", WIDTH, MEMBERS, equation=FITTED)
ENVELOPE = quantity("lowest over temperatures of c + b/n of the members", WIDTH, MEMBERS, unit="nat", equation=FITTED)
EXCESS = quantity("loss of one network that is due to few validation data, mean over widths", unit="nat")
EXPONENT = quantity("exponent a", WIDTH)
FIXED_EXPONENT = quantity(
    "exponent at the one temperature that is best for all members", WIDTH, equation="ensembles#a-fixed-temperature"
)
LATE = quantity(f"exponent of the last {TAIL} sizes", WIDTH)
ENVELOPE_LATE = quantity(f"exponent of the last {TAIL} sizes of the envelope", WIDTH, equation=FITTED)
ABOVE = quantity("calibrated NLL minus c", PLACE, MEMBERS, unit="nat")
REST = quantity("residual of the power law over the range of the loss", WIDTH)
DIP = quantity("exponent a minus that at the interpolation width", SIDE)
ENVELOPE_DIP = quantity(
    f"exponent of the last {TAIL} sizes of the envelope minus that at interpolation", SIDE, equation=FITTED
)
HELD = quantity("exponent at one fixed temperature minus that at the best ones, at interpolation", equation=FITTED)
RISE = quantity("exponent between sizes at large n minus that at small n, at interpolation", equation=FITTED)
RIVAL_REST = quantity("residual of an alternative function over the range of the loss, at interpolation", RIVAL)
GAINED = quantity("gain of few members from their own best temperature", WIDTH, unit="nat", equation=FITTED)
SHARE = quantity("predicted over measured gain of few members from their own best temperature", WIDTH, equation=FITTED)
check, cost = needs.check, needs.teachers


def simulate(config: Config, lab: Lab) -> Values:
    """Calibrated losses, their exponents, and the gain from a temperature for each size, measured and predicted."""
    pools, n = pool.teachers(config, lab), pool.sizes(config)
    late, three = n[-TAIL:], list(places.find(config, pools.error))
    above = jackknife(pools.calibrated[:, three], lambda m: m - power_laws(n, m).c[..., None])
    gains = np.stack([pools.moved, pools.moved_predicted], axis=1)
    return {
        **pool.coordinates(config, pools, n),
        CALIBRATED: mean(pools.calibrated),
        TAU: mean(pools.tau),
        ENVELOPE: mean(pools.envelope),
        EXCESS: mean(pools.excess.mean(axis=1)),
        EXPONENT: jackknife(pools.calibrated, lambda m: exponents(n, m)),
        FIXED_EXPONENT: jackknife(pools.fixed, lambda m: exponents(n, m)),
        LATE: jackknife(pools.calibrated[..., -TAIL:], lambda m: exponents(late, m)),
        ENVELOPE_LATE: jackknife(pools.envelope[..., -TAIL:], lambda m: exponents(late, m)),
        ABOVE: Beside(above, Fit(curves.fitted(n, above.value, n))),
        REST: jackknife(pools.calibrated, lambda m: curves.residual(n, m)),
        **_at_interpolation(config, pools, n),
        GAINED: Beside(mean(pools.moved), HeldOut(pools.moved_predicted.mean(axis=0))),
        SHARE: Beside(jackknife(gains, lambda m: m[1] / m[0]), Expected(1.0)),
    }


def theory(config: Config, axes: Axes) -> Values:
    """At a fixed temperature the exponent is 1."""
    return {FIXED_EXPONENT: Theory(1.0)}


def compare(config: Config, found: Found) -> list[Claim]:
    """The power law at three widths and against others, the dip of its exponent, and checks of the explanation."""
    many, three = config.teachers, places.named(found.axes)
    return [
        *(
            curves.follows(
                found[REST][place.at], found[EXPONENT][place.at], f"law-{place.name}",
                f"At {place.words} the calibrated loss of n networks is c + b n^-a from n = 1 to {config.members}",
                many,
            )
            for place in three
        ),
        *_dips(config, found),
        *_explained(config, found),
        *(
            found[SHARE][place.at].equals(
                f"envelope-{place.name}",
                f"At {place.words} other networks predict what ensembles of {pool.sixteenth(config)} gain from their "
                f"own best temperature, up to {100 * BEYOND:g} % for orders left out of the series in 1/n.",
                bias=BEYOND, resolution=1.0, samples=many,
            )
            for place in three
        ),
    ]  # fmt: skip


def draw_loss(config: Config, found: Found, panel: Panel) -> None:
    """Calibrated loss minus c on logarithmic axes."""
    for k, place in enumerate(places.named(found.axes)):
        a = float(found[EXPONENT][place.at])
        panel.points(found[ABOVE][k], f"{config.widths[place.at]} hidden units", color=k)
        panel.line(found[ABOVE][k], f"fit, a = {a:.2f}", color=k)
    panel.set(xscale="log", yscale="log", title="Calibrated: a power law")
    panel.note("c + b n^-a fitted to each curve; NLL at the best temperature after averaging")


def draw_exponents(config: Config, found: Found, panel: Panel) -> None:
    """Exponents against width."""
    start = found[MEMBERS].value[-TAIL]
    panel.points(EXPONENT, "best temperature at each n", color=0)
    panel.points(FIXED_EXPONENT, "fixed temperature", color=1)
    panel.line(FIXED_EXPONENT, "fixed temperature, theory", color=1)
    panel.points(LATE, f"best temperature, n ≥ {start}", color=2)
    panel.curve(config.widths, found[ENVELOPE_LATE].value, f"envelope of c + b/n, n ≥ {start}", color=2)
    panel.place(_interpolation(found))
    panel.set(xscale="log", title="Its exponent dips where nets interpolate", ylabel="exponent a")
    panel.note("fixed: best for all members; envelope: lowest c + b/n over temperatures; dotted: interpolation width")


def draw_temperatures(config: Config, found: Found, panel: Panel) -> None:
    """The best temperature against the number of members, at three widths."""
    for color, place in enumerate(places.named(found.axes)):
        panel.points(found[TAU][place.at], f"{config.widths[place.at]} hidden units", color=color)
    panel.level(1, "no calibration")
    panel.set(xscale="log", title="The best temperature falls with n")
    panel.note("fitted to the validation data after averaging, mean over teachers")


def draw_gains(config: Config, found: Found, panel: Panel) -> None:
    """What few members gain from their own best temperature, and what other members predict."""
    panel.points(GAINED, "measured")
    panel.line(GAINED, "c + b/n of other members")
    panel.place(_interpolation(found))
    panel.set(xscale="log", yscale="log", title="Gain from refitting the temperature",
              ylabel=f"gain of {pool.sixteenth(config)} members (nat)")  # fmt: skip
    panel.note("over the temperature that is best for all members together; dotted: the interpolation width")


PANELS = (draw_loss, draw_exponents, draw_temperatures, draw_gains)


def _at_interpolation(config: Config, pools: pool.Pool, n: NDArray[np.int64]) -> Values:
    """How the interpolation width differs from the others, and how its curve differs from other functions of n."""
    low, peak, wide = three = list(places.find(config, pools.error))
    both = np.stack([pools.fixed[:, peak], pools.calibrated[:, peak]], axis=1)
    rivals = {"line in 1/n": 1 / n, "line in ln n": np.log(n)}
    lines = jackknife(
        pools.calibrated[:, peak], lambda m: np.array([curves.residual_of_line(x, m) for x in rivals.values()])
    )
    return {
        SIDE: np.array(config.widths)[[low, wide]],
        RIVAL: list(rivals),
        DIP: jackknife(pools.calibrated[:, three], lambda m: _dip(n, m)),
        ENVELOPE_DIP: jackknife(pools.envelope[:, three, -TAIL:], lambda m: _dip(n[-TAIL:], m)),
        HELD: jackknife(both, lambda m: -np.diff(exponents(n, m))[0]),
        RISE: jackknife(pools.calibrated[:, peak, n != 3], _rise),
        RIVAL_REST: lines,
    }


def _dip(n: NDArray[np.int64], losses: Floats) -> Floats:
    """The exponent at the narrow and at the wide place minus that at the peak, from losses (place, size)."""
    low, peak, wide = exponents(n, losses)
    return np.array([low - peak, wide - peak])


def _rise(losses: Floats) -> float:
    """The exponent between sizes a factor 2 apart: its mean at large n minus that at small n."""
    falls = -np.diff(losses)
    local = np.log2(falls[:-1] / falls[1:])
    half = len(local) // 2
    return float(local[half:].mean() - local[:half].mean())


def _dips(config: Config, found: Found) -> list[Claim]:
    """The exponent is smallest at interpolation."""
    many, (narrow, peak, wide) = config.teachers, places.WORDS.values()
    return [
        found[DIP][0].exceeds(
            "dip-narrow",
            f"The exponent a of the calibrated loss c + b n^-a of n networks is smaller at {peak} than at {narrow}.",
            sigmas=4, samples=many,
        ),
        found[DIP][1].exceeds(
            "dip-wide",
            f"The exponent a of the calibrated loss c + b n^-a of n networks is smaller at {peak} than at {wide}.",
            sigmas=4, samples=many,
        ),
        found[HELD].exceeds(
            "moving-temperature",
            f"At {peak} the exponent of the loss in the number of networks is larger at one fixed temperature than at "
            "the best temperature of each number.", sigmas=4, samples=many,
        ),
    ]  # fmt: skip


def _explained(config: Config, found: Found) -> list[Claim]:
    """What the power law is, and that it comes from the envelope of fixed temperatures."""
    many, start = config.teachers, found[MEMBERS].value[-TAIL]
    peak = places.measured_at(found.axes).peak
    return [
        found[RISE].exceeds(
            "no-pure-law",
            "At the interpolation width the exponent of the calibrated loss rises with the number of networks: the "
            "power law is effective, and its exponent an average.", sigmas=4, samples=many,
        ),
        found[RIVAL_REST].weakest(VISIBLE).exceeds(
            "no-other-law",
            "At the interpolation width neither c + b/n nor c - b ln n comes within "
            f"{100 * VISIBLE:g} % of the range of the calibrated loss of n networks.", VISIBLE, sigmas=4, samples=many,
        ),
        found[ENVELOPE_DIP].weakest().exceeds(
            "envelope-dip",
            f"The exponent of the lower envelope over temperatures of the series c + b/n, from n = {start} networks "
            "on, is smallest at the interpolation width, too.", sigmas=4, samples=many,
        ),
        found[FIXED_EXPONENT][peak].equals(
            "fixed-exponent",
            "At one fixed temperature the exponent of the loss in the number of networks is 1 at the interpolation "
            "width, up to a tenth of the distance of the calibrated exponent from 1.",
            bias=0.1 * abs(1 - float(found[EXPONENT][peak])), samples=many,
        ),
    ]  # fmt: skip


def _interpolation(found: Found) -> float:
    """The interpolation width."""
    return float(found[PLACE].value[1])
