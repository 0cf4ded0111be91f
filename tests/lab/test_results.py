"""Results survive the disk, are written whole or not at all, and what is no result is refused in one sentence."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from simlab import __version__
from simlab.core import files
from simlab.core.errors import InputError
from simlab.lab import quantities, results
from simlab.lab.claim import Claim
from simlab.statistics import Estimate, Joint

ATTRIBUTES: dict[str, Any] = {"simlab_study": "anything", "seed": 3}
TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12)
NUMBERS = st.floats(allow_nan=True, allow_infinity=True)
UNITS = st.sampled_from(["1", "rad", "step", "rad/step"])
NAMES = st.from_regex(re.compile(r"[a-z][a-z0-9]{0,5}", re.ASCII), fullmatch=True)
# An example writes a file over that of the one before, which takes a tenth of a second: a quarter of the usual number.
ON_DISK = settings(
    max_examples=settings().max_examples // 4, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
DTYPES = st.sampled_from([np.dtype(t) for t in ("f8", "f4", "i8", "i4", "u1", "?")])


@st.composite
def scenes(draw: st.DrawFn) -> xr.Dataset:
    """What a scene may hand over: pairs, covariances, theory, coordinates and plain facts, over known dimensions."""
    sizes = draw(st.dictionaries(st.sampled_from(sorted(results.DIMS)), st.integers(0, 3), min_size=1, max_size=3))
    # The covariance of q is over its dimension and the same with an underscore: no name may mean two things.
    names = draw(st.lists(NAMES.filter(lambda n: n not in results.DIMS), min_size=4, max_size=4, unique=True))
    q, joint, fact, label = names
    dims = draw(st.lists(st.sampled_from(sorted(sizes)), max_size=3, unique=True).map(tuple))
    dim = draw(st.sampled_from(sorted(sizes)))

    def array(*over: str, dtype: Any = np.float64, elements: Any = NUMBERS) -> np.ndarray:
        return draw(arrays.arrays(dtype, tuple(sizes[d] for d in over), elements=elements))

    found = quantities.measured(q, dims, Estimate(array(*dims), array(*dims)), draw(TEXT), draw(UNITS))
    spread = Joint(array(dim), array(dim, dim, elements=st.floats(0, 1e9)))
    found |= quantities.measured_jointly(joint, dim, spread, draw(TEXT), draw(UNITS))
    found |= quantities.predicted(q, dims, array(*dims), draw(TEXT))
    found |= quantities.given(dim, dim, np.arange(sizes[dim]) / 3, draw(TEXT))
    found |= quantities.given(fact, dims, array(*dims, dtype=draw(DTYPES), elements=None), draw(TEXT))
    words = draw(st.lists(TEXT, min_size=sizes[dim], max_size=sizes[dim]))
    found |= quantities.given(label, dim, np.array(words, dtype=object), draw(TEXT))
    return xr.Dataset(found)


@st.composite
def claims(draw: st.DrawFn) -> Claim:
    """Any claim, with a verdict or without."""
    words = draw(TEXT), draw(TEXT), draw(TEXT)
    claim = Claim.equals(*words, draw(NUMBERS), draw(NUMBERS), draw(st.floats(0, 1)))
    return draw(st.sampled_from([claim, Claim.chi_square(*words, 3.0, 2), claim.undecided(draw(TEXT))]))


def one_scene() -> xr.Dataset:
    """The smallest scene there is."""
    estimate = Estimate(np.arange(3.0), np.ones(3))
    return xr.Dataset(quantities.measured("q", "bin", estimate, "a number"))


def one_result() -> xr.DataTree:
    """The smallest result there is."""
    return results.tree({"one": one_scene()}, [Claim.exact("one/a", "It is.", "talk", 1.0, 1.0)], ATTRIBUTES)


def _write(content: bytes, name: str) -> None:
    Path(name).write_bytes(content)


def says_one_sentence(action: Callable[[], object]) -> str:
    """The one sentence of the InputError that this raises."""
    with pytest.raises(InputError) as error:
        action()
    text = str(error.value)
    assert "\n" not in text
    assert text.endswith(".")
    return text


@ON_DISK
@given(st.dictionaries(st.sampled_from(["one", "two"]), scenes(), min_size=1), st.lists(claims(), max_size=3))
def test_a_result_survives_the_disk(tmp_path: Path, parts: dict[str, xr.Dataset], claimed: list[Claim]) -> None:
    tree = results.tree(parts, claimed, ATTRIBUTES)
    results.save(tree, tmp_path / "result.nc")
    back = results.load(tmp_path / "result.nc")
    assert set(back.children) == {*parts, "claims"}
    for name, data in parts.items():
        xr.testing.assert_identical(back[name].to_dataset(), tree[name].to_dataset())
        kinds = {n: v.dtype.kind for n, v in data.variables.items() if v.dtype.kind != "O"}
        assert {n: v.dtype.kind for n, v in back[name].dataset.variables.items() if n in kinds} == kinds
    np.testing.assert_equal([asdict(c) for c in results.claims_of(back)], [asdict(c) for c in claimed])
    assert back.attrs == tree.attrs
    assert [p.name for p in tmp_path.iterdir()] == ["result.nc"]


def test_attributes_that_netcdf_does_not_know_are_kept_as_json(tmp_path: Path) -> None:
    given_attributes = {**ATTRIBUTES, "flag": True, "none": None, "list": [1, 2], "number": 1.5}
    results.save(results.tree({"one": one_scene()}, [], given_attributes), tmp_path / "result.nc")
    attrs = results.load(tmp_path / "result.nc").attrs
    assert [json.loads(attrs[n]) for n in ("flag", "none", "list")] == [True, None, [1, 2]]
    assert (attrs["number"], attrs["seed"]) == (1.5, 3)


@pytest.mark.parametrize("seed", [0, 2**31, 2**63 - 1])
def test_every_seed_that_a_config_takes_can_be_saved(seed: int, tmp_path: Path) -> None:
    results.save(results.tree({"one": one_scene()}, [], {**ATTRIBUTES, "seed": seed}), tmp_path / "result.nc")
    assert int(results.load(tmp_path / "result.nc").attrs["seed"]) == seed


def test_error_bars_are_linked_to_what_they_belong_to() -> None:
    assert one_result()["one"].dataset["q"].attrs["ancillary_variables"] == "q_se"


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        (quantities.given("x", "furlong", np.zeros(2), "x"), "scene one: 'furlong' is not in simlab.lab.results.DIMS"),
        (quantities.given("x", ("bin", "furlong_"), np.zeros((2, 2)), "x"), "'furlong_' is not in"),
        ({"x": xr.Variable("bin", [1.0], {"long_name": "x"})}, "scene one: variable 'x' lacks units"),
        ({"x": xr.Variable("bin", [1.0], {"units": "1"})}, "scene one: variable 'x' lacks long_name"),
        ({"x": xr.Variable("bin", [1.0])}, "variable 'x' lacks long_name and units"),
        ({"bin": xr.Variable("bin", [1.0])}, "variable 'bin' lacks long_name and units"),
        (quantities.given("x_se", "bin", np.zeros(2), "x"), "x_se"),
    ],
)
def test_what_breaks_the_conventions_is_named(variables: dict[str, xr.Variable], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        results.tree({"one": xr.Dataset(variables)}, [], ATTRIBUTES)


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("before", [None, "precious"])
def test_a_writer_that_fails_leaves_what_was_there(
    failure: type[BaseException], before: str | None, tmp_path: Path
) -> None:
    path = tmp_path / "file.txt"
    if before is not None:
        path.write_text(before, encoding="utf-8")

    def write(name: str) -> None:
        Path(name).write_text("half", encoding="utf-8")
        raise failure

    with pytest.raises(failure):
        files.write_atomically(path, write)
    assert [(p.name, p.read_text("utf-8")) for p in tmp_path.iterdir()] == ([("file.txt", before)] if before else [])


def test_a_writer_that_succeeds_replaces_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    for content in (b"one", b"two"):
        files.write_atomically(path, partial(_write, content))
        assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


def test_a_result_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "result.nc"
    results.save(one_result(), path)
    before = path.read_bytes()
    bad = one_result()
    bad["one"]["q"] = xr.DataArray(np.array([1, "one", None], dtype=object), dims="bin")
    with pytest.raises(ValueError, match="unable to infer dtype"):  # xarray's, in the middle of the file
        results.save(bad, path)
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == before


@pytest.mark.parametrize("version", [results.SCHEMA - 1, results.SCHEMA + 1, "none", [1, 1]])
def test_a_result_of_another_schema_is_refused(tmp_path: Path, version: Any) -> None:
    tree = one_result()
    tree.attrs["schema_version"] = version
    results.save(tree, tmp_path / "result.nc")
    said = says_one_sentence(lambda: results.load(tmp_path / "result.nc"))
    assert f"this version of simlab reads {results.SCHEMA}" in said
    assert "has schema" in said


def test_a_result_that_does_not_say_its_schema_is_none(tmp_path: Path) -> None:
    tree = one_result()
    assert tree.attrs["schema_version"] == results.SCHEMA
    del tree.attrs["schema_version"]
    results.save(tree, tmp_path / "result.nc")
    assert "has no attribute schema_version" in says_one_sentence(lambda: results.load(tmp_path / "result.nc"))


def test_attributes_of_any_length_can_be_saved(tmp_path: Path) -> None:
    config = json.dumps({"dts": list(range(100_000))})  # HDF5 keeps 64 kB in the place of small ones
    results.save(
        results.tree({"one": one_scene()}, [], {**ATTRIBUTES, "simlab_config": config}), tmp_path / "result.nc"
    )
    assert results.load(tmp_path / "result.nc").attrs["simlab_config"] == config


def test_claims_that_lack_a_column_are_no_claims(tmp_path: Path) -> None:
    tree = one_result()
    tree["claims"] = xr.DataTree(tree["claims"].to_dataset().drop_vars("bound"))
    results.save(tree, tmp_path / "result.nc")
    assert "no result of simlab" in says_one_sentence(lambda: results.load(tmp_path / "result.nc"))


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    path = tmp_path / "none.nc"
    assert says_one_sentence(lambda: results.load(path)) == f"there is no file {path}."


def test_a_folder_is_no_result(tmp_path: Path) -> None:
    assert "not a readable netCDF file" in says_one_sentence(lambda: results.load(tmp_path))


@ON_DISK
@given(st.binary(max_size=64) | st.sampled_from([b"CDF\x01", b"\x89HDF\r\n\x1a\n", b"PK\x03\x04", b"text\n"]))
def test_garbage_is_no_result(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "result.nc"
    path.write_bytes(content)
    assert "not a readable netCDF file" in says_one_sentence(lambda: results.load(path))


@ON_DISK
@given(st.floats(0, 1, exclude_max=True))
def test_a_truncated_file_is_no_result(tmp_path: Path, share: float) -> None:
    path = tmp_path / "result.nc"
    if not path.exists():
        results.save(one_result(), path)
    whole = path.read_bytes()
    part = tmp_path / "part.nc"
    part.write_bytes(whole[: int(share * len(whole))])
    assert "not a readable netCDF file" in says_one_sentence(lambda: results.load(part))


@pytest.mark.parametrize(
    "foreign",
    [
        xr.DataTree.from_dict({"/": xr.Dataset({"a": 1})}),
        xr.DataTree.from_dict({"/": xr.Dataset(attrs=ATTRIBUTES)}),
        xr.DataTree.from_dict({"/": xr.Dataset(), "/claims": xr.Dataset({"a": 1})}),
    ],
)
def test_another_program_s_netcdf_file_is_no_result(foreign: xr.DataTree, tmp_path: Path) -> None:
    foreign.to_netcdf(tmp_path / "foreign.nc", engine="h5netcdf")
    assert "no result of simlab" in says_one_sentence(lambda: results.load(tmp_path / "foreign.nc"))


def test_provenance_says_what_it_takes_to_run_again() -> None:
    found = results.provenance("a study", '{"seed": 3}', "a card", 3, 1.5)
    assert set(found) == {
        "Conventions", "title", "source", "history", "references", "simlab_study", "simlab_config", "seed", "device",
        "git_commit", "packages", "run_time", "schema_version",
    }  # fmt: skip
    assert found["simlab_study"] == "a study"
    assert json.loads(found["simlab_config"]) == {"seed": 3}
    assert (found["device"], found["seed"], found["run_time"]) == ("a card", 3, 1.5)
    assert found["source"] == f"simlab {__version__}"
    assert found["schema_version"] == results.SCHEMA
    assert re.fullmatch(r"([0-9a-f]{12,40}(-dirty)?)?", found["git_commit"])
    assert set(json.loads(found["packages"])) == {"python", *results.PACKAGES}
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00: ", found["history"])


@pytest.mark.parametrize(
    ("argv", "shown"),
    [
        ([], "''"), ([""], "''"), (["/a b/c", "-m", "x y"], "c -m 'x y'"),
        (["run", "d\udcff.npz", "π"], "run 'd\\udcff.npz' 'π'"),
    ],
)  # fmt: skip
def test_any_command_line_can_be_noted(
    argv: list[str], shown: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", argv)
    found = results.provenance("s", "{}", "d", 3, 1.5)
    assert found["history"].partition("+00:00: ")[2] == shown
    results.save(results.tree({"one": one_scene()}, [], found), tmp_path / "result.nc")
    assert results.load(tmp_path / "result.nc").attrs["history"] == found["history"]


def test_a_package_without_a_description_costs_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "PACKAGES", ("numpy", "no such package"))
    assert json.loads(results.provenance("s", "{}", "d", 3, 1.5)["packages"])["no such package"] == "unknown"


def test_the_claims_of_a_result_are_those_that_were_made() -> None:
    made = [
        Claim.equals("one/a", "A.", "talk", 1.0, 1.1, 0.1),
        Claim.chi_square("one/b", "B.", "talk", math.nan, 3),
        Claim.exact("one/c", "C.", "", 0.0, 1.0),
    ]
    found = results.claims_of(results.tree({"one": one_scene()}, made, ATTRIBUTES))
    np.testing.assert_equal([asdict(c) for c in found], [asdict(c) for c in made])
