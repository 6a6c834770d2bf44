"""Providers that are declared in Python.

By a decorator, or by the entry points of installed packages.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from ._spuff import ProviderRegistry
from .protocol import ProviderFactory

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

F = TypeVar("F", bound=ProviderFactory)

GROUP = "spuff.providers"
"""The entry points under which packages offer providers: their name is the provider's, their object
its factory.
"""

_declared: dict[str, tuple[ProviderFactory, dict[str, Any]]] = {}


def provider(
    name: str,
    *,
    summary: str | None = None,
    snapshots: bool | None = None,
    ssh_keys: bool | None = None,
    labels: bool = True,
    max_user_data: int = 0,
    token_required: bool = True,
) -> Callable[[F], F]:
    """Declares a provider: `spuff.connect(name)` and registries made from now on have it.

    What is decorated is called with a `ProviderConfig`, and gives an object with the operations,
    plain or `async def`: `spuff.protocol` has their types. The keywords describe what it can do;
    `snapshots` and `ssh_keys` are found out by the methods of a class where they are not given.
    """
    description = {
        "summary": summary,
        "snapshots": snapshots,
        "ssh_keys": ssh_keys,
        "labels": labels,
        "max_user_data": max_user_data,
        "token_required": token_required,
    }

    def declare(factory: F) -> F:
        _declared[name] = (factory, description)
        return factory

    return declare


def add_declared(registry: ProviderRegistry) -> None:
    """Registers what the decorator has declared."""
    for name, (factory, description) in _declared.items():
        registry.register(name, factory, **description)


def discover(registry: ProviderRegistry, name: str | None) -> bool:
    """Registers what installed packages offer, of that name or all.

    Tells whether there was anything.
    """
    from importlib.metadata import entry_points

    def wanted(entry: EntryPoint) -> bool:
        return name is None or entry.name.lower() == name.strip().lower()

    found = [entry for entry in entry_points(group=GROUP) if wanted(entry)]
    for entry in found:
        factory = entry.load()
        descriptions = [
            description for known, description in _declared.values() if known is factory
        ]
        registry.register(entry.name, factory, **(descriptions[0] if descriptions else {}))
    return bool(found)
