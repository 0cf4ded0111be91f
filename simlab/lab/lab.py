"""What a simulation works with: a device, keys of noise, progress, and cells of work that are stored when finished."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

from simlab import random
from simlab.core.device import Device
from simlab.core.progress import Progress
from simlab.lab.cells import Kept, Recorded, Store, fields_read, item_name
from simlab.sde import Walkers

C = TypeVar("C")
I = TypeVar("I")
R = TypeVar("R")
Execute = Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]
"""Such as `map`: calls a function with each item, here or elsewhere, and gives the results in the items' order."""


class Advance(Protocol):
    """A counter of finished work."""

    def advance(self, amount: float) -> None:
        """Count an amount of work as done."""


@dataclass
class Lab:
    """The environment of the simulation of a scene, or of one of its cells.

    It counts walkers that became NaN or infinite: where there are any, claims of the scene are undecided.
    """

    study: str
    config: Any
    device: Device
    progress: Progress
    store: Store
    execute: Execute = map
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
        sizes = dict(zip(map(item_name, items), weights or [1.0] * len(items), strict=True))
        finished = all(self.store.find(_name_of(work), item, config, self.device) for item in items)
        shown = replace(self, progress=Progress.silent()) if finished else self  # such as by another scene
        with shown.task(text, sum(sizes.values())) as task:

            def one(item: I) -> Kept:
                return self._cell(work, config, item, _Part(task, sizes[item_name(item)]))

            results = []
            for kept in self.execute(one, items):
                self.diverged += kept.diverged
                results.append(kept.result)
        return results

    def _cell(self, work: Any, config: Any, item: Any, part: _Part) -> Kept:
        """A finished cell, from the store or computed and put there."""
        name = _name_of(work)
        kept = self.store.find(name, item, config, self.device)
        if kept is None:
            recorded = Recorded(config)
            lab = Lab(self.study, recorded, self.device, self.progress, self.store, self.execute, _inside=part)
            result = work(recorded, item, lab)
            kept = Kept(result, lab.lost(), fields_read(recorded))
            kept = self.store.keep(name, item, self.device, kept)
        elif isinstance(config, Recorded):  # what the cell has read, the scene depends on as well
            for field_ in kept.read:
                getattr(config, field_)
        part.advance(part.amount)
        return kept

    def lost(self) -> int:
        """Walkers of this scene or cell, and of its cells, that became NaN or infinite."""
        return self.diverged + sum(w.diverged() for w in self._walkers)


def _name_of(work: Callable[..., Any]) -> str:
    return f"{work.__module__}.{work.__qualname__}"


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
