"""Starts, watches and ends cloud instances.

It knows DigitalOcean, Hetzner Cloud, AWS EC2, Docker and Podman, and takes providers of your own.

```python
import spuff

hetzner = spuff.connect("hetzner")
with hetzner.instance("build-1", region="fsn1", size="cx22") as machine:
    print(machine.ip)
```

`spuff.aio.connect` gives the same provider for asyncio, `spuff.simulator.Cloud` simulated clouds,
and `spuff.testing.check_provider` says whether a provider of your own satisfies the contract.
"""

from __future__ import annotations

from . import aio as aio
from . import errors as errors
from ._nouns import Snapshot
from ._spuff import (
    Address,
    AsyncProvider,
    Attempt,
    Candidate,
    ImageSpec,
    Instance,
    InstanceRequest,
    InstanceStatus,
    OptionDescription,
    Placed,
    Price,
    Progress,
    Provider,
    ProviderConfig,
    ProviderDescription,
    ProviderRegistry,
    ProviderTimeouts,
    Reaped,
    __version__,
    is_cancelled,
    place_instance,
    place_instances,
    settled,
)
from .errors import (
    ApiError,
    AuthenticationError,
    CancelledError,
    CapacityError,
    ConflictError,
    InternalError,
    InvalidConfigError,
    NetworkError,
    NotFoundError,
    NotSupportedError,
    OtherError,
    QuotaExceededError,
    RateLimitError,
    SpuffError,
    UnavailableError,
    UnknownOutcomeError,
    UnknownProviderError,
)

# Not of those that `import *` gives: they have the names of builtins.
from .errors import NotImplementedError as NotImplementedError
from .errors import TimeoutError as TimeoutError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import protocol as protocol
    from . import simulator as simulator
    from . import testing as testing
    from ._plugins import provider as provider
    from ._values import _Option

__all__ = [
    "Address",
    "ApiError",
    "AsyncProvider",
    "Attempt",
    "AuthenticationError",
    "CancelledError",
    "Candidate",
    "CapacityError",
    "ConflictError",
    "ImageSpec",
    "Instance",
    "InstanceRequest",
    "InstanceStatus",
    "InternalError",
    "InvalidConfigError",
    "NetworkError",
    "NotFoundError",
    "NotSupportedError",
    "OptionDescription",
    "OtherError",
    "Placed",
    "Price",
    "Progress",
    "Provider",
    "ProviderConfig",
    "ProviderDescription",
    "ProviderRegistry",
    "ProviderTimeouts",
    "QuotaExceededError",
    "RateLimitError",
    "Reaped",
    "SpuffError",
    "UnavailableError",
    "UnknownOutcomeError",
    "UnknownProviderError",
    "__version__",
    "aio",
    "connect",
    "errors",
    "is_cancelled",
    "place_instance",
    "place_instances",
    "provider",
    "settled",
]
# The nouns of the contract: `cargo run -p spuff-surface` writes these, and their import.
__all__ += ["Snapshot"]


def connect(
    name: str,
    token: str | None = None,
    endpoint: str | None = None,
    region: str | None = None,
    timeouts: ProviderTimeouts | None = None,
    **options: _Option,
) -> Provider:
    """Makes a provider from its name or alias; nothing is sent.

    What is left out comes from the environment variables that the provider describes, such as
    `HETZNER_TOKEN`. `ProviderRegistry.with_defaults().describe(name)` lists its options: text, a
    number, a bool, a path, a `timedelta`, or a list or mapping of these, which is a line for each
    item.
    """
    return ProviderRegistry.with_defaults().from_env(
        name, token, endpoint, region, timeouts, **options
    )


_MODULES = ("protocol", "simulator", "testing")


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES, "provider"})


def _imported_by_name() -> None:
    """Shows to programs that pack others, as PyInstaller does, what only the compiled part imports.

    Nobody calls it.
    """
    import asyncio as asyncio
    import atexit as atexit
    import decimal as decimal
    import logging as logging
    import os as os
    import pathlib as pathlib
    import threading as threading

    from . import _asyncio as _asyncio
    from . import _plugins as _plugins
    from . import _tables as _tables
    from . import protocol as protocol
    from . import simulator as simulator
    from . import testing as testing


def __getattr__(name: str) -> object:
    if name == "provider":
        from ._plugins import provider

        globals()["provider"] = provider
        return provider
    if name in _MODULES:
        from importlib import import_module

        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
