"""spuff for asyncio: `connect` gives a provider whose verbs are coroutines."""

from __future__ import annotations

from ._spuff import AsyncProvider, ProviderRegistry, ProviderTimeouts
from ._spuff import place_instance_async as place_instance
from ._spuff import place_instances_async as place_instances
from ._spuff import settled_async as settled

__all__ = ["AsyncProvider", "connect", "place_instance", "place_instances", "settled"]


def connect(
    name: str,
    token: str | None = None,
    endpoint: str | None = None,
    region: str | None = None,
    timeouts: ProviderTimeouts | None = None,
    **options: object,
) -> AsyncProvider:
    """Makes a provider from its name or alias, as `spuff.connect` does; nothing is sent, and nothing is to be awaited."""
    return ProviderRegistry.with_defaults().from_env(name, token, endpoint, region, timeouts, **options).aio
