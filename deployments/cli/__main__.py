"""`python -m deployments.cli` is `nightshift`."""

from __future__ import annotations

from deployments.cli.program import main

main()
