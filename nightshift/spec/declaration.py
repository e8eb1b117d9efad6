"""What every part of project.yaml is: frozen, and strict about its keys."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Column = Annotated[str, Field(min_length=1)]


class Declaration(BaseModel):
    """A part of project.yaml: frozen, and refusing keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())
