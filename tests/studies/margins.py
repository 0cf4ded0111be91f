"""How far every claim of a smoke preset is from the other verdict, over seeds.

    python -m tests.studies.margins run langevin_drift --seeds 1 30    adds seeds to tests/studies/margins.json
    python -m tests.studies.margins show                               prints the table

Trajectories of nets are chaotic: another processor or another order of a sum is another sample, as another seed is. A
verdict that is to be the same everywhere must be so over seeds. Of each claim a place is kept for each seed, and what
it must not cross:

    at least   the logarithm of an effect in its own standard errors over the bound, against 0: the error is estimated
               from some replicates, so that the quotient spreads in proportion to its size;
    within     the deviation over the bound, against 1;
    between    the statistic as the quantile of a normal distribution that has its probability, against 3.9.

The margin is the distance of the mean place from there in standard deviations of places. Where a claim can be
undecided because its bound is wider than the resolution, the same is done for the ratio of the two, and both must be
large. The last two kinds are calibrated: when the claim is true the margin is 4, by the declared rate of false alarm,
or more; from n seeds it is known to a relative 1/sqrt(2 n).
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from simlab.lab import settings
from simlab.lab.claim import Claim
from simlab.lab.results import claims_of
from simlab.lab.runner import run
from simlab.lab.study import Study
from simlab.studies import STUDIES, load

PATH = Path(__file__).with_suffix(".json")
ENOUGH = 4.0
"""Standard deviations: one verdict in 30,000 turns."""
EDGE = 3.89
"""Of a normal distribution, beyond which lies the false alarm of 1e-4 of a chi-square."""

LEFT_TO_DEFAULT = {
    "scale_invariance": {
        "equilibrium/norm-1", "equilibrium/norm-2", "equilibrium/norm-3", "phases/width", "phases/test-loss",
        "phases/frozen-width", "phases/frozen-loss", "phases/frozen-error", "phases/no-peak", "periods/free",
        "regimes/best-start",
    },
    "ensemble_power_laws": {
        "ensemble_size/dip-narrow", "ensemble_size/no-pure-law", "memory_split/several-beat-one", "forecast/too-good",
        "forecast/length", "forecast/regret",
    },
}  # fmt: skip
"""Claims that a smoke run is too small to decide, by `margins`: another processor could find otherwise."""


class Margin(NamedTuple):
    """Of one claim: over how many seeds it held in how many; its place, mean and spread, and the edge; the margin.

    resolved: the same margin of the bound from the resolution, infinite where there is none.
    """

    rule: str
    seeds: int
    held: int
    mean: float
    spread: float
    edge: float
    margin: float
    resolved: float

    @property
    def decides(self) -> bool:
        """Whether the smoke preset can be asked; of a calibrated claim, whether the margin may be 4."""
        known = 1.0 if self.rule == "one-sided" else 1 + 3 / math.sqrt(2 * max(self.seeds - 1, 1))
        return self.margin * known >= ENOUGH and self.resolved >= ENOUGH


@contextmanager
def noted() -> Iterator[dict[str, float]]:
    """The resolution of each claim of equality, and the samples of each chi-square, which a claim does not keep."""
    found: dict[str, float] = {}
    equals, chi_square = Claim.equals, Claim.chi_square

    def equals_(name: str, *arguments: Any, **options: Any) -> Claim:
        found[name] = options.get("resolution", math.inf)
        return equals(name, *arguments, **options)

    def chi_square_(name: str, text: str, source: str, statistic: float, dof: int, samples: float = math.inf) -> Claim:
        found[name] = samples
        return chi_square(name, text, source, statistic, dof, samples)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Claim, "equals", equals_)
        patch.setattr(Claim, "chi_square", chi_square_)
        yield found


def place(claim: Claim, known: float) -> list[float]:
    """Where a claim's value lies, what it must not cross, and the bound over the resolution."""
    from scipy.special import chdtr, fdtr, ndtri

    if claim.rule in ("above", "below"):
        return [math.log(max(claim.distance / claim.bound, 1e-3)), 0.0, 0.0]
    if claim.rule == "within":
        return [(claim.measured - claim.reference) / claim.bound if claim.bound else 0.0, 1.0, claim.bound / known]
    dof, share = claim.reference, claim.measured / claim.reference
    below = chdtr(dof, claim.measured)
    if known < math.inf:
        below = fdtr(dof, known - dof, share * (known - dof) / (known - 1))
    return [float(ndtri(np.clip(below, 1e-12, 1 - 1e-12))), EDGE, 0.0]


def collect(study: Study, seed: int) -> dict[str, list[float]]:
    """The places of all claims of a smoke run, each with 1 where it held and 0 where it did not."""
    config = settings.validate(study, {**study.presets["smoke"], "seed": seed})
    with noted() as known:
        claims = claims_of(run(study, config))
    return {c.name: [*place(c, known.get(c.name, math.inf)), float(c.verdict == "holds")] for c in claims}


def margin(rule: str, places: list[list[float]]) -> Margin:
    """From the places of a claim (seed, 4)."""
    at, edge, ratio, held = np.array(places).T
    mean, spread, limit = float(at.mean()), float(at.std(ddof=1)), float(edge.mean())
    distance = mean - limit if rule == "one-sided" else limit - abs(mean)

    def in_spreads(distance: float, spread: float) -> float:
        return distance / spread if spread > 0 else math.copysign(math.inf, distance)

    resolved = in_spreads(1 - float(ratio.mean()), float(ratio.std(ddof=1))) if ratio.any() else math.inf
    return Margin(rule, len(at), int(held.sum()), mean, spread, limit, in_spreads(distance, spread), resolved)


def kept() -> dict[str, Any]:
    """What was collected: study -> preset, and claims -> rule, places by seed."""
    return json.loads(PATH.read_text("utf-8")) if PATH.exists() else {}


def margins(study: str) -> dict[str, Margin]:
    """The margins of a study's claims."""
    return {name: margin(c["rule"], list(c["places"].values())) for name, c in kept()[study]["claims"].items()}


def preset(study: Study) -> Any:
    """The smoke preset as JSON has it."""
    return json.loads(json.dumps(study.presets["smoke"]))


def add(study: Study, first: int, last: int) -> None:
    """Run more seeds and keep their places; those of another preset are dropped."""
    for seed in range(first, last + 1):
        found, whole = collect(study, seed), kept()
        own = whole.get(study.name, {})
        if own.get("preset") != preset(study):
            own = {"preset": preset(study), "claims": {}}
        for name, values in found.items():
            rule = {0.0: "one-sided", 1.0: "within", EDGE: "between"}[values[1]]
            claim = own["claims"].setdefault(name, {"rule": rule, "places": {}})
            claim["places"][str(seed)] = [float(f"{v:.4g}") for v in values]
        write({**whole, study.name: own})


def write(whole: dict[str, Any]) -> None:
    """One claim a line."""
    studies = []
    for name in [s for s in STUDIES if s in whole]:
        own = whole[name]
        lines = [f"   {json.dumps(claim)}: {json.dumps(values)}" for claim, values in own["claims"].items()]
        head = f' "{name}": {{\n  "preset": {json.dumps(own["preset"])},\n  "claims": {{\n'
        studies.append(head + ",\n".join(lines) + "\n  }\n }")
    PATH.write_text("{\n" + ",\n".join(studies) + "\n}\n", encoding="utf-8")


def table(studies: list[str]) -> str:
    """All margins as Markdown."""
    lines = ["| study | claim | rule | held | mean | edge | sd | margin | resolved | decided |", "|" + "---|" * 10]
    lines += [
        f"| {study} | {name} | {m.rule} | {m.held}/{m.seeds} | {m.mean:.3g} | {m.edge:.3g} | {m.spread:.2g} | "
        f"{m.margin:.1f} | {m.resolved:.1f} | {'yes' if m.decides else 'left to the default run'} |"
        for study in studies
        for name, m in margins(study).items()
    ]
    return "\n".join(lines)


def main() -> None:
    """Run, or show."""
    parser = argparse.ArgumentParser(description="Margins of the claims of smoke presets over seeds.")
    parser.add_argument("action", choices=("run", "show"))
    parser.add_argument("studies", nargs="*", default=list(STUDIES))
    parser.add_argument("--seeds", nargs=2, type=int, default=(1, 30))
    arguments = parser.parse_args()
    if arguments.action == "run":
        for name in arguments.studies:
            add(load(name), *arguments.seeds)
    print(table(arguments.studies))  # noqa: T201


if __name__ == "__main__":
    main()
