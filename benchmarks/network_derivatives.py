"""The gradient, the gradient of each example, and the Hessian times a vector, in each framework's own way.

A peer is a function (task, device) -> calls by name. A call returns its result as a list of arrays like the parameters,
the gradient of each example with a second axis (model, n, ...), and may leave the device at work; `wait` ends that.
Batch normalisation couples the examples, so that there is no gradient of one.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from network_peers import Torch, jax_loss, jax_with_processors, torch_loss
from network_task import Task

from simlab import nn
from simlab.core.device import Device
from simlab.nn.layers.layer import leaves, tree_map

GRADIENT, EXAMPLES, HESSIAN = "gradient", "gradient of each example", "Hessian times a vector"


class Derivatives(NamedTuple):
    """What is asked for by name, and how to wait for a result and bring it to the host."""

    calls: dict[str, Callable[[], Any]]
    wait: Callable[[Any], object]
    host: Callable[[Any], list[np.ndarray]]


def batch(task: Task) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Examples (model, n, in), labels (model, n), and a direction like the parameters."""
    x, y = task.data
    rows = task.order(0)[0]
    rng = np.random.default_rng(1)
    return x[rows], y[rows], [rng.standard_normal(leaf.shape, np.float32) for leaf in task.start]


def simlab(task: Task, device: str) -> Derivatives:
    """Ours."""
    home = Device.open(device)
    x, y, v = batch(task)
    x, y = home.asarray(x), home.asarray(y)
    parts = iter(v)
    direction = tree_map(lambda leaf: home.asarray(next(parts)), task.params)
    asked = (task.net, nn.cross_entropy, tree_map(home.asarray, task.params), x, y)
    return Derivatives(
        {
            GRADIENT: lambda: leaves(nn.value_and_grad(*asked)[1]),
            EXAMPLES: lambda: leaves(nn.per_example_grads(*asked)),
            HESSIAN: lambda: leaves(nn.hvp(*asked, direction)),
        },
        lambda result: home.synchronize(),
        lambda result: [home.to_host(leaf) for leaf in result],
    )


def jax(task: Task, device: str) -> Derivatives:
    """JAX: vmap of grad, vmap of vmap of grad, vmap of the jvp of grad, each jitted."""
    jax = jax_with_processors()
    x, y, v = batch(task)
    args = jax.device_put((task.start, x, y.astype(np.int32)), jax.devices(device)[0])
    direction = jax.device_put(v, jax.devices(device)[0])
    grad = jax.grad(partial(jax_loss, norm=task.norm))

    def of_one(params: Any, x: Any, y: Any) -> Any:
        return jax.tree.map(lambda leaf: leaf / task.batch, grad(params, x[None], y[None]))

    def hvp(params: Any, x: Any, y: Any, v: Any) -> Any:
        return jax.jvp(lambda p: grad(p, x, y), (params,), (v,))[1]

    gradient = jax.jit(jax.vmap(grad))
    examples = jax.jit(jax.vmap(jax.vmap(of_one, (None, 0, 0))))
    hessian = jax.jit(jax.vmap(hvp))
    return Derivatives(
        {
            GRADIENT: lambda: gradient(*args),
            EXAMPLES: lambda: examples(*args),
            HESSIAN: lambda: hessian(*args, direction),
        },
        jax.block_until_ready,
        lambda result: [np.asarray(leaf) for leaf in result],
    )


def torch(task: Task, device: str) -> Derivatives:
    """PyTorch: the same by torch.func."""
    import torch

    place = Torch(task, device)
    x, y, v = batch(task)
    args = tuple(torch.from_numpy(a).to(place.place) for a in (x, y))
    params, direction = ([torch.tensor(leaf, device=place.place) for leaf in part] for part in (task.start, v))
    grad, vmap = torch.func.grad(partial(torch_loss, norm=task.norm)), torch.func.vmap

    def of_one(params: Any, x: Any, y: Any) -> Any:
        return [leaf / task.batch for leaf in grad(params, x[None], y[None])]

    def hvp(params: Any, x: Any, y: Any, v: Any) -> Any:
        return torch.func.jvp(lambda p: grad(p, x, y), (params,), (v,))[1]

    return Derivatives(
        {
            GRADIENT: lambda: vmap(grad)(params, *args),
            EXAMPLES: lambda: vmap(vmap(of_one, (None, 0, 0)))(params, *args),
            HESSIAN: lambda: vmap(hvp)(params, *args, direction),
        },
        place.wait,
        lambda result: [leaf.cpu().numpy() for leaf in result],
    )


DERIVATIVES = {"simlab": simlab, "JAX": jax, "PyTorch, vmap": torch}
