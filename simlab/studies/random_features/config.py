"""The settings of the study: one frozen object for the command line, the TOML file and the record."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from simlab.lab.study import BaseConfig

Ridges = tuple[Annotated[float, Field(ge=1e-6, le=1e3)], ...]
Budgets = tuple[Annotated[float, Field(ge=1, le=100)], ...]


class Config(BaseConfig):
    """Do random features follow their exact curves, from the peak of double descent to the split of a budget?"""

    dimension: int = Field(64, ge=32, le=4096, multiple_of=2)
    """Input dimension d of the largest problem; d/2 is run as well, to remove the correction of order 1/d."""
    replicates: int = Field(96, ge=32, le=100000)
    """Number of independent problems at d, and twice as many at d/2; error bars come from their scatter."""
    tests: int = Field(400, ge=16, le=100000)
    """Number of test points of each problem; their targets have no noise, so that the test error is the excess risk."""
    activation: Literal["relu", "tanh", "erf", "cos", "sin", "abs", "fourier"] = "relu"
    """Nonlinearity of the random features."""
    noise: float = Field(0.5, ge=0.1, le=10)
    """Standard deviation of the noise of training labels; the target itself has variance 1."""
    samples: float = Field(3.0, ge=1, le=20)
    """Training examples over input dimension, n/d (all scenes but sample_wise, where n varies)."""

    ridges: Ridges = Field((1e-4, 1e-2), min_length=1, max_length=8)
    """model_wise: ridges lambda where N = n; the best ridge there is added. The peak is measured at the first one."""
    widest: float = Field(10.0, ge=4, le=100)
    """model_wise: the largest number of features over dimension, N/d; every width up to it is computed."""

    width: float = Field(2.0, ge=0.5, le=20)
    """sample_wise: features over dimension, N/d, while the number of examples n grows."""
    most: float = Field(6.0, ge=2, le=100)
    """sample_wise: the largest n/d; every sample size up to it is computed. It must be at least twice the width."""

    aspect: float = Field(0.8, ge=0.05, le=20)
    """epoch_wise: features over examples, p/n, of the linear model with one speed."""
    fast: float = Field(100.0, ge=3, le=1000)
    """epoch_wise: variance of the fast half of the two-speed features over that of the slow half."""

    members: int = Field(8, ge=4, le=64, multiple_of=4)
    """ensembles: number of networks trained on the same training set."""
    ensemble_ridge: float = Field(1e-3, ge=1e-6, le=1e3)
    """ensembles, memory_split: the small ridge lambda, the same at every width."""
    budgets: Budgets = Field((4.0, 8.0, 16.0, 32.0), min_length=3, max_length=16)
    """memory_split: budgets N K/d of parameters, for K networks of N features."""
    split_noise: float = Field(1.0, ge=0.1, le=10)
    """memory_split: standard deviation of the label noise; with less, large budgets are best spent on one network."""

    data: Path | None = None
    """real_data: an .npz or .csv file with X (n, d) and y (n), d to 1024; without it the digits, even against odd."""
    training: int = Field(200, ge=30, le=5000)
    """real_data: number of training examples, drawn anew for each replicate."""
