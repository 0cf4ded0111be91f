"""The settings of the study: one frozen object for the command line, the TOML file and the record."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from simlab.lab.study import BaseConfig, distinct

Rate = Annotated[float, Field(gt=1e-6, lt=10)]
Rates = Annotated[tuple[Rate, ...], AfterValidator(distinct)]


class Config(BaseConfig):
    """Do norm, direction and minima of scale-invariant nets under weight decay follow theory, phase by phase?"""

    walkers: int = Field(4096, ge=256, le=1 << 22, multiple_of=2)
    """sphere: number of independent walkers in each setting."""
    dimensions: Annotated[tuple[Annotated[int, Field(ge=2, le=1000)], ...], AfterValidator(distinct)] = Field(
        (2, 10, 100), min_length=1, max_length=6
    )
    """sphere: dimensions of the weights."""
    kappa: float = Field(3.0, gt=0, le=100)
    """sphere: strength kappa of the loss -kappa mu.w/|w|, mu being a fixed unit vector."""
    sigma: float = Field(1.0, ge=1e-6, le=100)
    """sphere: standard deviation of the gradient noise at |w| = 1, in every tangential direction."""
    products: tuple[Annotated[float, Field(gt=1e-5, lt=0.05)], ...] = Field(
        (0.004, 0.002, 0.001), min_length=3, max_length=6
    )
    """sphere: learning rate times weight decay, from large to small; theory is for the limit of small products."""

    replicates: int = Field(12, ge=4, le=4096)
    """Number of nets in each setting, each with its own data, weights and minibatches; error bars are their scatter."""
    width: int = Field(32, ge=4, le=4096)
    """Width of the hidden layers (all scenes but phases)."""
    examples: int = Field(1000, ge=50, le=1000000)
    """Training examples (all scenes but phases)."""
    tests: int = Field(700, ge=50, le=1000000)
    """Number of test examples; fewer where the data leave fewer."""
    noise: float = Field(0.2, ge=0, le=0.8)
    """equilibrium, regimes: the share of wrong training labels, which keeps the loss above zero."""
    data: Path | None = None
    """An .npz or .csv file with x (n, features) and integer labels y (n); without it the digits."""

    lrs: Rates = Field((0.1, 0.05, 0.3), min_length=2, max_length=8)
    """equilibrium: learning rates; each has the weight decay that gives the product below."""
    product: float = Field(1e-3, gt=1e-5, le=0.005)
    """equilibrium: learning rate times weight decay; 1/(16 lr wd) steps must hold a few records of the norm."""
    lifetimes: float = Field(6.0, ge=4, le=100)
    """equilibrium: length of a run in units of 1/(lr wd)."""

    phase_width: int = Field(64, ge=8, le=4096)
    """phases: width of the hidden layers."""
    phase_examples: int = Field(500, ge=100, le=1000000)
    """phases: training examples, a tenth of them with wrong labels; a minibatch has 100."""
    phase_steps: tuple[Annotated[int, Field(ge=1, le=10**8)], ...] = Field(
        (10, 100, 300, 1000, 3000), min_length=3, max_length=12
    )
    """phases: steps of the checkpoints, fixed in advance; phase 1 ends at the second one, phase 2 at the last."""
    phase_replicates: int = Field(48, ge=4, le=4096)
    """phases: number of nets of each variant."""

    period_lrs: Rates = Field((0.5, 0.25), min_length=2, max_length=6)
    """periods: learning rates."""
    period_decays: Rates = Field((0.01, 0.0025), min_length=1, max_length=6)
    """periods: weight decays; every pair with every learning rate is run."""
    period_lifetimes: float = Field(20.0, ge=8, le=1000)
    """periods: length of a run in units of 1/(lr wd)."""

    elrs: int = Field(14, ge=6, le=100)
    """regimes: number of effective learning rates lr/|w|^2, evenly spaced in the logarithm from 3e-5 to 1."""
    regime_steps: int = Field(4000, ge=200, le=10**7)
    """regimes: steps of every run on the sphere."""
