"""The checkout this code runs from, if it is one: its commit, and whether files differ from it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

MARKS = ("<!-- studies:start -->", "<!-- studies:end -->")
"""Between these, the README's table of studies is generated."""


def root() -> Path:
    """The folder above the package: of a checkout, its root."""
    return Path(__file__).resolve().parents[2]


def commit() -> str:
    """The commit, -dirty where files differ from it; empty for an installed package, and where git does not answer."""
    if not (root() / ".git").exists():
        return ""
    try:
        name = _git("rev-parse", "--short=12", "HEAD").strip()
        return f"{name}-dirty" if _changes() else name
    except (OSError, subprocess.SubprocessError):
        return ""


def changes() -> list[str]:
    """Files in which this checkout differs from its commit; none where there is no checkout, or no git to ask.

    Files under studies/ and the README's table do not count: `simlab record` writes them, one study after the other.
    Nor do files that git does not know, unless they lie in the package, where they could be imported.
    """
    if not (root() / ".git").exists():
        return []
    try:
        return _changes()
    except (OSError, subprocess.SubprocessError):
        return []


def _changes() -> list[str]:
    tracked = _git("diff", "--name-only", "--no-renames", "-z", "HEAD").split("\0")
    found = [name for name in tracked if name and not name.startswith("studies/")]
    if "README.md" in found and _without_table(_git("show", "HEAD:README.md")) == _without_table(_readme()):
        found.remove("README.md")
    new = _git("ls-files", "--others", "--exclude-standard", "-z", "simlab").split("\0")
    return found + [name for name in new if name]


def _readme() -> str:
    path = root() / "README.md"
    return path.read_text("utf-8") if path.exists() else ""


def _without_table(text: str) -> str:
    before, _, rest = text.partition(MARKS[0])
    return before + rest.partition(MARKS[1])[2]


def _git(*words: str) -> str:
    """What git says about this checkout, whatever repository its variables name, as they do in a hook."""
    elsewhere = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX")
    environment = {name: value for name, value in os.environ.items() if name not in elsewhere}
    call = ["git", "--no-optional-locks", "-C", str(root()), *words]
    done = subprocess.run(call, capture_output=True, env=environment, timeout=30, check=True)
    return done.stdout.decode("utf-8", "surrogateescape")
