"""The README is true: its Python runs, its commands are taken, its make targets do what it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from simlab.__main__ import main as simlab_main
from simlab.lab.cli import main as study_main
from simlab.lab.study import Study
from simlab.studies import load
from tests.studies.margins import LEFT_TO_DEFAULT

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", TEXT, re.DOTALL)
PYTHON = [text for language, text in BLOCKS if language == "python"]
COMMANDS = [line for language, text in BLOCKS if language == "console" for line in text.splitlines()]
STUDY_COMMANDS = [c for c in COMMANDS if c.startswith("python -m simlab.studies.")]


def study_of(command: str) -> Study:
    """The study that a command line runs."""
    return load(command.split()[2].rpartition(".")[2])


def words(command: str) -> list[str]:
    """What the shell hands to the program: quotes taken off, redirection and comment dropped."""
    import shlex

    return shlex.split(command.split(" > ")[0], comments=True)[3:]


def test_there_is_something_to_test() -> None:
    assert len(PYTHON) >= 2
    assert len(STUDY_COMMANDS) >= 5


def test_the_python_examples_run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    if not (ROOT / "studies" / "langevin_drift" / "record.nc").exists():
        pytest.skip(
            "the record that the second example reads is not written yet: python -m simlab record langevin_drift"
        )
    monkeypatch.chdir(ROOT)
    names: dict[str, object] = {}
    for text in PYTHON:
        exec(compile(text, "README.md", "exec"), names)
    printed = capsys.readouterr().out
    found = re.search(r"<x\^2> = ([\d.]+) \+- ([\d.]+), Gibbs: ([\d.]+)", printed)
    assert found
    value, error, gibbs = map(float, found.groups())
    # 4.9 standard errors, and the finite step: slope 0.196 times dt = 0.01.
    assert abs(value - gibbs) < 4.9 * error + 0.002
    curve = re.findall(r"features for 150 examples: ([\d.]+) \+- ([\d.]+), theory at large d: ([\d.]+)", printed)
    assert len(curve) == 3
    for value, error, limit in (map(float, row) for row in curve):
        # 4.9 standard errors, their rounding to two digits, and the finite size: 2/d = 0.04 of the value.
        assert abs(value - limit) < 4.9 * (error + 0.005) + 0.04 * limit
    assert curve[1][2] == max(row[2] for row in curve)


@pytest.mark.parametrize("command", STUDY_COMMANDS)
def test_the_commands_of_the_study_are_taken(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    study, flags = study_of(command), words(command)
    if "--help" in flags:
        with pytest.raises(SystemExit, match="0"):
            study_main(study, flags)
        assert "--potential" in capsys.readouterr().out
        return
    if "--config" in flags:
        assert study_main(study, ["--dry-run"]) == 0
        Path("my.toml").write_text(capsys.readouterr().out, encoding="utf-8")
    assert study_main(study, [*flags, "--dry-run"]) == 0


def test_the_smoke_runs_of_the_readme_hold(tmp_path: Path) -> None:
    small = [c for c in STUDY_COMMANDS if "smoke" in c]
    assert small
    for command in small:
        call = [sys.executable, "-m", *command.split()[2:3], *words(command)]
        done = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, check=False)
        # What a smoke run is too small to decide may turn out one way or the other.
        left = LEFT_TO_DEFAULT.get(study_of(command).name, set())
        told = set(re.findall(r"^(?:fails|undecided) +(\S+)", done.stdout, re.MULTILINE))
        assert told <= left, done.stdout + done.stderr
        assert done.returncode == int(bool(told)), done.stdout + done.stderr
    assert (tmp_path / "runs" / "mine" / "result.nc").exists()


def test_the_laboratory_s_commands_run(capsys: pytest.CaptureFixture[str]) -> None:
    for command in COMMANDS:
        if command.startswith("python -m simlab ") and " run " not in command:
            assert simlab_main(words(command)) in (0, 2 if "claims" in command else 0), command
    assert "langevin_drift" in capsys.readouterr().out


@pytest.mark.parametrize(("target", "command"), [("run", "simlab.studies.langevin_drift"), ("test", "pytest -n auto")])
def test_make_does_what_the_readme_says(target: str, command: str) -> None:
    assert f"make {target}" in TEXT
    # A make above this one (`make test` itself) hands its flags down, and they would print more lines than the plan.
    outer = {name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "MFLAGS", "MAKELEVEL"}}
    call = ["make", "--dry-run", target]
    planned = subprocess.run(call, cwd=ROOT, env=outer, capture_output=True, text=True, check=True).stdout
    assert command in planned.splitlines()[-1]


def test_every_path_that_the_readme_names_is_there() -> None:
    for path in re.findall(r"\]\((?!http)([^)#]+)\)", TEXT):
        if not path.startswith("studies/"):  # records come with the first `python -m simlab record`
            assert (ROOT / path).exists(), path
