"""Passwords: generated here, kept in one file that only its owner can read, never in git."""

import os
import re
import secrets
import sys
from pathlib import Path

PASSWORDS = (
    "POSTGRES_PASSWORD",
    "PAYMENTS_OWNER_PASSWORD",
    "PAYMENTS_STREAM_PASSWORD",
    "PAYMENTS_DBT_PASSWORD",
    "PAYMENTS_API_PASSWORD",
    "PAYMENTS_ACCESS_PASSWORD",
    "PAYMENTS_ANALYST_PASSWORD",
    "REGISTRY_DB_PASSWORD",
    "MLFLOW_DB_PASSWORD",
)

_ASSIGNMENT = re.compile(r"^(?P<name>[A-Z][A-Z0-9_]*)=(?P<value>.*)$")
_GENERATED = "generate"
"""The value in .env.example that stands for a secret still to be made."""


def ensure_passwords(file: Path) -> dict[str, str]:
    """The passwords in a file; the ones it lacks are made and kept there."""
    known = parse(file.read_text()) if file.is_file() else {}
    complete = {name: known.get(name) or new_secret() for name in PASSWORDS}
    if complete != known:
        write_private(file, "".join(f"{name}={value}\n" for name, value in complete.items()))
    return complete


def ensure_env_file(example: Path, target: Path) -> list[str]:
    """Make .env from its example with fresh secrets; what .env says already stays. Returns the names added."""
    current = target.read_text() if target.is_file() else ""
    known = parse(current)
    if not current:
        write_private(target, fill(example.read_text()))
        return list(parse(example.read_text()))
    missing = {name: value for name, value in parse(example.read_text()).items() if name not in known}
    if missing:
        addition = fill("".join(f"{name}={value}\n" for name, value in missing.items()))
        write_private(target, current.rstrip("\n") + "\n" + addition)
    return list(missing)


def fill(example: str) -> str:
    """The example with every `NAME=generate` given a secret of its own."""
    return re.sub(rf"(?m)^([A-Z][A-Z0-9_]*)={_GENERATED}$", lambda found: f"{found[1]}={new_secret()}", example)


def parse(text: str) -> dict[str, str]:
    """NAME=value lines; comments and everything else are passed over."""
    found = (_ASSIGNMENT.match(line.strip()) for line in text.splitlines())
    return {match["name"]: match["value"] for match in found if match}


def new_secret() -> str:
    """192 random bits that need no quoting in a URL, a shell or a YAML file."""
    return secrets.token_hex(24)


def write_private(file: Path, text: str) -> None:
    """Replace a file as a whole; only its owner can read it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.draft")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as opened:
        opened.write(text)
    draft.replace(file)


def main(example: Path, target: Path) -> int:
    """`python -m local.credentials EXAMPLE TARGET`. Returns the exit code."""
    if not example.is_file():
        print(f"there is no {example}: run this at the top of the checkout", file=sys.stderr)
        return 1
    added = ensure_env_file(example, target)
    print(f"{target}: {', '.join(added)} added" if added else f"{target} is complete")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
