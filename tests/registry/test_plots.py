"""The figures: real PNG files of the house's size, whatever there is, or is not, to draw."""

from __future__ import annotations

import logging
import struct
import subprocess
import sys
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, get_args

import matplotlib.image
import numpy as np
import pytest

from nightshift.metrics.curves import (
    Curves,
    calibration,
    confusion_matrix,
    curves_of,
    precision_recall_curve,
    roc_curve,
)
from nightshift.metrics.residuals import residual_summary
from nightshift.metrics.sample import Sample
from nightshift.spec.project import Kind
from registry import plots

SUBTITLE = "flights-delay · holdout 2013-07-01 to 2013-07-15 · 400 rows"
HISTORY = {"train": {"auc": [0.6, 0.7, 0.75]}, "validate": {"auc": [0.58, 0.66, 0.65]}}
NAN = float("nan")


@pytest.fixture(autouse=True)
def _no_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def sample_of(kind: Kind, size: int = 400, classes: int = 3) -> Sample:
    random = np.random.default_rng(20)
    if kind == "regression":
        target = random.gamma(2, 10, size)
        return Sample.of(kind, target, 0.7 * target + random.normal(5, 4, size))
    if kind == "multiclass":
        labels = random.integers(0, classes, size)
        raw = random.random((size, classes)) + np.eye(classes)[labels]
        return Sample.of(kind, labels, raw / raw.sum(axis=1, keepdims=True))
    labels = random.integers(0, 2, size)
    return Sample.of(kind, labels, np.clip(random.normal(0.4 + 0.2 * labels, 0.15), 0, 1))


def assert_is_figure(path: Path) -> None:
    head = path.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", head[16:24]) == (880, 550)
    assert matplotlib.image.imread(path).min() < 0.5, "the figure is blank"


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("binary", ["roc_pr", "calibration", "learning_curve", "feature_importance"]),
        ("multiclass", ["calibration", "confusion", "learning_curve", "feature_importance"]),
        ("regression", ["residuals", "learning_curve", "feature_importance"]),
    ],
)
def test_every_kind_gets_its_figures(kind: Kind, names: list[str], tmp_path: Path) -> None:
    drawn = plots.draw_all(
        tmp_path / "new" / "folder",
        curves_of(sample_of(kind)),
        subtitle=SUBTITLE,
        history=HISTORY,
        best_round=2,
        importance={"distance": 5.0, "dep_hour": 3.0},
    )
    assert [path.name for path in drawn] == [f"{name}.png" for name in names]
    for path in drawn:
        assert_is_figure(path)


@pytest.mark.parametrize("kind", get_args(Kind))
def test_what_is_not_there_is_not_drawn(kind: Kind, tmp_path: Path) -> None:
    assert plots.draw_all(tmp_path, Curves(kind, 0), subtitle=SUBTITLE) == []


@pytest.mark.parametrize(
    ("history", "best"),
    [
        ({}, None),
        ({"train": {}}, 1),
        ({"train": {"auc": []}}, 1),
        ({"train": {"auc": [NAN, NAN]}, "validate": {"auc": [NAN, NAN]}}, 2),
        ({"train": {"auc": [0.7]}}, None),
        ({"train": {"auc": [0.7]}, "validate": {"auc": [0.6]}}, 1),
        ({"train": {"rmse": [3.0, NAN, float("inf"), 2.0]}}, 2),
        ({"train": {"rmse": [3.0, 2.0]}}, 99),
        ({"train": {"a": [1.0], "b": [2.0]}, "validate": {"b": [3.0], "c": [1.0]}, "fold": {"d": [1.0]}}, 1),
    ],
)
def test_any_history_can_be_drawn(history: Any, best: int | None, tmp_path: Path) -> None:
    assert_is_figure(plots.learning_curve(tmp_path, history, best, subtitle=SUBTITLE))


@pytest.mark.parametrize(
    ("names", "gains"),
    [
        ([], []),
        (["a"], [0.0]),
        (["a"], [3.0]),
        (["a", "b"], [NAN, 3.0]),
        (["a", "b"], [NAN, NAN]),
        ([f"a feature with a long name and the number {i:03}" for i in range(100)], list(range(100))),
    ],
)
def test_any_importance_can_be_drawn(names: list[str], gains: list[float], tmp_path: Path) -> None:
    assert_is_figure(plots.feature_importance(tmp_path, names, gains, subtitle=SUBTITLE))


@pytest.mark.parametrize(
    ("labels", "scores"),
    [
        ([], []),
        ([1], [0.4]),
        ([0, 0], [0.4, 0.6]),
        ([0, 1], [0.4, 0.4]),
        ([0, 1], [NAN, 0.4]),
        ([0, 1], [0, 1]),
    ],
)
def test_any_binary_rows_can_be_drawn(labels: list[int], scores: list[float], tmp_path: Path) -> None:
    sample = Sample.of("binary", labels, scores)
    roc, both = roc_curve(sample), precision_recall_curve(sample)
    assert_is_figure(plots.roc_pr(tmp_path, roc, both, subtitle=SUBTITLE))
    assert_is_figure(plots.calibration(tmp_path, calibration(sample), subtitle=SUBTITLE))


@pytest.mark.parametrize(
    ("target", "predicted"),
    [
        ([], []),
        ([1.0], [1.0]),
        ([1.0, NAN], [1.0, 2.0]),
        ([0.0, 0.0], [0.0, 0.0]),
        ([1e9, -1e9], [0.0, 1e12]),
    ],
)
def test_any_regression_rows_can_be_drawn(
    target: list[float], predicted: list[float], tmp_path: Path
) -> None:
    made = residual_summary(Sample.of("regression", target, predicted))
    assert_is_figure(plots.residuals(tmp_path, made, subtitle=SUBTITLE))


@pytest.mark.parametrize("classes", [2, 9, 16, 60])
def test_any_number_of_classes_can_be_drawn(classes: int, tmp_path: Path) -> None:
    names = [f"class number {code}" for code in range(classes)]
    matrix = confusion_matrix(sample_of("multiclass", classes=classes), names)
    assert_is_figure(plots.confusion(tmp_path, matrix, subtitle=SUBTITLE))
    nothing = confusion_matrix(Sample.of("multiclass", [], np.empty((0, classes))), names)
    assert_is_figure(plots.confusion(tmp_path, nothing, subtitle=SUBTITLE))


def test_names_are_text_and_never_formulas(tmp_path: Path) -> None:
    names = ["$5-$10", r"\frac{", "", "東京", "_hidden", "line\nbreak"]
    importance = dict.fromkeys(names, 1.0)
    assert_is_figure(
        plots.feature_importance(
            tmp_path, list(importance), list(importance.values()), subtitle=r"$\broken{" * 40
        )
    )
    matrix = confusion_matrix(sample_of("multiclass", classes=6), names)
    assert_is_figure(plots.confusion(tmp_path, matrix, subtitle="$"))


def test_the_same_numbers_make_the_same_file_even_at_once(tmp_path: Path) -> None:
    curves = curves_of(sample_of("binary"))

    def draw(name: str) -> list[bytes]:
        drawn = plots.draw_all(tmp_path / name, curves, subtitle=SUBTITLE, history=HISTORY, best_round=2)
        return [path.read_bytes() for path in drawn]

    with ThreadPoolExecutor(3) as pool:
        first, *others = pool.map(draw, ["a", "b", "c"])
    assert others == [first, first]


def test_drawing_leaves_style_and_log_level_as_they_were(tmp_path: Path) -> None:
    style = dict(matplotlib.rcParams)
    logging.getLogger("matplotlib").setLevel(logging.INFO)
    try:
        plots.learning_curve(tmp_path, HISTORY, 2, subtitle=SUBTITLE)
        assert logging.getLogger("matplotlib").level == logging.INFO
    finally:
        logging.getLogger("matplotlib").setLevel(logging.NOTSET)
    assert dict(matplotlib.rcParams) == style


def test_importing_the_module_loads_no_matplotlib() -> None:
    code = "import sys, registry.plots; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_drawing_never_loads_pyplot(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from registry.plots import learning_curve;"
        f"learning_curve(Path({str(tmp_path)!r}), {HISTORY!r}, 2, subtitle='x');"
        "print('matplotlib.pyplot' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
    assert done.stderr == ""
