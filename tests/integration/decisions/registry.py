"""MLflow's registry over REST, as these tests fill it: the environment of the tests has no client of MLflow's."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

API = "/api/2.0/mlflow"


@dataclass(frozen=True)
class RegistryFiller:
    """A server, and the folder where it keeps artifacts."""

    client: httpx.Client
    artifacts: Path

    def register(self, model: str, form: Path) -> int:
        """A new version with this served form; returns its number."""
        self.client.post(f"{API}/registered-models/create", json={"name": model})
        run = self._post("runs/create", {"experiment_id": "0"})["run"]["info"]
        root = run["artifact_uri"].partition(":")[2].strip("/")
        for file in form.iterdir():
            path = f"/api/2.0/mlflow-artifacts/artifacts/{root}/model/artifacts/form/{file.name}"
            self.client.put(path, content=file.read_bytes()).raise_for_status()
        source = {"name": model, "source": f"{run['artifact_uri']}/model", "run_id": run["run_id"]}
        return int(self._post("model-versions/create", source)["model_version"]["version"])

    def point(self, model: str, alias: str, number: int) -> None:
        """Set an alias."""
        self._post("registered-models/alias", {"name": model, "alias": alias, "version": str(number)})

    def forget(self, model: str, alias: str) -> None:
        """Delete an alias."""
        named = {"name": model, "alias": alias}
        self.client.request("DELETE", f"{API}/registered-models/alias", json=named).raise_for_status()

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = self.client.post(f"{API}/{path}", json=body).raise_for_status().json()
        return found
