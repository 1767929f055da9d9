"""Passwords are made once and stay private."""

from pathlib import Path

from local.credentials import PASSWORDS, ensure_env_file, ensure_passwords, fill, parse

EXAMPLE = "# the superuser\nPOSTGRES_PASSWORD=generate\nAPI_PORT=8000\n"


def test_passwords_are_made_once_and_found_again(tmp_path: Path) -> None:
    first = ensure_passwords(tmp_path / "secrets.env")
    assert set(first) == set(PASSWORDS)
    assert len(set(first.values())) == len(PASSWORDS)
    assert ensure_passwords(tmp_path / "secrets.env") == first


def test_the_file_of_passwords_is_for_its_owner_alone(tmp_path: Path) -> None:
    ensure_passwords(tmp_path / "secrets.env")
    assert (tmp_path / "secrets.env").stat().st_mode & 0o777 == 0o600


def test_a_password_that_is_missing_is_added_without_changing_the_others(tmp_path: Path) -> None:
    (tmp_path / "secrets.env").write_text("POSTGRES_PASSWORD=kept\n")
    passwords = ensure_passwords(tmp_path / "secrets.env")
    assert passwords["POSTGRES_PASSWORD"] == "kept"
    assert passwords["PAYMENTS_API_PASSWORD"]


def test_every_secret_of_an_example_is_another_one_and_comments_stay() -> None:
    filled = fill("# why\nA=generate\nB=generate\nC=plain\n")
    values = parse(filled)
    assert filled.startswith("# why\n")
    assert values["A"] != values["B"]
    assert "generate" not in values.values()
    assert values["C"] == "plain"


def test_an_env_file_is_made_from_its_example(tmp_path: Path) -> None:
    (tmp_path / "example").write_text(EXAMPLE)
    assert ensure_env_file(tmp_path / "example", tmp_path / ".env") == ["POSTGRES_PASSWORD", "API_PORT"]
    values = parse((tmp_path / ".env").read_text())
    assert len(values["POSTGRES_PASSWORD"]) == 48
    assert values["API_PORT"] == "8000"
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600


def test_what_an_env_file_says_already_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "example").write_text(EXAMPLE)
    (tmp_path / ".env").write_text("POSTGRES_PASSWORD=mine\n# a note\n")
    assert ensure_env_file(tmp_path / "example", tmp_path / ".env") == ["API_PORT"]
    assert (tmp_path / ".env").read_text() == "POSTGRES_PASSWORD=mine\n# a note\nAPI_PORT=8000\n"
    assert ensure_env_file(tmp_path / "example", tmp_path / ".env") == []
