"""The versions of a project's model: who is champion, who was before, and where their files are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from nightshift.errors import DataRefusedError, RequestError
from nightshift.evaluation.reference import MONITORING
from nightshift.scoring.scorer import Scorer
from nightshift.settings import Settings
from nightshift.trained import ModelVersion
from registry.listing import MARK, PROMOTED, RECORD, SETTLED, Found, Listing, OtherVersion, read_record
from registry.mlmodel import MODEL_DATA
from registry.run import EVALUATED_ARTIFACT, MODEL_ARTIFACT
from registry.served import CHAMPION
from registry.tracking import local_folder, mlflow_faults, open_client

PREVIOUS = "previous"
_PAGE = 200
__all__ = ["MARK", "PREVIOUS", "PROMOTED", "RECORD", "SETTLED", "Versions"]


@dataclass(frozen=True)
class Versions:
    """The registered versions of one project."""

    project: str
    client: MlflowClient
    settings: Settings

    @classmethod
    def of(cls, project: str, settings: Settings) -> Versions:
        """Open the registry for `project`."""
        return cls(project, open_client(settings), settings)

    def all(self) -> list[ModelVersion]:
        """Every version that Nightshift made and can read, newest first."""
        return list(self.listed().versions)

    def listed(self) -> Listing:
        """Every version, and apart from them those that Nightshift can do nothing with."""
        with mlflow_faults(self.settings):
            found = self._found()
            aliases = self._aliases()
        read = [
            self.read(one, aliases) for one in sorted(found, key=lambda one: int(one.version), reverse=True)
        ]
        return Listing(
            tuple(one for one in read if isinstance(one, ModelVersion)),
            tuple(one for one in read if isinstance(one, OtherVersion)),
        )

    def read(self, found: Found, aliases: dict[str, int]) -> ModelVersion | OtherVersion:
        """The record of a version as MLflow knows it, or why there is none."""
        return read_record(found, self.project, aliases)

    def champion(self) -> ModelVersion | None:
        """The version in production, or None while there is none.

        Raises:
            RequestError: it is none of Nightshift's, or its record cannot be read.
        """
        return self.by_alias(CHAMPION)

    def promoted_by(self, as_of: datetime, *, before: bool = False) -> ModelVersion | None:
        """Of all that were ever promoted the newest version that was trained as of `as_of` or before, or None.

        The champion itself comes first, so that one that a person has put back is not passed over.

        Args:
            before: leave out those that were trained as of that very moment.
        """
        champion = self.champion()
        known = [
            one
            for one in self.all()
            if one.promoted and (one.as_of < as_of or (one.as_of == as_of and not before))
        ]
        if champion is not None and any(one.version == champion.version for one in known):
            return champion
        return max(known, key=lambda one: (one.as_of, one.version), default=None)

    def by_alias(self, alias: str) -> ModelVersion | None:
        """The version that `alias` points to, or None.

        Raises:
            RequestError: it is none of Nightshift's, or its record cannot be read.
        """
        found = self.holder(alias)
        if isinstance(found, OtherVersion):
            raise self._of_no_use(found)
        return found

    def holder(self, alias: str) -> ModelVersion | OtherVersion | None:
        """Whatever version `alias` points to, or None."""
        try:
            found = self.client.get_model_version_by_alias(self.project, alias)
        except MlflowException as error:
            if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                return None
            with mlflow_faults(self.settings):
                raise
        return self.read(found, {alias: int(found.version)})

    def _of_no_use(self, other: OtherVersion) -> RequestError:
        holds = f", which holds the alias {', '.join(other.aliases)}," if other.aliases else ""
        return RequestError(
            f"version {other.version} of {self.project}{holds} {other.why}", where=self.settings.tracking_uri,
            valid=[str(one.version) for one in reversed(self.all())],
            remedy="name one of these versions, or make one of them champion: "
            f"nightshift promote {self.project} VERSION --by WHO --reason WHY",
        )  # fmt: skip

    def chosen(self, wanted: str | None = None) -> ModelVersion:
        """The version `wanted` (a number or an alias), by default the champion.

        Raises:
            RequestError: there is no such version.
        """
        if wanted is None or not wanted.isdigit():
            alias = wanted or CHAMPION
            found = self.by_alias(alias)
            if found is not None:
                return found
            raise RequestError(
                f"the project {self.project!r} has no {alias} yet", where=self.settings.tracking_uri,
                remedy=f"train one: nightshift train {self.project}",
            )  # fmt: skip
        listing = self.listed()
        every = {str(one.version): one for one in listing.versions}
        other = next((one for one in listing.others if str(one.version) == wanted), None)
        if other is not None:
            raise self._of_no_use(other)
        if wanted not in every:
            raise RequestError(
                f"the project {self.project!r} has no version {wanted}", valid=sorted(every, key=int),
                remedy=f"see `nightshift models {self.project}`",
            )  # fmt: skip
        return every[wanted]

    def folder(self, version: ModelVersion) -> Path:
        """The native files of the live model of `version`, on local disk."""
        return self.artifact(version, f"{MODEL_ARTIFACT}/{MODEL_DATA}")

    def evaluated_folder(self, version: ModelVersion) -> Path:
        """The native files of the model that was evaluated: the live one's, unless a refitted model is live."""
        if not version.is_refitted:
            return self.folder(version)
        return self.artifact(version, EVALUATED_ARTIFACT)

    def is_monitored(self, version: ModelVersion) -> bool:
        """Whether `version` was registered with what monitoring measures it against."""
        return self.has(version, MONITORING)

    def monitoring_files(self, version: ModelVersion) -> Path:
        """The folder with what monitoring measures `version` against: `profile.json` and `performance.json`.

        Raises:
            DataRefusedError: they are gone, or the version was made before there were such files.
        """
        return self.artifact(version, MONITORING)

    def scorer(self, version: ModelVersion) -> Scorer:
        """The live model of `version`, its checksums verified.

        Raises:
            DataRefusedError: a file is missing or is not the one that was saved.
        """
        return Scorer.load(self.folder(version), version.model_sha256)

    def evaluated_scorer(self, version: ModelVersion) -> Scorer:
        """The model of `version` that was evaluated, its checksums verified.

        Raises:
            DataRefusedError: a file is missing or is not the one that was saved.
        """
        return Scorer.load(self.evaluated_folder(version), version.evaluated_checksum)

    def has(self, version: ModelVersion, name: str) -> bool:
        """Whether the version's run has a file or folder of this name, at the top of its artifacts."""
        with mlflow_faults(self.settings, self._gone(version)):
            return any(one.path == name for one in self.client.list_artifacts(version.run_id))

    def artifact(self, version: ModelVersion, path: str) -> Path:
        """A file or folder of the version's run, by the run's own address: MLflow copies what is called `runs:/`."""
        with mlflow_faults(self.settings, self._gone(version)):
            root = self.client.get_run(version.run_id).info.artifact_uri
        return local_folder(f"{root}/{path}", self.settings, self._gone(version, f"{root}/{path}"))

    def _gone(self, version: ModelVersion, place: str = "") -> DataRefusedError:
        what = "the files" if place else "the run"
        return DataRefusedError(
            f"{what} of version {version.version} of {self.project} are gone" if place
            else f"{what} of version {version.version} of {self.project} is gone from MLflow, and its files with it",
            where=place or f"run {version.run_id} in {self.settings.tracking_uri}",
            remedy="restore them from a backup, or use another version: "
            f"see `nightshift models {self.project}`",
        )  # fmt: skip

    def _found(self) -> list[Found]:
        """Every version as MLflow knows it, page by page: a version that is overlooked might lose its rows."""
        found: list[Found] = []
        token: str | None = None
        while True:
            page = self.client.search_model_versions(
                f"name = '{self.project}'", max_results=_PAGE, page_token=token
            )
            found += page
            token = page.token
            if not token:
                return found

    def _aliases(self) -> dict[str, int]:
        try:
            model = self.client.get_registered_model(self.project)
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return {}
            raise
        return {alias: int(version) for alias, version in model.aliases.items()}
