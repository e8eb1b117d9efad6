"""What monitoring measures later windows against, made of a candidate's own rows when it is evaluated."""

from __future__ import annotations

MONITORING = "monitoring"
