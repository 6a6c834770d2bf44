"""The two that read the same files and environment, and sign the same request: boto3, and spuff."""

import os
import subprocess
import time

import boto3
import botocore.auth
import botocore.session
from botocore.credentials import SSOProvider
from botocore.loaders import create_loader
from botocore.tokens import SSOTokenProvider
from botocore.utils import ContainerMetadataFetcher

# It asks again, after pauses, where there is no container.
ContainerMetadataFetcher.RETRY_ATTEMPTS = 1
ContainerMetadataFetcher.SLEEP_TIME = 0
PATIENCE = 60


class Boto:
    """boto3, with the secrets that it signs with in the order of the requests."""

    def __init__(self):
        # What does not come from the files or the environment is read once.
        self.loader = create_loader()
        self.secrets = []
        add_auth = botocore.auth.SigV4Auth.add_auth

        def noted(auth, request):
            add_auth(auth, request)
            self.secrets.append(auth.credentials.secret_key)

        botocore.auth.SigV4Auth.add_auth = noted

    def asks(self, env, folder, profile, again):
        """Makes one request; gives what went wrong."""
        before = os.environ.copy()
        self.secrets.clear()
        os.environ.clear()
        os.environ.update(env)
        os.chdir(folder)
        try:
            # They are filled when the classes are made.
            SSOProvider._SSO_TOKEN_CACHE_DIR = SSOTokenProvider._SSO_TOKEN_CACHE_DIR = (
                os.path.expanduser("~/.aws/sso/cache")
            )
            session = botocore.session.Session(profile=profile)
            session.register_component("data_loader", self.loader)
            session.get_component("credential_provider").get_provider("assume-role")._prompter = (
                lambda text: "123456"
            )
            boto3.session.Session(botocore_session=session).client("ec2").describe_instances()
            return None
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        finally:
            os.chdir("/")
            os.environ.clear()
            os.environ.update(before)


class Spuff:
    """A program that asks for what spuff has made."""

    def __init__(self, program):
        self.program = program

    def asks(self, env, folder, profile, again):
        """Makes one request, or as many as `again` allows; gives what went wrong."""
        command = [self.program, "--provider", "aws", "--owner", "nobody", "--dry-run"]
        command += [] if profile is None else ["--option", f"profile={profile}"]
        running = subprocess.Popen(
            command, env=env, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        end = time.monotonic() + PATIENCE
        while True:
            try:
                said = running.communicate(timeout=0.2)[1].decode(errors="replace").strip()
                break
            except subprocess.TimeoutExpired:
                late = time.monotonic() > end
                if late or again():
                    running.kill()
                    running.wait()
                    running.stderr.close()
                    if late:
                        raise
                    return "asked again"
        if running.returncode not in (0, 1) or "panicked" in said:
            raise RuntimeError(f"{self.program} ended with status {running.returncode}: {said}")
        return said if running.returncode else None
