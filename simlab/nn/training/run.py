"""Training as a pure function: a run computes the state that follows from a state, and stores none itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from simlab.core.checks import shown
from simlab.core.device import Device
from simlab.nn.arguments import require_params
from simlab.nn.layers.layer import Layer, Params, leaves
from simlab.nn.training.engine import State
from simlab.nn.training.fast import select_engine
from simlab.nn.training.optimisers import Optimiser
from simlab.nn.training.options import Options, require_count, require_options
from simlab.nn.training.setup import set_up, with_population
from simlab.random import Seed

if TYPE_CHECKING:
    from simlab.data import Data


class Run:
    """What training stands on, checked: `start` gives the first state, `advance` the state some steps later.

    Both are pure: a state is never changed, so it may be stored, compared, or advanced twice. The result does not
    depend on how the steps are cut into calls. `train` is made of these calls, with a record, a rule for stopping, a
    checkpoint and progress between them.

    >>> import numpy as np
    >>> from simlab import nn
    >>> x = np.linspace(-1, 1, 32)[:, None]
    >>> net = nn.mlp([1, 16, 1], "tanh")
    >>> params = nn.init(net, models=3)
    >>> run = nn.Run(net, params, (x, 2 + np.sin(3 * x)), nn.SGD(0.1), batch_size=8)
    >>> state = run.start()
    >>> state = run.advance(state, 100)
    >>> one = run.advance(run.advance(state, 30), 70)
    >>> two = run.advance(state, 100)
    >>> one.step, np.array_equal(nn.flatten(one.params), nn.flatten(two.params))
    (200, True)

    params: a stack of parameters of the net; the run takes its number of models, its precision and its device from it.
    data, optimiser, batch_size, seed: as in `train`. options: loss, models, noise and engine; a run has no record, so
    that the others are refused. ValueError in one sentence on input that does not fit.
    """

    def __init__(
        self,
        net: Layer,
        params: Params,
        data: Data | tuple[Any, Any],
        optimiser: Optimiser | None = None,
        *,
        batch_size: int,
        seed: Seed = 0,
        options: Options | None = None,
    ) -> None:
        options = Options() if options is None else require_options(options)
        if not (options.stop is None and options.checkpoint is None and options.progress in (None, False)):
            raise ValueError("options: a run has no stop, checkpoint or progress; give them to train.")
        self.params = params
        self.setup = set_up(net, params, data, optimiser, batch_size, seed, options)
        self._engine = select_engine(self.setup, options.engine)

    @property
    def engine(self) -> str:
        """The engine that was chosen, "fused" or "arrays"."""
        return self._engine.name

    def start(self, params: Params | None = None) -> State:
        """The state before the first step: from the parameters of the run, or from others like them."""
        if params is None:
            params = self.params
        else:
            self._require_alike(params)
        never = np.full(len(self.setup.models), -1, np.int64)
        return State(0, params, self.setup.optimiser.init(params), never, never)

    def advance(self, state: State, steps: int) -> State:
        """The state so many steps later; models that diverged or were stopped stay as they are."""
        if not isinstance(state, State):
            raise ValueError(f"state must be one that start or advance returned, got {shown(state)}.")
        return self._engine.advance(state, state.step + require_count("steps", steps, 0))

    def eval_params(self, state: State) -> Params:
        """The parameters for prediction: with the population statistics of the training data, where the net has any."""
        return with_population(self.setup, state.params)

    def _require_alike(self, params: Params) -> None:
        """ValueError unless these are as many models of the net, in the same precision on the same device."""
        require_params(self.setup.net, params)
        new, own = leaves(params)[0], leaves(self.params)[0]
        if (len(new), new.dtype, Device.of(new)) != (len(own), own.dtype, Device.of(own)):
            raise ValueError(
                f"params must hold {len(own)} models in {own.dtype} on {Device.of(own).name}, as those of the run do."
            )
