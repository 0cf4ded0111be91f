"""Langevin dynamics and the drift along a zero-loss manifold: the talk's picture of SGD as a sampler, put on trial."""

from simlab.studies.langevin_drift.config import Config
from simlab.study import Study

STUDY = Study(
    name="langevin_drift",
    title="Langevin dynamics and the drift along a zero-loss manifold",
    package="simlab.studies.langevin_drift",
    config=Config,
    scenes=("well", "walk", "valley", "posterior"),
    presets={
        "smoke": {
            "walkers": 4096, "duration": 40.0, "dts": (0.04, 0.06, 0.08, 0.1), "escape_dts": (0.02, 0.04),
            "kicks": (0.16, 0.24), "step": 1.0,
        },
        "full": {"walkers": 1 << 20, "duration": 1000.0, "dts": (0.01, 0.02, 0.04, 0.06, 0.08, 0.1), "escape_dts": (0.0025, 0.005, 0.01, 0.02, 0.04)},
    },
)  # fmt: skip
