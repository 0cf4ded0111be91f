"""Milliseconds per training step of a stack of nets, simlab beside its peers, all in one run.

    python benchmarks/networks.py                  # this machine's processors
    python benchmarks/networks.py --device gpu     # its card
    python benchmarks/networks.py --tasks 1 2 --out benchmarks/results/NAME.md

Every model has minibatches of its own, in float32. Contestants take turns, so that a noisy machine is noisy to all; a
ratio compares two neighbours in time, and medians are shown. Let nothing else run beside it: PyTorch's threads wait for
each other, and lose ten times what the others do where one is kept waiting. Before any is timed, all must agree on the
parameters after five steps on the same minibatches. Ours is timed with its shuffles, peers with theirs and with
minibatches given in advance. What is not installed is left out (benchmarks/requirements.txt brings it).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from statistics import geometric_mean, median
from typing import Any, TypeVar

import numpy as np
from network_derivatives import DERIVATIVES, EXAMPLES, GRADIENT
from network_peers import PEERS
from network_task import Contestant, Task, Trainer
from report import header, publish

from simlab.core.device import Device
from simlab.core.errors import DeviceError

PACKAGES = ("numpy", "numba", "cupy-cuda12x", "cupy-cuda13x", "jax", "torch")
TASKS = (
    Task(64, 128, (64, 128, 10)),
    Task(256, 64, (64, 16, 10)),
    Task(256, 64, (64, 32, 10)),
    Task(1024, 32, (32, 8, 2)),
    Task(1024, 32, (64, 8, 10)),
    Task(32, 256, (784, 256, 10)),
    Task(256, 64, (64, 16, 16, 10)),
    Task(256, 64, (64, 32, 32, 10)),
    Task(256, 64, (64, 16, 10), norm=True),
    Task(256, 64, (64, 32, 10), norm=True),
)
DIFFERENTIATED = (0, 2, 4, 9)
"""Which of them have their derivatives timed."""
FRAMEWORKS: dict[str, Callable[[str], bool]] = {
    "JAX": lambda name: name in ("JAX", "JAX, order given"),
    "JAX on any number of devices": lambda name: name.startswith("JAX"),
    "PyTorch, not compiled": lambda name: name.startswith("PyTorch") and "compile" not in name and "graph" not in name,
    "PyTorch": lambda name: name.startswith("PyTorch"),
}
SECONDS = 0.25
"""A single timing lasts about this long: each contestant takes as many epochs or calls as that needs."""
CHECKED = 5
AGREE = 3e-5
"""What two may differ by, as a share of how far five steps moved the parameters, or of a derivative, in the median over
models. Rounding of float32 gives 5e-7; where an example falls on the other side of a unit's kink a model is 1e-4 to
1e-2 off, which happens to few; a missing weight decay makes 6e-4 in all."""


def apart(found: Sequence[np.ndarray], expected: Sequence[np.ndarray], scale: Sequence[np.ndarray]) -> float:
    """Root mean square of the difference over that of `scale` for each model: the median over models."""
    squares = [
        sum(np.square(leaf, dtype=float).reshape(len(leaf), -1).sum(axis=1) for leaf in leaves)
        for leaves in ([a - b for a, b in zip(found, expected, strict=True)], scale)
    ]
    return float(np.median(np.sqrt(squares[0] / squares[1])))


def prepare(task: Task, device: str) -> dict[str, Trainer]:
    """All that run here; AssertionError unless they reach the same parameters."""
    orders = np.concatenate([task.order(0), task.order(1)])[:CHECKED]
    trainers, reached = {}, {}
    for name, make in PEERS.items():
        try:
            trainer = make(task, device)
            reached[name] = trainer.host(trainer.epoch(trainer.begin(), trainer.put(orders)))
            trainers[name] = trainer
        except (ImportError, RuntimeError) as error:
            leave_out(name, str(error).splitlines()[0])
    first = reached["simlab"]
    way = [end - start for end, start in zip(first, task.start, strict=True)]
    for name, found in reached.items():
        assert apart(found, first, way) <= AGREE, f"{name} is {apart(found, first, way):.2g} of the way off"
    return trainers


@cache
def leave_out(name: str, reason: str) -> None:
    """Say so, once."""
    print(f"  {name} left out: {reason}")


Name = TypeVar("Name")


def timed(run: Callable[[int], object], calls: int) -> float:
    """Milliseconds of one call."""
    started = time.perf_counter()
    run(calls)
    return (time.perf_counter() - started) / calls * 1e3


def rounds(ready: dict[Name, Callable[[int], object]], repeats: int) -> dict[Name, list[float]]:
    """Milliseconds per call of each, in rounds in which each takes its turn."""
    calls = {}
    for name, run in ready.items():
        run(1)
        calls[name] = max(1, round(SECONDS * 1e3 / timed(run, 1)))
    cost: dict[Name, list[float]] = {name: [] for name in ready}
    for _ in range(repeats):
        for name, run in ready.items():
            cost[name].append(timed(run, calls[name]))
    return cost


def ratios(cost: Sequence[float], to: Sequence[float]) -> list[float]:
    """Neighbours in time divided by each other."""
    return [a / b for a, b in zip(cost, to, strict=True)]


def spread(values: Sequence[float]) -> str:
    """Median, and the cell with the ends."""
    return f"{median(values):.3g} | {min(values):.3g} to {max(values):.3g}"


def train(task: Task, device: str, repeats: int) -> dict[str, list[float]]:
    """Milliseconds per step of every contestant."""
    ready = {}
    for name, trainer in prepare(task, device).items():
        ready[name] = Contestant(trainer, given=False).run
        if not name.startswith("simlab"):
            ready[f"{name}, order given"] = Contestant(trainer, given=True).run
    cost = rounds(ready, repeats)
    return {name: [ms / task.steps for ms in own] for name, own in cost.items()}


def table(title: str, cost: dict[str, list[float]], base: str) -> list[str]:
    """A row for each contestant."""
    rows = [f"| {title} | ms | min to max | times {base} | min to max |", "|---|---|---|---|---|"]
    return rows + [f"| {name} | {spread(own)} | {spread(ratios(own, cost[base]))} |" for name, own in cost.items()]


def summary(results: dict[Task, dict[str, list[float]]]) -> list[str]:
    """How many times longer the fastest of each framework takes, by its median, and the geometric mean over tasks."""
    rows = [
        "| fastest of its kind, times simlab | " + " | ".join(FRAMEWORKS) + " |",
        "|---" * (1 + len(FRAMEWORKS)) + "|",
    ]
    factors: dict[str, list[float]] = {kind: [] for kind in FRAMEWORKS}
    for task, cost in results.items():
        cells = []
        for kind, belongs in FRAMEWORKS.items():
            names = [name for name in cost if belongs(name)]
            if not names:
                cells.append("")
                continue
            best = min(names, key=lambda name: median(cost[name]))
            found = ratios(cost[best], cost["simlab"])
            factors[kind].append(median(found))
            cells.append(f"{median(found):.3g} ({min(found):.3g} to {max(found):.3g})")
        rows.append(f"| {task} | " + " | ".join(cells) + " |")
    means = [f"{geometric_mean(found):.3g}" if found else "" for found in factors.values()]
    return [*rows, "| geometric mean of the medians | " + " | ".join(means) + " |"]


def differentiate(task: Task, device: str, repeats: int) -> list[str]:
    """A row for each derivative in each framework: against its gradient, and against ours."""
    ready: dict[tuple[str, str], Callable[[int], object]] = {}
    ours: dict[str, list[np.ndarray]] = {}
    for name, make in DERIVATIVES.items():
        try:
            peer = make(task, device)
        except (ImportError, RuntimeError) as error:
            leave_out(name, str(error).splitlines()[0])
            continue
        for kind, call in peer.calls.items():
            if task.norm and kind == EXAMPLES:
                continue
            found = peer.host(call())
            expected = ours.setdefault(kind, found)
            assert apart(found, expected, expected) <= AGREE, f"{name}: {kind} differs"

            def run(calls: int, call: Callable[[], Any] = call, wait: Callable[[Any], object] = peer.wait) -> None:
                for _ in range(calls):
                    wait(call())

            ready[name, kind] = run
    cost = rounds(ready, repeats)
    rows = [
        f"| {task} | ms | min to max | times its gradient | min to max | times simlab | min to max |",
        "|---" * 7 + "|",
    ]
    for (name, kind), own in cost.items():
        cells = (spread(own), spread(ratios(own, cost[name, GRADIENT])), spread(ratios(own, cost["simlab", kind])))
        rows.append(f"| {name}, {kind} | {' | '.join(cells)} |")
    return rows


def main(argv: Sequence[str] | None = None) -> None:
    """Time everything and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cpu", "gpu"), default="cpu")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--tasks", type=int, nargs="+", choices=range(len(TASKS)), default=range(len(TASKS)))
    parser.add_argument("--out", type=Path, help="also write the tables to this Markdown file")
    options = parser.parse_args(argv)
    try:
        device = Device.open(options.device)
    except DeviceError as error:
        parser.error(str(error))
    lines = [
        "# Training stacks of neural nets",
        header("python benchmarks/networks.py", device.description, options.repeats, PACKAGES),
    ]
    results = {}
    for task in (TASKS[i] for i in options.tasks):
        print(f"{task}:", flush=True)
        results[task] = train(task, options.device, options.repeats)
        lines += ["", *table(str(task), results[task], "simlab")]
    lines += ["", *summary(results)]
    for task in (TASKS[i] for i in DIFFERENTIATED if i in options.tasks):
        lines += ["", *differentiate(task, options.device, options.repeats)]
    publish(lines, options.out)


if __name__ == "__main__":
    main()
