"""Training a stack of nets on minibatches of their own, as a user of each framework would write it for speed.

State stays on the device, nothing is recorded, compilation happens on the first call. All frameworks multiply in
float32 on cards too, not in TF32.

JAX batches by vmap over the gradient of one net; the same written over the stack by hand takes the same time. It
multiplies a stack of small matrices on one processor, so there is also one that gives half of the models to each of two
devices on one host.
"""

from __future__ import annotations

import itertools
from functools import cache, partial
from typing import Any, Literal

import numpy as np
from network_task import EPS, EXAMPLES, LR, MOMENTUM, WEIGHT_DECAY, Leaves, Task, Trainer

from simlab import nn
from simlab.core.device import Device
from simlab.nn.layers.layer import leaves, tree_map

PROCESSORS = 2


class Simlab(Trainer):
    """Ours: `train`, as a user calls it, with its own shuffles; `engine` as there."""

    def __init__(self, task: Task, device: str, engine: Literal["auto", "arrays"] = "auto") -> None:
        super().__init__(task, device)
        self.home, self.engine = Device.open(device), engine
        self.data: Any = tuple(map(self.home.asarray, task.data))

    def begin(self) -> Any:
        return tree_map(self.home.asarray, self.task.params)

    def shuffle(self) -> Any:
        return None  # train shuffles by itself

    def put(self, order: np.ndarray) -> Any:
        return order

    def epoch(self, state: Any, order: Any) -> Any:
        """As many steps from the beginning as the order has; it must be the one that training takes."""
        return self._train(state, len(order))

    def epochs(self, state: Any, count: int, order: Any) -> Any:
        return self._train(state, count * self.task.steps)

    def _train(self, params: Any, steps: int) -> Any:
        sgd = nn.SGD(LR, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY)
        return nn.train(
            self.task.net, params, self.data, sgd, batch_size=self.task.batch, steps=steps,
            record=nn.Record([], at=[]), options=nn.Options(engine=self.engine),
        )[0]  # fmt: skip

    def host(self, state: Any) -> Leaves:
        return [self.home.to_host(leaf) for leaf in leaves(state)]

    def wait(self, state: Any) -> None:
        self.home.synchronize()


@cache
def jax_with_processors() -> Any:
    """The module, with a device for each processor; this must be said before it looks at its devices."""
    import jax

    jax.config.update("jax_num_cpu_devices", PROCESSORS)
    jax.config.update("jax_default_matmul_precision", "highest")
    return jax


def jax_loss(params: Any, x: Any, y: Any, norm: bool) -> Any:
    """The cross-entropy of one net."""
    import jax
    from jax import numpy as jnp

    rest = iter(params)
    for _ in range((len(params) - 2) // (3 if norm else 2)):
        x = x @ next(rest)
        if norm:
            centred = x - x.mean(axis=0)
            x = centred * jax.lax.rsqrt((centred * centred).mean(axis=0) + EPS) * next(rest)
        x = jnp.maximum(x + next(rest), 0)
    f = x @ next(rest) + next(rest)
    # A gather of the labels' logits has a scatter for a derivative, which is slower.
    return (jax.nn.logsumexp(f, axis=-1) - (jax.nn.one_hot(y, f.shape[-1]) * f).sum(axis=-1)).mean()


class Jax(Trainer):
    """JAX: vmap of grad in a scan over the epoch, jitted, its state donated; the models spread over `devices`."""

    def __init__(self, task: Task, device: str, devices: int = 1) -> None:
        super().__init__(task, device)
        jax = jax_with_processors()
        if device == "gpu" and devices > 1:
            raise RuntimeError("JAX has one card here")
        places = jax.devices(device)[:devices]  # RuntimeError where JAX has no such device
        shard, spec = jax.sharding.NamedSharding, jax.sharding.PartitionSpec
        mesh = jax.sharding.Mesh(np.array(places), ("model",))
        everywhere, self.by_model, self.orders = (
            shard(mesh, spec(*axes)) for axes in ((), ("model",), (None, "model"))
        )
        self.x, self.y = jax.device_put((task.data[0], task.data[1].astype(np.int32)), everywhere)
        grad = jax.vmap(jax.grad(partial(jax_loss, norm=task.norm)))

        def epoch(state: Any, order: Any, x: Any, y: Any) -> Any:
            def step(state: Any, rows: Any) -> Any:
                params, velocity = state
                # Rows are in bounds; a look costs time.
                batch = (a.at[rows].get(mode="promise_in_bounds") for a in (x, y))
                grads = grad(params, *batch)
                moved = zip(velocity, grads, params, strict=True)
                velocity = [MOMENTUM * v + (g + WEIGHT_DECAY * p) for v, g, p in moved]
                return ([p - LR * v for p, v in zip(params, velocity, strict=True)], velocity), None

            return jax.lax.scan(step, state, order)[0]

        def shuffle(key: Any) -> Any:
            # A sort of 22 random bits with the row's number below them takes a fifth of jax.random.permutation's time.
            rows = jax.numpy.arange(EXAMPLES, dtype="uint32")
            words = jax.random.bits(key, (task.models, EXAMPLES)) & ~np.uint32(EXAMPLES - 1) | rows
            order = (jax.numpy.sort(words, axis=1) & np.uint32(EXAMPLES - 1)).astype("int32")
            return order.reshape(task.models, task.steps, task.batch).swapaxes(0, 1)

        if devices > 1:
            specs = (self.by_model.spec, self.orders.spec, everywhere.spec, everywhere.spec)
            epoch = jax.shard_map(epoch, mesh=mesh, in_specs=specs, out_specs=self.by_model.spec)
        self.run = jax.jit(epoch, donate_argnums=0)
        self.draw = jax.jit(shuffle, out_shardings=self.orders)
        self.jax, self.seeds = jax, itertools.count()

    def begin(self) -> Any:
        # Donated arrays may not be ours: device_put can share memory with NumPy.
        state = [leaf.copy() for leaf in self.task.start], [np.zeros_like(leaf) for leaf in self.task.start]
        return self.jax.device_put(state, self.by_model)

    def shuffle(self) -> Any:
        return self.draw(self.jax.random.key(next(self.seeds)))

    def put(self, order: np.ndarray) -> Any:
        return self.jax.device_put(order, self.orders)

    def epoch(self, state: Any, order: Any) -> Any:
        return self.run(state, order, self.x, self.y)

    def host(self, state: Any) -> Leaves:
        return [np.array(leaf) for leaf in state[0]]

    def wait(self, state: Any) -> None:
        self.jax.block_until_ready(state)


def torch_loss(params: Any, x: Any, y: Any, norm: bool) -> Any:
    """The cross-entropy of one net, or the sum of those of a stack."""
    import torch

    def affine(x: Any, W: Any, b: Any) -> Any:
        return torch.addmm(b, x, W) if W.ndim == 2 else torch.baddbmm(b.unsqueeze(-2), x, W)

    rest = iter(params)
    for _ in range((len(params) - 2) // (3 if norm else 2)):
        if norm:
            x = x @ next(rest)
            var, mean = torch.var_mean(x, -2, correction=0, keepdim=True)
            scale, shift = next(rest).unsqueeze(-2), next(rest).unsqueeze(-2)
            x = torch.relu((x - mean) * torch.rsqrt(var + EPS) * scale + shift)
        else:
            x = torch.relu(affine(x, next(rest), next(rest)))
    f = affine(x, next(rest), next(rest))
    return torch.nn.functional.cross_entropy(f.flatten(0, -2), y.flatten(), reduction="sum") / y.shape[-1]


class Torch(Trainer):
    """PyTorch: stacked matrix products, autograd, and its fused SGD."""

    def __init__(self, task: Task, device: str) -> None:
        super().__init__(task, device)
        import torch

        if device == "gpu" and not torch.cuda.is_available():
            raise RuntimeError("this PyTorch has no CUDA")
        torch.set_num_threads(PROCESSORS)
        self.torch, self.place = torch, "cuda" if device == "gpu" else "cpu"
        self.x, self.y = (torch.from_numpy(a).to(self.place) for a in task.data)
        self.loss = partial(torch_loss, norm=task.norm)

    def begin(self) -> Any:
        params = [self.torch.tensor(leaf, device=self.place, requires_grad=True) for leaf in self.task.start]
        return params, self.torch.optim.SGD(params, LR, MOMENTUM, weight_decay=WEIGHT_DECAY, fused=True)

    def shuffle(self) -> Any:
        order = self.torch.rand(self.task.models, EXAMPLES, device=self.place).argsort(-1)
        return order.view(self.task.models, self.task.steps, self.task.batch).transpose(0, 1).contiguous()

    def put(self, order: np.ndarray) -> Any:
        return self.torch.from_numpy(order).to(self.place, self.torch.int64)

    def batch(self, rows: Any) -> tuple[Any, Any]:
        """The examples with these numbers."""
        flat = rows.flatten()
        return self.x.index_select(0, flat).view(*rows.shape, -1), self.y.index_select(0, flat).view(rows.shape)

    def epoch(self, state: Any, order: Any) -> Any:
        params, optimizer = state
        for rows in order:
            optimizer.zero_grad()
            self.loss(params, *self.batch(rows)).backward()
            optimizer.step()
        return state

    def host(self, state: Any) -> Leaves:
        return [leaf.detach().cpu().numpy() for leaf in state[0]]

    def wait(self, state: Any) -> None:
        if self.place == "cuda":
            self.torch.cuda.synchronize()


class TorchVmap(Torch):
    """PyTorch: torch.func's vmap of grad over one net, the update in place."""

    def __init__(self, task: Task, device: str) -> None:
        super().__init__(task, device)
        self.grad = self.torch.func.vmap(self.torch.func.grad(self.loss))

    def begin(self) -> Any:
        params = [self.torch.tensor(leaf, device=self.place) for leaf in self.task.start]
        return params, [self.torch.zeros_like(leaf) for leaf in params]

    def step(self, params: Any, velocity: Any, rows: Any) -> None:
        """Move both."""
        for p, v, g in zip(params, velocity, self.grad(params, *self.batch(rows)), strict=True):
            v.mul_(MOMENTUM).add_(g).add_(p, alpha=WEIGHT_DECAY)
            p.add_(v, alpha=-LR)

    def epoch(self, state: Any, order: Any) -> Any:
        with self.torch.no_grad():
            for rows in order:
                self.step(*state, rows)
        return state


class TorchCompiled(TorchVmap):
    """PyTorch: torch.compile of a whole step over the stack."""

    def __init__(self, task: Task, device: str) -> None:
        super().__init__(task, device)
        self.torch._dynamo.reset()  # or the ninth task finds its cache full and runs uncompiled
        self.grad = self.torch.func.grad(self.loss)
        self.plain = self.torch.compile(super().step, dynamic=False)

    def step(self, params: Any, velocity: Any, rows: Any) -> None:
        self.plain(params, velocity, rows)


class TorchGraph(TorchCompiled):
    """PyTorch: the compiled step recorded as a CUDA graph, which launches all its kernels at once."""

    def __init__(self, task: Task, device: str) -> None:
        super().__init__(task, device)
        if device != "gpu":
            raise RuntimeError("CUDA graphs need a card")

    def begin(self) -> Any:
        params, velocity = super().begin()
        rows = self.put(self.task.order(0)[0])
        cuda, graph = self.torch.cuda, self.torch.cuda.CUDAGraph()
        with self.torch.no_grad():
            beside = cuda.Stream()
            beside.wait_stream(cuda.current_stream())
            with cuda.stream(beside):
                for _ in range(3):  # what is compiled or allocated on first use must not be recorded
                    self.step(params, velocity, rows)
            cuda.current_stream().wait_stream(beside)
            with cuda.graph(graph):
                self.step(params, velocity, rows)
            for leaf, start in zip(params, self.task.start, strict=True):
                leaf.copy_(self.torch.tensor(start))
            for leaf in velocity:
                leaf.zero_()
        return params, velocity, rows, graph

    def epoch(self, state: Any, order: Any) -> Any:
        *_, buffer, graph = state
        for rows in order:
            buffer.copy_(rows)
            graph.replay()
        return state


PEERS = {
    "simlab": Simlab,
    "simlab, arrays": partial(Simlab, engine="arrays"),
    "JAX": Jax,
    f"JAX, {PROCESSORS} devices": partial(Jax, devices=PROCESSORS),
    "PyTorch": Torch,
    "PyTorch, vmap": TorchVmap,
    "PyTorch, compile": TorchCompiled,
    "PyTorch, CUDA graph": TorchGraph,
}
