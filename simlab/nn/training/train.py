"""Training a stack of nets, every model on minibatches of its own, as if it were alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from simlab.core.progress import Progress
from simlab.nn.layers.layer import Layer, Params
from simlab.nn.training.checkpoints import Checkpoints
from simlab.nn.training.log import Log
from simlab.nn.training.optimisers import Optimiser
from simlab.nn.training.options import Options, Until, require_count, require_options
from simlab.nn.training.record import Record
from simlab.nn.training.run import Run
from simlab.random import Seed

if TYPE_CHECKING:
    import xarray as xr

    from simlab.data import Data


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
    options: Options | None = None,
) -> tuple[Params, xr.Dataset]:
    """Parameters after `steps` updates, and what was recorded on the way, with dims (step, model).

    data: (x, y) or a `data.Data`; x (n, in) shared by all models or (model, n, in), y likewise: integer labels, or
    float targets. optimiser: such as SGD(0.1). record: what to measure and when; names alone are measured at the start
    and at the end. options: the loss, if not the usual one, a checkpoint, a rule for stopping and more, see `Options`.
    Every minibatch and every noise is a function of (seed, index of the model, step): no result depends on threads, on
    the other models of the stack, or on how the steps are cut into calls (`Run`).

    Batch normalisation uses batch statistics while it trains; measurements and the returned parameters have the
    population statistics of the training data. A model whose batch loss is not finite keeps the parameters it had and
    is frozen; `diverged` says at which step (-1: never).

    Memory: parameters, the optimiser's state (one copy for momentum, two for Adam), gradients, and two arrays (model,
    batch, width) for each layer; the fused engine holds the last two for one model per thread. ValueError in one
    sentence on input that does not fit, before anything is trained.
    """
    options = Options() if options is None else require_options(options)
    of_run = replace(options, stop=None, checkpoint=None, progress=None)
    run = Run(net, params, data, optimiser, batch_size=batch_size, seed=seed, options=of_run)
    steps = require_count("steps", steps, 0)
    record = record if isinstance(record, Record) else _named(record)
    _require_recorded(options.stop, record)
    log, state = Log(run.setup, params, record, options.stop), run.start()
    wanted = record.steps(steps)
    if wanted and wanted[0] > 0:
        log.rehearse(state)
    checkpoints = Checkpoints(options, log, run.engine, params)
    state = checkpoints.load(state, wanted, steps)
    saves = checkpoints.steps(steps)
    with _reported(options.progress, steps - state.step) as report:
        for target in sorted({*wanted, *saves, steps}):
            if target < state.step or (target == state.step and target in log.rows):
                continue
            done, state = state.step, run.advance(state, target - state.step)
            if target in wanted:
                state = log.write(state)
            if target in saves:
                checkpoints.save(state)
            report(target - done)
    return run.eval_params(state), log.dataset(state, wanted, run.engine)


def _named(names: Any) -> Record:
    """A record of names alone."""
    try:
        return Record(("loss",) if names is None else names)
    except ValueError as error:
        raise ValueError(f"record: {error}") from error


def _require_recorded(stop: Until | None, record: Record) -> None:
    """ValueError for a rule about what is not recorded."""
    if stop is not None and stop.quantity not in [q.name for q in record.found]:
        raise ValueError(f"stop looks at {stop.quantity!r}, which is not recorded; add it to the record.")


@contextmanager
def _reported(progress: Any, steps: int) -> Iterator[Callable[[int], Any]]:
    """A function that takes numbers of steps done, and shows them or passes them on as `progress` says."""
    if progress is True:
        with Progress.to_stderr().task("training", steps) as task:
            yield task.advance
    else:
        yield progress if callable(progress) else lambda done: None
