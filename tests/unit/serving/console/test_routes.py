"""The live page: whole at first sight, honest when there is nothing, and free of what the policy forbids."""

import hashlib
import re
from pathlib import Path

import httpx
import pytest

import serving
from serving.analytics.errors import ViewsNotBuilt
from serving.analytics.models import Window
from tests.unit.serving.fakes import FakeAnalytics, kpi

pytestmark = pytest.mark.anyio

VENDOR = Path(serving.__file__).parent / "static" / "vendor"


async def test_the_figures_are_in_the_page_before_any_script_runs(client: httpx.AsyncClient) -> None:
    page = (await client.get("/?window=last_hour")).text
    for text in ("90.00%", "1,000", "$55.11K", "182 ms", "Insufficient funds", "$832.73", "Postgres"):
        assert text in page
    assert re.search(r'window=last_hour" aria-current="page"', page)
    assert re.search(r'id="notice"[^>]* hidden', page)


async def test_without_payments_the_page_says_what_to_do(client: httpx.AsyncClient, analytics: FakeAnalytics) -> None:
    analytics.windows[Window.LAST_24_HOURS] = kpi(attempts=0, approval_rate=None)
    page = (await client.get("/")).text
    assert "No payments in this window yet" in page
    assert "make demo" in page
    assert not re.search(r'id="notice"[^>]* hidden', page)


async def test_the_page_opens_while_figures_cannot_be_read(client: httpx.AsyncClient, analytics: FakeAnalytics) -> None:
    analytics.failure = ViewsNotBuilt("Gold views are not built yet: run dbt build.")
    page = await client.get("/")
    assert page.status_code == 200
    assert "Gold views are not built yet" in page.text


@pytest.mark.parametrize("path", ["/", "/docs"])
async def test_pages_keep_to_their_content_security_policy(client: httpx.AsyncClient, path: str) -> None:
    reply = await client.get(path)
    assert "script-src 'self'" in reply.headers["content-security-policy"]
    assert "unsafe" not in reply.headers["content-security-policy"]
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|https?://", reply.text)


async def test_every_file_the_page_names_is_served(client: httpx.AsyncClient) -> None:
    page = (await client.get("/")).text
    files = set(re.findall(r'(?:src|href)="(/static/[^"]+)"', page))
    assert len(files) >= 6
    for file in files:
        assert (await client.get(file)).status_code == 200, file


async def test_text_from_the_data_cannot_become_markup(client: httpx.AsyncClient, analytics: FakeAnalytics) -> None:
    analytics.reasons = [analytics.reasons[0].model_copy(update={"decline_reason": "<b>x</b>"})]
    assert "<b>x" not in (await client.get("/fragments/declines")).text.lower()


async def test_fragments_answer_while_figures_cannot_be_read(
    client: httpx.AsyncClient, analytics: FakeAnalytics
) -> None:
    analytics.failure = ViewsNotBuilt("run dbt build")
    assert "run dbt build" in (await client.get("/fragments/declines")).text
    assert "down" in (await client.get("/fragments/system")).text


def test_vendored_files_are_those_their_list_names() -> None:
    listed = dict(re.findall(r"`([\w.]+)` \|.*`([0-9a-f]{64})`", (VENDOR / "README.md").read_text()))
    present = {
        f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in VENDOR.iterdir() if f.suffix in (".js", ".css")
    }
    assert listed == present
