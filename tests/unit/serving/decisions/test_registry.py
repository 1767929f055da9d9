"""MLflow's answers, good and bad, as they become versions or reasons why not."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from serving.decisions.registry import BadVersion, Registered, Registry, RegistryAway

pytestmark = pytest.mark.anyio
ALIAS = "/api/2.0/mlflow/registered-models/alias"
MODEL = "/api/2.0/mlflow/registered-models/get"
WHERE = "/api/2.0/mlflow/model-versions/get-download-uri"
FILES = "/api/2.0/mlflow-artifacts/artifacts"
VERSION = Registered("fraud", 3, "3-run")
ABSENT = (404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "Registered Model with name=fraud not found"})

Answers = dict[str, tuple[int, Any]]


def registry(answers: Answers) -> Registry:
    def handle(request: httpx.Request) -> httpx.Response:
        if request.url.path not in answers:
            raise httpx.ConnectError("refused")
        status, body = answers[request.url.path]
        return httpx.Response(status, content=body) if isinstance(body, bytes) else httpx.Response(status, json=body)

    return Registry("http://mlflow/", httpx.AsyncClient(transport=httpx.MockTransport(handle)))


async def test_an_alias_names_a_version() -> None:
    found = {"model_version": {"version": "3", "run_id": "run", "creation_timestamp": 5}}
    assert await registry({ALIAS: (200, found)}).with_alias("fraud", "champion") == VERSION


@pytest.mark.parametrize(
    ("answers", "meaning"),
    [
        ({ALIAS: ABSENT, MODEL: ABSENT}, "no such model"),
        (
            {
                ALIAS: (
                    400,
                    {"error_code": "INVALID_PARAMETER_VALUE", "message": "Registered model alias x not found."},
                )
            },
            "no such alias",
        ),
    ],
)
async def test_no_such_alias_is_none(answers: Answers, meaning: str) -> None:
    assert await registry(answers).with_alias("fraud", "champion") is None


async def test_an_alias_that_points_nowhere_is_a_bad_version() -> None:
    gone = {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "Model Version (name=fraud, version=9) not found"}
    with pytest.raises(BadVersion, match="not there"):
        await registry({ALIAS: (404, gone), MODEL: (200, {})}).with_alias("fraud", "champion")


@pytest.mark.parametrize(
    "answers",
    [
        {},
        {ALIAS: (500, {})},
        {ALIAS: (403, b"Invalid Host header")},
        {ALIAS: (200, b"<html>")},
        {ALIAS: (200, {"model_version": {"version": "three"}})},
        {ALIAS: (200, {})},
    ],
)
async def test_what_is_no_answer_of_mlflow_means_that_it_is_away(answers: Answers) -> None:
    with pytest.raises(RegistryAway, match="MLflow"):
        await registry(answers).with_alias("fraud", "champion")


async def test_the_files_of_a_form_are_brought(tmp_path: Path) -> None:
    answers: Answers = {
        WHERE: (200, {"artifact_uri": "mlflow-artifacts:/1/models/m/artifacts"}),
        FILES: (200, {"files": [{"path": "model.json", "file_size": 2}, {"path": "deeper", "is_dir": True}]}),
        f"{FILES}/1/models/m/artifacts/artifacts/form/model.json": (200, b"{}"),
    }
    await registry(answers).fetch(VERSION, tmp_path / "form")
    assert [one.name for one in (tmp_path / "form").iterdir()] == ["model.json"]


async def test_a_name_that_leads_out_of_the_folder_stays_in_it(tmp_path: Path) -> None:
    answers: Answers = {
        WHERE: (200, {"artifact_uri": "mlflow-artifacts:/1"}),
        FILES: (200, {"files": [{"path": "../../evil", "file_size": 2}]}),
        f"{FILES}/1/artifacts/form/evil": (200, b"x"),
    }
    await registry(answers).fetch(VERSION, tmp_path / "form")
    assert [one.name for one in tmp_path.rglob("evil")] == ["evil"]
    assert (tmp_path / "form" / "evil").exists()


@pytest.mark.parametrize(
    ("uri", "files", "message"),
    [
        ("s3://bucket/1", [], "--serve-artifacts"),
        ("mlflow-artifacts:/1", [], "no served form"),
        ("mlflow-artifacts:/1", [{"path": "a", "file_size": 2**30}], "larger"),
        ("mlflow-artifacts:/1", [{"path": str(one)} for one in range(50)], "more than 20 files"),
        ("/nowhere/on/this/machine", [], "cannot be read"),
    ],
)
async def test_what_is_no_form_is_refused(uri: str, files: list[Any], message: str, tmp_path: Path) -> None:
    answers: Answers = {WHERE: (200, {"artifact_uri": uri}), FILES: (200, {"files": files})}
    with pytest.raises(BadVersion, match=message):
        await registry(answers).fetch(VERSION, tmp_path / "form")


async def test_files_on_this_machine_are_copied(tmp_path: Path) -> None:
    source = tmp_path / "store" / "artifacts" / "form"
    source.mkdir(parents=True)
    (source / "model.json").write_text("{}")
    answers: Answers = {WHERE: (200, {"artifact_uri": f"file://{tmp_path}/store"})}
    await registry(answers).fetch(VERSION, tmp_path / "form")
    assert (tmp_path / "form" / "model.json").read_text() == "{}"
