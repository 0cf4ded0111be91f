"""The public functions of `simlab.data`: what they take, and what lies just outside."""

from __future__ import annotations

import gzip
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from simlab import data
from simlab.data import prepare
from tests.domains.calls import Call

MODULES = [data]

X = np.arange(1.0, 25).reshape(8, 3)
LABELS = np.array([0, 1, 2, 0, 1, 2, 0, 1])
TARGETS = X[:, :2] / 3
LABELLED, NUMBERS = data.from_arrays(X, LABELS), data.from_arrays(X, TARGETS)
NO_DATA = ((X, LABELS), X, None, "digits")
NO_SEED = (-1, 0.5, "0", None, True)
NO_FLAG = ("yes", 1, None)
NO_X = (
    np.where(X == 5, np.nan, X), np.where(X == 5, np.inf, X), np.ma.masked_equal(X, 5), X[0], X[:1], X[:, :0], X + 0j,
    X.astype(str), [[1.0], [1.0, 2.0]], None, "x",
)  # fmt: skip

KEPT = tempfile.TemporaryDirectory()
FOLDER = Path(KEPT.name)
IMAGES, NAMES, BATCH, FINE = (FOLDER / name for name in ("images", "names", "batch.bin", "fine.bin"))
IMAGES.write_bytes(gzip.compress(bytes([0, 0, 8, 2, 0, 0, 0, 8, 0, 0, 0, 3]) + X.astype(np.uint8).tobytes()))
NAMES.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 8]) + LABELS.astype(np.uint8).tobytes())
BATCH.write_bytes(b"".join(bytes([label]) + bytes(3072) for label in LABELS))
FINE.write_bytes(b"".join(bytes([0, label]) + bytes(3072) for label in LABELS))
NPZ, CSV = FOLDER / "own.npz", FOLDER / "own.csv"
np.savez(NPZ, X=X, Y=LABELS)
CSV.write_text(
    "a,b,c,y\n" + "".join(",".join(map(str, (*row, label))) + "\n" for row, label in zip(X, LABELS, strict=True))
)
(FOLDER / "paths.bin").write_bytes(BATCH.read_bytes()[:-1])
(FOLDER / "path.csv").write_text("1,2,3\n")
(FOLDER / "path.npz").write_bytes(NPZ.read_bytes()[:-40])
NO_PATH = (FOLDER / "no-path.npz", FOLDER / "path.csv", FOLDER / "path.npz", None, 3, "", ["path"])
NO_CLASSES = ("012", 3, ["0"], ["0", "1"], ["0", "1", "1", "2"])


def split(data: Any = LABELLED, sizes: Any = 3, stratified: bool = False) -> Any:
    """`split` with its first two arguments by name."""
    return prepare.split(data, sizes, 2, seed=0, stratified=stratified)


def cifar(paths: Any = BATCH, fine: Any = FINE) -> Any:
    """The files of CIFAR by name."""
    return data.cifar10(paths), data.cifar100(fine)


def standardise(train: Any = LABELLED, others: Any = NUMBERS) -> Any:
    """`standardise` with its other part by name."""
    return data.standardise(train, others)


class Offline(Call):
    """A call without openml.org."""

    def __call__(self, **changes: Any) -> Any:
        frame = pd.DataFrame(X)
        with mock.patch("sklearn.datasets.fetch_openml", return_value=Bunch(data=frame, target=frame[0])):
            return super().__call__(**changes)


CALLS = [
    Call(data.Data, {"x": X, "y": LABELS, "classes": ("0", "1", "2"), "source": "here"},
         anything=dict.fromkeys(("x", "y", "classes", "source", "done"), "from_arrays looks at them")),
    Call(data.from_arrays, {"x": X, "y": LABELS, "classes": None, "source": "here"},
         {"x": NO_X, "y": (LABELS[:7], LABELS[:, None], 0 * LABELS, None, 1, LABELS + 0j, np.r_[np.nan, X[1:, 0]]),
          "classes": NO_CLASSES},
         {"source": "any name"}),
    Call(data.split, {"seed": 0}, {"seed": NO_SEED, "stratified": NO_FLAG}, {"data": "below"},
         first=(LABELLED, 3, 2)),
    Call(split, {}, {"data": NO_DATA, "sizes": (0, 7, 9, 2.5, "3", None, True)}, {"stratified": "above"}),
    Call(split, {"stratified": True}, {"data": (NUMBERS,)}, {"sizes": "above", "stratified": "above"}),
    Call(data.balance, {"data": LABELLED, "seed": 0}, {"data": (*NO_DATA, NUMBERS), "seed": NO_SEED}),
    Call(data.noisy_labels, {"data": LABELLED, "share": 0.1, "seed": 0},
         {"data": (*NO_DATA, NUMBERS), "share": (-1e-9, 1 + 1e-9, np.nan, "0.1", None, True, [0.1]), "seed": NO_SEED}),
    Call(data.standardise, {"scale": "feature"}, {"scale": ("pixel", None, 1)}, {"train": "below"},
         first=(LABELLED, NUMBERS)),
    Call(standardise, {}, {"train": NO_DATA, "others": (*NO_DATA, data.from_arrays(X[:, :2], LABELS))}),
    Call(data.teacher, {"n": 8},
         {"n": (0, 1, 2.5, "8", None),
          "widths": ((0, 4, 3), (2, 4, 1), (2, 1.5, 3), (2, 3), (2, 3, 4, 5), 5, None, "234", (2, None, 3)),
          "gain": (0, -1, np.nan, np.inf, "50"), "bias": (-1e-9, np.nan, np.inf, "0"), "kind": ("soft", None, 0),
          "noise": (-1e-9, 0.1, np.nan, "0"), "seed": NO_SEED}),
    Call(data.digits, {}),
    Call(data.npz, {"path": NPZ}, {"path": NO_PATH, "classes": NO_CLASSES}),
    Call(data.read, {"path": NPZ}, {"path": NO_PATH, "classes": NO_CLASSES}),
    Call(data.read, {"path": str(CSV)}, anything=dict.fromkeys(("path", "classes"), "above")),
    Call(data.idx, {"images": IMAGES, "labels": NAMES},
         {"images": (FOLDER / "no-images", 3, None), "labels": (FOLDER / "no-labels", 3, None), "classes": NO_CLASSES}),
    Call(data.cifar10, {}, first=(BATCH,)),
    Call(data.cifar100, {"coarse": False}, {"coarse": NO_FLAG}, first=(FINE,)),
    Call(cifar, {}, {"paths": (FOLDER / "no-paths", 3, None, FOLDER / "paths.bin"), "fine": (FOLDER / "no-fine",)}),
    Offline(data.openml, {"name": "toys"}, {"name": ("", 3, None), "version": (0, 1.5, "1"), "folder": (3, "")}),
]  # fmt: skip
