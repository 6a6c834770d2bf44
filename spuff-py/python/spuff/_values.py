"""The nouns of the compiled part, so that their types have a file of their own beside this one."""

from ._spuff import (
    Address,
    ImageSpec,
    Instance,
    InstanceRequest,
    InstanceStatus,
    Progress,
    ProviderConfig,
    ProviderTimeouts,
    Reaped,
)

__all__ = [
    "Address",
    "ImageSpec",
    "Instance",
    "InstanceRequest",
    "InstanceStatus",
    "Progress",
    "ProviderConfig",
    "ProviderTimeouts",
    "Reaped",
]
