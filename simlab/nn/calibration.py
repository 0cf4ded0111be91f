"""The negative log-likelihood of classes, and the temperature that makes it least."""

from __future__ import annotations

from simlab.device import Device
from simlab.nn.layer import Array

LARGEST = 12.0
"""|ln tau| at most: where every example is classified rightly the best temperature is 0, and e^-12 stands for it."""
ITERATIONS = 60


def log_softmax(logits: Array) -> Array:
    """Log-probabilities over the last axis; no exponential overflows."""
    xp = Device.of(logits).xp
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - xp.log(xp.exp(shifted).sum(axis=-1, keepdims=True))


def nll(logits: Array, labels: Array, tau: Array | float = 1.0) -> Array:
    """-mean log softmax(logits / tau) at the labels, (...).

    logits (..., n, classes), labels (n) or (..., n), tau a number or (...).
    """
    xp = Device.of(logits).xp
    scaled = logits / xp.asarray(tau, dtype=logits.dtype)[..., None, None]
    taken = xp.take_along_axis(log_softmax(scaled), xp.broadcast_to(labels, logits.shape[:-1])[..., None], axis=-1)
    return -taken[..., 0].mean(axis=-1)


def temperature(logits: Array, labels: Array) -> Array:
    """The tau (...) at which softmax(logits / tau) is most likely (Guo et al. 2017), for logits and labels as in `nll`.

    The likelihood is concave in 1/tau, so that its maximum is where the mean logit under the softmax is that of the
    labels; bisection in ln tau between -12 and 12 finds it to 1e-14 of the interval, and the end of the interval stands
    for a maximum beyond. Logits may be log-probabilities: a shift changes nothing. In float64 whatever the input.
    """
    xp = Device.of(logits).xp
    logits = logits.astype(xp.float64)
    labels = xp.broadcast_to(labels, logits.shape[:-1])
    target = xp.take_along_axis(logits, labels[..., None], axis=-1)[..., 0].mean(axis=-1)
    low = xp.full(logits.shape[:-2], -LARGEST)
    high = -low
    for _ in range(ITERATIONS):
        middle = (low + high) / 2
        p = xp.exp(log_softmax(logits / xp.exp(middle)[..., None, None]))
        # The mean logit falls as tau grows.
        above = (p * logits).sum(axis=-1).mean(axis=-1) > target
        low, high = xp.where(above, middle, low), xp.where(above, high, middle)
    return xp.exp((low + high) / 2)


def calibrated_nll(logits: Array, labels: Array) -> Array:
    """The NLL (...) at a temperature fitted on the other half, both ways: odd and even examples in turn.

    Cross-fitting keeps the temperature from seeing what it is judged on; halves are by place, so shuffle sorted data.
    """
    labels = Device.of(logits).xp.broadcast_to(labels, logits.shape[:-1])
    halves = [(logits[..., i::2, :], labels[..., i::2]) for i in (0, 1)]
    parts = [nll(*judged, temperature(*fitted)) for judged, fitted in (halves, halves[::-1])]
    return sum(part * judged[1].shape[-1] for part, judged in zip(parts, halves, strict=True)) / labels.shape[-1]
