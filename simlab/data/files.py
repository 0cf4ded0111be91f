"""Data sets from files: .npz, .csv, IDX (MNIST and similar), and the binary batches of CIFAR."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import NamedTuple

import numpy as np

from simlab.core.checks import require_flag
from simlab.core.errors import InputError
from simlab.core.files import path_of, read_bytes
from simlab.data import tables
from simlab.data.dataset import Data, from_arrays

IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
PIXELS = 3 * 32 * 32


class Cifar(NamedTuple):
    """A record is a byte for each kind of label, then the pixels; `kinds` tells how many classes each kind has."""

    name: str
    kinds: tuple[int, ...]


CIFAR10, CIFAR100 = Cifar("CIFAR-10", (10,)), Cifar("CIFAR-100", (20, 100))
CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def read(path: str | Path, *, classes: Sequence[str] | None = None) -> Data:
    """X and y of an .npz or .csv file, as `from_arrays` takes them.

    An .npz file has arrays x (or X) and y (or Y), a .csv file a first line of names, y (or Y) among them, and one
    example a line; whole numbers or text in y are labels. InputError as in `from_arrays`, and on a file that is
    missing, of another kind, or holds Python objects, which can run code when they are read.
    """
    path = path_of("path", path)
    x, y, _ = tables.read(path)
    return from_arrays(x, y, classes=classes, source=path.name)


def npz(path: str | Path, *, classes: Sequence[str] | None = None) -> Data:
    """`read` for a file whose name does not say that it is one of .npz."""
    path = path_of("path", path)
    x, y, _ = tables.read_npz(path)
    return from_arrays(x, y, classes=classes, source=path.name)


def idx(images: str | Path, labels: str | Path, *, classes: Sequence[str] | None = None) -> Data:
    """Images (n, ...) and labels (n) of two IDX files, plain or gzipped, as `from_arrays` takes them.

    A header of the bytes 0, 0, type, number of axes, and the axes' lengths in 32 bits; then the entries, the highest
    byte first (LeCun, Cortes & Burges, the MNIST database). MNIST's labels are bytes; floats would be targets.
    InputError as there, and on a file that is missing, of another kind, or shorter or longer than its header says.
    """
    first, second = path_of("images", images), path_of("labels", labels)
    x, y = _idx_array(first), _idx_array(second)
    return from_arrays(x, y, classes=classes, source=first.name)


def cifar10(*paths: str | Path) -> Data:
    """CIFAR-10 from its binary batches, such as data_batch_1.bin ... data_batch_5.bin, one after the other.

    Records of 3,073 bytes: the label, then 32 x 32 pixels in red, in green and in blue (Krizhevsky 2009).
    InputError on files that are missing or hold anything else.
    """
    return _cifar(CIFAR10, 0, CIFAR10_CLASSES, paths)


def cifar100(*paths: str | Path, coarse: bool = False) -> Data:
    """CIFAR-100 from its binary files train.bin or test.bin; with `coarse`, its 20 groups of classes.

    Records of 3,074 bytes: coarse label, fine label, pixels as in `cifar10`. The files have numbers for the classes
    and no names. InputError as in `cifar10`.
    """
    require_flag("coarse", coarse)
    kind = 0 if coarse else 1
    return _cifar(CIFAR100, kind, tuple(str(label) for label in range(CIFAR100.kinds[kind])), paths)


def _cifar(form: Cifar, kind: int, classes: tuple[str, ...], paths: Sequence[str | Path]) -> Data:
    if not paths:
        raise InputError(f"{form.name}: no file is given; give the paths of its binary files.")
    records = np.concatenate([_records(path_of("paths", path), form) for path in paths])
    names = np.array(classes)[records[:, kind]]
    more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    source = f"{form.name}, {Path(paths[0]).name}{more}"
    return from_arrays(records[:, len(form.kinds) :], names, classes=classes, source=source)


def _records(path: Path, form: Cifar) -> np.ndarray:
    """The records of a file, (n, bytes)."""
    raw, size = _bytes(path), len(form.kinds) + PIXELS
    if not raw or len(raw) % size:
        raise InputError(
            f"{path}: its {len(raw):,} bytes are not whole {form.name} records of {size:,} bytes; fetch it anew, or "
            "use the function for its kind."
        )
    records = np.frombuffer(raw, np.uint8).reshape(-1, size)
    for column, count in enumerate(form.kinds):
        most = int(records[:, column].max())
        if most >= count:
            raise InputError(
                f"{path}: it is not a {form.name} file: a label is {most}, and they end at {count - 1}; use the "
                "function for its kind."
            )
    return records


def _idx_array(path: Path) -> np.ndarray:
    """The array of an IDX file, with no more than two axes: the later ones are taken together."""
    raw = _bytes(path)
    if len(raw) < 4 or raw[:2] != b"\0\0" or raw[2] not in IDX_TYPES or not raw[3]:
        raise InputError(
            f"{path}: it begins with {raw[:4].hex(' ') or 'nothing'}, and an IDX file with 00 00, a type and a number "
            "of axes; give an IDX file."
        )
    start, dtype = 4 + 4 * raw[3], np.dtype(IDX_TYPES[raw[2]])
    shape = [int.from_bytes(raw[at : at + 4], "big") for at in range(4, start, 4)]
    wanted = start + prod(shape) * dtype.itemsize
    if len(raw) < start or len(raw) != wanted:
        raise InputError(f"{path}: it is {len(raw):,} bytes long, and its header says {wanted:,}; fetch it anew.")
    return np.frombuffer(raw[start:], dtype).reshape([shape[0], prod(shape[1:])] if len(shape) > 1 else shape)


def _bytes(path: Path) -> bytes:
    """The bytes of a file, unzipped where it is gzipped, whatever its name."""
    try:
        raw = read_bytes(path)
    except FileNotFoundError as error:
        raise _missing(path) from error
    except OSError as error:  # a folder, or not ours to read
        raise InputError(f"{path}: it cannot be read ({error.strerror}); give a file.") from error
    if raw[:2] != b"\x1f\x8b":
        return raw
    try:
        return gzip.decompress(raw)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: the gzipped file is truncated or damaged; fetch it anew.") from error


def _missing(path: Path) -> InputError:
    return InputError(f"{path}: there is no such file; give the path of one.")
