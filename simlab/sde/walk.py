"""Walkers: many copies of one chain, moved together on one device."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import sympy as sp

from simlab.core.checks import number, one_of, real_array, shown, whole
from simlab.core.device import Device
from simlab.random import Seed, key
from simlab.sde import cpu, gpu
from simlab.sde.options import Dtype, Options, require_dtype, require_options
from simlab.sde.printing import Plan, plan
from simlab.theory.chain import DT, Chain
from simlab.theory.schemes import SCHEMES, Scheme
from simlab.theory.sde import SDE
from simlab.theory.symbols import bind, by_name

if TYPE_CHECKING:
    import xarray as xr

Model = SDE | Chain
Target = Literal["cpu", "gpu"]
Parameters = Mapping[Any, float]
MOST_STEPS32 = 2**24
"""Whole numbers up to this are exact in single precision; adding 1 to it changes nothing."""


@dataclass(frozen=True)
class Kernel:
    """A chain ready to run on one target: `print(kernel.source)` shows the code, `constants` what it is called with."""

    plan: Plan
    dtype: Dtype
    target: Target
    parameters: tuple[sp.Symbol, ...]
    source: str
    clocks: tuple[str, ...] = ()
    """Components to which each step adds a constant."""

    def constants(self, values: Parameters) -> np.ndarray:
        """The kernel's constants in double precision; ValueError where one is not a finite real number."""
        given = bind(self.parameters, values, [str(DT)])
        expressions = [e for _, e in self.plan.constants]
        with np.errstate(all="ignore"):
            evaluate = sp.lambdify(self.parameters, expressions, ["scipy", "numpy"])
            result = np.array(evaluate(*(np.float64(given[s]) for s in self.parameters)), float)
        for value, expression in zip(result, expressions, strict=True):
            chosen = {s: v for s, v in given.items() if s in expression.free_symbols}
            if np.isnan(value) or (np.isinf(value) and np.inf not in map(abs, chosen.values())):
                at = ", ".join(f"{s} = {v:g}" for s, v in chosen.items())
                raise ValueError(f"{expression} is not a finite real number at {at}.")
        return result


def kernel(
    model: Model,
    scheme: str | Scheme = "euler",
    dtype: Dtype = "float64",
    target: Target = "cpu",
) -> Kernel:
    """The kernel of an SDE under a scheme, or of a chain; made once for each (expression, scheme, dtype, target)."""
    if not isinstance(model, (SDE, Chain)):
        raise ValueError(f"model must be an SDE or a Chain, got {shown(model)}.")
    require_dtype(dtype)
    one_of("target", target, ("cpu", "gpu"))
    return _kernel(model, _scheme(scheme), dtype, target)


@lru_cache(maxsize=256)
def _kernel(model: Model, scheme: Scheme, dtype: Dtype, target: Target) -> Kernel:
    chain = model if isinstance(model, Chain) else scheme(model)
    prepared = plan(chain)
    title = "; ".join(f"{s}' = {e}" for s, e in zip(chain.state, chain.update, strict=True))
    write = cpu.source if target == "cpu" else gpu.source
    return Kernel(prepared, dtype, target, chain.parameters, write(prepared, dtype, title), _clocks(chain))


class Walkers:
    """Many walkers of one model: `advance` moves them; `state` (component, walker), on their device, is their position.

    dt: the time step (a chain without dt counts steps as time). x0: where they start: a number, one number for each
    component, or an array (walker,) or (walker, component). scheme: "euler" (Ito), "milstein" (Ito) or "heun"
    (Stratonovich); an SDE in the other calculus is rewritten first. parameters: a value for every symbol that is not in
    the state, by symbol or by name. options: precision, stream and progress, see `Options`.

    The noise of a walker depends on (seed, stream, walker, step) alone, so two half runs are one whole run. `step`
    counts the steps taken, `dt` is the time of one (1 for a chain that has no dt).
    """

    def __init__(
        self,
        model: Model,
        walkers: int,
        *,
        dt: float | None = None,
        x0: Any = 0.0,
        seed: Seed = 0,
        scheme: str | Scheme = "euler",
        parameters: Parameters | None = None,
        device: Device | str = "cpu",
        options: Options | None = None,
    ) -> None:
        self.options = Options() if options is None else require_options(options)
        self.device = Device.open(device) if isinstance(device, str) else device
        target: Target = "gpu" if self.device.name == "gpu" else "cpu"
        self.kernel = kernel(model, scheme, self.options.dtype, target)
        self.names = tuple(str(s) for s in model.state)
        self.step = 0
        self.stream, self.key = self.options.stream, key(seed)
        values = _values(parameters, dt)
        step = values.get(str(DT))
        if step is None and DT in self.kernel.parameters:
            raise ValueError("this model moves in steps of dt; give dt=....")
        self.dt = 1.0 if step is None else number("dt", step, above=0, allowed="a positive number")
        self._constants = self.kernel.constants(values)
        start = _start(x0, whole("walkers", walkers, 1, 2**33), self.names, self.options.dtype)
        if isinstance(model, SDE):
            _inside(model, values, start)
        self.state = self.device.asarray(start)

    def advance(self, steps: int) -> None:
        """Take this many steps."""
        end = self.step + whole("steps", steps)
        self._refuse_slow_clocks(end)
        run = cpu.advance if self.device.name == "cpu" else gpu.advance
        run(self.kernel.source, self.state, self.step, end, self.key, self.stream, self._constants, self.device)
        self.step = end

    def run(self, steps: int, report: Callable[[int], object] | None = None) -> None:
        """Take this many steps in chunks of a fraction of a second, and report the number of steps of each.

        report: a function of that number, the progress of the options unless given.
        """
        report = report or self.options.progress
        chunk = max(1, int(2e7 / self.state.size))
        end = self.step + whole("steps", steps)
        self._refuse_slow_clocks(end)
        while self.step < end:
            taken = min(chunk, end - self.step)
            self.advance(taken)
            if report:
                self.device.synchronize()
                report(taken)

    def _refuse_slow_clocks(self, end: int) -> None:
        if self.kernel.dtype == "float32" and end > MOST_STEPS32 and self.kernel.clocks:
            raise ValueError(
                f"steps: the component {self.kernel.clocks[0]} counts, and in single precision it stops changing after "
                f'2^24 = {MOST_STEPS32} steps, got {end}; take dtype="float64".'
            )

    def diverged(self) -> int:
        """Number of walkers with NaN or infinity in any component."""
        return int((~self.device.xp.isfinite(self.state)).any(axis=0).sum())

    def positions(self) -> np.ndarray:
        """A copy of the state on the host, (walker, component)."""
        return np.array(self.device.to_host(self.state)).T


def walk(
    model: Model,
    *,
    walkers: int,
    steps: int,
    dt: float | None = None,
    x0: Any = 0.0,
    seed: Seed = 0,
    scheme: str | Scheme = "euler",
    every: int | None = None,
    parameters: Parameters | None = None,
    device: Device | str = "cpu",
    options: Options | None = None,
) -> xr.DataArray:
    """Run independent walkers of an SDE under a scheme, or of a chain, for so many steps.

    every: also keep the state after every so many steps; without it only the end is kept, and memory does not grow.
    The other arguments are those of `Walkers`.

    Returns dims (time, walker), or (time, walker, component) for a vector state; coordinate `step` lies along time.
    Walkers that reach NaN or infinity stay in the array and are counted in its attribute `diverged`.
    """
    import xarray as xr

    many = Walkers(
        model, walkers, dt=dt, x0=x0, seed=seed, scheme=scheme, parameters=parameters, device=device, options=options
    )
    steps = whole("steps", steps, 0, 2**33)
    many._refuse_slow_clocks(steps)
    stops = _stops(steps, every)
    frames = np.empty((len(stops), *many.state.shape), many.options.dtype)
    for frame, stop in zip(frames, stops, strict=True):
        many.run(stop - many.step)
        frame[...] = many.device.to_host(many.state)
    return _label(xr, frames, stops, many)


def _values(parameters: Parameters | None, dt: float | None) -> dict[str, Any]:
    """The parameters by name, dt among them."""
    if parameters is not None and not isinstance(parameters, Mapping):
        raise ValueError(f"parameters must be a dictionary from symbols to numbers, got {shown(parameters)}.")
    values = by_name("parameters", parameters or {})
    if dt is not None:
        if str(DT) in values:
            raise ValueError("dt must be given once, by dt= or in parameters.")
        values[str(DT)] = dt
    return values


def _label(xr: Any, frames: np.ndarray, stops: list[int], many: Walkers) -> xr.DataArray:
    """Dimensions, coordinates and the count of diverged walkers."""
    coords: dict[str, Any] = {"time": np.array(stops) * many.dt, "step": ("time", stops)}
    attrs = {
        "diverged": many.diverged(),
        "seed_key": f"{many.key.high:08x}{many.key.low:08x}",
        "stream": many.stream,
    }
    if len(many.names) == 1:
        return xr.DataArray(frames[:, 0], coords, ("time", "walker"), many.names[0], attrs)
    coords["component"] = list(many.names)
    return xr.DataArray(np.moveaxis(frames, 1, 2), coords, ("time", "walker", "component"), "state", attrs)


def _stops(steps: int, every: int | None) -> list[int]:
    if every is None:
        return [steps]
    every = whole("every", every, 1)
    return [*range(every, steps, every), steps]


def _scheme(name: str | Scheme) -> Scheme:
    if isinstance(name, Scheme):
        return name
    return SCHEMES[one_of("scheme", name, tuple(SCHEMES))]


def _clocks(chain: Chain) -> tuple[str, ...]:
    """The components that are clocks: each step adds a constant to them, at least while some condition holds."""
    moving = {*chain.state, *chain.normals}
    return tuple(
        str(s)
        for s, update in zip(chain.state, chain.update, strict=True)
        for branch in ([v for v, _ in update.args] if isinstance(update, sp.Piecewise) else [update])
        if (gain := sp.expand(branch - s)) != 0 and not gain.free_symbols & moving
    )


def _inside(model: SDE, values: Mapping[str, Any], start: np.ndarray) -> None:
    """Refuse walkers that start outside the domain of their equation."""
    for name, interval, x in zip(model.state, model.domain or (None,) * len(start), start, strict=True):
        if interval is None:
            continue
        low, high = (float(end.subs({s: values[str(s)] for s in end.free_symbols})) for end in interval)
        if not low < high:
            raise ValueError(f"parameters: the domain of {name} must be (low, high), got ({low:g}, {high:g}).")
        if x.min() < low or x.max() > high:
            raise ValueError(f"x0 has entries of {name} outside its domain ({low:g}, {high:g}).")


def _start(x0: Any, walkers: int, names: tuple[str, ...], dtype: Dtype) -> np.ndarray:
    """The initial state (component, walker)."""
    start = real_array("x0", x0)
    d = len(names)
    if start.ndim == 1 and start.shape[0] == walkers and d == 1:
        start = start[:, None]
    try:
        full = np.broadcast_to(start, (walkers, d))
    except ValueError:
        raise ValueError(
            f"x0 has shape {start.shape}; give a number, {d} numbers, or {(walkers, d)} of them (walker, component)."
        ) from None
    if not np.isfinite(full).all():
        raise ValueError("x0 has entries that are not finite numbers.")
    return np.array(full.T, dtype, order="C")
