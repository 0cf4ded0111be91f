"""Langevin dynamics and the drift along a zero-loss manifold: tests of the talk's picture of SGD as a sampler."""

from simlab.lab.study import Study
from simlab.studies.langevin_drift.config import Config

REMARKS = """## Where this departs from the talk

* **"After some warm-up each point from the trajectory is a sample from p(x)."** At a finite step it is a sample from
  another distribution, the chain's own: wider or narrower than p by an amount of first order in the step, which sympy
  derives and the table confirms. The warm-up is the relaxation time of the chain, which behind a barrier grows as
  exp(height/T): compare the relaxation time of the double well with the time that walkers need to escape once its
  barrier is 2.5 T high.
* **"We can derive the stationary distribution of random walk with changing variance."** There are two: 1/s^2 if the
  equation is read in the sense of Ito, 1/s in the sense of Stratonovich. The sentence does not say which is meant; an
  integrator decides it. SGD evaluates its noise before the step, which is Ito's reading.
* **"Drift within this manifold is possible."** With noise that survives at zero loss (labels with fresh noise)
  there is a drift towards low curvature, whose size in the table is the predicted one. Without such noise SGD does not
  move at all. And noise across the valley alone gives a drift but no stationary density: that takes noise along the
  valley as well.
* **"SGD returns samples from some implicit distribution."** On real data the walkers follow the exact distribution of
  the chain, whose mean is that of the posterior, and whose covariance exceeds that of the posterior by what the finite
  step explains.
"""

STUDY = Study(
    name="langevin_drift",
    title="Langevin dynamics and the drift along a zero-loss manifold",
    package="simlab.studies.langevin_drift",
    config=Config,
    scenes=("well", "walk", "valley", "posterior"),
    presets={
        "smoke": {
            "walkers": 8192, "duration": 1500.0, "dts": (0.04, 0.06, 0.08, 0.1), "escape_walkers": 65536,
            "escape_dts": (0.02, 0.04), "kicks": (0.08, 0.16), "step": 1.0,
        },
        "full": {
            "walkers": 1 << 20, "duration": 1000.0, "dts": (0.01, 0.02, 0.04, 0.06, 0.08, 0.1),
            "escape_walkers": 1 << 22, "escape_dts": (0.0025, 0.005, 0.01, 0.02, 0.04),
        },
    },
    finding="A finite step samples the distribution of its own chain; Ito and Stratonovich steps sample two densities; "
    "noise across the zero-loss valley drives SGD to where it is flat, with the size that averaging predicts.",
    remarks=REMARKS,
)  # fmt: skip
