"""The `nightshift` program: every outcome becomes an exit code, and every signal an end."""

from __future__ import annotations

import atexit
import gc
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

import typer._click as click

from deployments.cli import runs, stack, views  # noqa: F401 - they add their commands to the app
from deployments.cli.app import app, screen
from deployments.signals import Signals
from nightshift.errors import NightshiftError, RequestError

BUG, INTERRUPTED, TERMINATED = NightshiftError.exit_code, 130, 143
_CARRY_ON = "nothing is half-written, run it again to carry on"


def main() -> NoReturn:
    """The `nightshift` program: every outcome becomes an exit code."""
    # Importing Prefect, MLflow and LightGBM makes a million objects that stay: without this, a quarter of a
    # short command's time goes into looking for garbage among them, and another into freeing them at the end.
    gc.set_threshold(1_000_000, 20, 100)
    leave = _QuickExit()
    atexit.register(leave)
    signal.signal(signal.SIGTERM, _stop)
    leave.code = outcome(lambda: app(standalone_mode=False), as_json="--json" in sys.argv)
    sys.exit(leave.code)


class _QuickExit:
    """Ends the process without taking the interpreter apart; registered first, so it runs as the last handler."""

    def __init__(self) -> None:
        self.code = BUG

    def __call__(self) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(self.code)


def outcome(command: Callable[[], int | None], *, as_json: bool) -> int:
    """Run a command, show its error if there is one, and return the exit code."""
    try:
        return _run(command)
    except NightshiftError as error:
        screen(as_json).error(error)
        return error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write(f"stopped by Ctrl-C; {_CARRY_ON}\n")
        return INTERRUPTED
    except _Terminated:
        sys.stderr.write(f"stopped by SIGTERM; {_CARRY_ON}\n")
        return TERMINATED
    except click.ClickException as error:
        if as_json:
            screen(as_json).error(RequestError(error.format_message(), remedy="see `nightshift --help`"))
        else:
            error.show()
        return RequestError.exit_code
    except Exception as error:  # noqa: BLE001 - the one place where any error becomes an exit code
        return _unforeseen(error, as_json)


def _run(command: Callable[[], int | None]) -> int:
    with Signals() as signals:
        try:
            # A command that ends with typer.Exit gives its code back.
            return command() or 0
        except Exception as error:
            # Prefect takes SIGTERM over while a flow runs, and DuckDB turns what a handler raises into an error
            # of its own: whatever was raised, the signal is the reason.
            arrived = signals.arrived()
            if signal.SIGTERM in arrived:
                raise _Terminated from error
            if signal.SIGINT in arrived:
                raise KeyboardInterrupt from error
            raise


def _unforeseen(error: Exception, as_json: bool) -> int:
    """Show what no part of Nightshift raised: something outside that failed, or a bug."""
    from deployments.outside import as_outside_error

    known = as_outside_error(error)
    if known is None:
        screen(as_json).bug(error)
        return BUG
    screen(as_json).error(known)
    return known.exit_code


class _Terminated(BaseException):
    """SIGTERM arrived."""


def _stop(_: int, __: FrameType | None) -> NoReturn:
    raise _Terminated
