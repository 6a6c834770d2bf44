"""Cases that are made from a seed. What is listed as a difference is left out: a case here has to
be alike.
"""

from functools import partial

from case import Case
from words import MACHINE, ROLE, env_keys, keys, section, sign_in

NAMES = ("default", "work", "my work", "a-b", "schön", "x")


def cases(random, each):
    kinds = (spelled, lines, precedence, chains, times, commands, endpoints)
    return [
        Case(f"{kind.__name__} {number}", **kind(random))
        for kind in kinds
        for number in range(each)
    ]


def maybe(random, chance=0.5):
    return random.random() < chance


def title(random, name, in_config):
    """A section's title as somebody may write it."""
    if not in_config or (name == "default" and maybe(random)):
        return name
    kind = random.choice(("profile", "profile", "profile", "profiles", "Profile"))
    quote = random.choice(("'", '"') if " " in name else ("", "", "'", '"'))
    return f"{kind}{random.choice((' ', ' ', '  ', chr(9)))}{quote}{name}{quote}"


def written(random, titled):
    """A file with these sections, in any of the ways to write it."""
    end = random.choice(("\n", "\n", "\n", "\r\n", "\r"))
    gap = lambda: random.choice(("", "", " ", "  ", "\t"))  # noqa: E731
    filler = lambda: random.choice(  # noqa: E731
        ("", "", "", "", "# words = x", "; words", "  # words", " ", "\t")
    )
    text = random.choice(("", "", "# words", "\n", "[preview]\nx = y")) + "\n"
    for name, settings in titled:
        indent = random.choice(("", "", "", " ", "\t"))
        before = gap() if maybe(random, 0.1) else ""
        text += f"{before}[{name}]{random.choice(('', '', ' ', ' # words'))}\n"
        for key, value in settings:
            key = random.choice((key, key, key.upper(), key.title()))
            delimiter = random.choice(("=", "=", "=", ":"))
            text += f"{filler()}\n" * maybe(random, 0.3)
            text += f"{indent}{key}{gap()}{delimiter}{gap()}{value}{gap()}\n"
    text = text.replace("\n", end)
    if maybe(random, 0.2):
        text = text.rstrip()
    encoding = random.choices(("utf-8", "utf-8-sig", "latin-1", "utf-16"), (20, 1, 1, 1))[0]
    return text.encode(encoding)


def spelled(random):
    """Sections and keys, spelled at random."""
    names = random.sample(NAMES, random.randint(1, 4))
    files = {}
    for file in ("config", "credentials"):
        titled = []
        for name in names:
            settings = [*keys(f"{NAMES.index(name)}{file.upper()}").items()]
            settings += [("aws_session_token", f"token#{name.encode().hex()}")] * maybe(random, 0.3)
            settings += [("region", random.choice(("eu-west-1", "us-west-2")))] * maybe(random)
            settings += [
                (
                    random.choice(("output", "sx", "x.y")),
                    random.choice(("json", "a = b", "%(x)s", "'q'")),
                )
            ] * maybe(random, 0.4)
            random.shuffle(settings)
            titled += [(title(random, name, file == "config"), settings)] * maybe(random, 0.8)
        files[file] = written(random, titled) if maybe(random, 0.8) else None
    env = {"AWS_PROFILE": random.choice(names)} if maybe(random, 0.8) else {}
    return files | {"env": env}


LINES = (
    "[default]", "[default]", "[profile x]", "[x]", "[DEFAULT]", "[other] words", " [default]",
    "[default", "default]", "[]", "[[default]]", "aws_access_key_id = AKIAFILE",
    "aws_access_key_id=AKIAFILE", "aws_secret_access_key = s", "aws_secret_access_key: s",
    "aws_secret_access_key = s", "  aws_secret_access_key = s",
    "\taws_access_key_id\t=\tAKIAFILE", "aws_session_token = t", "AWS_SESSION_TOKEN=u",
    "region = eu-west-1", "region", "= x", ": x", "x =", "y =", "  max = 1", "  words",
    "    deeper = 1", "\t= x", "", "", " ", "\t", "# words", "  # words", "; words",
    "  ; words", "words ; more", "a = b # c", "a:b=c", "a b = c", "rem words", "a\xa0= b",
    "\xa0b = c", "c = d\u2028e", "d = \x1ce", "\x0cf = g",
)  # fmt: skip


def lines(random):
    """Lines that may or may not be a file."""
    text = (
        "\n".join(
            ["[default]"] * maybe(random, 0.7)
            + [random.choice(LINES) for _ in range(random.randint(2, 9))]
        )
        + "\n"
    )
    other = section("default", **keys("OTHER"))
    if maybe(random):
        return {"credentials": text, "config": other if maybe(random) else None}
    return {"config": text, "credentials": other if maybe(random, 0.3) else None}


def precedence(random):
    """Sources of every kind, some of them."""
    profiles = {
        file: {name: {} for name in ("default", "work") if maybe(random, 0.8)}
        for file in ("config", "credentials")
    }
    files, env = {"token": "subject"}, {}
    sso = {
        "sso_start_url": "https://corp/start",
        "sso_region": "us-west-2",
        "sso_account_id": "1",
        "sso_role_name": "Dev",
    }
    sources = (
        lambda name: keys(f"{name.upper()}"),
        lambda name: {"aws_access_key_id": "AKIAHALF"},
        lambda name: {"credential_process": "{tools}/keys " + name},
        lambda name: {
            "role_arn": f"{ROLE}{name}",
            "source_profile": random.choice(("default", "work")),
        },
        lambda name: {"role_arn": f"{ROLE}{name}", "web_identity_token_file": "{home}/token"},
        lambda name: {
            "role_arn": f"{ROLE}{name}",
            "credential_source": random.choice(
                ("Environment", "EcsContainer", "Ec2InstanceMetadata")
            ),
        },
        lambda name: sso,
        lambda name: {"region": random.choice(("eu-west-1", "eu-west-2"))},
    )
    for file in profiles.values():
        for name, settings in file.items():
            for source in random.sample(sources, random.randint(0, 3)):
                settings |= source(name)
    files |= sign_in("https://corp/start") if maybe(random) else {}
    env |= env_keys("ENV") if maybe(random, 0.2) else {}
    env |= {"AWS_WEB_IDENTITY_TOKEN_FILE": "{home}/token"} if maybe(random, 0.2) else {}
    env |= {"AWS_ROLE_ARN": f"{ROLE}Pod"} if maybe(random, 0.3) else {}
    env |= {"AWS_ROLE_SESSION_NAME": "me"} if maybe(random, 0.3) else {}
    given = None
    match random.randrange(4):
        case 0:
            env[random.choice(("AWS_PROFILE", "AWS_DEFAULT_PROFILE"))] = random.choice(
                ("default", "work", "work", "nowhere")
            )
        case 1:
            given = random.choice(("default", "work", "work", "nowhere"))
        case _:
            # Not where a profile is named: that one without credentials is an error in spuff alone.
            env |= (
                {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "{cloud}/container"}
                if maybe(random, 0.3)
                else {}
            )
            env |= MACHINE if maybe(random, 0.5) else {}
    texts = {
        "config": "".join(
            section(name if name == "default" else f"profile {name}", **settings)
            for name, settings in profiles["config"].items()
        ),
        "credentials": "".join(
            section(name, **settings) for name, settings in profiles["credentials"].items()
        ),
    }
    return texts | {"files": files, "env": env, "profile": given}


def chains(random):
    """Roles of roles."""
    names = ("default", "a", "b", "c")
    text = ""
    for name in names:
        settings = {}
        if maybe(random, 0.75):
            settings["role_arn"] = f"{ROLE}{name}"
        if maybe(random, 0.8):
            settings["source_profile"] = random.choice(
                (*names, "c", "c", "nowhere")
                if maybe(random, 0.4)
                else names[names.index(name) + 1 :] or ("c",)
            )
        elif maybe(random, 0.7):
            settings["credential_source"] = random.choice(
                ("EcsContainer", "Ec2InstanceMetadata", "Environment", "words")
            )
        if maybe(random, 0.7 if name == "c" else 0.15):
            settings |= random.choice(
                (
                    keys(name.upper()),
                    keys(name.upper(), aws_session_token="t"),
                    {"aws_access_key_id": "AKIAHALF"},
                    {"credential_process": "{tools}/keys " + name},
                )
            )
        settings |= {"external_id": f"id-{name}"} if maybe(random, 0.3) else {}
        settings |= {"role_session_name": f"me-{name}"} if maybe(random, 0.3) else {}
        settings |= (
            {"duration_seconds": random.choice(("900", "3600", "words", "60"))}
            if maybe(random, 0.3)
            else {}
        )
        text += section(name if name == "default" else f"profile {name}", **settings)
    return {"config": text, "env": MACHINE if maybe(random, 0.3) else {}}


def time(random):
    """One in the future, or one that is over, in a spelling of ISO 8601 or near it."""
    year = random.choice((2098, 2099, 2099, 2001))
    month, day, hour, minute, second = (
        random.randint(1, 12),
        random.randint(1, 28),
        random.randint(0, 23),
        random.randint(0, 59),
        random.randint(0, 59),
    )
    if maybe(random, 0.15):
        text = f"{year}{month:02}{day:02}T{hour:02}{minute:02}{second:02}"
    else:
        text = f"{year}-{month:02}-{day:02}{random.choice('TTT ')}{hour:02}:{minute:02}:{second:02}"
        text += (
            "." + "".join(random.choices("0123456789", k=random.randint(1, 6)))
            if maybe(random, 0.4)
            else ""
        )
    return text + random.choice(
        (
            "Z",
            "Z",
            "+00:00",
            "+0000",
            "+00",
            "UTC",
            " UTC",
            "GMT",
            "-07:00",
            "+05:30",
            "-0730",
            " +00:00",
            "",
        )
    )


def times(random):
    """Ends of keys and of sign-ins."""
    spelled = time(random)
    sso = section("default", sso_session="corp", sso_account_id="1", sso_role_name="Dev") + section(
        "sso-session corp", sso_start_url="x", sso_region="us-west-2"
    )
    old = section(
        "default",
        sso_start_url="corp",
        sso_region="us-west-2",
        sso_account_id="1",
        sso_role_name="Dev",
    )
    more = {
        "refreshToken": "r",
        "clientId": "c",
        "clientSecret": "s",
        "registrationExpiresAt": spelled,
    }
    answer = (
        f'{{"Version": 1, "AccessKeyId": "AKIAPROCESS", '
        f'"SecretAccessKey": "s", "Expiration": "{spelled}"}}'
    )
    return random.choice((
        partial(dict, env=env_keys("ENV", AWS_CREDENTIAL_EXPIRATION=spelled)),
        partial(dict, config=sso, files=sign_in("corp", spelled)),
        partial(dict, config=old, files=sign_in("corp", spelled)),
        partial(dict, config=sso, files=sign_in("corp", "2020-01-01T00:00:00Z", **more)),
        partial(
            dict,
            config=section("default", credential_process="{tools}/keys"),
            env={"KEYS_ANSWER": answer},
        ),
    ))()  # fmt: skip


def quoted(random, word):
    """A word in one of a shell's ways to write it."""
    match random.randrange(4):
        case 0 if "'" not in word:
            return f"'{word}'"
        case 1:
            return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'
        case 2:
            return (
                "".join(
                    f"\\{letter}" if letter in " \t'\"\\#" or maybe(random, 0.1) else letter
                    for letter in word
                )
                or "''"
            )
    return word


def commands(random):
    """Words of a command, in quotes or in none."""
    letters = "ab $*#;é=%~\\'\"\t"
    if maybe(random):
        words = [
            "".join(random.choices(letters, k=random.randint(0, 5)))
            for _ in range(random.randint(0, 4))
        ]
        command = " ".join(quoted(random, word) for word in words)
    else:
        command = "".join(random.choices(letters, k=random.randint(0, 14)))
    return {"config": section("default", credential_process="{tools}/keys " + command)}


def endpoints(random):
    """Where EC2 and STS answer, said in several places."""
    env = {}
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_EC2", "AWS_ENDPOINT_URL_STS"):
        if maybe(random, 0.3):
            env[name] = random.choice(
                (
                    "",
                    "{cloud}/" + name.lower().replace("_", "-"),
                    "https://" + name.lower().replace("_", "-") + ".example.com",
                )
            )
    if maybe(random, 0.3):
        env["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"] = random.choice(("true", "True", "false", "1"))
    settings = (
        {"role_arn": f"{ROLE}Deploy", "source_profile": "x"} if maybe(random) else keys("FILE")
    )
    for key, value in (
        ("endpoint_url", "{cloud}/profile"),
        ("services", "s"),
        ("ignore_configured_endpoint_urls", "true"),
        ("endpoint_url", ""),
    ):
        settings |= {key: value} if maybe(random, 0.3) else {}
    text = section("default", **settings) + section(
        "profile x", **keys("X", endpoint_url="{cloud}/x")
    )
    # One that is not there is told at once, where EC2 has an endpoint of its own.
    text += (
        "[services t]\n"
        if maybe(random, 0.1) and "AWS_ENDPOINT_URL_EC2" not in env
        else "[services s]\nother =\n  x = y\n"
    )
    for service in ("ec2", "sts", "s3"):
        text += (
            f"{service} =\n  endpoint_url = {{cloud}}/section-{service}\n" if maybe(random) else ""
        )
    return {"config": text, "env": env, "endpoint": False}
