"""Markov chains as mathematics: the next state as expressions in the state and unit normals.

A scheme applied to an SDE gives a Chain, and so does SGD on a symbolic loss; theory differentiates and averages the
same expressions that the kernels run.
"""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp

DT = sp.Symbol("dt", positive=True)
"""The time step of every scheme."""


def unit_normals(count: int) -> tuple[sp.Symbol, ...]:
    """Symbols xi0, xi1, ... for independent standard normals, fresh at every step."""
    return tuple(sp.Symbol(f"xi{j}", real=True) for j in range(count))


@dataclass(frozen=True)
class Chain:
    """X' = update(X, xi): one step of a Markov chain driven by independent standard normals xi.

    state: d symbols. update: d expressions. normals: the symbols of the unit normals (may be empty).
    Every other symbol is a parameter; DT, where it occurs, is the time step.
    """

    state: tuple[sp.Symbol, ...]
    update: tuple[sp.Expr, ...]
    normals: tuple[sp.Symbol, ...]

    def __post_init__(self) -> None:
        if len(self.state) != len(self.update):
            raise ValueError(f"{len(self.state)} state symbols but {len(self.update)} update expressions.")
        names = [str(s) for s in (*self.state, *self.parameters)]
        twice = sorted({n for n in names if names.count(n) > 1})
        if twice:
            raise ValueError(
                f"{', '.join(twice)} is the name of two symbols with different assumptions; make it one symbol."
            )
        clash = {str(s) for s in self.normals} & {str(s) for s in (*self.state, *self.parameters)}
        if clash:
            raise ValueError(f"{sorted(clash)} name unit normals; call the state or parameter something else.")

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
    """The chain frozen for good at the first step where `alive` (a condition on the state) is false.

    One more component, named `clock`, counts the steps taken so far: once a walker is stopped it is the discrete
    first-passage time.
    """
    count = sp.Symbol(clock, nonnegative=True)
    held = [sp.Piecewise((new, alive), (old, True)) for old, new in zip(chain.state, chain.update, strict=True)]
    return Chain((*chain.state, count), (*held, sp.Piecewise((count + 1, alive), (count, True))), chain.normals)
