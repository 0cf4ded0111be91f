"""`python -m simlab.studies.ensemble_power_laws`."""

from simlab.lab.cli import main
from simlab.studies.ensemble_power_laws import STUDY

if __name__ == "__main__":
    raise SystemExit(main(STUDY))
