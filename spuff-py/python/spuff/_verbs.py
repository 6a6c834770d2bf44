"""The operations of the compiled part.

Their types have a file of their own beside this one.
"""

from ._spuff import AsyncProvider, AsyncScope, Provider, Scope, Verbs, Watch

__all__ = ["AsyncProvider", "AsyncScope", "Provider", "Scope", "Verbs", "Watch"]
