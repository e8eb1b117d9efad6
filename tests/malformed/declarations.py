"""project.yaml in every way that it may be wrong."""

from __future__ import annotations

# ruff: noqa: E501 - tables of cases
import copy
from collections.abc import Iterator, Mapping
from random import Random
from typing import Any

import yaml

from tests.malformed.place import DECLARED, NAME, NETWORK, SQL, VALIDATE, Case, Place, changed

_TEXT = (5, 1.5, True, [], {}, ["a"], "")
_WHOLE = (-1, 1.5, True, [1], {"a": 1}, "many", 10**30)
_NUMBER = (-1.0, "much", True, [1.0], {}, float("inf"), float("nan"))
_DURATION = (
    "3",
    "3x",
    "d",
    "-1d",
    "0d",
    "1d 2h",
    5,
    1.5,
    True,
    [],
    {},
    "99999999999999d",
    "9" * 400 + "w",
    "",
)
_CHOICE = ("", "nonesuch", 1, True, [], {}, None)
_LIST = ("text", 5, True, {"a": 1}, [5], [[]], [None], [""])
_MAPPING = ("text", 5, True, [1], ["a"])

# Place of a key in the declaration, and values that it must not have.
KEYS: Mapping[str, tuple[Any, ...]] = {
    "name": (*_TEXT, None, "Shop", "other", "shop-", "../shop", "a b", "x" * 300),
    "purpose": (*_TEXT, None),
    "owner": (*_TEXT, None),
    "sources": (*_MAPPING, None, {}, {"1events": DECLARED["sources"]["events"]}, {"my-events": DECLARED["sources"]["events"]},
                {"": DECLARED["sources"]["events"]}, {"events": None}, {"events": []}, {"events": "rows.parquet"}),
    "sources.events.kind": (*_CHOICE, "file", "Files", "parquet", "delta "),
    "sources.events.uri": (5, True, [], {}, None, "", "nowhere.parquet", "ftp://host/rows.parquet", "${NIGHTSHIFT_UNSET}/x.parquet",
                           "${NIGHTSHIFT_DATA}/*.nothing", "${NIGHTSHIFT_DATA}/none/x.parquet", "http://example.com/x.parquet",
                           "gs://bucket/x.parquet", "s3:///x.parquet", "${}", "${NIGHTSHIFT_DATA", "a\x01b"),
    "sources.events.format": (*_CHOICE, "json", "Parquet", "xlsx"),
    "dataset": (*_MAPPING, None, {}),
    "dataset.sql": (5, True, [], {}, None, "", "other.sql", "../x.sql", "/etc/passwd", ".", "project.yaml/x"),
    "dataset.key": (*_LIST, None, [], ["nonesuch"], ["id", "id"], ["late"], ["ID"]),
    "dataset.event_time": (*_TEXT, None, "nonesuch", "x", "city", "id"),
    "dataset.label": (*_MAPPING, None, {}, {"column": "late"}, {"kind": "binary"}),
    "dataset.label.column": (*_TEXT, None, "nonesuch", "lat", "id", "sold_at", "weight"),
    "dataset.label.kind": (*_CHOICE, "binari", "Binary", "classification"),
    "dataset.label.known_after": _DURATION,
    "dataset.exclude": (*_LIST, ["nonesuch"]),
    "dataset.weight": (5, True, [], {}, "", "nonesuch", "late", "id"),
    "dataset.units": (*_MAPPING, {"nonesuch": "mile"}, {"x": 5}, {"x": None}),
    "quality": _MAPPING,
    "quality.freshness": _DURATION,
    "quality.rules": ("x > 0", 5, {"a": 1}, [5], [None], [[]], [""], ["x >"], ["x + 1"], ["nonesuch > 0"], ["sum(x) > 0"]),
    "quality.max_refused": (*_NUMBER, 0, 1.01),
    "split": _MAPPING,
    "split.train": _DURATION,
    "split.validate": _DURATION,
    "split.holdout": _DURATION,
    "learner": (*_MAPPING, None, {}),
    "learner.kind": (*_CHOICE, "lightgmb", "LightGBM", "xgboost"),
    "learner.rounds": (*_WHOLE, 0, None),
    "learner.early_stopping": (*_WHOLE, 0),
    "learner.reseed_every": (*_WHOLE, 0, None),
    "learner.seed": (*_WHOLE, None),
    "learner.half_life": _DURATION,
    "learner.mode": (*_CHOICE, "fine-tune"),
    "learner.class_weights": ("balance", 5, True, [], {"0": "much"}, {"0": -1.0}, {"0": None}, {"0": float("inf")}),
    "learner.reweight": (*_MAPPING, {}, {"by": "city", "to": "even"}, {"by": "city", "to": {"Ulm": 0}}, {"to": "uniform"}),
    "learner.checkpoint": _MAPPING,
    "learner.checkpoint.every": ("", "often", "0s", "-1s", "5", 5, True, "1 epoch", [], "50 tree"),
    "learner.checkpoint.keep": (*_WHOLE, 0),
    "learner.budget.minutes": (*_NUMBER, 0),
    "learner.budget.memory": ("much", "8", "8XB", "-1GB", "0GB", True, [], 1.5),
    "learner.divergence.factor": (*_NUMBER, 1, 0.5),
    "learner.divergence.patience": (*_WHOLE, 0),
    "learner.divergence.slow_down": (*_NUMBER, 0, 1),
    "learner.from_model": (5, True, [], {}, {"project": 5}, {"version": "1"}, {"project": NAME, "version": []}),
    "learner.params": (*_MAPPING, None, {"num_leafs": 7}, {"num_leaves": "many"}, {"num_leaves": 0}, {"num_leaves": 1.5},
                       {"learning_rate": 0}, {"learning_rate": -1}, {"learning_rate": "fast"}, {"learning_rate": float("inf")},
                       {"num_iterations": 5}, {"num_boost_round": 5}, {"n_estimators": 5}, {"seed": 3}, {"random_state": 3},
                       {"num_class": 2}, {"objective": "nonesuch"}, {"boosting": "nonesuch"}, {"bagging_freq": 7},
                       {"input_model": "x.txt"}, {"forcedsplits_filename": "/etc/passwd"}, {"data": "x.csv"}, {"config": "x.conf"},
                       {"max_depth": {"a": 1}}, {"metric": "nonesuch"}, {"": 1}, {"early_stopping_round": 3}, {"num_leaves": None}),
    "evaluate": _MAPPING,
    "evaluate.metric": (5, True, [], {}, "", "roc_acu", "rmse", "ROC_AUC"),
    "evaluate.slices": (*_LIST, ["nonesuch"]),
    "refit": ("maybe", 5, [], {}, None, 1.5),
    "gates": (*_MAPPING, {"margin": 0.1}),
    "drift": _MAPPING,
    "drift.window": _DURATION,
    "drift.reference": (*_CHOICE, "champion"),
    "drift.segments": ("text", 5, True, {}, [5], [""]),
    "drift.signals": (*_MAPPING, {"psi": 5}, {"psi": {"floor": -1}}, {"psi": {"enabled": "maybe"}}, {"": {}}),
    "drift.false_discovery": (*_NUMBER, 0, 0.6),
    "drift.min_weight": (*_NUMBER, 1),
    "drift.feature_drift": (*_CHOICE, "retrian"),
    "drift.trips": (*_MAPPING, {"windows": 4, "of": 3}, {"of": 0}, {"worse": 1}),
    "drift.performance": (*_MAPPING, {"margin": -1}, {"unit": "percent"}, {"realised": "maybe"}),
    "drift.max_age": (*_DURATION, "1d"),
    "drift.min_labels": _WHOLE,
    "drift.cooldown": (*_DURATION, "90d"),
    "drift.per_week": (*_WHOLE, 0),
    "drift.quiet_hours": (*_MAPPING, {}, {"from": "08:00"}, {"from": "8", "to": "9"}, {"from": "25:00", "to": "26:00"},
                          {"from": "08:00", "to": "08:00"}, {"from": "00:00", "to": "23:59"}, {"from": [], "to": "09:00"}),
    "drift.freeze": ("always", 5, {"from": "2024-01-01"}, [5], ["2024-01-01"], [{"from": "2024-02-30"}], [{"from": 20240101}],
                     [{"from": "2024-02-01", "to": "2024-01-01"}], [{"until": "2024-01-01"}]),
    "tune": _MAPPING,
    "tune.learners": ("lightgbm", 5, {}, ["catboost"], [5], [None]),
    "tune.folds": (*_WHOLE, 0, 21),
    "tune.seed": _WHOLE,
    "tune.ranges": (*_MAPPING, {"catboost": {}}, {"lightgbm": {"num_leafs": {"low": 1}}}, {"lightgbm": []}, {"mlp": {"dropout": {"high": 1}}},
                    {"lightgbm": {"num_leaves": {"low": 9, "high": 3}}}, {"lightgbm": {"num_leaves": {"low": 2, "choices": [3]}}},
                    {"lightgbm": {"learning_rate": {"low": 0}}}, {"lightgbm": {"num_leaves": {"low": 2.5}}}),
    "night": (*_MAPPING, {}, {"timezone": "UTC"}),
    "night.schedule": ("", "daily", "0 2 * *", "0 2 * * * *", "61 2 * * *", "0 25 * * *", "0 2 30 2 *", "0 2 1 * 1", 5, True, [], {}, None),
    "night.timezone": (5, True, [], {}, None, "", "Berlin", "Europe/Berln", "../../etc/passwd", "GMT+25", "/etc/localtime", "Europe"),
    "night.catch_up": (*_WHOLE, 0, 401),
}  # fmt: skip

NETWORK_KEYS: Mapping[str, tuple[Any, ...]] = {
    "network": ("", "nonesuch", 5, True, [], {}, None, "builtins:eval", "os:system", "projects.shop.nets:build", "projects.none.x:y",
                "tabmm", "mlp ", "a:b:c"),
    "epochs": (*_WHOLE, 0, None),
    "early_stopping": (*_WHOLE, 0),
    "batch_size": (*_WHOLE, 0, None),
    "rate": (*_NUMBER, 0, None),
    "weight_decay": (*_NUMBER, None),
    "warm_up": (*_NUMBER, 1, None),
    "plateau": (*_MAPPING, {"patience": 0}, {"factor": 1}, {"factor": 0}, {"nonesuch": 1}),
    "clip": (*_NUMBER, 0),
    "device": (*_CHOICE, "gpu", "cuda:0"),
    "processes": (*_WHOLE, 0, None),
    "precision": (*_CHOICE, "fp16"),
    "compile": ("maybe", 5, [], {}, None),
    "deterministic": ("maybe", 5, [], {}, None),
    "images": (*_MAPPING, {"size": 4}, {"size": 5000}, {"channels": 2}, {"nonesuch": 1}),
    "phases": ("text", 5, [5], [{"train": "head", "epochs": 1}], [{}]),
    "mode": (*_CHOICE, "feature_extraction"),
    "head": (*_CHOICE, "keep"),
    "params": (*_MAPPING, None, {"layer": [8]}, {"layers": "8"}, {"layers": [0]}, {"layers": [-1]}, {"layers": [1.5]},
                {"dropout": 1}, {"dropout": -0.1}, {"dropout": "some"}, {"dropout": float("nan")}, {"": 1}),
    "rounds": (5,),
    "network_text": ("import os",),
}  # fmt: skip

REQUIRED = ("name", "purpose", "owner", "sources", "sources.events.kind", "sources.events.uri", "dataset", "dataset.key",
            "dataset.event_time", "dataset.label", "dataset.label.column", "dataset.label.kind", "learner.kind", "night.schedule",
            "learner.reweight.by", "drift.quiet_hours.from", "drift.quiet_hours.to")  # fmt: skip

# A text of project.yaml, and a word of its error.
TEXTS: Mapping[str, tuple[str | bytes, str]] = {
    "empty": ("", "declares nothing"),
    "a comment": ("# later\n", "declares nothing"),
    "a list": ("- name: shop\n", "declares nothing"),
    "a word": ("shop\n", "declares nothing"),
    "a number": ("42\n", "declares nothing"),
    "unclosed brackets": ("name: [shop\n", "line"),
    "unclosed quotes": ("name: 'shop\n", "line"),
    "a tab": ("name: shop\n\towner: me\n", "line"),
    "wrong indentation": ("dataset:\n    key: [id]\n  sql: x\n", "line"),
    "a colon in text": ("purpose: this: that\n", "line 1"),
    "JSON cut short": ('{"name": "shop", "owner": ', "line"),
    "a key twice": ("name: shop\nowner: a\nname: shop\n", "name"),
    "a key twice in brackets": ("sources: {events: {kind: files, kind: delta}}\n", "kind"),
    "a merge key": ("x: &x {a: 1}\ny: {<<: *x}\n", "<<"),
    "a tag of Python": ("name: !!python/object/apply:os.system ['true']\n", "tag"),
    "a tag": ("name: !shop x\n", "tag"),
    "two documents": ("name: shop\n---\nname: shop\n", "second document"),
    "a number as key": ("1: shop\n", "key"),
    "nothing as key": ("null: shop\n", "key"),
    "a list as key": ("? [a]\n: shop\n", "key"),
    "an unknown alias": ("name: *other\n", "other"),
    "a recursive alias": ("a: &a [*a]\n", "*a"),
    "a bomb": ("a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{b}: &{b} [{','.join(['*' + a] * 10)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)), "too many"),
    "deep brackets": ("a: " + "[" * 5000 + "]" * 5000, "deep"),
    "deep braces": ("a: " + "{a: " * 5000 + "1" + "}" * 5000, "deep"),
    "deep blocks": ("".join(" " * depth + "a:\n" for depth in range(400)), "deep"),
    "many values": ("a: [" + "1," * 70_000 + "1]", "too many"),
    "a long file": ("# " + "x" * 300_000 + "\n", "longer"),
    "Latin-1": (b"name: caf\xe9\n", "UTF-8"),
    "UTF-16": ("name: shop\n".encode("utf-16"), "UTF-8"),
    "a NUL": (b"name: a\x00b\n", "U+0000"),
    "an escaped NUL": ('name: "a\\0b"\n', "U+0000"),
    "an escape sequence": ('name: "\\e[2J"\n', "U+001B"),
    "a zip file": (b"PK\x03\x04\x14\x00\x00\x00", "project.yaml"),
    "random bytes": (bytes(Random(3).randrange(256) for _ in range(400)), "project.yaml"),
    "a Norwegian value": ("refit: yes\n", "refit"),
    "an octal number": ("learner: {rounds: 010}\n", "010"),
    "a number of 5,000 digits": (f"learner: {{rounds: {'9' * 5000}}}\n", "rounds"),
    "an infinite number": ("quality: {max_refused: .inf}\n", "max_refused"),
    "only SQL": (SQL, "project.yaml"),
    "conflict markers": ("<<<<<<< HEAD\nname: shop\n=======\nname: other\n>>>>>>> x\n", "line"),
    "XML": ("<project><name>shop</name></project>\n", "declares nothing"),
    "TOML": ('[project]\nname = "shop"\n', "line"),
    "an environment file": ("name=shop\nowner=me\n", "declares nothing"),
}  # fmt: skip


def cases(random: Random) -> Iterator[Case]:
    """Every key with what it must not have, keys misspelt and left out, and texts that are no declaration."""
    for key, values in KEYS.items():
        place = tuple(key.split("."))
        for value in values:
            yield _case(
                f"{key}: {_short(value)}", changed(place, value), (place[-1], place[0], *_given(value))
            )
    for key, values in NETWORK_KEYS.items():
        for value in values:
            declared = changed(("learner",), {**copy.deepcopy(NETWORK), key: value})
            yield _case(f"torch {key}: {_short(value)}", declared, (key, "learner", *_given(value)))
    for key in REQUIRED:
        *parents, last = key.split(".")
        declared = copy.deepcopy(DECLARED)
        part: Any = declared
        for parent in parents:
            part = part[parent]
        del part[last]
        yield _case(f"without {key}", declared, (last,))
    for place in _mappings(DECLARED, ()):
        yield _misspelt(place, random)
    for name, (text, word) in TEXTS.items():
        yield Case(f"project.yaml is {name}", VALIDATE, (2,), (word,), _text(text))


def _case(name: str, declared: Mapping[str, Any], names: tuple[str, ...]) -> Case:
    text = yaml.safe_dump(dict(declared), sort_keys=False, allow_unicode=True)
    return Case(f"declared {name}", VALIDATE, (2,), names, _text(text))


def _text(text: str | bytes) -> Any:
    def prepare(place: Place) -> None:
        place.text(text)

    return prepare


def _given(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) and len(value) > 2 else ()


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 60 else f"{text[:50]}... ({len(text)})"


def _mappings(value: Any, place: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Places of the mappings whose keys are declared, and not names of the user's own."""
    if isinstance(value, dict):
        if place not in ((), ("sources",), ("dataset", "units"), ("learner", "class_weights"), ("learner", "reweight", "to"),
                         ("drift", "signals"), ("tune", "ranges"), ("tune", "ranges", "lightgbm"), ("gates",)):  # fmt: skip
            yield place
        for key, inner in value.items():
            yield from _mappings(inner, (*place, key))


def _misspelt(place: tuple[str, ...], random: Random) -> Case:
    """One key of a mapping, with a letter left out, doubled or exchanged."""
    declared = copy.deepcopy(DECLARED)
    part: Any = declared
    for step in place:
        part = part[step]
    key = random.choice(sorted(part))
    at = random.randrange(1, len(key))
    wrong = random.choice(
        [key[:at] + key[at + 1 :], key[:at] + key[at] + key[at:], key[:at] + "q" + key[at:], key.upper()]
    )
    part[wrong] = part.pop(key)
    return _case(f"{'.'.join(place)}.{key} as {wrong}", declared, (wrong,))
