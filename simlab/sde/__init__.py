"""Stochastic differential equations: a sympy model and a sympy scheme become a kernel, and the kernel moves walkers."""

from simlab.sde.options import Options
from simlab.sde.walk import Kernel, Walkers, kernel, walk
from simlab.theory.chain import DT, Chain, stopped
from simlab.theory.schemes import EULER, HEUN, MILSTEIN, SCHEMES, Scheme, baoab
from simlab.theory.sde import SDE, langevin

__all__ = [
    "DT", "EULER", "HEUN", "MILSTEIN", "SCHEMES", "SDE", "Chain", "Kernel", "Options", "Scheme", "Walkers", "baoab",
    "kernel", "langevin", "stopped", "walk",
]  # fmt: skip
