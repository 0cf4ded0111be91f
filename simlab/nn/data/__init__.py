"""Data to train on: from files.

Everything here stays on the host, so that a seed gives the same examples whatever the device of the net; a card gets
them by device.asarray(train.x).
"""

from simlab.nn.data.dataset import Data, from_arrays
from simlab.nn.data.files import cifar10, cifar100, idx, npz

__all__ = [
    "Data",
    "cifar10",
    "cifar100",
    "from_arrays",
    "idx",
    "npz",
]
