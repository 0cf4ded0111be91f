"""Noise on activations: independent at every step of training, none at prediction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from simlab.core.checks import is_whole, number, shown
from simlab.core.device import Device, stored
from simlab.nn.layers.layer import Array, Layer, NoiseState, Params, rebuilt, zeros_if_none
from simlab.random import Key, normals


class ActivationNoise(NamedTuple):
    """Parameters of `activation_noise`: nothing that is trained, but which noise it is."""

    state: NoiseState


@dataclass(frozen=True)
class ActivationNoiseLayer(Layer):
    """y = x + std scale xi with xi ~ N(0, 1) for every model, example and feature; y = x at prediction.

    xi is a function of (seed, place in the net, model, step, place in the batch, feature). Derivatives are those at
    fixed noise, so they are exact: the layer adds a constant.
    """

    std: float
    n_in: None = None
    n_out: None = None

    def init(self, key: Key, model: Array, dtype: Any) -> ActivationNoise:
        xp = Device.of(model).xp
        low, high, step = (xp.full(len(model), word, xp.uint64) for word in (*key, 0))
        return ActivationNoise(NoiseState(low, high, model.astype(xp.uint64), step, xp.ones(len(model), dtype)))

    def forward(self, params: ActivationNoise, x: Array) -> tuple[Array, Array]:
        if self.std == 0:
            return x, x
        scale = self.std * params.state.scale[:, None, None]
        n, width = x.shape[-2:]
        noise = scale * standard_noise(params.state, n, width, x.dtype)
        # Axes between that of the models and the examples, such as tangents, share the noise.
        return x + noise.reshape(len(noise), *(1,) * (x.ndim - 3), n, width), x

    def vjp(self, params: ActivationNoise, cache: Array, dy: Array) -> tuple[ActivationNoise, Array]:
        return params, dy

    def per_example(self, params: ActivationNoise, cache: Array, dy: Array) -> tuple[ActivationNoise, Array]:
        return params, dy

    def linearize(
        self, params: ActivationNoise, cache: Array, dparams: ActivationNoise, dx: Array | None
    ) -> tuple[Array, tuple[()]]:
        return zeros_if_none(dx, cache), ()

    def vjp_tangent(
        self,
        params: ActivationNoise,
        cache: Array,
        dparams: ActivationNoise,
        trace: tuple[()],
        dy: Array,
        dy_dot: Array,
    ) -> tuple[ActivationNoise, Array, Array]:
        return params, dy, dy_dot

    def predict(self, params: ActivationNoise, x: Array) -> Array:
        return x


def activation_noise(std: float) -> ActivationNoiseLayer:
    """Gaussian noise of this standard deviation on every feature, in training only.

    `at_step` says at which step training is, and anneals the noise. ValueError for a std below 0 or not finite.
    """
    return ActivationNoiseLayer(number("std", std, at_least=0, allowed="at least 0 and finite"))


def at_step(params: Params, step: int, scale: float | Array = 1.0) -> Params:
    """The same parameters with the noise of this step, its standard deviations times `scale`: a number or (model,).

    Without noise in the net it returns the parameters as they are. ValueError for a step below 0 or from 2^32 on, and
    a scale below 0.
    """
    if not (is_whole(step) and 0 <= step < 2**32):
        raise ValueError(f"step must be in 0 ... 2^32 - 1, got {shown(step)}.")
    amount = stored("scale", scale)
    if amount.ndim > 1 or not bool((amount >= 0).all()):
        raise ValueError("scale must be a number, or one for each model, and at least 0.")
    return _at_step(params, int(step), amount)


def _at_step(params: Params, step: int, scale: Array) -> Params:
    if isinstance(params, NoiseState):
        xp = Device.of(params.scale).xp
        amount = xp.asarray(scale, params.scale.dtype)
        if amount.shape not in ((), params.scale.shape):
            raise ValueError(f"scale must be a number, or one for each of {len(params.scale)} models, and at least 0.")
        return params._replace(step=xp.full_like(params.step, step), scale=xp.broadcast_to(amount, params.scale.shape))
    if not isinstance(params, tuple):
        return params
    parts = [_at_step(part, step, scale) for part in params]
    return params if all(a is b for a, b in zip(parts, params, strict=True)) else rebuilt(params, parts)


def standard_noise(state: NoiseState, n: int, width: int, dtype: Any) -> Array:
    """The normals xi of every model, (model, n, width).

    Features are the walkers and examples the steps of `simlab.random`, so a call of the generator serves four of them;
    the model is the component and the step the stream.
    """
    if Device.of(state.scale).name == "cpu":
        from simlab.random.stacks import stack_normals  # numba, which nets without noise do not need

        places = ((Key(*words), model, step) for *words, model, step in zip(*state[:4], strict=True))
        return stack_normals(places, 0, n, width, dtype)
    xp = Device.of(state.scale).xp
    low, high, model, step = (part[:, None, None] for part in state[:4])
    feature, example = xp.arange(width, dtype=xp.uint64)[None, None], xp.arange(n, dtype=xp.uint64)[None, :, None]
    words: Any = Key(low, high)
    return normals(words, feature, example, model, step).astype(dtype)
