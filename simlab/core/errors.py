"""What can go wrong for a user, each with its exit status."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path


class InputError(ValueError):
    """Bad input, said in one sentence: exit status 2."""


class NotWrittenError(InputError):
    """A file cannot be written where it should be; `kept` is where its bytes are instead, or None."""

    kept: Path | None = None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The end of a sentence about a word that is unknown: one that is like it, or nothing where none is."""
    near = difflib.get_close_matches(word, list(known), 1)
    return f", did you mean {near[0]}?" if near else ""


MOST_STEPS = 1e8
"""Steps of one walker beyond which a run is refused: at a thousand walkers that is minutes."""


def within_reach(field: str, value: object, steps: float) -> None:
    """Refuse a setting with which one simulation would take too many steps."""
    if not steps <= MOST_STEPS:
        raise InputError(
            f"{field} = {value}: takes {steps:.1e} steps of every walker, at most {MOST_STEPS:.0e} are allowed."
        )


class DeviceError(RuntimeError):
    """The device asked for is not there: exit status 3."""
