"""Data to train on: from files, from scikit-learn, from a random teacher.

Everything here stays on the host, so that a seed gives the same examples whatever the device of the net; a card gets
them by device.asarray(train.x).
"""

from simlab.nn.data.dataset import Data, from_arrays
from simlab.nn.data.files import cifar10, cifar100, idx, npz
from simlab.nn.data.sources import digits, openml
from simlab.nn.data.teachers import teacher

__all__ = [
    "Data",
    "cifar10",
    "cifar100",
    "digits",
    "from_arrays",
    "idx",
    "npz",
    "openml",
    "teacher",
]
