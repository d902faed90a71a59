"""The ways in which a benchmark makes numbers of model files wrong, for each format."""

from __future__ import annotations

import io
import itertools
import json
import random
import re
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

NUMBERS = (2**30, -1, 0, 1, -(2**31), 2**62, 1.5, "x", None)
Crafted = tuple[str, bytes]


def crafted(path: Path) -> list[Crafted]:
    """Return the wrong files that one whole file becomes, each with what is wrong in it."""
    content = path.read_bytes()
    ways: dict[str, Callable[[bytes], Iterator[Crafted]]] = {
        ".skops": _of_skops,
        ".lgb": _of_text,
        ".json": _of_json,
        ".ubj": _of_bytes,
        ".onnx": _of_onnx,
        ".safetensors": _of_tensors,
    }
    return list(ways[path.suffix](content))


def _of_skops(content: bytes) -> Iterator[Crafted]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    for name, member in members.items():
        if name.endswith(".npy"):
            changed = _of_array(np.load(io.BytesIO(member)))
            versions = ((what, _npy(array)) for what, array in changed)
        elif name.endswith(".npz"):
            versions = _of_npz(member)
        elif name.endswith(".bin"):
            versions = itertools.islice(_of_bytes(member), 60)
        else:
            versions = _of_schema(json.loads(member))
        for what, version in versions:
            yield f"{name[-12:]} {what}", _zip({**members, name: version})


def _of_npz(member: bytes) -> Iterator[Crafted]:
    parts = dict(np.load(io.BytesIO(member)))
    for name, part in parts.items():
        for what, changed in _of_array(part):
            buffer = io.BytesIO()
            np.savez(buffer, **{**parts, name: changed})
            yield f"{name} {what}", buffer.getvalue()


def _of_array(array: Any) -> Iterator[tuple[str, Any]]:
    flat = np.atleast_1d(array)
    yield "shorter", flat[:-1]
    yield "empty", flat[:0]
    yield "longer", np.concatenate([flat, flat])
    yield "deeper", flat[None]
    if array.dtype.kind in "iuf":
        for kind in ("f8", "f4", "i8", "i4", "u1", ">i8", "U3"):
            if np.dtype(kind) != array.dtype:
                with np.errstate(all="ignore"):
                    yield kind, array.astype(kind)
        yield from _of_numbers(array)
    for field in array.dtype.names or ():
        for what, changed in _of_numbers(array[field]):
            whole = array.copy()
            whole[field] = changed
            yield f"{field} {what}", whole


def _of_numbers(array: Any) -> Iterator[tuple[str, Any]]:
    values: list[Any] = [0, 1, 2**30, 200]
    values += [-1, -2, -(2**30)] if array.dtype.kind in "if" else [2**32 - 1]
    values += [np.nan, np.inf] if array.dtype.kind == "f" else [2**62]
    for value, place in itertools.product(values, (0, array.size // 2, None)):
        with np.errstate(all="ignore"):
            try:
                changed = array.copy()
                changed.reshape(-1)[slice(None) if place is None else place] = value
            except (OverflowError, IndexError):
                continue
        yield f"{value} at {place}", changed


def _of_schema(schema: Any) -> Iterator[Crafted]:
    """Change each number in a schema of skops."""
    for node in list(_json_nodes(schema)):
        old = node["content"]
        if re.fullmatch(r"-?[0-9.e+]+|null|true|false", old):
            for value in NUMBERS:
                node["content"] = json.dumps(value)
                yield f"{old[:9]} is {value}", json.dumps(schema).encode()
        elif "Tree=" in old:
            for what, text in itertools.islice(_of_text(json.loads(old).encode()), 0, None, 7):
                node["content"] = json.dumps(text.decode())
                yield what, json.dumps(schema).encode()
        node["content"] = old


def _json_nodes(part: Any) -> Iterator[dict[str, Any]]:
    if isinstance(part, dict):
        if part.get("__loader__") == "JsonNode":
            yield part
        part = list(part.values())
    if isinstance(part, list):
        for value in part:
            yield from _json_nodes(value)


def _of_text(content: bytes) -> Iterator[Crafted]:
    """Change each line of LightGBM's text."""
    lines = content.decode().split("\n")
    last = lines.index("end of trees")
    for number, line in enumerate(lines[:last]):
        name, _, value = line.partition("=")
        tokens = value.split(" ")
        versions = [["1073741824", *tokens[1:]], ["-7", *tokens[1:]], ["0", *tokens[1:]]]
        versions += [["1", *tokens[1:]], ["nan", *tokens[1:]], tokens[:-1], tokens * 2, []]
        versions += [[*tokens[:-1], "1073741824"], ["1_0"], ["2147483648"], ["-2147483648"]]
        for version in versions if value else []:
            changed = [*lines[:number], f"{name}={' '.join(version)}", *lines[number + 1 :]]
            for sizes in (False, True):
                text = "\n".join(changed)
                yield f"{name} {version[:2]}", (_with_sizes(text) if sizes else text).encode()


def _with_sizes(text: str) -> str:
    """Return a text of LightGBM whose tree_sizes fit its trees."""
    body = text.partition("end of trees")[0]
    trees = re.split(r"(?m)^(?=Tree=)", body)[1:]
    sizes = " ".join(str(len(tree)) for tree in trees)
    return re.sub(r"(?m)^tree_sizes=.*$", f"tree_sizes={sizes}", text, count=1)


def _of_json(content: bytes) -> Iterator[Crafted]:
    """Change each list and each number of XGBoost's JSON."""
    model = json.loads(content)
    for holder, name, value in list(_entries(model)):
        versions: list[Any] = list(NUMBERS)
        if isinstance(value, list):
            versions = [value[:-1], value * 2, []]
            for number, place in itertools.product(NUMBERS, (0, len(value) // 2)):
                if place < len(value):
                    versions.append([*value[:place], number, *value[place + 1 :]])
        elif isinstance(value, str):
            versions = [str(number) for number in NUMBERS]
        for version in versions:
            holder[name] = version
            yield f"{name} {str(version)[:20]}", json.dumps(model).encode()
        holder[name] = value


def _entries(part: Any) -> Iterator[tuple[Any, Any, Any]]:
    pairs = part.items() if isinstance(part, dict) else enumerate(part)
    for name, value in pairs:
        if isinstance(value, dict) or (isinstance(value, list) and value[:1] and _deep(value)):
            yield from _entries(value)
        else:
            yield part, name, value


def _deep(value: list[Any]) -> bool:
    return isinstance(value[0], (dict, list))


def _of_bytes(content: bytes) -> Iterator[Crafted]:
    """Change single bytes, and cut the end off."""
    draw = random.Random(0)
    for _ in range(400):
        place, value = draw.randrange(len(content)), draw.choice((0, 1, 0x7F, 0x80, 0xFF))
        yield f"{value} at {place}", content[:place] + bytes([value]) + content[place + 1 :]
    for part in (0.3, 0.6, 0.99):
        yield f"cut at {part}", content[: int(len(content) * part)]


def _of_onnx(content: bytes) -> Iterator[Crafted]:
    """Change each list of numbers of each operator."""
    import onnx

    model = onnx.ModelProto.FromString(content)
    for attribute in (a for node in model.graph.node for a in node.attribute):
        for kind in ("ints", "floats"):
            numbers = getattr(attribute, kind)
            old = list(numbers)
            values = (2**30, -1, -(2**40), 5, 0, 2**62) if kind == "ints" else (np.nan, 1e38)
            versions = [[value, *old[1:]] for value in values] + [old[:-1], old[::2], old * 2]
            for version in versions if old else []:
                numbers[:] = version
                yield f"{attribute.name} {version[:2]}", model.SerializeToString()
            numbers[:] = old


def _of_tensors(content: bytes) -> Iterator[Crafted]:
    """Change each value of the header: shapes, places, types, and what describes the network."""
    (size,) = struct.unpack("<Q", content[:8])
    header, data = json.loads(content[8 : 8 + size]), content[8 + size :]
    about = header["__metadata__"]
    described = json.loads(about["holdfast"])
    for what, changed in _of_json(json.dumps(described).encode()):
        yield (
            what,
            _tensors({**header, "__metadata__": {**about, "holdfast": changed.decode()}}, data),
        )
    for what, changed in _of_json(content[8 : 8 + size]):
        yield what, _tensors(json.loads(changed), data)
    for number in (0, 8, 2**31, 2**63, 2**64 - 1):
        yield f"header of {number}", struct.pack("<Q", number) + content[8:]
    yield from itertools.islice(_of_bytes(content), 60)


def _tensors(header: Any, data: bytes) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def _npy(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _zip(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, member in members.items():
            archive.writestr(name, member)
    return buffer.getvalue()
