"""The settings of walkers that most calls leave at their defaults, in one value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from simlab.core.checks import shown, whole

Dtype = Literal["float32", "float64"]


@dataclass(frozen=True)
class Options:
    """Settings of `walk` and of `Walkers`; ValueError for a value that no call can use.

    dtype: the precision of the state. In "float32" every addition is rounded to 6e-8 of the component: one that counts
    time, such as t + dt, lags by up to dt/2 of t per step (6383 in place of 6434 after 643,398 steps of 0.01), and so
    does any small increment to a large component. A run of more than 2^24 steps with such a component is refused.
    stream: runs with one seed that need independent noise use different streams, whole numbers below 2^32.
    progress: called with the number of steps just taken, at most several times a second.
    """

    dtype: Dtype = "float64"
    stream: int = 0
    progress: Callable[[int], object] | None = None

    def __post_init__(self) -> None:
        require_dtype(self.dtype)
        whole("stream", self.stream, 0, 2**32 - 1)
        if not (self.progress is None or callable(self.progress)):
            raise ValueError(f"progress must be a function of a number of steps, got {shown(self.progress)}.")


def require_options(options: object) -> Options:
    """ValueError unless this is an `Options`."""
    if not isinstance(options, Options):
        raise ValueError(f'options must be Options(...), such as Options(dtype="float32"), got {shown(options)}.')
    return options


def require_dtype(dtype: object) -> None:
    """ValueError unless kernels are made for this precision."""
    if dtype not in ("float32", "float64"):
        raise ValueError(f'dtype must be "float32" or "float64", got {shown(dtype)}.')
