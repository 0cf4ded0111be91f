"""`python -m simlab.studies.scale_invariance`."""

from simlab.lab.cli import main
from simlab.studies.scale_invariance import STUDY

if __name__ == "__main__":
    raise SystemExit(main(STUDY))
