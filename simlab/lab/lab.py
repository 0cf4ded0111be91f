"""What a simulation works with: a device, keys of noise, progress, and cells of work that are stored when finished."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol, TypeVar

from simlab import random
from simlab.core.device import Device
from simlab.core.progress import Progress
from simlab.lab.cells import Recorded, Store, fields_read, plain
from simlab.lab.codec import Kept, settled
from simlab.sde import Walkers

C = TypeVar("C")
I = TypeVar("I")
R = TypeVar("R")
Execute = Callable[[Callable[[Any], Kept], Sequence[Any]], Iterable[Kept]]
"""Such as `map`, or that of a pool of processes: calls a function with each item; results come in their order."""


class Advance(Protocol):
    """A counter of finished work."""

    def advance(self, amount: float) -> None:
        """Count an amount of work as done."""


@dataclass
class Lab:
    """The environment of the simulation of a scene, or of one of its cells.

    It counts walkers that became NaN or infinite: where there are any, claims of the scene are undecided.
    execute: who computes the cells; this process, one after the other, if nobody else.
    """

    study: str
    config: Any
    device: Device
    progress: Progress
    store: Store
    execute: Execute | None = None
    diverged: int = 0
    _walkers: list[Walkers] = field(default_factory=list)
    _inside: _Part | None = None

    def key(self, *cell: str | int) -> random.Key:
        """The key of all noise of a cell, such as "phases", 3: no two cells share a random number."""
        return random.key(self.config.seed, self.study, *cell)

    def walkers(self, model: Any, count: int, *cell: str | int, **options: Any) -> Walkers:
        """Walkers with the noise of this cell; options as of `simlab.sde.Walkers`."""
        walkers = Walkers(model, count, **{"seed": self.key(*cell), "device": self.device, **options})
        self._walkers.append(walkers)
        return walkers

    def frames(self, walkers: Walkers, burn_in: int, every: int, count: int, text: str) -> Iterator[Walkers]:
        """The walkers at `count` moments, `every` steps apart, after `burn_in` steps."""
        with self.task(text, burn_in + count * every) as task:
            walkers.run(burn_in, task.advance)
            for _ in range(count):
                walkers.run(every, task.advance)
                yield walkers

    @contextmanager
    def task(self, text: str, total: float) -> Iterator[Advance]:
        """A piece of work of known size; inside of a cell it is a part of the progress of all cells."""
        if self._inside is not None:
            yield _Scaled(self._inside, self._inside.amount / max(total, 1e-300))
            return
        with self.progress.task(text, total) as task:
            yield task

    def cells(
        self, work: Callable[[C, I, Lab], R], config: C, items: Sequence[I], text: str,
        *, weights: Sequence[float] | None = None,
    ) -> list[R]:  # fmt: skip
        """work(config, item, lab) for each item; every finished one is kept, and is not computed again on resuming.

        work: a function of a module, which depends on nothing but the fields that it reads of `config`, the item and
        the keys it takes from `lab`. It returns an array, a number, None, or a tuple, NamedTuple or dictionary of
        these. items: texts, whole numbers, floats or tuples of them. weights: how much work each item is, for progress.
        """
        name = _name_of(work)
        kept = [self.store.find(name, item, config, self.device) for item in items]
        sizes = list(weights) if weights is not None else [1.0] * len(items)
        missing = [i for i, one in enumerate(kept) if one is None]
        shown = self if missing else replace(self, progress=Progress.silent())  # another scene has shown it
        with shown.task(text, sum(sizes)) as task:
            fresh = self._computed(work, config, {i: items[i] for i in missing}, {i: sizes[i] for i in missing}, task)
            results = []
            for item, one, size in zip(items, kept, sizes, strict=True):
                if one is None:
                    one = self.store.keep(name, item, self.device, next(fresh))
                else:
                    task.advance(size)
                if isinstance(config, Recorded):  # what the cell has read, the scene depends on as well
                    for field_ in one.read:
                        getattr(config, field_)
                self.diverged += one.diverged
                results.append(one.result)
        return results

    def _computed(
        self, work: Any, config: Any, items: dict[int, Any], sizes: dict[int, float], task: Advance
    ) -> Iterator[Kept]:
        """New cells, in this process with progress inside of each, or wherever `execute` has them computed."""
        if self.execute is not None:
            function = partial(compute, work, plain(config), self.study, self.device.name)
            for kept, size in zip(self.execute(function, list(items.values())), sizes.values(), strict=True):
                task.advance(size)
                yield kept
            return
        for i, item in items.items():
            part = _Part(task, sizes[i])
            seen = Recorded(config)
            kept = _compute(work, Lab(self.study, seen, self.device, self.progress, self.store, _inside=part), item)
            part.advance(part.amount)
            yield kept

    def lost(self) -> int:
        """Walkers of this scene or cell, and of its cells, that became NaN or infinite."""
        return self.diverged + sum(w.diverged() for w in self._walkers)


def compute(work: Callable[[Any, Any, Lab], Any], config: Any, study: str, device: str, item: Any) -> Kept:
    """One cell, in whatever process this is called: what it takes and returns can be sent, and nothing is kept here."""
    lab = Lab(study, Recorded(config), Device.open(device), Progress.silent(), Store(study))
    kept = _compute(work, lab, item)
    return kept._replace(result=settled(kept.result))


def _compute(work: Any, lab: Lab, item: Any) -> Kept:
    result = work(lab.config, item, lab)
    return Kept(result, lab.lost(), fields_read(lab.config))


def _name_of(work: Any) -> str:
    """Module and name; TypeError unless the function is found there, for anything else has more to depend on."""
    module, name = getattr(work, "__module__", ""), getattr(work, "__qualname__", "")
    if getattr(sys.modules.get(module), name, None) is not work:
        raise TypeError(f"the work of cells must be a function of a module, found there by its name, got {work!r}.")
    return f"{module}.{name}"


@dataclass
class _Part:
    """A part of a task, of this amount of its total."""

    task: Any
    amount: float
    done: float = 0.0

    def advance(self, amount: float) -> None:
        """Count an amount as done, up to the whole part."""
        amount = min(amount, self.amount - self.done)
        self.done += amount
        self.task.advance(amount)


@dataclass
class _Scaled:
    """A piece of work in units of its own."""

    part: _Part
    unit: float

    def advance(self, amount: float) -> None:
        """Count this number of units as done."""
        self.part.advance(amount * self.unit)
