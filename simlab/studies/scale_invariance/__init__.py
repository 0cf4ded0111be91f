"""Scale invariance: the norm's equilibrium, the direction's temperature, phases, periods and regimes, on trial."""

from simlab.studies.scale_invariance.config import Config
from simlab.study import Study

REMARKS = ""

STUDY = Study(
    name="scale_invariance",
    title="Scale-invariant nets under weight decay",
    package="simlab.studies.scale_invariance",
    config=Config,
    scenes=("sphere", "equivalence", "equilibrium", "phases", "periods", "regimes"),
    presets={"smoke": {"walkers": 1024}, "full": {}},
    remarks=REMARKS,
)
