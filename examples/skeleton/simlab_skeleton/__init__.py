"""A study of one scene, to copy. Installed beside simlab it runs as `python -m simlab run skeleton`."""

from simlab.lab.study import BaseConfig, Study


class Config(BaseConfig):
    """Is a walker in a harmonic well as wide as its temperature says, up to what a finite step adds?"""

    walkers: int = 65536
    """Independent walkers; error bars come from their spread."""


PRESETS = {"smoke": {"walkers": 4096}, "full": {"walkers": 1 << 20}}
STUDY = Study("skeleton", "The width of a harmonic well", "simlab_skeleton", Config, ("width",), PRESETS)
