"""Lengths of time as people type them."""

import re

from producer.errors import ProducerError

SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "": 1.0}


def parse_duration(text: str) -> float:
    """Seconds of '90s', '10m', '1.5h', '2d', '250ms' or a plain number of seconds; ProducerError otherwise."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|)", text.strip())
    if match is None:
        raise ProducerError(f"{text!r} is not a duration; write for example 90s, 10m, 1.5h or 2d.")
    return float(match[1]) * SECONDS[match[2]]
