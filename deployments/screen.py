"""What a person or a program sees: tables and progress for one, a single JSON object for the other."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from nightshift.errors import NightshiftError

_LOGGERS = ("nightshift", "registry")


class Screen:
    """Where a command writes: results on stdout, all else on stderr when the result is JSON."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self.out = Console(stderr=as_json, highlight=False)
        self.progress: StepProgress | None = None

    def say(self, text: str) -> None:
        """One line for a person."""
        self.out.print(text)

    def line(self, text: str) -> None:
        """One line exactly as it is, to be copied: an address, a command."""
        self.out.print(text, soft_wrap=True, markup=False)

    def result(self, value: Mapping[str, Any]) -> None:
        """The JSON object, when that is what was asked for."""
        if self.as_json:
            sys.stdout.write(json.dumps(value, default=str) + "\n")

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """A table for a person; columns named with a leading `>` are aligned to the right."""
        if self.as_json:
            return
        if title:
            self.out.print(f"[bold]{escape(title)}[/]", soft_wrap=True)
        table = Table(
            header_style="bold",
            box=SIMPLE_HEAD,
            pad_edge=False,
        )
        for column in columns:
            table.add_column(column.lstrip(">"), justify="right" if column.startswith(">") else "left")
        for row in rows:
            table.add_row(*(escape(shown(value)) for value in row))
        self.out.print(table)

    def error(self, error: NightshiftError) -> None:
        """One error, saying what, where, what is valid and what helps."""
        if self.as_json:
            self.result(error.as_dict())
            return
        console = Console(stderr=True, highlight=False)
        console.print(f"[bold red]error:[/] {escape(error.what)}", soft_wrap=True)
        for name, text in (
            ("where", error.where),
            ("valid", ", ".join(error.valid)),
            ("remedy", error.remedy),
        ):
            if text:
                console.print(f"  [bold]{name + ':':<8}[/]{escape(text)}", soft_wrap=True)

    @contextmanager
    def steps(self) -> Iterator[StepProgress]:
        """Show what the steps log, and how far a long one is when this is a terminal."""
        handler = StepProgress(self.out)
        loggers = [logging.getLogger(name) for name in _LOGGERS]
        levels = [logger.level for logger in loggers]
        for logger in loggers:
            logger.setLevel(logging.DEBUG)
            logger.addHandler(handler)
        try:
            with handler:
                yield handler
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.removeHandler(handler)
                logger.setLevel(level)

    def bug(self, error: BaseException) -> None:
        """What is left when nobody foresaw it: the traceback, for a report."""
        traceback.print_exception(error, file=sys.stderr)
        if self.as_json:
            self.result({"error": f"{type(error).__name__}: {error}", "exit_code": NightshiftError.exit_code})
        Console(stderr=True).print(
            "[bold red]This is a bug in Nightshift.[/] Please report it with the lines above.", soft_wrap=True
        )


class StepProgress(logging.Handler):
    """A log handler that prints each step's closing line, and moves one bar while a step runs."""

    def __init__(self, console: Console) -> None:
        super().__init__(logging.DEBUG)
        self._console = console
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._step = self._bar.add_task("starting", total=None)
        self._is_quiet = False

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def waiting(self, what: str) -> None:
        """Say what is waited for now."""
        self._bar.reset(self._step, description=what, total=None)

    @contextmanager
    def quietly(self, what: str, total: int) -> Iterator[Callable[[], None]]:
        """Print no closing lines in this block, but one bar for all of it, which each call of what is given moves."""
        self._is_quiet = True
        self._bar.reset(self._step, description=what, total=total)
        try:
            yield lambda: self._bar.advance(self._step)
        finally:
            self._is_quiet = False

    def emit(self, record: logging.LogRecord) -> None:
        """Print closing lines and warnings; move the bar for the rest."""
        if self._is_quiet:
            return
        if record.levelno > logging.DEBUG:
            style = "yellow" if record.levelno >= logging.WARNING else "dim"
            self._console.print(f"[{style}]  {escape(record.getMessage())}[/]", soft_wrap=True)
            return
        step = getattr(record, "step", None)
        if step is not None:
            total = getattr(record, "total", None)
            self._bar.update(self._step, description=step, completed=record.done, total=total)  # type: ignore[attr-defined]


def shown(value: object) -> str:
    """A value as a table shows it.

    >>> shown(0.712005), shown(None), shown(194644)
    ('0.7120', '-', '194,644')
    """
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.4f}"
        case int():
            return f"{value:,}"
        case _:
            return str(value)
