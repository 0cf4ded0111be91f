"""The networks of all scenes: trained for each teacher and width, measured, and discarded.

Only a few numbers are kept of a pool, for each teacher, width and size of the ensemble. Networks of all widths of one
teacher see the same minibatches, all scenes the same pools: every comparison is paired over teachers. A cell is one
width of one teacher, and the store of cells lets each be trained once for all scenes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from simlab import ensembles
from simlab.core.checks import Floats
from simlab.core.device import Device
from simlab.core.errors import InputError
from simlab.ensembles import brier
from simlab.lab.scene import Lab, Values
from simlab.statistics import Joint, joint_mean
from simlab.studies.ensemble_power_laws import places, task, temperatures, training
from simlab.studies.ensemble_power_laws.config import Config
from simlab.studies.ensemble_power_laws.quantities import MEMBERS, PLACE, WIDTH
from simlab.theory import ensembles as theory_of

Array = Any
COLDEST = 1e-3
"""A best temperature below it means that there is no error to fit one to."""
TAUS = np.exp(np.linspace(np.log(0.5), np.log(4.0), 25))
"""Temperatures of the envelope, a factor 1.09 apart: a parabola through three of them errs by 1e-5 of the loss."""


class Pool(NamedTuple):
    """What was measured: of one teacher and width, or of all (teacher, width, ...), then the size of the ensemble.

    error: share of training data misclassified. nll: uncalibrated. calibrated, tau: at the best temperature after
    averaging, by the validation data. fixed: at the one temperature that is best for all members together. envelope:
    the lowest over temperatures of c + b/n of the members. half: NLL of ensembles of one half of the members, series:
    c, b, d of the other half. brier, brier_series: the same for the Brier score, c and b. moved, moved_predicted: what
    ensembles of a sixteenth of the members gain from their own best temperature. blocks, blocks_covariance: the
    calibrated curve of blocks of `cheap` members. excess: what the limited validation data add to the calibrated
    loss of one network.
    """

    error: Floats
    nll: Floats
    calibrated: Floats
    tau: Floats
    fixed: Floats
    envelope: Floats
    half: Floats
    series: Floats
    brier: Floats
    brier_series: Floats
    moved: Floats
    moved_predicted: Floats
    blocks: Floats
    blocks_covariance: Floats
    excess: Floats


def check(config: Config) -> None:
    """Refuse settings that no pool can have."""
    if config.members & (config.members - 1):
        raise InputError(f"members = {config.members}: it must be a power of two, such as 64.")
    if list(config.widths) != sorted(set(config.widths)):
        raise InputError("widths: give each once, in rising order.")


def sizes(config: Config) -> NDArray[np.int64]:
    """Members of an ensemble: 1, 2, 3, and the powers of two."""
    return np.array([1, 2, 3, *(2**k for k in range(2, config.members.bit_length()))])


def half_sizes(config: Config) -> NDArray[np.int64]:
    """The sizes that are possible with half of the members."""
    return sizes(config)[sizes(config) <= config.members // 2]


def sixteenth(config: Config) -> int:
    """Members of the ensembles whose gain from their own best temperature is measured."""
    return config.members // 16


def few(config: Config) -> tuple[int, ...]:
    """Every third width, and the largest: the widths for real data."""
    return (*config.widths[:-1:3], config.widths[-1])


def teachers(config: Config, lab: Lab) -> Pool:
    """The pools of all teachers; where the first one's training error rules widths out, the others are not trained."""
    items = [(replicate, width) for replicate in range(config.teachers) for width in config.widths]
    first = lab.cells(of_teacher, config, items[: len(config.widths)], "the first teacher")
    places.refuse_early([float(cell.error) for cell in first])
    text = f"teachers: {len(items) * config.members} networks"
    return _together(lab.cells(of_teacher, config, items, text), config.teachers)


def digits(config: Config, lab: Lab) -> Pool:
    """The same for shuffles of real data."""
    items = [(replicate, width) for replicate in range(config.splits) for width in few(config)]
    text = f"digits: {len(items) * config.members} networks"
    return _together(lab.cells(of_digits, config, items, text), config.splits)


def of_teacher(config: Config, item: tuple[int, int], lab: Lab) -> Pool:
    """One teacher and width."""
    replicate, width = item
    problem = task.teacher(config, replicate, lab)
    return measure(config, problem, training.train(config, problem, width, lab.device))


def of_digits(config: Config, item: tuple[int, int], lab: Lab) -> Pool:
    """One shuffle of real data and one width."""
    replicate, width = item
    problem = task.digits(config, replicate, lab)
    return measure(config, problem, training.train(config, problem, width, lab.device))


def coordinates(config: Config, pools: Pool, n: NDArray[np.int64]) -> Values:
    """The axes that all scenes of the teachers have: widths, these sizes, and the three places among the widths."""
    widths = np.array(config.widths)
    return {WIDTH: widths, MEMBERS: n, PLACE: widths[list(places.find(config, pools.error))]}


def measure(config: Config, problem: task.Task, answers: training.Answers) -> Pool:
    """What is measured of the networks of one width."""
    test, labels, n = answers.test, problem.test[1], sizes(config)
    validation, known = answers.validation, problem.validation[1]
    curve = ensembles.curve(test, labels, n, validation=(validation, known))
    host = Device.of(test).to_host
    plain, calibrated, tau = (np.asarray(host(a)) for a in (curve.nll, curve.calibrated, curve.tau))
    if not (np.isfinite(calibrated).all() and tau.min() > COLDEST):
        raise InputError(
            "data: the networks make no error on the validation data, so that no temperature is best; take harder data."
        )
    middle = config.members // 2
    halves = test[:middle], test[middle:]
    moved, moved_predicted = _moved(config, *halves, labels, float(tau[-1]))
    blocks = _blocks(config, problem, answers)
    excess = float(ensembles.validation_excess(validation[::8], known, len(known)).mean())
    return Pool(
        np.array(answers.error), plain, calibrated, tau, losses(test, labels, n, float(tau[-1])),
        temperatures.envelope(temperatures.expand(test, labels, TAUS), TAUS, n), *_halves(config, *halves, labels),
        np.array(moved), np.array(moved_predicted), blocks.value, blocks.covariance, np.array(excess),
    )  # fmt: skip


def losses(log_probs: Array, labels: Array, n: NDArray[np.int64], tau: float = 1.0) -> Floats:
    """NLL of ensembles of each size at one temperature after averaging."""
    return np.array([float(ensembles.nll(groups, labels, tau).mean()) for groups in ensembles.nested(log_probs, n)])


def _moved(config: Config, one: Array, other: Array, labels: Array, end: float) -> tuple[float, float]:
    """What ensembles of one half gain from their own best temperature, and what the other half's members predict.

    Over the temperature `end`, for a sixteenth of the members. Both are fitted to the examples on which the loss is
    measured, so that the optimism of a fit is the same in both.
    """
    n = sixteenth(config)
    groups = ensembles.ensembles(one, n)
    best = ensembles.nll(groups, labels, ensembles.temperature(groups, labels))
    at_end, at_any = (temperatures.expand(other, labels, taus) for taus in (np.array([end]), TAUS))
    predicted = at_end.c + at_end.b / n - temperatures.envelope(at_any, TAUS, [n])
    return float((ensembles.nll(groups, labels, end) - best).mean()), float(predicted[0])


def _blocks(config: Config, problem: task.Task, answers: training.Answers) -> Joint:
    """The calibrated curve of ensembles of at most `cheap` members, and its covariance from blocks of these.

    Blocks share no member: theirs is the error that one laboratory, with one set of data, can know.
    """
    blocks = config.members // config.cheap
    test, validation = (a[: blocks * config.cheap].reshape(blocks, config.cheap, *a.shape[1:])
                        for a in (answers.test, answers.validation))  # fmt: skip
    small = sizes(config)[sizes(config) <= config.cheap]
    curve = ensembles.curve(test, problem.test[1], small, validation=(validation, problem.validation[1]))
    return joint_mean(np.asarray(Device.of(test).to_host(curve.calibrated), float))


def _halves(config: Config, one: Array, other: Array, labels: Array) -> tuple[Floats, Floats, Floats, Floats]:
    """NLL and Brier score of ensembles of one half, each followed by the series in 1/n of the other half's members."""
    device, n = Device.of(one), half_sizes(config)
    p, y = np.exp(np.asarray(device.to_host(other), float)), np.asarray(device.to_host(labels))
    of_truth = p[:, np.arange(len(y)), y]
    if not (of_truth.max(axis=0) > 0).all():
        raise InputError(
            "lr: all networks give the true class of an example probability 0; take a smaller one, or more data."
        )
    series, squared = theory_of.law_of_members(of_truth), theory_of.brier_law(p, y)
    scores = [float(brier(groups, labels).mean()) for groups in ensembles.nested(one, n)]
    return losses(one, labels, n), np.array(series), np.array(scores), np.array(squared[:2])


def _together(cells: Sequence[Pool], replicates: int) -> Pool:
    """Cells of all widths of each replicate in turn, as arrays (replicate, width, ...)."""
    parts = (np.array(part) for part in zip(*cells, strict=True))
    return Pool(*(part.reshape(replicates, -1, *part.shape[1:]) for part in parts))
