"""Scene 4, the talk's "Increasing the width and ensemble size": averages of K networks on the same data.

E_K, the excess risk of the average of K networks, is E_inf + (E_1 - E_inf)/K at every finite size. E_inf is the risk of
kernel ridge regression at the effective ridge, and has no peak: what diverges where the number of features N is that of
examples n is the variance over initialisations, and averaging removes it.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simlab.core.checks import Floats
from simlab.lab.scene import Axes, Claim, Cost, Found, InputError, Lab, Panel, Theory, Values, axis, quantity
from simlab.statistics import jackknife, mean
from simlab.studies.random_features import costs, networks, problem, replicates
from simlab.studies.random_features.config import Config
from simlab.studies.random_features.replicates import Block
from simlab.theory import random_features as theory_of

SOURCE = "talk, Increasing the width and ensemble size; Jacot et al. 2020"
EFFECTIVE = "random_features#infinitely-many-networks-the-effective-ridge"
VARIANCE_OF = "random_features#what-diverges-at-n--n-and-how-it-decays"
"""Where theories are derived."""
WIDTH = axis("number of features N")
MEMBERS = axis("members K of an ensemble")
FEW = axis("members K whose average is predicted from other members")
RANGE = axis("features over examples, N/n, averaged over ranges")
RISK = quantity("excess risk E_K", MEMBERS, WIDTH, equation=EFFECTIVE)
RISK_LIMIT = quantity("excess risk E_K for d -> infinity, from d/2 and d", MEMBERS, WIDTH, equation=EFFECTIVE)
GAP = quantity(
    "E_K minus (E_inf + (E_1 - E_inf)/K) of other members, over the theoretical E_K", FEW, equation=EFFECTIVE
)
LIMIT = quantity("E_inf over theory, minus 1, for d -> infinity", RANGE, equation=EFFECTIVE)
VARIANCE = quantity("E_1 - E_inf over theory, minus 1, for d -> infinity", RANGE, equation=VARIANCE_OF)
RISE = quantity("excess risk E_K at N = n minus that at N = n/3", MEMBERS, equation=VARIANCE_OF)
EXPONENT = quantity("exponent of N in E_1 - E_inf, N >= 2n, for d -> infinity", equation=VARIANCE_OF)

SHARES = np.array([1 / 6, 1 / 4, 1 / 3, 1 / 2, 2 / 3, 5 / 6, 1, 7 / 6, 4 / 3, 2, 8 / 3, 10 / 3, 4, 5])
"""Widths over the number of examples."""
THIRD, PEAK, WIDE = 2, 6, 9
"""Places in SHARES: N = n/3, N = n, and from where on the power law is fitted."""
RANGES = 5


def check(config: Config) -> None:
    """Refuse settings at which theory has no peak for averaging to remove."""
    risks = reference(config, widths(config, config.dimension), config.dimension, (1, np.inf))
    one, many = risks[:, [THIRD, PEAK]]
    if one[1] < 1.05 * one[0] or many[1] > 0.98 * many[0]:
        raise InputError(
            f"noise = {config.noise:g}, ensemble_ridge = {config.ensemble_ridge:g}, samples = {config.samples:g}, "
            f"activation = {config.activation}: between N = n/3 and N = n theory has no peak that averaging removes; "
            "change one of them."
        )


def cost(config: Config) -> list[Cost]:
    """A regression for every member and width of every problem."""
    fields = ("dimension", "samples", "members", "tests")
    return costs.cost(fields, replicates.both(config), partial(_need, config))


def simulate(config: Config, lab: Lab) -> Values:
    """E_1, E_K and E_inf at every width, and the identity between them from different members."""
    both = replicates.gather(lab, pairs, config, replicates.both(config), partial(_need, config), "ensembles")
    dimensions, width, members = replicates.sizes(config), widths(config, config.dimension), ensemble_sizes(config)
    risks = [risk(products, members) for products in both]  # (replicate, members, width)
    exact = [reference(config, widths(config, d), d, members) for d in dimensions]
    relative = [measured / t - 1 for measured, t in zip(risks, exact, strict=True)]
    variances = [measured[:, 0] - measured[:, -1] for measured in risks]
    over = [v / (t[0] - t[-1]) - 1 for v, t in zip(variances, exact, strict=True)]
    slopes = [jackknife(v, partial(_slope, widths(config, d))) for d, v in zip(dimensions, variances, strict=True)]
    return {
        WIDTH: width, MEMBERS: members, FEW: members[1:-1],
        RANGE: replicates.middles(width / round(config.samples * config.dimension), RANGES),
        RISK: mean(risks[-1]),
        RISK_LIMIT: replicates.risk_at_infinity(exact[-1], *relative),
        GAP: mean(_gap(both[-1], members[1:-1], exact[-1][1:-1])),
        LIMIT: replicates.limit(*(replicates.ranges(r[:, -1], RANGES) for r in relative)),
        VARIANCE: replicates.limit(*(replicates.ranges(r, RANGES) for r in over)),
        RISE: mean(risks[-1][..., PEAK] - risks[-1][..., THIRD]),
        EXPONENT: replicates.at_infinity(*slopes),
    }  # fmt: skip


def pairs(config: Config, block: Block, lab: Lab) -> Floats:
    """Products of residuals of all members (replicate, width, member, member); the widths of a member are nested."""
    return np.array([_pairs(config, lab, block.dimension, replicate) for replicate in block.replicates])


def theory(config: Config, axes: Axes) -> Values:
    """The closed form for one, K and infinitely many members."""
    risks = reference(config, axes[WIDTH], config.dimension, axes[MEMBERS])
    slopes = []
    for d in replicates.sizes(config):
        one, many = reference(config, widths(config, d), d, (1, np.inf))
        slopes.append(_slope(widths(config, d), one - many))
    return {
        RISK: Theory(risks), RISK_LIMIT: Theory(risks), GAP: Theory(0.0), LIMIT: Theory(0.0), VARIANCE: Theory(0.0),
        RISE: Theory(risks[:, PEAK] - risks[:, THIRD]), EXPONENT: Theory(replicates.extrapolated(*slopes)),
    }  # fmt: skip


def compare(config: Config, found: Found) -> list[Claim]:
    """The identity, the effective ridge, the peak that averaging removes, and the power law."""
    identities = [
        found[GAP][i].equals(
            f"identity-{k}",
            f"The average of {k} networks has the risk E_inf + (E_1 - E_inf)/{k}, where E_1 of one network and E_inf "
            "of infinitely many are measured on other networks.",
            resolution=0.2,
        )
        for i, k in enumerate(ensemble_sizes(config)[1:-1])
    ]  # fmt: skip
    return [
        *identities,
        found[VARIANCE].agrees(
            "variance-over-initialisations",
            "The part E_1 - E_inf of the risk of a network that averaging over initialisations removes follows theory "
            "at all widths as the dimension d grows.",
        ),
        found[LIMIT].agrees(
            "effective-ridge",
            "The average of infinitely many networks has the risk of kernel ridge regression at the effective ridge, "
            "at all widths as the dimension d grows.",
        ),
        found[RISE][0].exceeds(
            "peak-of-one",
            "The risk of one network has a peak: it rises from N = n/3 to N = n (N features, n examples).", sigmas=6,
        ),
        found[RISE][-1].below(
            "averaging-removes-the-peak",
            "The risk of the average of infinitely many networks has no peak: it falls from N = n/3 to N = n (N "
            "features, n examples).", sigmas=6,
        ),
        found[EXPONENT].equals(
            "power-law",
            "The part E_1 - E_inf of the risk of a network that averaging removes falls with the number of features as "
            f"N^{float(found[EXPONENT].reference):.2f} beyond N = 2n, as theory predicts; its limit is N^-1.",
            resolution=0.5,
        ),
    ]  # fmt: skip


def draw_risk(config: Config, found: Found, panel: Panel) -> None:
    """E_1, E_K and E_inf against width."""
    n, d = round(config.samples * config.dimension), config.dimension
    width = found[WIDTH].value
    dense = np.geomspace(width[0], width[-1], 400)
    for i, (members, curve) in enumerate(
        zip(ensemble_sizes(config), reference(config, dense, d, ensemble_sizes(config)), strict=True)
    ):  # fmt: skip
        label = "K to infinity" if members == np.inf else f"K = {members:g}"
        panel.points(found[RISK_LIMIT][i], label, x=width / n, color=i)
        panel.curve(dense / n, curve, color=i)
    panel.set(xscale="log", yscale="log", title="Averaging K networks removes the peak", ylabel="excess risk",
              xlabel="features over examples, N/n")  # fmt: skip
    panel.note(
        f"n = {config.samples:g} d examples, noise {config.noise:g}, ridge lambda = {config.ensemble_ridge:g} at every "
        f"width; points for d to infinity, from {replicates.described(config)}; lines theory"
    )


PANELS = (draw_risk,)


def widths(config: Config, dimension: int) -> NDArray[np.int64]:
    """Widths for a problem of this dimension."""
    return np.maximum(1, np.round(SHARES * round(config.samples * dimension))).astype(int)


def ensemble_sizes(config: Config) -> list[float]:
    """Members of the ensembles: one, a few, and infinitely many."""
    return [1, 2, config.members // 2, np.inf] if config.members > 4 else [1, 2, np.inf]


def reference(config: Config, width: ArrayLike, dimension: int, members: ArrayLike) -> Floats:
    """Exact excess risk of ensembles of these sizes at these widths (members, width)."""
    psi2 = round(config.samples * dimension) / dimension
    return theory_of.risk(
        np.asarray(width) / dimension, psi2, config.ensemble_ridge, activation=config.activation, noise=config.noise,
        members=np.asarray(members)[:, None],
    )  # fmt: skip


def risk(pairs: Floats, members: list[float]) -> Floats:
    """E_K (replicate, members, width) from products (replicate, width, member, member)."""
    rows = [networks.infinite(pairs) if k == np.inf else networks.average(pairs, int(k)) for k in members]
    return np.stack(rows, axis=1)


def _gap(pairs: Floats, members: list[float], exact: Floats) -> Floats:
    """E_K of one half of the members minus what the other half predicts, in units of the exact E_K (replicate, few)."""
    half = pairs.shape[-1] // 2
    first, second = pairs[..., :half, :half], pairs[..., half:, half:]
    one, many = networks.single(first), networks.infinite(first)
    rows = [
        ((networks.average(second, int(k)) - (many + (one - many) / k)) / t).mean(axis=1)
        for k, t in zip(members, exact, strict=True)
    ]
    return np.stack(rows, axis=1)


def _slope(width: NDArray[np.int64], variance: Floats) -> Floats:
    """Exponent of N in the variance over initialisations, from N = 2n on."""
    x = np.log(width[WIDE:])
    x = x - x.mean()
    return np.log(variance[..., WIDE:]) @ x / (x @ x)


def _pairs(config: Config, lab: Lab, dimension: int, replicate: int) -> Floats:
    """Products of residuals of all members (width, member, member), on one problem."""
    key, device = lab.key("ensembles", dimension, replicate), lab.device
    n, width = round(config.samples * dimension), widths(config, dimension)
    data = problem.draw(key, n, dimension, config.tests, config.noise, device)
    theta = problem.members(key, config.members, int(width[-1]), dimension, device)
    return networks.nested(data, theta, width, config.activation, config.ensemble_ridge, device)


def _need(config: Config, dimension: int) -> costs.Need:
    width = widths(config, dimension)
    one = networks.need(round(config.samples * dimension), dimension, config.tests, width, config.members)
    return one._replace(kept=len(SHARES) * config.members**2)
