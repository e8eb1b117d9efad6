"""The program's face: its name, its arguments and what they are read into."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from nightshift.errors import RequestError

if TYPE_CHECKING:
    from deployments.screen import Screen

app = typer.Typer(
    name="nightshift",
    help="Retrain, check and use declared models, every night.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def before() -> None:
    """Retrain, check and use declared models, every night."""
    from nightshift.settings import exported

    if exported("MLFLOW_TRACKING_URI"):
        from deployments.stack.clients import hear_of_own_mlflow

        hear_of_own_mlflow()


Project = Annotated[str, typer.Argument(help="A folder under projects/; see `nightshift projects`.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout, all else on stderr.")]
AsOf = Annotated[
    str | None,
    typer.Option(
        "--as-of",
        help="The moment the run pretends is now, UTC: 2013-09-01, or 2013-09-01T02:00. "
        "Default: the last full hour.",
    ),
]
Start = Annotated[
    str | None, typer.Option("--start", help="First event time of the window. Default: a day before its end.")
]
End = Annotated[
    str | None, typer.Option("--end", help="End of the window, itself not in it. Default: as-of.")
]


def screen(as_json: bool) -> Screen:
    """Where a command writes."""
    from deployments.screen import Screen

    return Screen(as_json=as_json)


def moment(text: str | None) -> datetime | None:
    """A moment as people write it; UTC unless it says otherwise."""
    if text is None:
        return None
    from nightshift.windows import in_utc

    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise RequestError(
            f"{text!r} is no moment", valid=["2013-09-01", "2013-09-01T02:00", "2013-09-01T02:00:00-04:00"],
            remedy="write it as one of these; without a zone it is UTC",
        ) from error  # fmt: skip
    return in_utc(found)
