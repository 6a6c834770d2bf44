"""Cases of the sources of keys, up to web identities."""

from case import REFUSED, UNSET
from words import CONTAINER, ENDED, MACHINE, ROLE, SOME_TIMES, env_keys, keys, row, section, sign_in


def environment():
    """Keys in variables."""
    file = section("default", **keys("FILE"))
    work = section("work", **keys("WORK"))
    yield row("keys", "AKIAENV", env=env_keys("ENV"))
    yield row("before the files", "AKIAENV", credentials=file, env=env_keys("ENV"))
    yield row(
        "before a profile of the environment",
        "AKIAENV",
        credentials=work,
        env=env_keys("ENV", AWS_PROFILE="work"),
    )
    yield row("with a token", "AKIAENV", env=env_keys("ENV", AWS_SESSION_TOKEN="t"))
    yield row("with the older token", "AKIAENV", env=env_keys("ENV", AWS_SECURITY_TOKEN="t"))
    yield row(
        "with both tokens",
        "AKIAENV",
        env=env_keys("ENV", AWS_SECURITY_TOKEN="t", AWS_SESSION_TOKEN="u"),
    )
    yield row(
        "with an empty older token",
        "AKIAENV",
        env=env_keys("ENV", AWS_SECURITY_TOKEN="", AWS_SESSION_TOKEN="u"),
    )
    yield row("with an empty token", "AKIAENV", env=env_keys("ENV", AWS_SESSION_TOKEN=""))
    yield row("without a secret", REFUSED, credentials=file, env={"AWS_ACCESS_KEY_ID": "AKIAENV"})
    yield row(
        "with an empty secret",
        REFUSED,
        credentials=file,
        env=env_keys("ENV", AWS_SECRET_ACCESS_KEY=""),
    )
    yield row(
        "with an empty key", "AKIAFILE", credentials=file, env=env_keys("ENV", AWS_ACCESS_KEY_ID="")
    )
    yield row("the secret alone", "AKIAFILE", credentials=file, env={"AWS_SECRET_ACCESS_KEY": "s"})
    yield row(
        "with a file that cannot be read", REFUSED, credentials="words\n", env=env_keys("ENV")
    )
    yield row(
        "with a config that cannot be read", REFUSED, config="[x]\n[x]\n", env=env_keys("ENV")
    )
    yield row(
        "with a role in the file",
        "AKIAENV",
        config=section("default", role_arn=f"{ROLE}x", source_profile="default"),
        env=env_keys("ENV"),
    )
    for spelled in SOME_TIMES:
        yield row(
            f"that end at {spelled!r}",
            "AKIAENV",
            env=env_keys("ENV", AWS_CREDENTIAL_EXPIRATION=spelled),
        )
    yield row("that end soon", REFUSED, env=env_keys("ENV", AWS_CREDENTIAL_EXPIRATION="soon"))
    yield row("that have ended", REFUSED, env=env_keys("ENV", AWS_CREDENTIAL_EXPIRATION=ENDED))
    yield row("with an empty end", "AKIAENV", env=env_keys("ENV", AWS_CREDENTIAL_EXPIRATION=""))


def roles():
    """Roles that are taken with other keys."""
    base = section("profile base", **keys("BASE"))

    def role(title="default", name="Deploy", **more):
        return section(title, role_arn=ROLE + name, **more)

    yield row("a source profile", "ASIADEPLOY", config=role(source_profile="base") + base)
    yield row(
        "a source profile of the credentials",
        "ASIADEPLOY",
        config=role(source_profile="base"),
        credentials=section("base", **keys("BASE")),
    )
    yield row(
        "a role in the credentials",
        "ASIADEPLOY",
        credentials=role(source_profile="base") + section("base", **keys("BASE")),
    )
    yield row(
        "a role in halves",
        "ASIADEPLOY",
        config=f"[default]\nrole_arn = {ROLE}Deploy\n",
        credentials="[default]\nsource_profile = base\n" + section("base", **keys("BASE")),
    )
    yield row(
        "with a token",
        "ASIADEPLOY",
        config=role(source_profile="base")
        + section("profile base", **keys("BASE", aws_session_token="t")),
    )
    yield row(
        "external id and session name",
        "ASIADEPLOY",
        config=role(source_profile="base", external_id="a b/c", role_session_name="me@here") + base,
    )
    for seconds in ("1200", " 900 ", "words", "+1200", "12.5", ""):
        yield row(
            f"a duration of {seconds!r}",
            "ASIADEPLOY",
            config=role(source_profile="base", duration_seconds=seconds) + base,
        )
    for seconds in ("-900", "0", "60", "43201", "99999999999999"):
        yield row(
            f"a duration of {seconds!r}",
            REFUSED,
            config=role(source_profile="base", duration_seconds=seconds) + base,
        )
    for seconds in ("1_200", "٩٠٠"):
        python = "a duration that Python alone takes for a number is none"
        yield row(
            f"a duration of {seconds!r}",
            "ASIADEPLOY",
            config=role(source_profile="base", duration_seconds=seconds) + base,
            differs=python,
        )
    yield row(
        "an empty session name",
        "ASIADEPLOY",
        config=role(source_profile="base", role_session_name="") + base,
    )
    yield row(
        "an empty external id", REFUSED, config=role(source_profile="base", external_id="") + base
    )
    yield row(
        "keys beside the role", "ASIADEPLOY", config=role(source_profile="default", **keys("OWN"))
    )
    yield row(
        "keys in the credentials beside the role",
        "ASIADEPLOY",
        config=role(source_profile="default"),
        credentials=section("default", **keys("OWN")),
    )
    yield row("itself without keys", REFUSED, config=role(source_profile="default"))
    yield row(
        "two roles",
        "ASIADEPLOY",
        config=role(source_profile="a") + role("profile a", "A", source_profile="base") + base,
    )
    yield row(
        "three roles",
        "ASIADEPLOY",
        config=role(source_profile="a")
        + role("profile a", "A", source_profile="b")
        + role("profile b", "B", source_profile="base")
        + base,
    )
    yield row(
        "a circle of two",
        REFUSED,
        config=role(source_profile="a") + role("profile a", "A", source_profile="default"),
    )
    yield row(
        "a circle behind",
        REFUSED,
        config=role(source_profile="a")
        + role("profile a", "A", source_profile="b")
        + role("profile b", "B", source_profile="a"),
    )
    yield row(
        "a source with keys and a role",
        "ASIADEPLOY",
        config=role(source_profile="a")
        + role("profile a", "A", source_profile="base", **keys("OWN"))
        + base,
    )
    yield row(
        "a source with half a key and a role",
        REFUSED,
        config=role(source_profile="a")
        + role("profile a", "A", source_profile="base", aws_secret_access_key="s")
        + base,
    )
    yield row(
        "a source that is itself the source",
        "ASIADEPLOY",
        config=role(source_profile="a") + role("profile a", "A", source_profile="a", **keys("OWN")),
    )
    yield row("a source that is not there", REFUSED, config=role(source_profile="nowhere"))
    yield row(
        "a source without credentials",
        REFUSED,
        config=role(source_profile="base") + "[profile base]\nregion = eu-west-1\n",
    )
    yield row("an empty source", REFUSED, config=role(source_profile=""))
    yield row(
        "an empty role", REFUSED, config="[default]\nrole_arn =\nsource_profile = base\n" + base
    )
    yield row("neither source", REFUSED, config=role())
    yield row(
        "both sources",
        REFUSED,
        config=role(source_profile="base", credential_source="Environment") + base,
    )
    yield row(
        "keys of the default do not help",
        REFUSED,
        config=role(),
        credentials=section("default", **keys("FILE")),
    )
    yield row(
        "a process as source",
        "ASIADEPLOY",
        config=role(source_profile="base")
        + section("profile base", credential_process="{tools}/keys a"),
    )
    yield row(
        "credentials before the process of a source",
        "ASIADEPLOY",
        config=role(source_profile="base")
        + section("profile base", credential_process="{tools}/keys a"),
        credentials=section("base", **keys("BASE")),
    )
    sso = {
        "sso_start_url": "https://corp/start",
        "sso_region": "eu-west-1",
        "sso_account_id": "1",
        "sso_role_name": "Dev",
    }
    yield row(
        "a sign-in as source",
        "ASIADEPLOY",
        config=role(source_profile="base") + section("profile base", **sso),
        files=sign_in("https://corp/start"),
    )
    session = section(
        "profile base", sso_session="corp", sso_account_id="1", sso_role_name="Dev"
    ) + section("sso-session corp", sso_start_url="https://corp/start", sso_region="eu-west-1")
    yield row(
        "a sign-in of a session as source",
        "ASIADEPLOY",
        config=role(source_profile="base") + session,
        files=sign_in("corp"),
    )
    web_identity = {"web_identity_token_file": "{home}/token"}
    yield row(
        "a web identity as source",
        "ASIADEPLOY",
        config=role(source_profile="base") + role("profile base", "Pod", **web_identity),
        files={"token": "subject"},
    )
    named = {"AWS_PROFILE": "work"}
    yield row(
        "of a named profile",
        "ASIADEPLOY",
        config=role("profile work", source_profile="base") + base,
        env=named,
    )
    yield row(
        "the region of the role's profile",
        "ASIADEPLOY",
        config=role(source_profile="base", region="eu-west-1")
        + section("profile base", **keys("BASE", region="eu-west-2")),
        region=None,
    )
    yield row(
        "Environment beside the keys themselves",
        "AKIAENV",
        config=role("profile work", credential_source="Environment"),
        env=named | env_keys("ENV"),
    )
    yield row("Environment without keys", REFUSED, config=role(credential_source="Environment"))
    yield row(
        "Ec2InstanceMetadata",
        "ASIADEPLOY",
        config=role(credential_source="Ec2InstanceMetadata"),
        env=MACHINE,
    )
    yield row(
        "Ec2InstanceMetadata that is off",
        REFUSED,
        config=role(credential_source="Ec2InstanceMetadata"),
    )
    yield row(
        "EcsContainer", "ASIADEPLOY", config=role(credential_source="EcsContainer"), env=CONTAINER
    )
    yield row("EcsContainer without one", REFUSED, config=role(credential_source="EcsContainer"))
    yield row(
        "a credential_source in small letters",
        REFUSED,
        config=role(credential_source="ecscontainer"),
        env=CONTAINER,
    )
    yield row(
        "a source with a credential_source",
        "ASIADEPLOY",
        config=role(source_profile="a") + role("profile a", "A", credential_source="EcsContainer"),
        env=CONTAINER,
    )
    yield row(
        "STS refuses",
        REFUSED,
        config=role(source_profile="base") + base,
        answers={"AssumeRole": 403},
    )
    for spelled in SOME_TIMES:
        yield row(
            f"until {spelled!r}",
            "ASIADEPLOY",
            config=role(source_profile="base") + base,
            answers={"expiration": spelled},
        )
    yield row(
        "until soon",
        REFUSED,
        config=role(source_profile="base") + base,
        answers={"expiration": "soon"},
        again=True,
    )
    mfa = (
        "a library cannot ask for the code of an MFA "
        "device: the role is refused, and a way out named"
    )
    yield row(
        "an MFA device",
        REFUSED,
        config=role(source_profile="base", mfa_serial="arn:aws:iam::1:mfa/me") + base,
        differs=mfa,
    )


def web():
    """A web identity."""
    files = {"token": "subject-token\n"}
    pod = {"AWS_WEB_IDENTITY_TOKEN_FILE": "{home}/token", "AWS_ROLE_ARN": f"{ROLE}Pod"}
    both = {"web_identity_token_file": "{home}/token", "role_arn": f"{ROLE}File"}
    file = section("default", **keys("FILE"))
    trimmed = "the token's line end is not sent"
    subject = {"token": "subject-token"}
    yield row("variables", "ASIAPOD", files=subject, env=pod)
    yield row("a token with a line end", "ASIAPOD", files=files, env=pod, differs=trimmed)
    yield row("a session name", "ASIAPOD", files=subject, env=pod | {"AWS_ROLE_SESSION_NAME": "me"})
    yield row("before the files", "ASIAPOD", files=subject, env=pod, credentials=file)
    yield row("after keys", "AKIAENV", files=subject, env=pod | env_keys("ENV"))
    yield row("of a profile", "ASIAFILE", files=subject, config=section("default", **both))
    yield row(
        "of a named profile, with variables",
        "ASIAPOD",
        files=subject,
        config=section("profile work", **both),
        env=pod | {"AWS_PROFILE": "work"},
    )
    yield row(
        "halves",
        "ASIAPOD",
        files=subject,
        config="[default]\nweb_identity_token_file = {home}/token\n",
        env={"AWS_ROLE_ARN": f"{ROLE}Pod"},
    )
    yield row(
        "a profile with a source and a web identity",
        "ASIAFILE",
        files=subject,
        config=section("default", source_profile="x", **both) + section("profile x", **keys("X")),
    )
    yield row(
        "a role of the profile with variables",
        "ASIADEPLOY",
        files=subject,
        config=section("default", role_arn=f"{ROLE}Deploy", source_profile="x")
        + section("profile x", **keys("X")),
        env=pod,
    )
    yield row(
        "no role", REFUSED, files=subject, env=pod | {"AWS_ROLE_ARN": UNSET}, credentials=file
    )
    yield row(
        "a role alone",
        "AKIAFILE",
        files=subject,
        env={"AWS_ROLE_ARN": f"{ROLE}Pod"},
        credentials=file,
    )
    yield row("no file", REFUSED, env=pod, credentials=file)
    yield row(
        "a path with a tilde",
        REFUSED,
        files=subject,
        env=pod | {"AWS_WEB_IDENTITY_TOKEN_FILE": "~/token"},
    )
    yield row(
        "a relative path",
        "ASIAPOD",
        files=subject,
        env=pod | {"AWS_WEB_IDENTITY_TOKEN_FILE": "../token"},
    )
    yield row(
        "not as the source of a role",
        REFUSED,
        files=subject,
        config=section("default", role_arn=f"{ROLE}Deploy", source_profile="x")
        + "[profile x]\nregion = eu-west-1\n",
        env=pod,
    )
    yield row(
        "an empty file variable",
        "AKIAFILE",
        env=pod | {"AWS_WEB_IDENTITY_TOKEN_FILE": ""},
        credentials=file,
    )
    yield row(
        "STS refuses",
        REFUSED,
        files=subject,
        env=pod,
        credentials=file,
        answers={"AssumeRoleWithWebIdentity": 400},
    )
