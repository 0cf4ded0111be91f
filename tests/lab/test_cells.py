"""Cells: what is kept comes back bit for bit, is found by what it depends on and nothing else, and costs little."""

from __future__ import annotations

import errno
import multiprocessing
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import pytest
import sympy as sp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from simlab.core.device import Device
from simlab.core.errors import InputError
from simlab.core.progress import Progress
from simlab.lab import cells, codec, resume
from simlab.lab.cells import Recorded, Store, fields_read, item_name
from simlab.lab.codec import Kept
from simlab.lab.lab import Lab
from simlab.lab.study import BaseConfig
from simlab.sde import SDE
from simlab.statistics import Estimate, Joint

CPU = Device.open("cpu")
HERE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


class Config(BaseConfig):
    """Is a cell what it depends on?"""

    size: int = 3
    scale: float = 2.0
    plain: str = "a name that a careless frame might take"
    read: tuple[int, ...] = (1, 2)
    data: Path | None = None

    def area(self) -> float:
        return self.size * self.scale


def made(**fields: Any) -> Config:
    """A config with these fields."""
    return Config.model_validate(fields)


class Pair(NamedTuple):
    """Two things."""

    one: Any
    other: Any


def bench(folder: Path | None = None, *, store: Store | None = None, execute: Any = None, **fields: Any) -> Lab:
    """A lab of its own, whose cells are kept in a folder where one is named."""
    return Lab("casino", made(**fields), CPU, Progress.silent(), store or Store("casino", folder, "sources"), execute)


DONE: list[Any] = []
"""Items of the cells that were computed, and not found."""


@pytest.fixture(autouse=True)
def nothing_done() -> None:
    DONE.clear()


def drawn(config: Config, item: Any, lab: Lab) -> np.ndarray:
    """Depends on the size, the seed and the item."""
    DONE.append(item)
    return np.random.default_rng(lab.key("drawn", str(item))).standard_normal((config.size, 5)).T


def summed(config: Config, item: int, lab: Lab) -> float:
    """A sum over cells of its own, each of which it shares with others."""
    DONE.append(f"sum {item}")
    return float(sum(part.sum() for part in lab.cells(drawn, config, range(item), "parts")))


def run(lab: Lab, items: Iterable[Any] = range(3), work: Any = drawn) -> list[Any]:
    return lab.cells(work, lab.config, list(items), "work")


def identical(one: Any, other: Any) -> None:
    """The same types, values, kinds of numbers, shapes and layouts."""
    assert type(one) is type(other)
    if isinstance(one, tuple | list):
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            identical(a, b)
    elif isinstance(one, dict):
        assert list(one) == list(other)
        identical(list(one.values()), list(other.values()))
    elif isinstance(one, np.ndarray | np.generic):
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        assert one.tobytes() == other.tobytes()
        if isinstance(one, np.ndarray):
            assert one.flags.c_contiguous
            assert other.flags.c_contiguous
            assert not one.flags.writeable
            assert not other.flags.writeable
    else:
        assert repr(one) == repr(other)


DTYPES = arrays.scalar_dtypes().filter(lambda d: d.kind in "biufc") | st.sampled_from([np.dtype("U3"), np.dtype(">f8")])
TEXTS = st.text(max_size=5)


@st.composite
def laid_out(draw: st.DrawFn) -> np.ndarray:
    """An array in any layout."""
    array = draw(arrays.arrays(draw(DTYPES), arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)))
    if draw(st.booleans()):
        array = np.asfortranarray(array)
    return array[::-2] if array.ndim and draw(st.booleans()) else array


LEAVES = (
    laid_out()
    | laid_out().filter(lambda a: a.size > 0).map(lambda a: a.flat[0])  # a number of NumPy's own
    | st.none() | st.booleans() | st.integers() | st.floats() | TEXTS
    | st.builds(Estimate, laid_out(), laid_out()) | st.builds(Joint, laid_out(), laid_out(), st.floats(1, 1e9))
)  # fmt: skip
RESULTS = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.lists(inner, max_size=3).map(tuple) | st.builds(Pair, inner, inner)
        | st.dictionaries(TEXTS, inner, max_size=3)
    ), max_leaves=6,
)  # fmt: skip


@HERE
@given(RESULTS)
def test_every_form_of_result_comes_back_bit_for_bit(tmp_path: Path, result: Any) -> None:
    fresh = Store("casino", tmp_path).keep("work", 1, CPU, Kept(result, 7, {"size": 3}))
    again = Store("casino", tmp_path).find("work", 1, made(), CPU)
    assert again is not None
    identical(fresh.result, again.result)
    assert (fresh.diverged, fresh.read) == (again.diverged, again.read) == (7, {"size": 3})
    np.testing.assert_equal(again.result, result)


@pytest.mark.parametrize(
    "result",
    [
        {1, 2}, {1: 2}, np.array([None]), np.array("2026-01-01", dtype="datetime64[D]"), b"bytes", made(),
        [lambda: 1], np.ma.masked_array([1.0], [True]), (1, {"a": {"b": 1j}}),
    ],
    ids=lambda result: type(result).__name__,
)  # fmt: skip
@pytest.mark.parametrize("kept", [False, True])
def test_what_a_file_could_not_give_back_is_refused_with_and_without_a_folder(
    tmp_path: Path, result: Any, kept: bool
) -> None:
    with pytest.raises(TypeError, match="a cell must return arrays"):
        Store("casino", tmp_path if kept else None).keep("work", 1, CPU, Kept(result, 0, {}))
    assert list(tmp_path.iterdir()) == []


def test_fresh_or_found_again_an_array_has_one_layout(tmp_path: Path) -> None:
    first, again = run(bench(tmp_path)), run(bench(tmp_path))
    assert DONE == [0, 1, 2]
    identical(first, again)
    assert first[0].shape == (5, 3)
    with pytest.raises(ValueError, match="read-only"):
        first[0][0] = 1.0


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"scale": 3.0}, True), ({"read": (5,)}, True), ({"plain": "other"}, True), ({"out": "elsewhere"}, True),
        ({"scenes": ("one",)}, True), ({"size": 4}, False), ({"seed": 1}, False),
    ],
)  # fmt: skip
@pytest.mark.parametrize("remembered", [False, True])
def test_a_cell_depends_on_the_fields_that_it_reads_alone(
    tmp_path: Path, fields: dict[str, Any], found: bool, remembered: bool
) -> None:
    store = Store("casino", tmp_path, "sources")
    run(bench(store=store))
    run(bench(tmp_path, store=store if remembered else None, **fields))
    assert len(DONE) == (3 if found else 6)


@pytest.mark.parametrize("other", ["study", "sources", "device", "work", "item"])
def test_a_cell_of_anything_else_is_not_used(tmp_path: Path, other: str) -> None:
    run(bench(tmp_path))
    device = Device("gpu", np, "a card") if other == "device" else CPU
    study, sources = ("poker" if other == "study" else "casino"), "sources" + ("'" if other == "sources" else "")
    lab = Lab(study, made(), device, Progress.silent(), Store(study, tmp_path, sources))
    run(lab, (0.0, 1.0, 2.0) if other == "item" else range(3), redrawn if other == "work" else drawn)
    assert len(DONE) == 6


def redrawn(config: Config, item: Any, lab: Lab) -> np.ndarray:
    return drawn(config, item, lab)


def read_back(config: Config, item: int, lab: Lab) -> str:
    """Depends on a user's file."""
    DONE.append(item)
    return "" if config.data is None else config.data.read_text("utf-8")


def test_a_cell_depends_on_the_contents_of_a_file_that_it_reads(tmp_path: Path) -> None:
    data, folder = tmp_path / "data.csv", tmp_path / "cells"
    folder.mkdir()
    for text, computed in (("1", 1), ("1", 1), ("2", 2)):
        data.write_text(text, encoding="utf-8")
        assert run(bench(folder, data=data), [0], read_back) == [text]
        assert len(DONE) == computed
    data.unlink()
    with pytest.raises(FileNotFoundError):
        run(bench(folder, data=data), [0], read_back)


def test_the_sources_are_all_that_could_change_a_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "casino_of_a_user"
    package.mkdir()
    (package / "__init__.py").write_text("A = 1\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    hashes = []
    for name, text in (("__init__.py", "A = 1\n"), ("dice.py", "B = 1\n"), ("dice.py", "B = 2\n"), ("notes.md", "-")):
        (package / name).write_text(text, encoding="utf-8")
        cells.sources_of.cache_clear()
        hashes.append(cells.sources_of(package.name))
    cells.sources_of.cache_clear()
    assert len(set(hashes)) == 3
    assert hashes[2] == hashes[3], "notes change no number"
    assert cells.sources_of("simlab") == cells.sources_of() != hashes[0]


def test_reading_is_noted_field_by_field_and_of_a_method_as_everything() -> None:
    seen = Recorded(made(size=4))
    assert fields_read(seen) == {}
    assert (seen.size, seen.plain, seen.read) == (4, made().plain, (1, 2))
    assert fields_read(seen) == {"size": 4, "plain": made().plain, "read": [1, 2]}
    everything = set(Config.model_fields) - {"out", "scenes"}
    uses: list[Callable[[Any], Any]] = [lambda c: c.area(), hash, lambda c: c == made(), lambda c: c.model_copy()]
    for use in uses:
        for config in (Recorded(made()), Recorded(Recorded(made()))):
            use(config)
            assert set(fields_read(config)) == everything
    assert Recorded(made()) == Recorded(made())
    assert Recorded(made()) != Recorded(made(size=4))
    with pytest.raises(AttributeError):
        _ = seen.no_such_field


def test_cells_in_a_cell_are_found_by_others_and_what_they_read_counts(tmp_path: Path) -> None:
    first = run(bench(tmp_path), [2, 3], summed)
    assert DONE == ["sum 2", 0, 1, "sum 3", 2], "what both need is computed once"
    assert run(bench(tmp_path), [2, 3], summed) == first
    assert len(DONE) == 5
    other = bench(tmp_path, size=4)
    assert run(other, [2, 3], summed) != first, "the sum does not read the size, but its parts do"
    (file,) = tmp_path.glob("*summed-3-*.npz")
    file.unlink()
    DONE.clear()
    run(bench(tmp_path, size=4), [3], summed)
    assert DONE == ["sum 3"]
    DONE.clear()
    run(bench(tmp_path, size=5), [3], summed)
    assert DONE == ["sum 3", 0, 1, 2], "nor when all its parts were found"


@HERE
@given(st.floats(0, 1, exclude_max=True) | st.binary(max_size=100))
def test_a_file_that_is_truncated_or_anything_else_is_computed_anew(tmp_path: Path, damage: float | bytes) -> None:
    (whole,) = run(bench(tmp_path), [0])
    (file,) = tmp_path.iterdir()
    content = file.read_bytes()
    file.write_bytes(damage if isinstance(damage, bytes) else content[: int(damage * len(content))])
    DONE.clear()
    identical(run(bench(tmp_path), [0]), [whole])
    assert DONE == [0]
    assert file.read_bytes() == content


@HERE
@given(st.integers(0, 10**9), st.integers(1, 255))
def test_a_byte_that_is_wrong_changes_no_number(tmp_path: Path, place: int, flip: int) -> None:
    (whole,) = run(bench(tmp_path), [0])
    (file,) = tmp_path.iterdir()
    content = bytearray(file.read_bytes())
    content[place % len(content)] ^= flip
    file.write_bytes(content)
    identical(run(bench(tmp_path), [0]), [whole])


def test_a_file_cannot_make_anything_but_a_named_tuple(tmp_path: Path) -> None:
    store = Store("casino", tmp_path)
    store.keep("work", 1, CPU, Kept(Pair(1, 2), 0, {}))
    (file,) = tmp_path.iterdir()
    content = file.read_bytes()
    with np.load(file) as members:
        head = str(members[codec.ABOUT])
    assert "Pair" in head
    for name in (("tests.lab.test_cells", "Config"), ("os", "system"), ("no_such_module", "Pair")):
        changed = head.replace('"tests.lab.test_cells", "Pair"', f'"{name[0]}", "{name[1]}"')
        assert changed != head
        np.savez(file, allow_pickle=False, **{codec.ABOUT: np.array(changed)})
        assert Store("casino", tmp_path).find("work", 1, made(), CPU) is None
    file.write_bytes(content)
    assert Store("casino", tmp_path).find("work", 1, made(), CPU) == Kept(Pair(1, 2), 0, {})


def test_without_a_folder_cells_are_remembered_as_long_as_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lab = bench()
    identical(run(lab), run(lab))
    assert DONE == [0, 1, 2]
    identical(run(bench()), run(lab))
    assert len(DONE) == 6
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_costs_the_chance_to_go_on_and_not_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lab = bench(tmp_path / "gone")
    identical(run(lab), run(bench()))
    assert capsys.readouterr().err == (
        f"simlab: finished work cannot be kept in {tmp_path}/gone (No such file or directory).\n"
    )
    run(lab)
    assert len(DONE) == 6


PARTS = st.recursive(
    TEXTS | st.integers() | st.floats() | st.booleans(), lambda inner: st.lists(inner, max_size=3).map(tuple)
)


@given(PARTS, PARTS)
def test_different_items_have_different_names(one: Any, other: Any) -> None:
    assert (item_name(one) == item_name(other)) == (repr(one) == repr(other))


@pytest.mark.parametrize(
    ("one", "other"), [(1, (1,)), ("a", ("a",)), (("a",), (("a",),)), ('["a"]', ("a",)), ((), ""), (1, 1.0), (1, True)]
)
def test_a_tuple_of_one_is_another_item_than_this_one(one: Any, other: Any) -> None:
    assert item_name(one) != item_name(other)


def test_numbers_of_numpy_are_the_items_that_they_look_like() -> None:
    assert item_name((np.int64(3), np.float64(0.5), np.str_("a"), np.bool_(True))) == item_name((3, 0.5, "a", True))
    for wrong in ([1], None, np.zeros(2), {"a": 1}, (1, [2])):
        with pytest.raises(ValueError, match="an item must be text, a number or a tuple of these"):
            item_name(wrong)


def backwards(work: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
    """The last one first."""
    results = [work(item) for item in reversed(list(items))]
    return reversed(results)


def in_threads(work: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
    """Several at once."""
    with ThreadPoolExecutor(4) as pool:
        yield from pool.map(work, items)


@pytest.mark.parametrize("execute", [backwards, in_threads])
@pytest.mark.parametrize("work", [drawn, summed])
def test_results_do_not_depend_on_the_order_of_cells_or_who_executes_them(
    tmp_path: Path, execute: Any, work: Any
) -> None:
    folders = [tmp_path / name for name in ("one", "other")]
    for folder in folders:
        folder.mkdir()
    usual = run(bench(folders[0]), range(1, 8), work)
    identical(run(bench(folders[1], execute=execute), range(1, 8), work), usual)
    identical(run(bench(folders[1]), reversed(range(1, 8)), work), usual[::-1])
    names = [sorted(p.name for p in folder.iterdir()) for folder in folders]
    assert set(names[1]) <= set(names[0]), "cells of a cell that is computed elsewhere stay there"
    for name in names[1]:
        kept = [codec.decode((folder / name).read_bytes()) for folder in folders]
        assert kept[0][0] == kept[1][0]
        identical(kept[0][1].result, kept[1][1].result)


def exploding(config: Config, item: int, lab: Lab) -> int:
    """Walkers of which all become infinite, or none."""
    x = sp.Symbol("x", real=True)
    walkers = lab.walkers(SDE(x, item * x**3, 1), 64, "walk", item, dt=1.0, x0=1.0)
    walkers.run(20)
    return item


def test_walkers_that_were_lost_in_a_cell_are_counted_whenever_it_is_found(tmp_path: Path) -> None:
    for _ in range(2):
        lab = bench(tmp_path)
        assert run(lab, [0, 100], exploding) == [0, 100]
        assert lab.lost() == 64


def test_progress_reaches_its_total_whatever_was_found(tmp_path: Path) -> None:
    class Counted:
        mode, totals = "silent", [0.0, 0.0]

        def task(self, text: str, total: float) -> Any:
            self.totals = [total, 0.0]
            return self

        def __enter__(self) -> Any:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def advance(self, amount: float) -> None:
            self.totals[1] += amount

    for items in ([1, 3], [1, 2, 3, 4]):
        counted: Any = Counted()
        lab = Lab("casino", made(), CPU, counted, Store("casino", tmp_path, "sources"))
        lab.cells(summed, lab.config, items, "work", weights=[float(i) for i in items])
        assert counted.totals == [sum(items), pytest.approx(sum(items))]


def test_a_cell_costs_less_than_ten_milliseconds(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """Of the processor; the disk, which has to say that it has it, may be slow."""
    lab, count = bench(tmp_path), 100
    run(lab, [-1])
    started, processor = time.perf_counter(), time.process_time()
    run(lab, range(count))
    record_property("milliseconds per cell", 1e3 * (time.perf_counter() - started) / count)
    assert (time.process_time() - processor) / count < 0.01


def test_a_file_system_without_locks_is_good_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fcntl = pytest.importorskip("fcntl")
    with resume.kept_in(tmp_path), pytest.raises(InputError, match="another process works in this folder"):
        resume.kept_in(tmp_path).__enter__()

    def unknown(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", unknown)
    with resume.kept_in(tmp_path) as folder:
        assert folder.is_dir()


def test_files_that_a_killed_process_left_half_written_go(tmp_path: Path) -> None:
    (tmp_path / "cells").mkdir()
    strays = [tmp_path / ".writing-0a1b.nc", tmp_path / "cells/.writing-2c3d.npz"]
    kept = tmp_path / "cells/a.npz"
    for path in (*strays, kept):
        path.touch()
    with resume.kept_in(tmp_path):
        assert [p.exists() for p in (*strays, kept)] == [False, False, True]
    resume.remove(tmp_path)
    assert list(tmp_path.iterdir()) == []


def nested_work() -> Any:
    def inside(config: Config, item: int, lab: Lab) -> int:
        return item

    return inside


@pytest.mark.parametrize("work", [lambda config, item, lab: item, nested_work(), partial(drawn), Lab.lost])
def test_work_that_is_no_function_of_a_module_is_refused(work: Any) -> None:
    """It could depend on what its maker knew, which no name of a cell holds."""
    with pytest.raises(TypeError, match="the work of cells must be a function of a module"):
        run(bench(), [1], work)


def test_cells_that_other_processes_compute_are_those_of_this_one(tmp_path: Path) -> None:
    """Functions, config and items can be sent, and what a cell read there counts here."""
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        seen = Recorded(made())
        lab = bench(tmp_path, execute=pool.map)
        there = lab.cells(drawn, cast("Any", seen), [0, 1, 2], "work")
    assert set(fields_read(seen)) == {"size", "seed"}
    identical(there, run(bench(), [0, 1, 2]))
