"""`python -m simlab`: lists, runs, claims and derivations; and what it does not know, it says in one sentence."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from simlab.lab import results
from simlab.lab.claim import Claim
from simlab.studies.langevin_drift import STUDY
from tests.cli_helpers import Terminal, contents


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("simlab.lab.records.root", lambda: tmp_path)  # never the checkout's own records
    return Terminal(tmp_path, capsys)


def test_the_laboratory_lists_its_studies_and_derivations(terminal: Terminal) -> None:
    answer = terminal.laboratory("list")
    assert (answer.status, answer.err) == (0, "")
    assert re.match(rf"langevin_drift +{STUDY.title}", answer.out)
    names = terminal.laboratory("derive").out.split()
    assert "fokker_planck" in names
    page = terminal.laboratory("derive", "sgd")
    assert page.status == 0
    assert re.search(r"^# .*\n(.|\n)*\\tag\{1\}", page.out, re.MULTILINE)
    assert terminal.laboratory("run", "langevin_drift", "--dry-run").out == terminal.study("--dry-run").out


@pytest.mark.parametrize(
    ("words", "fragments"),
    [
        ("run langevin_drif", ["'langevin_drif'", "did you mean langevin_drift?"]), ("run NOPE", ["'NOPE'", "drift"]),
        ("run langevin_drift --walkers 1", ["walkers = 1", "1024"]), ("run langevin_drift stray", ["'stray'"]),
        ("derive nope", ["'nope'", "fokker_planck"]), ("derive sgd sgd", ["sgd"]), ("list all", ["all"]),
        ("frobnicate", ["'frobnicate'", "list"]), ("--frob", ["--frob"]), ("run", ["NAME"]),
        ("claims x", ["no records"]),
        ("seeds langevin_drift --count 0", ["count", "0"]), ("seeds langevin_drift --count x", ["count", "'x'"]),
    ],
)  # fmt: skip
def test_what_is_not_there_is_refused_in_one_sentence(terminal: Terminal, words: str, fragments: list[str]) -> None:
    Terminal.is_refusal(terminal.laboratory(*words.split()), *fragments)
    assert contents(terminal.folder) == {}


def test_the_table_of_claims_is_that_of_the_records_or_says_what_is_missing(terminal: Terminal) -> None:
    Terminal.is_refusal(terminal.laboratory("claims"), "no records", "record NAME")
    Path("langevin_drift").mkdir()
    for measured, status in ((2.0, 0), (3.0, 1)):
        claims = [Claim.exact("walk/anything", "Two is two.", "nobody", measured, 2.0)]
        results.save(results.tree({}, claims, {"simlab_study": "any", "seed": 0}), Path("langevin_drift/record.nc"))
        answer = terminal.laboratory("claims")
        assert (answer.status, answer.err) == (status, "")
        assert re.search(rf"^{['holds', 'fails'][status]} +walk/anything", answer.out, re.MULTILINE)
        for name in ("walk", "walk/anything"):
            one = terminal.laboratory("claims", name)
            assert (one.status, one.err) == (status, "")
            assert one.out.startswith(answer.out.rstrip("\n"))
            assert "walk/anything: from nobody\n" in one.out
        Terminal.is_refusal(terminal.laboratory("claims", "walk/anythin"), "'walk/anythin'", "walk/anything?")


@pytest.mark.parametrize("command", ["record", "seeds"])
def test_a_dry_run_of_a_record_runs_and_writes_nothing(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setattr("simlab.lab.runner.run", lambda *_, **__: pytest.fail("it ran"))
    assert terminal.laboratory(command, "langevin_drift", "--dry-run").status in (0, 2)
    assert contents(terminal.folder) == {}


def test_other_seeds_go_on_where_they_were_stopped(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = "langevin_drift", "--preset", "smoke", "--scenes", "walk", "--walkers", "1024", "--walk-dt", "0.05"
    words = "seeds", *scene, "--count", "2"

    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("simlab.lab.records.seeds_summary", stopped)
        assert terminal.laboratory(*words).status == 130
    assert {p.parent.parent.name for p in terminal.folder.rglob("*.npz")} == {"1", "2"}
    monkeypatch.setattr("simlab.lab.lab._compute", lambda *_: pytest.fail("computed again"))
    answer = terminal.laboratory(*words)
    assert (answer.status, answer.err) == (0, "")
    assert re.search(r"all claims held in \d of 2 runs\nnot the default", answer.out)
    assert contents(terminal.folder) == {}
    Terminal.is_refusal(terminal.laboratory(*words, "--out", "x"), "the same command goes on by itself")
