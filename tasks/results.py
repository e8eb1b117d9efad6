"""How the results of steps are kept: as JSON that holds one of our records, and read as nothing else.

A kept result says itself by which serializer it is to be read, and Prefect believes it: one that names pickle is
unpickled, and in JSON a name is imported and called. So the same file is read here by our own serializer alone, and
what is no record of ours is as if it were not there: the step runs again and replaces it.
"""

from __future__ import annotations

import json
import logging
from typing import Any

from prefect._internal.result_records import ResultRecord, ResultRecordMetadata
from prefect.serializers import Serializer
from pydantic import Field, ValidationError

from nightshift.records import Record

logger = logging.getLogger(__name__)

TYPE = "nightshift/record"


class UnreadableResultError(ValueError):
    """A kept result that is no record of ours."""


class RecordSerializer(Serializer):
    """Writes a record with its name, and reads it back as the record of that name: nothing is imported or called."""

    type: str = Field(default=TYPE, frozen=True)

    def dumps(self, obj: Any) -> bytes:
        """A record as JSON; of an error, which Prefect keeps too, what it says."""
        if isinstance(obj, BaseException):
            return json.dumps({"error": str(obj)}).encode()
        if not isinstance(obj, Record):
            raise TypeError(f"a step returns a record, and no {type(obj).__name__}")
        return json.dumps({"record": _name(type(obj)), "data": obj.model_dump(mode="json")}).encode()

    def loads(self, blob: bytes) -> Any:
        """The record.

        Raises:
            UnreadableResultError: it is none.
        """
        try:
            found = json.loads(blob)
            kind = _records()[found["record"]]
            return kind.model_validate(found["data"])
        except (ValueError, KeyError, TypeError, RecursionError, ValidationError) as error:
            raise UnreadableResultError(f"it holds no record of ours: {error}") from error


def read_records_only() -> None:
    """Have Prefect read every kept result in this process by `RecordSerializer`, whatever a file says of itself."""
    # Both ways by which Prefect reads one. It has no setting for this: a task's own serializer is for writing alone.
    setattr(ResultRecord, "deserialize", classmethod(_from_one_file))  # noqa: B010 (typed as what it was)
    setattr(ResultRecord, "deserialize_from_result_and_metadata", classmethod(_from_two_files))  # noqa: B010


def _from_one_file(
    kind: type[ResultRecord[Any]], data: bytes, backup_serializer: Serializer[Any] | None = None
) -> ResultRecord[Any]:
    found = _json(data)
    return _read(kind, found.get("metadata"), str(found.get("result")).encode())


def _from_two_files(kind: type[ResultRecord[Any]], result: bytes, metadata: bytes) -> ResultRecord[Any]:
    return _read(kind, _json(metadata), result)


def _read(kind: type[ResultRecord[Any]], metadata: Any, result: bytes) -> ResultRecord[Any]:
    """The record of a result, if its own description says that it is one of ours.

    What else the description says is looked at only then: already to describe another serializer may import modules.
    """
    try:
        if not isinstance(metadata, dict) or metadata.get("serializer") != {"type": TYPE}:
            raise UnreadableResultError(f"it names another serializer than {TYPE}")
        described = ResultRecordMetadata.model_validate({**metadata, "serializer": RecordSerializer()})
        return kind(metadata=described, result=RecordSerializer().loads(result))
    except (UnreadableResultError, ValidationError) as error:
        logger.warning("results: a kept result is not read, and its step runs again: %s", error)
        raise


def _json(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise UnreadableResultError(f"it is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise UnreadableResultError("it is no JSON object")
    return found


def _records() -> dict[str, type[Record]]:
    """Every kind of record that is there, by its name."""
    found, left = {}, [Record]
    while left:
        kind = left.pop()
        found[_name(kind)] = kind
        left += kind.__subclasses__()
    return found


def _name(kind: type[Record]) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"
