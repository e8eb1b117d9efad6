"""The demo from its data to its last line."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from deployments.connect import connected
from deployments.demo import nights, outcome
from deployments.demo.first_act import FirstAct
from deployments.flights import write_flights
from deployments.report import write_page
from deployments.screen import Screen
from nightshift.settings import Settings
from nightshift.spec.load import load_project

_NEXT = (
    ("up", "Prefect and MLflow in your browser"),
    ("models flights-delay", "see the versions of a model"),
    ("down", "stop every server again"),
)


def run_demo(screen: Screen) -> None:
    """Train two models and use them once; then let Nightshift manage a third through half a year of nights."""
    started = time.perf_counter()
    settings = Settings()
    screen.say(
        "[bold]Nightshift demo[/]: every flight out of New York in 2013, with its weather; three models.\n"
    )
    first = FirstAct()
    with screen.steps() as steps, _prepared(screen, settings, steps.waiting):
        first.play(screen)
        screen.say(
            f"\n[bold]{nights.PROJECT}[/]: a night a week, from {nights.BEGIN:%-d %B} to {nights.END:%-d %B}"
        )
        played = nights.play(screen, steps, settings)
        steps.waiting("comparing")
        found = outcome.read(played, settings)
        picture = outcome.draw(played, found, settings.home_path / "reports" / f"{nights.PROJECT}-replay.png")
    screen.say("")
    first.show(screen, settings)
    outcome.show(screen, played, found)
    page, _ = write_page(load_project(nights.PROJECT, settings.projects), settings)
    screen.say(f"\nreport:  {page}\npicture: {picture}\n")
    screen.say(
        f"Done in {time.perf_counter() - started:.0f} s. Everything is under {settings.home}; now type:\n"
    )
    program = _program()
    for command, purpose in _NEXT:
        screen.say(f"  [bold]{program + ' ' + command:<42}[/] {purpose}")
    screen.result(
        {**first.report(), **outcome.report(played, found), "picture": str(picture), "page": str(page)}
    )


def _program() -> str:
    """What to type for `nightshift` here: its name, or where it lies when the environment is not active."""
    if shutil.which("nightshift"):
        return "nightshift"
    path = Path(sys.argv[0]).absolute()
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


@contextmanager
def _prepared(screen: Screen, settings: Settings, waiting: Callable[[str], None]) -> Iterator[None]:
    """Data, tracking database and Prefect server: independent of each other, and each takes seconds."""
    from registry.tracking import prepare

    waiting("starting the local Prefect server")
    with ThreadPoolExecutor() as pool:
        database = pool.submit(prepare, settings)
        data = pool.submit(write_flights, Path(settings.data_uri))
        with connected(settings, waiting):
            database.result()
            said = "written to" if data.result() else "found in"
            screen.say(f"[dim]  data: {said} {settings.data_uri}[/]")
            yield
