"""What the cases are written with: sections, keys, sign-ins, and times."""

import hashlib
import json

from case import UNSET

LATER = "2099-01-01T00:00:00Z"
ENDED = "2020-01-01T00:00:00Z"
ROLE = "arn:aws:iam::123456789012:role/"
MACHINE = {"AWS_EC2_METADATA_DISABLED": UNSET, "AWS_EC2_METADATA_SERVICE_ENDPOINT": "{cloud}"}
CONTAINER = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "{cloud}/container"}
# Why spuff differs, where it does so in several places.
EMPTY = "a variable that is empty is not set"
# Spellings of one time, and whether it is one.
TIMES = {
    "2099-12-07T01:19:12Z": True,
    "2099-12-07T01:19:12UTC": True,
    "2099-12-07T01:19:12 UTC": True,
    "2099-12-07T01:19:12.345Z": True,
    "2099-12-07T01:19:12.345678+00:00": True,
    "2099-12-07T01:19:12+00:00": True,
    "2099-12-06T17:19:12-08:00": True,
    "2099-12-06T17:19:12-0800": True,
    "2099-12-07 01:19:12+00": True,
    "2099-12-07 01:19:12Z": True,
    "20991207T011912Z": True,
    "Mon, 07 Dec 2099 01:19:12 GMT": True,
    "2099-12-07T01:19Z": True,
    "2099-12-07T01:19:12": False,
    "soon": False,
}
SOME_TIMES = ("2099-12-07T01:19:12UTC", "2099-12-06T17:19:12-0800")


def section(title, /, **settings):
    return f"[{title}]\n" + "".join(f"{key} = {value}\n" for key, value in settings.items())


def keys(name, **more):
    """The settings of long-lived keys; the name is a part of both."""
    return {"aws_access_key_id": f"AKIA{name}", "aws_secret_access_key": f"secret/{name}+=", **more}


def env_keys(name, **more):
    return {"AWS_ACCESS_KEY_ID": f"AKIA{name}", "AWS_SECRET_ACCESS_KEY": f"secret/{name}+=", **more}


def sign_in(name, expires=LATER, **more):
    """The cached token of a sign-in, by the name of its session or its start URL."""
    named = hashlib.sha1(name.encode()).hexdigest()
    return {
        f".aws/sso/cache/{named}.json": json.dumps(
            {"accessToken": f"bearer {named}", "expiresAt": expires} | more
        )
    }


def row(name, expects, **more):
    return {"name": name, "expects": expects, **more}


DEFAULT = keys("FILE")
