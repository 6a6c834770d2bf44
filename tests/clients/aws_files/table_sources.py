"""Cases of programs, sign-ins, containers and machines."""

import json

from case import REFUSED, UNSET
from words import (
    CONTAINER,
    EMPTY,
    ENDED,
    LATER,
    MACHINE,
    SOME_TIMES,
    TIMES,
    env_keys,
    keys,
    row,
    section,
    sign_in,
)


def processes():
    """Programs that print credentials."""
    file, tool = section("default", **keys("FILE")), "{tools}/keys"

    def spelled(*words):
        return "AKIA" + "".join(f"{word}/" for word in words).encode().hex()

    def process(command, **more):
        return section("default", credential_process=command, **more)

    for command, words in {
        f"{tool}": (),
        f"{tool} a b": ("a", "b"),
        f'{tool} "a b" c': ("a b", "c"),
        f"{tool} 'a \"b\"'": ('a "b"',),
        f'{tool} a\\ b "c\\"d" \'e\\f\'': ("a b", 'c"d', "e\\f"),
        f'{tool} a"b c"d': ("ab cd",),
        f"{tool} '' \"\"": ("", ""),
        f'"{tool}" a': ("a",),
        f"{tool} $HOME ~ *": ("$HOME", "~", "*"),
        f"{tool} a # b": ("a", "#", "b"),
        f"{tool} a;b|c>d": ("a;b|c>d",),
        f"{tool} --key=v%20": ("--key=v%20",),
        f"   {tool}   a\tb  ": ("a", "b"),
        f'{tool} "\\a\\$b\\\\"': ("\\a\\$b\\",),
        f"{tool} schön": ("schön",),
    }.items():
        yield row(f"the command {command[8:]}", spelled(*words), config=process(command))
    yield row(
        "a command of two lines",
        spelled("a", "b"),
        config=f"[default]\ncredential_process = {tool} a\n  b\n",
    )
    yield row(
        "a command by PATH",
        spelled("a"),
        config=process("keys a"),
        env={"PATH": "{tools}:/usr/bin:/bin"},
    )
    yield row("a command that is not there", REFUSED, config=process("./keys a"))
    yield row("a quote that is open", REFUSED, config=process(f"{tool} 'a"))
    yield row("an empty command", REFUSED, config="[default]\ncredential_process =\n")
    yield row(
        "of a named profile",
        spelled("x"),
        config=section("profile work", credential_process=f"{tool} x"),
        env={"AWS_PROFILE": "work"},
    )
    yield row("in the credentials", spelled("x"), credentials=process(f"{tool} x"))
    yield row(
        "after keys of the credentials", "AKIAFILE", config=process(f"{tool} x"), credentials=file
    )
    yield row(
        "before keys of the config", spelled("x"), config=process(f"{tool} x", **keys("FILE"))
    )
    yield row("fails", REFUSED, config=process(tool), env={"KEYS_STATUS": "3"}, again=True)
    good = {"Version": 1, "AccessKeyId": "AKIAPROCESS", "SecretAccessKey": "s"}
    for name, answer, expects in (
        ("keys", good, "AKIAPROCESS"),
        ("a token", good | {"SessionToken": "t"}, "AKIAPROCESS"),
        ("a null token", good | {"SessionToken": None}, "AKIAPROCESS"),
        ("a null end", good | {"Expiration": None}, "AKIAPROCESS"),
        ("more", good | {"AccountId": "1", "Other": [1]}, "AKIAPROCESS"),
        ("no version", {name: value for name, value in good.items() if name != "Version"}, REFUSED),
        ("version 2", good | {"Version": 2}, REFUSED),
        ("a version in quotes", good | {"Version": "1"}, REFUSED),
        ("no secret", {"Version": 1, "AccessKeyId": "AKIAPROCESS"}, REFUSED),
        ("small letters", {"version": 1, "accessKeyId": "A", "secretAccessKey": "s"}, REFUSED),
        ("keys that have ended", good | {"Expiration": ENDED}, REFUSED),
    ):
        yield row(
            f"prints {name}", expects, config=process(tool), env={"KEYS_ANSWER": json.dumps(answer)}
        )
    yield row("prints words", REFUSED, config=process(tool), env={"KEYS_ANSWER": "words"})
    yield row("prints nothing", REFUSED, config=process(tool), env={"KEYS_ANSWER": ""})
    yield row(
        "prints spaces around",
        "AKIAPROCESS",
        config=process(tool),
        env={"KEYS_ANSWER": f" \n{json.dumps(good)}\n\n"},
    )
    yield row(
        "prints more after it",
        REFUSED,
        config=process(tool),
        env={"KEYS_ANSWER": f"{json.dumps(good)} {{}}"},
    )
    yield row(
        "prints a byte order mark",
        REFUSED,
        config=process(tool),
        env={"KEYS_ANSWER": f"\ufeff{json.dumps(good)}"},
    )
    yield row(
        "prints a version 1.0",
        "AKIAPROCESS",
        config=process(tool),
        env={"KEYS_ANSWER": json.dumps(good | {"Version": 1.0})},
    )
    for time, is_one in TIMES.items():
        answer = json.dumps(good | {"Expiration": time})
        yield row(
            f"prints the end {time!r}",
            "AKIAPROCESS" if is_one else REFUSED,
            config=process(tool),
            env={"KEYS_ANSWER": answer},
        )


def signs_in():
    """Sign-ins of IAM Identity Center."""
    start = "https://corp.awsapps.com/start"
    account = {"sso_account_id": "123456789012", "sso_role_name": "Dev"}
    where = {"sso_start_url": start, "sso_region": "eu-west-1"}
    old = section("default", **account, **where)
    new = section("default", sso_session="corp", **account) + section("sso-session corp", **where)
    old_token, new_token = sign_in(start), sign_in("corp")
    file = section("default", **keys("FILE"))
    renewable = {
        "refreshToken": "r",
        "clientId": "c",
        "clientSecret": "s",
        "registrationExpiresAt": LATER,
    }
    yield row("of a profile", "ASIASSODEV", config=old, files=old_token)
    yield row("of a session", "ASIASSODEV", config=new, files=new_token)
    yield row(
        "of a session in quotes",
        "ASIASSODEV",
        config=new.replace("[sso-session corp]", '[sso-session "corp"]'),
        files=new_token,
    )
    yield row(
        "of a session with a space",
        "ASIASSODEV",
        config=new.replace("[sso-session corp]", "[sso-session 'my corp']").replace(
            "= corp", "= my corp"
        ),
        files=sign_in("my corp"),
    )
    yield row(
        "of a session in UTF-8",
        "ASIASSODEV",
        config=new.replace("corp", "schön"),
        files=sign_in("schön"),
    )
    yield row(
        "of a session, with a token of its start URL alone", REFUSED, config=new, files=old_token
    )
    yield row("of a profile, with a token of another", REFUSED, config=old, files=new_token)
    yield row("not signed in", REFUSED, config=old, credentials=file)
    yield row("before keys", "ASIASSODEV", config=old, files=old_token, credentials=file)
    yield row(
        "after keys of the environment", "AKIAENV", config=old, files=old_token, env=env_keys("ENV")
    )
    yield row(
        "a session that is not there",
        REFUSED,
        config=section("default", sso_session="corp", **account),
        files=new_token,
    )
    yield row(
        "a session without a region",
        REFUSED,
        config=new.replace("sso_region = eu-west-1\n", ""),
        files=new_token,
    )
    yield row(
        "the same region in both",
        "ASIASSODEV",
        config=section("default", sso_session="corp", sso_region="eu-west-1", **account)
        + section("sso-session corp", **where),
        files=new_token,
    )
    yield row(
        "another region in both",
        REFUSED,
        config=section("default", sso_session="corp", sso_region="eu-west-2", **account)
        + section("sso-session corp", **where),
        files=new_token,
    )
    yield row(
        "the region in the profile alone",
        REFUSED,
        config=section("default", sso_session="corp", sso_region="eu-west-1", **account)
        + section("sso-session corp", sso_start_url=start),
        files=new_token,
    )
    yield row(
        "the account in the session",
        "ASIASSODEV",
        config=section("default", sso_session="corp", sso_role_name="Dev")
        + section("sso-session corp", sso_account_id="123456789012", **where),
        files=new_token,
    )
    yield row(
        "no role", REFUSED, config=section("default", sso_account_id="1", **where), files=old_token
    )
    yield row(
        "no account",
        REFUSED,
        config=section("default", sso_role_name="Dev", **where),
        files=old_token,
    )
    yield row(
        "neither role nor account",
        "AKIAFILE",
        config=section("default", **where),
        files=old_token,
        credentials=file,
    )
    yield row(
        "halves in both files",
        "ASIASSODEV",
        config=section("default", **where),
        credentials=section("default", **account),
        files=old_token,
    )
    yield row(
        "a start URL with a fragment",
        "ASIASSODEV",
        config=old.replace(start, f"{start}#/"),
        files=sign_in(f"{start}#/"),
    )
    yield row("refused", REFUSED, config=old, files=old_token, answers={"GetRoleCredentials": 401})
    yield row(
        "a token that is no JSON", REFUSED, config=old, files={name: "words" for name in old_token}
    )
    yield row(
        "a token without an end",
        REFUSED,
        config=old,
        files={name: '{"accessToken": "t"}' for name in old_token},
    )
    for name, config, key in (("of a profile", old, start), ("of a session", new, "corp")):
        for time, is_one in TIMES.items():
            yield row(
                f"{name} until {time!r}",
                "ASIASSODEV" if is_one else REFUSED,
                config=config,
                files=sign_in(key, time),
            )
        yield row(f"{name}, ended", REFUSED, config=config, files=sign_in(key, ENDED))
    yield row(
        "of a profile, ended, with a refresh token",
        REFUSED,
        config=old,
        files=sign_in(start, ENDED, **renewable),
    )
    for time in SOME_TIMES:
        more = renewable | {"registrationExpiresAt": time}
        yield row(
            f"renewed while registered until {time!r}",
            "ASIASSODEV",
            config=new,
            files=sign_in("corp", ENDED, **more),
        )
    yield row(
        "a registration that has ended",
        REFUSED,
        config=new,
        files=sign_in("corp", ENDED, **renewable | {"registrationExpiresAt": ENDED}),
    )
    yield row(
        "no client to renew with",
        REFUSED,
        config=new,
        files=sign_in("corp", ENDED, refreshToken="r"),
    )
    yield row(
        "a renewal that is refused",
        REFUSED,
        config=new,
        files=sign_in("corp", ENDED, **renewable),
        answers={"CreateToken": 400},
    )
    login = section("default", login_session="arn:aws:iam::1:user/me")
    yield row("by aws login", REFUSED, config=login)
    yield row(
        "by aws login, after keys of the credentials", "AKIAFILE", config=login, credentials=file
    )


def containers():
    """The role of a container."""
    file = section("default", **keys("FILE"))
    yield row("a full URI", "ASIACONTAINER", env=CONTAINER)
    yield row(
        "a full URI with a query",
        "ASIACONTAINER",
        env={"AWS_CONTAINER_CREDENTIALS_FULL_URI": "{cloud}/container?id=a%20b"},
    )
    yield row(
        "a token",
        "ASIACONTAINER",
        env=CONTAINER | {"AWS_CONTAINER_AUTHORIZATION_TOKEN": "Basic abc"},
    )
    yield row(
        "a token file",
        "ASIACONTAINER",
        env=CONTAINER | {"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "{home}/token"},
        files={"token": "from-file"},
    )
    yield row(
        "a token file before a token",
        "ASIACONTAINER",
        env=CONTAINER
        | {
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "{home}/token",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": "no",
        },
        files={"token": "from-file"},
    )
    yield row(
        "a token file with a line end",
        "ASIACONTAINER",
        env=CONTAINER | {"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "{home}/token"},
        files={"token": "from-file\n"},
        differs="the line end of a token's file is not a part of the token",
    )
    yield row(
        "a token file that is not there",
        REFUSED,
        env=CONTAINER | {"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "{home}/token"},
    )
    yield row(
        "a token of two lines",
        REFUSED,
        env=CONTAINER | {"AWS_CONTAINER_AUTHORIZATION_TOKEN": "a\nb"},
    )
    yield row("after the files", "AKIAFILE", env=CONTAINER, credentials=file)
    yield row(
        "before the machine",
        "ASIACONTAINER",
        env=CONTAINER
        | {"AWS_EC2_METADATA_DISABLED": "false", "AWS_EC2_METADATA_SERVICE_ENDPOINT": "{cloud}"},
    )
    yield row("refused", REFUSED, env=CONTAINER, answers={"Container": 403})
    yield row(
        "an unsafe host",
        REFUSED,
        env={"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://example.com/container"},
    )
    yield row("no URI", REFUSED, env={"AWS_CONTAINER_CREDENTIALS_FULL_URI": "words"})
    yield row(
        "a host of https",
        "ASIACONTAINER",
        env={"AWS_CONTAINER_CREDENTIALS_FULL_URI": "https://keys.example.com/container"},
        differs=(
            "a container's credentials are asked for through the "
            "proxy of the environment where they are behind https"
        ),
    )
    yield row(
        "a relative URI before a full one",
        REFUSED,
        env=CONTAINER | {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/nowhere"},
    )
    yield row(
        "an empty relative URI",
        "ASIACONTAINER",
        env=CONTAINER | {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": ""},
        differs=EMPTY,
    )
    for time in SOME_TIMES:
        yield row(f"until {time!r}", "ASIACONTAINER", env=CONTAINER, answers={"expiration": time})
    yield row("until soon", REFUSED, env=CONTAINER, answers={"expiration": "soon"}, again=True)
    yield row("ended", REFUSED, env=CONTAINER, answers={"expiration": ENDED})


def machines():
    """The role of a machine."""
    yield row("IMDSv2", "ASIAMACHINE", env=MACHINE)
    yield row(
        "an endpoint with a slash",
        "ASIAMACHINE",
        env=MACHINE | {"AWS_EC2_METADATA_SERVICE_ENDPOINT": "{cloud}/"},
    )
    yield row(
        "an endpoint with a path",
        "ASIAMACHINE",
        env=MACHINE | {"AWS_EC2_METADATA_SERVICE_ENDPOINT": "{cloud}/path"},
    )
    yield row(
        "the endpoint of the profile",
        "ASIAMACHINE",
        env={"AWS_EC2_METADATA_DISABLED": UNSET},
        config="[default]\nec2_metadata_service_endpoint = {cloud}\n",
    )
    yield row(
        "the mode and an endpoint",
        "ASIAMACHINE",
        env=MACHINE | {"AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE": "IPv6"},
    )
    for word in ("true", "TRUE", "True"):
        yield row(f"disabled by {word}", REFUSED, env=MACHINE | {"AWS_EC2_METADATA_DISABLED": word})
    for word in ("1", "yes", "", "false", " true"):
        yield row(
            f"not disabled by {word!r}",
            "ASIAMACHINE",
            env=MACHINE | {"AWS_EC2_METADATA_DISABLED": word},
        )
    yield row(
        "a mode that is none",
        REFUSED,
        env=MACHINE | {"AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE": "words"},
    )
    yield row(
        "after the files", "AKIAFILE", env=MACHINE, credentials=section("default", **keys("FILE"))
    )
    yield row("no role", REFUSED, env=MACHINE, answers={"MetadataRole": 404})
    yield row("no keys", REFUSED, env=MACHINE, answers={"MetadataKeys": 500})
    yield row(
        "without tokens",
        REFUSED,
        env=MACHINE,
        answers={"MetadataToken": 403},
        differs=(
            "IMDSv1 is not spoken: a request that a web server is made to send could read its keys"
        ),
    )
    yield row(
        "without tokens, v1 disabled",
        REFUSED,
        env=MACHINE | {"AWS_EC2_METADATA_V1_DISABLED": "true"},
        answers={"MetadataToken": 403},
    )
    yield row("keys that have ended", "ASIAMACHINE", env=MACHINE, answers={"expiration": ENDED})
    for time in SOME_TIMES:
        yield row(f"until {time!r}", "ASIAMACHINE", env=MACHINE, answers={"expiration": time})
    yield row("until soon", REFUSED, env=MACHINE, answers={"expiration": "soon"})
    asked = "a setting of the machine's metadata is looked at when that is asked"
    wrong = {"AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE": "words"}
    yield row(
        "a mode that is none, beside keys",
        "AKIAFILE",
        env=wrong,
        credentials=section("default", **keys("FILE")),
        differs=asked,
    )
    yield row(
        "an empty mode",
        "ASIAMACHINE",
        env=MACHINE | {"AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE": ""},
        differs=EMPTY,
    )
