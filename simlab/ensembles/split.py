"""The memory split: one wide network or several narrow ones from the same number of parameters.

A table of losses over (width, size of the ensemble), core axes (width, size) last; a budget of B parameters pays for
n = B/P members of a width whose networks have P. n is a real number of at least 1: rounding it down would make the
envelope a staircase. On the host: tables are small.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simlab.core import checks
from simlab.core.checks import Floats
from simlab.core.device import on_host
from simlab.statistics.arguments import LARGE_N, LARGE_Y
from simlab.statistics.power_law import FLATTEST, RANGE, PowerLaw, fit_power_law


class Split(NamedTuple):
    """For each budget (..., budget) the best width and how it was found.

    budget (budget). width: the index of the best width. members: n = B/P there. loss: the lower envelope. losses (...,
    budget, width): the loss of every width; infinite where the budget does not pay for one network, where it pays for
    more members than were measured, or where no loss is known. edge: whether the best width is the narrowest or widest
    with a known loss, so that a better one may lie beyond.
    """

    budget: Floats
    width: NDArray[np.int64]
    members: Floats
    loss: Floats
    losses: Floats
    edge: NDArray[np.bool_]


class Prediction(NamedTuple):
    """A split predicted from cheap cells, and the power law of each width; None where its cheap cells are too few."""

    split: Split
    laws: list[PowerLaw | None]


def iso_budget(parameters: ArrayLike, n: ArrayLike, loss: ArrayLike, budgets: ArrayLike) -> Floats:
    """The loss of every width at equal numbers of parameters: (..., width, size) -> (..., budget, width).

    parameters (width): of one network, rising. n (size): members, rising. loss: NaN, or infinite, where a cell was not
    measured.
    Between sizes the loss is interpolated linearly in 1/n, as it is at a fixed temperature. Infinite where a budget
    pays for less than the smallest n measured at that width, or for more than the largest.
    ValueError for shapes that do not match, parameters and sizes that do not rise, and budgets that are not positive.
    """
    parameters, n, loss, budgets = _checked(parameters, n, loss, budgets)
    found = np.full((*loss.shape[:-2], len(budgets), len(parameters)), np.inf)
    rows = loss.reshape(-1, len(parameters), len(n))
    for row, out in zip(rows, found.reshape(-1, len(budgets), len(parameters)), strict=True):
        for w, one in enumerate(parameters):
            known = np.isfinite(row[w])
            members = budgets / one
            if known.any():
                # Budgets that are whole multiples of P come out as whole members up to rounding.
                inside = (members > n[known][0] * (1 - 1e-12)) & (members < n[known][-1] * (1 + 1e-12))
                at = np.interp(-1 / members, -1 / n[known], row[w][known])
                out[:, w] = np.where(inside, at, np.inf)
    return found


def best_split(parameters: ArrayLike, n: ArrayLike, loss: ArrayLike, budgets: ArrayLike) -> Split:
    """The best width of every budget among those measured, and the lower envelope of their curves.

    Arguments as in `iso_budget`. The envelope is a minimum over measured numbers, so that noise biases it downwards:
    its error, and that of the best split, come from `bootstrap` over replicates. `fit_power_law(budget, loss)` fits the
    power law of the envelope. ValueError as in `iso_budget`, and where no width is known for a budget.
    """
    parameters, n, loss, budgets = _checked(parameters, n, loss, budgets)
    return _lowest(parameters, budgets, iso_budget(parameters, n, loss, budgets))


def predict_split(
    parameters: ArrayLike,
    n: ArrayLike,
    loss: ArrayLike,
    budgets: ArrayLike,
    cheap: float,
    *,
    se: ArrayLike | None = None,
    exponent: float | None = None,
) -> Prediction:
    """The best split of budgets from cells of at most `cheap` parameters in all: P n <= cheap.

    A power law in n is fitted to the cheap cells of each width and continued to n = B/P (Lobacheva, Chirkova, Kodryan &
    Vetrov 2020). loss (width, size), se of the same shape or none. A width with too few cheap cells (three different n,
    two with a given exponent, one more without se) is left out: its loss is infinite.
    ValueError as in `iso_budget`, and where no width has enough cheap cells.
    """
    parameters, n, loss, budgets = _checked(parameters, n, loss, budgets)
    if loss.ndim != 2:
        raise ValueError(f"loss must have shape (width, size) to predict from, got {loss.shape}.")
    cheap = checks.number("cheap", cheap, above=0, infinite=True)
    if exponent is not None:
        exponent = checks.number("exponent", exponent, at_least=FLATTEST, at_most=RANGE[1])
    errors = None if se is None else on_host("se", se, at_least=1 / LARGE_Y, at_most=LARGE_Y, nan=True)
    if errors is not None:
        if errors.shape not in ((), loss.shape) or np.isnan(errors[np.isfinite(loss)] if errors.ndim else errors).any():
            raise ValueError(f"se must be a number, or one for each known loss {loss.shape}, got shape {errors.shape}.")
        errors = np.broadcast_to(errors, loss.shape)
    needed = 2 + (exponent is None) + (errors is None)
    losses = np.full((len(budgets), len(parameters)), np.inf)
    laws: list[PowerLaw | None] = []
    for w, one in enumerate(parameters):
        known = np.isfinite(loss[w]) & (one * n <= cheap * (1 + 1e-12))
        if known.sum() < needed:
            laws.append(None)
            continue
        law = fit_power_law(n[known], loss[w][known], None if errors is None else errors[w][known], exponent=exponent)
        members = np.maximum(budgets / one, 1.0)
        laws.append(law)
        losses[:, w] = np.where(budgets >= one * (1 - 1e-12), law.c + law.b * members**-law.a, np.inf)
    if all(law is None for law in laws):
        raise ValueError(
            f"no width has {needed} cells of at most {cheap:g} parameters; raise cheap or fix the exponent."
        )
    return Prediction(_lowest(parameters, budgets, losses), laws)


def regret(predicted: Split, measured: Split) -> Floats:
    """The regret of the prediction: the measured loss at the predicted width minus the envelope, (..., budget).

    Never negative, zero where the width is the best one; infinite where the predicted cell was not measured. ValueError
    where the budgets differ.
    """
    for name, split in (("predicted", predicted), ("measured", measured)):
        if not isinstance(split, Split):
            raise ValueError(f"{name} must be a Split, got {checks.shown(split)}.")
    if predicted.budget.shape != measured.budget.shape or (predicted.budget != measured.budget).any():
        raise ValueError(
            "the budgets of the two splits differ, predicted and measured; predict and measure at the same budgets."
        )
    width = np.broadcast_to(predicted.width, measured.width.shape)
    return np.take_along_axis(measured.losses, width[..., None], axis=-1)[..., 0] - measured.loss


def _lowest(parameters: Floats, budgets: Floats, losses: Floats) -> Split:
    """The lowest of the losses (..., budget, width) of each budget."""
    known = np.isfinite(losses)
    if not known.any(axis=-1).all():
        worst = budgets[~known.any(axis=-1).reshape(-1, len(budgets)).all(axis=0)][0]
        raise ValueError(f"no width has a loss at the budget {worst:g}; measure more members or drop it from budgets.")
    width = losses.argmin(axis=-1)
    first, last = known.argmax(axis=-1), known.shape[-1] - 1 - known[..., ::-1].argmax(axis=-1)
    loss = np.take_along_axis(losses, width[..., None], axis=-1)[..., 0]
    return Split(budgets, width, budgets / parameters[width], loss, losses, (width == first) | (width == last))


def _checked(parameters: Any, n: Any, loss: Any, budgets: Any) -> tuple[Floats, Floats, Floats, Floats]:
    """The arguments as arrays."""
    parameters, n, loss, budgets = (
        on_host(name, a, nan=True, infinite=True)
        for name, a in (("parameters", parameters), ("n", n), ("loss", loss), ("budgets", budgets))
    )
    budgets = np.atleast_1d(budgets)
    for name, a in (("parameters", parameters), ("n", n)):
        if a.ndim != 1 or not len(a) or not ((a >= 1 / LARGE_N).all() and a[-1] <= LARGE_Y and (np.diff(a) > 0).all()):
            raise ValueError(
                f"{name} must be positive and rise, one number after the other, from {1 / LARGE_N:g} to {LARGE_Y:g}."
            )
    if budgets.ndim != 1 or not len(budgets) or not ((budgets >= 1 / LARGE_N) & (budgets <= LARGE_Y)).all():
        raise ValueError(f"budgets must be positive numbers of parameters, from {1 / LARGE_N:g} to {LARGE_Y:g}.")
    if loss.ndim < 2 or loss.shape[-2:] != (len(parameters), len(n)):
        raise ValueError(
            f"loss must have shape (..., {len(parameters)}, {len(n)}), widths of parameters and sizes of n, "
            f"got {loss.shape}."
        )
    return parameters, n, loss, budgets
