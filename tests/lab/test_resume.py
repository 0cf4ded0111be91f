"""A run that was stopped, by whatever, goes on with the same bits, and leaves nothing that a whole run does not."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import simlab
from simlab.core import files
from simlab.core.errors import InputError
from simlab.lab import cli, results
from simlab.lab.result import run_study
from simlab.studies import STUDIES
from tests.cli_helpers import FILES, HANGS, MODULE, WALK, Answer, Terminal, contents, process
from tests.lab import killed
from tests.lab.casino import STUDY, Config, dice

ROOT = Path(__file__).resolve().parents[2]
QUICK = {
    "langevin_drift": "--scenes walk posterior",
    "random_features": "--scenes ensembles",
    "scale_invariance": "--scenes phases",
    "ensemble_power_laws": "--scenes ensemble_size width",
    "casino": "",
}
"""Scenes of each study that are quick in miniature; the two of the last share the networks that they train."""
linux = pytest.mark.skipif(not hasattr(os, "fork"), reason="children are forks of a process with all its imports")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own, for runs in this process, whose figures are files but no drawings."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("simlab.lab.figure.figure", lambda *_: None)
    monkeypatch.setattr("simlab.lab.plot.save_figure", lambda _, path, kind: Path(path).write_text(kind, "utf-8"))
    return tmp_path


def equal(one: Path, other: Path) -> None:
    """The same bits in both results, and the same files; but for the time that it took and the command."""
    here, there = results.load(one / "result.nc"), results.load(other / "result.nc")
    assert set(here.children) == set(there.children)
    for name in here.children:
        xr.testing.assert_identical(here[name].to_dataset(), there[name].to_dataset())
    claims = [[asdict(c) for c in results.claims_of(tree)] for tree in (here, there)]
    np.testing.assert_equal(claims[0], claims[1])
    assert {n for n, v in here.attrs.items() if v != there.attrs[n]} <= {"run_time", "history"}
    left, right = contents(one), contents(other)
    assert left.keys() == right.keys()
    assert all(left[name] == right[name] for name in left if name != "result.nc")


def killed_runs(how: str, study: str, flags: str, cwd: Path) -> int:
    """All runs that went on after being killed equal the one that nobody disturbed; how many times they were."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    answer = process("-m", "tests.lab.killed", how, study, *flags.split(), cwd=cwd, env=environment)
    assert answer.status == 0, answer.err
    told = json.loads(answer.out)
    assert {p.name for p in cwd.iterdir()} == {"log", *told["folders"]}
    for folder in told["folders"][1:]:
        for empty in (cwd / folder).glob("cells"):  # of a process that was killed in the very last moment
            empty.rmdir()
        equal(cwd / folder, cwd / "undisturbed")
    assert "Traceback" not in (cwd / "log").read_text("utf-8")
    return int(told["kills"])


def test_every_study_is_killed() -> None:
    assert set(STUDIES) <= set(QUICK)


@linux
@pytest.mark.parametrize("study", QUICK)
def test_a_run_that_is_killed_at_any_moments_goes_on_with_the_same_bits(study: str, tmp_path: Path) -> None:
    assert killed_runs("moments", study, QUICK[study], tmp_path) == killed.KILLS


@linux
def test_a_run_may_be_killed_before_anything_that_it_does_to_a_file(tmp_path: Path) -> None:
    assert killed_runs("operations", "casino", "--tables 1", tmp_path) > 40


def awaited(running: subprocess.Popen[str], pattern: str, folder: Path) -> None:
    """Wait for a file of a process."""
    while running.poll() is None and not list(folder.glob(pattern)):
        time.sleep(0.005)
    assert running.poll() is None


def started(cwd: Path, *words: str) -> subprocess.Popen[str]:
    pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-m", MODULE, *words], cwd=cwd, **pipes)


def test_a_run_that_was_terminated_says_how_to_go_on_and_does(tmp_path: Path) -> None:
    with started(tmp_path, *WALK) as running:
        awaited(running, "cells/[!.]*.npz", tmp_path / "out")
        running.send_signal(signal.SIGTERM)
        _, err = running.communicate(timeout=HANGS)
    said = re.fullmatch(r"simlab: terminated; go on with: python (-m simlab run langevin_drift --resume out)\n", err)
    assert said, err
    assert running.returncode == 143
    for file in (tmp_path / "out/cells").glob("*.npz"):  # the disk was worse off than the process
        file.write_bytes(file.read_bytes()[:-100])
    answer = process(*said[1].split(), cwd=tmp_path)
    assert answer.status in (0, 1), answer
    assert "wrote out/result.nc" in answer.out
    assert process("-m", MODULE, *WALK, "--out", "whole", cwd=tmp_path).status == answer.status
    equal(tmp_path / "out", tmp_path / "whole")
    again = process(*said[1].split(), cwd=tmp_path)
    Terminal.is_refusal(again, "resume = 'out'", "nothing to go on with, its result is in out/result.nc")


def test_two_processes_do_not_work_in_one_folder(tmp_path: Path) -> None:
    with started(tmp_path, *WALK) as running:
        awaited(running, "cells/config.toml", tmp_path / "out")
        running.send_signal(signal.SIGSTOP)
        before = contents(tmp_path)
        try:
            for words in (WALK, (*WALK, "--seed", "1", "--overwrite"), ("--resume", "out")):
                other = process("-m", MODULE, *words, cwd=tmp_path)
                Terminal.is_refusal(other, "out = 'out'", "another process works in this folder")
                assert contents(tmp_path) == before
        finally:
            running.send_signal(signal.SIGCONT)
        running.communicate(timeout=HANGS)
    assert running.returncode in (0, 1)
    assert {p.name for p in (tmp_path / "out").iterdir()} == FILES


class Stop(KeyboardInterrupt):
    """Somebody stops the run."""


def stopped(*words: str) -> None:
    """A run that was stopped once all cells were there."""

    def stop(*_: object) -> Any:
        raise Stop

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dice, "compare", stop)
        assert cli.main(STUDY, words) == 130


def run(*words: str, capsys: pytest.CaptureFixture[str] | None = None) -> Answer:
    status = cli.main(STUDY, words)
    return Answer(status, *capsys.readouterr()) if capsys else Answer(status, "", "")


@pytest.mark.parametrize("words", [("--resume", "out"), ("--out", "out"), ("--out", "out", "--overwrite")])
@pytest.mark.parametrize("damage", ["none", "truncated", "garbage", "gone"])
def test_what_is_left_of_a_run_is_used_where_it_is_good(here: Path, words: tuple[str, ...], damage: str) -> None:
    run("--out", "whole")
    stopped("--out", "out")
    kept = sorted(Path("out/cells").glob("[!.]*.npz"))
    assert len(kept) == 5, "four tables, and the scene"
    for file in kept:
        content = file.read_bytes()
        file.write_bytes({"truncated": content[: len(content) // 2], "garbage": b"\0" * 99}.get(damage, content))
        if damage == "gone":
            file.unlink()
    written, write = [], files.write_atomically

    def noted(path: Path, writer: Any) -> None:
        written.append(path.suffix)
        write(path, writer)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "write_atomically", noted)
        assert run(*words).status == 0
    assert written.count(".npz") == (0 if damage == "none" else 5)
    equal(Path("out"), Path("whole"))


def test_a_run_that_is_stopped_while_it_goes_on_goes_on_once_more(here: Path) -> None:
    run("--out", "whole")
    for words in (["--out", "out"], ["--resume", "out"], ["--out", "out"]):
        stopped(*words)
        assert not Path("out/result.nc").exists()
    assert run("--resume", "out").status == 0
    equal(Path("out"), Path("whole"))


def test_a_run_without_a_folder_of_its_own_goes_on_in_the_one_that_it_got(here: Path) -> None:
    run("--out", "whole")
    stopped()
    (folder,) = Path("runs/casino").iterdir()
    assert run("--resume", str(folder)).status == 0
    equal(folder, Path("whole"))
    assert Path("runs/casino/latest").readlink() == Path(folder.name)


def test_another_configuration_is_not_gone_on_with_in_silence(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("--out", "whole", "--seed", "1")
    stopped("--out", "out")
    before = contents(here)
    capsys.readouterr()
    for words, fragment in (
        (("--seed", "1"), "another seed, which --resume would go on with"),
        (("--rolls", "30", "--tables", "2"), "another rolls, tables"),
    ):
        answer = run("--out", "out", *words, capsys=capsys)
        Terminal.is_refusal(answer, "out = 'out': it holds an unfinished run", fragment, "--overwrite")
        assert contents(here) == before
    assert run("--out", "out", "--seed", "1", "--overwrite").status == 0
    equal(Path("out"), Path("whole"))


def test_another_study_is_not_gone_on_with(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from simlab.studies.langevin_drift import STUDY as other

    stopped("--out", "out")
    capsys.readouterr()
    for words in (["--resume", "out"], [*WALK]):
        answer = Answer(cli.main(other, words), *capsys.readouterr())
        Terminal.is_refusal(answer, "casino")
    Path("out/cells/config.toml").write_text("simlab_study = ", "utf-8")
    Terminal.is_refusal(run("--out", "out", capsys=capsys), "out = 'out'", "--overwrite")
    Terminal.is_refusal(run("--resume", "out", capsys=capsys), "not TOML")


@pytest.mark.parametrize(
    ("words", "fragments"),
    [
        (["--resume", "none"], ["resume = 'none'", "there is no unfinished run in it"]),
        (["--resume", "whole"], ["resume = 'whole'", "its result is in whole/result.nc"]),
        (["--resume", "out", "--seed", "1"], ["--resume goes on with the configuration", "leave other flags out"]),
        (["--resume", "out", "--preset", "smoke"], ["leave other flags out"]),
        (["--resume", "out", "--overwrite"], ["leave other flags out"]),
        (["--resume"], ["--resume", "one argument"]),
    ],
)
def test_what_cannot_be_gone_on_with_is_refused(
    here: Path, capsys: pytest.CaptureFixture[str], words: list[str], fragments: list[str]
) -> None:
    run("--out", "whole")
    stopped("--out", "out")
    capsys.readouterr()
    before = contents(here)
    Terminal.is_refusal(run(*words, capsys=capsys), *fragments)
    assert contents(here) == before


def test_a_dry_run_of_resuming_shows_the_configuration(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stopped("--out", "out", "--rolls", "30")
    capsys.readouterr()
    answer = run("--resume", "out", "--dry-run", capsys=capsys)
    assert answer == Answer(0, 'seed = 0\ndevice = "cpu"\nscenes = []\nout = "out"\nrolls = 30\ntables = 4\n', "")


def full_after(count: int, patch: pytest.MonkeyPatch) -> None:
    """A disk that has room for the configuration and so many cells."""
    write, left = files.write_atomically, [count + 1]

    def refuse(path: Path, writer: Any) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(28, "No space left on device")
        write(path, writer)

    patch.setattr(files, "write_atomically", refuse)


@pytest.mark.parametrize("room", [-1, 0, 1, 3])
def test_a_disk_that_fills_up_while_cells_are_written_costs_nothing_but_these(
    here: Path, capsys: pytest.CaptureFixture[str], room: int
) -> None:
    run("--out", "whole")
    capsys.readouterr()
    with pytest.MonkeyPatch.context() as patch:
        full_after(room, patch)
        stopped("--out", "out")
    told = capsys.readouterr().err.splitlines()
    assert [line for line in told if "cannot be kept" in line] == [
        "simlab: finished work cannot be kept in out/cells (No space left on device)."
    ]
    if room < 1:
        assert told[-1] == "simlab: interrupted; nothing was written."
        assert not Path("out").exists()
    else:
        assert told[-1] == "simlab: interrupted; go on with: python -m simlab run casino --resume out"
        assert len(list(Path("out/cells").glob("*.npz"))) == room
    assert run(*(["--out", "out"] if room < 1 else ["--resume", "out"])).status == 0
    equal(Path("out"), Path("whole"))


@pytest.mark.parametrize("room", [-1, 0, 2])
def test_a_disk_without_room_for_cells_may_have_it_for_the_result(here: Path, room: int) -> None:
    run("--out", "whole")

    def there_is_room(config: Config, found: Any) -> Any:
        patch.undo()
        return dice.compare(config, found)

    with pytest.MonkeyPatch.context() as patch:
        full_after(room, patch)
        patch.setattr(dice, "compare", there_is_room)
        assert run("--out", "out").status == 0
    equal(Path("out"), Path("whole"))


def test_a_failure_of_the_program_keeps_what_is_finished(here: Path) -> None:
    run("--out", "whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dice, "theory", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run("--out", "out")
    assert run("--resume", "out").status == 0
    equal(Path("out"), Path("whole"))


def test_a_run_from_python_goes_on_as_well(here: Path) -> None:
    run("--out", "whole")
    stopped("--out", "out")
    with pytest.raises(InputError, match="it holds an unfinished run with another seed"):
        run_study(STUDY, "default", {"out": "out", "seed": 1}, progress=False)
    result = run_study(STUDY, "smoke", {"out": "out"}, progress=False)
    assert [c.verdict for c in result.claims] == ["holds"] * 4
    equal(Path("out"), Path("whole"))
    in_memory = run_study(STUDY, "smoke", {}, progress=False)
    xr.testing.assert_identical(in_memory["dice"], result["dice"])
    assert {p.name for p in here.iterdir()} == {"whole", "out"}, "a run without a folder writes nothing"
    with pytest.raises(InputError, match="there is no study 'casino'"):
        simlab.run("casino")
