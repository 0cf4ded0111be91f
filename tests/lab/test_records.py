"""Records: what is committed under studies/ and in the README is what the code would write of it now."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import xarray as xr

from simlab.core.checkout import MARKS
from simlab.core.errors import InputError
from simlab.lab import quantities, records, results
from simlab.lab.claim import Claim
from simlab.lab.settings import to_toml
from simlab.lab.study import BaseConfig, Study
from simlab.statistics import Joint
from simlab.studies import STUDIES, load

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
EVERY_STUDY = pytest.mark.parametrize("name", STUDIES)
GOOD = Claim.equals("dice/fair", "A die is fair.", "Laplace", 3.49, 3.5, 0.02)
BAD = Claim.chi_square("dice/law", "All faces are.", "Pearson", 99.0, 5)
OPEN = GOOD.undecided("it rolled off the table")


class Config(BaseConfig):
    """Are dice fair?"""

    rolls: int = 6
    """How many rolls."""


CONFIG = Config.model_validate({})


def plot(config: Config, data: xr.Dataset, axes: list[Any]) -> None:
    axes[0].plot(data["face"])


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> Study:
    """A study with one scene, which is a module that nobody has to write."""
    scene = ModuleType("casino.dice")
    scene.__dict__.update(PANELS=1, plot=plot)
    monkeypatch.setitem(sys.modules, "casino", ModuleType("casino"))
    monkeypatch.setitem(sys.modules, "casino.dice", scene)
    return Study("casino", "Dice", "casino", Config, ("dice",), remarks="## Remarks\n\nNone.\n")


def result(*claims: Claim, faces: int = 6) -> xr.DataTree:
    joint = Joint(np.arange(1.0, faces + 1), np.eye(faces))
    data = xr.Dataset(quantities.measured_jointly("face", "bin", joint, "a face"))
    settings = CONFIG.model_dump_json(exclude={"out"})
    return results.tree({"dice": data}, claims, results.provenance("casino", settings, "a table", 0, 1.4))


def cells(line: str) -> int:
    """Columns of a line of a Markdown table, where a bar of the text is written with a backslash."""
    return len(re.findall(r"(?<!\\)\|", line)) - 1


def recorded(name: str) -> Path:
    """The folder of a record; the test is skipped where none is committed yet."""
    folder = ROOT / "studies" / name
    if not (folder / "record.nc").exists():
        pytest.skip(f"studies/{name}/record.nc is not there yet: run `python -m simlab record {name}`")
    return folder


def test_a_summary_of_seeds_counts_runs_in_which_everything_held() -> None:
    runs = {3: [GOOD, GOOD], 1: [GOOD, BAD], 2: [OPEN, BAD], 7: [GOOD]}
    found = records.seeds_summary(runs)
    assert found["seeds"] == [1, 2, 3, 7]
    assert found["all_held"] == 2
    assert found["failures"] == {"dice/law": [1, 2], "dice/fair": [2]}
    assert json.loads(json.dumps(found)) == found


def test_a_table_goes_between_its_marks_and_replaces_the_old_one() -> None:
    start, end = MARKS
    text = f"above\n{start}\nold\nolder\n{end}\nbelow\n"
    once = records.with_table(text, "new")
    assert once == f"above\n{start}\nnew\n{end}\nbelow\n"
    assert records.with_table(once, "new") == once


def test_the_readme_s_table_has_a_row_for_every_claim_of_every_record(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "root", lambda: tmp_path / "studies")
    folder = tmp_path / "studies" / "casino"
    records.write_record(study, CONFIG, result(GOOD, BAD), folder)
    head, rule, *rows = records.readme_table(["casino", "no such record"]).splitlines()
    assert rows == [
        "| [casino](studies/casino/report.md) | A die is fair. | 3.490 ± 0.020 | 3.5 ± 0.08 | holds |",
        f"| [casino](studies/casino/report.md) | All faces are. | 99 | {BAD.limits} | fails |",
    ]
    assert cells(head) == cells(rule) == 5
    readme = tmp_path / "README.md"
    readme.write_text("\n".join(["above", *MARKS, "below"]), encoding="utf-8")
    records.update_readme(["casino"])
    text = readme.read_text("utf-8")
    assert rows[0] in text
    records.update_readme(["casino"])
    assert readme.read_text("utf-8") == text


def test_a_record_keeps_numbers_errors_claims_and_where_they_came_from(study: Study, tmp_path: Path) -> None:
    folder = tmp_path / "studies" / "casino"
    whole = result(GOOD, BAD)
    records.write_record(study, CONFIG, whole, folder)
    assert {p.name for p in folder.iterdir()} == {"config.toml", "record.nc", "figure.svg", "report.md"}
    kept = results.load(folder / "record.nc")
    assert kept.attrs == whole.attrs
    assert set(kept["dice"].dataset.variables) == {"face", "face_se"}
    xr.testing.assert_identical(kept["dice"].dataset["face"], whole["dice"].dataset["face"])
    assert [c.name for c in results.claims_of(kept)] == ["dice/fair", "dice/law"]
    assert (folder / "config.toml").read_text("utf-8") == to_toml(CONFIG)
    assert (folder / "report.md").read_text("utf-8") == records.report(study, folder)


def test_equal_results_are_equal_records(study: Study, tmp_path: Path) -> None:
    whole = result(GOOD)
    for folder in ("one", "two"):
        records.write_record(study, CONFIG, whole, tmp_path / folder)
    for file in ("config.toml", "figure.svg", "report.md"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes(), file


def test_a_report_says_what_was_asked_and_found_and_by_whom(study: Study, tmp_path: Path) -> None:
    records.write_record(study, CONFIG, result(GOOD, BAD, OPEN), tmp_path)
    text = records.report(study, tmp_path)
    lines = text.splitlines()
    assert lines[0] == "<!-- Generated by `python -m simlab record casino`: do not edit. -->"
    assert "# Dice" in lines
    assert "Are dice fair?" in lines
    assert "1 of 3 claims hold on a table in 1 s" in text
    assert "python -m casino --config studies/casino/config.toml" in text
    assert f"| holds | dice/fair | A die is fair. | 3.490 ± 0.020 | 3.5 ± 0.08 | {GOOD.why} | Laplace |" in lines
    assert any(line.startswith("| undecided (it rolled off the table) | dice/fair |") for line in lines)
    assert "Not measured yet: `python -m simlab seeds casino`." in lines
    assert text.endswith("## Remarks\n\nNone.\n")


def test_a_report_counts_other_seeds_once_they_are_measured(study: Study, tmp_path: Path) -> None:
    records.write_record(study, CONFIG, result(GOOD), tmp_path)
    records.write_seeds(study, records.seeds_summary({1: [GOOD], 2: [BAD]}), tmp_path)
    text = (tmp_path / "report.md").read_text("utf-8")
    assert text == records.report(study, tmp_path)
    assert "1 of 2" in text
    assert "| dice/law | seeds 2 |" in text
    assert "Not measured" not in text


def test_no_text_breaks_the_table_of_a_report(study: Study, tmp_path: Path) -> None:
    claim = Claim.exact("dice/z", "The largest |z| is 3.", "", 1.0, 1.0)
    results.save(result(claim), tmp_path / "record.nc")
    table = [line for line in records.report(study, tmp_path).splitlines() if line.startswith("|")]
    assert [cells(line) for line in table] == [7, 7, 7]


def test_no_text_breaks_the_table_of_the_readme(study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "root", lambda: tmp_path)
    claim = Claim.exact("dice/z", "The largest |z| is 3.", "", 1.0, 1.0)
    (tmp_path / "casino").mkdir()
    results.save(result(claim), tmp_path / "casino" / "record.nc")
    assert [cells(line) for line in records.readme_table(["casino"]).splitlines()] == [5, 5, 5]


def test_a_record_too_large_to_commit_is_refused_and_nothing_is_touched(study: Study, tmp_path: Path) -> None:
    records.write_record(study, CONFIG, result(GOOD), tmp_path)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    noise = np.random.default_rng(0).normal(size=30_000)  # which does not compress
    large = result(GOOD, faces=2)
    large["dice"] = xr.Dataset(quantities.given("noise", "walker", noise, "noise"))
    with pytest.raises(InputError, match=rf"record of casino has \d+ bytes, {records.LARGEST} are allowed"):
        records.write_record(study, CONFIG, large, tmp_path)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_records_are_those_of_this_checkout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert records.root() == ROOT / "studies"
    monkeypatch.setattr("simlab.core.checkout.root", lambda: tmp_path)
    with pytest.raises(InputError, match="records live in a checkout"):
        records.root()


def test_the_readme_s_table_is_not_stale() -> None:
    if not any((ROOT / "studies" / name / "record.nc").exists() for name in STUDIES):
        pytest.skip("no study has a record yet: run `python -m simlab record NAME`")
    text = README.read_text("utf-8")
    assert [text.count(mark) for mark in MARKS] == [1, 1]
    assert text == records.with_table(text, records.readme_table(STUDIES)), "run `python -m simlab report`"


@EVERY_STUDY
def test_a_report_is_not_stale(name: str) -> None:
    folder = recorded(name)
    page = records.report(load(name), folder)
    assert (folder / "report.md").read_text("utf-8") == page, "run `python -m simlab report`"


@EVERY_STUDY
def test_the_config_of_a_record_is_the_one_it_was_made_with_and_still_good(name: str) -> None:
    folder = recorded(name)
    attrs = results.load(folder / "record.nc").attrs
    config = load(name).config.model_validate_json(attrs["simlab_config"])
    assert (folder / "config.toml").read_text("utf-8") == to_toml(config)
    assert attrs["simlab_study"] == name


@EVERY_STUDY
def test_a_record_is_whole_and_small_enough_to_commit(name: str) -> None:
    folder = recorded(name)
    assert (folder / "record.nc").stat().st_size < records.LARGEST
    assert (folder / "figure.svg").exists()
