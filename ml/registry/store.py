"""MLflow as this project uses it: one experiment per model, registered versions, two aliases."""

import logging
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from ml import comparison
from ml.errors import AwayError, MlError
from ml.features.definitions import DEFINITIONS
from ml.form import ServedModel, load
from ml.registry.flavour import signature
from ml.watching.reference import FILE as REFERENCE

CHAMPION, CHALLENGER = "champion", "challenger"
BEFORE = "champion_before"
"""Tag of a version: the champion that it took the place of."""
_ROOT = Path(__file__).resolve().parents[2]
_CODE = ("ml", "domain", "contracts")
_REQUIREMENTS = ["numba", "numpy", "pandas", "pydantic-settings"]
_ANSWER_SECONDS = 5


@dataclass(frozen=True)
class Version:
    """A registered version and what is known of it."""

    name: str
    number: str
    aliases: tuple[str, ...]
    run_id: str
    figures: Mapping[str, float]

    @property
    def title(self) -> str:
        """Name and number."""
        return f"{self.name} version {self.number}"


@dataclass(frozen=True)
class Run:
    """A training run under way, which takes what belongs to it."""

    run_id: str

    def log(self, params: Mapping[str, Any], figures: Mapping[str, float], tags: Mapping[str, str]) -> None:
        """Settings, figures and tags."""
        mlflow.log_params({name: str(value)[:500] for name, value in params.items()})
        mlflow.log_metrics({name: value for name, value in figures.items() if value == value})
        mlflow.set_tags(dict(tags))

    def keep(self, folder: Path) -> None:
        """All files of a folder."""
        mlflow.log_artifacts(str(folder), "evidence")

    def register(self, served: ServedModel, form: Path) -> str:
        """Log the served form and register it as the challenger; returns the number of the version."""
        info = mlflow.pyfunc.log_model(
            name="model",
            python_model=str(Path(__file__).with_name("served.py")),
            artifacts={"form": str(form)},
            signature=signature(DEFINITIONS[served.name], served.classes),
            code_paths=[str(_ROOT / name) for name in _CODE],
            pip_requirements=_REQUIREMENTS,
        )
        version = mlflow.register_model(info.model_uri, served.name, await_registration_for=60)
        MlflowClient().set_registered_model_alias(served.name, CHALLENGER, version.version)
        return str(version.version)


@dataclass(frozen=True)
class Registry:
    """The tracking server or database at a URI."""

    uri: str

    def __post_init__(self) -> None:
        _require_answer(self.uri)
        for noisy in ("mlflow", "alembic"):
            logging.getLogger(noisy).setLevel(logging.ERROR)
        mlflow.set_tracking_uri(self.uri)
        mlflow.set_registry_uri(self.uri)

    @contextmanager
    def run(self, model: str, name: str) -> Iterator[Run]:
        """A run in the model's experiment; marked as failed when it is left by an error."""
        with plain_errors(self.uri):
            self._experiment(model)
            with mlflow.start_run(run_name=name) as started:
                yield Run(started.info.run_id)

    def _experiment(self, model: str) -> None:
        if mlflow.get_experiment_by_name(model) is None:
            mlflow.create_experiment(model, artifact_location=_artifacts_beside(self.uri, model))
        mlflow.set_experiment(model)

    def versions(self, model: str) -> list[Version]:
        """All registered versions of a model, the newest first."""
        with plain_errors(self.uri):
            found = MlflowClient().search_model_versions(f"name='{model}'")
            named = self._aliases(model)
            versions = [self._version(one, named) for one in found]
        return sorted(versions, key=lambda one: int(one.number), reverse=True)

    def with_alias(self, model: str, alias: str) -> Version | None:
        """The version that bears an alias."""
        return next((one for one in self.versions(model) if alias in one.aliases), None)

    def load(self, version: Version) -> ServedModel:
        """The served form of a version."""
        with plain_errors(self.uri), tempfile.TemporaryDirectory() as scratch:
            uri = f"models:/{version.name}/{version.number}"
            folder = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=scratch))
            return load(folder / "artifacts" / "form")

    def served_difference(self, version: Version) -> float:
        """How far the registered form is from the trained model, on the rows kept with its run."""
        served = self.load(version)
        with plain_errors(self.uri), tempfile.TemporaryDirectory() as scratch:
            path = mlflow.artifacts.download_artifacts(
                run_id=version.run_id, artifact_path=f"evidence/{comparison.FILE}", dst_path=scratch
            )
            return comparison.difference(served, Path(path).parent)

    def reference(self, version: Version) -> str:
        """What the version's test period was like, as JSON for the watch over it."""
        with plain_errors(self.uri), tempfile.TemporaryDirectory() as scratch:
            path = mlflow.artifacts.download_artifacts(
                run_id=version.run_id, artifact_path=f"evidence/{REFERENCE}", dst_path=scratch
            )
            return Path(path).read_text(encoding="utf-8")

    def promote(self, version: Version) -> None:
        """Make it the champion; the last step is one change of an alias, which readers see whole or not at all."""
        with plain_errors(self.uri):
            client = MlflowClient()
            champion = self.with_alias(version.name, CHAMPION)
            if champion is not None and champion.number != version.number:
                client.set_model_version_tag(version.name, version.number, BEFORE, champion.number)
            client.set_registered_model_alias(version.name, CHAMPION, version.number)
            if CHALLENGER in version.aliases:
                client.delete_registered_model_alias(version.name, CHALLENGER)

    def rollback(self, model: str) -> tuple[Version, Version]:
        """Make the champion's predecessor the champion again; returns who left and who came."""
        champion = self.with_alias(model, CHAMPION)
        if champion is None:
            raise MlError(f"{model} has no champion: there is nothing to roll back. See `python -m ml models`.")
        with plain_errors(self.uri):
            client = MlflowClient()
            before = client.get_model_version(model, champion.number).tags.get(BEFORE)
            earlier = next((one for one in self.versions(model) if one.number == before), None)
            if earlier is None:
                raise MlError(f"{champion.title} is the first champion: there is none before it to go back to.")
            client.set_registered_model_alias(model, CHAMPION, earlier.number)
        return champion, earlier

    def _aliases(self, model: str) -> Mapping[str, str]:
        try:
            aliases: Mapping[str, str] = MlflowClient().get_registered_model(model).aliases
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return {}
            raise
        return aliases

    def _version(self, found: ModelVersion, named: Mapping[str, str]) -> Version:
        figures = MlflowClient().get_run(found.run_id).data.metrics
        aliases = tuple(alias for alias, number in sorted(named.items()) if str(number) == str(found.version))
        return Version(found.name, str(found.version), aliases, found.run_id, figures)


@contextmanager
def plain_errors(uri: str) -> Iterator[None]:
    """What MLflow says, in one line."""
    try:
        yield
    except (MlflowException, OSError) as error:
        raise AwayError(f"MLflow at {uri}: {str(error).splitlines()[0]}") from error


def _require_answer(uri: str) -> None:
    """MLflow itself would try for minutes before it says that a server is away."""
    if uri.startswith(("http://", "https://")):
        try:
            with urllib.request.urlopen(f"{uri.rstrip('/')}/health", timeout=_ANSWER_SECONDS):
                return
        except (OSError, urllib.error.URLError) as error:
            raise AwayError(f"No tracking server answers at {uri} ({error}). Start it, or give --tracking.") from error
    if uri.startswith("sqlite:///"):
        Path(uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)


def _artifacts_beside(uri: str, model: str) -> str | None:
    """Where a database file is the tracking store, artifacts lie in a folder beside it; a server decides itself."""
    if not uri.startswith("sqlite:///"):
        return None
    return (Path(uri.removeprefix("sqlite:///")).resolve().parent / "artifacts" / model).as_uri()
