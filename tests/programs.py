"""Runs the test programs that cargo has built, several at once, since they wait more than they
work.

    cargo test --no-run --message-format=json-render-diagnostics >FILE
    python3 tests/programs.py FILE

Each runs in the folder of its package, as with `cargo test`. What it says is shown when it has
ended.
"""

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

# They take longest, and begin first.
LONG = ["exactly_once", "fleet", "secrets", "simulator"]


def programs(messages):
    for line in messages:
        message = json.loads(line)
        if (
            message["reason"] == "compiler-artifact"
            and message["profile"]["test"]
            and message["executable"]
        ):
            yield (
                message["target"]["name"],
                message["executable"],
                Path(message["manifest_path"]).parent,
            )


def run(executable, folder):
    environment = os.environ | {
        "RUST_TEST_THREADS": str(2 * os.cpu_count()),
        "CARGO_MANIFEST_DIR": str(folder),
    }
    began = time.monotonic()
    ended = subprocess.run(
        [executable], cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    return ended, time.monotonic() - began


def main(file):
    with open(file, encoding="utf-8") as messages:
        known = sorted(
            programs(messages),
            key=lambda known: LONG.index(known[0]) if known[0] in LONG else len(LONG),
        )
    failed = []
    with ThreadPoolExecutor(os.cpu_count() + 1) as pool:
        running = {pool.submit(run, executable, folder): name for name, executable, folder in known}
        for ended in as_completed(running):
            name, (result, seconds) = running[ended], ended.result()
            print(f"\n     Running {name}, {seconds:.0f} s", flush=True)
            sys.stdout.buffer.write(result.stdout)
            sys.stdout.flush()
            if result.returncode:
                failed.append(name)
    print(f"\n{len(known)} test programs, {len(failed)} failed: {' '.join(failed) or 'none'}")
    return 1 if failed or not known else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
