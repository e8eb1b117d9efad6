"""Profiles as JSON text, small enough to be saved with each model version, and back."""

from __future__ import annotations

import json
from base64 import b85decode, b85encode
from dataclasses import replace
from typing import Any, get_args

import numpy as np

from nightshift.drift.packing import Packer, Unpacker
from nightshift.drift.profile import CategoryColumn, Column, Counts, Floats, NumericColumn, Profile, Role
from nightshift.errors import DataRefusedError, RequestError

FORMAT = "nightshift profile"
VERSION = 1

_REMEDY = "train the model again, which saves a new profile"


def to_json(profile: Profile) -> str:
    """A profile as JSON text: names and values to be read, numbers packed.

    Counts, edges, moments and extremes are exact; sums in buckets keep seven digits. 50 columns with 20 segments take
    less than 200 KB.
    """
    columns = profile.columns.values()
    some = next(iter(profile.segments.values()), None)
    body = {
        "format": FORMAT,
        "version": VERSION,
        "rows": profile.rows,
        "columns": [_described(column, some.columns[column.name] if some else None) for column in columns],
        "counts": _packed(profile),
        "segments": {
            name: {"rows": segment.rows, "counts": _packed(segment)}
            for name, segment in profile.segments.items()
        },
    }
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))


def from_json(text: str | bytes, where: str = "") -> Profile:
    """The profile that a text holds.

    Args:
        where: the text's file or address, for the error.

    Raises:
        RequestError: the text is no profile, or one of another version.
        DataRefusedError: the text is torn or damaged.
    """
    try:
        body = json.loads(text)
    except ValueError as error:
        raise DataRefusedError(
            f"the profile is no whole JSON: {error}", where=where, remedy=_REMEDY
        ) from error
    if not isinstance(body, dict) or body.get("format") != FORMAT:
        raise RequestError("this is no profile of Nightshift", where=where, remedy=_REMEDY)
    if body.get("version") != VERSION:
        raise RequestError(
            f"the profile is of version {body.get('version')!r}", where=where, valid=(str(VERSION),),
            remedy=f"{_REMEDY}, or use the Nightshift that wrote it",
        )  # fmt: skip
    try:
        return _read(body)
    except (AttributeError, KeyError, TypeError, ValueError, IndexError) as error:
        what = f"the profile is damaged: {type(error).__name__}: {error}"
        raise DataRefusedError(what, where=where, remedy=_REMEDY) from error


def _described(column: Column, within: Column | None) -> dict[str, Any]:
    """What all of a column's counts share: its edges or values, and which of them segments have."""
    described: dict[str, Any] = {"name": column.name, "role": column.role}
    if isinstance(column, NumericColumn):
        packer = Packer()
        packer.floats(*column.edges)
        described |= {"edges": packer.text}
        if isinstance(within, NumericColumn):
            described["within"] = np.searchsorted(column.edges, within.edges).tolist()
    else:
        described |= {"values": column.values, "known": b85encode(column.known).decode()}
        if isinstance(within, CategoryColumn):
            described["within"] = len(within.values)
    return described


def _packed(profile: Profile) -> str:
    packer = Packer()
    for column in profile.columns.values():
        packer.whole(*column.counts.tolist(), column.nulls)
        if isinstance(column, NumericColumn):
            packer.whole(column.infinite)
            packer.sums(column.sums, column.counts)
            if column.finite:
                packer.floats(column.mean, column.m2, column.minimum, column.maximum)
    return packer.text


def _read(body: dict[str, Any]) -> Profile:
    shapes = [_shape(described) for described in body["columns"]]
    within = [_within(shape, described) for shape, described in zip(shapes, body["columns"], strict=True)]
    return Profile(
        rows=int(body["rows"]),
        columns=_unpacked(shapes, body["counts"]),
        segments={
            name: Profile(int(segment["rows"]), _unpacked(within, segment["counts"]), {})
            for name, segment in body["segments"].items()
        },
    )


def _shape(described: dict[str, Any]) -> Column:
    """A column without counts."""
    name, role = str(described["name"]), described["role"]
    if role not in get_args(Role):
        raise ValueError(f"role {role!r}")
    if "edges" in described:
        edges = np.frombuffer(b85decode(described["edges"]), dtype="<f8").astype(np.float64)
        if edges.size < 2 or not np.all(edges[1:] > edges[:-1]):
            raise ValueError(f"edges of {name!r}")
        return _empty(name, role, edges)
    values = tuple(map(str, described["values"]))
    return CategoryColumn(name, role, values, _no_counts(), 0, b85decode(described["known"]))


def _within(shape: Column, described: dict[str, Any]) -> Column:
    """The same column, as segments have it."""
    if "within" not in described:
        return shape
    kept = described["within"]
    if isinstance(shape, NumericColumn):
        return _empty(shape.name, shape.role, shape.edges[kept])
    return CategoryColumn(shape.name, shape.role, shape.values[:kept], _no_counts(), 0, b"")


def _empty(name: str, role: Role, edges: Floats) -> NumericColumn:
    nan = float("nan")
    return NumericColumn(name, role, edges, _no_counts(), np.empty(0), 0, 0, nan, 0.0, nan, nan)


def _no_counts() -> Counts:
    return np.empty(0, dtype=np.int64)


def _unpacked(shapes: list[Column], text: str) -> dict[str, Column]:
    unpacker = Unpacker(text)
    columns: dict[str, Column] = {}
    for shape in shapes:
        if isinstance(shape, NumericColumn):
            columns[shape.name] = _numbers(shape, unpacker)
        else:
            counts = unpacker.counts(len(shape.values) + 2)
            columns[shape.name] = CategoryColumn(
                shape.name, shape.role, shape.values, counts, unpacker.whole(), shape.known
            )
    unpacker.end()
    return columns


def _numbers(shape: NumericColumn, unpacker: Unpacker) -> NumericColumn:
    counts = unpacker.counts(shape.edges.size + 1)
    nulls, infinite = unpacker.whole(), unpacker.whole()
    sums = unpacker.sums(counts)
    column = NumericColumn(
        shape.name,
        shape.role,
        shape.edges,
        counts,
        sums,
        nulls,
        infinite,
        shape.mean,
        0.0,
        shape.mean,
        shape.mean,
    )
    if not column.finite:
        return column
    mean, m2, minimum, maximum = unpacker.floats(4).tolist()
    return replace(column, mean=mean, m2=m2, minimum=minimum, maximum=maximum)
