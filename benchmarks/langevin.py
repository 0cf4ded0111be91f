"""Nanoseconds per walker-step of the double well, simlab beside its peers, all in one run.

    python benchmarks/langevin.py                                  # this machine's processors
    python benchmarks/langevin.py --device gpu --walkers 4194304   # its card
    python benchmarks/langevin.py --out benchmarks/results/NAME.md

Contestants take turns, so that a noisy machine is noisy to all; a ratio compares two neighbours in time, and medians
are shown. What is not installed is left out (benchmarks/requirements.txt brings it).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from peers import PEERS, Run
from report import header, publish

from simlab.core.device import Device

PACKAGES = ("numpy", "numba", "cupy-cuda12x", "cupy-cuda13x", "jax", "torch", "diffrax", "torchsde")
SECONDS = 0.4
"""A single timing lasts about this long: each contestant takes as many steps as that needs."""


def prepare(name: str, walkers: int, dtype: str, device: str) -> tuple[Run, int] | None:
    """The contestant, compiled and warm, and its number of steps; None where it is not installed or has no device."""
    try:
        run = PEERS[name](walkers, dtype, device)
        steps = 16
        while True:
            run(steps)  # compiles where the number of steps is part of the program
            seconds = timed(run, steps)
            if seconds > SECONDS / 4 or steps >= 1 << 20:
                break
            steps *= 4
        steps = max(16, round(steps * SECONDS / seconds / 16) * 16)
        run(steps)
        return run, steps
    except (ImportError, RuntimeError) as error:
        print(f"  {name} left out: {str(error).splitlines()[0]}")
        return None


def timed(run: Run, steps: int) -> float:
    """Seconds of one call."""
    started = time.perf_counter()
    run(steps)
    return time.perf_counter() - started


def compare(walkers: int, dtype: str, device: str, repeats: int) -> list[str]:
    """The rows of one table."""
    ready = {name: r for name in PEERS if (r := prepare(name, walkers, dtype, device))}
    cost: dict[str, list[float]] = {name: [] for name in ready}
    for _ in range(repeats):
        for name, (run, steps) in ready.items():
            cost[name].append(timed(run, steps) / steps / walkers * 1e9)
    rows = [
        f"| {dtype}, {walkers:,} walkers | ns per walker-step | min to max | times simlab | min to max |",
        "|---|---|---|---|---|",
    ]
    for name, own in cost.items():
        ratios = [a / b for a, b in zip(own, cost["simlab"], strict=True)]
        rows.append(f"| {name} | {median(own):.4g} | {min(own):.4g} to {max(own):.4g} | "
                    f"{median(ratios):.3g} | {min(ratios):.3g} to {max(ratios):.3g} |")  # fmt: skip
    return rows


def linear(walkers: int, device: str, repeats: int) -> list[str]:
    """Cost against walkers and steps: it should not change."""
    rows = ["| simlab, float32 | steps | ns per walker-step (median) |", "|---|---|---|"]
    for count in (walkers // 4, walkers, walkers * 4):
        run = PEERS["simlab"](count, "float32", device)
        for steps in (500, 2000, 8000):
            run(16)
            costs = [timed(run, steps) / steps / count * 1e9 for _ in range(max(3, repeats // 2))]
            rows.append(f"| {count:,} walkers | {steps:,} | {median(costs):.4g} |")
    return rows


def main(argv: Sequence[str] | None = None) -> None:
    """Time everything and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cpu", "gpu"), default="cpu")
    parser.add_argument("--walkers", type=int, default=65536)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--dtypes", nargs="+", choices=("float32", "float64"), default=["float32", "float64"])
    parser.add_argument("--out", type=Path, help="also write the tables to this Markdown file")
    options = parser.parse_args(argv)
    device = Device.open(options.device)
    lines = [
        "# Langevin dynamics in a double well",
        header("python benchmarks/langevin.py", device.description, options.repeats, PACKAGES),
    ]
    for dtype in options.dtypes:
        print(f"{dtype}:", flush=True)
        lines += ["", *compare(options.walkers, dtype, options.device, options.repeats)]
    lines += ["", *linear(options.walkers, options.device, options.repeats)]
    publish(lines, options.out)


if __name__ == "__main__":
    main()
