"""The settings of training that most calls leave as they are, in one value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from simlab.core.checks import exact, is_whole, number, one_of, shown
from simlab.nn.losses import Loss, require_loss
from simlab.nn.training import archive
from simlab.nn.training.schedules import require_rate

Engine = Literal["auto", "fused", "arrays"]


class Until(NamedTuple):
    """A rule for stopping a model: at the first record where a quantity is at most this."""

    quantity: str
    at_most: float


@dataclass(frozen=True)
class Options:
    """Settings of `train`; the first four are those of a `Run`, too. ValueError for a value that no call can use.

    loss: the cross-entropy of integer labels (`logistic` for a net with one output), the mean squared error of float
    targets, where it is None; float targets that look like labels or probabilities need a loss by name.
    models: the indices of the stack's models, 0, 1, ... where it is None. Every minibatch and every noise is a function
    of (seed, index, step), so model 17 alone, with models=[17], trains as it does among a thousand.
    noise: what the noise of `activation_noise` layers is multiplied by: a number, one for each model, or a schedule.
    engine: "fused" is compiled code that takes one model at a time through many steps, for `mlp` in float32 with SGD
    (on a GPU, where a model fits in the memory of a processor); "arrays" is everything else; "auto" takes the first
    that applies. They agree to rounding.

    stop: freezes a model at the first record that meets the rule; the record's `stopped` says at which.
    checkpoint: a file that holds the state every `checkpoint_every` steps and at the end, written whole or not at all.
    The same call with the same file continues from it and ends with the same bits; `steps` may be larger, with steps to
    record at that include those of before where `stop` or an angle depends on them.
    progress: True shows it on stderr; a function is called with the number of steps just done.
    """

    loss: Loss | None = None
    models: Sequence[int] | None = None
    noise: Any = 1.0
    engine: Engine = "auto"
    stop: Until | None = None
    checkpoint: Path | str | None = None
    checkpoint_every: int = 1000
    progress: bool | Callable[[int], Any] | None = None

    def __post_init__(self) -> None:
        if self.loss is not None:
            require_loss(self.loss)
        require_rate("noise", self.noise)
        one_of("engine", self.engine, ("auto", "fused", "arrays"))
        if not (self.stop is None or isinstance(self.stop, Until)):
            raise ValueError(f"stop must be a rule such as Until('loss', 0.01), got {shown(self.stop)}.")
        if self.stop is not None:
            number("stop: at_most", self.stop.at_most, infinite=True)
        if self.checkpoint is not None:
            archive.place_of("checkpoint", self.checkpoint)
        require_count("checkpoint_every", self.checkpoint_every, 1)
        if not (self.progress is None or isinstance(self.progress, bool) or callable(self.progress)):
            raise ValueError(f"progress must be True or a function of the steps done, got {shown(self.progress)}.")


def require_options(options: Any) -> Options:
    """ValueError unless this is an `Options`."""
    if not isinstance(options, Options):
        raise ValueError(f"options must be Options(...), such as Options(loss=mse), got {shown(options)}.")
    return options


def require_count(name: str, value: Any, smallest: int) -> int:
    """A whole number as given; ValueError if it is too small, or has a point: 3.0 steps are refused all over nn."""
    if not (is_whole(value) and value >= smallest):
        raise ValueError(f"{name} must be a whole number of at least {smallest}, got {exact(value)}.")
    return int(value)
