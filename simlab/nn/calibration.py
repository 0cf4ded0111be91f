"""The negative log-likelihood of classes, and the temperature that minimises it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from simlab.core.checks import shown
from simlab.core.device import Device, real, stored
from simlab.nn.layers.layer import Array

LARGEST = 12.0
"""|ln tau| at most: where every example is classified correctly the best temperature is 0, and e^-12 stands for it."""
PRECISION = 1e-8
"""The last step in ln tau: Newton's error after it is its square, times a number of order one."""
ROUNDING = 1e-14
"""Of numbers up to LARGEST: an interval this short has no middle."""
FLAT = 1e-200
"""A curvature below it is no divisor: every softmax is 1 or 0 in double precision."""
LEAST = -1e100
"""Stands for the logit -inf: its square is finite, its softmax 0 at any temperature."""
ITERATIONS = 100
COLDEST, HOTTEST = 1e-30, 1e30
"""Temperatures that may be given: single precision has numbers for them and for their inverses."""
BLOCK = {"cpu": 2**17, "gpu": 2**24}
"""Logits at a time: on the CPU a block and its exponentials stay in the cache, on a GPU it fills the GPU."""


def log_softmax(logits: Array) -> Array:
    """Log-probabilities over the last axis; no exponential overflows.

    In float32 where the logits are, in float64 otherwise. NaN where a logit is NaN or +inf, or none is
    above -inf.
    """
    return _log_softmax(_shifted(logits))


def tempered(logits: Array, tau: Array | float) -> Array:
    """Log softmax(logits / tau) for logits (..., n, classes) and tau a number or (...), in the precision of `working`.

    ValueError for a tau that is not from 1e-30 to 1e30, or does not fit. NaN may pass: it is the temperature of logits
    with NaN.
    """
    z = _shifted(logits)
    tau = _temperatures(z, tau)[..., None, None].astype(z.dtype)
    with np.errstate(over="ignore"):  # less than all numbers is -inf
        return _log_softmax(z / tau)


def _shifted(logits: Array) -> Array:
    """Logits (..., classes) minus the largest of their row."""
    z = working("logits", logits)
    if not z.ndim or not z.shape[-1]:
        raise ValueError(f"logits must have shape (..., classes), got {tuple(z.shape)}.")
    with np.errstate(invalid="ignore", over="ignore"):
        return z - z.max(axis=-1, keepdims=True)


def _log_softmax(shifted: Array) -> Array:
    """The same of logits whose largest is 0 in every row."""
    xp = Device.of(shifted).xp
    return shifted - xp.log(xp.exp(shifted).sum(axis=-1, keepdims=True))


def working(name: str, values: Array) -> Array:
    """Real numbers on their own device: single precision stays, so as not to double what is large, all else is float64.

    ValueError for what is not an array of real numbers.
    """
    found = stored(name, values)
    return found.astype("float32" if found.dtype.kind == "f" and found.dtype.itemsize == 4 else "float64", copy=False)


def labels_of(logits: Array, labels: Array, names: tuple[str, str] = ("logits", "labels")) -> Array:
    """The label of every row of logits (..., n, classes), (..., n), from labels (n) or (..., n).

    Labels are integers of any kind; booleans and floats, whole or not, are none. names: of both, for messages.
    ValueError as in `nll`.
    """
    inputs, name = names
    if logits.ndim < 2 or 0 in logits.shape[-2:]:
        raise ValueError(f"{inputs} must have shape (..., n, classes), none of them 0, got {tuple(logits.shape)}.")
    rows, classes = logits.shape[:-1], logits.shape[-1]
    labels = stored(name, labels, Device.of(logits))
    fits = labels.shape[-1:] == rows[-1:] and labels.ndim <= len(rows)
    if not fits or any(a not in (1, b) for a, b in zip(labels.shape[::-1], rows[::-1], strict=False)):
        raise ValueError(f"{name} must have shape ({rows[-1]}) or {rows}, got {labels.shape}.")
    if labels.dtype.kind not in "iu":
        raise ValueError(f"{name} must be integers, got {labels.dtype}; turn probabilities into labels first.")
    if labels.size and not bool(((labels >= 0) & (labels < classes)).all()):
        ends = f"{int(labels.min())} ... {int(labels.max())}"
        raise ValueError(f"{name} must be in 0 ... {classes - 1}, the classes of the {inputs}, got {ends}.")
    return Device.of(logits).xp.broadcast_to(labels.astype("int64", copy=False), rows)


def nll(logits: Array, labels: Array, tau: Array | float = 1.0) -> Array:
    """-mean log softmax(logits / tau) at the labels, (...).

    logits (..., n, classes), labels (n) or (..., n), tau a number or (...). In float64 whatever the input, a block of
    rows at a time: beside its input it needs a few blocks, and a few numbers for each row. NaN for logits that are NaN
    or +inf, infinity where a label has the logit -inf.
    ValueError for labels of another shape, that are no integers, or that are no classes, and for a tau not above 0.
    """
    return nll_at(logits, labels, (tau,))[0]


def nll_at(logits: Array, labels: Array, taus: Sequence[Array | float]) -> list[Array]:
    """The `nll` at several temperatures, for less than twice the work of one."""
    if isinstance(taus, str) or not np.iterable(taus):
        raise ValueError(f"taus must be a sequence of temperatures, got {shown(taus)}.")
    z = stored("logits", logits)
    labels, each = labels_of(z, labels), [_temperatures(z, tau) for tau in taus]
    xp = Device.of(z).xp
    rows = [None if tau.ndim == 0 and bool(tau == 1) else xp.broadcast_to(tau[..., None], z.shape[:-1]) for tau in each]

    def losses(block: Array, own: Array, *by: Array | None) -> list[Array]:
        block -= block.max(axis=0)
        taken = xp.take_along_axis(block, own[None], axis=0)[0]
        work, found = xp.empty_like(block), []
        for tau in by:
            inverse = 1 if tau is None else 1 / tau
            scaled = block if tau is None else xp.multiply(block, inverse, out=work)
            found.append(xp.log(xp.exp(scaled, out=work).sum(axis=0)) - taken * inverse)
        return found

    return [found.mean(axis=-1) for found in by_rows(losses, z, labels, *rows)]


def by_rows(function: Callable[..., list[Array]], logits: Array, *others: Array | None) -> list[Array]:
    """Numbers for each row of logits (..., n, classes), (..., n) each in float64, from blocks that fit the cache.

    function takes a block (classes, rows) in float64, which it may overwrite, and the entries (rows) of the others,
    which are (..., n) or None; it returns some arrays (rows).
    """
    device, rows, classes = Device.of(logits), logits.shape[:-1], logits.shape[-1]
    flat = logits.reshape(-1, classes)
    beside = [None if other is None else other.reshape(-1) for other in others]
    step, parts = max(1, BLOCK[device.name] // classes), []
    for start in range(0, max(len(flat), 1), step):
        part = slice(start, start + step)
        block = _classes_first(flat[part], device.xp)
        with np.errstate(invalid="ignore", over="ignore"):  # inf - inf
            parts.append(function(block, *(None if other is None else other[part] for other in beside)))
    return [device.xp.concatenate(list(found)).reshape(rows) for found in zip(*parts, strict=True)]


def _temperatures(logits: Array, tau: Array | float) -> Array:
    """Temperatures in float64, a number or (...) for logits (..., n, classes)."""
    device, lead = Device.of(logits), tuple(logits.shape[:-2])
    tau = real("tau", tau, device)
    if tau.ndim > len(lead) or any(a not in (1, b) for a, b in zip(tau.shape[::-1], lead[::-1], strict=False)):
        raise ValueError(f"tau must be a number or have shape {lead}, got {tau.shape}.")
    if bool((tau <= 0).any()):
        raise ValueError(f"tau must be positive, got {float(tau.min()):g}.")
    if bool(((tau < COLDEST) | (tau > HOTTEST)).any()):
        ends = f"{float(tau.min()):g} ... {float(tau.max()):g}"
        raise ValueError(f"tau must be from {COLDEST:g} to {HOTTEST:g}, got {ends}.")
    return tau


def temperature(logits: Array, labels: Array) -> Array:
    """The tau (...) at which softmax(logits / tau) is most likely (Guo et al. 2017), for logits and labels as in `nll`.

    The likelihood is concave in 1/tau, so that its maximum is where the mean logit under the softmax is that of the
    labels. Newton's method finds it to rounding within ln tau = -12 ... 12; the end of the interval stands for a
    maximum beyond. Logits may be log-probabilities: a shift changes nothing. In float64 whatever the input, a block of
    groups at a time: beside its input it needs a few blocks of memory. NaN for logits that are NaN or +inf.
    """
    logits = stored("logits", logits)
    labels = labels_of(logits, labels)
    device = Device.of(logits)
    xp, lead, (n, classes) = device.xp, logits.shape[:-2], logits.shape[-2:]
    labels = labels.reshape(-1, n)
    logits = logits.reshape(-1, n, classes)
    groups = max(1, BLOCK[device.name] // (n * classes))
    parts = [
        _temperature(logits[start : start + groups], labels[start : start + groups], xp)
        for start in range(0, len(logits), groups)
    ]
    return (xp.concatenate(parts) if parts else xp.zeros(0)).reshape(lead)[()]


def _classes_first(logits: Array, xp: Any) -> Array:
    """A copy (classes, ..., n) in float64: sums over classes are then sums of long rows, much faster on a CPU."""
    copy = xp.empty((logits.shape[-1], *logits.shape[:-1]))
    copy[...] = xp.moveaxis(logits, -1, 0)
    return copy


class _Search(NamedTuple):
    """Where ln(1/tau) of every group is known to lie, the next place to look, and how far the last step went."""

    low: Array
    high: Array
    place: Array
    step: Array
    done: Array


def _temperature(logits: Array, labels: Array, xp: Any) -> Array:
    """The temperatures (group) of one block: logits (group, n, classes), labels (group, n)."""
    z = _classes_first(logits, xp)
    with np.errstate(invalid="ignore", over="ignore"):
        z -= z.max(axis=0)  # logits of at most 0 cannot overflow
    xp.maximum(z, LEAST, out=z)
    target = xp.take_along_axis(z, labels[None], axis=0)[0].mean(axis=-1)
    mean = z.mean(axis=0)
    curvature = ((z * z).mean(axis=0) - mean * mean).mean(axis=-1)
    # Newton's step from 1/tau = 0 knows the scale of the logits, and falls short rather than beyond.
    start = (target - mean.mean(axis=-1)) / xp.where(curvature > 0, curvature, 1.0)
    ends = xp.exp(xp.asarray([-LARGEST, LARGEST]))
    low = xp.full(len(logits), -xp.inf)  # until an end was looked at, the interval is open
    search = _Search(
        low, -low, xp.log(xp.minimum(xp.maximum(start, ends[0]), ends[1])), -low, xp.zeros(len(low), dtype=bool)
    )
    work = xp.empty_like(z)
    for _ in range(ITERATIONS):
        inverse = xp.exp(search.place)
        slope, curvature = _slopes(z, inverse, target, work, xp)
        search = _narrowed(search, slope, curvature, inverse, xp)
        if bool(search.done.all()):
            break
    return xp.exp(-search.place)


def _slopes(z: Array, inverse: Array, target: Array, work: Array, xp: Any) -> tuple[Array, Array]:
    """The first and second derivative of the NLL in 1/tau: mean logit minus that of the label, and mean variance."""
    xp.multiply(z, inverse[:, None], out=work)
    xp.exp(work, out=work)
    total = work.sum(axis=0)
    work *= z
    first = work.sum(axis=0) / total
    work *= z
    second = work.sum(axis=0) / total
    return first.mean(axis=-1) - target, (second - first * first).mean(axis=-1)


def _narrowed(s: _Search, slope: Array, curvature: Array, inverse: Array, xp: Any) -> _Search:
    """One step: Newton's in ln(1/tau), or in 1/tau where that one leaves the interval, or half of the interval.

    A step is taken only if it is at most half of the one before, so that the interval or the steps halve in any case.
    """
    short = slope <= 0  # 1/tau is too small
    low, high = xp.where(short, s.place, s.low), xp.where(short, s.high, s.place)
    beyond = (short & (s.place >= LARGEST)) | (~short & (s.place <= -LARGEST))
    bent = curvature > FLAT
    safe = xp.where(bent, curvature, 1.0)
    by_logarithm = s.place - slope / (safe * inverse)
    by_inverse = xp.log(xp.maximum(inverse - slope / safe, xp.exp(xp.asarray(-2 * LARGEST))))
    place = xp.where((by_logarithm > low) & (by_logarithm < high), by_logarithm, by_inverse)
    bounds = xp.maximum(low, -LARGEST), xp.minimum(high, LARGEST)
    fine = (place > bounds[0]) & (place < bounds[1]) & bent & (2 * abs(place - s.place) <= s.step)
    last = bent & (abs(by_logarithm - s.place) <= PRECISION)  # by rounding it may leave the interval
    middle = (bounds[0] + bounds[1]) / 2
    # An end that was never looked at comes before any halving: the maximum may lie beyond it.
    middle = xp.where(short & (high == xp.inf), LARGEST, xp.where(~short & (low == -xp.inf), -LARGEST, middle))
    place = xp.where(last, by_logarithm, xp.where(fine, place, middle))
    lost = slope != slope  # NaN in the logits is NaN in the temperature
    place = xp.where(s.done | beyond | lost, s.place, place)
    step = xp.where(fine, abs(place - s.place), xp.inf)
    return _Search(low, high, place, step, s.done | beyond | last | lost | (high - low <= ROUNDING))


def calibrated_nll(logits: Array, labels: Array) -> Array:
    """The NLL (...) at a temperature fitted on the other half, both ways: odd and even examples in turn.

    With cross-fitting a temperature is independent of the examples that score it. Halves are by place: shuffle sorted
    data.
    """
    logits = stored("logits", logits)
    labels = labels_of(logits, labels)
    if labels.shape[-1] < 2:
        raise ValueError("logits must hold at least 2 examples for a calibrated loss, one to fit and one to judge.")
    halves = [(logits[..., i::2, :], labels[..., i::2]) for i in (0, 1)]
    parts = [nll(*judged, temperature(*fitted)) for judged, fitted in (halves, halves[::-1])]
    return sum(part * judged[1].shape[-1] for part, judged in zip(parts, halves, strict=True)) / labels.shape[-1]
