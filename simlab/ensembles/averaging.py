"""The probabilities of an ensemble: members averaged in log space, and every member used equally often.

A temperature comes after averaging (`nll`, `calibrate`, `curve`) or before (`average`, `temperature_before`).

Core axes last: log_probs (..., member, example, class) on either device, normalised over classes up to the
square root of the rounding eps of its precision (or of single precision); anything else is refused. Averages of float32
are float32, made in single precision, for they are as large as their input; all else is computed in float64, whatever
the input.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from simlab.core import checks
from simlab.core.device import Device
from simlab.ensembles.arguments import log_probabilities
from simlab.ensembles.calibration import cross_validated_nll
from simlab.nn.calibration import labels_of, nll, nll_at, temperature, tempered

Array = Any
MOST = 10**6
"""Largest number of members that are divided into groups."""
SPAN, PLACES, GOLDEN = 3.0, 25, 40
"""Temperatures before averaging: |ln tau| at most, places of the grid, and golden sections after it."""


def average(log_probs: Array, tau: Array | float = 1.0) -> Array:
    """The logarithm of the mean over members of softmax(log_probs / tau): (..., example, class).

    log_probs (..., member, example, class). tau is a temperature before averaging, a number or (..., member) or (...,
    1); for one after averaging see `nll` and `calibrate`. No probability is formed that could underflow.
    ValueError where there is no member, for logits, and for a tau that is not positive.
    """
    return _average(log_probabilities(log_probs, members=True), tau)


def _average(log_probs: Array, tau: Array | float = 1.0) -> Array:
    """The same for checked arguments."""
    xp, members = Device.of(log_probs).xp, log_probs.shape[-3]
    if not (isinstance(tau, (int, float)) and tau == 1):
        log_probs = tempered(log_probs, tau)
    if members == 1:
        return log_probs[..., 0, :, :]
    largest = log_probs.max(axis=-3, keepdims=True)
    largest = xp.where(largest == -xp.inf, xp.asarray(0, dtype=largest.dtype), largest)  # no member has any
    total = xp.exp(log_probs - largest).sum(axis=-3)
    some = total > 0
    logs = xp.where(some, xp.log(xp.where(some, total, 1)), -xp.inf)
    return (logs + (largest[..., 0, :, :] - math.log(members))).astype(log_probs.dtype)


def partition(members: int, n: int) -> NDArray[np.int64]:
    """Ensembles of n out of so many members, as indices (group, n), such that every member is used equally often.

    The groups are laid end to end around a circle of the members until they close: lcm(members, n)/n groups. Any
    members // n neighbouring groups share no member and are independent; where n divides `members` all are.
    ValueError where n is not a whole number in 1 ... members, or members are more than a million.
    """
    members = checks.whole("members", members, 1, MOST)
    n = checks.whole("n", n, 1, members, allowed=f"in 1 ... {members}, the number of members")
    return np.arange(math.lcm(members, n), dtype=np.int64).reshape(-1, n) % members


def ensembles(log_probs: Array, n: int) -> Array:
    """The averages of all groups of `partition`: (..., member, example, class) -> (..., group, example, class)."""
    return _ensembles(log_probabilities(log_probs, members=True), n)


def _ensembles(log_probs: Array, n: int) -> Array:
    """The same for checked arguments."""
    xp = Device.of(log_probs).xp
    groups = partition(log_probs.shape[-3], n)
    # A group at a time: beside the averages no more memory is needed than that of one group.
    return xp.stack([_average(log_probs[..., xp.asarray(group), :, :]) for group in groups], axis=-3)


def nested(log_probs: Array, sizes: Iterable[int]) -> Iterator[Array]:
    """`ensembles(log_probs, n)` for each n of sizes in turn, to rounding, and faster: from averages already made.

    Where one size divides another and both divide the members, groups of the larger are made of groups of the smaller:
    1, 2, 4 ... together cost as much as two of them alone. Averages stay in memory until the last.
    """
    log_probs = log_probabilities(log_probs, members=True)
    return _nested(log_probs, _sizes(sizes, log_probs.shape[-3]))


def _nested(log_probs: Array, sizes: list[int]) -> Iterator[Array]:
    """The same for checked arguments."""
    members, made = log_probs.shape[-3], {1: log_probs}
    for n in sizes:
        even = len(partition(members, n)) * n == members
        part = max(k for k in made if k == 1 or (even and n % k == 0))
        groups = made[n] if n in made else _ensembles(made[part], n // part)
        if even:
            made[n] = groups
        yield groups


def _sizes(sizes: Iterable[int], members: int) -> list[int]:
    """Ensemble sizes between one and the number of members."""
    given: Any = sizes
    none = isinstance(given, (str, bytes)) or not isinstance(given, Iterable) or np.ma.is_masked(given)
    if none or getattr(given, "ndim", 1) != 1:
        raise ValueError(f"sizes must be numbers of members, got {checks.shown(sizes)}.")
    found = list(given)
    if not found:
        raise ValueError("sizes must hold at least one number of members.")
    try:
        return [checks.whole("n", n, 1, members) for n in found]
    except ValueError as error:
        raise ValueError(f"sizes must hold numbers of members, and each n must be in 1 ... {members}.") from error


class Curve(NamedTuple):
    """Losses of ensembles of n members, (..., size): means over the groups of `partition`.

    n (size) on the host. nll: uncalibrated. calibrated: at the best temperature after averaging. tau: that temperature,
    the geometric mean over groups.
    """

    n: NDArray[np.int64]
    nll: Array
    calibrated: Array
    tau: Array


def curve(
    log_probs: Array, labels: Array, sizes: Iterable[int], validation: tuple[Array, Array] | None = None
) -> Curve:
    """How the loss falls with the number of members: unbiased for ensembles of new members, at every n from all.

    labels (example) or (..., example). validation: (log_probs (..., member, example, class), labels) of the same
    members, on which each group's temperature is fitted; without it, `cross_validated_nll` on the test data.
    Points of one curve share members. For errors that know this, cut the members into blocks on an axis in front: the
    curves of blocks are independent given the training and the test data, and `simlab.statistics.joint_mean` or
    `jackknife` over the blocks has their covariance; over teachers, with data of their own, it has all of it.
    NaN in a member gives NaN in every result that it contributes to. ValueError for logits, labels that are no classes,
    sizes that are missing or not whole numbers in 1 ... members, or another number of members in validation.
    """
    log_probs = log_probabilities(log_probs, members=True)
    xp, sizes = Device.of(log_probs).xp, _sizes(sizes, log_probs.shape[-3])
    labels = labels_of(log_probs[..., 0, :, :], labels)[..., None, :]
    if validation is not None:
        fitted, known = _validation(log_probs, validation)
        held = _nested(fitted, sizes)
    plain, calibrated, taus = [], [], []
    for groups in _nested(log_probs, sizes):
        if validation is None:
            tau = temperature(groups, labels)
            uncalibrated, best = nll(groups, labels), cross_validated_nll(groups, labels)
        else:
            tau = temperature(next(held), known)
            uncalibrated, best = nll_at(groups, labels, (1.0, tau))
        plain.append(uncalibrated.mean(axis=-1))
        calibrated.append(best.mean(axis=-1))
        taus.append(xp.exp(xp.log(tau).mean(axis=-1)))
    return Curve(np.array(sizes), *(xp.stack(parts, axis=-1) for parts in (plain, calibrated, taus)))


def _validation(log_probs: Array, validation: Any) -> tuple[Array, Array]:
    """Log-probabilities (..., member, example, class) of the same members, and their labels (..., 1, example)."""
    if not isinstance(validation, (tuple, list)) or len(validation) != 2:
        raise ValueError(f"validation must be a pair (log_probs, labels), got {checks.shown(validation)}.")
    try:
        fitted = log_probabilities(validation[0], members=True)
        labels = labels_of(fitted[..., 0, :, :], validation[1])[..., None, :]
    except ValueError as error:
        raise ValueError(f"in validation, {error}") from error
    home, own = Device.of(log_probs).name, Device.of(fitted).name
    if own != home:
        raise ValueError(f"validation must be on the {home} as log_probs are, got an array of a {own}.")
    if fitted.shape[:-2] != log_probs.shape[:-2] or fitted.shape[-1] != log_probs.shape[-1]:
        raise ValueError(
            "validation must hold the log-probabilities of the same members as log_probs, got shapes "
            f"{tuple(fitted.shape)} and {tuple(log_probs.shape)}."
        )
    return fitted, labels


def temperature_before(log_probs: Array, labels: Array) -> Array:
    """The common temperature (...) of members (..., member, example, class) that is best for their average.

    The tau of least nll(average(log_probs, tau), labels). It may have several minima: the lowest of 25 places in
    |ln tau| <= 3 is refined by golden sections, to a millionth. In float64. NaN where a log-probability is NaN, and
    where the loss is infinite at every temperature. ValueError as in `average` and `nll`.
    """
    log_probs = log_probabilities(log_probs, members=True).astype("float64", copy=False)
    labels, xp = labels_of(log_probs[..., 0, :, :], labels), Device.of(log_probs).xp

    def loss(place: Array) -> Array:
        return nll(_average(log_probs, xp.exp(place)[..., None]), labels)

    lead = log_probs.shape[:-3]
    step = 2 * SPAN / (PLACES - 1)
    centre, lowest = xp.full(lead, -SPAN), loss(xp.full(lead, -SPAN))
    for k in range(1, PLACES):
        place = xp.full(lead, -SPAN + k * step)
        found = loss(place)
        centre, lowest = xp.where(found < lowest, place, centre), xp.minimum(found, lowest)
    golden = (math.sqrt(5) - 1) / 2
    low, high = centre - step, centre + step
    for _ in range(GOLDEN):
        left, right = high - golden * (high - low), low + golden * (high - low)
        better = loss(left) < loss(right)
        low, high = xp.where(better, low, left), xp.where(better, right, high)
    return xp.where(xp.isfinite(lowest), xp.exp((low + high) / 2), xp.nan)[()]
