"""Look at staged rows, part the accepted from the refused, and put each where it belongs in the lake."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import duckdb
import pyarrow as pa

from nightshift.cost.meter import Meter
from nightshift.dataset.stage import open_staged
from nightshift.engine import batch_rows, engine, quote, quote_all, quote_text, reaches_out, refused_sql
from nightshift.errors import DataRefusedError
from nightshift.lake.tables import Lake, Replacement
from nightshift.quality.contract import Contract, keep_contract
from nightshift.quality.rules import Rule, check_rules, rules_of
from nightshift.records import RuleCount, Snapshot, Staged, format_time
from nightshift.settings import Settings
from nightshift.spec.durations import format_duration
from nightshift.spec.project import Project, digest

logger = logging.getLogger(__name__)

_EXAMPLES = 3


@dataclass(frozen=True)
class ColumnSummary:
    """What one column of a window holds; `minimum` and `maximum` are text, and of bytes say how many there are."""

    name: str
    type: str
    null_share: float
    minimum: str
    maximum: str


@dataclass(frozen=True)
class Report:
    """What quality found in a window."""

    rows: int
    refused: int
    refused_by: tuple[RuleCount, ...]
    newest: datetime
    columns: tuple[ColumnSummary, ...]


class Inspection:
    """Staged rows under their project's rules, on one DuckDB connection."""

    def __init__(
        self, project: Project, staged: Staged, connection: duckdb.DuckDBPyConnection, contract: Contract
    ) -> None:
        self.project = project
        self.staged = staged
        self.contract = contract
        self.connection = connection
        rows = read_staged(staged)
        connection.register("raw", rows)
        self.rules = rules_of(project, rows.schema)
        casts = (contract.kept(column) for column in rows.schema)
        known = _known_label(project, rows.schema)
        connection.execute(f"CREATE VIEW staged AS SELECT *{known} FROM (SELECT {', '.join(casts)} FROM raw)")
        check_rules(self.rules, connection, project)

    def report(self) -> Report:
        """Count rows, refusals by rule, and summarise each column."""
        counts = self._row(
            ["count(*)", f"count(*) FILTER (WHERE {_any_broken(self.rules)})", f"max({self._event_time})"]
            + [f"count(*) FILTER (WHERE {_broken(rule)})" for rule in self.rules]
        )
        by_rule = (
            RuleCount(rule=rule.name, rows=int(rows))
            for rule, rows in zip(self.rules, counts[3:], strict=True)
        )
        return Report(
            rows=int(counts[0]),
            refused=int(counts[1]),
            refused_by=tuple(count for count in by_rule if count.rows),
            newest=_utc(counts[2]),
            columns=self._summaries(),
        )

    def refuse_duplicates(self) -> None:
        """Raise DataRefusedError when two rows share a key: one row is one prediction.

        A null is no key: such rows are quarantined, however many there are.
        """
        names = self.project.dataset.key
        keys, whole = quote_all(names), " AND ".join(f"{quote(name)} IS NOT NULL" for name in names)
        shown = ", ".join(f"{quote(name)}::VARCHAR" for name in names)
        self.connection.execute(
            f"CREATE OR REPLACE TEMP VIEW twice(shown, n) AS SELECT concat_ws('/', {shown}), count(*) "
            f"FROM staged WHERE {whole} GROUP BY {keys} HAVING count(*) > 1"
        )
        total = self.connection.sql("SELECT count(*), sum(n) FROM twice").fetchall()[0]
        if total[0]:
            found = self.connection.sql(
                f"SELECT shown, n FROM twice ORDER BY ALL LIMIT {_EXAMPLES}"
            ).fetchall()
            examples = [f"{key} ({rows} rows)" for key, rows in found]
            raise DataRefusedError(
                f"{total[0]} keys occur more than once ({int(total[1])} rows), such as {', '.join(examples)}",
                where=f"project {self.project.name}: dataset.key {list(self.project.dataset.key)}",
                remedy="a join in the SQL that matches twice is the usual cause; or add a column to the key",
            )

    def accepted(self) -> pa.RecordBatchReader:
        """The rows that keep every rule, in the order (event time, key)."""
        order = f"{self._event_time}, {quote_all(self.project.dataset.key)}"
        query = f"SELECT * FROM staged WHERE NOT {_any_broken(self.rules)} ORDER BY {order}"
        found = self.connection.sql(query)
        return found.to_arrow_reader(batch_rows(found))

    def refused(self) -> pa.RecordBatchReader:
        """The refused rows: event time, key and row as JSON, and the rules that each broke."""
        broken = ", ".join(
            f"CASE WHEN {_broken(rule)} THEN {quote_text(rule.name)} END" for rule in self.rules
        )
        query = (
            f"SELECT {self._event_time}::TIMESTAMPTZ AS event_time, "
            f"to_json(struct_pack({_pack(self.project.dataset.key)}))::VARCHAR AS key, "
            f"concat_ws('; ', {broken}) AS rules, to_json(staged)::VARCHAR AS row "
            f"FROM staged WHERE {_any_broken(self.rules)} ORDER BY ALL"
        )
        found = self.connection.sql(query)
        return found.to_arrow_reader(batch_rows(found))

    @property
    def _event_time(self) -> str:
        return quote(self.project.dataset.event_time)

    def _row(self, expressions: list[str]) -> tuple[Any, ...]:
        return tuple(self.connection.sql(f"SELECT {', '.join(expressions)} FROM staged").fetchall()[0])

    def _summaries(self) -> tuple[ColumnSummary, ...]:
        staged = self.connection.sql("SELECT * FROM staged")
        names = list(staged.columns)
        types = [str(kind) for kind in staged.types]
        # Of bytes, their number: what they are is nothing to read.
        shown = [
            f"octet_length({quote(name)})" if kind == "BLOB" else quote(name)
            for name, kind in zip(names, types, strict=True)
        ]
        values = self._row(
            [
                expression
                for name in shown
                for expression in (
                    f"avg(({name} IS NULL)::INT)",
                    f"min({name})::VARCHAR",
                    f"max({name})::VARCHAR",
                )
            ]
        )
        rows = zip(names, types, values[0::3], values[1::3], values[2::3], strict=True)
        return tuple(
            ColumnSummary(name, kind, float(str(nulls)), str(low), str(high))
            for name, kind, nulls, low, high in rows
        )


@contextmanager
def inspected(
    project: Project, staged: Staged, as_of: datetime, settings: Settings
) -> Iterator[tuple[Inspection, Report]]:
    """Judge staged rows as a whole; on entering the block they were found fit, and nothing was written.

    Raises:
        RequestError: a rule is broken.
        DataRefusedError: duplicate keys, stale rows, a column that changed its type, or too many refused.
    """
    with engine(settings) as connection:
        rows = read_staged(staged)
        connection.register("raw", rows)
        contract = keep_contract(project, Lake.of(project.name, settings), rows, connection, settings)
        inspection = Inspection(project, staged, connection, contract)
        report = _report(inspection)
        inspection.refuse_duplicates()
        _refuse_stale(project, staged, report, as_of)
        _refuse_too_many(project, report)
        yield inspection, report


def validate(
    project: Project, staged: Staged, as_of: datetime, settings: Settings
) -> tuple[Snapshot, Report]:
    """Put the accepted rows of `staged` in the lake's `dataset` and the refused ones in `quarantine`.

    Each table's window is replaced in one commit; nothing is written when the rows as a whole are refused.

    Raises:
        RequestError: a rule is broken.
        DataRefusedError: the rows as a whole are refused, see `inspected`.
        OutsideError: the lake cannot be written.
    """
    meter = Meter()
    lake = Lake.of(project.name, settings)
    with inspected(project, staged, as_of, settings) as (inspection, report):
        mark = digest(
            staged.fingerprint, project.quality.model_dump(mode="json"), inspection.contract.columns
        )
        # The dataset first: where its table refuses the rows, nothing of them is written.
        change = Replacement(staged.window, project.dataset.event_time, mark)
        version = lake.replace("dataset", inspection.accepted(), change)
        if report.refused or lake.version("quarantine") is not None:
            lake.replace("quarantine", inspection.refused(), Replacement(staged.window, "event_time", mark))
        inspection.contract.record(lake)
    cost = meter.so_far()
    snapshot = Snapshot(
        project=project.name,
        table=lake.uri("dataset"),
        version=version,
        window=staged.window,
        as_of=as_of,
        rows=report.rows - report.refused,
        rows_in=report.rows + sum(staged.outside.values()),
        quarantined=report.refused,
        outside=staged.outside,
        refused_by=report.refused_by,
        quarantine_table=lake.uri("quarantine") if report.refused else "",
        digest=mark,
        seconds=cost.wall_s,
        cost=cost if staged.cost is None else staged.cost.followed_by(cost),
    )
    logger.info(
        "validate: %s accepted, %s quarantined of %s rows, dataset version %d, in %.1f s",
        f"{snapshot.rows:,}", f"{report.refused:,}", f"{report.rows:,}", version, snapshot.seconds,
    )  # fmt: skip
    return snapshot, report


def is_kept(project: Project, snapshot: Snapshot, settings: Settings) -> bool:
    """Whether the lake still holds what `validate` put there: the snapshot's rows, those refused, and the contract."""
    lake, window = Lake.of(project.name, settings), snapshot.window
    accepted = Replacement(window, project.dataset.event_time, snapshot.digest)
    if Contract.recorded(lake) is None or not lake.holds("dataset", snapshot.version, accepted):
        return False
    refused = Replacement(window, "event_time", snapshot.digest)
    return not snapshot.quarantined or lake.has_held("quarantine", refused)


def _report(inspection: Inspection) -> Report:
    where = f"project {inspection.project.name}: quality.rules"
    try:
        return inspection.report()
    except duckdb.Error as error:
        if reaches_out(error):
            raise refused_sql(error, "a rule", where=where, remedy="") from error
        raise DataRefusedError(
            f"a rule fails on a value: {error}",
            where=where,
            remedy="use try_cast in the rule, or mend the rows",
        ) from error


def read_staged(staged: Staged) -> pa.Table:
    """The staged rows, mapped and not copied."""
    return open_staged(staged).read_all()


def _refuse_stale(project: Project, staged: Staged, report: Report, as_of: datetime) -> None:
    allowed = project.quality.freshness
    if allowed is None:
        return
    late = min(staged.window.end, as_of) - report.newest
    if late > allowed:
        raise DataRefusedError(
            f"the newest row is from {format_time(report.newest)}, {late} before the end of {staged.window}; "
            f"quality.freshness allows {format_duration(allowed)}",
            where=f"project {project.name}",
            remedy="wait for the source to catch up, or choose a window or an as-of that it covers",
        )


def _refuse_too_many(project: Project, report: Report) -> None:
    share = report.refused / report.rows
    if share > project.quality.max_refused:
        worst = max(report.refused_by, key=lambda count: count.rows)
        raise DataRefusedError(
            f"{report.refused} of {report.rows} rows ({share:.0%}) break a rule, {worst.rows} of them: {worst.rule}",
            where=f"project {project.name}: quality.max_refused is {project.quality.max_refused:.0%}",
            remedy="look at the source, or mend the rule",
        )


def _broken(rule: Rule) -> str:
    return f"((\n{rule.condition}\n) IS FALSE)"


def _any_broken(rules: tuple[Rule, ...]) -> str:
    return f"({' OR '.join(_broken(rule) for rule in rules)})"


def _pack(columns: tuple[str, ...]) -> str:
    return ", ".join(f"{quote(column)} := {quote(column)}" for column in columns)


def _known_label(project: Project, schema: pa.Schema) -> str:
    """A label that is NaN is null, not known yet: it is what pandas and numpy write for that."""
    name = project.label.column
    if name not in schema.names or not pa.types.is_floating(schema.field(name).type):
        return ""
    return f" REPLACE (nullif({quote(name)}, 'nan'::DOUBLE) AS {quote(name)})"


def _utc(moment: object) -> datetime:
    assert isinstance(moment, datetime)
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
