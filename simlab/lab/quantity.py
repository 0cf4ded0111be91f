"""Quantities of a scene: each is declared once, as a name of its module, and used by that name everywhere.

    ANGLE = axis("angle x", "rad")
    SHARE = quantity("share of time in the bin", ANGLE)

`simulate` returns what was measured of it, `theory` what is expected, `compare` makes claims of both and the panels
draw them. In a result it is stored under its name in lower case: `share`, with `share_se` and `share_theory` beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, eq=False)
class Quantity:
    """What is measured: its meaning, the axes that it has, outermost first, and its unit.

    equation: where its theory is derived, a page of theory/ and a heading in it, such as "sgd#the-chain".
    """

    meaning: str
    axes: tuple[Axis, ...] = ()
    unit: str = "1"
    equation: str = ""


@dataclass(frozen=True, eq=False)
class Axis(Quantity):
    """A dimension, with its coordinate values."""


def axis(meaning: str, unit: str = "1") -> Axis:
    """Declare a dimension."""
    return Axis(meaning, unit=unit)


def quantity(meaning: str, *axes: Axis, unit: str = "1", equation: str = "") -> Quantity:
    """Declare a quantity over these axes; a single number where there are none."""
    return Quantity(meaning, axes, unit, equation)


@dataclass(frozen=True)
class Reference:
    """The reference of a measurement: numbers of its shape, or one for all. The subclass says where they are from."""

    value: Any
    suffix: ClassVar[str]
    words: ClassVar[str]


@dataclass(frozen=True)
class Theory(Reference):
    """Independent of the data. bias: the known error of the reference at this finite size, in absolute terms."""

    bias: Any = 0.0
    suffix: ClassVar[str] = "_theory"
    words: ClassVar[str] = "theory"


@dataclass(frozen=True)
class HeldOut(Reference):
    """Predicted from other data than those it is compared with."""

    suffix: ClassVar[str] = "_predicted"
    words: ClassVar[str] = "prediction from other data"


@dataclass(frozen=True)
class Expected(Reference):
    """A plain reference: a number that stands for no difference, or what other measurements of this very run imply."""

    suffix: ClassVar[str] = "_expected"
    words: ClassVar[str] = "expected value"


@dataclass(frozen=True)
class Fit(Reference):
    """Fitted to the very data it is drawn with: a summary, which no claim may call theory."""

    suffix: ClassVar[str] = "_fit"
    words: ClassVar[str] = "fit to these data"


@dataclass(frozen=True)
class Beside:
    """A measurement together with a reference that the simulation itself provides."""

    measured: Any
    reference: Reference


REFERENCES: tuple[type[Reference], ...] = (Theory, HeldOut, Expected, Fit)
RESERVED = ("_se", "_covariance", "_bias", *(kind.suffix for kind in REFERENCES))
"""Suffixes of the names of what is stored with a quantity."""
Values = Mapping[Quantity, Any]
"""By quantity: an Estimate, a Joint, several of them along a new first axis, plain numbers, a Reference, or Beside."""


def names_of(module: Any) -> dict[Quantity, str]:
    """The quantities of a scene's module, and of the modules in its PARTS, by their names in lower case.

    ValueError where two quantities have the same name, or a name has a reserved suffix.
    """
    names: dict[Quantity, str] = {}
    taken: dict[str, Quantity] = {}
    for part in (module, *getattr(module, "PARTS", ())):
        for name, value in vars(part).items():
            if not isinstance(value, Quantity) or name.startswith("_"):
                continue
            stored = name.lower()
            if stored.endswith(RESERVED):
                raise ValueError(f"{part.__name__}.{name}: a quantity's name must not end in {', '.join(RESERVED)}.")
            if taken.setdefault(stored, value) is not value:
                raise ValueError(f"{part.__name__}.{name}: another quantity of this scene has the same name.")
            names.setdefault(value, stored)
    return names
