"""Element-wise layers: a function with its first and second derivative."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

from simlab.core.checks import number, shown
from simlab.core.device import Device
from simlab.nn.layers.infinite_width import Covariances, Expectations, activated, arc_cosine, arc_sine, by_quadrature
from simlab.nn.layers.layer import Array, Layer, NoParams, zeros_if_none

ROOT_PI = math.sqrt(math.pi)
ROOT_2 = math.sqrt(2)


@dataclass(frozen=True)
class Activation(Layer):
    """y = value(x), entry by entry.

    slope and second_derivative are functions of (x, y), since the derivatives often follow from y = value(x).
    second_derivative is None where it is 0 almost everywhere. gain: the layer before it should start with weights of
    variance gain / n_in. expectations: those of pairs of Gaussians, where a closed form is known; smooth activations
    have them by quadrature otherwise. leak: the slope of a leaky relu below 0.
    """

    name: str
    value: Callable[[Array], Array]
    slope: Callable[[Array, Array], Array]
    second_derivative: Callable[[Array, Array], Array] | None
    gain: float = 1.0
    expectations: Expectations | None = None
    leak: float = 0.0
    n_in: None = field(default=None, init=False)
    n_out: None = field(default=None, init=False)

    def __post_init__(self) -> None:
        for name in ("value", "slope", *(["second_derivative"] if self.second_derivative is not None else [])):
            if not callable(getattr(self, name)):
                raise ValueError(f"{name} must be a function of arrays, got {shown(getattr(self, name))}.")
        number("gain", self.gain, above=0)
        number("leak", self.leak, at_least=0, below=1)

    def forward(self, params: NoParams, x: Array) -> tuple[Array, tuple[Array, Array]]:
        y = self.value(x)
        return y, (x, y)

    def infinite_width(self, before: Covariances) -> Covariances:
        expectations = self.expectations
        if expectations is None and self.second_derivative is None:
            raise ValueError(f"{self.name} has kinks and no closed form; give its expectations to Activation.")
        return activated(before, expectations or by_quadrature(self._value_and_slope), self.name)

    def _value_and_slope(self, x: Array) -> tuple[Array, Array]:
        y = self.value(x)
        return y, self.slope(x, y)

    def vjp(self, params: NoParams, cache: tuple[Array, Array], dy: Array) -> tuple[NoParams, Array]:
        return NoParams(), self.slope(*cache) * dy

    def per_example(self, params: NoParams, cache: tuple[Array, Array], dy: Array) -> tuple[NoParams, Array]:
        return self.vjp(params, cache, dy)

    def linearize(
        self, params: NoParams, cache: tuple[Array, Array], dparams: NoParams, dx: Array | None
    ) -> tuple[Array, tuple[Array, Array]]:
        slope = self.slope(*cache)
        dx = zeros_if_none(dx, cache[0])
        return slope * dx, (slope, dx)

    def vjp_tangent(
        self,
        params: NoParams,
        cache: tuple[Array, Array],
        dparams: NoParams,
        trace: tuple[Array, Array],
        dy: Array,
        dy_dot: Array,
    ) -> tuple[NoParams, Array, Array]:
        slope, x_dot = trace
        rate = slope * dy_dot
        if self.second_derivative is not None:
            rate = rate + self.second_derivative(*cache) * x_dot * dy
        return NoParams(), slope * dy, rate


def leaky_relu(leak: float = 0.01) -> Activation:
    """max(x, 0) + leak min(x, 0); the slope at 0 is `leak`. ValueError unless 0 <= leak < 1."""
    return _leaky_relu(number("leak", leak, at_least=0, below=1, allowed="in [0, 1)"))


@cache  # so that two of one leak are equal
def _leaky_relu(leak: float) -> Activation:
    return Activation(
        "leaky_relu",
        lambda x: Device.of(x).xp.where(x > 0, x, leak * x),
        lambda x, y: Device.of(x).xp.where(x > 0, x.dtype.type(1), x.dtype.type(leak)),
        None,
        2 / (1 + leak**2),
        arc_cosine(leak),
        leak,
    )


def _gauss(x: Array) -> Array:
    """The standard normal density."""
    return Device.of(x).xp.exp(-0.5 * x * x) / (ROOT_2 * ROOT_PI)


def _normal_cdf(x: Array) -> Array:
    """The standard normal distribution function."""
    return 0.5 * (1 + Device.of(x).erf(x / ROOT_2))


def _erf_slope(x: Array, y: Array) -> Array:
    return 2 / ROOT_PI * Device.of(x).xp.exp(-x * x)


def sigmoid(x: Array) -> Array:
    """1 / (1 + e^-x)."""
    # By tanh, which overflows at neither end.
    return 0.5 * (1 + Device.of(x).xp.tanh(0.5 * x))


relu = Activation(
    "relu",
    lambda x: Device.of(x).xp.maximum(x, 0),
    lambda x, y: (x > 0).astype(x.dtype),  # the slope at 0 is 0
    None,
    2.0,
    arc_cosine(0.0),
)
tanh = Activation(
    "tanh",
    lambda x: Device.of(x).xp.tanh(x),
    lambda x, y: 1 - y * y,
    lambda x, y: -2 * y * (1 - y * y),
)
erf = Activation(
    "erf",
    lambda x: Device.of(x).erf(x),
    _erf_slope,
    lambda x, y: -2 * x * _erf_slope(x, y),
    expectations=arc_sine,
)
gelu = Activation(
    "gelu",  # exact, by the normal distribution function (Hendrycks & Gimpel 2016), not its tanh approximation
    lambda x: x * _normal_cdf(x),
    lambda x, y: _normal_cdf(x) + x * _gauss(x),
    lambda x, y: (2 - x * x) * _gauss(x),
    2.0,
)
softplus = Activation(
    "softplus",
    lambda x: Device.of(x).xp.logaddexp(x, x.dtype.type(0)),
    lambda x, y: sigmoid(x),
    lambda x, y: sigmoid(x) * sigmoid(-x),
)
ACTIVATIONS = {layer.name: layer for layer in (relu, leaky_relu(), tanh, erf, gelu, softplus)}
