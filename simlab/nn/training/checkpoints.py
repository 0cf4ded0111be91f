"""A training run on disk: its state as one .npz file, marked by what the run was."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from itertools import count
from types import CodeType, FunctionType
from typing import Any

import numpy as np

from simlab.core.device import Device
from simlab.nn.layers.layer import Params, every_array
from simlab.nn.training import archive
from simlab.nn.training.engine import State
from simlab.nn.training.log import Log
from simlab.nn.training.options import Options

FORMAT = 2


class Checkpoints:
    """The file of a training run, if its options name one: read before the first step, written every so many steps."""

    def __init__(self, options: Options, log: Log, engine: str, params: Params) -> None:
        self.log, self.every = log, options.checkpoint_every
        self.path = None if options.checkpoint is None else archive.place_of("checkpoint", options.checkpoint)
        self.mark = "" if self.path is None else mark(log, engine, params)

    def steps(self, last: int) -> set[int]:
        """The steps after which the state is written, in a run of `last` steps."""
        return set() if self.path is None else {*range(self.every, last, self.every), last}

    def save(self, state: State) -> None:
        """Write the state, the rows of the record so far and the parameters of the last record."""
        assert self.path is not None
        log = self.log
        arrays = {f"state/{i}": a for i, a in enumerate(every_array((state.params, state.opt_state)))}
        arrays |= {f"before/{i}": a for i, a in enumerate(every_array(log.before))}
        arrays |= {f"row/{step}/{name}": v for step, row in log.rows.items() for name, v in row.items()}
        arrays |= {"diverged": state.diverged, "stopped": state.stopped, "step": np.array(state.step)}
        archive.write(self.path, arrays | {"mark": np.array(self.mark)})

    def load(self, start: State, wanted: list[int], last: int) -> State:
        """The state on disk, its rows put into the log, or `start` where there is no file yet.

        The hash of the file says that it is as `save` wrote it, and the mark that `save` wrote the state of this run.
        ValueError where the file is of another run or beyond step `last`.
        """
        if self.path is None or not self.path.exists():
            return start
        path, log = self.path, self.log
        found = archive.read(path, "a checkpoint")
        step = self._require_own(found, last)
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
            raise ValueError(
                f"{path} has a record of step {extra[0]} and this run would not; record that step as well."
            )
        device = Device.of(log.setup.x)
        params, opt_state = archive.filled((start.params, start.opt_state), _group(found, "state", device))
        if "before/0" in found:
            log.before = archive.filled(start.params, _group(found, "before", device))
        return State(step, params, opt_state, found["diverged"], found["stopped"])

    def _require_own(self, found: dict[str, np.ndarray], last: int) -> int:
        """The step of the file; ValueError unless it is a checkpoint of this run, at `last` or before."""
        if not {"mark", "step"} <= set(found):
            raise ValueError(f"{self.path} is not a checkpoint of simlab; name another file or delete it.")
        if str(found["mark"]) != self.mark:
            raise ValueError(
                f"{self.path} is the checkpoint of another run (net, data, optimiser, record, seed, engine or device "
                "differ); name another file or delete it."
            )
        step = int(found["step"])
        if step > last:
            raise ValueError(
                f"{self.path} is at step {step}, beyond the {last} asked for; name another file or ask for more."
            )
        return step


def mark(log: Log, engine: str, params: Params) -> str:
    """A hash of everything that a state follows from, except the number of steps."""
    digest = hashlib.sha256()
    rule = () if log.stop is None else tuple(log.stop)
    names = tuple(q.name for q in log.record.found)
    where = Device.of(log.setup.x).name  # the paths of two devices agree to rounding only
    for part in (FORMAT, log.setup, names, rule, log.test, engine, where, params):
        _feed(digest, part)
    return digest.hexdigest()


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
