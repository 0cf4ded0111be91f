"""What a broken laboratory may leave behind in this process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any


def forgetting(caches: Sequence[Any]) -> Iterator[None]:
    """Nothing made by a broken laboratory is remembered, and nothing made before it: the body of a fixture."""
    for cached in caches:
        cached.cache_clear()
    yield
    for cached in caches:
        cached.cache_clear()
