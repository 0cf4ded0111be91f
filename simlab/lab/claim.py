"""A claim is one falsifiable sentence with what was measured, what theory says, the bound, and the verdict."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal, TypedDict

Verdict = Literal["holds", "fails", "undecided"]
Rule = Literal["within", "between", "above", "below"]
SIGMAS = 4.0
"""Two-sided false alarms once in 15,800 true claims."""


class Limits(TypedDict, total=False):
    """Options of a claim about one number: see `Claim.equals`."""

    sigmas: float
    samples: float


class Resolved(Limits, total=False):
    """The same, and the size of the effect that matters."""

    resolution: float


class Alarm(TypedDict, total=False):
    """How often a claim about many numbers may fail by chance: see `Claim.chi_square`."""

    false_alarm: float


@dataclass(frozen=True)
class Claim:
    """A falsifiable sentence and its test.

    measured, reference: what was found and what theory says; of a chi-square, the statistic and its degrees of freedom.
    se: standard error of the measured value, NaN where its distribution is known without one.
    rule, bound: measured is `within` bound of the reference, or lies `between` low and bound, or is `above` or `below`
    the reference by so many of its standard errors.
    why: where the bound comes from. note: a remark on the verdict, such as why there is none. equation: where its
    theory is derived, a page of theory/ and a heading in it.
    """

    name: str
    statement: str
    source: str
    measured: float
    reference: float
    se: float
    rule: Rule
    bound: float
    why: str
    verdict: Verdict
    note: str = ""
    low: float = math.nan
    equation: str = ""

    @classmethod
    def equals(
        cls,
        name: str,
        statement: str,
        source: str,
        measured: float,
        reference: float,
        se: float,
        *,
        sigmas: float = SIGMAS,
        bias: float = 0.0,
        resolution: float = math.inf,
        samples: float = math.inf,
    ) -> Claim:
        """|measured - reference| <= sigmas se + bias; undecided when that bound exceeds `resolution`.

        bias: the finite-size error of the estimate, known from theory and declared, never fitted.
        resolution: the size of the effect that matters; an error bar wider than that decides nothing.
        samples: how many the standard error was estimated from; with few of them more standard errors are allowed, at
        the same rate of false alarms.
        """
        allowed, why = _allowed(sigmas, samples)
        bound = allowed * se + bias
        if bias:
            why += f", plus a declared bias of {bias:.1e}"
        claim = cls(name, statement, source, measured, reference, se, "within", bound, why, "holds")
        if not all(map(math.isfinite, (measured, reference, bound))):
            return claim.undecided("a number is missing or the error bar is too wide")
        if abs(measured - reference) > bound:  # outside even of a wide error bar
            return replace(claim, verdict="fails")
        return claim.undecided("the error bar is too wide") if bound > resolution else claim

    @classmethod
    def chi_square(
        cls, name: str, statement: str, source: str, statistic: float, dof: int, samples: float = math.inf,
        *, false_alarm: float = 1e-4,
    ) -> Claim:  # fmt: skip
        """All deviations together are as large as errors of the stated size make them: no larger, and no smaller.

        samples: how many the covariance was estimated from; the statistic is then Hotelling's T^2, of scaled F
        distribution.
        """
        from scipy.special import chdtri, fdtri  # scipy.stats has them too, and takes a second to import

        def quantile(above: float) -> float:
            if samples == math.inf:
                return float(chdtri(dof, above))
            return float(fdtri(dof, samples - dof, 1 - above)) * dof * (samples - 1) / (samples - dof)

        usable = 0 < dof < samples
        low, bound = (quantile(1 - false_alarm / 2), quantile(false_alarm / 2)) if usable else (math.nan, math.nan)
        distribution = "chi-square" if samples == math.inf else f"Hotelling's T^2 from {samples:.0f} samples"
        why = f"{distribution} with {dof} degrees of freedom, false alarm {false_alarm:.0e}"
        claim = cls(name, statement, source, statistic, float(dof), math.nan, "between", bound, why, "holds", low=low)
        if math.isnan(statistic) or not usable:
            return claim.undecided(
                "there is nothing to compare: a number is missing, nothing varies, or samples are few"
            )
        if statistic < low:
            return replace(claim, verdict="fails", note="closer than noise allows: the error bars are too wide")
        return claim if statistic <= bound else replace(claim, verdict="fails")

    @classmethod
    def above(
        cls, name: str, statement: str, source: str, measured: float, least: float, se: float, *, sigmas: float = 10.0,
        samples: float = math.inf,
    ) -> Claim:  # fmt: skip
        """Measured > least by at least `sigmas` standard errors: the effect is there beyond any doubt.

        It fails where not even the usual 4 are reached; between the two the error bar is too wide to say. samples as in
        `equals`.
        """
        return cls._one_sided("above", name, statement, source, measured, least, se, sigmas, samples)

    @classmethod
    def below(
        cls, name: str, statement: str, source: str, measured: float, most: float, se: float, *, sigmas: float = 10.0,
        samples: float = math.inf,
    ) -> Claim:  # fmt: skip
        """Measured < most, likewise."""
        return cls._one_sided("below", name, statement, source, measured, most, se, sigmas, samples)

    @classmethod
    def _one_sided(
        cls, rule: Rule, name: str, statement: str, source: str, measured: float, reference: float, se: float,
        sigmas: float, samples: float,
    ) -> Claim:  # fmt: skip
        least, why = _allowed(sigmas, samples)
        claim = cls(name, statement, source, measured, reference, se, rule, least, why, "holds")
        if not (math.isfinite(claim.distance) and 0 < se < math.inf):
            return claim.undecided("a number is missing, or nothing varies")
        if claim.distance >= least:
            return claim
        usual, _ = _allowed(min(SIGMAS, sigmas), samples)
        return (
            replace(claim, verdict="fails") if claim.distance < usual else claim.undecided("the error bar is too wide")
        )

    @classmethod
    def exact(cls, name: str, statement: str, source: str, measured: float, reference: float) -> Claim:
        """Equality to the last bit."""
        why = "equal to the last bit"
        claim = cls(name, statement, source, measured, reference, 0.0, "within", 0.0, why, "holds")
        if math.isnan(measured) or math.isnan(reference):
            return claim.undecided("a number is missing")
        return claim if measured == reference else replace(claim, verdict="fails")

    def undecided(self, note: str) -> Claim:
        """The same claim without a verdict, and why."""
        return replace(self, verdict="undecided", note=note)

    @property
    def distance(self) -> float:
        """By how many standard errors a one-sided claim's measured value is on the claimed side of the reference."""
        away = self.measured - self.reference if self.rule == "above" else self.reference - self.measured
        return away / self.se if self.se > 0 else math.nan

    @property
    def quantity(self) -> str:
        """The measured value with its standard error."""
        return quantity(self.measured, self.se)

    @property
    def limits(self) -> str:
        """What would be accepted, in symbols."""
        if self.rule in ("above", "below"):
            return f"{'>' if self.rule == 'above' else '<'} {self.reference:.4g}, by {self.bound:.3g} standard errors"
        before = {"within": f"{self.reference:.6g} ±", "between": f"{self.low:.3g} to"}[self.rule]
        return f"{before} {self.bound:.3g}"


def quantity(value: float, se: float) -> str:
    """A value with its standard error, to two digits of the error."""
    if not (0 < se < math.inf and math.isfinite(value)):
        return f"{value:.5g}"
    digits = max(0, 1 - math.floor(math.log10(se)))
    if digits > 6 or abs(value) >= 1e6:
        return f"{value:.4e} ± {se:.1e}"
    return f"{value:.{digits}f} ± {se:.{digits}f}"


def _allowed(sigmas: float, samples: float) -> tuple[float, str]:
    """How many standard errors are as rare as `sigmas` normal ones, and why: Student's t if few samples gave them."""
    alarm = math.erfc(sigmas / math.sqrt(2))
    if samples == math.inf:
        return sigmas, f"{sigmas:g} standard errors, false alarm {alarm:.0e}"
    from scipy.special import stdtrit  # as in `Claim.chi_square`

    allowed = -float(stdtrit(samples - 1, alarm / 2))
    return allowed, f"{allowed:.3g} standard errors, from {samples:.0f} samples, false alarm {alarm:.0e}"


def unless_diverged(claims: Iterable[Claim], diverged: int) -> list[Claim]:
    """Claims as they are, or all undecided if any walker became NaN or infinite: averages without it are biased."""
    if not diverged:
        return list(claims)
    return [c.undecided(f"{diverged} walkers diverged; take smaller steps") for c in claims]


def exit_status(claims: Iterable[Claim]) -> int:
    """0 when every claim holds, 1 otherwise."""
    return int(any(c.verdict != "holds" for c in claims))
