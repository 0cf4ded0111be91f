"""The public functions of `simlab.random`: what they take, and what lies just outside."""

from __future__ import annotations

from typing import Any

import numpy as np

from simlab import random
from simlab.random import Key, key, stacks
from tests.domains.calls import Call

MODULES = [random, stacks]

WALKERS, STEPS = np.arange(5), np.array([[3], [4]])
NO_KEY: tuple[Any, ...] = (0, None, (0, 0), "key", Key(-1, 0), Key(0, 2**32), Key(0.5, 0), Key(True, 0))  # type: ignore[arg-type]
NO_PLACE: tuple[Any, ...] = (
    -1, [0, -1], 2**33, np.array([2**33]), 0.5, [0.0, 1.0], np.nan, "1", None, True, [True, False], 1j, [1, None]
)  # fmt: skip
NO_WORD: tuple[Any, ...] = (-1, 2**32, 0.5, np.nan, "1", None, True)
PLACE = {"key": key(0), "walker": WALKERS, "step": STEPS, "component": 1, "stream": 2}
AROUND = {"key": NO_KEY, "walker": NO_PLACE, "step": NO_PLACE, "component": NO_WORD, "stream": NO_WORD}
COUNTER = tuple(np.arange(3, dtype=np.uint64) + k for k in range(4))
STACK = {"places": [(key(0), 1, 2), (key(1), 0, 3)], "first_step": 3, "steps": 4, "walkers": 5, "dtype": "float64"}

CALLS = [
    Call(random.key, {"seed": 0}, {"seed": (-1, 2**128, 0.5, 1.0, np.nan, "1", None, True, [1])}),
    Call(lambda cell: key(0, cell), {"cell": 1}, {"cell": (-1, 2**32, 0.5, np.nan, None, True, [1], b"1")},
         name="random.key, cell"),
    Call(random.words, PLACE, AROUND), Call(random.normals, PLACE, AROUND), Call(random.uniforms, PLACE, AROUND),
    Call(random.philox, {"counter": COUNTER, "key": key(0)},
         {"counter": (COUNTER[:3], None, *((*COUNTER[:3], [x]) for x in (-1, 2**32, 0.5))), "key": NO_KEY}),
    Call(random.cuda_text, {}),
    Call(stacks.stack_normals, STACK,
         {"places": ([(key(0), -1, 0)], [(key(0), 0, 2**32)]), "first_step": (-1, 2**33, 0.5, None, "1"),
          "steps": (-1, 2**33, 0.5, None, "1"), "walkers": (-1, 2**33 + 1, 0.5, None, "1"), "dtype": ("float16", int)}),
]  # fmt: skip
