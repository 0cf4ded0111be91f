"""Data to train on: from files, from scikit-learn, from a random teacher; split, balanced, made noisy, standardised.

Everything here stays on the host, so that a seed gives the same examples whatever the device of the net; a GPU gets
them by device.asarray(train.x). Functions return new data and leave the old as they are.

>>> train, test = split(digits(), 900, 700, seed=0)
>>> train, test = standardise(noisy_labels(train, 0.15, seed=0), test, scale="global")
>>> print(test)
digits: 700 examples, 64 features in [-2.79, 3.61], 10 classes of 59 to 80; 700 of 1,797 by a split of seed 0; \
standardised on the training part, one scale for all features, 4 constant there.
"""

from simlab.data.dataset import Data, from_arrays
from simlab.data.files import cifar10, cifar100, idx, npz, read
from simlab.data.prepare import balance, noisy_labels, split, standardise
from simlab.data.sources import digits, openml
from simlab.data.teachers import teacher

__all__ = [
    "Data",
    "balance",
    "cifar10",
    "cifar100",
    "digits",
    "from_arrays",
    "idx",
    "noisy_labels",
    "npz",
    "openml",
    "read",
    "split",
    "standardise",
    "teacher",
]
