"""What project.yaml may say of a learner: what all kinds share, and what each kind adds."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from nightshift.spec.declaration import Declaration, Number, Whole, check_factors, is_recorded, refused
from nightshift.spec.durations import Duration
from nightshift.spec.lightgbm_values import check_params
from nightshift.spec.networks import check_network
from nightshift.spec.training import (
    Budget,
    CheckpointPolicy,
    Divergence,
    FromVersion,
    ImageShape,
    Phase,
    Plateau,
    Reweight,
    default_phases,
)


class Recipe(Declaration):
    """What every kind of learner may be told.

    Attributes:
        half_life: a row that is so much older than the newest training row weighs half as much.
        from_model: the model that training begins with: a registered version, the path of a safetensors file, or `hub`,
            the weights that are published for a backbone of timm.
    """

    seed: Whole = Field(default=0, ge=0)
    class_weights: Annotated[
        Literal["balanced"] | dict[str, float] | None, BeforeValidator(check_factors)
    ] = None
    half_life: Duration | None = None
    reweight: Reweight | None = None
    checkpoint: CheckpointPolicy = CheckpointPolicy()
    budget: Budget = Budget()
    divergence: Divergence = Divergence()
    from_model: FromVersion | str | None = None


def _refuse_unit(policy: CheckpointPolicy, unit: str, remedy: str) -> None:
    if policy.interval.unit == unit:
        raise ValueError(f"checkpoint.every ({policy.every}) counts {unit}, and {remedy}")


class LightGBM(Recipe):
    """Gradient-boosted trees; `params` are LightGBM's own, and go to it as they are.

    Attributes:
        reseed_every: rounds between two boundaries. At each the random draws begin anew, so that training can stop
            there and go on in another process with the very same trees: the boundaries are part of the recipe.
        mode: with `from_model`: `fine_tune` adds trees to it, `refit` keeps its trees and learns their leaves anew.
    """

    kind: Literal["lightgbm"]
    rounds: Whole = Field(default=500, ge=1)
    early_stopping: Whole | None = Field(default=30, ge=1)
    reseed_every: Whole = Field(default=50, ge=1)
    mode: Literal["fine_tune", "refit"] = "fine_tune"
    params: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _params_are_lightgbms(self, info: ValidationInfo) -> Self:
        if not is_recorded(info):
            check_params(self.params, type(self).model_fields)
        return self

    @field_validator("seed")
    @classmethod
    def _is_one_of_lightgbms(cls, seed: int, info: ValidationInfo) -> int:
        if seed >= 2**31 and not is_recorded(info):
            raise refused(f"LightGBM's seeds have 31 bits (given: {seed})", remedy="write a smaller one")
        return seed

    @model_validator(mode="after")
    def _bags_begin_at_boundaries(self) -> Self:
        for name in ("bagging_freq", "subsample_freq"):
            frequency = self.params.get(name, 0)
            if isinstance(frequency, int) and frequency > 0 and self.reseed_every % frequency:
                raise ValueError(
                    f"reseed_every ({self.reseed_every}) must be a multiple of params.{name} ({frequency})"
                )
        return self

    @model_validator(mode="after")
    def _counts_rounds(self) -> Self:
        _refuse_unit(self.checkpoint, "epochs", "trees are trained in rounds: write 50 rounds, 30s or auto")
        return self

    @property
    def unit(self) -> str:
        """What its length is counted in."""
        return "round"

    @property
    def length(self) -> int:
        """At most so many rounds."""
        return self.rounds

    def of_length(self, rounds: int) -> LightGBM:
        """The same recipe for exactly so many rounds."""
        return self.model_copy(update={"rounds": rounds, "early_stopping": None})


class Torch(Recipe):
    """A network; `params` go to the network's own builder.

    Attributes:
        network: `mlp`, `tabm`, `image` for rows with images, or a function that builds one:
            `projects.NAME.FILE:FUNCTION`.
        early_stopping: stop when the validation loss has not improved for so many epochs.
        rate: the greatest learning rate; it rises to it over `warm_up`, and falls along a cosine.
        warm_up: the share of all steps.
        clip: the greatest norm of all gradients together; null for none.
        precision: `auto` is bf16 on a GPU that has it, else float32.
        images: the shape that images are brought to.
        network_text: the text of the file of a user's own network; read, and not declared.
        compile: `auto` compiles where it pays: on a GPU, for trainings that are long enough.
        deterministic: the same seed gives the same bits on the same machine.
        mode: with `from_model`: `fine_tune` goes through the phases; `feature_extraction` trains the head alone.
        head: with `from_model`: `new` for another label, or `keep` the one that tells the same label elsewhere.
    """

    kind: Literal["torch"]
    network: str = "mlp"
    epochs: Whole = Field(default=30, ge=1)
    early_stopping: Whole | None = Field(default=5, ge=1)
    batch_size: Whole = Field(default=1024, ge=1)
    rate: Number = Field(default=1e-3, gt=0)
    weight_decay: Number = Field(default=1e-2, ge=0)
    warm_up: Number = Field(default=0.05, ge=0, lt=1)
    plateau: Plateau | None = Plateau()
    clip: Number | None = Field(default=1.0, gt=0)
    device: Literal["auto", "cpu", "cuda"] = "auto"
    processes: Whole = Field(default=1, ge=1)
    precision: Literal["auto", "float32", "bf16"] = "auto"
    compile: Literal["auto"] | bool = "auto"
    deterministic: bool = True
    mode: Literal["fine_tune", "feature_extraction"] = "fine_tune"
    head: Literal["new", "keep"] = "new"
    phases: tuple[Phase, ...] = ()
    images: ImageShape = ImageShape()
    params: dict[str, Any] = Field(default_factory=dict)
    network_text: str = Field(default="", repr=False)

    @model_validator(mode="after")
    def _is_a_network(self, info: ValidationInfo) -> Self:
        if not is_recorded(info):
            check_network(self.network, self.params, type(self).model_fields)
        return self

    @model_validator(mode="after")
    def _counts_epochs(self) -> Self:
        _refuse_unit(self.checkpoint, "rounds", "networks are trained in epochs: write 1 epoch, 30s or auto")
        return self

    @property
    def unit(self) -> str:
        """What its length is counted in."""
        return "epoch"

    @model_validator(mode="after")
    def _transfers_from_a_model(self) -> Self:
        if self.from_model is None and (self.phases or self.mode == "feature_extraction"):
            raise ValueError("phases and mode: feature_extraction need from_model, the model to begin with")
        if self.head == "keep" and (self.from_model is None or isinstance(self.from_model, str)):
            raise ValueError(
                "head: keep needs from_model: {project, version}, a model that says what it tells"
            )
        if self.phases and self.mode == "feature_extraction":
            raise ValueError("mode: feature_extraction trains the head alone, and has no phases")
        taken = sum(phase.epochs for phase in self.phases)
        if taken > self.epochs:
            raise ValueError(f"the phases take {taken} epochs, and learner.epochs is {self.epochs}")
        if self.from_model is not None and self.processes > 1:
            raise ValueError("with from_model a network is trained by one process: leave processes out")
        return self

    @property
    def transfer_phases(self) -> tuple[Phase, ...]:
        """The stretches of a training that begins with another model."""
        if self.mode == "feature_extraction":
            return (Phase(train="head", epochs=self.epochs),)
        return self.phases or default_phases(self.epochs)

    @property
    def length(self) -> int:
        """At most so many epochs."""
        return self.epochs

    def of_length(self, epochs: int) -> Torch:
        """The same recipe for exactly so many epochs; where layers are unfrozen does not move."""
        phases = self.transfer_phases if self.from_model is not None and self.mode == "fine_tune" else ()
        return self.model_copy(update={"epochs": epochs, "early_stopping": None, "phases": phases})


Learner = Annotated[LightGBM | Torch, Field(discriminator="kind")]
