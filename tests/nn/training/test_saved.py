"""Nets that are saved come back: the net equal, every array to the last bit; anything else is refused."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from simlab import nn
from simlab.core import files
from simlab.nn.layers.layer import every_array
from tests.nn import nets
from tests.nn.nets import Case, cases
from tests.refusals import refused_in_one_sentence

X = np.random.default_rng(0).standard_normal((9, 5))
NETS: dict[str, Any] = {
    "mlp": nn.mlp(5, 7, 3),
    "batch": nn.mlp([5, 7, 3], "gelu", "batch"),
    "layer": nn.mlp([5, 7, 3], nn.leaky_relu(0.1234567890123456789), "layer"),
    "weight": nn.mlp([5, 7, 3], "erf", "weight"),
    "ntk": nn.mlp([5, 7, 3], "softplus", scaling="ntk"),
    "mup": nn.mlp([5, 7, 3], "tanh", scaling="mup"),
    "all others": nn.serial(
        nn.dense(5, 4, gain=1 / 3), nn.activation_noise(0.1),
        nn.residual(nn.dense(4, 4), nn.relu, nn.dense(4, 4, bias=False)), nn.fixed(nn.mlp([4, 6, 2], norm="batch")),
        nn.layer_norm(2, affine=False, eps=0.0), nn.leaky_relu(),
    ),
}  # fmt: skip


def same(found: Any, wanted: Any) -> None:
    for one, other in zip(every_array(found), every_array(wanted), strict=True):
        assert one.dtype == other.dtype
        assert one.shape == other.shape
        assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NETS)
def test_nets_come_back_to_the_last_bit(name: str, dtype: str, tmp_path: Path) -> None:
    net = NETS[name]
    params = nn.population(net, nn.init(net, models=[3, 17], seed=5, dtype=dtype), X)
    nn.save(tmp_path / "net.npz", net, params)
    found, restored = nn.load(str(tmp_path / "net.npz"))
    assert found == net
    same(restored, params)
    np.testing.assert_array_equal(nn.predict(found, restored, X), nn.predict(net, params, X))
    assert [p.name for p in tmp_path.iterdir()] == ["net.npz"]


@given(cases())
@settings(max_examples=30)
def test_any_net_comes_back(tmp_path_factory: pytest.TempPathFactory, case: Case) -> None:
    path = tmp_path_factory.mktemp("nets") / "any name at all"
    nn.save(path, case.net, case.params)
    net, params = nn.load(path)
    assert net == case.net
    same(params, case.params)


def test_a_diverged_net_comes_back_too(tmp_path: Path) -> None:
    net = NETS["mlp"]
    params = nn.tree_map(lambda leaf: leaf * np.nan, nn.init(net, models=2))
    nn.save(tmp_path / "net.npz", net, params)
    same(nn.load(tmp_path / "net.npz")[1], params)


def test_every_flipped_bit_is_noticed_and_every_cut(tmp_path: Path) -> None:
    path = tmp_path / "net.npz"
    nn.save(path, NETS["batch"], nn.init(NETS["batch"], models=2))
    good = path.read_bytes()
    for place in range(0, len(good), 7):
        path.write_bytes(good[:place] + bytes([good[place] ^ 1 << place % 8]) + good[place + 1 :])
        refused_in_one_sentence(partial(nn.load, path), "is not a net of simlab")
    for length in (0, 63, 64, 65, len(good) // 2, len(good) - 1):
        path.write_bytes(good[:length])
        refused_in_one_sentence(partial(nn.load, path), "is not a net of simlab")


def forged(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Other content with a hash that fits."""
    with np.load(path) as found:
        entries: dict[str, Any] = dict(found)
    header = json.loads(str(entries["header"]))
    change(header)
    file = io.BytesIO()
    np.savez(file, **entries | {"header": np.array(json.dumps(header))})
    path.write_bytes(file.getvalue() + hashlib.sha256(file.getvalue()).hexdigest().encode())


FORGERIES: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "a later format": (lambda h: h.update(format=2), "has format 2"),
    "no format": (lambda h: h.pop("format"), "is not a net"),
    "no net": (lambda h: h.pop("net"), "is not a net"),
    "a kind of its own": (lambda h: h["net"].update(kind="os.system"), "is not a net"),
    "a kind that is none": (lambda h: h["net"].update(kind=["dense"]), "is not a net"),
    "a field too many": (lambda h: h["net"].update(more=1), "is not a net"),
    "other widths": (lambda h: h["net"]["layers"][0].update(n_in=6), "does not hold the parameters"),
    "fewer layers": (lambda h: h["net"]["layers"].pop(), "does not hold the parameters"),
    "text for a width": (lambda h: h["net"]["layers"][0].update(n_in="5"), "is not a net"),
    "a negative width": (lambda h: h["net"]["layers"][0].update(n_in=-5), "does not hold the parameters"),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_files_that_say_what_cannot_be_are_refused(name: str, tmp_path: Path) -> None:
    change, message = FORGERIES[name]
    path = tmp_path / "net.npz"
    nn.save(path, NETS["mlp"], nn.init(NETS["mlp"], models=2))
    forged(path, lambda header: None)
    nn.load(path)
    forged(path, change)
    refused_in_one_sentence(partial(nn.load, path), message)


def test_layers_of_one_s_own_are_refused(tmp_path: Path) -> None:
    own = nn.Activation("own", np.sin, lambda x, y: np.cos(x), lambda x, y: -y)
    net = nn.serial(nn.dense(5, 4), nn.residual(own, nn.dense(4, 4)))
    refused_in_one_sentence(
        lambda: nn.save(tmp_path / "net.npz", net, nn.init(net, models=1)), "own is no layer of simlab"
    )
    assert not list(tmp_path.iterdir())


def test_only_plain_files_are_read_and_replaced(tmp_path: Path) -> None:
    net, pipe = NETS["mlp"], tmp_path / "pipe"
    params = nn.init(net, models=1)
    os.mkfifo(pipe)
    for call in (partial(nn.load, pipe), partial(nn.save, pipe, net, params), partial(nn.load, os.devnull)):
        refused_in_one_sentence(call, "path: .* is no plain file; name another one")
    train = partial(nets.trained, net, params, (X, np.zeros(9, int)), nn.SGD(0.1), batch_size=3, steps=2)
    refused_in_one_sentence(partial(train, checkpoint=pipe), "checkpoint: .* is no plain file")
    assert pipe.is_fifo()


@pytest.mark.parametrize("name", ["a\0b", "a" * 300])
def test_names_that_no_file_can_have_are_refused(tmp_path: Path, name: str) -> None:
    net = NETS["mlp"]
    for call in (partial(nn.load, tmp_path / name), partial(nn.save, tmp_path / name, net, nn.init(net, models=1))):
        refused_in_one_sentence(call, "^path")


def test_a_net_and_a_checkpoint_without_room_are_kept_where_there_is_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    net, write = NETS["mlp"], files.write_atomically
    params = nn.init(net, models=2)
    (tmp_path / "full").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def refuse(path: Path, writer: Callable[[str], object]) -> None:
        if path.parent == tmp_path / "full":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(path, writer)

    monkeypatch.setattr(files, "write_atomically", refuse)
    said = r"cannot write .*/full/{} \(No space left on device\): it needs [\d,]+ bytes; it is kept in .*/here/{}"
    refused_in_one_sentence(partial(nn.save, tmp_path / "full/net.npz", net, params), said.format("net.npz", "simlab"))
    (kept,) = (tmp_path / "here").glob("simlab-net-*.npz")
    same(nn.load(kept)[1], params)
    train = partial(nets.trained, net, params, (X, np.zeros(9, int)), nn.SGD(0.1), batch_size=3, steps=4)
    refused_in_one_sentence(partial(train, checkpoint=tmp_path / "full/run.npz"), said.format("run.npz", "simlab"))
    (kept,) = (tmp_path / "here").glob("simlab-run-*.npz")
    same(train(checkpoint=kept)[0], train()[0])
