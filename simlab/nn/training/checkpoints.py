"""A training run on disk: its state as one .npz file, marked by what the run was."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from itertools import count
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import numpy as np

from simlab.core.device import Device
from simlab.nn.layers.layer import every_array
from simlab.nn.training import archive
from simlab.nn.training.engine import State
from simlab.nn.training.log import Log, Until

FORMAT = 2


def mark(log: Log, stop: Until | None, engine: str, params: Any) -> str:
    """A hash of everything that a state follows from, except the number of steps."""
    digest = hashlib.sha256()
    rule = () if stop is None else tuple(stop)
    names = tuple(q.name for q in log.record.found)
    where = Device.of(log.run.x).name  # the paths of two devices agree to rounding only
    for part in (FORMAT, log.run, names, rule, log.test, engine, where, params):
        _feed(digest, part)
    return digest.hexdigest()


def save(path: Path, mark: str, state: State, log: Log) -> None:
    """Write the state, the rows of the record so far and the parameters of the last record."""
    arrays = {f"state/{i}": a for i, a in enumerate(every_array((state.params, state.memory)))}
    arrays |= {f"before/{i}": a for i, a in enumerate(every_array(log.before))}
    arrays |= {f"row/{step}/{name}": v for step, row in log.rows.items() for name, v in row.items()}
    arrays |= {"diverged": state.diverged, "stopped": state.stopped, "step": np.array(state.step)}
    archive.write(path, arrays | {"mark": np.array(mark)})


def load(path: Path, mark: str, start: State, log: Log, wanted: list[int], last: int) -> State:
    """The state on disk, its rows put into the log; ValueError where it is of another run or beyond step `last`.

    The hash of the file says that it is as `save` wrote it, and the mark that `save` wrote the state of this run.
    """
    found = archive.read(path, "a checkpoint")
    if not {"mark", "step"} <= set(found):
        raise ValueError(f"{path} is not a checkpoint of simlab; name another file or delete it.")
    step, marked = int(found["step"]), str(found["mark"])
    if marked != mark:
        raise ValueError(
            f"{path} is the checkpoint of another run (net, data, optimiser, record, seed, engine or device differ); "
            "name another file or delete it."
        )
    if step > last:
        raise ValueError(f"{path} is at step {step}, beyond the {last} asked for; name another file or ask for more.")
    for name, values in found.items():
        if name.startswith("row/"):
            _, at, quantity = name.split("/", 2)  # a name of the user's own may hold more of them
            log.rows.setdefault(int(at), {})[quantity] = values
    lost = [s for s in wanted if s <= step and s not in log.rows]
    if lost:
        raise ValueError(f"{path} is at step {step} and has no record of step {lost[0]}; record the same steps.")
    extra = [s for s in log.rows if s not in wanted]
    if extra and (log.stop is not None or any(q.needs_before for q in log.record.found)):
        # What comes then depends on that record: a model stopped at it, an angle counts from it.
        raise ValueError(f"{path} has a record of step {extra[0]} and this run would not; record that step as well.")
    device = Device.of(log.run.x)
    params, memory = archive.filled((start.params, start.memory), _group(found, "state", device))
    if "before/0" in found:
        log.before = archive.filled(start.params, _group(found, "before", device))
    return State(step, params, memory, found["diverged"], found["stopped"])


def _group(found: dict[str, np.ndarray], group: str, device: Device) -> Iterator[Any]:
    """The arrays of a group in their order, on the device."""
    return (device.asarray(found[f"{group}/{i}"]) for i in count())


def _feed(digest: Any, value: Any) -> None:
    """Hash a value by its parts; functions count by their name, their code and the numbers that they hold."""
    if is_dataclass(value):
        digest.update(type(value).__name__.encode())
        for field in fields(value):
            _feed(digest, getattr(value, field.name))
    elif isinstance(value, (tuple, list)):
        digest.update(f"({type(value).__name__} {len(value)}".encode())
        for part in value:
            _feed(digest, part)
    elif hasattr(value, "dtype"):
        host = np.ascontiguousarray(Device.of(value).to_host(value))
        digest.update(f"{host.dtype.str}{host.shape}".encode() + host.tobytes())
    elif hasattr(value, "__dict__") and not hasattr(value, "__qualname__"):  # such as a schedule of the user's own
        _feed(digest, (type(value).__qualname__, *sorted(vars(value).items())))
    elif isinstance(value, FunctionType):
        cells = [cell.cell_contents for cell in value.__closure__ or ()]
        held = [held for held in (*cells, *(value.__defaults__ or ())) if not isinstance(held, FunctionType)]
        _feed(digest, (value.__qualname__, value.__code__, held))
    elif isinstance(value, CodeType):
        _feed(digest, (value.co_code, value.co_names, value.co_consts))
    elif isinstance(value, (set, frozenset)):  # whose order is another one in every process
        _feed(digest, sorted(map(repr, value)))
    elif callable(value):
        digest.update(getattr(value, "__qualname__", type(value).__name__).encode())
    else:
        digest.update(f"{type(value).__name__} {value!r};".encode())
