"""Ensembles of networks: power laws in number and width, calibration, and the split of a budget of parameters."""

from simlab.studies.ensemble_power_laws.config import Config
from simlab.study import Study

REMARKS = """## Where this departs from the talk

* **"A clear power law."** The calibrated loss is c + b n^-a to one per cent of b at every width. But at the
  interpolation width the exponent itself rises with n, towards the 1 of theory: a is an average over the sizes at hand.
* **Why a < 1.** At any fixed temperature the loss falls as 1/n, with the b that the spread of the members foretells,
  without a fit. The best temperature falls as n grows, most of all where networks interpolate, and there a is least;
  with the temperature held where it ends the exponent is 1 again. The law of the members is asymptotic: at the
  interpolation width its second order is still a quarter of the fall from 16 to 32 members.
* **"Calibration removes double descent."** It does here: over widths where the plain loss rises the calibrated one
  falls. The training error is still some per cent at the peak of the loss.
* **"Power law wrt width."** It holds for one and two members. For large ensembles it does not: from the interpolation
  width on wider networks are less diverse, and their ensembles are worse. The talk says nothing of this.
* **"Optimal split prediction."** Laws of up to four members promise too much for large ensembles, for the exponent
  rises with n; the split that they pick is good all the same, since all widths are too good together.
* **Linear theory** has the exact 1/n of squared losses, the spread that peaks at interpolation, and more members for
  larger budgets. It has no temperature, and so no exponent below 1.
* **Digits.** Shuffles of 1,797 images are not independent data: their error bars leave out the choice of the images.
* Error bars are from the spread over teachers, and bounds use Student's law for that many of them.
"""

STUDY = Study(
    name="ensemble_power_laws",
    title="Power laws of deep ensembles and the memory split",
    package="simlab.studies.ensemble_power_laws",
    config=Config,
    scenes=("fixed_temperature", "ensemble_size", "width", "memory_split", "forecast", "squared_loss", "digits"),
    presets={
        "smoke": {
            "teachers": 16,
            "members": 32,
            "widths": (8, 12, 24, 48, 96, 192),
            "validation": 300,
            "tests": 1500,
            "budgets": (2000, 4000, 8000, 16000),
            "splits": 16,
            "epochs": 40,
        },
        "full": {
            "teachers": 60,
            "members": 128,
            "tests": 20000,
            "splits": 64,
            "widths": (8, 12, 16, 24, 32, 48, 64, 96, 128, 256, 512, 1024),
            "budgets": (1000, 2000, 4000, 8000, 16000, 32000, 64000),
        },
    },
    remarks=REMARKS,
)
