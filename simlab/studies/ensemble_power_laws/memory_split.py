"""Scene 4, the talk's "Memory split effect": a budget of parameters as one wide network or several narrow ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from simlab.core.checks import Floats
from simlab.core.device import Device
from simlab.core.errors import InputError
from simlab.core.progress import Progress
from simlab.ensembles import best_split
from simlab.lab import plot as look
from simlab.lab.claim import Claim
from simlab.lab.quantities import given, measured, predicted
from simlab.statistics import jackknife, mean
from simlab.studies.ensemble_power_laws import curves, fixed_temperature, pool
from simlab.studies.ensemble_power_laws.config import Config

PANELS = 2
ENVELOPE = 0.05
"""What counts as a deviation of the envelope from a power law, over its range: it is made of pieces of a few widths."""
SOURCE = "talk, Memory split effect"
cost = fixed_temperature.cost


def check(config: Config) -> None:
    """Refuse budgets that do not rise, or that these networks cannot fill."""
    fixed_temperature.check(config)
    if list(config.budgets) != sorted(set(config.budgets)):
        raise InputError("budgets: they must rise, each of them once.")
    own = pool.parameters(config.widths)
    middle = own[len(own) // 2]
    if config.budgets[0] < own[0] or config.budgets[-1] > middle * config.members:
        raise InputError(
            f"budgets: they must lie between {own[0]}, one network of the least width, and "
            f"{middle * config.members}, {config.members} of {config.widths[len(own) // 2]} hidden units; take others."
        )
    few = curves.fewest(own, config.budgets)
    if not (own[0] < config.budgets[0] <= own[0] * config.members and few):
        raise InputError(
            f"budgets: the least must buy more than one network of {config.widths[0]} hidden units and at most "
            f"{config.members}, and the largest as many wider ones; take budgets further apart."
        )
    if config.budgets[-1] > own[few] * config.members:
        raise InputError(
            f"budgets: the largest buys more than {config.members} networks of {config.widths[few]} hidden units, the "
            "widest of which it buys as many as the least does of the narrowest; take a smaller least budget."
        )


def simulate(config: Config, device: Device, progress: Progress) -> xr.Dataset:
    """Loss of every width at every budget, the best split as other teachers see it, and what it gains."""
    own, n = pool.teachers(config, device, progress), pool.sizes(config)
    p, budgets = pool.parameters(config.widths), np.array(config.budgets)
    found: dict[str, Any] = curves.axes(config, own)
    found |= given("budget", "budget", budgets, "trained numbers of all members together")
    found |= given("parameters", "width", p, "trained numbers of one network")
    found |= given(
        "calibrated", ("width", "members"), own.calibrated.mean(axis=0), "calibrated NLL of ensemble_size", "nat"
    )
    loss = curves.chosen(p, n, own.calibrated, budgets)
    found |= measured("loss", "budget", mean(loss), "calibrated NLL at the split that other teachers find best", "nat")
    best = best_split(p, n, own.calibrated.mean(axis=0), budgets)
    found |= given("split_width", "budget", np.array(config.widths)[best.width], "width of the best split")
    found |= given("split_members", "budget", best.members, "members of the best split")
    shift = mean(curves.shift(p, n, own.calibrated, budgets))
    found |= measured("shift", "part", shift, "what many members cost the least budget, and few the largest", "nat")
    found |= measured("gain", (), mean(gain(p, n, own.calibrated)), "loss of the widest network less that of a split "
                      "of its budget", "nat")  # fmt: skip
    found |= measured(
        "exponent", (), jackknife(loss, lambda m: curves.exponents(budgets, m)), "exponent of the envelope"
    )
    rest = jackknife(loss, lambda m: curves.residual(budgets, m))
    found |= measured("rest", (), rest, "residual of the envelope's law over its range")
    return xr.Dataset(found)


def theory(config: Config, simulation: xr.Dataset) -> xr.Dataset:
    """The power law that is fitted to the envelope."""
    _, law = curves.fitted(simulation["budget"], simulation["loss"], simulation["budget"])
    return xr.Dataset(predicted("loss", "budget", law, "calibrated NLL at the best split"))


def compare(config: Config, data: xr.Dataset) -> list[Claim]:
    """Several networks beat one, larger budgets want more of them, and the envelope."""
    many = config.teachers
    return [
        curves.there(
            "memory_split/several-beat-one",
            f"The parameters of one network of {config.widths[-1]} hidden units are better spent on several.", SOURCE,
            curves.far(data, "gain"), many,
        ),
        curves.more("memory_split/more-members", data, "Larger budgets", SOURCE, many),
        curves.follows(
            "memory_split/envelope", "The loss at the best split is a power law in the budget", SOURCE, data, many,
            bias=ENVELOPE,
        ),
    ]  # fmt: skip


def plot(config: Config, data: xr.Dataset, axes: list[Any]) -> None:
    """The plane of widths and members with equal budgets and best splits; every width's curve and the envelope."""
    plane, lines = axes
    shown = data["members"].values
    p, loss = data.parameters.values, data.calibrated.values
    shades = plane.contourf(data["width"], shown, loss.T, levels=24, cmap="viridis_r")
    shades.set_edgecolor("face")
    for budget in data["budget"].values:
        plane.plot(data["width"], budget / p, "--", color="white", lw=0.9)
    plane.plot([], [], "--", color="0.6", lw=0.9, label="equal budgets (white)")
    plane.plot(data.split_width, data.split_members, "o-", color=look.COLORS[1], ms=5, lw=1, label="best split")
    plane.set(xscale="log", yscale="log", title="Memory split: calibrated NLL", xlabel="hidden units",
              ylabel="members n")  # fmt: skip
    plane.set_xlim(config.widths[0], config.widths[-1])
    plane.set_ylim(1, shown[-1])
    for k, h in enumerate(config.widths):
        color = {0: 0, curves.at(data).peak: 1, len(p) - 1: 2}.get(k)
        lines.plot(p[k] * shown, loss[k], "-", lw=1.2 if color is not None else 0.6, zorder=1,
                   color="0.75" if color is None else look.COLORS[color],
                   label=None if color is None else f"{h} hidden units")  # fmt: skip
    look.points(lines, data["budget"], data.loss, data.loss_se, "best split", color=3)
    dense = np.geomspace(config.budgets[0], config.budgets[-1], 60)
    a, law = curves.fitted(data["budget"], data.loss, dense)
    look.line(lines, dense, law, f"power law, a = {a:.2f}")
    lines.set(xscale="log", title="Larger budgets want more members", xlabel="parameters in all",
              ylabel="calibrated NLL")  # fmt: skip
    lines.set_xlim(config.budgets[0] / 1.5, config.budgets[-1] * 1.5)
    lines.set_ylim(0.99 * loss.min(), 1.2 * float(data.loss[0]))


def gain(parameters: Any, n: Any, losses: Floats) -> Floats:
    """Loss of one network of the largest width less that of the split of its budget that other replicates choose."""
    loss = curves.chosen(parameters, n, losses, parameters[-1:].astype(float))
    return losses[:, -1, 0] - loss[:, 0]
