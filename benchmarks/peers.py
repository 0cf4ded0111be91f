"""The double well dx = (x - x^3) dt + s dW by Euler's step, as a user of each framework would write it for speed.

Every peer is a function (walkers, dtype, device) -> run, and run(steps) moves all walkers and returns when that is
done. ImportError means: not installed here. State stays on the device; nothing is recorded; compilation happens on the
first call.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

DT, NOISE = 0.05, 1.0
Run = Callable[[int], None]
Peer = Callable[[int, str, str], Run]


def simlab(walkers: int, dtype: str, device: str) -> Run:
    """Our own kernel."""
    import sympy as sp

    from simlab.sde import Options, Walkers, langevin

    x = sp.Symbol("x", real=True)
    model, options = langevin(x**4 / 4 - x**2 / 2, x, 0.5), Options(dtype=dtype)  # type: ignore[arg-type]
    many = Walkers(model, walkers, dt=DT, device=device, options=options)

    def run(steps: int) -> None:
        many.advance(steps)
        many.device.synchronize()

    return run


def numpy(walkers: int, dtype: str, device: str) -> Run:
    """NumPy, in place, with its fastest generator; one thread, as NumPy is."""
    if device != "cpu":
        raise ImportError("NumPy runs on the CPU")
    rng = np.random.Generator(np.random.SFC64(0))
    x, noise, drift = (np.zeros(walkers, dtype) for _ in range(3))
    dt, kick = np.array([DT, NOISE * DT**0.5], dtype)

    def run(steps: int) -> None:
        for _ in range(steps):
            rng.standard_normal(out=noise, dtype=x.dtype)
            np.multiply(x, x, out=drift)
            np.subtract(1, drift, out=drift)
            np.multiply(drift, x, out=drift)
            np.multiply(drift, dt, out=drift)
            np.multiply(noise, kick, out=noise)
            np.add(x, drift, out=x)
            np.add(x, noise, out=x)

    return run


def _jax(walkers: int, dtype: str, device: str, generator: str) -> Run:
    import jax
    from jax import lax
    from jax import numpy as jnp

    jax.config.update("jax_enable_x64", True)
    place = jax.devices(device)[0]  # RuntimeError where JAX has no such device
    dt, kick = (jnp.asarray(v, dtype) for v in (DT, NOISE * DT**0.5))

    def walk(x: Any, key: Any, steps: int) -> Any:
        def step(x: Any, n: Any) -> Any:
            noise = jax.random.normal(jax.random.fold_in(key, n), x.shape, dtype)
            return x + (x - x * x * x) * dt + kick * noise, None

        return lax.scan(step, x, jnp.arange(steps))[0]

    compiled = jax.jit(walk, static_argnums=2, donate_argnums=0)
    state = {"x": jax.device_put(jnp.zeros(walkers, dtype), place)}
    seeds = itertools.count()

    def run(steps: int) -> None:
        state["x"] = compiled(state["x"], jax.random.key(next(seeds), impl=generator), steps).block_until_ready()

    return run


def jax_scan(walkers: int, dtype: str, device: str) -> Run:
    """JAX, `lax.scan` under `jit`, its default generator."""
    return _jax(walkers, dtype, device, "threefry2x32")


def jax_rbg(walkers: int, dtype: str, device: str) -> Run:
    """The same with XLA's own faster generator."""
    return _jax(walkers, dtype, device, "unsafe_rbg")


def torch_eager(walkers: int, dtype: str, device: str) -> Run:
    """PyTorch, in place, nothing allocated in the loop."""
    import torch

    place = "cuda" if device == "gpu" else "cpu"
    if place == "cuda" and not torch.cuda.is_available():
        raise ImportError("this PyTorch has no CUDA")
    x, noise, drift = (torch.zeros(walkers, dtype=getattr(torch, dtype), device=place) for _ in range(3))

    def run(steps: int) -> None:
        with torch.no_grad():
            for _ in range(steps):
                torch.mul(x, x, out=drift)
                drift.neg_().add_(1).mul_(x)
                noise.normal_()
                x.add_(drift, alpha=DT).add_(noise, alpha=NOISE * DT**0.5)
            if place == "cuda":
                torch.cuda.synchronize()

    return run


def torch_compiled(walkers: int, dtype: str, device: str) -> Run:
    """PyTorch, `torch.compile` of sixteen steps at a time."""
    import torch

    place = "cuda" if device == "gpu" else "cpu"
    if place == "cuda" and not torch.cuda.is_available():
        raise ImportError("this PyTorch has no CUDA")

    @torch.compile(dynamic=False)
    def sixteen(x: Any) -> Any:
        for _ in range(16):
            x = x + (x - x * x * x) * DT + NOISE * DT**0.5 * torch.randn_like(x)
        return x

    state = {"x": torch.zeros(walkers, dtype=getattr(torch, dtype), device=place)}

    def run(steps: int) -> None:
        with torch.no_grad():
            for _ in range(max(1, steps // 16)):
                state["x"] = sixteen(state["x"])
            if place == "cuda":
                torch.cuda.synchronize()

    return run


def diffrax(walkers: int, dtype: str, device: str) -> Run:
    """diffrax, Euler on the cheapest Brownian path it has, all walkers as one state."""
    import diffrax as dfx
    import jax
    import lineax
    from jax import numpy as jnp

    jax.config.update("jax_enable_x64", True)
    place = jax.devices(device)[0]
    shape = jax.ShapeDtypeStruct((walkers,), dtype)

    def walk(x: Any, key: Any, steps: int) -> Any:
        path = dfx.UnsafeBrownianPath(shape=shape, key=key)
        terms = dfx.MultiTerm(
            dfx.ODETerm(lambda t, y, args: y - y * y * y),
            dfx.ControlTerm(lambda t, y, args: lineax.DiagonalLinearOperator(jnp.full_like(y, NOISE)), path),
        )
        return dfx.diffeqsolve(
            terms, dfx.Euler(), 0.0, steps * DT, DT, x, saveat=dfx.SaveAt(t1=True), max_steps=None,
            adjoint=dfx.ForwardMode(),
        ).ys[0]  # fmt: skip

    compiled = jax.jit(walk, static_argnums=2)
    state = {"x": jax.device_put(jnp.zeros(walkers, dtype), place)}
    seeds = itertools.count()

    def run(steps: int) -> None:
        state["x"] = compiled(state["x"], jax.random.key(next(seeds)), steps).block_until_ready()

    return run


def torchsde(walkers: int, dtype: str, device: str) -> Run:
    """torchsde, Euler with a fixed step."""
    import torch
    import torchsde as tsde

    place = "cuda" if device == "gpu" else "cpu"
    if place == "cuda" and not torch.cuda.is_available():
        raise ImportError("this PyTorch has no CUDA")

    class Well(torch.nn.Module):
        noise_type, sde_type = "diagonal", "ito"

        def f(self, t: Any, y: Any) -> Any:
            return y - y * y * y

        def g(self, t: Any, y: Any) -> Any:
            return torch.full_like(y, NOISE)

    kind = getattr(torch, dtype)
    state = {"x": torch.zeros(walkers, 1, dtype=kind, device=place)}

    def run(steps: int) -> None:
        with torch.no_grad():
            ends = torch.tensor([0.0, steps * DT], dtype=kind, device=place)
            state["x"] = tsde.sdeint(Well(), state["x"], ends, dt=DT, method="euler")[-1]
            if place == "cuda":
                torch.cuda.synchronize()

    return run


PEERS: dict[str, Peer] = {
    "simlab": simlab, "NumPy": numpy, "JAX": jax_scan, "JAX (rbg)": jax_rbg, "PyTorch": torch_eager,
    "PyTorch (compile)": torch_compiled, "diffrax": diffrax, "torchsde": torchsde,
}  # fmt: skip
