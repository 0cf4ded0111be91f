"""What a user can set: one frozen object behind the command line, the TOML file and the record."""

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
    """Input dimension d of the largest problem; d/2 is run as well, to take the correction of order 1/d away."""
    replicates: int = Field(96, ge=32, le=100000)
    """Independent problems at d, twice as many at d/2: error bars come from their spread."""
    tests: int = Field(400, ge=16, le=100000)
    """Test points of each problem; their targets carry no noise, so that the test error is the excess risk."""
    activation: Literal["relu", "tanh", "erf", "cos", "sin", "abs", "fourier"] = "relu"
    """Nonlinearity of the random features."""
    noise: float = Field(0.5, ge=0.1, le=10)
    """Standard deviation of the training labels' noise; the target itself has variance 1."""
    samples: float = Field(3.0, ge=1, le=20)
    """Examples over dimension, n/d (all scenes but sample-wise, where n varies)."""

    ridges: Ridges = Field((1e-4, 1e-2), min_length=1, max_length=8)
    """model_wise: ridges lambda at N = n; the best ridge for N = n is added. The first one is for the peak."""
    widest: float = Field(10.0, ge=4, le=100)
    """model_wise: the largest N/d; every width up to it is computed."""

    width: float = Field(2.0, ge=0.5, le=20)
    """sample_wise: width over dimension, N/d, while the number of examples grows."""
    most: float = Field(6.0, ge=2, le=100)
    """sample_wise: the largest n/d; every sample size up to it is computed. It must be at least twice the width."""

    aspect: float = Field(0.8, ge=0.05, le=20)
    """epoch_wise: features over examples, p/n, of the linear model with one speed."""
    fast: float = Field(100.0, ge=3, le=1000)
    """epoch_wise: variance of the fast half of the two-speed features over that of the slow half."""

    members: int = Field(8, ge=4, le=64, multiple_of=4)
    """ensembles: networks on the same training set."""
    ensemble_ridge: float = Field(1e-3, ge=1e-6, le=1e3)
    """ensembles, memory_split: the small ridge lambda, the same at every width."""
    budgets: Budgets = Field((4.0, 8.0, 16.0, 32.0), min_length=3, max_length=16)
    """memory_split: budgets of parameters N K, over d."""
    split_noise: float = Field(1.0, ge=0.1, le=10)
    """memory_split: standard deviation of the noise; with less, large budgets are best spent on one network again."""

    data: Path | None = None
    """real_data: an .npz or .csv file with X (n, d) and y (n), d to 1024; without it the digits, even against odd."""
    training: int = Field(200, ge=30, le=5000)
    """real_data: examples to train on, drawn anew for each replicate."""
