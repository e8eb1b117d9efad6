"""What someone does with a model who has no Nightshift: `python -I alone.py FOLDER`, in an interpreter of its own.

Of each model in FOLDER it writes the scores of one frame in every type that pandas has for its values, and what was
said of frames that cannot be scored.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from decimal import Decimal
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

HIDDEN = {
    "nightshift", "registry", "tasks", "flows", "deployments", "projects", "tests",
    "prefect", "duckdb", "deltalake", "optuna", "pydantic_settings",
}  # fmt: skip


class Hide(MetaPathFinder):
    """Nothing of these names is installed here."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Refuse them."""
        if name.partition(".")[0] in HIDDEN:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None


def variants(frame: Any) -> dict[str, Any]:
    """The same rows in other types."""
    import pandas as pd
    import pyarrow as pa

    numbers = [name for name in ("x", "gap", "n", "whole", "flag") if name in frame]
    made = {
        "as it is": frame,
        "other order": frame[list(reversed(frame.columns))],
        "columns beside": frame.assign(more="more", when=pd.Timestamp("2024-01-01")),
        "another index": frame.set_index(pd.Index(range(100, 100 + len(frame)), name="x")),
        "nullable": frame.convert_dtypes(),
        "arrow": frame.convert_dtypes(dtype_backend="pyarrow"),
        "objects": frame.astype(object),
        "mapping": {name: frame[name].tolist() for name in frame},
        "records": frame.to_dict("records"),
        "table": pa.Table.from_pandas(frame),
    }
    for kind in ("int64", "int32", "int16", "int8", "uint8", "uint64", "float64", "float32", "Int64", "Int8", "UInt16",
                 "Float32", "Float64", "object", "category", "int32[pyarrow]", "double[pyarrow]",
                 "decimal128(24, 2)[pyarrow]", "Sparse[int64]"):  # fmt: skip
        kind_of_whole: Any = kind
        if kind.startswith("decimal"):
            kind_of_whole = pd.ArrowDtype(pa.decimal128(24, 2))
        for name in ("n", "whole"):
            if name in frame:
                made[f"{name} {kind}"] = frame.assign(**{name: frame[name].astype(kind_of_whole)})
    for kind in ("float64", "float32", "Float64", "Float32", "object", "float[pyarrow]", "category"):
        made[f"numbers {kind}"] = frame.astype({name: kind for name in numbers if name in ("x", "gap")})
    made["nulls and NaN"] = frame.assign(
        gap=pd.array([None if value != value else value for value in frame["gap"]], dtype="Float64")
    )
    made["numbers of all sorts"] = frame.assign(
        n=[(int, float, Decimal)[place % 3](value) for place, value in enumerate(frame["n"])]
    )
    for kind in (object, "category", "string[python]", "string[pyarrow]", "str", pd.ArrowDtype(pa.large_string()),
                 pd.ArrowDtype(pa.string()), pd.ArrowDtype(pa.dictionary(pa.int32(), pa.string()))):  # fmt: skip
        made[f"texts {kind}"] = frame.astype({"city": kind})
    for kind in ("boolean", "object", "bool[pyarrow]", "int8", "float32"):
        made[f"flag {kind}"] = frame.astype({"flag": kind})
    return made


def refused(frame: Any) -> dict[str, Any]:
    """Frames that cannot be scored."""
    import pandas as pd

    return {
        "lacking": frame.drop(columns=["x", "city"]),
        "texts for numbers": frame.assign(x="high"),
        "times for numbers": frame.assign(x=pd.Timestamp("2024-01-01")),
        "a name twice": pd.concat([frame, frame[["x"]]], axis=1),
        "lists": frame.assign(city=[["a"]] * len(frame)),
        "mixed": frame.assign(city=[1, "a"] * (len(frame) // 2)),
        "no table": 7,
    }


def refusals() -> tuple[type[Exception], ...]:
    """The errors of the packed code."""
    names = [
        name for name in sys.modules if name.startswith("nightshift_scorer_") and name.endswith(".errors")
    ]
    return tuple(sys.modules[name].NightshiftError for name in names)


def main(folder: Path) -> None:
    """Score with every model."""
    sys.meta_path.insert(0, Hide())
    import mlflow.pyfunc
    import numpy as np
    import pandas as pd

    for path in sorted(folder.iterdir()):
        frame = pd.read_parquet(path / "frame.parquet")
        loaded = mlflow.pyfunc.load_model(str(path / "kept"))
        named = variants(frame) if "n" in frame else {"as it is": frame}
        np.savez(path / "scores.npz", **{name: loaded.predict(one) for name, one in named.items()})
        said = {}
        for name, one in (refused(frame) if "n" in frame else {}).items():
            try:
                loaded.predict(one)
            except refusals() as error:
                said[name] = f"{type(error).__name__}: {error}"
        (path / "refused.json").write_text(json.dumps(said))
    (folder / "modules.json").write_text(json.dumps(sorted(sys.modules)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
    sys.stdout.flush()
    os._exit(0)  # threads that read Arrow now and then abort an interpreter that takes itself apart
