"""Types of the flows' parameters that know more than their Python type: what the forms of the Prefect pages show."""

from __future__ import annotations

from typing import Annotated

from pydantic import GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from nightshift.settings import Settings
from nightshift.spec.load import project_names


class _DeclaredProjects:
    """Offers the declared projects as a choice, as they are at the moment when a form's schema is made.

    A name is not checked against them: the flow does that, at the moment it runs, and with a better error.
    """

    def __get_pydantic_json_schema__(
        self, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        schema = handler(core)
        projects = Settings().projects
        # Prefect asks for the schema also when a flow is imported, which may happen where there are no projects.
        names = project_names(projects) if projects.is_dir() else []
        return {**schema, "enum": names} if names else schema


ProjectName = Annotated[str, _DeclaredProjects()]
"""The name of a declared project: in a form, a choice of those that exist."""
