"""simlab: a laboratory for the theory of deep learning."""

from simlab import interrupts

__version__ = "0.1.0"

interrupts.from_the_start()
