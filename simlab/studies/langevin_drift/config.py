"""The settings of the study: one frozen object for the command line, the TOML file and the record."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from simlab.lab.study import BaseConfig, distinct

Step = Annotated[float, Field(ge=1e-6, le=10)]
Steps = Annotated[tuple[Step, ...], AfterValidator(distinct)]
Kicks = Annotated[tuple[Annotated[float, Field(ge=1e-3, le=0.2)], ...], AfterValidator(distinct)]
Stable = Annotated[float, Field(ge=1e-3, le=1.99)]


class Config(BaseConfig):
    """Do walkers follow their exact distributions, within errors, from a double well to the posterior of real data?"""

    walkers: int = Field(131072, ge=1024, le=2**22)
    """Number of walkers in each simulation; error bars come from their scatter; about 1.5 kB of memory each."""

    potential: str = "x**4/4 - x**2/2"
    """well: the potential U(x); + - * / **, exp, log, sin, cos, tan, tanh, sqrt, Abs, Min, Max, Piecewise."""
    temperature: float = Field(0.5, ge=1e-6, le=1e6)
    """well: temperature T in units of U; the noise amplitude is s = sqrt(2 T)."""
    dt: Step = 0.05
    """well: time step of the histogram and of the autocorrelation, in units of time."""
    dts: Steps = Field((0.02, 0.04, 0.06, 0.08, 0.1), min_length=4, max_length=64)
    """well: time steps of the extrapolation of <x^2> to dt = 0, in units of time (at least four)."""
    duration: float = Field(600.0, ge=1)
    """well: time over which each walker is averaged at each of the time steps --dts, in units of time."""
    harmonic_dts: tuple[Stable, ...] = Field((0.1, 0.5, 1.0, 1.5), min_length=1, max_length=64)
    """well: values of k dt for U = k x^2/2, where the variance of the chain is known in closed form."""
    barrier: float = Field(2.5, ge=0.5, le=12)
    """well: height of the barrier in units of the temperature, for the escape."""
    escape_dts: Steps = Field((0.01, 0.02, 0.04), min_length=2, max_length=64)
    """well: time steps of the escape, in units of time (at least two)."""
    escape_walkers: int = Field(131072, ge=1024, le=2**22)
    """well: number of walkers of the escape; each crosses the barrier once and gives one escape time."""

    modulation: float = Field(0.6, ge=0.01, le=0.95)
    """walk: modulation depth a of the noise amplitude s(x) = 1 + a sin x on the circle."""
    walk_dt: float = Field(0.01, ge=1e-4, le=1)
    """walk: time step, in units of time."""

    steepness: float = Field(0.8, ge=0.01, le=0.99)
    """valley: modulation depth c of the curvature h(x) = 1 + c cos x."""
    lr: float = Field(0.2, ge=1e-6)
    """valley: learning rate of SGD, in units of 1/(mean curvature); stable while lr max h < 2."""
    exponent: float = Field(6.0, ge=0.01, le=100)
    """valley: lr sigma^2/t^2 for label noise sigma and noise t along the valley: p ~ (1 - lr h/2)^exponent."""
    kicks: Kicks = Field((0.04, 0.06, 0.08), min_length=2, max_length=64)
    """valley: standard deviations t of the noise along the valley, rad per step; theory is t -> 0 (at least two)."""

    data: Path | None = None
    """posterior: an .npz or .csv file with X (n, d) and y (n), d up to 16; without it the diabetes data (442 x 10)."""
    prior: float = Field(1.0, ge=1e-3, le=1e3)
    """posterior: standard deviation of the normal prior of each weight, in standard deviations of y."""
    step: float = Field(0.5, ge=1e-3, lt=2)
    """posterior: the time step times the largest curvature of the posterior (stable below 2)."""
