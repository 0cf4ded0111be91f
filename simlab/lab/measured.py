"""A measurement with its error and what stands beside it, and the claims that can be made of the two."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Unpack

import numpy as np

from simlab.core.checks import Floats
from simlab.lab.claim import Alarm, Claim, Limits, Resolved
from simlab.lab.quantity import Axis, Fit, Quantity, Reference
from simlab.statistics import chi_square

NAN = np.array(np.nan)


@dataclass(frozen=True)
class Measured:
    """A quantity, or a part of one: its value, standard error and reference.

    value, se, reference, bias: of one shape, NaN where there is none. covariance: of the errors along the last axis
    (..., k, k), estimated from so many `samples`. coordinates: of every remaining axis. kind: of the reference.
    """

    quantity: Quantity
    value: np.ndarray[Any, Any]
    se: Floats
    reference: Floats
    bias: Floats
    covariance: Floats
    samples: float
    kind: type[Reference] | None
    axes: tuple[Axis, ...]
    coordinates: tuple[np.ndarray[Any, Any], ...]
    scene: str
    source: str

    def __getitem__(self, place: Any) -> Measured:
        """The part at this place, or at these places, of the first axis."""
        if not self.axes:
            raise IndexError(f"{self.quantity.meaning} is a single number.")
        if isinstance(place, tuple):
            raise IndexError(f"{self.quantity.meaning!r} takes places of its first axis; see `along` for another one.")
        cov = self.covariance
        if cov.ndim and len(self.axes) > 1:
            cov = cov[place]
        elif cov.ndim:
            cov = NAN if np.ndim(np.arange(len(cov))[place]) == 0 else cov[place][:, place]
        first = np.asarray(self.coordinates[0])[place]
        kept = slice(0 if np.ndim(first) else 1, None)
        parts = {n: _part(getattr(self, n), place) for n in ("value", "se", "reference", "bias")}
        coordinates = (first, *self.coordinates[1:])[kept]
        return replace(self, **parts, covariance=cov, axes=self.axes[kept], coordinates=coordinates)

    def along(self, axis: Axis) -> Measured:
        """The same with this axis first; without the covariance where that was along this one of several."""
        place, last = self.axes.index(axis), len(self.axes) - 1
        kept = self.covariance.ndim and (place < last or not last)
        cov = np.moveaxis(self.covariance, place, 0) if kept else NAN
        parts = {n: np.moveaxis(getattr(self, n), place, 0) for n in ("value", "se", "reference", "bias")}
        order = (place, *(i for i in range(last + 1) if i != place))
        axes, coordinates = tuple(self.axes[i] for i in order), tuple(self.coordinates[i] for i in order)
        return replace(self, **parts, covariance=cov, axes=axes, coordinates=coordinates)

    def __float__(self) -> float:
        """A single number."""
        return float(self.value)

    def __int__(self) -> int:
        """A single whole number."""
        return int(self.value)

    def __mul__(self, factor: Any) -> Measured:
        """The product with a factor, which broadcasts against the value."""
        size = np.abs(np.asarray(factor, float))
        cov = self.covariance
        if cov.ndim:
            each = np.broadcast_to(np.asarray(factor, float), self.value.shape)
            cov = cov * each[..., :, None] * each[..., None, :]
        parts = {n: getattr(self, n) * factor for n in ("value", "reference")}
        return replace(self, **parts, se=self.se * size, bias=self.bias * size, covariance=cov)

    __rmul__ = __mul__

    def __truediv__(self, factor: Any) -> Measured:
        """The same, divided."""
        return self * (1 / np.asarray(factor, float))

    def exp(self) -> Measured:
        """The exponential of it, errors to first order."""
        value, reference, cov = np.exp(self.value), np.exp(self.reference), self.covariance
        if cov.ndim:
            cov = cov * value[..., :, None] * value[..., None, :]
        bias = np.nan_to_num(reference * self.bias)
        return replace(self, value=value, se=value * self.se, reference=reference, bias=bias, covariance=cov)

    @property
    def z(self) -> Floats:
        """Distance from the reference in standard errors."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray((self.value - self.reference) / self.se)

    def weakest(self, least: float = 0.0) -> Measured:
        """The number that is the fewest standard errors above `least`."""
        if len(self.axes) != 1:
            raise ValueError(f"{self.quantity.meaning!r} must have one axis to look along, and has {len(self.axes)}.")
        with np.errstate(divide="ignore", invalid="ignore"):
            return self[int(np.argmin((self.value - least) / self.se))]

    def equals(
        self, name: str, statement: str, reference: float | None = None, *, bias: float | None = None,
        se: float | None = None, source: str | None = None, **limits: Unpack[Resolved],
    ) -> Claim:  # fmt: skip
        """The claim that one number equals its theory or prediction, or this `reference`.

        bias: instead of that of the theory. se: instead of the measured one; 0 where rounding is the only error.
        limits: as of `Claim.equals`.
        """
        if reference is None:
            self._require_reference()
            reference = float(self.reference)
            bias = float(self.bias) if bias is None else bias
        claim = Claim.equals(
            *self._about(name, statement, source), float(self.value), reference,
            float(self.se) if se is None else se, bias=bias or 0.0, **limits,
        )  # fmt: skip
        return self._derived(claim)

    def agrees(
        self, name: str, statement: str, reference: Any = None, *, source: str | None = None, **limits: Unpack[Alarm]
    ) -> Claim:
        """The claim that all numbers together agree with theory or a prediction from other data, or with these.

        Their covariance is used where there is one, with the number of samples that it is from. limits: as of
        `Claim.chi_square`.
        """
        if reference is None:
            self._require_reference()
            reference = self.reference
        if len(self.axes) != 1:
            raise ValueError(f"{self.quantity.meaning!r} must have one axis to agree along, and has {len(self.axes)}.")
        if np.isfinite(self.samples) and not self.covariance.ndim:
            raise ValueError(f"{self.quantity.meaning!r} was measured jointly along another axis than this one.")
        error = self.covariance if self.covariance.ndim else self.se
        test = chi_square(np.asarray(self.value - reference, float), error, self.samples)
        return self._derived(Claim.chi_square(*self._about(name, statement, source), *test, **limits))

    def exceeds(
        self, name: str, statement: str, least: float = 0.0, *, source: str | None = None, **limits: Unpack[Limits]
    ) -> Claim:
        """The claim that one number is above `least`, by many standard errors; limits: as of `Claim.above`."""
        about = self._about(name, statement, source)
        return self._derived(Claim.above(*about, float(self.value), least, float(self.se), **limits))

    def below(
        self, name: str, statement: str, most: float = 0.0, *, source: str | None = None, **limits: Unpack[Limits]
    ) -> Claim:
        """The claim that one number is below `most`, by many standard errors."""
        about = self._about(name, statement, source)
        return self._derived(Claim.below(*about, float(self.value), most, float(self.se), **limits))

    def differs(
        self, name: str, statement: str, other: float, *, source: str | None = None, **limits: Unpack[Limits]
    ) -> Claim:
        """The claim that one number differs from `other`, by many standard errors."""
        make = Claim.above if float(self.value) >= other else Claim.below
        about = self._about(name, statement, source)
        return self._derived(make(*about, float(self.value), other, float(self.se), **limits))

    def exactly(self, name: str, statement: str, reference: float, *, source: str | None = None) -> Claim:
        """The claim that one number is this, to the last bit."""
        return self._derived(Claim.exact(*self._about(name, statement, source), float(self.value), reference))

    def _about(self, name: str, statement: str, source: str | None) -> tuple[str, str, str]:
        return f"{self.scene}/{name}", statement, source or self.source

    def _derived(self, claim: Claim) -> Claim:
        return replace(claim, equation=self.quantity.equation)

    def _require_reference(self) -> None:
        """ValueError unless there is a reference that a claim may use."""
        if self.kind is None or self.kind is Fit:
            there = "has none" if self.kind is None else f"has a {Fit.words}"
            raise ValueError(f"a claim needs a theory or a prediction, and {self.quantity.meaning!r} {there}.")


def _part(array: Any, place: Any) -> Any:
    return array[place] if np.ndim(array) else array
