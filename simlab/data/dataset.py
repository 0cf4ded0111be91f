"""What a data set is, and the one way to make it: from checked arrays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from simlab.core.checks import shown
from simlab.core.errors import InputError


@dataclass(frozen=True, eq=False, repr=False)
class Data:
    """Features x (n, in) and labels y (n) in 0 ... K - 1, or targets y (n, out), where `classes` is None.

    `classes` are the names of the K classes, in the order of their labels; a part may lack some of them. `source` says
    where the examples are from, `done` what was done to them since.
    """

    x: np.ndarray
    y: np.ndarray
    classes: tuple[str, ...] | None
    source: str
    done: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.x)

    @property
    def counts(self) -> np.ndarray:
        """Examples of each class, (K). ValueError for data with targets, which have no classes."""
        return np.bincount(self.y, minlength=len(require_classes(self, "counts")))

    @property
    def found(self) -> str:
        """A summary in one sentence."""
        features = f"{self.x.shape[1]:,} feature{_s(self.x.shape[1])} in {_range(self.x)}"
        if self.classes is None:
            told = f"{self.y.shape[1]:,} target{_s(self.y.shape[1])} in {_range(self.y)}"
        else:
            least, most = self.counts.min(), self.counts.max()
            told = f"{len(self.classes):,} classes of {least:,}" + (f" to {most:,}" if most > least else " each")
        about = f"{self.source}: {len(self):,} examples, {features}, {told}"
        return "; ".join((about, *self.done)) + "."

    def __str__(self) -> str:
        return self.found

    def __repr__(self) -> str:
        return f"<{self.found}>"


def from_arrays(x: Any, y: Any, *, classes: Sequence[str] | None = None, source: str = "arrays") -> Data:
    """Arrays as data: x (n, ...) real numbers, flattened to (n, in); y (n) labels or (n, out) targets.

    y of integers, booleans or strings are labels, and their sorted values become the classes 0 ... K - 1; y of floats
    are targets, (n) counts as (n, 1). x is float32 where that holds it exactly (bytes, half and single precision), else
    float64. `classes` names the classes in the order of their labels, for data that may lack some, such as a test set:
    classes=train.classes.
    InputError on arrays of other kinds or shapes, fewer than two examples, NaN, one class only, or a label that
    `classes` does not name.
    """
    try:
        x, y = _plain(x), _plain(y)
    except (ValueError, TypeError, RuntimeError) as error:  # RuntimeError: of tensors that record a gradient
        wanted = "give every example as many numbers, none masked, and tensors as detach().cpu().numpy()"
        raise InputError(f"{source}: x and y must be arrays; {wanted}.") from error
    if x.dtype.kind not in "biuf":
        raise InputError(f"{source}: x must be real numbers, got {x.dtype}.")
    if x.ndim < 2 or prod(x.shape[1:]) == 0:
        raise InputError(f"{source}: x has shape {x.shape}; it must be (n, features), with at least one feature.")
    if y.ndim < 1 or len(y) != len(x):
        raise InputError(f"{source}: x has {len(x):,} examples and y has shape {y.shape}; give each example a y.")
    if len(x) < 2:
        raise InputError(f"{source}: {len(x)} example{_s(len(x))} found; at least 2 are needed.")
    x = _floats(x.reshape(len(x), -1), f"{source}: x")
    if y.dtype.kind == "f":
        if classes is not None:
            raise InputError(f"{source}: y holds floats, which are targets; give integers or leave out classes.")
        if y.ndim > 2 or 0 in y.shape:
            raise InputError(f"{source}: targets must have shape (n) or (n, out), got {y.shape}.")
        return Data(x, _floats(y.reshape(len(y), -1), f"{source}: y"), None, source)
    if y.dtype.kind not in "biuU":
        raise InputError(f"{source}: y must be integers, strings or floats, got {y.dtype}.")
    if y.ndim != 1:
        raise InputError(f"{source}: y: labels must have shape (n), got {y.shape}; give the number of each class.")
    return Data(x, *_labels(y, classes, source), source)


def require_data(name: str, data: Any) -> None:
    """ValueError for what is no `Data`."""
    if not isinstance(data, Data):
        raise ValueError(f"{name} must be data as from_arrays(x, y) makes them, got {shown(data)}.")


def require_classes(data: Data, purpose: str) -> tuple[str, ...]:
    """The classes of data, for a purpose that needs them. ValueError for data with targets."""
    require_data("data", data)
    if data.classes is None:
        raise ValueError(f"{purpose} needs class labels, and {data.source} has targets; use data with classes.")
    return data.classes


def _plain(values: Any) -> np.ndarray:
    """The values as an array, of numbers or text where a table holds objects; ValueError where some are masked."""
    if np.ma.is_masked(values):
        raise ValueError("some are masked")
    found = np.asarray(values)
    kinds = {type(value) for value in found.flat} if found.dtype.kind == "O" else set()
    plain = kinds == {str} or (kinds and all(issubclass(kind, (int, float, np.number, np.bool_)) for kind in kinds))
    return np.asarray(found.tolist()) if plain else found


def _floats(values: np.ndarray, what: str) -> np.ndarray:
    """A copy in float32 where it is exact, else float64. InputError on NaN and infinity."""
    exact = values.dtype.itemsize <= (4 if values.dtype.kind == "f" else 2)
    with np.errstate(over="ignore"):  # of long doubles, which become infinite
        floats = values.astype(np.float32 if exact else np.float64)
    bad = floats.size - int(np.isfinite(floats).sum())
    if bad:
        raise InputError(f"{what} holds {bad:,} NaN or infinite values; fill them or drop their examples first.")
    return floats


def _labels(y: np.ndarray, classes: Sequence[str] | None, source: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Labels 0 ... K - 1 and the names of the K classes."""
    values, labels = np.unique(y, return_inverse=True)
    found = tuple(str(value) for value in values)
    if classes is None:
        if len(found) < 2:
            raise InputError(f"{source}: y: all examples are of class {found[0]}; there is nothing to learn.")
        return labels, found
    names = () if isinstance(classes, str) or not isinstance(classes, Iterable) else tuple(map(str, classes))
    if not names:
        raise InputError(f"{source}: classes must be a list of names, got {shown(classes)}.")
    if len(names) < 2 or len(set(names)) < len(names):
        raise InputError(f"{source}: classes must name at least 2 classes, each once, got {', '.join(names)}.")
    strange = [name for name in found if name not in names]
    if strange:
        raise InputError(f"{source}: class {strange[0]} is not among {', '.join(names)}; name every class in classes.")
    return np.array([names.index(name) for name in found])[labels], names


def _range(values: np.ndarray) -> str:
    return f"[{values.min():.3g}, {values.max():.3g}]" if values.size else "[]"


def _s(count: int) -> str:
    return "" if count == 1 else "s"
