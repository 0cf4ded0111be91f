"""A result in Python: scenes as datasets, claims, figures, a page of a notebook; saved and loaded again."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import simlab
from simlab import studies
from simlab.core.errors import InputError
from simlab.lab.result import Result, run_study
from simlab.lab.study import Study
from tests.lab.casino import STUDY

NAMES = {"result.nc", "figure.png", "figure.svg", "dice.png", "dice.svg"}


@pytest.fixture(scope="module")
def result() -> Result:
    return run_study(STUDY, "default", {"rolls": 60, "tables": 2}, progress=False)


def test_a_result_has_its_scenes_and_its_claims(result: Result) -> None:
    assert result.scenes == ("dice",)
    assert dict(result["dice"].sizes) == {"table": 2, "face": 6, "face_": 6}
    assert [c.name for c in result.claims] == ["dice/fair-0", "dice/fair-1"]
    assert (result.config.seed, result.tree.attrs["simlab_study"]) == (0, "casino")
    with pytest.raises(KeyError, match="there is no scene 'cards'; there are dice"):
        _ = result["cards"]
    with pytest.raises(InputError, match="scene: the result has no scene 'cards'; it has dice"):
        result.figure("cards")


def test_it_is_shown_as_text_and_as_a_page_with_every_figure(result: Result) -> None:
    assert repr(result).splitlines()[0] == "Dice (seed 0)"
    assert re.match(r"holds +dice/fair-0: [\d.]+, accepted [\d.]+ to [\d.]+", repr(result).splitlines()[1])
    page = result._repr_html_()
    assert page.count("<tr>") == 3
    assert page.count("data:image/png;base64,") == 1
    assert "The die of table 1 is fair." in page


def test_no_text_breaks_the_page(result: Result) -> None:
    tree = result.tree.copy()
    claims = tree["claims"].to_dataset()
    claims["statement"] = ("claim", np.array(["a < b & c", "<script>"], object))
    tree["claims"] = xr.DataTree(claims)
    page = Result(STUDY, result.config, tree)._repr_html_()
    assert "a &lt; b &amp; c" in page
    assert "<script>" not in page


def test_it_is_saved_and_loaded_and_replaced_only_when_told(result: Result, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "deep"
    paths = result.save(folder)
    assert {p.name for p in paths} == {p.name for p in folder.iterdir()} == NAMES
    for place in (folder, str(folder), folder / "result.nc"):
        back = Result.load(STUDY, place)
        xr.testing.assert_identical(back["dice"], result["dice"])
        np.testing.assert_equal([asdict(c) for c in back.claims], [asdict(c) for c in result.claims])
        assert back.config == result.config
    with pytest.raises(InputError, match=r"result\.nc is there already; name another folder, or overwrite=True"):
        result.save(folder)
    (folder / "result.nc").unlink()
    with pytest.raises(InputError, match=r"figure\.png is there already"):
        result.save(folder)
    assert not (folder / "result.nc").exists()
    result.save(folder, overwrite=True)


def test_a_study_is_run_by_its_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def load(name: str) -> Study:
        assert name == "casino"
        return STUDY

    monkeypatch.setattr(studies, "load", load)
    found = simlab.run("casino", seed=2, rolls="6e1", tables=1, out=tmp_path / "out", progress=False)
    assert {p.name for p in (tmp_path / "out").iterdir()} == NAMES
    assert found.config.model_dump(include={"seed", "rolls"}) == {"seed": 2, "rolls": 60}
    wrong: list[dict[str, Any]] = [{"rols": 3}, {"rolls": 1}, {"preset": "quick"}, {"scenes": ["cards"]}]
    for fields in wrong:
        with pytest.raises(InputError, match=r"rols|rolls|quick|cards"):
            simlab.run("casino", **{"progress": False, **fields})
    with pytest.raises(InputError, match=r"it holds result\.nc of another run"):
        simlab.run("casino", out=tmp_path / "out", progress=False)


def test_progress_is_told_on_stderr_where_it_is_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    run_study(STUDY, "smoke", {"tables": 1})
    said = capsys.readouterr()
    assert said.out == ""
    assert re.fullmatch(r"dice: done in \d+\.\d s\n", said.err)
