"""Where things lie in the checkout."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""The top of the checkout; every service runs with it as its working directory."""

CACHE = ROOT / ".cache"
"""Downloads and environments; can be deleted at any time and is made again."""
