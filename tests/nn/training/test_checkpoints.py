"""A checkpoint is what was written, to the last bit, of this run; anything else is refused in one sentence."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simlab import nn
from tests.nn import nets
from tests.refusals import refused_in_one_sentence

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((40, 5)), RNG.integers(0, 3, 40)
NET = nn.mlp([5, 7, 3])
PARAMS = nn.init(NET, models=3)


def trained(path: Path, optimiser: Any = None, **options: Any) -> Any:
    options.setdefault("record", nn.Record(["loss", "angle"], at=[0, 6, 12]))
    options = {"batch_size": 7, "steps": 12} | options
    return nets.trained(NET, PARAMS, (X, Y), optimiser or nn.SGD(0.1, momentum=0.9), checkpoint=path, **options)


Entries = dict[str, np.ndarray]
DAMAGE: dict[str, Callable[[Entries], Any]] = {
    "NaN": lambda e: e.update({"state/0": e["state/0"] * np.nan}),
    "a state in double precision": lambda e: e.update({"state/0": e["state/0"].astype(float)}),
    "a state of one model": lambda e: e.update({"state/0": e["state/0"][:1]}),
    "one number of the state": lambda e: e["state/0"].flat.__setitem__(3, 0.5),
    "the state of the optimiser": lambda e: e["state/5"].flat.__setitem__(0, 1.0),
    "no state": lambda e: e.pop("state/1"),
    "no step": lambda e: e.pop("step"),
    "no mark": lambda e: e.pop("mark"),
    "half a step": lambda e: e.update(step=np.array(2.5)),
    "a step before the start": lambda e: e.update(step=np.array(-1)),
    "a step beyond": lambda e: e.update(step=np.array(13)),
    "an infinite step": lambda e: e.update(step=np.array(np.inf)),
    "text for a step": lambda e: e.update(step=np.array("12")),
    "a row": lambda e: e.update({"row/6/loss": np.zeros(3)}),
    "one row more": lambda e: e.update({"row/7/loss": np.zeros(3)}),
    "who diverged": lambda e: e.update(diverged=np.array([3, -1, -1])),
    "who diverged, in floats": lambda e: e.update(diverged=np.full(3, np.nan)),
    "the mark": lambda e: e.update(mark=np.array("0" * 64)),
    "an object": lambda e: e.update({"state/0": np.array([{}], object)}),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_entries_that_were_changed_are_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    trained(path)
    with np.load(path) as found:  # it is an .npz file like any other
        entries = dict(found)
    DAMAGE[name](entries)
    np.savez(path, **entries)
    refused_in_one_sentence(partial(trained, path), "is not a checkpoint of simlab")
    # Even where the hash of the old file is put behind it.
    trained(tmp_path / "other.npz")
    path.write_bytes(path.read_bytes() + (tmp_path / "other.npz").read_bytes()[-64:])
    refused_in_one_sentence(partial(trained, path), "is not a checkpoint of simlab")


def test_every_flipped_bit_is_noticed_and_every_cut(tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    trained(path)
    good = path.read_bytes()
    for place in range(0, len(good), 61):
        path.write_bytes(good[:place] + bytes([good[place] ^ 1 << place % 8]) + good[place + 1 :])
        refused_in_one_sentence(partial(trained, path), "is not a checkpoint of simlab")
    for length in (0, 1, 63, 64, 65, len(good) // 2, len(good) - 1):
        path.write_bytes(good[:length])
        refused_in_one_sentence(partial(trained, path), "is not a checkpoint of simlab")
    path.write_bytes(good)
    trained(path)


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    for content in (b"", b"text\n", b"PK\x03\x04 broken", b"\x80\x04K\x01."):
        path.write_bytes(content)
        refused_in_one_sentence(partial(trained, path), "is not a checkpoint of simlab")
    nn.save(path, NET, PARAMS)
    refused_in_one_sentence(partial(trained, path), "is not a checkpoint of simlab")
    trained(tmp_path / "net.npz")
    refused_in_one_sentence(lambda: nn.load(tmp_path / "net.npz"), "is not a net of simlab")


def test_places_that_are_none_are_refused_before_training(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "nowhere" / "run.npz", "", 3):
        refused_in_one_sentence(partial(trained, place), "checkpoint")  # type: ignore[arg-type]


def test_functions_of_the_step_are_told_from_each_other_by_what_they_compute(tmp_path: Path) -> None:
    """A schedule is part of the run, and two lambdas have one name."""

    def falling(start: float) -> Any:
        return lambda step: start / (1 + step)

    path = tmp_path / "run.npz"
    ends = trained(path, nn.SGD(falling(0.1)))[0], trained(path, nn.SGD(falling(0.1)))[0]
    np.testing.assert_array_equal(*map(nn.flatten, ends))
    for other in (falling(0.2), lambda step: 0.1 / (2 + step)):
        refused_in_one_sentence(partial(trained, path, nn.SGD(other)), "checkpoint of another run")


def test_a_checkpoint_goes_on_with_the_same_bits_after_all_this(tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    trained(path, steps=6)
    np.testing.assert_array_equal(
        nn.flatten(trained(path)[0]), nn.flatten(trained(tmp_path / "whole.npz", checkpoint_every=12)[0])
    )
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run.npz", "whole.npz"]
