"""The networks of all scenes: trained once for each teacher and width, measured, and forgotten.

What stays of a pool is a few numbers for each teacher, width and size of the ensemble. Networks of all widths of one
teacher see the same minibatches, all scenes the same pools: every comparison is paired over teachers.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from simlab import ensembles, nn
from simlab.core.checks import Floats
from simlab.core.device import Device
from simlab.core.errors import InputError
from simlab.core.progress import Progress
from simlab.ensembles import brier
from simlab.nn.calibration import log_softmax
from simlab.statistics import joint_mean
from simlab.studies.ensemble_power_laws import laws, places, task
from simlab.studies.ensemble_power_laws.config import Config
from simlab.theory import ensembles as theory_of

BATCH, MOMENTUM, INPUTS, LAST = 50, 0.9, 16, 0.01
"""INPUTS: of a teacher; with more of them the curvature is larger, and the learning rate is smaller by as much.
LAST: variance gain of the last layer; with small outputs at the start wide networks keep improving with width."""
COLDEST = 1e-3
"""Best temperatures below it mean that there is no error to learn one from."""
TAUS = np.exp(np.linspace(np.log(0.5), np.log(4.0), 25))
"""Temperatures of the laws, a factor 1.09 apart: a parabola through three of them errs by 1e-5 of the loss."""


class Pool(NamedTuple):
    """What was measured: (teacher, width, ...), then the size of the ensemble.

    error: share of training data misclassified. nll: as it comes. calibrated, tau: at the best temperature after
    averaging, by the validation data. fixed: at the one temperature that is best for all members together. foretold:
    the calibrated loss that the members' laws foretell. half: NLL of ensembles of one half of the members, law: c, b, d
    of the other half. brier, brier_law: the same for the Brier score, c and b. moved, moved_foretold: what ensembles of
    a sixteenth of the members gain by a temperature of their own. blocks, blocks_covariance: the calibrated curve of
    blocks of `cheap` members. excess: what so few validation data add to the calibrated loss of one network.
    """

    error: Floats
    nll: Floats
    calibrated: Floats
    tau: Floats
    fixed: Floats
    foretold: Floats
    half: Floats
    law: Floats
    brier: Floats
    brier_law: Floats
    moved: Floats
    moved_foretold: Floats
    blocks: Floats
    blocks_covariance: Floats
    excess: Floats


_KEPT: dict[Any, Pool] = {}


def check(config: Config) -> None:
    """Refuse what no pool can be made of."""
    if config.members & (config.members - 1):
        raise InputError(f"members = {config.members}: it must be a power of two, such as 64.")
    if list(config.widths) != sorted(set(config.widths)):
        raise InputError("widths: they must rise, each of them once.")


def sizes(config: Config) -> NDArray[np.int64]:
    """Members of an ensemble: 1, 2, 3, and the powers of two."""
    return np.array([1, 2, 3, *(2**k for k in range(2, config.members.bit_length()))])


def half_sizes(config: Config) -> NDArray[np.int64]:
    """Those that half of the members make."""
    return sizes(config)[sizes(config) <= config.members // 2]


def sixteenth(config: Config) -> int:
    """Members of the ensembles whose temperature is said to move."""
    return config.members // 16


def parameters(widths: tuple[int, ...], n_in: int = 16, classes: int = 10) -> NDArray[np.int64]:
    """Trained numbers of one network of each width."""
    return np.array([(n_in + 1) * h + (h + 1) * classes for h in widths])


def steps_of(config: Config, training: int) -> int:
    """Steps of training on so many examples."""
    return config.epochs * -(-training // BATCH)


def few(config: Config) -> tuple[int, ...]:
    """Every third width, and the largest: those of real data."""
    return (*config.widths[:-1:3], config.widths[-1])


def teachers(config: Config, device: Device, progress: Progress) -> Pool:
    """The pools of all teachers; trained at the first call with these settings, remembered at the next ones."""
    return _remembered(config, device, progress, "teachers", config.teachers, config.widths, task.teacher)


def digits(config: Config, device: Device, progress: Progress) -> Pool:
    """The same for shuffles of real data."""
    return _remembered(config, device, progress, "digits", config.splits, few(config), task.digits)


def forget() -> None:
    """Train anew at the next call."""
    _KEPT.clear()


def _remembered(
    config: Config, device: Device, progress: Progress, name: str, count: int, widths: tuple[int, ...], make: Any
) -> Pool:
    wanted = (name, device.name, config.model_dump_json(exclude={"scenes", "out", "budgets"}))
    if wanted not in _KEPT:
        for old in [key for key in _KEPT if key[0] == name]:  # one of each kind is enough
            del _KEPT[old]
        rows = []
        with progress.task(f"{name}: {count * len(widths) * config.members} networks", count) as doing:
            for replicate in range(count):
                own = make(config, replicate, device)
                rows.append([_measure(config, own, _train(config, own, h, device)) for h in widths])
                if not replicate and name == "teachers":  # before the others are trained
                    places.refuse_early(config, [float(cell.error) for cell in rows[0]])
                doing.advance(1)
        _KEPT[wanted] = Pool(*(np.array([[cell[i] for cell in row] for row in rows]) for i in range(len(Pool._fields))))
    return _KEPT[wanted]


class Answers(NamedTuple):
    """Training error, and log-probabilities (member, example, class) on the validation and test data."""

    error: float
    validation: Any
    test: Any


def _train(config: Config, own: task.Task, width: int, device: Device) -> Answers:
    """All networks of one width of a task."""
    x = own.train[0]
    relu = nn.relu
    net = nn.serial(
        nn.dense(x.shape[1], width, role="input", gain=relu.gain), relu,
        nn.dense(width, own.classes, role="output", gain=LAST),
    )  # fmt: skip
    steps = steps_of(config, len(x))
    lr = config.lr * min(1.0, INPUTS / x.shape[1])
    sgd = nn.SGD(nn.Cosine(lr, steps), momentum=MOMENTUM, weight_decay=config.weight_decay)
    start = nn.init(net, models=config.members, seed=own.seed, device=device.name)
    last = nn.Record(("error",), at=[steps])
    end, found = nn.train(
        net, start, own.train, sgd, batch_size=min(BATCH, len(x)), steps=steps, seed=own.seed, record=last
    )
    lost = int((found.diverged >= 0).sum())
    if lost:
        raise InputError(f"lr = {config.lr:g}: {lost} networks of {width} hidden units diverged; take a smaller one.")
    error = float(found.error.isel(step=-1).mean())
    validation, test = (log_softmax(nn.predict(net, end, part[0])) for part in (own.validation, own.test))
    return Answers(error, validation, test)


def _measure(config: Config, own: task.Task, answers: Answers) -> Pool:
    """One teacher and width."""
    test, labels, n = answers.test, own.test[1], sizes(config)
    found = ensembles.curve(test, labels, n, validation=(answers.validation, own.validation[1]))
    host = Device.of(test).to_host
    plain, calibrated, tau = (np.asarray(host(a)) for a in (found.nll, found.calibrated, found.tau))
    if not (np.isfinite(calibrated).all() and tau.min() > COLDEST):
        raise InputError(
            "data: the networks make no error on the validation data, and no temperature is best; take harder data."
        )
    fixed = _losses(test, labels, n, float(tau[-1]))
    foretold = laws.envelope(laws.tempered(test, labels, TAUS), TAUS, n)
    middle = config.members // 2
    parts = _half(config, test[:middle], test[middle:], labels)
    moved = _moved(config, test[:middle], test[middle:], labels, float(tau[-1]))
    small = _blocks(config, own, answers)
    known = own.validation[1]
    excess = float(ensembles.validation_excess(answers.validation[::8], known, len(known)).mean())
    rest = (*parts, *moved, *small, np.array(excess))
    return Pool(np.array(answers.error), plain, calibrated, tau, fixed, foretold, *rest)


def _moved(config: Config, one: Any, other: Any, labels: Any, end: float) -> tuple[Floats, Floats]:
    """What ensembles of one half gain by a temperature of their own, and what the other half's laws say they do.

    Over the temperature `end`, for a sixteenth of the members. Both are fitted to the examples that they are judged on,
    as the laws are, so that the optimism of a fit is the same in both.
    """
    n = sixteenth(config)
    groups = ensembles.ensembles(one, n)
    best = ensembles.nll(groups, labels, ensembles.temperature(groups, labels))
    at_end, every = (laws.tempered(other, labels, taus) for taus in (np.array([end]), TAUS))
    foretold = at_end.c + at_end.b / n - laws.envelope(every, TAUS, [n])
    return np.array(float((ensembles.nll(groups, labels, end) - best).mean())), foretold[0]


def _blocks(config: Config, own: task.Task, answers: Answers) -> tuple[Floats, Floats]:
    """The calibrated curve of ensembles of at most `cheap` members, and its covariance from blocks of so many members.

    Blocks share no member: theirs is the error that one laboratory, with one set of data, can know.
    """
    blocks = config.members // config.cheap
    test, validation = (a[: blocks * config.cheap].reshape(blocks, config.cheap, *a.shape[1:])
                        for a in (answers.test, answers.validation))  # fmt: skip
    sizes_of = sizes(config)[sizes(config) <= config.cheap]
    found = ensembles.curve(test, own.test[1], sizes_of, validation=(validation, own.validation[1]))
    joint = joint_mean(np.asarray(Device.of(test).to_host(found.calibrated), float))
    return joint.value, joint.covariance


def _half(config: Config, one: Any, other: Any, labels: Any) -> tuple[Floats, Floats, Floats, Floats]:
    """NLL and Brier score of ensembles of one half, beside the laws of the other half's members."""
    device, n = Device.of(one), half_sizes(config)
    p, y = np.exp(np.asarray(device.to_host(other), float)), np.asarray(device.to_host(labels))
    if not (p[:, np.arange(len(y)), y].max(axis=0) > 0).all():
        raise InputError("lr: networks are sure of a wrong class beyond all measure; take a smaller one, or more data.")
    law = theory_of.law_of_members(p[:, np.arange(len(y)), y])
    squared = theory_of.brier_law(p, y)
    scores = [float(brier(groups, labels).mean()) for groups in ensembles.nested(one, n)]
    return _losses(one, labels, n), np.array(law), np.array(scores), np.array(squared[:2])


def _losses(log_probs: Any, labels: Any, n: Any, tau: float = 1.0) -> Floats:
    """NLL of ensembles of each size at one temperature after averaging."""
    return np.array([float(ensembles.nll(groups, labels, tau).mean()) for groups in ensembles.nested(log_probs, n)])
