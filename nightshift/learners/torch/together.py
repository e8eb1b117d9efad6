"""One training by several processes of this machine: torchrun starts them, each learns from its share of every batch.

This process does not compute. It answers what the others ask of the oversight: whether a checkpoint is due, where the
training was cut short, whether the budget is spent. When it ends, however it ends, the others do.
"""

from __future__ import annotations

import json
import selectors
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa

from nightshift import errors
from nightshift.checkpoints.checkpoint import Checkpoint
from nightshift.checkpoints.keeper import NOTHING_KEPT
from nightshift.errors import NightshiftError, OutsideError
from nightshift.learners.oversight import Oversight
from nightshift.learners.protocol import Fitted, Part, Task
from nightshift.learners.torch.frames import receive, send
from nightshift.learners.torch.model import load_model
from nightshift.spec.learner import Torch

TASK, SOCKET, MODEL, FITTED, STATE, ERROR = "task.json", "ask", "model", "fitted.json", "state", "error.json"
LABEL, WEIGHT = "nightshift label", "nightshift weight"
_WORKER = "nightshift.learners.torch.worker"
_PATIENCE = 10.0
_LOOKS_EVERY = 0.2


def fit_together(task: Task, recipe: Torch, oversight: Oversight) -> Fitted:
    """Train by `recipe.processes` processes; see `TorchLearner.fit`.

    Raises:
        NightshiftError: what one of them raised; an OutsideError when one ended without a word.
    """
    with tempfile.TemporaryDirectory(prefix="nightshift-torch-") as name:
        folder = Path(name)
        _write(folder, task, recipe, oversight)
        with socket.socket(socket.AF_UNIX) as listening, (folder / "log").open("wb") as log:
            listening.bind(str(folder / SOCKET))
            listening.listen(2 * recipe.processes)
            command = [
                sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node",
                str(recipe.processes), "-m", _WORKER, name,
            ]  # fmt: skip
            processes = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            try:
                resumed = _Answers(oversight).serve(listening, processes)
            finally:
                _end(processes)
        _raise_what_was_raised(folder, processes.returncode)
        return _read(folder, resumed, oversight)


class _Answers:
    """What the processes are answered."""

    def __init__(self, oversight: Oversight) -> None:
        self._oversight = oversight
        self._newest: Checkpoint | None = None
        self._looked_for = False

    def serve(self, listening: socket.socket, processes: subprocess.Popen[bytes]) -> Checkpoint | None:
        """Answer until the processes have ended; the checkpoint that they went on from, if any."""
        with selectors.DefaultSelector() as asked:
            asked.register(listening, selectors.EVENT_READ)
            try:
                while processes.poll() is None:
                    for key, _ in asked.select(_LOOKS_EVERY):
                        self._hear(key.fileobj, listening, asked)
            finally:
                for key in list(asked.get_map().values()):
                    if isinstance(key.fileobj, socket.socket) and key.fileobj is not listening:
                        key.fileobj.close()
        return self._newest

    def _hear(self, one: Any, listening: socket.socket, asked: selectors.BaseSelector) -> None:
        if one is listening:
            asked.register(listening.accept()[0], selectors.EVENT_READ)
            return
        try:
            said, contents = receive(one)
        except (EOFError, ConnectionError):
            asked.unregister(one)
            one.close()
            return
        answer, pieces = self._answer(said, contents)
        send(one, answer, pieces)

    def _answer(self, said: dict[str, Any], contents: list[bytes]) -> tuple[dict[str, Any], list[bytes]]:
        keeper = self._oversight.keeper
        match said["ask"]:
            case "spent":
                return {"said": self._oversight.spent(said["done"])}, []
            case "looked":
                self._oversight.looked(said["done"], said["loss"])
            case "gpu":
                self._oversight.took_gpu(said["seconds"], said["peak_mb"])
            case "due":
                return {"said": keeper is not None and keeper.is_due(said["done"])}, []
            case "keep" if keeper is not None:
                kept, best = (Checkpoint.from_bytes(content) for content in contents)
                keeper.keep(lambda: kept, best)
            case "newest" if keeper is not None:
                if not self._looked_for:
                    self._newest, self._looked_for = keeper.newest(), True
                best_one = None if self._newest is None else keeper.best_of(self._newest)
                found = [] if self._newest is None or best_one is None else [self._newest, best_one]
                return {}, [checkpoint.to_bytes() for checkpoint in found]
        return {}, []


def _write(folder: Path, task: Task, recipe: Torch, oversight: Oversight) -> None:
    """The task as files that every process maps."""
    described = {
        "kind": task.kind, "classes": list(task.classes), "encoder": task.encoder.to_json(),
        "recipe": recipe.model_dump(mode="json", by_alias=True),
        "run": None if oversight.keeper is None else oversight.keeper.run,
    }  # fmt: skip
    (folder / TASK).write_text(json.dumps(described), encoding="utf-8")
    for name, part in (("train", task.train), ("validate", task.validate)):
        if part is not None:
            _write_part(folder / f"{name}.arrow", part)


def _write_part(path: Path, part: Part) -> None:
    schema = part.features.schema.append(pa.field(LABEL, pa.float64()))
    if part.weight is not None:
        schema = schema.append(pa.field(WEIGHT, pa.float64()))
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        done = 0
        for batch in part.features.to_batches(max_chunksize=65_536):
            rows = slice(done, done + batch.num_rows)
            done += batch.num_rows
            more = [pa.array(part.label[rows])]
            more += [] if part.weight is None else [pa.array(part.weight[rows])]
            writer.write_batch(pa.record_batch([*batch.columns, *more], schema=schema))


def read_part(path: Path, names: list[str]) -> Part | None:
    """What `_write_part` wrote, mapped; None where there is nothing."""
    if not path.is_file():
        return None
    table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
    weight = table[WEIGHT].to_numpy() if WEIGHT in table.column_names else None
    return Part(table.select(names), table[LABEL].to_numpy(), weight)


def write_fitted(folder: Path, fitted: Fitted) -> None:
    """What the first process found, for `fit_together` to read."""
    (folder / MODEL).mkdir()
    fitted.model.save(folder / MODEL)
    if fitted.state is not None:
        (folder / STATE).write_bytes(fitted.state.to_bytes())
    told = {
        "history": fitted.history, "rounds": fitted.rounds, "best_round": fitted.best_round, "ended": fitted.ended,
        "notes": list(fitted.notes), "resumed": fitted.resumed_from is not None,
    }  # fmt: skip
    (folder / FITTED).write_text(json.dumps(told), encoding="utf-8")


def _read(folder: Path, newest: Checkpoint | None, oversight: Oversight) -> Fitted:
    told = json.loads((folder / FITTED).read_text(encoding="utf-8"))
    return Fitted(
        load_model(folder / MODEL), told["history"], told["rounds"], told["best_round"], told["ended"],
        tuple(told["notes"]),
        resumed_from=newest if told["resumed"] else None,
        kept=NOTHING_KEPT if oversight.keeper is None else oversight.keeper.finish(),
        state=Checkpoint.from_bytes((folder / STATE).read_bytes()),
    )  # fmt: skip


def write_error(folder: Path, error: NightshiftError) -> None:
    """What a process raised; the first one that did is the one that is told."""
    if not (folder / ERROR).exists():
        told = {**error.as_dict(), "kind": type(error).__name__}
        (folder / ERROR).write_text(json.dumps(told), encoding="utf-8")


def _raise_what_was_raised(folder: Path, code: int) -> None:
    if (folder / ERROR).is_file():
        told = json.loads((folder / ERROR).read_text(encoding="utf-8"))
        kind: type[NightshiftError] = getattr(errors, told["kind"])
        raise kind(told["error"], where=told["where"], valid=told["valid"], remedy=told["remedy"])
    if code:
        last = (folder / "log").read_text(encoding="utf-8", errors="replace").strip().splitlines()[-12:]
        raise OutsideError(
            "the processes of the training ended: " + "\n".join(last), where=f"torchrun, exit code {code}",
            remedy="run the same command again: it goes on where it was; or use fewer learner.processes",
        )  # fmt: skip


def _end(processes: subprocess.Popen[bytes]) -> None:
    if processes.poll() is None:
        processes.terminate()
    try:
        processes.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        processes.kill()
        processes.wait()
