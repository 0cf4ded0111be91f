"""A study of the tests' own, of a fraction of a second and with a file of every kind."""

from pydantic import Field

from simlab.lab.study import BaseConfig, Study


class Config(BaseConfig):
    """Are dice fair?"""

    rolls: int = Field(600, ge=2)
    """Rolls at each table."""
    tables: int = Field(4, ge=1)
    """How many tables."""


STUDY = Study("casino", "Dice", "tests.lab.casino", Config, ("dice",), {"smoke": {}, "full": {}})
