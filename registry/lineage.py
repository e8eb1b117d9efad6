"""What a version leads back to: code commit, environment, machine."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

_PACKAGES = (
    "nightshift", "lightgbm", "numpy", "pandas", "pyarrow", "duckdb", "deltalake", "mlflow", "prefect", "torch",
)  # fmt: skip

# What follows a commit when files differ from it.
CHANGES = "+changes"


def code_commit(folder: Path) -> str:
    """The git commit that `folder` is at, with `+changes` when files differ from it; `none` outside of git."""
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return "none"
    return f"{commit}{CHANGES}" if _git(folder, "status", "--porcelain", "--untracked-files=no") else commit


def environment() -> dict[str, str]:
    """Versions of Python, of this machine and of the packages that shape a model."""
    found = {
        "python": platform.python_version(),
        "system": platform.platform(),
        "machine": platform.machine(),
        "processors": str(os.cpu_count()),
    }
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None
