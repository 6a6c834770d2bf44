"""Placement in the compiled part, so that its types have a file of their own beside this one."""

from ._spuff import (
    Attempt,
    Candidate,
    Placed,
    Price,
    place_instance,
    place_instance_async,
    place_instances,
    place_instances_async,
)

__all__ = [
    "Attempt",
    "Candidate",
    "Placed",
    "Price",
    "place_instance",
    "place_instance_async",
    "place_instances",
    "place_instances_async",
]
