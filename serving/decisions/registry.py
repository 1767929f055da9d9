"""MLflow's registry over its REST interface: which version bears an alias, and the files of its served form.

A client of its own: MLflow's would bring many packages for four calls. Artifacts are read through the server
(`--serve-artifacts`), or from the disk where the server names a folder that is here as well.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlparse

import httpx

FORM = "artifacts/form"
"""Where a registered model keeps its served form."""
MOST_FILES = 20
MOST_BYTES = 256 * 2**20
_ABSENT = {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}


class RegistryAway(Exception):
    """MLflow cannot be asked now."""


class BadVersion(Exception):
    """A version that cannot be taken as it is."""


@dataclass(frozen=True)
class Registered:
    """A version that an alias names. `identity`: its own even among registries that count alike."""

    model: str
    number: int
    identity: str


class Registry:
    """The server at a URI."""

    def __init__(self, uri: str, client: httpx.AsyncClient) -> None:
        self.uri = uri.rstrip("/")
        self.client = client

    async def with_alias(self, model: str, alias: str) -> Registered | None:
        """The version that bears the alias; None when none does.

        Raises:
            RegistryAway: when MLflow does not answer, or not as it should.
            BadVersion: when the alias names a version that is gone.
        """
        response = await self._get("/api/2.0/mlflow/registered-models/alias", {"name": model, "alias": alias})
        if response.status_code in (400, 404) and self._member(response, "error_code") in _ABSENT:
            if "alias" in str(self._member(response, "message")).lower() or await self._is_unknown(model):
                return None
            raise BadVersion(f"the alias {alias} names a version that is not there")
        found = self._member(self._good(response), "model_version")
        try:
            number = int(found["version"])
            return Registered(model, number, f"{number}-{found['run_id'] or found['creation_timestamp']}"[:40])
        except (KeyError, TypeError, ValueError) as error:
            raise RegistryAway(
                f"MLflow at {self.uri} described {model} in a way that is not known: {error!r}"
            ) from error

    async def fetch(self, registered: Registered, folder: Path) -> None:
        """Bring the files of a version's served form.

        Raises:
            RegistryAway: when MLflow does not answer.
            BadVersion: when there is no served form, or one of an absurd size.
        """
        root = f"{await self._artifacts(registered)}/{FORM}"
        folder.mkdir(parents=True)
        parsed = urlparse(root)
        if parsed.scheme in ("", "file"):
            _copy(Path(parsed.path), folder)
            return
        if parsed.scheme != "mlflow-artifacts":
            raise BadVersion(
                f"its files are at {parsed.scheme}:, which only MLflow reads: start it with --serve-artifacts"
            )
        await self._download(parsed.path.strip("/"), folder)

    async def _artifacts(self, registered: Registered) -> str:
        parameters = {"name": registered.model, "version": str(registered.number)}
        response = await self._get("/api/2.0/mlflow/model-versions/get-download-uri", parameters)
        if response.status_code in (400, 404):
            raise BadVersion(f"version {registered.number} is gone")
        return str(self._member(self._good(response), "artifact_uri"))

    async def _download(self, path: str, folder: Path) -> None:
        listed = self._good(await self._get("/api/2.0/mlflow-artifacts/artifacts", {"path": path}))
        try:
            files = [one for one in self._member(listed, "files") or [] if not one.get("is_dir")]
            names = [Path(str(one["path"])).name for one in files]
            size = sum(int(one.get("file_size") or 0) for one in files)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise RegistryAway(f"MLflow at {self.uri} listed files in a way that is not known: {error!r}") from error
        if not files:
            raise BadVersion("it has no served form: train it again")
        if len(files) > MOST_FILES or size > MOST_BYTES:
            raise BadVersion(
                f"its served form is larger than {MOST_BYTES / 2**20:g} MB or has more than {MOST_FILES} files"
            )
        for name in names:
            content = await self._get(f"/api/2.0/mlflow-artifacts/artifacts/{quote(f'{path}/{name}')}", {})
            (folder / name).write_bytes(self._good(content).content)

    async def _is_unknown(self, model: str) -> bool:
        response = await self._get("/api/2.0/mlflow/registered-models/get", {"name": model})
        return response.status_code in (400, 404)

    async def _get(self, path: str, parameters: dict[str, str]) -> httpx.Response:
        try:
            return await self.client.get(f"{self.uri}{path}", params=parameters)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise RegistryAway(f"MLflow does not answer at {self.uri}: {error or type(error).__name__}") from error

    def _good(self, response: httpx.Response) -> httpx.Response:
        if response.status_code != 200:
            raise RegistryAway(f"MLflow at {self.uri} answered {response.status_code} for {response.url.path}")
        return response

    def _member(self, response: httpx.Response, name: str) -> Any:
        try:
            return response.json().get(name)
        except (ValueError, AttributeError) as error:
            raise RegistryAway(
                f"MLflow at {self.uri} answered {response.url.path} with something else than JSON"
            ) from error


def _copy(source: Path, folder: Path) -> None:
    try:
        for one in source.iterdir():
            shutil.copyfile(one, folder / one.name)
    except OSError as error:
        raise BadVersion(f"its files cannot be read: {error}; start MLflow with --serve-artifacts") from error
