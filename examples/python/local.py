"""A machine on this computer: a container that sees a folder, and ends with the block that it is for.

python examples/python/local.py

It needs Docker, or Podman with its socket, and no account.
"""

import subprocess
import time
from pathlib import Path

import spuff

SCRIPT = """#!/bin/sh
echo "$GREETING from $(hostname), which sees:"
ls /folder
"""


def log_of(id: str) -> str:
    """What a machine has said, once its script has come to its end."""
    while True:
        logs = subprocess.run(["docker", "logs", id], capture_output=True, text=True, check=True)
        if "the user data has ended" in logs.stdout:
            return logs.stdout
        time.sleep(0.1)


def main(folder: Path) -> None:
    here = spuff.connect("docker", mounts=f"{folder}:/folder:ro", environment="GREETING=hello", ports="8080")
    with here.instance("build-1", size="2x512m", user_data=SCRIPT) as machine:
        print(f"{machine.name} is {machine.status} at {machine.ip}; it has said:")
        print(log_of(machine.id), end="")


if __name__ == "__main__":
    main(Path(__file__).parent)
