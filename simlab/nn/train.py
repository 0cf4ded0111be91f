"""Training a stack of nets, every model on minibatches of its own, as if it were alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from simlab.device import Device
from simlab.nn import checkpoints
from simlab.nn.derivatives import checked, init
from simlab.nn.engine import Arrays, Run, State, with_population
from simlab.nn.fast import fits
from simlab.nn.layer import Array, Layer, Params, leaves
from simlab.nn.log import Log, Until
from simlab.nn.losses import Loss, at_home, cross_entropy, logistic, mse
from simlab.nn.optimisers import Optimiser
from simlab.nn.record import Record
from simlab.nn.schedules import per_model, rate, table
from simlab.random import key

if TYPE_CHECKING:
    import xarray as xr

TRAINING = 1
"""The cell of a seed's keys that training draws from; `init` draws from the seed itself."""


def train(
    net: Layer,
    params: Params,
    data: tuple[Any, Any],
    optimiser: Optimiser,
    *,
    batch_size: int,
    steps: int,
    seed: int = 0,
    record: Record | Sequence[str] | None = None,
    loss: Loss | None = None,
    models: Sequence[int] | None = None,
    noise: Any = 1.0,
    stop: Until | None = None,
    checkpoint: Path | str | None = None,
    checkpoint_every: int = 1000,
    engine: Literal["auto", "fused", "arrays"] = "auto",
    progress: Callable[[int], Any] | None = None,
) -> tuple[Params, xr.Dataset]:
    """Parameters after `steps` updates, and what was recorded on the way, with dims (step, model).

    data: (x, y), x (n, in) shared by all models or (model, n, in), y likewise; loss: the cross-entropy of integer
    labels (`logistic` for a net with one output), the mean squared error of float targets, unless another is given.
    record: what to measure and when; names alone are measured at the start and at the end. models: the indices of the
    stack's models, 0, 1, ... unless given: every minibatch and every noise is a function of (seed, index, step), so
    model 17 alone, with models=[17], trains as it does among a thousand, and no result depends on threads.

    Batch normalisation uses batch statistics while it trains; measurements and the returned parameters have the
    population statistics of the training data. noise multiplies what `activation_noise` layers add: a number, one for
    each model, or a schedule. A model whose batch loss is not finite keeps the parameters it had and is frozen;
    `diverged` says at which step (-1: never). `stop` freezes a model at a record; `stopped` says at which.

    checkpoint: a file that holds the state every `checkpoint_every` steps and at the end, written whole or not at all.
    The same call with the same file goes on where it stands and ends with the same bits; `steps` may be larger, with
    steps to record at that hold those of before where `stop` or an angle looks at them.
    engine: "fused" is compiled code that takes one model at a time through many steps, for `mlp` in float32 with SGD
    (on a card, where a model fits in the memory of a processor); "arrays" is everything else; "auto" takes the first
    that applies. They agree to rounding. progress is called with numbers of steps done.

    Memory: parameters, the optimiser's memory (one copy for momentum, two for Adam), gradients, and two arrays (model,
    batch, width) for each layer; the fused path holds the last two for one model a thread. ValueError in one sentence
    on input that does not fit, before anything is trained.
    """
    run = _run(net, params, data, optimiser, batch_size, seed, loss, models, noise)
    steps, checkpoint_every = _count("steps", steps, 0), _count("checkpoint_every", checkpoint_every, 1)
    record = record if isinstance(record, Record) else Record(("loss",) if record is None else record)
    if stop is not None and not isinstance(stop, Until):
        raise ValueError(f"stop must be a rule such as Until('loss', 0.01), got {stop!r}.")
    if stop is not None and stop.quantity not in [q.name for q in record.found]:
        raise ValueError(f"stop looks at {stop.quantity!r}, which is not recorded; add it to the record.")
    mover = _engine(run, engine)
    never = np.full(len(run.models), -1, np.int64)
    state = State(0, params, optimiser.memory(params), never, never)
    wanted = record.steps(steps)
    log = Log(run, record, _test(run, params, record), stop)
    if wanted and wanted[0] > 0:
        log.rehearse(state)
    saves: set[int] = set()
    if checkpoint is not None:
        path = Path(checkpoint)
        checkpoints.require_folder(path)
        mark = checkpoints.mark(log, stop, mover.name, params)
        saves = {*range(checkpoint_every, steps, checkpoint_every), steps}
        if path.exists():
            state = checkpoints.load(path, mark, state, log, wanted, steps)
    state = mover.start(state)
    for target in sorted({*wanted, *saves, steps}):
        if target < state.step or (target == state.step and target in log.rows):
            continue
        done, state = state.step, mover.advance(state, target)
        if target in wanted:
            state = log.write(state)
        if target in saves:
            checkpoints.save(path, mark, state, log)
        if progress:
            progress(target - done)
    return with_population(run, state.params), log.dataset(state, wanted, mover.name)


def _run(
    net: Layer,
    params: Params,
    data: tuple[Any, Any],
    optimiser: Optimiser,
    batch_size: int,
    seed: int,
    loss: Loss | None,
    models: Sequence[int] | None,
    noise: Any,
) -> Run:
    """What training stands on, checked."""
    like = init(net, models=1)
    if [a.shape[1:] for a in leaves(params)] != [a.shape[1:] for a in leaves(like)]:
        raise ValueError("params do not have the shapes of the parameters of this net; make them with init(net, ...).")
    stack = len(leaves(params)[0])
    if not isinstance(optimiser, Optimiser):
        raise ValueError(f"optimiser must be one such as SGD(0.1), got {optimiser!r}.")
    x, y = _pair(net, params, data, "data")
    n = x.shape[-2]
    size = _count("batch_size", batch_size, 1)
    if size > n:
        raise ValueError(f"batch_size is {size} and there are {n} examples; take a batch of at most all of them.")
    index = np.arange(stack) if models is None else np.asarray(models)
    if index.shape != (stack,) or index.dtype.kind not in "iu" or (index < 0).any() or (index >= 2**32).any():
        raise ValueError(f"models must name the index of each of the {stack} models of the stack, got {models!r}.")
    optimiser.numbers(stack)
    table(optimiser.lr, 0, 1, stack)
    per_model("noise", rate(noise, 0), stack)
    loss = _default(net, y) if loss is None else loss
    if not hasattr(loss, "target_axes"):
        raise ValueError(f"loss must be mse, cross_entropy, logistic or another Loss, got {loss!r}.")
    y = _as_rows(net, loss, x, y)
    run = Run(net, loss, optimiser, x, y, size, key(seed, TRAINING), index.astype(np.int64), noise)
    rows = 1 if run.shared[1] else stack
    loss.value(Device.of(x).xp.zeros((rows, n, net.n_out or x.shape[-1]), x.dtype), y)  # refuses what does not fit
    return run


def _pair(net: Layer, params: Params, data: Any, name: str) -> tuple[Array, Array]:
    """(x, y) as arrays beside the parameters."""
    if not (isinstance(data, tuple) and len(data) == 2):
        raise ValueError(f"{name} must be a tuple (x, y) of arrays, got {type(data).__name__}.")
    x = checked(net, params, data[0])
    y = at_home(x, data[1])
    return x, y.astype(x.dtype) if y.dtype.kind == "f" else y


def _default(net: Layer, y: Array) -> Loss:
    """The loss that targets of this kind ask for; ValueError where none does."""
    if y.dtype.kind in "iu":
        return logistic if net.n_out == 1 else cross_entropy
    if y.dtype.kind != "f" or y.ndim < 2:
        raise ValueError(
            f"y must hold integer labels (n) or float targets (n, out), got {y.dtype} {y.shape}; convert or reshape it."
        )
    return mse


def _as_rows(net: Layer, loss: Loss, x: Array, y: Array) -> Array:
    """The targets, as floats where the loss takes a row for each example: integers count as labels elsewhere."""
    rows = loss.target_axes(y) == 1 and y.shape[-2:] == (x.shape[-2], net.n_out or x.shape[-1])
    return y.astype(x.dtype) if rows else y


def _test(run: Run, params: Params, record: Record) -> tuple[Array, Array]:
    """The test data; the training data stand where no quantity asks for any."""
    if record.test is None:
        return run.x, run.y
    x, y = _pair(run.net, params, record.test, "test")
    if x.shape[-2] not in y.shape:
        raise ValueError(f"test has {x.shape[-2]} examples and y has shape {y.shape}; give each example a y.")
    return x, _as_rows(run.net, run.loss, x, y)


def _engine(run: Run, name: str) -> Any:
    """The path of this name."""
    if name not in ("auto", "fused", "arrays"):
        raise ValueError(f'engine must be "auto", "fused" or "arrays", got {name!r}.')
    fused = None if name == "arrays" else fits(run)
    if name == "fused" and fused is None:
        raise ValueError('the fused path covers mlp nets in float32 with SGD; take engine="auto".')
    return fused or Arrays(run)


def _count(name: str, value: Any, smallest: int) -> int:
    """A whole number as given; ValueError if it is none or too small."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < smallest:
        raise ValueError(f"{name} must be a whole number of at least {smallest}, got {value!r}.")
    return int(value)
