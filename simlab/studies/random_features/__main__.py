"""`python -m simlab.studies.random_features`."""

from simlab.lab.cli import main
from simlab.studies.random_features import STUDY

if __name__ == "__main__":
    raise SystemExit(main(STUDY))
