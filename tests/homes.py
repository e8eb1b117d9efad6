"""Homes that are moved, and small ones that older code made: MLflow's database names its folders by absolute paths."""

from __future__ import annotations

import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path

PACKED = Path(__file__).parent / "data"
"""One archive a kind of home; its README says how they were made."""
PLACE = Path("/nightshift-home-of-the-tests")
"""Stands in a packed home's database for the folder that holds the home, its projects and their data."""


def unpack(kind: str, place: Path) -> None:
    """Put a packed home, its projects and their data into a folder, as if they had been made there."""
    with tarfile.open(PACKED / f"{kind}.tar.xz") as archive:
        archive.extractall(place, filter="data")
    readdress(place / "home" / "mlflow.db", PLACE, place)


def readdress(database: Path, old: Path, new: Path) -> None:
    """Replace one folder by another wherever MLflow's database names it."""
    with closing(sqlite3.connect(database)) as connection, connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in tables:
            for column in connection.execute(f"PRAGMA table_info({table})").fetchall():
                if column[2].startswith(("VARCHAR", "TEXT")):
                    connection.execute(
                        f'UPDATE "{table}" SET "{column[1]}" = replace("{column[1]}", ?, ?) '
                        f'WHERE instr("{column[1]}", ?)',
                        (str(old), str(new), str(old)),
                    )
