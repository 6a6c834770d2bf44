"""Uses an installed spuff, outside the repository and without anything else: sync and asyncio, a
simulated cloud.
"""

import asyncio
import sys
import sysconfig
from pathlib import Path

import spuff
from spuff.simulator import Cloud

assert Path(spuff.__file__).is_relative_to(sys.prefix), spuff.__file__
with Cloud(speed=60) as cloud:
    for name, region, size in [
        ("digitalocean", "nyc3", "s-1vcpu-1gb"),
        ("hetzner", "fsn1", "cx22"),
        ("aws", "us-east-1", "t3.micro"),
    ]:
        provider = cloud.connect(name)
        with provider.instance("web-1", region=region, size=size) as machine:
            assert machine.is_ready, machine

        async def main(provider: spuff.AsyncProvider, region: str, size: str) -> None:
            async with provider.instance("web-2", region=region, size=size) as machine:
                assert machine.is_ready, machine

        asyncio.run(main(provider.aio, region, size))
    cloud.assert_no_leaks()
if sysconfig.get_config_var("Py_GIL_DISABLED"):
    assert not sys._is_gil_enabled(), "the import has switched the lock on"
print(f"Python {sys.version.split()[0]}: ok")
