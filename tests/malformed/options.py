"""Command lines that ask for what there is not: options, moments, windows, projects, versions, and the environment."""

from __future__ import annotations

# ruff: noqa: E501 - tables of cases
from collections.abc import Iterator
from random import Random

from tests.malformed.place import NAME, VALIDATE, Case, Place

MOMENTS = (
    "yesterday", "", " ", "2024-13-01", "2024-02-30", "2024-2-1", "01.02.2024", "2024-02-01T25:00", "2024-02-01T02:60",
    "2024-02-01T02:00+99:00", "2024-02-01 02:00 UTC", "24:00", "NaN", "-1", "1706745600", "2024-W99", "99999-01-01", "0000-01-01",
    "2024-02-01T02:00Europe/Berlin", "'2024-02-01'", "\uff12024-02-30", "$DATE", "2024-02-01;ls",
)  # fmt: skip
# They are moments; a window before them is not.
EDGES = ("0001-01-01", "0001-01-01T00:00+14:00", "9999-12-31T23:59:59-14:00")
MISSED = ("shpo", "Shop", "shop2", "none", "s", "shop-shop")
NO_NAMES = (
    "../shop",
    "shop/",
    "/etc",
    "a b",
    "",
    "SHOP!",
    ".",
    "..",
    "*",
    "shop\n",
    "-",
    "shöp",
    "x" * 300,
    "shop--x",
    "$HOME",
)
VERSIONS = (
    "99",
    "0",
    "-1",
    "champoin",
    "1.5",
    "",
    "v1",
    "latest",
    "9" * 400,
    "champion ",
    "@champion",
    "../1",
    "1;2",
)
COMMANDS = ("ingest", "validate", "train", "predict", "monitor", "nightly", "tune")
EVERY = (
    *COMMANDS,
    "reproduce",
    "projects",
    "models",
    "status",
    "report",
    "up",
    "down",
    "gc",
    "schedule",
    "deploy",
    "notify",
    "demo",
)


def cases(random: Random) -> Iterator[Case]:
    """All of them; which command is asked is drawn where each would do."""
    for text in MOMENTS:
        command = random.choice(COMMANDS)
        yield Case(
            f"{command} as of {text!r}", (command, NAME, "--as-of", text), (2,), (text.strip() or "moment",)
        )
        windowed, option = (
            random.choice(["ingest", "validate", "predict"]),
            random.choice(["--start", "--end"]),
        )
        yield Case(
            f"{windowed} {option} {text!r}", (windowed, NAME, option, text), (2,), (text.strip() or "moment",)
        )
    for text in EDGES:
        for command in ("ingest", "validate", "train", "predict", "monitor", "nightly", "tune"):
            yield Case(
                f"{command} as of {text}",
                (command, NAME, "--as-of", text),
                (2,),
                ("as-of", "--as-of", text[:4]),
            )
    for command in ("ingest", "validate", "predict"):
        for start, end in (
            ("2024-03-02", "2024-03-01"),
            ("2024-03-01", "2024-03-01"),
            ("2024-03-01T01:00", "2024-03-01T02:00+02:00"),
        ):
            window = ("--start", start, "--end", end)
            yield Case(f"{command} from {start} to {end}", (command, NAME, *window), (2,), ("start",))
        start = ("--start", "2024-03-02", "--as-of", "2024-03-01")
        yield Case(f"{command} that starts after as-of", (command, NAME, *start), (2,), ("start",))
    for name in (*MISSED, *NO_NAMES):
        command = random.choice([*COMMANDS, "models", "report", "schedule"])
        yield Case(
            f"{command} of the project {name!r}",
            (command, "--", name),
            (2,),
            ("project", "name", "prefect.yaml"),
        )
    for name in ("shpo", "../shop", "", "x" * 300, "shop\n"):
        yield Case(
            f"reproduce of the project {name!r}",
            ("reproduce", "--", name, "1"),
            (2,),
            ("project", "name", "version"),
            served=name == "shpo",
        )
        yield Case(f"gc of the project {name!r}", ("gc", "--", name), (2,), ("project",))
    yield from _versions()
    yield from _numbers()
    for command in EVERY:
        yield Case(f"{command} with an unknown option", (command, NAME, "--nonesuch"), (2,), ("--nonesuch",))
        yield Case(
            f"{command} with too many words",
            (command, *["word"] * 9, "--nonesuch=5"),
            (2,),
            ("word", "nonesuch", "unexpected"),
        )
    for command in (
        "ingest",
        "validate",
        "train",
        "predict",
        "monitor",
        "tune",
        "reproduce",
        "models",
        "report",
        "schedule",
    ):
        yield Case(f"{command} of nothing", (command,), (2,), ("PROJECT", "project"))
    for command in ("trian", "Train", "--nonesuch", "", "help", "train predict", "-x", "nightshift"):
        yield Case(f"the command {command!r}", (command,), (2,), (command or "command", "ommand", "option"))
    for command in ("ingest", "validate", "predict"):
        for option in ("--start", "--end", "--as-of"):
            yield Case(f"{command} {option} of nothing", (command, NAME, option), (2,), (option, "argument"))
    yield Case("nightly of nothing", ("nightly",), (2,), ("--all",))
    yield Case("nightly of all and one", ("nightly", NAME, "--all"), (2,), ("--all",))
    yield from _environment()
    yield from _prefect_yaml(random)


def _versions() -> Iterator[Case]:
    for version in VERSIONS:
        yield Case(
            f"reproduce version {version!r}",
            ("reproduce", "--", NAME, version),
            (2,),
            ("version", "champion", NAME),
            served=True,
        )
        yield Case(
            f"predict with version {version!r}",
            ("predict", NAME, "--version", version),
            (2,),
            ("version", "champion", NAME),
            served=True,
        )


def _numbers() -> Iterator[Case]:
    for text in ("", "0", "-3", "many", "1.5", "2x", "0h", "1h 30m", "1e9", "²", "9" * 400 + "h", "∞"):
        yield Case(
            f"tune with the budget {text[:20]!r}", ("tune", NAME, f"--budget={text}"), (2,), ("budget",)
        )
    for text in ("", "7", "0d", "-1d", "d", "soon", "1.5d", "7 days", "9" * 40 + "w", "9" * 400 + "d"):
        yield Case(
            f"gc of what is older than {text[:20]!r}",
            ("gc", f"--older-than={text}"),
            (2,),
            ("older-than", "duration"),
        )
    for text in ("/etc/passwd/report.html", "/proc/report.html"):
        yield Case(
            f"report into {text}", ("report", NAME, "--output", text), (2, 4), ("report", "night", text)
        )
    for kind in ("nonesuch", "", "Drift"):
        yield Case(
            f"notify of {kind!r}",
            ("notify", "--block", "slack-webhook/x", "--kind", kind),
            (2,),
            ("kind", "news", kind or "news"),
        )
    for block in ("", "slack", "a/b/c", "/"):
        yield Case(f"notify by {block!r}", ("notify", "--block", block), (2,), ("block",))


def _environment() -> Iterator[Case]:
    for value in ("lots", "-1GB", "1XB", "1GB'; install httpfs; --"):
        yield _env("NIGHTSHIFT_MEMORY_LIMIT", value, VALIDATE)
    for value in ("soon", "1s", "nan?"):
        yield _env("NIGHTSHIFT_WAIT_SECONDS", value, VALIDATE)
    for value in ("/nowhere/at/all", "/etc/passwd"):
        yield _env("NIGHTSHIFT_PROJECTS", value, VALIDATE)
        yield _env("NIGHTSHIFT_DATA", value, VALIDATE)
    for value in ("ftp://host/store", "http://host/store"):
        yield _env("NIGHTSHIFT_STORE", value, VALIDATE)
    for value in ("nonesuch", "ftp://host", "sqlite", "mysql+none://x"):
        yield Case(f"MLFLOW_TRACKING_URI={value}", ("models", NAME), (2, 4), ("MLFLOW_TRACKING_URI", "MLflow", value), env={
            "MLFLOW_TRACKING_URI": value})  # fmt: skip


def _env(name: str, value: str, command: tuple[str, ...]) -> Case:
    return Case(f"{name}={value}", command, (2,), (name, value), env={name: value})


def _prefect_yaml(random: Random) -> Iterator[Case]:
    """`schedule` writes prefect.yaml of the folder it is called in, which must be one."""
    texts = {
        "nothing": "", "a list": "- 1\n", "no YAML": "a: [\n", "no nightly": "deployments: []\n", "a key twice": "a: 1\na: 2\n",
        "deployments of text": "deployments: text\n", "deployments of numbers": "deployments: [1, 2]\n",
        "schedules of text": "deployments: [{name: nightly, schedules: text}]\n",
        "schedules of numbers": "deployments: [{name: nightly, schedules: [1]}]\n",
        "a merge key": "deployments: [{name: nightly, <<: {a: 1}}]\n", "a tag": "a: !x 1\n", "a NUL": "a: \0\n",
        "deep brackets": "a: " + "[" * 3000, "a mapping of deployments": "deployments: {name: nightly}\n",
    }  # fmt: skip
    for name, text in texts.items():
        yield Case(
            f"prefect.yaml of {name}",
            ("schedule", NAME),
            (2,),
            ("prefect.yaml",),
            _here("prefect.yaml", text),
        )
    yield Case("no prefect.yaml", ("schedule", NAME), (2,), ("prefect.yaml",))


def _here(name: str, text: str):  # type: ignore[no-untyped-def]
    def prepare(place: Place) -> None:
        (place.folder / name).write_text(text, encoding="utf-8")

    return prepare
