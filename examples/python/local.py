"""An instance on this computer: a container that sees a folder, and that spuff destroys at the end
of the block.

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
    """Returns the log of an instance, once its script has ended."""
    while True:
        logs = subprocess.run(["docker", "logs", id], capture_output=True, text=True, check=True)
        if "the user data has ended" in logs.stdout:
            return logs.stdout
        time.sleep(0.1)


def main(folder: Path) -> None:
    here = spuff.connect(
        "docker", mounts=f"{folder}:/folder:ro", environment="GREETING=hello", ports="8080"
    )
    with here.instance("build-1", size="2x512m", user_data=SCRIPT) as instance:
        print(f"{instance.name} is {instance.status} at {instance.ip}. Its log:")
        print(log_of(instance.id), end="")


if __name__ == "__main__":
    main(Path(__file__).parent)
