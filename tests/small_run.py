"""Small work in a process of its own: `python -m tests.small_run walked trained` prints what came out."""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np

from simlab import nn
from simlab.sde import Options, walk
from tests.sde.models import MODELS


def walked() -> list[float]:
    """Where some walkers of two models end, in both precisions."""
    ends: list[float] = []
    for name in ("double well", "a user's potential"):
        model, scheme, parameters, x0 = MODELS[name]
        for options in (Options("float64"), Options("float32")):
            how: Any = {"scheme": scheme, "parameters": parameters, "options": options}
            ends += walk(model, walkers=600, steps=8, dt=0.02, x0=x0, seed=1, **how).values[-1, ::60].tolist()
    return ends


def trained() -> list[float]:
    """Some parameters of a small stack after a few steps of the compiled engine."""
    rng = np.random.default_rng(0)
    data = rng.standard_normal((64, 5)).astype(np.float32), rng.integers(0, 3, 64)
    net = nn.mlp([5, 16, 3], "tanh", "batch")
    start = nn.init(net, models=3, seed=0)
    sgd = nn.SGD(0.1, momentum=0.9)
    params, _ = nn.train(net, start, data, sgd, steps=6, batch_size=16, options=nn.Options(engine="fused"))
    found: list[float] = nn.flatten(params)[:, ::7].ravel().tolist()
    return found


def main() -> None:
    """Print the numbers, and how many functions were compiled in this process for want of kept ones."""
    from numba.core import event

    from simlab.core.kernel_cache import KernelCache

    compiled: list[str] = []

    class Count(event.Listener):
        def on_start(self, event: Any) -> None:
            if isinstance(event.data["dispatcher"]._cache, KernelCache):
                compiled.append(event.data["dispatcher"].__name__)

        def on_end(self, event: Any) -> None:
            pass

    with event.install_listener("numba:compile", Count()):
        found = {name: {"walked": walked, "trained": trained}[name]() for name in sys.argv[1:]}
    sys.stdout.write(json.dumps({**found, "compiled": compiled}))


if __name__ == "__main__":
    main()
