"""simlab.sde: walkers and their kernels."""

from __future__ import annotations

import sympy as sp

import simlab.sde
from simlab.sde import EULER, Options, Walkers, kernel, walk
from tests.domains.calls import Call
from tests.domains.theory_sde_calls import WELL, X

MODULES = [simlab.sde]

NO_COUNT = [-1, 1.5, "5", None, float("nan"), float("inf")]
START = {"walkers": [0, *NO_COUNT], "dt": [0, -1, "0.1", float("nan"), float("inf"), 1j], "seed": NO_COUNT}
NO_DTYPE = ["float16", None, 5]
RUN = {
    "model": [None, X, "x"], "options": [{}, "float32", {"dtype": "float32"}],
    "x0": ["x", None, [1j], float("nan"), [1.0, 2.0, 3.0, 4.0]],
    "scheme": ["rk4", None, 5], "parameters": [{"T": "1"}, {"T": float("nan")}, {"T": 0.5, "b": 1}, 0.5],
    **START,
}  # fmt: skip
GIVEN = {
    "model": WELL, "walkers": 3, "dt": 0.1, "x0": [0, 1, 2], "seed": 0, "scheme": "euler",
    "parameters": {"T": 0.5}, "device": "cpu",
}  # fmt: skip

KERNEL, FIELDS = kernel(EULER(WELL)), ("plan", "dtype", "target", "parameters", "source", "clocks")

CALLS = [
    Call(
        kernel, {"model": WELL, "scheme": "euler", "dtype": "float64", "target": "cpu"},
        {"model": RUN["model"], "scheme": RUN["scheme"], "dtype": NO_DTYPE, "target": ["tpu", None]},
    ),
    Call(Walkers, GIVEN, RUN, {"device": "checked where it is opened"}, ["x0"]),
    Call(
        walk, {**GIVEN, "steps": 4, "every": 2},
        {**RUN, "steps": NO_COUNT, "every": [0, -1, 1.5, "5", float("nan")]},
        {"device": "checked where it is opened"}, ["x0"],
    ),
    Call(Options, {}, {"dtype": NO_DTYPE, "stream": [*NO_COUNT, 2**32], "progress": [3, "yes", True]}),
    Call(
        simlab.sde.Kernel, {n: getattr(KERNEL, n) for n in FIELDS},
        anything=dict.fromkeys(FIELDS, "made by `kernel`, which checks them"),
    ),
    Call(
        simlab.sde.Kernel.constants, {"self": kernel(EULER(WELL)), "values": {"T": 0.5, "dt": sp.Rational(1, 10)}},
        {"values": [None, {}, {"T": 0.5}, {"T": "x", "dt": 0.1}]}, {"self": "a kernel"},
    ),
]  # fmt: skip
