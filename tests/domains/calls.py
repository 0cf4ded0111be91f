"""What the tables of this folder are made of: a call of a public function, and what it must refuse."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Call:
    """A public function with arguments that it takes, and for each of them what lies just outside of its domain.

    arguments: by name; the function answers them. outside: by name, values that are refused one at a time, in one
    sentence with the name of the argument and `shown` of the value. Each entry of `anything` says why an argument has
    no outside that can be named ("a function", "any seed"). arrays: the arguments whose numbers may come in any kind
    of array without changing the result; whole numbers below 100 that every kind can hold. first: positional
    arguments of a function that takes any number of them.
    """

    function: Callable[..., Any]
    arguments: Mapping[str, Any]
    outside: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    anything: Mapping[str, str] = field(default_factory=dict)
    arrays: Sequence[str] = ()
    name: str = ""
    first: Sequence[Any] = ()

    @property
    def label(self) -> str:
        """The function's name."""
        return self.name or f"{self.function.__module__.removeprefix('simlab.')}.{self.function.__qualname__}"

    def __call__(self, **changes: Any) -> Any:
        """The answer, with some arguments changed."""
        return self.function(*self.first, **{**self.arguments, **changes})

    def unnamed(self) -> list[str]:
        """Arguments of the function that the table says nothing about."""
        known = {*self.outside, *self.anything}
        kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        parameters = inspect.signature(self.function).parameters.values()
        return [p.name for p in parameters if p.kind not in kinds and p.name not in known]


DTYPES = (
    "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", ">f8", ">i4"
)  # fmt: skip
KINDS: dict[str, Callable[[np.ndarray], Any]] = {
    **{dtype: partial(np.asarray, dtype=dtype) for dtype in DTYPES},
    "Fortran": np.asfortranarray,
    "strided": lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
    "read-only": lambda a: _read_only(a),
    "list": lambda a: a.tolist(),
    "DataFrame": lambda a: pd.DataFrame(a) if a.ndim == 2 else pd.Series(a) if a.ndim == 1 else a.tolist(),
}
"""Ways to hand over the same numbers."""


def public(module: ModuleType) -> list[Callable[..., Any]]:
    """The public functions of a module, and its classes that a user makes: not the NamedTuples that are answers."""
    names = getattr(module, "__all__", None) or [n for n in vars(module) if not n.startswith("_")]
    found = [getattr(module, name) for name in names]
    own = [f for f in found if getattr(f, "__module__", "").startswith(module.__name__)]
    return [
        f for f in own
        if inspect.isfunction(inspect.unwrap(f)) or (inspect.isclass(f) and not issubclass(f, (tuple, Exception)))
    ]  # fmt: skip


def _read_only(a: np.ndarray) -> np.ndarray:
    a = a.copy()
    a.flags.writeable = False
    return a
