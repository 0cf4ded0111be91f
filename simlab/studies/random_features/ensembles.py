"""Scene 4, the talk's "Increasing the width and ensemble size": averages of K networks on the same data.

E_K = E_inf + (E_1 - E_inf)/K at every finite size; E_inf is kernel ridge regression at the effective ridge, and has no
peak: what diverges at N = n is the variance over initialisations, and averaging removes it.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from simlab.core.checks import Floats
from simlab.core.device import Device
from simlab.core.errors import InputError
from simlab.core.progress import Progress
from simlab.lab import plot as look
from simlab.lab.claim import Claim
from simlab.lab.cost import Cost, affordable
from simlab.lab.quantities import given, measured, measured_jointly, predicted
from simlab.statistics import chi_square, jackknife, mean
from simlab.studies.random_features import networks, problem
from simlab.studies.random_features.config import Config
from simlab.theory import random_features as theory_of

PANELS = 1
SHARES = np.array([1 / 6, 1 / 4, 1 / 3, 1 / 2, 2 / 3, 5 / 6, 1, 7 / 6, 4 / 3, 2, 8 / 3, 10 / 3, 4, 5])
"""Widths over the number of examples."""
THIRD, PEAK, WIDE = 2, 6, 9
"""Places in SHARES: N = n/3, N = n, and from where on the power law is fitted."""
RANGES = 5
SOURCE = "talk, Increasing the width and ensemble size; Jacot et al. 2020"


def check(config: Config) -> None:
    """Refuse settings at which theory has no peak for averaging to remove."""
    one, many = (
        _reference(config, widths(config, config.dimension), config.dimension, k)[[THIRD, PEAK]] for k in (1, np.inf)
    )
    if one[1] < 1.05 * one[0] or many[1] > 0.98 * many[0]:
        raise InputError(
            f"noise = {config.noise:g}, ensemble_ridge = {config.ensemble_ridge:g}, samples = {config.samples:g}, "
            f"activation = {config.activation}: between N = n/3 and N = n theory has no peak that averaging removes; "
            "change one of them."
        )
    affordable(config, cost(config))


def cost(config: Config) -> list[Cost]:
    """A regression for every member and width of every problem."""
    fields = ("dimension", "samples", "members", "tests")

    def need(dimension: int) -> problem.Need:
        own = networks.need(round(config.samples * dimension), dimension, config.tests, widths(config, dimension),
                            config.members)  # fmt: skip
        return own._replace(kept=len(SHARES) * config.members**2)

    return problem.cost(config, fields, need)


def simulate(config: Config, device: Device, progress: Progress) -> xr.Dataset:
    """E_1, E_inf and E_K at every width, and the identity between them from different members."""
    # (replicate, width, member, member) for d/2 and d
    both = problem.at_all_sizes(config, progress, "ensembles", lambda d, r: _pairs(config, d, r, device))
    whole, dimensions = both[-1], problem.sizes(config)
    one, all_of_them = networks.single(whole), networks.infinite(whole)
    counts = _counts(config)
    found: dict[str, Any] = given("width", "width", widths(config, config.dimension), "number of features N")
    found |= given("members", "members", counts, "members K of an ensemble")
    found |= measured("single", "width", mean(one), "excess risk E_1 of one network")
    found |= measured("infinite", "width", mean(all_of_them), "excess risk E_inf of an average of infinitely many")
    half = config.members // 2
    first, second = whole[..., :half, :half], whole[..., half:, half:]
    foretold = [networks.infinite(first) + (networks.single(first) - networks.infinite(first)) / k for k in counts]
    scale = [_reference(config, widths(config, config.dimension), config.dimension, k) for k in counts]
    gaps = [
        ((networks.average(second, k) - f) / s).mean(axis=1) for k, f, s in zip(counts, foretold, scale, strict=True)
    ]
    found |= measured("gap", "members", mean(np.stack(gaps, axis=1)), "E_K less E_inf + (E_1 - E_inf)/K, over E_K")
    average = np.stack([networks.average(whole, k) for k in counts], axis=1)
    found |= measured("average", ("members", "width"), mean(average), "excess risk E_K of an average of K")
    relative, features = [], []
    for d, pairs in zip(dimensions, both, strict=True):
        theirs = [_reference(config, widths(config, d), d, k) for k in (1, np.inf)]
        mine = [networks.single(pairs), networks.infinite(pairs)]
        relative.append(problem.ranges(mine[1] / theirs[1] - 1, RANGES))
        features.append(problem.ranges((mine[0] - mine[1]) / (theirs[0] - theirs[1]) - 1, RANGES))
    found |= measured_jointly("limit", "range", problem.limit(*relative), "E_inf over theory, less 1")
    found |= measured_jointly("spread", "range", problem.limit(*features), "E_1 - E_inf over theory, less 1")
    found |= measured("fall", (), mean(all_of_them[:, THIRD] - all_of_them[:, PEAK]), "E_inf at n/3 less E_inf at n")
    found |= measured("rise", (), mean(one[:, PEAK] - one[:, THIRD]), "E_1 at n less E_1 at n/3")
    slopes = [
        jackknife(networks.single(p) - networks.infinite(p), partial(_slope, widths(config, d)))
        for d, p in zip(dimensions, both, strict=True)
    ]
    found |= measured(
        "exponent", (), problem.at_infinity(*slopes), "exponent of N in E_1 - E_inf, N >= 2n, d -> infinity"
    )
    return xr.Dataset(found)


def theory(config: Config, simulation: xr.Dataset) -> xr.Dataset:
    """The closed form for one, K and infinitely many members."""
    width, d = simulation["width"].values, config.dimension
    one, many = (_reference(config, width, d, k) for k in (1, np.inf))
    average = np.array([_reference(config, width, d, k) for k in simulation["members"].values])
    found: dict[str, Any] = predicted("single", "width", one, "excess risk E_1 of one network")
    found |= predicted("infinite", "width", many, "excess risk E_inf of an average of infinitely many")
    found |= predicted("average", ("members", "width"), average, "excess risk E_K of an average of K")
    found |= predicted("gap", "members", np.zeros(len(average)), "E_K less E_inf + (E_1 - E_inf)/K")
    found |= predicted("limit", "range", np.zeros(RANGES), "E_inf over theory, less 1")
    found |= predicted("spread", "range", np.zeros(RANGES), "E_1 - E_inf over theory, less 1")
    found |= predicted("fall", (), many[THIRD] - many[PEAK], "E_inf at n/3 less E_inf at n")
    found |= predicted("rise", (), one[PEAK] - one[THIRD], "E_1 at n less E_1 at n/3")
    slopes = []
    for size in problem.sizes(config):
        own = widths(config, size)
        slopes.append(float(_slope(own, _reference(config, own, size, 1) - _reference(config, own, size, np.inf))))
    found |= predicted("exponent", (), problem.extrapolated(*slopes), "exponent of N in E_1 - E_inf, N >= 2n")
    return xr.Dataset(found)


def compare(config: Config, data: xr.Dataset) -> list[Claim]:
    """The identity, the effective ridge, the peak that averaging removes, and the power law."""
    exponent = float(data.exponent_theory)
    claims = [
        Claim.equals(
            f"ensembles/identity-{k}",
            f"The average of {k} has E_inf + (E_1 - E_inf)/{k}, both measured on other members.", SOURCE,
            float(data.gap[i]), 0.0, float(data.gap_se[i]), resolution=0.2,
        )
        for i, k in enumerate(data["members"].values)
    ]  # fmt: skip
    joint = chi_square(data["limit"].values, data["limit_covariance"].values, config.replicates)
    features = chi_square(data["spread"].values, data["spread_covariance"].values, config.replicates)
    claims += [
        Claim.chi_square(
            "ensembles/variance-over-initialisations",
            "What averaging can remove, E_1 - E_inf, is that of theory at all widths as d grows.", SOURCE, *features,
        ),
        Claim.chi_square(
            "ensembles/effective-ridge",
            "Infinitely many networks are kernel ridge regression at the effective ridge, at all widths as d grows.",
            SOURCE, *joint,
        ),
        Claim.exceeds(
            "ensembles/peak-of-one", "One network has the peak: E_1 rises from N = n/3 to N = n.", SOURCE,
            float(data.rise) / float(data.rise_se), sigmas=6,
        ),
        Claim.exceeds(
            "ensembles/averaging-removes-the-peak",
            "The average has none there: E_inf is lower at N = n than at N = n/3.", SOURCE,
            float(data.fall) / float(data.fall_se), sigmas=6,
        ),
        Claim.equals(
            "ensembles/power-law",
            f"E_1 - E_inf falls as N^{exponent:.2f} beyond N = 2n, as theory says; N^-1 is its limit.", SOURCE,
            float(data.exponent), exponent, float(data.exponent_se), resolution=0.5,
        ),
    ]  # fmt: skip
    return claims


def plot(config: Config, data: xr.Dataset, axes: list[Any]) -> None:
    """E_1, E_K and E_inf against width."""
    (panel,) = axes
    n, d = round(config.samples * config.dimension), config.dimension
    dense = np.geomspace(float(data["width"][0]), float(data["width"][-1]), 400)
    rows = [("K = 1", data.single, data.single_se, 1.0)]
    rows += [(f"K = {k}", data.average[i], data.average_se[i], k) for i, k in enumerate(data["members"].values)]
    rows += [("K to infinity", data.infinite, data.infinite_se, np.inf)]
    for i, (label, value, error, members) in enumerate(rows):
        look.points(panel, data["width"] / n, value, error, label, color=i)
        look.line(panel, dense / n, _reference(config, dense, d, members), "", color=i)
    panel.set(xscale="log", yscale="log", title="Averaging removes the peak", xlabel="N/n", ylabel="excess risk")


def widths(config: Config, dimension: int) -> Any:
    """Widths of this size of the problem."""
    return np.maximum(1, np.round(SHARES * round(config.samples * dimension))).astype(int)


def _counts(config: Config) -> list[int]:
    return [2, config.members // 2] if config.members > 4 else [2]


def _reference(config: Config, width: Any, dimension: int, members: float) -> Floats:
    psi2 = round(config.samples * dimension) / dimension
    return theory_of.risk(
        width / dimension, psi2, config.ensemble_ridge, activation=config.activation, noise=config.noise,
        members=members,
    )  # fmt: skip


def _slope(width: Any, variance: Floats) -> Floats:
    """Exponent of N in the variance over initialisations, from N = 2n on."""
    x = np.log(width[WIDE:])
    x = x - x.mean()
    return np.log(variance[..., WIDE:]) @ x / (x @ x)


def _pairs(config: Config, dimension: int, replicate: int, device: Device) -> Floats:
    """Products of residuals of all members (width, member, member); the widths of a member are nested."""
    own = problem.key(config, problem.ENSEMBLES, dimension, replicate)
    n, every = round(config.samples * dimension), widths(config, dimension)
    data = problem.draw(own, n, dimension, config.tests, config.noise, device)
    theta = problem.members(own, config.members, int(every[-1]), dimension, device)
    return networks.nested(data, theta, every, config.activation, config.ensemble_ridge, device)
