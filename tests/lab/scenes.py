"""Scenes that nobody has to write: modules with the members that a test gives them."""

from __future__ import annotations

from types import ModuleType
from typing import Any


def scene(name: str = "dice", /, **members: Any) -> ModuleType:
    """A module casino.NAME."""
    found = ModuleType(f"casino.{name}")
    found.__dict__.update({"SOURCE": "Laplace", "PANELS": (), **members})
    return found
