"""Files written here and read back: every value comes back, and what is not such a file is refused in one sentence."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simlab import data
from simlab.core.errors import InputError
from tests.refusals import refused_in_one_sentence

KINDS = {0x08: ">B", 0x09: ">b", 0x0B: ">h", 0x0C: ">i", 0x0D: ">f", 0x0E: ">d"}
RNG = np.random.default_rng(1)
IMAGES = RNG.integers(0, 256, (6, 4, 3), np.uint8)
LABELS = np.array([3, 1, 3, 7, 1, 1], np.uint8)


def idx_bytes(array: np.ndarray, kind: int = 0x08) -> bytes:
    header = bytes([0, 0, kind, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
    return header + array.astype(KINDS[kind]).tobytes()


def cifar_bytes(labels: np.ndarray, pixels: np.ndarray) -> bytes:
    return np.concatenate([labels.reshape(len(pixels), -1), pixels], axis=1).astype(np.uint8).tobytes()


def npz_of(folder: Path, name: str = "a.npz", **arrays: Any) -> Path:
    np.savez(folder / name, **arrays)
    return folder / name


def test_npz_comes_back(tmp_path: Path) -> None:
    x, y = RNG.standard_normal((5, 3)), np.array(["cat", "ape", "cat", "bee", "ape"])
    for name in ("x", "X"):
        found = data.npz(npz_of(tmp_path, "pets.npz", **{name: x, "y": y}))
        np.testing.assert_array_equal(found.x, x)
        assert found.classes == ("ape", "bee", "cat")
        np.testing.assert_array_equal(found.y, [2, 0, 2, 1, 0])
        assert str(found).startswith("pets.npz: 5 examples, 3 features in [")
        assert str(found).endswith("3 classes of 1 to 2.")


def test_npz_of_targets(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=IMAGES, y=LABELS.astype(np.float32))
    found = data.npz(str(tmp_path / "a.npz"))
    assert found.classes is None
    assert found.x.dtype == found.y.dtype == np.float32
    np.testing.assert_array_equal(found.x, IMAGES.reshape(6, 12))
    np.testing.assert_array_equal(found.y, LABELS[:, None])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_idx_comes_back(tmp_path: Path, kind: int, pack: Callable[[bytes], bytes]) -> None:
    images = IMAGES.astype(int) - (0 if kind == 0x08 else 128)
    (tmp_path / "images").write_bytes(pack(idx_bytes(images, kind)))
    (tmp_path / "labels").write_bytes(pack(idx_bytes(LABELS)))
    found = data.idx(tmp_path / "images", tmp_path / "labels")
    np.testing.assert_array_equal(found.x, images.reshape(6, 12))
    assert found.classes == ("1", "3", "7")
    np.testing.assert_array_equal(found.y, [1, 0, 1, 2, 0, 0])


def test_a_test_set_that_lacks_classes_keeps_the_labels_of_training(tmp_path: Path) -> None:
    for name, rows in (("train", slice(None)), ("test", slice(2, 4))):
        np.savez(tmp_path / name, x=IMAGES[rows], y=LABELS[rows])
    train = data.npz(tmp_path / "train.npz")
    test = data.npz(tmp_path / "test.npz", classes=train.classes)
    np.testing.assert_array_equal(test.y, train.y[2:4])
    assert test.classes == train.classes
    np.testing.assert_array_equal(test.counts, [0, 1, 1])


@given(st.lists(st.integers(0, 9), min_size=1, max_size=4), st.lists(st.integers(0, 9), min_size=1, max_size=4))
def test_cifar10_comes_back(tmp_path_factory: pytest.TempPathFactory, first: list[int], second: list[int]) -> None:
    folder = tmp_path_factory.mktemp("cifar")
    pixels = RNG.integers(0, 256, (len(first + second), 3072))
    (folder / "1.bin").write_bytes(cifar_bytes(np.array(first), pixels[: len(first)]))
    (folder / "2.bin").write_bytes(cifar_bytes(np.array(second), pixels[len(first) :]))
    found = data.cifar10(folder / "1.bin", folder / "2.bin")
    np.testing.assert_array_equal(found.x, pixels)
    np.testing.assert_array_equal(found.y, first + second)  # whatever classes are there: labels are not recoded
    assert found.classes is not None
    assert found.classes[3] == "cat"
    assert found.x.dtype == np.float32


@pytest.mark.parametrize("coarse", [False, True])
def test_cifar100_comes_back(tmp_path: Path, coarse: bool) -> None:
    labels, pixels = np.array([[0, 99], [19, 0], [4, 31]]), RNG.integers(0, 256, (3, 3072))
    (tmp_path / "train.bin").write_bytes(cifar_bytes(labels, pixels))
    found = data.cifar100(tmp_path / "train.bin", coarse=coarse)
    np.testing.assert_array_equal(found.x, pixels)
    np.testing.assert_array_equal(found.y, labels[:, 0 if coarse else 1])
    assert len(found.counts) == (20 if coarse else 100)


def written(folder: Path, name: str, content: bytes) -> Path:
    (folder / name).write_bytes(content)
    return folder / name


def read_idx(folder: Path, images: bytes, labels: bytes | None = None) -> data.Data:
    labels = idx_bytes(LABELS) if labels is None else labels
    return data.idx(written(folder, "images", images), written(folder, "labels", labels))


X, Y = np.ones((4, 2)), np.array([0, 1, 0, 1])
GOOD = idx_bytes(IMAGES)
RECORD = cifar_bytes(np.array([3, 4]), np.zeros((2, 3072)))
FINE = cifar_bytes(np.array([[3, 99], [3, 4]]), np.zeros((2, 3072)))
REFUSED: list[tuple[Callable[[Path], Any], str]] = [
    (lambda f: data.npz(f / "none.npz"), "there is no such file"),
    (lambda f: data.npz(f), "not a readable .npz file"),
    (lambda f: data.npz(written(f, "a.npz", b"PK\x03\x04 broken")), "not a readable .npz file"),
    (lambda f: data.npz(npz_of(f, x=X, y=np.array([0, "a", None, 1], object))), "not a readable .npz file"),
    (lambda f: data.npz(npz_of(f, x=X)), "must hold the arrays x"),
    (lambda f: data.npz(npz_of(f, x=X, X=X, y=Y)), "just one of each"),
    (lambda f: data.npz(npz_of(f, x=X * 1j, y=Y)), "a.npz: x must be real numbers, got complex128"),
    (lambda f: data.npz(npz_of(f, x=X[:, 0], y=Y)), "x has shape"),
    (lambda f: data.npz(npz_of(f, x=X, y=Y[:3])), "give each example a y"),
    (lambda f: data.npz(npz_of(f, x=X * [1, np.nan], y=Y)), "x holds 4 NaN or infinite values"),
    (lambda f: data.npz(npz_of(f, x=X, y=[0, 1, np.inf, 2])), "y holds 1 NaN or infinite"),
    (lambda f: data.npz(npz_of(f, x=X, y=0 * Y)), "all examples are of class 0"),
    (lambda f: data.npz(npz_of(f, x=X, y=Y[:, None])), r"labels must have shape \(n\)"),
    (lambda f: data.npz(npz_of(f, x=X, y=Y), classes=["0", "2"]), "class 1 is not among 0, 2"),
    (lambda f: data.npz(npz_of(f, x=X, y=Y), classes=["0", "1", "0"]), "each once"),
    (lambda f: data.npz(npz_of(f, x=X, y=0 * Y), classes=["0"]), "at least 2 classes"),
    (lambda f: data.npz(npz_of(f, x=X, y=X), classes=["0", "1"]), "floats, which are targets"),
    (lambda f: data.npz(npz_of(f, x=X[:1], y=Y[:1])), "at least 2 are needed"),
    (lambda f: data.idx(f / "none", f / "none"), "there is no such file"),
    (lambda f: data.idx(f, f), "cannot be read"),
    (lambda f: read_idx(f, b""), "begins with nothing"),
    (lambda f: read_idx(f, b"\x89PNG" + GOOD), "begins with 89 50 4e 47"),
    (lambda f: read_idx(f, GOOD[:2] + b"\x0a" + GOOD[3:]), "begins with 00 00 0a 03"),
    (lambda f: read_idx(f, GOOD[:-1]), "its header says 88"),
    (lambda f: read_idx(f, GOOD + b"\0"), "its header says 88"),
    (lambda f: read_idx(f, GOOD[:10]), "10 bytes long"),
    (lambda f: read_idx(f, gzip.compress(GOOD)[:-9]), "truncated or damaged"),
    (lambda f: read_idx(f, idx_bytes(IMAGES[:0]), idx_bytes(LABELS[:0])), "0 examples found"),
    (lambda f: read_idx(f, idx_bytes(IMAGES[:5])), "give each example a y"),
    (lambda f: read_idx(f, GOOD, GOOD), r"labels must have shape \(n\)"),
    (lambda f: data.cifar10(), "no file is given"),
    (lambda f: data.cifar10(f / "none"), "there is no such file"),
    (lambda f: data.cifar10(written(f, "a", b"")), "its 0 bytes"),
    (lambda f: data.cifar10(written(f, "a", RECORD[:-1])), "not whole CIFAR-10 records of 3,073 bytes"),
    (lambda f: data.cifar10(written(f, "a", FINE)), "use the function for its kind"),
    (lambda f: data.cifar10(written(f, "a", b"\x0a" + RECORD[1:])), "a label is 10, and they end at 9"),
    (lambda f: data.cifar100(written(f, "a", RECORD)), "not whole CIFAR-100 records"),
    (lambda f: data.cifar100(written(f, "a", FINE[:1] + b"\x64" + FINE[2:])), "a label is 100, and they end at 99"),
    (lambda f: data.cifar100(written(f, "a", b"\x14" + FINE[1:])), "a label is 20, and they end at 19"),
]


@pytest.mark.parametrize(("call", "message"), REFUSED)
def test_refused_in_one_sentence(tmp_path: Path, call: Callable[[Path], Any], message: str) -> None:
    refused_in_one_sentence(partial(call, tmp_path), message, InputError)
