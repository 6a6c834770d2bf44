"""spuff for asyncio: `connect` gives a provider whose operations are coroutines."""

from __future__ import annotations

from ._spuff import AsyncProvider, ProviderRegistry, ProviderTimeouts
from ._spuff import place_instance_async as place_instance
from ._spuff import place_instances_async as place_instances
from ._spuff import settled_async as settled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._values import _Option

__all__ = ["AsyncProvider", "connect", "place_instance", "place_instances", "settled"]


def connect(
    name: str,
    token: str | None = None,
    endpoint: str | None = None,
    region: str | None = None,
    timeouts: ProviderTimeouts | None = None,
    **options: _Option,
) -> AsyncProvider:
    """Makes a provider from its name or alias, as `spuff.connect` does.

    Nothing is sent, and nothing is to be awaited.
    """
    return (
        ProviderRegistry.with_defaults()
        .from_env(name, token, endpoint, region, timeouts, **options)
        .aio
    )
