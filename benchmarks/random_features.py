"""The test error at every width from one factorisation, beside scikit-learn's Ridge at ten widths, all in one run.

    python benchmarks/random_features.py                 # this machine's processors, against scikit-learn
    python benchmarks/random_features.py --device gpu    # its card against its processors, 4,000 examples
    python benchmarks/random_features.py --out benchmarks/results/NAME.md

Contestants take turns, so that a noisy machine is noisy to all; a ratio compares two neighbours in time, and medians
are shown. Every contestant fits, predicts the test set and takes the mean squared error; before it is timed, its errors
must agree with the curve to 1e-8. How threads behave is an environment variable that a BLAS reads when it is loaded, so
each setting has a process of its own, and all contestants in it have the same.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from report import header, publish
from sklearn.linear_model import Ridge

from simlab import linear
from simlab.core.device import Device
from simlab.core.errors import DeviceError
from simlab.random import key

PACKAGES = ("numpy", "scipy", "scikit-learn", "cupy-cuda12x", "cupy-cuda13x")
SETTINGS = {
    "one thread": {"OPENBLAS_NUM_THREADS": "1"},
    "all threads": {},
    "all threads, idle ones sleep at once": {"OPENBLAS_THREAD_TIMEOUT": "4"},
}
"""NumPy and SciPy bring a BLAS each, whose idle threads spin and take the processor from the other's: scikit-learn uses
both. The last setting takes that away."""
WIDTHS = 10
"""Evenly spaced, the last is the full width."""
AGREE = 1e-8

Contestant = Callable[[], np.ndarray]


def problem(examples: int, tests: int, width: int) -> tuple[Any, ...]:
    """ReLU features of points on a sphere, a linear target with noise, a ridge of 1e-3 an example."""
    dimension = examples // 2
    x = linear.sphere(key(0), examples + tests, dimension)
    features = linear.random_features(x, linear.sphere(key(0), width, dimension, stream=1), "relu")
    normal = np.random.default_rng(0).standard_normal
    targets = x @ normal(dimension) / dimension**0.5 + 0.1 * normal(examples + tests)
    z, t = features[:examples].copy(), features[examples:].copy()
    return z, targets[:examples], t, targets[examples:], 1e-3 * examples


def contestants(examples: int, tests: int, width: int) -> dict[str, Contestant]:
    """What is compared; each returns its errors."""
    z, y, t, t_y, a = problem(examples, tests, width)
    widths = np.linspace(0, width, WIDTHS + 1).astype(int)[1:]

    def scikit_learn() -> np.ndarray:
        fits = ((w, Ridge(alpha=a, fit_intercept=False).fit(z[:, :w], y)) for w in widths)
        return np.array([((fit.predict(t[:, :w]) - t_y) ** 2).mean() for w, fit in fits])

    def own_loop() -> np.ndarray:
        return np.array([((t[:, :w] @ linear.ridge(z[:, :w], y, a) - t_y) ** 2).mean() for w in widths])

    def own() -> np.ndarray:
        return linear.width_curve(z, y, t, t_y, a)

    curve = own()[widths - 1]
    for errors in (scikit_learn(), own_loop()):
        np.testing.assert_allclose(errors, curve, rtol=AGREE)
    return {
        f"simlab width_curve, all {width:,} widths": own,
        f"scikit-learn Ridge, {WIDTHS} widths": scikit_learn,
        f"simlab ridge, {WIDTHS} widths": own_loop,
    }


def timed(run: Callable[[], Any]) -> float:
    """Seconds of one call."""
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def table(title: str, ready: dict[str, Callable[[], Any]], repeats: int) -> list[str]:
    """Rounds in which each takes its turn; the first contestant's time over each other's."""
    seconds: dict[str, list[float]] = {name: [] for name in ready}
    for _ in range(repeats):
        for name, run in ready.items():
            seconds[name].append(timed(run))
    rows = [f"| {title} | ms | min to max | first row's time over this | min to max |", "|---|---|---|---|---|"]
    first = next(iter(seconds.values()))
    for name, own in seconds.items():
        ratios = [a / b for a, b in zip(first, own, strict=True)]
        rows.append(f"| {name} | {median(own) * 1e3:.4g} | {min(own) * 1e3:.4g} to {max(own) * 1e3:.4g} | "
                    f"{median(ratios):.3g} | {min(ratios):.3g} to {max(ratios):.3g} |")  # fmt: skip
    return rows


def on_card(card: Device, examples: int, tests: int, width: int, repeats: int) -> list[str]:
    """The card against the processors; its data are there before, and the curve stays there."""
    host = problem(examples, tests, width)
    there = [card.asarray(a) for a in host[:4]]

    def run() -> Any:
        curve = linear.width_curve(*there, host[4])
        card.synchronize()
        return curve

    np.testing.assert_allclose(card.to_host(run()), linear.width_curve(*host), rtol=AGREE)
    ready = {"processors": lambda: linear.width_curve(*host), card.description: run}
    return table(f"every width up to {width:,}, {examples:,} examples, {tests:,} tests", ready, repeats)


def in_every_setting(options: argparse.Namespace) -> list[str]:
    """One process for each setting and number of test examples."""
    lines = []
    for setting, variables in SETTINGS.items():
        for tests in options.tests:
            arguments = ["--measure", setting, "--examples", options.examples, "--width", options.width,
                         "--tests", tests, "--repeats", options.repeats]  # fmt: skip
            command = [sys.executable, __file__, *map(str, arguments)]
            child = subprocess.run(command, env=os.environ | variables, check=True, stdout=subprocess.PIPE, text=True)
            lines += ["", *child.stdout.splitlines()]
    return lines


def main(argv: Sequence[str] | None = None) -> None:
    """Time everything and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cpu", "gpu"), default="cpu")
    parser.add_argument("--examples", type=int, help="600, on a card 4000")
    parser.add_argument("--width", type=int, help="4 times the examples")
    parser.add_argument("--tests", type=int, nargs="+", default=[1000, 250], help="numbers of test examples")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--out", type=Path, help="also write the tables to this Markdown file")
    parser.add_argument("--measure", choices=SETTINGS, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    options.examples = options.examples or (4000 if options.device == "gpu" else 600)
    options.width = options.width or 4 * options.examples
    if options.measure:
        ready = contestants(options.examples, options.tests[0], options.width)
        title = f"{options.measure}; {options.examples:,} examples, {options.tests[0]:,} tests"
        print("\n".join(table(title, ready, options.repeats)))
        return
    try:
        device = Device.open(options.device)
    except DeviceError as error:
        parser.error(str(error))
    lines = [
        "# Test error of random features at every width",
        header("python benchmarks/random_features.py", device.description, options.repeats, PACKAGES),
    ]
    if options.device == "gpu":
        for tests in options.tests:
            lines += ["", *on_card(device, options.examples, tests, options.width, options.repeats)]
    else:
        lines += in_every_setting(options)
    publish(lines, options.out)


if __name__ == "__main__":
    main()
