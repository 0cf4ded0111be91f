"""Arguments of public functions: brought to the working precision, or refused in one sentence.

What a function computes must not depend on how its numbers were stored. Integers, half and single precision, foreign
byte order, lists and tables all become float64 here. Anything else, and numbers outside of their domain, are refused by
a ValueError that names the argument, the value and what is allowed.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def number(
    name: str, value: Any, *, above: float = -math.inf, at_least: float = -math.inf, below: float = math.inf,
    at_most: float = math.inf, infinite: bool = False, allowed: str = "",
) -> float:  # fmt: skip
    """One real number as a float; ValueError for text, booleans, NaN, and what lies outside of the bounds.

    infinite: whether infinity is allowed where no bound forbids it. allowed: these bounds in the caller's words.
    """
    found = _scalar(value)
    if isinstance(found, int) and abs(found) > sys.float_info.max:
        found = None  # no float
    if not (found is not None and _inside(found, above, at_least, below, at_most, infinite)):
        allowed = allowed or _interval("a number", above, at_least, below, at_most, infinite)
        raise ValueError(f"{name} must be {allowed}, got {shown(value)}.")
    return float(found)


def whole(name: str, value: Any, at_least: int = 0, at_most: int | None = None, *, allowed: str = "") -> int:
    """One whole number as an int (2.0 is one); ValueError for anything else and outside of the bounds.

    allowed: these bounds in the caller's words.
    """
    found = _scalar(value)
    inside = found is not None and found == found and abs(found) != math.inf and found == int(found)
    if not (inside and at_least <= found <= (math.inf if at_most is None else at_most)):  # type: ignore[operator]
        limits = f"from {at_least} up" if at_most is None else f"from {at_least} to {at_most}"
        raise ValueError(f"{name} must be {allowed or f'a whole number {limits}'}, got {shown(value)}.")
    return int(found)  # type: ignore[arg-type]


def numbers(
    name: str, values: Any, *, above: float = -math.inf, at_least: float = -math.inf, below: float = math.inf,
    at_most: float = math.inf, infinite: bool = False, nan: bool = False, ndim: int | None = None,
) -> Floats:  # fmt: skip
    """Real numbers of any shape as an array of the host in float64; ValueError as in `number`, for every entry.

    nan: whether NaN may pass, which it does into the result. ndim: how many axes there must be.
    """
    found = real_array(name, values)
    if ndim is not None and found.ndim != ndim:
        axes = {0: "a single number", 1: "a row of numbers", 2: "a table of numbers"}.get(ndim, f"{ndim} axes")
        raise ValueError(f"{name} must be {axes}, got shape {found.shape}.")
    if nan and infinite and -above == -at_least == below == at_most == math.inf:
        return found  # everything may pass: no need to look at a large array
    fine = _inside(found, above, at_least, below, at_most, infinite)
    if nan:
        fine |= np.isnan(found)
    if not fine.all():
        allowed = _interval("numbers", above, at_least, below, at_most, infinite)
        raise ValueError(f"{name} must be {allowed}, got {shown(found[~fine].flat[0])}.")
    return found


def real_array(name: str, values: Any) -> Floats:
    """Numbers of any real kind as an array of the host in float64; ValueError for anything else."""
    with np.errstate(over="ignore"):  # what is beyond double precision becomes infinite
        return stored(name, values).astype(np.float64)


def stored(name: str, values: Any) -> NDArray[Any]:
    """Numbers of any real kind as an array of the host, in the kind that they have; ValueError as in `real_array`."""
    if np.ma.is_masked(values):
        raise ValueError(f"{name} has masked entries; fill them or drop their rows first.")
    gaps = False
    try:
        found = np.asarray(values)
        if found.dtype.kind == "O":  # a table of columns of several kinds, whole numbers that may be missing
            found = np.asarray(found.tolist())
        if found.dtype.kind == "O":  # fractions, numbers of sympy, gaps, which NumPy would make NaN
            gaps = any(entry is None for entry in found.flat)
            found = np.asarray(found, float)
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:  # text, rows of different lengths
        if hasattr(values, "detach"):
            mend = f"a {type(values).__name__} that NumPy cannot read as it is; give its detach().cpu().numpy()"
            raise ValueError(f"{name} must be an array of real numbers, got {mend}.") from error
        raise ValueError(f"{name} must be an array of real numbers, got {shown(values)}.") from error
    if gaps:
        raise ValueError(f"{name} has gaps; fill them or drop their rows first.")
    if found.dtype.kind not in "iufb":
        raise ValueError(f"{name} must be an array of real numbers, got {shown(values)}.")
    return found


def many_axes(value: Any) -> bool:
    """Whether a value is an array, a list or a table rather than a single number."""
    return isinstance(value, (list, tuple)) or np.ndim(value) > 0


def one_of(name: str, value: Any, choices: Sequence[str]) -> str:
    """One of these words; ValueError otherwise."""
    if not (isinstance(value, str) and value in choices):
        raise ValueError(f"{name} must be one of {', '.join(choices)}, got {shown(value)}.")
    return value


def shown(value: Any) -> str:
    """A value as a message shows it: short, on one line, and an array by its kind and shape."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return f"{value:g}"
    shape = getattr(value, "shape", None)
    if shape and isinstance(shape, tuple):
        return f"{getattr(value, 'dtype', type(value).__name__)} of shape {shape}"
    try:
        text = " ".join(repr(value).split())
    except ValueError:  # Python does not write out a whole number of thousands of digits
        return f"{type(value).__name__} too long to show"
    return text if len(text) <= 60 else text[:57] + "..."


def require_flag(name: str, flag: Any) -> None:
    """ValueError unless this is True or False."""
    if not isinstance(flag, (bool, np.bool_)):
        raise ValueError(f"{name} must be True or False, got {shown(flag)}.")


def is_whole(value: Any) -> bool:
    """Whether this is a whole number of Python or NumPy; truth values are none."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def exact(value: Any) -> str:
    """A value as a message shows it, floats with their point: 3.0 is no 3 to those who count."""
    return repr(value) if isinstance(value, float) else shown(value)


def require_width(width: Any, name: str = "width") -> int:
    """A feature count, or another, as given; ValueError unless it is a positive integer, of at most 2^53."""
    if not is_whole(width) or int(width) < 1:
        raise ValueError(f"{name} must be a positive integer, got {exact(width)}.")
    if int(width) > 2**53:
        raise ValueError(f"{name} must be at most 2^53, got {exact(width)}.")
    return int(width)


def _scalar(value: Any) -> float | int | None:
    """The value as a plain number, or None: booleans, times and text are not numbers here."""
    if isinstance(value, (bool, np.bool_, str, bytes, np.timedelta64)):  # NumPy takes a time for a whole number
        return None
    if isinstance(value, Integral):
        return int(value)
    try:  # fractions, numbers of sympy, arrays without axes
        if isinstance(value, Real):
            return float(value)
        return None if np.ndim(value) or np.asarray(value).dtype.kind in "bcUS" else float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def _inside(x: Any, above: float, at_least: float, below: float, at_most: float, infinite: bool) -> Any:
    """Whether numbers lie inside of the bounds; NaN does not."""
    inside = (
        (x >= at_least) & (x <= at_most) & ((x > above) | (above == -math.inf)) & ((x < below) | (below == math.inf))
    )
    return inside if infinite else inside & (abs(x) < math.inf)


def _interval(kind: str, above: float, at_least: float, below: float, at_most: float, infinite: bool) -> str:
    """The bounds in words."""
    low = f"above {above:g}" if above > -math.inf else f"of at least {at_least:g}" if at_least > -math.inf else ""
    high = f"below {below:g}" if below < math.inf else f"at most {at_most:g}" if at_most < math.inf else ""
    words = " and ".join(filter(None, (low, high)))
    finite = "" if infinite or (low and high) else "finite "
    if kind == "a number":
        return f"a {finite}number {words}".strip()
    return f"{finite}numbers {words}".strip()
