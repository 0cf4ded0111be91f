"""simlab: a laboratory for the theory of deep learning."""

__version__ = "0.1.0"
