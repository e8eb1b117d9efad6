"""What a row must satisfy: rules inferred from the declaration, and those it declares."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import pyarrow as pa

from nightshift.dataset.float32 import BEYOND, fits
from nightshift.engine import DECLARE_SOURCE, quote, refused_sql, statements
from nightshift.errors import RequestError
from nightshift.spec.project import Project

_WRITE = "write a condition over the dataset's columns, such as: distance > 0"


@dataclass(frozen=True)
class Rule:
    """A condition in DuckDB SQL. As with an SQL CHECK, a row is refused when it is false; unknown passes."""

    name: str
    condition: str


def rules_of(project: Project, schema: pa.Schema) -> tuple[Rule, ...]:
    """Every rule a row of `project` must satisfy, inferred ones first.

    Args:
        schema: of the rows.
    """
    dataset = project.dataset
    inferred = [Rule(f"{key} is not null", f"{quote(key)} IS NOT NULL") for key in dataset.key]
    label = quote(dataset.label.column)
    if dataset.label.kind == "binary":
        number = f"TRY_CAST({label} AS DOUBLE)"
        inferred.append(
            Rule(f"{dataset.label.column} is 0 or 1", f"coalesce({number} IN (0, 1), {label} IS NULL)")
        )
    if dataset.label.kind == "regression":
        number = f"TRY_CAST({label} AS DOUBLE)"
        inferred.append(
            Rule(
                f"{dataset.label.column} is a finite number",
                f"coalesce(abs({number}) < {BEYOND!r}, {label} IS NULL)",
            )
        )
    if dataset.label.kind == "multiclass" and _is_float(schema, dataset.label.column):
        inferred.append(Rule(f"{dataset.label.column} is finite", f"NOT isinf({label})"))
    if dataset.weight:
        weight = f"TRY_CAST({quote(dataset.weight)} AS DOUBLE)"
        inferred.append(
            Rule(f"{dataset.weight} is a weight", f"coalesce({weight} >= 0 AND {weight} < {BEYOND!r}, false)")
        )
    if project.quality.beyond_float32 == "quarantine":
        numbers = (name for name in project.feature_columns(schema.names) if _is_float(schema, name))
        inferred += [Rule(f"{name} fits a float32", fits(quote(name))) for name in numbers]
    return (*inferred, *(Rule(text, text) for text in project.quality.rules))


def _is_float(schema: pa.Schema, column: str) -> bool:
    return column in schema.names and bool(pa.types.is_floating(schema.field(column).type))


def check_rules(rules: tuple[Rule, ...], connection: duckdb.DuckDBPyConnection, project: Project) -> None:
    """Bind every rule to the rows registered as `staged`.

    Raises:
        RequestError: a rule is no condition over the dataset's columns.
    """
    where = f"project {project.name}: quality.rules"
    for rule in rules:
        try:
            _require_one_condition(rule, connection, where)
            # In WHERE too: there an aggregate, which says nothing about one row, is refused.
            query = (
                f"SELECT (\n{rule.condition}\n) AS ok FROM staged WHERE (\n{rule.condition}\n) IS NOT NULL"
            )
            kind = str(connection.sql(query).types[0])
        except duckdb.Error as error:
            raise refused_sql(error, f"the rule {_shown(rule)}", where=where, remedy=_WRITE) from error
        if kind != "BOOLEAN":
            raise RequestError(
                f"the rule {_shown(rule)} gives {kind}, not true or false", where=where, remedy=_WRITE
            )


def _require_one_condition(rule: Rule, connection: duckdb.DuckDBPyConnection, where: str) -> None:
    """Refuse what would be a condition only by what stands around it, and statements of their own.

    Raises:
        duckdb.Error: the condition is no SQL.
    """
    try:
        alone = statements(connection, rule.condition)
    except duckdb.Error:  # as it should be: a condition is no statement
        alone = []
    if alone:
        raise RequestError(
            f"the rule {_shown(rule)} must be a condition, and is: {', '.join(alone)}", where=where,
            remedy=f"{_WRITE}. {DECLARE_SOURCE}",
        )  # fmt: skip
    for query in (f"SELECT {rule.condition}", f"SELECT (\n{rule.condition}\n)"):
        if statements(connection, query) != ["SELECT"]:
            raise RequestError(f"the rule {_shown(rule)} is no single condition", where=where, remedy=_WRITE)


def _shown(rule: Rule) -> str:
    text = repr(rule.name)
    return text if len(text) < 200 else f"{text[:180]}..."
