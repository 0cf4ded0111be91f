"""Ensembles of networks: power laws in number and width, calibration, and the split of a budget of parameters."""

from simlab.lab.study import Study
from simlab.studies.ensemble_power_laws.config import Config

REMARKS = """## Where this departs from the talk

* **"A clear power law."** The calibrated loss is c + b n^-a up to one per cent of its range at every width, and where
  networks interpolate neither c + b/n nor a logarithm comes near. But there the exponent itself rises with n, towards
  the 1 of theory: a is an average over the sizes at hand.
* **Why a < 1.** At temperature 1 the loss falls as c + b/n, with the b that the spread of other members predicts,
  without a fit. The best temperature falls as n grows, most of all where networks interpolate, and there a is least.
  By c + b/n at all temperatures other members predict, up to an eighth, what four members gain from their own best
  temperature: from 0.001 nat at the largest width to 0.03 at interpolation. The lower envelope of these curves has the
  exponents of eight members and more, up to 0.1. For one to three members the series in 1/n is not valid where networks
  interpolate. At one fixed temperature, the best for all members, the exponents are 0.94 to 1.02: near 1, and at the
  largest widths below it by ten standard errors.
* **"Calibration removes double descent."** It does here: over widths where the plain loss rises the calibrated one
  falls. "Interpolation" is a training error below 5 %; at 24 hidden units, where the loss is highest, it is 3 %.
* **"Power law wrt width."** It holds for one and two members, over widths a factor 32 apart. For large ensembles it
  does not: beyond 32 hidden units, one width above interpolation, wider networks are less diverse, and their ensembles
  are worse. The talk does not mention this.
* **"Memory split effect."** A larger budget goes into more members: the best width hardly changes. The weight decay is
  the same for all widths: with one for each, wide networks may gain. The loss at the best split is a power law of the
  budget B up to one per cent of its range; a line in ln B leaves nine per cent.
* **"Optimal split prediction."** Power laws fitted to up to four members predict too low a loss for large ensembles,
  since the exponent rises with n, most of all at the interpolation width. Their 95 % intervals always cover at the
  largest widths, where they are a little too long, but half of the time at interpolation, and less the further they
  extrapolate. The loss is flat around the best split, and so the split that these power laws pick costs little. Always
  taking the widest of the networks that were fitted costs even less.
* **Linear theory** has the exact 1/n of squared losses, and a variance over members that peaks at interpolation. With
  as little ridge and as much noise as here its best split of a larger budget has more members, too; near the best ridge
  it has one or a few. Its E_inf rises where that of networks falls. It has no temperature, and so no exponent below 1.
* **Digits.** Shuffles of 1,797 images are not independent data: their error bars leave out the choice of the images.
* Error bars are from the spread over teachers, and bounds use Student's t distribution for that many of them. A
  temperature from 1,500 examples adds 0.0003 to 0.0004 nat to a network's loss: a hundredth of what members gain at the
  largest width, less elsewhere.
"""

STUDY = Study(
    name="ensemble_power_laws",
    title="Power laws of deep ensembles and the memory split",
    package="simlab.studies.ensemble_power_laws",
    config=Config,
    scenes=("fixed_temperature", "ensemble_size", "width", "memory_split", "forecast", "squared_loss", "digits"),
    presets={
        "smoke": {
            "teachers": 24,
            "members": 32,
            "widths": (8, 12, 24, 48, 96, 192),
            "validation": 300,
            "tests": 1500,
            "budgets": (1000, 3000, 6000, 12000, 24000),
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
    finding="The calibrated loss of n networks is c + b n^-a with a below 1, up to 3 % of its range: at a fixed "
    "temperature the exponent is near 1, and the best temperature falls as n grows. A larger budget of parameters is "
    "best spent on more networks.",
    remarks=REMARKS,
)
