"""Scale invariance: equilibrium of the norm, temperature of the direction, phases, periods and regimes."""

from simlab.lab.study import Study
from simlab.studies.scale_invariance.config import Config

REMARKS = """## Where this departs from the talk

* **"Phase 1: memorisation. Test loss peaks."** The norm grows and the training error goes to zero, but no peak of the
  test error follows: where copies are annealed before they are measured, the error falls from the first checkpoint on.
  Settings in which earlier experiments saw a full rise and fall do not show one in fresh seeds.
* **"Phase 2: consolidation. Weight norm drops. Effective width of minimum increases. Test loss improves."** All of this
  happens, at zero training error. Freezing the norm after the first steps removes the widening and the fall of the test
  loss, so the norm causes both. But the test error falls with a frozen norm too, by more than half as much: that part
  needs no consolidation.
* **The alternative explanation**, features learned at two speeds (Heckel & Yilmaz 2021), is not supported: with inputs
  that have one scale in every direction the second phase does not disappear but becomes larger.
* **"DNNs are scale-invariant, but the width of local minima is not."** True to rounding: the Hessian at c w is that at
  w over c^2. What a finite learning rate sees is the effective rate lr/rho^2, and with it the equilibrium, the
  temperature of the direction and the edge of stability depend on the product of learning rate and weight decay alone.
* **Periods.** At the start of a burst lr times the largest curvature is above 2; in the fall before it is below 2.
  Between bursts the norm does not quite decay freely, since minibatches still have gradients, and the interval between
  bursts is longer than the formula for free decay predicts, by less, the smaller lr wd is.
* **Annealing.** The best test error is reached from the largest effective rates, even from where the loss is that of
  guessing: a slow cosine from there passes through the whole equilibrium regime on its way down.
"""

STUDY = Study(
    name="scale_invariance",
    title="Scale-invariant nets under weight decay",
    package="simlab.studies.scale_invariance",
    config=Config,
    scenes=("sphere", "equivalence", "equilibrium", "phases", "periods", "regimes"),
    presets={
        "smoke": {
            "walkers": 1024, "dimensions": (4, 10), "products": (0.008, 0.004, 0.002), "replicates": 24, "width": 16,
            "examples": 500, "lifetimes": 5.0, "lrs": (0.1, 0.05), "phase_replicates": 24, "phase_width": 48,
            "phase_examples": 200, "period_lifetimes": 8.0, "period_decays": (0.02, 0.004),
            "elrs": 6, "regime_steps": 3000,
        },
        "full": {
            "walkers": 1 << 18, "replicates": 64, "width": 256, "phase_width": 256, "phase_replicates": 128, "elrs": 28,
            "regime_steps": 20000, "lifetimes": 12.0, "period_lifetimes": 60.0,
        },
    },
    finding="One equilibrium norm, one temperature of the direction and one edge of stability for each product of "
    "learning rate and weight decay; consolidation widens the minimum, without a peak of the test error before it.",
    remarks=REMARKS,
)  # fmt: skip
