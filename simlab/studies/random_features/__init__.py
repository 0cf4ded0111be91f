"""Random features: double descent in width, samples and epochs, ensembles and the split of a budget, exactly."""

from simlab.lab.study import Study
from simlab.studies.random_features.config import Config

REMARKS = """## Where this departs from the talk

* **"Double descent."** The peak at N = n is the price of too little ridge: at the best ridge the same data and the same
  features show none, in theory and in simulation. With a ridge the peak lies a little below N = n.
* **"Increasing the width and ensemble size."** What diverges at N = n is the variance over initialisations alone, and
  averaging removes it. The variance falls as a power of N whose exponent tends to 1, but at the widths simulated here
  it is larger: the table has the number, and theory has the same.
* **"Memory split."** Larger budgets want more members if the ridge is too small, and the optimal width then hardly
  moves. If the ridge is the best one for each network, one network beats two of half its width: the advantage of
  several is here an implicit regularisation. In the closed form this is so at every budget; simulation resolves it for
  small budgets, where the difference is largest.
* **Epoch-wise.** A linear model of one speed has one descent at most; two groups of features of well separated speed
  make two, and step sizes that bring them to their best at the same time make one again, with a lower minimum.
* **Real data.** The raw pixels follow the Gaussian theory near the best ridge and above it. At far smaller ridges they
  lie some ten per cent above it and their Gaussian twin does not: this much is the pixels' own, not an error of theory.
"""

STUDY = Study(
    name="random_features",
    title="Double descent, ensembles and the memory split of random features",
    package="simlab.studies.random_features",
    config=Config,
    scenes=("model_wise", "sample_wise", "epoch_wise", "ensembles", "memory_split", "real_data"),
    presets={
        "smoke": {"dimension": 32, "replicates": 128, "tests": 200, "members": 4},
        "full": {"dimension": 1024, "replicates": 64, "tests": 2000},
    },
    remarks=REMARKS,
)
