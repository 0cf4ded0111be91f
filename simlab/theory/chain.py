"""Markov chains as mathematics: the next state as expressions in the state and unit normals.

A scheme applied to an SDE gives a Chain, and so does SGD on a symbolic loss; theory differentiates and averages the
same expressions that the kernels run.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sympy as sp
from sympy.logic.boolalg import Boolean

from simlab.core.checks import shown, whole
from simlab.theory.symbols import expression, same_symbols, states

DT = sp.Symbol("dt", positive=True)
"""The time step of every scheme."""
MOST = 10_000
"""Unit normals of one step at most."""


def unit_normals(count: int) -> tuple[sp.Symbol, ...]:
    """Symbols xi0, xi1, ... for independent standard normals, fresh at every step."""
    return tuple(sp.Symbol(f"xi{j}", real=True) for j in range(whole("count", count, 0, MOST)))


@dataclass(frozen=True)
class Chain:
    """X' = update(X, xi): one step of a Markov chain driven by independent standard normals xi.

    state: d symbols. update: d expressions, or text in the state and the normals. normals: the symbols of the unit
    normals (may be empty). Every other symbol is a parameter; DT, where it occurs, is the time step.
    """

    state: tuple[sp.Symbol, ...]
    update: tuple[sp.Expr, ...]
    normals: tuple[sp.Symbol, ...]

    def __post_init__(self) -> None:
        state = states("state", self.state)
        given: Any = self.update
        symbols: Any = self.normals
        normals = () if isinstance(symbols, (tuple, list)) and not symbols else states("normals", symbols)
        single = isinstance(given, str) or not isinstance(given, Iterable) or getattr(given, "ndim", 1) == 0
        entries = (given,) if single else tuple(given)
        update = tuple(expression("update", e, (*state, *normals)) for e in entries)
        for name, value in {"state": state, "update": update, "normals": normals}.items():
            object.__setattr__(self, name, value)
        if len(self.state) != len(self.update):
            raise ValueError(f"update: {len(self.state)} state symbols but {len(self.update)} update expressions.")
        names = [str(s) for s in (*self.state, *self.parameters)]
        twice = sorted({n for n in names if names.count(n) > 1})
        if twice:
            raise ValueError(
                f"{', '.join(twice)} is the name of two symbols with different assumptions; make it one symbol."
            )
        clash = {str(s) for s in self.normals} & {str(s) for s in (*self.state, *self.parameters)}
        if clash:
            raise ValueError(f"normals: {sorted(clash)} name unit normals; call the state or parameter something else.")

    @property
    def parameters(self) -> tuple[sp.Symbol, ...]:
        """The symbols that need a value before the chain can run (DT among them), by name."""
        free = set().union(*(e.free_symbols for e in self.update))
        return tuple(sorted(free - set(self.state) - set(self.normals), key=str))

    def moments(self) -> tuple[sp.Matrix, sp.Matrix]:
        """Mean (d) and root (d x m) of the next state where the step is Gaussian, X' = mean(X) + root(X) xi.

        ValueError when the update is not linear in the normals (Milstein, Heun with multiplicative noise).
        """
        update = sp.Matrix(self.update)
        root = update.jacobian(self.normals) if self.normals else sp.zeros(len(self.state), 0)
        if root.free_symbols & set(self.normals):
            raise ValueError("the step is not Gaussian: the update is not linear in its normals.")
        return update.subs(dict.fromkeys(self.normals, 0)), root


def stopped(chain: Chain, alive: sp.Basic, clock: str = "lifetime") -> Chain:
    """The chain frozen from the first step where `alive` (a condition on the state) is false.

    One more component, named `clock`, counts the steps taken so far: once a walker is stopped it is the discrete
    first-passage time. ValueError where `alive` is not a condition, or `clock` the name of another symbol.
    """
    chain = a_chain(chain)
    if not isinstance(alive, Boolean) or isinstance(alive, sp.Symbol):
        raise ValueError(f"alive must be a condition on the state such as x < 0, got {shown(alive)}.")
    same_symbols("alive", alive, chain.state)
    name: Any = clock
    if not isinstance(name, str) or name in {str(s) for s in (*chain.state, *chain.parameters)}:
        raise ValueError(f"clock must be a name that no state or parameter has, got {shown(clock)}.")
    count = sp.Symbol(clock, nonnegative=True)
    held = [sp.Piecewise((new, alive), (old, True)) for old, new in zip(chain.state, chain.update, strict=True)]
    return Chain((*chain.state, count), (*held, sp.Piecewise((count + 1, alive), (count, True))), chain.normals)


def a_chain(chain: Any) -> Chain:
    """The argument, which must be a Chain."""
    if not isinstance(chain, Chain):
        raise ValueError(f"chain must be a Chain, got {shown(chain)}; a scheme such as EULER makes one of an SDE.")
    return chain


__all__ = ["DT", "Chain", "stopped", "unit_normals"]
