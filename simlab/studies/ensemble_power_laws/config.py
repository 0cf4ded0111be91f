"""The settings of the study: one frozen object for the command line, the TOML file and the record."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from simlab.lab.study import BaseConfig

Widths = tuple[Annotated[int, Field(ge=2, le=65536)], ...]
Budgets = tuple[Annotated[float, Field(ge=1, le=1e9)], ...]


class Config(BaseConfig):
    """Do calibrated losses of deep ensembles follow power laws, and is a budget best split among several networks?"""

    teachers: int = Field(16, ge=8, le=10000)
    """Number of independent teachers, each with its own training, validation and test data and pool of networks; error
    bars come from their scatter. All scenes but `digits`."""
    members: int = Field(64, ge=32, le=1024)
    """Networks of every width for each teacher, a power of two. The largest memory is that of one width of one teacher:
    about 24 bytes for each member, test example and class, 46 MB by default."""
    widths: Widths = Field((8, 12, 16, 24, 32, 48, 64, 128, 256), min_length=6, max_length=32)
    """Numbers of hidden units, rising. Besides the width at which the training error falls below 5 %, half of it and
    four times as much must be among them."""
    training: int = Field(1000, ge=100, le=10**6)
    """Number of training examples."""
    validation: int = Field(1500, ge=100, le=10**6)
    """Number of examples that temperatures are fitted to; few raise every calibrated loss (1500: by 0.0004)."""
    tests: int = Field(3000, ge=200, le=10**6)
    """Number of examples that losses are measured on."""
    gain: float = Field(50.0, ge=0.1, le=1000)
    """Factor of the teacher's last layer, which sets how certain labels are: at 50 there is almost no label noise."""

    epochs: int = Field(50, ge=1, le=10000)
    """Passes over the training data, in minibatches of 50."""
    lr: float = Field(0.3, gt=0, le=10)
    """Learning rate at the start; it falls to 0 as a cosine, with momentum 0.9. It is for up to 16 inputs; with
    more inputs it is reduced in proportion."""
    weight_decay: float = Field(1e-3, ge=0, le=1)
    """Weight decay, as a term of the gradient."""

    budgets: Budgets = Field((1000, 2000, 4000, 8000, 16000, 32000), min_length=4, max_length=16)
    """memory_split, forecast: parameters of all members together, rising."""
    cheap: int = Field(4, ge=4, le=64)
    """forecast: power laws are fitted to ensembles of at most this many members; for splits of budgets, only to those
    of the narrower half of the widths."""

    data: Path | None = None
    """digits: an .npz or .csv file with x (n, in) and class labels y (n); without it the digits of scikit-learn."""
    splits: int = Field(16, ge=8, le=1000)
    """digits: number of random splits into a sixth to train on, a third to validate and the rest to test."""
