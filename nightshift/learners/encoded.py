"""The encoded rows of a training, on local disk until it has ended: one that was cut short need not encode again."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from nightshift.atomic import keep_newest, replacing
from nightshift.dataset.encoder import Encoder
from nightshift.dataset.rows import SnapshotRows
from nightshift.errors import DataRefusedError
from nightshift.learners.parts import learn_encoder, read_windows, write_windows
from nightshift.learners.protocol import Part
from nightshift.learners.target import Target, look_at_label
from nightshift.records import Split

logger = logging.getLogger(__name__)

ENCODER, TARGET = "encoder.json", "target.json"
# Rows of trainings that were cut short and never taken up again do not pile up.
_MOST_UNFINISHED = 2


@dataclass(frozen=True)
class EncodedRows:
    """What the label's values mean, how columns are encoded, and the encoded windows, mapped from disk."""

    target: Target
    encoder: Encoder
    train: Part
    validate: Part
    folder: Path


def encode_once(
    folder: Path, split: Split, rows: Callable[[], SnapshotRows], begin: Callable[[Encoder], Encoder]
) -> EncodedRows:
    """The encoded train and validate windows in `folder`: as an earlier process left them, or made now.

    Args:
        rows: opens the snapshot; not called when all is there.
        begin: turns the encoder of the train window into the one to use.

    Raises:
        DataRefusedError: the label cannot be learnt from, or nothing of it is known in the validate window.
    """
    if (folder / TARGET).is_file():
        try:
            return _read(folder)
        # What lies there may be anything by now, and can be made again.
        except (OSError, ValueError, KeyError, TypeError, RecursionError, DataRefusedError) as error:
            logger.warning("train: the encoded rows in %s are not used: %s", folder, error)
            shutil.rmtree(folder)
    _encode(folder, split, rows(), begin)
    keep_newest((path for path in folder.parent.iterdir() if not path.name.startswith(".")), _MOST_UNFINISHED)
    return _read(folder)


def _read(folder: Path) -> EncodedRows:
    target = json.loads((folder / TARGET).read_text(encoding="utf-8"))
    encoder = Encoder.from_json((folder / ENCODER).read_text(encoding="utf-8"))
    train, validate = read_windows(folder, encoder)
    found = Target(tuple(target["classes"]), tuple(target["counts"]), target["unlabelled"])
    return EncodedRows(found, encoder, train, validate, folder)


def _encode(folder: Path, split: Split, rows: SnapshotRows, begin: Callable[[Encoder], Encoder]) -> None:
    target = look_at_label(rows, split.train)
    encoder = begin(learn_encoder(rows, split.train))
    with replacing(folder) as temporary:
        temporary.mkdir()
        write_windows(rows, split.train, split.validate_, encoder, target, temporary)
        _, validate = read_windows(temporary, encoder)
        if len(validate.label) == 0:
            raise DataRefusedError(
                f"the validate window {split.validate_} has no labelled rows",
                where=f"project {rows.project.name}: split.validate",
                remedy="choose another as-of, or a longer split.validate",
            )
        (temporary / ENCODER).write_text(encoder.to_json(), encoding="utf-8")
        (temporary / TARGET).write_text(json.dumps(asdict(target)), encoding="utf-8")
