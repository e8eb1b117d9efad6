"""The loader that versions without packed code name: MLflow loads these where Nightshift is installed."""

from __future__ import annotations

from nightshift.scoring.pyfunc import _load_pyfunc

__all__ = ["_load_pyfunc"]
