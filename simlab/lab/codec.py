"""A finished cell as the bytes of a file: its arrays as `.npz`, the form of its result and what it depends on as JSON.

No pickle: a file cannot name anything to run.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

ABOUT = "about"
"""The member of a file that says what the cell depends on."""


class Kept(NamedTuple):
    """A finished cell: its result, walkers that became NaN or infinite, and the fields of the config that it read."""

    result: Any
    diverged: int
    read: Mapping[str, Any]


def encode(kept: Kept, about: Mapping[str, Any]) -> bytes:
    """A cell whose result is settled, and what it depends on."""
    arrays: list[Any] = []
    form = _flatten(kept.result, arrays)
    text = json.dumps({"about": about, "form": form, "diverged": kept.diverged})
    content = io.BytesIO()
    np.savez(content, allow_pickle=False, **{ABOUT: np.array(text)}, **{f"a{i}": a for i, a in enumerate(arrays)})
    return content.getvalue()


def decode(content: bytes) -> tuple[dict[str, Any], Kept]:
    """What a cell depends on, and the cell; any Exception for bytes that are damaged."""
    with np.load(io.BytesIO(content), allow_pickle=False) as members:
        head = json.loads(str(members[ABOUT]))
        result = settled(_unflatten(head["form"], members))
    return head["about"], Kept(result, int(head["diverged"]), head["about"]["read"])


def settled(value: Any) -> Any:
    """Arrays in the layout that a file gives back, which decides the order of later sums; nobody may change them.

    TypeError for what a file could not give back as it is.
    """
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*map(settled, value))
    if type(value) in (tuple, list):
        return type(value)(map(settled, value))
    if isinstance(value, dict) and all(isinstance(k, str) for k in value):
        return {k: settled(v) for k, v in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        if value.dtype.kind not in "biufcU" or isinstance(value, np.ma.MaskedArray):
            raise TypeError(f"a cell must return arrays of numbers or texts, got one of {value.dtype}.")
        if isinstance(value, np.ndarray):
            value = np.array(value, order="C")
            value.setflags(write=False)
    elif value is not None and type(value) not in (bool, int, float, str):
        raise TypeError(f"a cell must return arrays, numbers, texts and tuples or dictionaries of them, got {value!r}.")
    return value


def _flatten(value: Any, arrays: list[Any]) -> Any:
    """The form of a settled result as JSON, and its arrays appended to a list."""
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        kind = type(value)
        return ["named", kind.__module__, kind.__qualname__, [_flatten(v, arrays) for v in value]]
    if isinstance(value, tuple | list):
        return [type(value).__name__, [_flatten(v, arrays) for v in value]]
    if isinstance(value, dict):
        return ["dict", {k: _flatten(v, arrays) for k, v in value.items()}]
    if not isinstance(value, np.ndarray | np.generic):
        return ["plain", value]
    arrays.append(np.asarray(value))
    return ["array" if isinstance(value, np.ndarray) else "scalar", len(arrays) - 1]


def _unflatten(form: Any, members: Any) -> Any:
    kind, *rest = form
    if kind == "plain":
        return rest[0]
    if kind in ("array", "scalar"):
        array = members[f"a{rest[0]}"]
        return array if kind == "array" else array[()]
    if kind == "dict":
        return {k: _unflatten(v, members) for k, v in rest[0].items()}
    if kind == "named":
        # Only a class that the work's own imports have brought, and that is a named tuple.
        made: Any = sys.modules[rest[0]]
        for name in rest[1].split("."):
            made = getattr(made, name)
        if not (isinstance(made, type) and issubclass(made, tuple) and hasattr(made, "_fields")):
            raise ValueError("not a named tuple")
        return made(*(_unflatten(v, members) for v in rest[2]))
    values = [_unflatten(v, members) for v in rest[0]]
    return tuple(values) if kind == "tuple" else values
