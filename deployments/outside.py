"""Errors of libraries that mean that something outside failed, in our words."""

from __future__ import annotations

from nightshift.atomic import disk_fault
from nightshift.errors import OutsideError, TransientError


def as_outside_error(error: BaseException) -> OutsideError | None:
    """The OutsideError that `error` stands for, or None when it is a bug.

    Libraries are told by module name, so that looking imports none of them.
    """
    kind = type(error)
    library = kind.__module__.split(".")[0]
    if library in ("httpx", "httpcore") or kind.__name__ == "PrefectHTTPStatusError":
        return TransientError(
            f"the Prefect server did not answer as expected: {error}",
            where="PREFECT_API_URL, or the local server",
            remedy="see `nightshift status`; `nightshift up` starts the local one",
        )
    if isinstance(error, OSError) and error.errno is not None and error.filename:
        return disk_fault(error, str(error.filename))
    if library in ("sqlite3", "sqlalchemy"):
        return OutsideError(
            f"a database failed: {error}",
            where="the SQLite files under NIGHTSHIFT_HOME, or what MLFLOW_TRACKING_URI names",
            remedy="look at the disk's space and rights, then run the same command again",
        )  # fmt: skip
    return None
