"""What the columns of a project's `predictions` are called: whoever writes or reads the table asks here.

The key and the event time keep their names. A column of ours that one of them would hide is called `nightshift_…`, and
stays so in a table that has it. A class has its scores in `score_CLASS`; where that name is taken, by case alone too,
some digits of the class's own SHA-256 stand behind it, so that the class can be told from the name whatever classes
other versions have.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from nightshift.errors import DataRefusedError
from nightshift.spec.project import Project

TABLE = "predictions"

_OURS = ("prediction", "score", "model_version", "run_id", "dataset_version", "arm")
# What tables of before had of these whatever the key was called: a key of that name is not in them.
_ALWAYS = frozenset(_OURS) - {"arm"}
_PREFIX = "score_"
_DIGESTED = re.compile(r"(.*)_([0-9a-f]{8})", re.DOTALL)


@dataclass(frozen=True)
class PredictionColumns:
    """The names of the columns of one project's `predictions`.

    Attributes:
        identity: the key and the event time, each once.
        prediction: the class, 0 or 1, or the value.
        score: of a binary label, the probability of 1.
        arm: whose answer it is: the champion's, a challenger's, or that of a version somebody asked for.
    """

    identity: tuple[str, ...]
    prediction: str
    score: str
    model_version: str
    run_id: str
    dataset_version: str
    arm: str

    @classmethod
    def of(cls, project: Project, table: pa.Schema | None = None) -> PredictionColumns:
        """The names for a project.

        Args:
            table: the columns of the table, if there is one.
        """
        dataset = project.dataset
        identity = tuple(dict.fromkeys([*dataset.key, dataset.event_time]))
        names = {name: _free(name, identity, table) for name in _OURS}
        names["prediction"] = _of_kind(names["prediction"], project, table)
        return cls(identity, **names)

    def check(self, project: Project, table: pa.Schema | None, where: str) -> None:
        """Refuse a key that has the name of a column of ours in rows that were written before.

        Raises:
            DataRefusedError: the table has such rows; what is in them would be taken for keys.
        """
        written = _ALWAYS if project.label.kind == "binary" else _ALWAYS - {"score"}
        for name in sorted(written & set(self.identity)):
            if (
                table is not None
                and name in table.names
                and _free(name, self.identity, None) not in table.names
            ):
                raise DataRefusedError(
                    f"the column {name!r} is part of the key, and earlier rows of the table hold no key in it",
                    where=where,
                    remedy=f"give it another name in the SQL and in dataset.key, such as row_{name}",
                )

    def scores(self, classes: Sequence[str], table: pa.Schema | None = None) -> dict[str, str]:
        """The column of each class's scores, in the classes' order."""
        names = () if table is None else table.names
        ours = (*self.identity, *(getattr(self, name) for name in _OURS))
        wanted = Counter(f"{_PREFIX}{one}".casefold() for one in classes)
        taken = Counter(dict.fromkeys((one.casefold() for one in (*ours, *names)), 1)) + wanted
        hidden = {one.casefold() for one in ours}
        found = {}
        for one in classes:
            plain, marked = f"{_PREFIX}{one}", f"{_PREFIX}{one}_{_digest(one)}"
            is_plain = class_of(plain) == one and plain.casefold() not in hidden
            if is_plain and plain in names:
                found[one] = plain
            elif marked in names or not is_plain or taken[plain.casefold()] > 1:
                found[one] = marked
            else:
                found[one] = plain
        return found

    def classes(self, table: pa.Schema) -> dict[str, str]:
        """The classes that the table has scores of, in sorted order as a model has them, and their columns."""
        columns = (
            one.name
            for one in table
            if one.name.startswith(_PREFIX)
            and one.name not in self.identity
            and pa.types.is_floating(one.type)
        )
        return dict(sorted((class_of(name), name) for name in columns))

    def renamed(self, columns: Mapping[str, pa.Array], scores: Mapping[str, str]) -> dict[str, pa.Array]:
        """A scorer's columns under the names of the table.

        Args:
            scores: the column of each class's scores.
        """
        names = {"prediction": self.prediction, "score": self.score}
        names |= {f"{_PREFIX}{one}": column for one, column in scores.items()}
        return {names[name]: values for name, values in columns.items()}


def class_of(column: str) -> str:
    """The class that a column `score_…` has the scores of.

    >>> class_of("score_yes"), class_of("score_yes_8a798890")
    ('yes', 'yes')
    """
    text = column.removeprefix(_PREFIX)
    found = _DIGESTED.fullmatch(text)
    return found[1] if found and _digest(found[1]) == found[2] else text


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _free(name: str, identity: tuple[str, ...], table: pa.Schema | None) -> str:
    taken = {one.casefold() for one in identity}
    other = f"nightshift_{name}"
    while other.casefold() in taken:
        other = f"nightshift_{other}"
    is_there = table is not None and other in table.names
    return other if name.casefold() in taken or is_there else name


def _of_kind(name: str, project: Project, table: pa.Schema | None) -> str:
    """A name for predictions that are numbers in a table of texts, or the other way round: the label has changed."""
    if table is None or name not in table.names:
        return name
    is_text = project.label.kind == "multiclass"
    was_text = pa.types.is_string(table.field(name).type)
    if is_text == was_text:
        return name
    dataset = project.dataset
    return _free(f"{name}_{'class' if is_text else 'value'}", (*dataset.key, dataset.event_time), table)
