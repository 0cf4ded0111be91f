"""Whole configurations of a study, drawn from the ranges of its fields, and the same ones in miniature."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, NamedTuple, get_args, get_origin

import numpy as np
import pytest
from hypothesis import strategies as st

from simlab.lab.study import Study

Values = dict[str, Any]
TEXTS = {
    "potential": ("x**4/4 - x**2/2", "x**2/2", "x**2/2 + sin(3*x)/2", "Abs(x) + x**2"),
}  # fmt: skip
"""Good values of fields that are text."""
LEFT = ("device", "scenes", "out", "data")
"""Fields that stay as they are."""


class Range(NamedTuple):
    """What a number, or each of several, may be. multiple: of a count; lengths: None for a single number."""

    kind: type
    low: float
    high: float
    multiple: int = 1
    lengths: tuple[int, int] | None = None

    def number(self) -> st.SearchStrategy[Any]:
        """One of them; both ends often, and others evenly in the logarithm."""
        ends = st.sampled_from([self.low, self.high])
        low, high = (math.log(min(max(end, 1e-9), 1e9)) for end in (self.low, self.high))
        return ends | st.floats(low, high).map(lambda t: self.nearest(math.exp(t)))

    def nearest(self, x: float) -> Any:
        """The value nearest to this one."""
        x = min(max(x, self.low), self.high)
        return int(x) // self.multiple * self.multiple if self.kind is int else x

    def values(self) -> st.SearchStrategy[Any]:
        """What the field may hold: numbers in any order, rising, falling, spread evenly or all the same."""
        if self.lengths is None:
            return self.number()
        least, most = self.lengths
        any_ = st.lists(self.number(), min_size=least, max_size=most)
        rows = st.integers(least, most).map(self.spread)
        return (any_ | any_.map(lambda v: sorted(set(v))) | rows | rows.map(lambda v: v[::-1])).filter(
            lambda v: len(v) >= least
        )

    def spread(self, count: int) -> list[Any]:
        """So many numbers, rising, evenly in the logarithm."""
        low, high = math.log(self.low), math.log(self.high)
        return (
            [self.nearest(math.exp(low + (high - low) * k / (count - 1))) for k in range(count)]
            if count > 1
            else [self.nearest(math.exp((low + high) / 2))]
        )

    def extremes(self) -> list[Any]:
        """The ends of the range; of several numbers, the fewest and the most of them at either end."""
        if self.lengths is None:
            return [self.low, self.high]
        close = [1e-3, -1e-3] if self.kind is float else [self.multiple, -self.multiple]
        found = []
        for count in self.lengths:
            for end, step in zip((self.low, self.high), close, strict=True):
                row = [self.nearest(end * (1 + k * step) if self.kind is float else end + k * step)
                       for k in range(count)]  # fmt: skip
                found += [row, row[::-1], [end] * count]
            found.append(self.spread(count))
        return found


def ranges(study: Study) -> dict[str, Range]:
    """Of all fields that are numbers or several numbers."""
    found = {}
    for name, info in study.config.model_fields.items():
        if name not in LEFT and (own := _range(info.annotation, _bounds(info.metadata))):
            found[name] = own
    return found


def _range(annotation: Any, own: Values) -> Range | None:
    if get_origin(annotation) is tuple:
        (entry, _) = get_args(annotation)
        inner = _range(*_bare(entry))
        assert inner is not None
        least = own.get("min_length", 1)
        return inner._replace(lengths=(least, min(own.get("max_length", least + 3), 64)))
    if annotation not in (int, float):
        return None
    multiple = own.get("multiple_of", 1)
    if annotation is int:
        low, high = own["ge"], own.get("le", own.get("lt", 0) - 1)
        return Range(int, -(-low // multiple) * multiple, high // multiple * multiple, multiple)
    low = own["ge"] if "ge" in own else math.nextafter(own["gt"], math.inf)
    high = own["le"] if "le" in own else math.nextafter(own.get("lt", math.inf), 0)
    return Range(float, low or 0.0, high)


def _bare(entry: Any) -> tuple[Any, Values]:
    """An annotation without its metadata, and these."""
    return (get_args(entry)[0], _bounds(get_args(entry)[1:])) if get_origin(entry) is Annotated else (entry, {})


def _bounds(metadata: Any) -> Values:
    names = ("ge", "gt", "le", "lt", "multiple_of", "min_length", "max_length")
    single = [m for entry in metadata for m in getattr(entry, "metadata", [entry])]
    return {n: getattr(m, n) for m in single for n in names if getattr(m, n, None) is not None}


def whole(study: Study, some: int = 4) -> st.SearchStrategy[Values]:
    """All fields at once: a few anywhere in their ranges, the rest as they are."""
    every: dict[str, st.SearchStrategy[Any]] = {name: own.values() for name, own in ranges(study).items()}
    for name, info in study.config.model_fields.items():
        choices = [a for a in get_args(info.annotation) if isinstance(a, str)]
        if name not in LEFT and (choices or name in TEXTS):
            every[name] = st.sampled_from(TEXTS.get(name, choices))
    few = st.lists(st.sampled_from(sorted(every)), max_size=some, unique=True)
    return few.flatmap(lambda names: st.fixed_dictionaries({n: every[n] for n in names})) | st.fixed_dictionaries(every)


class Small(NamedTuple):
    """Where a field's values are moved to, all of them in their order, and how many of several are left."""

    low: float
    high: float
    most: int = 64


SMALL: dict[str, dict[str, Small]] = {
    "langevin_drift": {
        "walkers": Small(1024, 1500), "escape_walkers": Small(1024, 1500), "temperature": Small(0.2, 2),
        "dt": Small(0.02, 0.1), "dts": Small(0.02, 0.1, 5), "duration": Small(1, 30),
        "harmonic_dts": Small(0.1, 1.99, 3),
        "barrier": Small(0.5, 1.5), "escape_dts": Small(0.01, 0.1, 4), "walk_dt": Small(0.01, 1), "lr": Small(0.02, 1),
        "kicks": Small(0.08, 0.2, 4), "prior": Small(0.3, 3), "step": Small(0.2, 1.99),
    },
    "random_features": {
        "dimension": Small(32, 36), "replicates": Small(32, 33), "tests": Small(16, 20), "samples": Small(1, 4),
        "ridges": Small(1e-6, 1e3, 3), "widest": Small(4, 12), "width": Small(0.5, 8), "most": Small(2, 20),
        "aspect": Small(0.2, 20), "members": Small(4, 8), "budgets": Small(1, 100, 4), "training": Small(30, 60),
    },
    "scale_invariance": {
        "walkers": Small(256, 300), "dimensions": Small(2, 12, 3), "products": Small(0.02, 0.0499, 4),
        "replicates": Small(4, 5), "width": Small(4, 8), "examples": Small(50, 300), "tests": Small(50, 100),
        "lrs": Small(2e-6, 9.9, 3), "product": Small(0.003, 0.005), "lifetimes": Small(4, 5),
        "phase_width": Small(8, 10), "phase_examples": Small(50, 200), "phase_steps": Small(1, 40, 4),
        "phase_replicates": Small(4, 5), "period_lrs": Small(0.2, 1, 3), "period_decays": Small(0.02, 0.1, 2),
        "period_lifetimes": Small(8, 9), "elrs": Small(6, 30), "regime_steps": Small(200, 250),
    },
    "ensemble_power_laws": {
        "teachers": Small(8, 9), "members": Small(32, 33), "widths": Small(2, 300, 8), "training": Small(100, 150),
        "validation": Small(100, 150), "tests": Small(200, 300), "epochs": Small(5, 100), "splits": Small(8, 9),
        "budgets": Small(100, 1e5, 6), "cheap": Small(4, 8),
    },
}  # fmt: skip
"""A run in miniature: every field that makes a run dear, in a small part of its range."""

CONSTANTS: dict[str, dict[str, Any]] = {
    "random_features": {"model_wise.SMALL": ((16, 8), (32, 8)), "contest.CONTESTS": 1},
    "scale_invariance": {
        "walkers.FRAMES": 4, "equivalence.STEPS": 40, "equivalence.EVERY": 20, "phases.ANNEALING": 10,
        "period_nets.EDGE_REPLICATES": 2,
        "phases.BUMP_STEPS": (2, 5, 9), "regimes.ANNEALING": 10, "regimes.TOY_STEPS": 60, "regimes.HALVINGS": 3,
    },
}  # fmt: skip
"""What a Config does not hold and makes a run dear all the same, by module."""


def miniature(study: Study, values: Values) -> Values:
    """These values, and the defaults of all other fields, with everything dear made small."""
    own, found = ranges(study), dict(values)
    for name, small in SMALL[study.name].items():
        usual = study.config.model_fields[name].default
        value = found.get(name, usual)
        if own[name].lengths is None:
            found[name] = _moved(own[name], small, (usual,), value)
        else:
            found[name] = [_moved(own[name], small, usual, v) for v in value[: small.most]]
    return found


def _moved(own: Range, small: Small, usual: tuple[float, ...], value: float) -> Any:
    """The value's place in the small range: rising with it, and the middle half is that of the usual values."""
    ends = max(small.low, own.low), min(small.high, own.high)
    quarters = (0.25, 0.75) if max(usual) > min(usual) else (0.5, 0.5)
    known = np.log(np.clip([own.low, min(usual), max(usual), own.high], 1e-9, 1e9))
    share = np.interp(np.log(np.clip(value, 1e-9, 1e9)), known, [0, *quarters, 1])
    found = float(ends[0] * (ends[1] / ends[0]) ** share)
    return own.nearest(found + 1e-9) if own.kind is int else found


@contextmanager
def in_miniature(study: Study) -> Iterator[None]:
    """Where the constants of the scenes are small, too."""
    with pytest.MonkeyPatch.context() as patch:
        for place, value in CONSTANTS.get(study.name, {}).items():
            patch.setattr(f"{study.package}.{place}", value)
        yield
