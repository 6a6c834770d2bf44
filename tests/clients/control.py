"""The simulator's own switches, and the steps that a check prints: what the checks of all Python
clients share.
"""

import json
import os
import sys
import time
import urllib.request

CONTROL = os.environ["SPUFF_SIMULATOR"]


def control(method, path, body=None):
    """Asks the simulator itself, under the address that it set."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(CONTROL + path, data=data, method=method)
    with urllib.request.urlopen(request) as reply:
        return json.load(reply)


def inject(provider, route, fault, times=1):
    """Lets something go wrong on one kind of request."""
    rule = {"fault": fault, "provider": provider, "route": route, "times": times}
    return control("POST", "/faults", rule)


def asked(provider, route):
    """How many requests of one kind there were."""
    counts = control("GET", "/requests")["counts"]
    return sum(
        count["count"]
        for count in counts
        if (count["provider"], count["route"]) == (provider, route)
    )


def step(text, holds, seen=None):
    """Prints a step; ends the program at the first that does not hold."""
    print(("ok    " if holds else "WRONG ") + text, flush=True)
    if not holds:
        print(f"      seen: {seen!r}", flush=True)
        sys.exit(1)


def until(look, seconds=30):
    """Looks until there is something."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        seen = look()
        if seen:
            return seen
        time.sleep(0.05)
    step(f"something is there within {seconds} s", False)


def no_leaks():
    """Nothing may be left that costs money."""
    leaks = control("GET", "/leaks")
    step("nothing is left that costs money", leaks == [], leaks)
