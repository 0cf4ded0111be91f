"""What a run will need, estimated before any work is done: steps, bytes and seconds, and their limits.

Steps and bytes are counted from the configuration. Seconds are counted operations times what one takes on a core of a
common server, good to a factor of three. A scene lists its parts in `cost(config)`, and `Study.check` compares them
with the limits.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from contextlib import suppress
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

from simlab.core.errors import MOST_STEPS, InputError

MOST_SECONDS = 7 * 86400.0
"""A week on two cores."""
SHARE = 0.75
"""Share of the machine's memory that a run may need."""
UNKNOWN = 8 * 2.0**30
"""Bytes of memory that are assumed where the system does not report them."""
FLOP, ENTRY, WALKER_STEP = 4e-11, 2e-9, 2.5e-9
"""Core-seconds of one operation in a product of matrices, of one entry in a pass over an array, and of one step of one
component of a walker."""
FUSED = 1e-11
"""The same of an operation in the compiled kernels of nets, which work in single precision."""


class Cost(NamedTuple):
    """What a part of a run needs.

    fields: the fields of the Config that decide it, for a message. steps: of one walker or net, or problems solved,
    one after another. bytes: of memory at its peak. seconds: of one core.
    """

    fields: tuple[str, ...]
    steps: float
    bytes: float
    seconds: float


def total(parts: Sequence[Cost]) -> Cost:
    """All parts, one after another: the fields are those of the longest of them."""
    longest = max(parts, key=lambda p: p.seconds)
    steps, size, seconds = sum(p.steps for p in parts), max(p.bytes for p in parts), sum(p.seconds for p in parts)
    return Cost(longest.fields, steps, size, seconds)


def affordable(config: Any, parts: Sequence[Cost]) -> None:
    """InputError with the fields, the numbers and the limits, where one of the parts is beyond what is allowed."""
    whole = total(parts)
    memory = SHARE * machine_memory()
    allowed = f"at most {MOST_STEPS:.0e} steps, {memory / 1e9:.2g} GB and {_time(MOST_SECONDS)} are allowed"
    limits = {"steps": MOST_STEPS, "bytes": memory, "seconds": 2 * MOST_SECONDS if config.device == "cpu" else math.inf}
    for need, limit in limits.items():
        if not getattr(whole, need) <= limit:
            largest = max(parts, key=attrgetter(need))
            named = ", ".join(f"{name} = {_shown(getattr(config, name))}" for name in largest.fields)
            raise InputError(f"{named}: takes {needs(parts)}, and {allowed}; ask for less.")


def training_seconds(parameters: float, units: float, examples: float) -> float:
    """Core-seconds in which the compiled kernels train a net of this size on this many examples, one after another."""
    return examples * (6 * parameters * FUSED + 0.75 * units * ENTRY)


def forward_seconds(parameters: float, units: float, examples: float) -> float:
    """Core-seconds of the outputs of a net of this size on this many examples; a gradient takes three times as many."""
    return examples * (2 * parameters * FLOP + 4 * units * ENTRY)


def needs(parts: Sequence[Cost]) -> str:
    """What all parts need, in words."""
    whole = total(parts)
    return f"{whole.steps:.2g} steps, {whole.bytes / 1e9:.2g} GB of memory and {_time(whole.seconds / 2)} on two cores"


def machine_memory() -> float:
    """Bytes of memory of this machine, or of the container that this process lives in."""
    limits = [UNKNOWN]
    with suppress(AttributeError, ValueError, OSError):  # not on Windows
        limits = [float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))]
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        with suppress(OSError, ValueError):  # "max" where there is no limit
            limits.append(float(int((Path("/sys/fs/cgroup") / name).read_text(encoding="ascii"))))
    return min(limits)


def _time(seconds: float) -> str:
    return f"{seconds:.2g} s" if seconds < 3600 else f"{seconds / 3600:.3g} hours"


def _shown(value: Any) -> str:
    """A value as written on the command line; of many the first and the last."""
    if isinstance(value, tuple):
        some = value if len(value) <= 6 else (*value[:3], ..., value[-1])
        return " ".join(f"{v:g}" if v is not ... else "..." for v in some)
    return f"{value:g}" if isinstance(value, (int, float)) else str(value)
