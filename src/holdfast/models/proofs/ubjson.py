"""A reader of UBJSON, the binary form of JSON in which XGBoost stores its models."""

from __future__ import annotations

from typing import Any

import numpy as np

from holdfast.models.proofs.claims import claim

__all__ = ["read_ubjson"]

INTEGERS = {b"i": ">i1", b"U": ">u1", b"I": ">i2", b"l": ">i4", b"L": ">i8"}
NUMBERS = {**INTEGERS, b"d": ">f4", b"D": ">f8"}
CONSTANTS = {b"T": True, b"F": False, b"Z": None}
MAX_DEPTH = 64


def read_ubjson(content: bytes) -> Any:
    """Return what a UBJSON text says; arrays of one type become arrays of NumPy.

    Raises
    ------
    DisprovedError
        When it is cut short, goes on after its end, or has anything else that XGBoost never writes.
    """
    reader = _Reader(content)
    value = reader.value(reader.take(1), 0)
    claim(reader.at == len(content), "a UBJSON text goes on after its end")
    return value


class _Reader:
    def __init__(self, content: bytes) -> None:
        self.content, self.at = content, 0

    def take(self, n: int) -> bytes:
        claim(0 <= n <= len(self.content) - self.at, "a UBJSON text is cut short")
        self.at += n
        return self.content[self.at - n : self.at]

    def value(self, mark: bytes, depth: int) -> Any:
        claim(depth < MAX_DEPTH, "a UBJSON text is too deep")
        if mark == b"{":
            return self.mapping(depth)
        if mark == b"[":
            return self.sequence(depth)
        if mark == b"S":
            return self.text()
        if mark in CONSTANTS:
            return CONSTANTS[mark]
        return self.number(mark)

    def number(self, mark: bytes) -> int | float:
        claim(mark in NUMBERS, f"a UBJSON text has the mark {mark!r}")
        kind = np.dtype(NUMBERS[mark])
        number: int | float = np.frombuffer(self.take(kind.itemsize), kind)[0].item()
        return number

    def length(self) -> int:
        mark = self.take(1)
        claim(mark in INTEGERS, "a UBJSON text has a length of another type")
        return int(self.number(mark))

    def text(self) -> str:
        return self.take(self.length()).decode("utf-8")

    def mapping(self, depth: int) -> dict[str, Any]:
        values: dict[str, Any] = {}
        while self.content[self.at : self.at + 1] != b"}":
            name = self.text()
            claim(name not in values, f"{name} is there twice")
            values[name] = self.value(self.take(1), depth + 1)
        self.take(1)
        return values

    def sequence(self, depth: int) -> Any:
        mark = self.take(1)
        if mark == b"$":
            kind, sign = self.take(1), self.take(1)
            claim(kind in NUMBERS and sign == b"#", "a UBJSON array has no type or no length")
            item = np.dtype(NUMBERS[kind])
            return np.frombuffer(self.take(self.length() * item.itemsize), item)
        if mark == b"#":
            n = self.length()
            claim(0 <= n <= len(self.content), "a UBJSON array has an odd length")
            return [self.value(self.take(1), depth + 1) for _ in range(n)]
        values = []
        while mark != b"]":
            values.append(self.value(mark, depth + 1))
            mark = self.take(1)
        return values
