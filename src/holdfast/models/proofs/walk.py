"""A walk over all parts of a whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

__all__ = ["parts_first"]


def parts_first(root: Any, parts_of: Callable[[Any], Sequence[Any]]) -> Iterator[Any]:
    """Yield each object once, after all of its parts.

    >>> list(parts_first("ab", lambda text: list(text) if len(text) > 1 else []))
    ['b', 'a', 'ab']
    """
    waiting, seen = [(root, False)], {}
    while waiting:
        obj, is_ready = waiting.pop()
        if is_ready:
            yield obj
        elif id(obj) not in seen:
            seen[id(obj)] = obj  # kept, so that no other object gets its id
            waiting.append((obj, True))
            waiting.extend((part, False) for part in parts_of(obj))
