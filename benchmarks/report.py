"""What the benchmarks' reports share: where and with what they were run, and how they are written."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import time
from collections.abc import Iterable
from pathlib import Path


def header(command: str, machine: str, repeats: int, packages: Iterable[str]) -> str:
    """One line: the command, the machine, the date, rounds, and the versions of what is installed of `packages`."""
    found = []
    for package in ("simlab", *packages):
        try:
            found.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return (
        f"`{command}` on {machine}, {os.cpu_count()} processors, {time.strftime('%Y-%m-%d')}, {repeats} rounds; "
        f"Python {platform.python_version()}, {', '.join(found)}."
    )


def publish(lines: list[str], out: Path | None) -> None:
    """Print a report, and write it to a file if one is named."""
    print("\n".join(lines))
    if out:
        out.write_text("\n".join(lines) + "\n", encoding="utf-8")
