"""Training a stack of nets, every model on minibatches of its own, as if it were alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from simlab.core.checks import exact, is_whole, number, one_of, shown, stored
from simlab.core.device import Device
from simlab.core.progress import Progress
from simlab.nn.arguments import checked, pair, require_params
from simlab.nn.layers.layer import Array, Layer, Params, leaves
from simlab.nn.losses import Loss, at_home, cross_entropy, logistic, mse, require_loss, trusting
from simlab.nn.training import archive, checkpoints
from simlab.nn.training.engine import Arrays, Run, State, with_population
from simlab.nn.training.fast import fits
from simlab.nn.training.log import Log, Until
from simlab.nn.training.optimisers import Optimiser
from simlab.nn.training.record import Record
from simlab.nn.training.schedules import per_model, rate, require_rate, table
from simlab.random import Seed, key

if TYPE_CHECKING:
    import xarray as xr

    from simlab.data import Data

TRAINING = 1
"""The cell of a seed's keys that training draws from; `init` draws from the seed itself."""


def train(
    net: Layer,
    params: Params,
    data: Data | tuple[Any, Any],
    optimiser: Optimiser | None = None,
    *,
    batch_size: int,
    steps: int,
    seed: Seed = 0,
    record: Record | Sequence[str] | None = None,
    loss: Loss | None = None,
    models: Sequence[int] | None = None,
    noise: Any = 1.0,
    stop: Until | None = None,
    checkpoint: Path | str | None = None,
    checkpoint_every: int = 1000,
    engine: Literal["auto", "fused", "arrays"] = "auto",
    progress: bool | Callable[[int], Any] = False,
) -> tuple[Params, xr.Dataset]:
    """Parameters after `steps` updates, and what was recorded on the way, with dims (step, model).

    data: (x, y) or a `data.Data`; x (n, in) shared by all models or (model, n, in), y likewise. loss: the cross-entropy
    of integer labels (`logistic` for a net with one output), the mean squared error of float targets, unless another is
    given; float targets that look like labels or probabilities ask for a loss by name. optimiser: such as SGD(0.1).
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
    that applies. They agree to rounding. progress: True shows it on stderr; a function is called with numbers of steps
    done.

    Memory: parameters, the optimiser's memory (one copy for momentum, two for Adam), gradients, and two arrays (model,
    batch, width) for each layer; the fused path holds the last two for one model a thread. ValueError in one sentence
    on input that does not fit, before anything is trained.
    """
    run = _run(net, params, data, optimiser, batch_size, seed, loss, models, noise)
    steps, checkpoint_every = _count("steps", steps, 0), _count("checkpoint_every", checkpoint_every, 1)
    record = record if isinstance(record, Record) else _named(record)
    _require_rule(stop, record)
    mover = _engine(run, engine)
    never = np.full(len(run.models), -1, np.int64)
    state = State(0, params, run.optimiser.memory(params), never, never)
    wanted = record.steps(steps)
    log = Log(run, record, _test(run, params, record), stop)
    if wanted and wanted[0] > 0:
        log.rehearse(state)
    saves: set[int] = set()
    if checkpoint is not None:
        path = archive.place_of("checkpoint", checkpoint)
        mark = checkpoints.mark(log, stop, mover.name, params)
        saves = {*range(checkpoint_every, steps, checkpoint_every), steps}
        if path.exists():
            state = checkpoints.load(path, mark, state, log, wanted, steps)
    state = mover.start(state)
    with _reported(progress, steps - state.step) as tell:
        for target in sorted({*wanted, *saves, steps}):
            if target < state.step or (target == state.step and target in log.rows):
                continue
            done, state = state.step, mover.advance(state, target)
            if target in wanted:
                state = log.write(state)
            if target in saves:
                checkpoints.save(path, mark, state, log)
            tell(target - done)
    return with_population(run, state.params), log.dataset(state, wanted, mover.name)


def _run(
    net: Layer,
    params: Params,
    data: Any,
    optimiser: Any,
    batch_size: int,
    seed: Seed,
    loss: Loss | None,
    models: Sequence[int] | None,
    noise: Any,
) -> Run:
    """What training stands on, checked."""
    require_params(net, params)
    stack = len(leaves(params)[0])
    if not isinstance(optimiser, Optimiser):
        raise ValueError(f"optimiser must be one such as SGD(0.1), got {shown(optimiser)}.")
    x, y = _pair(net, params, data, "data")
    n = x.shape[-2]
    size = _count("batch_size", batch_size, 1)
    if size > n:
        raise ValueError(f"batch_size is {size} and there are {n} examples; take a batch of at most all of them.")
    index = np.arange(stack) if models is None else stored("models", models)
    if index.shape != (stack,) or index.dtype.kind not in "iu" or (index < 0).any() or (index >= 2**32).any():
        raise ValueError(f"models must name the index of each of the {stack} models of the stack, got {shown(models)}.")
    optimiser.numbers(stack)
    table(getattr(optimiser, "lr", None), 0, 1, stack)
    require_rate("noise", noise)
    per_model("noise", rate(noise, 0), stack)
    loss = _default(net, y) if loss is None else loss
    require_loss(loss)
    y = _as_rows(net, loss, x, y)
    run = Run(net, loss, optimiser, x, y, size, key(seed, TRAINING), index.astype(np.int64), noise)
    _require_targets(run, stack)
    return run


def _require_targets(run: Run, stack: int) -> None:
    """ValueError where the loss does not take these targets, each example one."""
    (n, width), y = run.x.shape[-2:], run.y
    place = y.ndim - 1 - run.loss.target_axes(y)
    strange = place < 0 or y.shape[place] != n
    rows = 1 if run.shared[1] else stack
    try:
        run.loss.value(Device.of(y).xp.zeros((rows, n, run.net.n_out or width), run.x.dtype), y)
    except ValueError as error:
        built_in = trusting(run.loss) is not run.loss
        raise ValueError(f"data, {error}" if built_in or not strange else _UNEVEN.format(n, y.shape)) from error
    if strange:
        raise ValueError(_UNEVEN.format(n, y.shape))


_UNEVEN = "data: x has {} examples and y has shape {}; give each example a y."


def _pair(net: Layer, params: Params, data: Any, name: str) -> tuple[Array, Array]:
    """(x, y) as arrays beside the parameters."""
    found, y = pair(name, data)
    x = checked(net, params, found, name)
    try:
        y = at_home(x, y)
    except ValueError as error:
        wanted = "y must hold integer labels (n) or float targets (n, out)"
        raise ValueError(f"{name}: {wanted}; {str(error).removeprefix('y: ')}") from error
    if y.dtype.kind != "f":
        return x, y
    with np.errstate(over="ignore"):  # what single precision cannot hold becomes infinite, and is refused as such
        return x, y.astype(x.dtype)


def _default(net: Layer, y: Array) -> Loss:
    """The loss that targets of this kind ask for; ValueError where none does."""
    if y.dtype.kind in "iu":
        return logistic if net.n_out == 1 else cross_entropy
    if y.dtype.kind != "f" or y.ndim < 2:
        raise ValueError(
            f"data: y must hold integer labels (n) or float targets (n, out), got {y.dtype} {y.shape}; convert or "
            "reshape it."
        )
    if bool((y >= 0).all()) and (
        bool(((y == 0) | (y == 1)).all()) if y.shape[-1] == 1 else bool((abs(y.sum(axis=-1) - 1) < 1e-5).all())
    ):
        labels = "y.astype(int)[..., 0]" if y.shape[-1] == 1 else "y.argmax(-1)"
        raise ValueError(
            f"data: y holds labels or probabilities as floats, {y.shape}, which may mean a class or a number; give "
            f"integer labels, {labels}, or name the loss, such as loss=nn.mse for regression."
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
    one_of("engine", name, ("auto", "fused", "arrays"))
    fused = None if name == "arrays" else fits(run)
    if name == "fused" and fused is None:
        raise ValueError('engine: the fused path covers mlp nets in float32 with SGD; take engine="auto".')
    return fused or Arrays(run)


def _count(name: str, value: Any, smallest: int) -> int:
    """A whole number as given; ValueError if it is too small, or has a point: 3.0 steps are refused all over nn."""
    if not (is_whole(value) and value >= smallest):
        raise ValueError(f"{name} must be a whole number of at least {smallest}, got {exact(value)}.")
    return int(value)


def _named(names: Any) -> Record:
    """A record of names alone."""
    try:
        return Record(("loss",) if names is None else names)
    except ValueError as error:
        raise ValueError(f"record: {error}") from error


def _require_rule(stop: Any, record: Record) -> None:
    """ValueError unless this is no rule, or one about what is recorded."""
    if stop is None:
        return
    if not isinstance(stop, Until):
        raise ValueError(f"stop must be a rule such as Until('loss', 0.01), got {shown(stop)}.")
    number("stop: at_most", stop.at_most, infinite=True)
    if stop.quantity not in [q.name for q in record.found]:
        raise ValueError(f"stop looks at {stop.quantity!r}, which is not recorded; add it to the record.")


@contextmanager
def _reported(progress: Any, steps: int) -> Iterator[Callable[[int], Any]]:
    """A function that takes numbers of steps done, and shows them or passes them on as `progress` says."""
    if progress is True:
        with Progress.to_stderr().task("training", steps) as task:
            yield task.advance
    elif progress is None or progress is False:
        yield lambda done: None
    elif callable(progress):
        yield progress
    else:
        raise ValueError(f"progress must be True or a function of the steps done, got {shown(progress)}.")
