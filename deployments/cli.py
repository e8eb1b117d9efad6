"""The command line: parse, hand over, show the outcome. Heavy imports wait for their command."""

from __future__ import annotations

import atexit
import gc
import os
import signal
import sys
from datetime import UTC, datetime
from types import FrameType
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
import typer._click as click

from nightshift.errors import NightshiftError, RequestError

if TYPE_CHECKING:
    from deployments.screen import Screen

BUG, INTERRUPTED, TERMINATED = NightshiftError.exit_code, 130, 143
_CARRY_ON = "nothing is half-written, run it again to carry on"

app = typer.Typer(
    name="nightshift",
    help="Retrain, check and use declared models, every night.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

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


@app.command()
def projects(as_json: Json = False) -> None:
    """List the declared projects."""
    from deployments.commands import list_projects

    list_projects(_screen(as_json))


@app.command()
def ingest(
    project: Project, start: Start = None, end: End = None, as_of: AsOf = None, as_json: Json = False
) -> None:
    """Bring a window's rows from the sources into the lake."""
    from deployments.commands import ingest_window

    ingest_window(_screen(as_json), project, _moment(start), _moment(end), _moment(as_of))


@app.command()
def validate(
    project: Project, start: Start = None, end: End = None, as_of: AsOf = None, as_json: Json = False
) -> None:
    """Look at a window's rows as quality does, and write nothing."""
    from deployments.commands import validate_window

    validate_window(_screen(as_json), project, _moment(start), _moment(end), _moment(as_of))


@app.command()
def train(project: Project, as_of: AsOf = None, as_json: Json = False) -> None:
    """Train a candidate, and promote it if it is not worse than the champion."""
    from deployments.commands import train_candidate

    train_candidate(_screen(as_json), project, _moment(as_of))


@app.command()
def predict(
    project: Project,
    start: Start = None,
    end: End = None,
    as_of: AsOf = None,
    version: Annotated[
        str | None, typer.Option(help="A version's number or alias. Default: the champion.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Score a window with the champion, and put the predictions into the lake."""
    from deployments.commands import predict_window

    predict_window(_screen(as_json), project, _moment(start), _moment(end), _moment(as_of), version)


@app.command()
def models(project: Project, as_json: Json = False) -> None:
    """List the versions of a project's model."""
    from deployments.commands import list_models

    list_models(_screen(as_json), project)


@app.command()
def up(as_json: Json = False) -> None:
    """Start the local Prefect server and MLflow's pages, on free loopback ports."""
    from deployments.commands import stack_up

    stack_up(_screen(as_json))


@app.command()
def down(as_json: Json = False) -> None:
    """Stop what `up` started."""
    from deployments.commands import stack_down

    stack_down(_screen(as_json))


@app.command()
def status(as_json: Json = False) -> None:
    """Show where the local servers are, and whether they answer."""
    from deployments.commands import stack_status

    stack_status(_screen(as_json))


@app.command()
def demo(as_json: Json = False) -> None:
    """Run everything on the flights out of New York in 2013."""
    from deployments.demo import run_demo

    run_demo(_screen(as_json))


def main() -> NoReturn:
    """The `nightshift` program: every outcome becomes an exit code."""
    # Importing Prefect, MLflow and LightGBM makes a million objects that stay: without this, a quarter of a
    # short command's time goes into looking for garbage among them, and another into freeing them at the end.
    gc.set_threshold(1_000_000, 20, 100)
    leave = _QuickExit()
    atexit.register(leave)
    signal.signal(signal.SIGTERM, _stop)
    leave.code = _outcome(as_json="--json" in sys.argv)
    sys.exit(leave.code)


class _QuickExit:
    """Ends the process without taking the interpreter apart; registered first, so it runs as the last handler."""

    def __init__(self) -> None:
        self.code = BUG

    def __call__(self) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(self.code)


def _outcome(*, as_json: bool) -> int:
    """Run the command, show its error if there is one, and return the exit code."""
    try:
        _run()
    except NightshiftError as error:
        _screen(as_json).error(error)
        return error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write(f"stopped by Ctrl-C; {_CARRY_ON}\n")
        return INTERRUPTED
    except _Terminated:
        sys.stderr.write(f"stopped by SIGTERM; {_CARRY_ON}\n")
        return TERMINATED
    except typer.Exit as leave:
        return leave.exit_code
    except click.ClickException as error:
        if as_json:
            _screen(as_json).error(RequestError(error.format_message(), remedy="see `nightshift --help`"))
        else:
            error.show()
        return RequestError.exit_code
    except Exception as error:  # noqa: BLE001 - the one place where any error becomes an exit code
        return _unforeseen(error, as_json)
    return 0


def _run() -> None:
    signals = _Signals()
    try:
        app(standalone_mode=False)
    except Exception as error:
        arrived = signals.arrived()
        if signal.SIGTERM in arrived:
            raise _Terminated from error
        if signal.SIGINT in arrived:
            raise KeyboardInterrupt from error
        raise


class _Signals:
    """Knows every signal that arrived, whoever handled it.

    Prefect takes SIGTERM over while a flow runs, and DuckDB turns what a handler raises into an error of its own.
    """

    def __init__(self) -> None:
        self._reader, writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer)

    def arrived(self) -> bytes:
        """The numbers of the signals since the last call."""
        try:
            return os.read(self._reader, 1024)
        except BlockingIOError:
            return b""


def _unforeseen(error: Exception, as_json: bool) -> int:
    """Show what no part of Nightshift raised: something outside that failed, or a bug."""
    from deployments.outside import as_outside_error

    known = as_outside_error(error)
    if known is None:
        _screen(as_json).bug(error)
        return BUG
    _screen(as_json).error(known)
    return known.exit_code


class _Terminated(BaseException):
    """SIGTERM arrived."""


def _stop(_: int, __: FrameType | None) -> NoReturn:
    raise _Terminated


def _screen(as_json: bool) -> Screen:
    from deployments.screen import Screen

    return Screen(as_json=as_json)


def _moment(text: str | None) -> datetime | None:
    """A moment as people write it; UTC unless it says otherwise."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise RequestError(
            f"{text!r} is no moment", valid=["2013-09-01", "2013-09-01T02:00", "2013-09-01T02:00:00-04:00"],
            remedy="write it as one of these; without a zone it is UTC",
        ) from error  # fmt: skip
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


if __name__ == "__main__":
    main()
