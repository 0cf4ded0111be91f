"""`python -m simlab.studies.langevin_drift`."""

from simlab.lab.cli import main
from simlab.studies.langevin_drift import STUDY

if __name__ == "__main__":
    raise SystemExit(main(STUDY))
