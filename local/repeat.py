"""Runs a command again and again: `python -m local.repeat SECONDS COMMAND...`. A run that fails is repeated too."""

import subprocess
import sys
import time


def repeat(seconds: float, command: list[str]) -> None:
    """Wait, run, and begin again, until this process is ended."""
    while True:
        time.sleep(seconds)
        done = subprocess.run(command, stdin=subprocess.DEVNULL, check=False)
        print(f"{command[0]} ended with code {done.returncode}; again in {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    repeat(float(sys.argv[1]), sys.argv[2:])
