"""What importing costs: the command line's help loads nothing heavy, and no module does anything when imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
HEAVY = ("prefect", "mlflow", "lightgbm", "pandas", "duckdb", "deltalake", "matplotlib", "torch")

HELP = f"""
import sys
sys.argv = ["nightshift", "--help"]
from deployments.cli import main
try:
    main()
except SystemExit as leave:
    assert not leave.code, leave.code
print("loaded:", [name for name in {HEAVY} if name in sys.modules])
"""

EVERYTHING = """
import importlib, os, pkgutil, subprocess, sys, threading
import nightshift, registry, tasks, flows
import psutil

def refuse(*_, **__):
    raise AssertionError("a module started a process")

import prefect, mlflow, lightgbm, matplotlib.pyplot, deltalake, duckdb, pandas, filelock  # their own affair
subprocess.Popen.__init__ = refuse
before, threads = set(os.listdir(".")), threading.active_count()
for package in (nightshift, registry, tasks, flows):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        importlib.import_module(module.name)
assert set(os.listdir(".")) == before, os.listdir(".")
assert threading.active_count() == threads, threading.enumerate()
assert not psutil.Process().children()
print("quiet")
"""


def run(code: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env={"PYTHONPATH": str(ROOT), "HOME": str(folder)},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_help_loads_nothing_heavy(tmp_path: Path) -> None:
    said = run(HELP, tmp_path)
    assert "loaded: []" in said
    for command in ("train", "predict", "models", "ingest", "validate"):
        assert command in said
    assert not list(tmp_path.iterdir())


def test_importing_any_module_starts_nothing(tmp_path: Path) -> None:
    assert run(EVERYTHING, tmp_path).strip().endswith("quiet")
