"""A trained network: scores rows, and is kept as safetensors and JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from nightshift.errors import DataRefusedError
from nightshift.learners.model import Floats
from nightshift.learners.torch.inputs import Inputs
from nightshift.learners.torch.networks import build_network
from nightshift.learners.torch.objective import Objective
from nightshift.learners.torch.prepare import Prepare
from nightshift.learners.torch.rows import Places, Rows
from nightshift.learners.weights_file import check_safetensors

WEIGHTS, DESCRIPTION, SOURCE = "network.safetensors", "network.json", "network.py"
FORMAT = 1


class Whole(nn.Module):
    """A network behind the preparation of its columns."""

    def __init__(self, inputs: Inputs, network: nn.Module) -> None:
        super().__init__()
        self.prepare = Prepare(inputs)
        self.network = network

    def forward(self, columns: Tensor, *images: Tensor) -> Tensor:
        """Outputs of float32 columns (columns, rows), and of each column of images its bytes (rows, bytes)."""
        outputs: Tensor = self.network(*self.prepare(columns), *self.prepare.shaped(images))
        return outputs

    def of_rows(self, rows: Rows, places: Places) -> Tensor:
        """Outputs of the rows at these ascending places."""
        device = self.prepare.knots.device
        columns = torch.from_numpy(rows.gather(places)).to(device)
        found: Tensor = self(columns, *(torch.from_numpy(one).to(device) for one in rows.images(places)))
        return found


@dataclass(frozen=True)
class Description:
    """All of a trained network but its weights.

    Attributes:
        name, params, source: what it was built from; see `build_network`.
        spread: of each feature, by name: how far the scores move, in the mean, when it is not told.
    """

    name: str
    params: Mapping[str, Any]
    source: str
    inputs: Inputs
    objective: Objective
    spread: Mapping[str, float] = field(default_factory=dict)

    def build(self) -> Whole:
        """The network with fresh weights, drawn from torch's generator."""
        network = build_network(self.name, self.params, self.source, self.inputs, self.objective.outputs)
        return Whole(self.inputs, network)

    def to_json(self) -> str:
        """The description as text, without the source, which is a file of its own."""
        described = {
            "format": FORMAT, "network": self.name, "params": dict(self.params), "inputs": self.inputs.as_dict(),
            "objective": asdict(self.objective), "importance": dict(self.spread),
        }  # fmt: skip
        return json.dumps(described, ensure_ascii=False, indent=1)

    @classmethod
    def from_json(cls, text: str, source: str) -> Description:
        """The description that `to_json` wrote.

        Raises:
            ValueError, KeyError, TypeError: it is none, or of a later format.
        """
        read = json.loads(text)
        if read["format"] != FORMAT:
            raise ValueError(f"it has format {read['format']}, and this version reads format {FORMAT}")
        return cls(
            read["network"], read["params"], source, Inputs.from_dict(read["inputs"]),
            Objective(**read["objective"]), read["importance"],
        )  # fmt: skip


class TorchModel:
    """A network on the processor; scores encoded Arrow columns.

    The same row gets the same score in any batch but for rounding: products of matrices of other shapes are summed in
    another order. Scores differ by at most 1e-6 of their unit (of a regression: of the label's standard deviation).
    """

    def __init__(self, described: Description, whole: Whole) -> None:
        self.described = described
        self.whole = whole.cpu().float().eval()

    def score(self, features: pa.Table) -> Floats:
        """Probabilities (n,) or (n, classes), or values (n,)."""
        rows = Rows(features)
        objective = self.described.objective
        if rows.count == 0:
            return np.empty((0, objective.outputs) if objective.kind == "multiclass" else 0)
        found = []
        with torch.inference_mode():
            at_once = self.described.inputs.rows_at_once
            for start in range(0, rows.count, at_once):
                places = np.arange(start, min(start + at_once, rows.count))
                found.append(objective.scores(self.whole.of_rows(rows, places)))
        return np.concatenate(found)

    def unlearnt_nulls(self, features: pa.Table) -> Mapping[str, int]:
        """See `Model.unlearnt_nulls`; of categories a network does not know whether training lacked some."""
        counts = {
            number.name: pc.sum(pc.is_null(features[number.name], nan_is_null=True)).as_py()
            for number in self.described.inputs.numbers
            if not number.has_missing
        }
        return {name: count for name, count in counts.items() if count}

    def importance(self) -> Mapping[str, float]:
        """How far the scores move, in the mean over training rows, when a feature is not told: see `importance.py`."""
        return dict(self.described.spread)

    def save(self, folder: Path) -> None:
        """Write `network.safetensors` and `network.json`, and `network.py` with the source of a user's own network."""
        weights = {name: tensor.contiguous() for name, tensor in self.whole.network.state_dict().items()}
        # Cloned: two names of one tensor are two tensors in the file.
        safetensors.torch.save_file({name: one.clone() for name, one in weights.items()}, folder / WEIGHTS)
        (folder / DESCRIPTION).write_text(self.described.to_json(), encoding="utf-8")
        if self.described.source:
            (folder / SOURCE).write_text(self.described.source, encoding="utf-8")


def load_model(folder: Path) -> TorchModel:
    """The model that `TorchModel.save` wrote.

    Raises:
        DataRefusedError: a file is missing, is none of ours, or holds the weights of another network.
    """
    source = folder / SOURCE
    try:
        described = Description.from_json(
            (folder / DESCRIPTION).read_text(encoding="utf-8"),
            source.read_text(encoding="utf-8") if source.is_file() else "",
        )
        check_safetensors(folder / WEIGHTS)
        weights = safetensors.torch.load_file(folder / WEIGHTS)
        with torch.random.fork_rng(devices=[]):
            whole = described.build()
        whole.network.load_state_dict(weights)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, safetensors.SafetensorError) as error:
        raise DataRefusedError(
            f"the model cannot be read: {error}",
            where=str(folder),
            remedy="restore its files, or train again",
        ) from error
    return TorchModel(described, whole)
