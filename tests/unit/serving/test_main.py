"""Settings that are missing or wrong stop the start with a sentence."""

import pytest

from serving.__main__ import read_settings


def test_a_missing_database_url_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setenv("API_PORT", "many")
    with pytest.raises(SystemExit) as stop:
        read_settings()
    said = capsys.readouterr().err
    assert stop.value.code == 2
    assert "DATABASE_URL" in said
    assert "port" in said


def test_the_password_does_not_show_in_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://api:hunter2@db/payments")
    assert "hunter2" not in repr(read_settings())
