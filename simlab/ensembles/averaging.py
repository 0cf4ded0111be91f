"""The probabilities of an ensemble: members averaged in log space, and every member used equally often.

A temperature comes after averaging (the talk: `nll`, `calibrate`, `curve`) or before (`average`, `temperature_before`).

Core axes last: log_probs (..., member, example, class), normalised over classes, on either device.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from simlab.device import Device
from simlab.ensembles.calibration import cross_validated_nll
from simlab.nn.calibration import labels_of, log_softmax, nll, temperature, tempered

Array = Any
SPAN, PLACES, GOLDEN = 3.0, 25, 40
"""Temperatures before averaging: |ln tau| at most, places of the grid, and golden sections after it."""


def average(log_probs: Array, tau: Array | float = 1.0) -> Array:
    """The logarithm of the mean over members of softmax(log_probs / tau): (..., example, class).

    log_probs (..., member, example, class). tau is a temperature before averaging, a number or (..., member) or (...,
    1); one after averaging is the business of `nll` and `calibrate`. No probability is formed that could underflow.
    ValueError where there is no member, and for a tau that is not positive.
    """
    xp = Device.of(log_probs).xp
    members = _members(log_probs)
    tau = xp.asarray(tau, dtype=log_probs.dtype)
    if tau.ndim or bool(tau != 1):
        log_probs = log_softmax(tempered(log_probs, tau))
    if members == 1:
        return log_probs[..., 0, :, :]
    largest = log_probs.max(axis=-3, keepdims=True)
    largest = xp.where(largest == -xp.inf, xp.asarray(0, dtype=largest.dtype), largest)  # no member sees a chance
    total = xp.exp(log_probs - largest).sum(axis=-3)
    some = total > 0
    logs = xp.where(some, xp.log(xp.where(some, total, 1)), -xp.inf)
    return (logs + (largest[..., 0, :, :] - math.log(members))).astype(log_probs.dtype)


def partition(members: int, n: int) -> NDArray[np.int64]:
    """Ensembles of n out of so many members, as indices (group, n), such that every member is used equally often.

    The groups are laid end to end around a circle of the members until they close: lcm(members, n)/n groups. Any
    members // n neighbouring groups share no member and are independent; where n divides `members` all are.
    ValueError where n is not a whole number in 1 ... members.
    """
    if not (1 <= n <= members and n == int(n)):
        raise ValueError(f"n must be in 1 ... {members}, the number of members, got {n}.")
    n = int(n)
    return np.arange(math.lcm(members, n), dtype=np.int64).reshape(-1, n) % members


def ensembles(log_probs: Array, n: int) -> Array:
    """The averages of all groups of `partition`: (..., member, example, class) -> (..., group, example, class)."""
    xp = Device.of(log_probs).xp
    groups = partition(_members(log_probs), n)
    # A group at a time: beside the averages no more memory is needed than that of one group.
    return xp.stack([average(log_probs[..., xp.asarray(group), :, :]) for group in groups], axis=-3)


def nested(log_probs: Array, sizes: Iterable[int]) -> Iterator[Array]:
    """`ensembles(log_probs, n)` for each n of sizes in turn, to rounding, and faster: from averages already made.

    Where one size divides another and both divide the members, groups of the larger are made of groups of the smaller:
    1, 2, 4 ... together cost as much as two of them alone. Averages stay in memory until the last.
    """
    members, made = _members(log_probs), {1: log_probs}
    for n in sizes:
        even = len(partition(members, n)) * n == members
        part = max(k for k in made if k == 1 or (even and n % k == 0))
        groups = made[n] if n in made else ensembles(made[part], n // part)
        if even:
            made[n] = groups
        yield groups


class Curve(NamedTuple):
    """Losses of ensembles of n members, (..., size): means over the groups of `partition`.

    n (size) on the host. nll: as it comes. calibrated: at the best temperature after averaging. tau: that temperature,
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
    ValueError for labels that are no classes, sizes that are none or not whole numbers in 1 ... members, or another
    number of members in validation.
    """
    xp, sizes = Device.of(log_probs).xp, list(sizes)
    if not sizes:
        raise ValueError("sizes must hold at least one number of members.")
    labels = labels_of(log_probs[..., 0, :, :], labels)[..., None, :]
    if validation is not None:
        if _members(validation[0]) != _members(log_probs):
            raise ValueError("validation must hold the log-probabilities of the same members as log_probs.")
        held = nested(validation[0], sizes)
        own = labels_of(validation[0][..., 0, :, :], validation[1])[..., None, :]
    plain, calibrated, taus = [], [], []
    for groups in nested(log_probs, sizes):
        plain.append(nll(groups, labels).mean(axis=-1))
        if validation is None:
            tau = temperature(groups, labels)
            best = cross_validated_nll(groups, labels)
        else:
            tau = temperature(next(held), own)
            best = nll(groups, labels, tau)
        calibrated.append(best.mean(axis=-1))
        taus.append(xp.exp(xp.log(tau).mean(axis=-1)))
    return Curve(np.array(sizes), *(xp.stack(parts, axis=-1) for parts in (plain, calibrated, taus)))


def temperature_before(log_probs: Array, labels: Array) -> Array:
    """The common temperature (...) of members (..., member, example, class) that is best for their average.

    The tau of least nll(average(log_probs, tau), labels). That need not have one minimum: the lowest of 25 places in
    |ln tau| <= 3 is refined by golden sections, to a millionth. ValueError as in `nll`.
    """
    xp = Device.of(log_probs).xp

    def loss(place: Array) -> Array:
        return nll(average(log_probs, xp.exp(place)[..., None]), labels)

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
    return xp.exp((low + high) / 2)


def _members(log_probs: Array) -> int:
    """The number of members, at least one."""
    if log_probs.ndim < 3 or log_probs.shape[-3] == 0:
        raise ValueError(f"log_probs must have shape (..., member, example, class), got {tuple(log_probs.shape)}.")
    return int(log_probs.shape[-3])
