"""Records name the code that made them: a checkout that differs from its commit is refused."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from simlab.core import checkout
from simlab.core.errors import InputError
from simlab.lab import records, results
from tests.cli_helpers import Terminal, contents

TABLE = f"above\n{checkout.MARKS[0]}\n| a | table |\n{checkout.MARKS[1]}\nbelow\n"


def git(folder: Path, *words: str) -> str:
    identity = ("-c", "user.name=n", "-c", "user.email=e", "-c", "commit.gpgsign=false")
    call = ["git", "-C", str(folder), *identity, *words]
    return subprocess.run(call, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small checkout that stands for this one."""
    if shutil.which("git") is None:
        pytest.skip("there is no git")
    files = {
        "README.md": TABLE, "simlab/a.py": "1\n", "studies/s/report.md": "old\n", "notes.md": "n\n",
        "pyproject.toml": "", ".gitignore": "runs/\n__pycache__/\n",
    }  # fmt: skip
    root = tmp_path / "tree with a blank π"
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, "utf-8")
    git(tmp_path, "init", "-q", str(root))
    git(root, "add", "-A")
    git(root, "commit", "-qm", "One")
    monkeypatch.setattr(checkout, "root", lambda: root)
    return root


def change(root: Path, name: str, text: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text, "utf-8")


def test_a_clean_checkout_has_the_name_of_its_commit(tree: Path) -> None:
    assert checkout.commit() == git(tree, "rev-parse", "HEAD")[:12]
    assert checkout.changes() == []
    records.require_clean()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("studies/s/report.md", "new"), ("studies/t/record.nc", "new"), ("notes.txt", "untracked"), ("runs/x.nc", "x"),
        ("README.md", TABLE.replace("table", "other table")), ("simlab/__pycache__/a.pyc", "x"),
    ],
)  # fmt: skip
def test_what_a_record_writes_and_what_git_does_not_know_are_no_changes(tree: Path, name: str, text: str) -> None:
    change(tree, name, text)
    assert checkout.changes() == []
    assert not checkout.commit().endswith("-dirty")


@pytest.mark.parametrize("staged", [False, True])
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("simlab/a.py", "2\n"), ("simlab/new module.py", "3\n"), ("simlab/deep/new.py", "3\n"), ("notes.md", "m\n"),
        ("README.md", TABLE.replace("below", "under")), ("pyproject.toml", "x = 1\n"),
    ],
)  # fmt: skip
def test_what_differs_from_the_commit_is_named(tree: Path, name: str, text: str, staged: bool) -> None:
    change(tree, name, text)
    if staged:
        git(tree, "add", "-A")
    assert checkout.changes() == [name]
    assert checkout.commit() == git(tree, "rev-parse", "HEAD")[:12] + "-dirty"
    with pytest.raises(InputError, match=rf"^this checkout differs from its commit in {name}; commit first.*\.$"):
        records.require_clean()


def test_a_file_that_is_gone_differs_and_many_are_counted(tree: Path) -> None:
    (tree / "simlab/a.py").unlink()
    assert checkout.changes() == ["simlab/a.py"]
    for i in range(5):
        change(tree, f"simlab/b{i}.py", "")
    with pytest.raises(InputError, match=r"in simlab/a.py, simlab/b0.py, simlab/b1.py and 3 more; commit"):
        records.require_clean()


def test_a_touched_file_does_not_differ(tree: Path) -> None:
    (tree / "simlab/a.py").write_text("1\n")
    assert checkout.changes() == []


def test_a_hook_of_another_repository_does_not_lend_its_commit(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(tmp_path, "init", "-q", "other")
    git(tmp_path / "other", "commit", "-qm", "Other", "--allow-empty")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other/.git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "other/.git/index"))
    found = checkout.commit()
    monkeypatch.delenv("GIT_DIR")
    monkeypatch.delenv("GIT_INDEX_FILE")
    assert found == git(tree, "rev-parse", "HEAD")[:12]


def test_without_git_or_a_repository_nothing_is_known(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    change(tree, "simlab/a.py", "2\n")
    with monkeypatch.context() as patch:
        patch.setenv("PATH", "")
        assert (checkout.commit(), checkout.changes()) == ("", [])
    shutil.rmtree(tree / ".git")
    assert (checkout.commit(), checkout.changes()) == ("", [])
    records.require_clean()
    assert results.provenance("s", "{}", "d", 0, 0.0)["git_commit"] == ""


@pytest.mark.parametrize("command", ["record", "seeds"])
def test_a_record_of_changed_code_is_refused_before_any_work(
    tree: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    monkeypatch.chdir(tree)
    monkeypatch.setattr("simlab.lab.records.root", lambda: tree / "studies")
    monkeypatch.setattr("simlab.lab.study.run", lambda *_: pytest.fail("it ran"))
    change(tree, "simlab/a.py", "2\n")
    before = contents(tree)
    terminal = Terminal(tree, capsys)
    Terminal.is_refusal(terminal.laboratory(command, "langevin_drift"), "simlab/a.py", "commit")
    assert terminal.laboratory(command, "langevin_drift", "--dry-run").status == 0
    assert contents(tree) == before
