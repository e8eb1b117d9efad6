"""What `stack.json` remembers of the services: where each listens and which process it is."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from nightshift.atomic import replacing
from nightshift.errors import OutsideError


@dataclass(frozen=True)
class Record:
    """One service as it was last started.

    Attributes:
        port: on 127.0.0.1; kept when the server is taken down, so that bookmarks survive.
        url: what clients are given.
        log: the file that its stdout and stderr go to.
        pid: None once it was taken down.
        created: when that process began, in seconds since the epoch; tells a reused pid from the old one.
        is_guarded: whether it asks for the secret, as a server that an older version has left running does not.
        is_embedded: of MLflow, whether it serves the database under the home, which commands open by themselves.
    """

    port: int
    url: str
    log: str
    pid: int | None = None
    created: float | None = None
    is_guarded: bool = False
    is_embedded: bool = False


def path(home: Path) -> Path:
    """The file the records of this home are kept in."""
    return home / "stack.json"


def read(home: Path) -> dict[str, Record]:
    """The records by server name; none where nothing was started.

    Raises:
        OutsideError: the file is there and cannot be read.
    """
    try:
        return {name: Record(**fields) for name, fields in json.loads(path(home).read_bytes()).items()}
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise OutsideError(
            f"what is known of the local stack cannot be read: {error.strerror or error}",
            where=str(path(home)),
            remedy="make it readable, or set NIGHTSHIFT_HOME to another folder",
        ) from error
    except (ValueError, TypeError, AttributeError):
        # A file that was damaged or edited by hand is as good as none: servers carry a mark of their own, by
        # which they are found and stopped before another is started.
        return {}


def write(home: Path, name: str, record: Record) -> None:
    """Replace the record of `name`; a reader sees the old file or the new one. Call it under the lock."""
    records = read(home) | {name: record}
    with replacing(path(home)) as draft:
        draft.write_text(json.dumps({each: asdict(fields) for each, fields in records.items()}, indent=2))
