"""Cases of the files: how they are written, where they are, and which profile is read."""

from case import REFUSED
from words import CONTAINER, DEFAULT, EMPTY, MACHINE, ROLE, env_keys, keys, row, section


def spellings():
    """How sections, keys and values are written."""
    one, two = "aws_access_key_id", "aws_secret_access_key"
    for name, text in {
        "plain": f"[default]\n{one} = AKIAFILE\n{two} = s\n",
        "no spaces": f"[default]\n{one}=AKIAFILE\n{two}=s\n",
        "many spaces": f"[default]\n{one} \t =   AKIAFILE  \t\n{two}   =s   \n",
        "colons": f"[default]\n{one}: AKIAFILE\n{two} : s:t=u\n",
        "an equals sign in the value": f"[default]\n{one} = AKIAFILE\n{two} = s=t:u==\n",
        "capital keys": f"[default]\n{one.upper()} = AKIAFILE\nAws_Secret_Access_Key = s\n",
        "indented keys": f"[default]\n    {one} = AKIAFILE\n    {two} = s\n",
        "tabs": f"[default]\n\t{one}\t=\tAKIAFILE\n\t{two}\t=\ts\n",
        "a title that is indented": f"  [default]\n  {one} = AKIAFILE\n  {two} = s\n",
        "words after a title": f"[default] words\n{one} = AKIAFILE\n{two} = s\n",
        "a comment after a title": f"[default] # words\n{one} = AKIAFILE\n{two} = s\n",
        "comments": (
            f"# one\n; two\n[default]\n # three\n{one} = AKIAFILE\n;four\n{two} = s\n  ; five\n"
        ),
        "a comment in a value": (
            f"[default]\n{one} = AKIAFILE\n{two} = s # not a comment ; nor this\n"
        ),
        "quotes in a value": f'[default]\n{one} = AKIAFILE\n{two} = "s"\n',
        "percent signs": f"[default]\n{one} = AKIAFILE\n{two} = s%(x)s%\n",
        "backslashes": f"[default]\n{one} = AKIAFILE\n{two} = s\\n\\\\t\n",
        "empty lines": f"\n\n[default]\n\n{one} = AKIAFILE\n\n\n{two} = s\n\n",
        "an unknown section before": f"[preview]\nx = y\n[default]\n{one} = AKIAFILE\n{two} = s\n",
        "no end of the last line": f"[default]\n{one} = AKIAFILE\n{two} = s",
        "another key in between": f"[default]\n{one} = AKIAFILE\noutput = json\n{two} = s\n",
        "nested settings": f"[default]\ns3 =\n    max = 1\n    x=\n{one} = AKIAFILE\n{two} = s\n",
        "an empty value": f"[default]\noutput =\n{one} = AKIAFILE\n{two} = s\n",
        "DEFAULT holds for all": f"[DEFAULT]\n{two} = s\n[default]\n{one} = AKIAFILE\n",
        "DEFAULT comes after": f"[default]\n{one} = AKIAFILE\n[DEFAULT]\n{two} = s\n",
        "DEFAULT twice": (
            f"[DEFAULT]\n{two} = s\n[DEFAULT]\noutput = x\n[default]\n{one} = AKIAFILE\n"
        ),
        "a vertical tab at the end": f"[default]\n{one} = AKIAFILE\n{two} = s\v\n",
        "a no-break space at the end": f"[default]\n{one} = AKIAFILE\n{two} = s\u00a0\n",
        "a session token": f"[default]\n{one} = AKIAFILE\n{two} = s\naws_session_token = t\n",
        "both tokens": (
            f"[default]\n{one} = AKIAFILE\n{two} = "
            "s\naws_session_token = t\naws_security_token = u\n"
        ),
        "an empty first token": (
            f"[default]\n{one} = AKIAFILE\n{two} = s\naws_session_token = t\naws_security_token =\n"
        ),
    }.items():
        for file in ("credentials", "config"):
            yield row(f"{name}, {file}", "AKIAFILE", **{file: text})
    for name, text in {
        "no section": f"{one} = AKIAFILE\n{two} = s\n",
        "a key twice": f"[default]\n{one} = AKIAFILE\n{two} = s\n{one} = AKIAOTHER\n",
        "a key twice, in capitals": (
            f"[default]\n{one} = AKIAFILE\n{two} = s\n{one.upper()} = AKIAOTHER\n"
        ),
        "a section twice": f"[default]\n{one} = AKIAFILE\n[default]\n{two} = s\n",
        "a line without a value": f"[default]\n{one} = AKIAFILE\n{two} = s\nwords\n",
        "a title that is not closed": f"[default\n{one} = AKIAFILE\n{two} = s\n",
        "an empty title": f"[]\nx = y\n[default]\n{one} = AKIAFILE\n{two} = s\n",
        "a value without a key": f"[default]\n= x\n{one} = AKIAFILE\n{two} = s\n",
        "nested words": f"[default]\n{one} = AKIAFILE\n{two} = s\ns3 =\n  words\n",
        "nested words elsewhere": (
            f"[default]\n{one} = AKIAFILE\n{two} = s\n[other]\ns3 =\n  words\n"
        ),
        "no secret": f"[default]\n{one} = AKIAFILE\n",
        "no access key": f"[default]\n{two} = s\n",
        "another section": f"[other]\n{one} = AKIAFILE\n{two} = s\n",
        "capitals in the title": f"[Default]\n{one} = AKIAFILE\n{two} = s\n",
        "spaces in the title": f"[ default ]\n{one} = AKIAFILE\n{two} = s\n",
    }.items():
        for file in ("credentials", "config"):
            yield row(f"{name}, {file}", REFUSED, **{file: text})
    yield row(
        "a continued value",
        "AKIAFILE",
        credentials=f"[default]\n{one} = AKIAFILE\n{two} = s\n   t\n",
    )
    s3 = "settings of other services are not looked at: boto3 stumbles over an empty one"
    yield row(
        "an empty setting of S3",
        "AKIAFILE",
        credentials=section("default", **DEFAULT, s3=""),
        differs=s3,
    )
    for name, empty in {
        "access key": f"{one} =\n{two} = s\n",
        "secret": f"{one} = AKIAFILE\n{two} =\n",
    }.items():
        reason = "an empty key in a file is an error: boto3 signs with it, and is refused by AWS"
        yield row(f"an empty {name}", REFUSED, credentials=f"[default]\n{empty}", differs=reason)


def encodings():
    """Bytes."""
    text = section("default", **DEFAULT)
    yield row("CRLF", "AKIAFILE", credentials=text.replace("\n", "\r\n").encode())
    yield row("CR", "AKIAFILE", credentials=text.replace("\n", "\r").encode())
    yield row("mixed line ends", "AKIAFILE", credentials=text.replace("\n", "\r\n", 1).encode())
    yield row(
        "CRLF and nested settings",
        "AKIAFILE",
        config=("[default]\ns3 =\n  a = b\n" + text[10:]).replace("\n", "\r\n").encode(),
    )
    yield row("UTF-8", "AKIAFILE", credentials="# Schlüssel ✓\n" + text)
    yield row(
        "a profile in UTF-8",
        "AKIAFILE",
        config=section("profile schön✓", **DEFAULT),
        env={"AWS_PROFILE": "schön✓"},
    )
    yield row(
        "a profile in quotes and UTF-8",
        "AKIAFILE",
        config=section("profile 'schön ✓'", **DEFAULT),
        env={"AWS_PROFILE": "schön ✓"},
    )
    yield row("latin-1", REFUSED, credentials="# schön\n".encode("latin-1") + text.encode())
    yield row("UTF-16", REFUSED, credentials=text.encode("utf-16"))
    yield row("byte order mark", REFUSED, credentials=text.encode("utf-8-sig"))
    yield row("byte order mark before a comment", REFUSED, credentials=("\ufeff# words\n" + text))
    yield row(
        "byte order mark in the config", REFUSED, config="\ufeff[profile x]\n", credentials=text
    )
    yield row("an empty file", REFUSED, credentials="")
    yield row("a NUL", "AKIAFILE", credentials=text + "x = \0\n")
    yield row(
        "line separators of Unicode", "AKIAFILE", credentials=text + "x = a\u2028b\x85c\x0cd\n"
    )


def places():
    """Which files are read, and what stands in which."""
    file, config = section("default", **keys("FILE")), section("default", **keys("CONFIG"))
    yield row("nothing at all", REFUSED)
    yield row("credentials before config", "AKIAFILE", credentials=file, config=config)
    yield row(
        "credentials with half, config with all",
        REFUSED,
        credentials="[default]\naws_access_key_id = AKIAFILE\n",
        config=config,
    )
    yield row(
        "config, credentials without",
        "AKIACONFIG",
        credentials=section("other", **keys("FILE")),
        config=config,
    )
    yield row(
        "the secret alone in credentials",
        "AKIACONFIG",
        credentials="[default]\naws_secret_access_key = other\n",
        config=config,
    )
    yield row(
        "the region of credentials",
        "AKIAFILE",
        credentials=file + "region = eu-west-1\n",
        region=None,
    )
    yield row(
        "the region of both",
        "AKIAFILE",
        credentials=file + "region = eu-west-1\n",
        config=config + "region = eu-west-2\n",
        region=None,
    )
    yield row(
        "the region of the config",
        "AKIAFILE",
        credentials=file,
        config="[default]\nregion = eu-west-2\n",
        region=None,
    )
    other = {
        "other/keys": section("default", **keys("OTHER")),
        "other/config": section("profile x", **keys("OTHER")),
    }
    yield row(
        "another file",
        "AKIAOTHER",
        credentials=file,
        files=other,
        env={"AWS_SHARED_CREDENTIALS_FILE": "{home}/other/keys"},
    )
    yield row(
        "another file below the home",
        "AKIAOTHER",
        credentials=file,
        files=other,
        env={"AWS_SHARED_CREDENTIALS_FILE": "~/other/keys"},
    )
    yield row(
        "another file by a relative path",
        "AKIAOTHER",
        credentials=file,
        files=other,
        env={"AWS_SHARED_CREDENTIALS_FILE": "../other/keys"},
    )
    yield row(
        "another file by a variable",
        "AKIAOTHER",
        files=other,
        env={
            "AWS_SHARED_CREDENTIALS_FILE": "$PLACE/other/${NAME}",
            "PLACE": "{home}",
            "NAME": "keys",
        },
    )
    yield row(
        "another file that is not there",
        REFUSED,
        credentials=file,
        env={"AWS_SHARED_CREDENTIALS_FILE": "{home}/nowhere"},
    )
    yield row(
        "a folder for a file",
        REFUSED,
        credentials=file,
        env={"AWS_SHARED_CREDENTIALS_FILE": "{home}"},
    )
    yield row(
        "another config",
        "AKIAOTHER",
        credentials=file,
        files=other,
        env={"AWS_CONFIG_FILE": "~/other/config", "AWS_PROFILE": "x"},
    )
    yield row(
        "another config that is not there",
        "AKIAFILE",
        credentials=file,
        config=config,
        env={"AWS_CONFIG_FILE": "~/nowhere"},
    )
    yield row(
        "a path in quotes",
        REFUSED,
        files=other,
        env={"AWS_SHARED_CREDENTIALS_FILE": "'{home}/other/keys'"},
    )
    yield row(
        "a path with a space",
        "AKIAOTHER",
        files={"my keys": other["other/keys"]},
        env={"AWS_SHARED_CREDENTIALS_FILE": "{home}/my keys"},
    )
    yield row(
        "a variable that is not set in a path",
        REFUSED,
        files=other,
        env={"AWS_SHARED_CREDENTIALS_FILE": "$NOWHERE/../other/keys"},
    )
    yield row(
        "the same file for both",
        "AKIAFILE",
        config=section("default", **keys("FILE", region="eu-west-1")),
        env={"AWS_SHARED_CREDENTIALS_FILE": "~/.aws/config"},
        region=None,
    )
    yield row(
        "an empty path of credentials",
        "AKIAFILE",
        credentials=file,
        env={"AWS_SHARED_CREDENTIALS_FILE": ""},
        differs=EMPTY,
    )
    yield row(
        "an empty path of the config",
        "AKIACONFIG",
        config=config,
        env={"AWS_CONFIG_FILE": ""},
        differs=EMPTY,
    )
    old = "the files of older tools are not read"
    yield row(
        "keys of the first EC2 tools",
        REFUSED,
        files={"old": "AWSAccessKeyId=AKIAOLD\nAWSSecretKey=s\n"},
        env={"AWS_CREDENTIAL_FILE": "{home}/old"},
        differs=old,
    )
    boto2 = {".boto": section("Credentials", **keys("BOTO"))}
    yield row("keys of boto 2", REFUSED, files=boto2, differs=old)
    yield row(
        "keys of boto 2, named",
        REFUSED,
        files={"b": boto2[".boto"]},
        env={"BOTO_CONFIG": "{home}/b"},
        differs=old,
    )


def choices():
    """Which profile is read, and how its section is named."""
    credentials = (
        section("default", **keys("FILE"))
        + section("work", **keys("WORK"))
        + section("play", **keys("PLAY"))
    )
    for name, expects, env in (
        ("none", "AKIAFILE", {}),
        ("AWS_PROFILE", "AKIAWORK", {"AWS_PROFILE": "work"}),
        ("AWS_DEFAULT_PROFILE", "AKIAPLAY", {"AWS_DEFAULT_PROFILE": "play"}),
        ("both", "AKIAPLAY", {"AWS_DEFAULT_PROFILE": "play", "AWS_PROFILE": "work"}),
        ("default by name", "AKIAFILE", {"AWS_PROFILE": "default"}),
        ("one that is not there", REFUSED, {"AWS_PROFILE": "nowhere"}),
        (
            "one that is not there, with keys in the environment",
            REFUSED,
            env_keys("ENV", AWS_PROFILE="nowhere"),
        ),
        ("one in capitals", REFUSED, {"AWS_PROFILE": "WORK"}),
        ("one with a space after it", REFUSED, {"AWS_PROFILE": "work "}),
        ("one with profile before it", REFUSED, {"AWS_PROFILE": "profile work"}),
    ):
        yield row(name, expects, credentials=credentials, env=env)
    for name, expects, given, env in (
        ("given", "AKIAWORK", "work", {}),
        (
            "given, before that of the environment",
            "AKIAWORK",
            "work",
            {"AWS_PROFILE": "play", "AWS_DEFAULT_PROFILE": "play"},
        ),
        ("given, before keys of the environment", "AKIAWORK", "work", env_keys("ENV")),
        ("given, default", "AKIAFILE", "default", env_keys("ENV", AWS_PROFILE="work")),
        ("given, not there", REFUSED, "nowhere", env_keys("ENV")),
        (
            "given, before a web identity of the environment",
            "AKIAWORK",
            "work",
            {"AWS_WEB_IDENTITY_TOKEN_FILE": "{home}/token", "AWS_ROLE_ARN": f"{ROLE}Pod"},
        ),
    ):
        yield row(
            name,
            expects,
            credentials=credentials,
            env=env,
            profile=given,
            files={"token": "subject"},
        )
    yield row(
        "default by name, not there",
        REFUSED,
        credentials=section("work", **keys("WORK")),
        env={"AWS_PROFILE": "default"},
    )
    yield row(
        "an empty choice",
        "AKIAFILE",
        credentials=credentials,
        env={"AWS_PROFILE": ""},
        differs=EMPTY,
    )
    yield row(
        "an empty first choice",
        "AKIAWORK",
        credentials=credentials,
        env={"AWS_DEFAULT_PROFILE": "", "AWS_PROFILE": "work"},
        differs=EMPTY,
    )
    for title, names in {
        "profile work": {"work": True, "profile work": False},
        'profile "work"': {"work": True, '"work"': False},
        "profile 'my work'": {"my work": True},
        'profile "my work"': {"my work": True},
        "profile my work": {"my work": False, "my": False},
        "profile   work": {"work": True},
        "profile\twork": {"work": True},
        "  profile work  ": {"work": False},
        "profile wo\\rk": {"work": True},
        "profile w'or'k": {"work": True},
        "profile 'work": {"work": False, "'work": False},
        "profiles work": {"work": True},
        "profilework": {"work": False},
        "profile": {"profile": False},
        "work": {"work": False},
        "Profile work": {"work": False},
        "profile default": {"default": True},
        "profile a]b": {"a]b": True},
        "profile a#b": {"a#b": True},
        "profile ''": {"": False},
    }.items():
        for name, there in names.items():
            if name:
                yield row(
                    f"[{title}] as {name!r}",
                    "AKIAWORK" if there else REFUSED,
                    config=section(title, **keys("WORK")),
                    env={"AWS_PROFILE": name},
                )
    for title, name in (
        ("profile work", "profile work"),
        ("my work", "my work"),
        ("'work'", "'work'"),
        (" work ", " work "),
        ("profile", "profile"),
    ):
        yield row(
            f"[{title}] of the credentials",
            "AKIAWORK",
            credentials=section(title, **keys("WORK")),
            env={"AWS_PROFILE": name},
        )
    yield row(
        "[default] and [profile default]",
        "AKIAB",
        config=section("default", **keys("A")) + section("profile default", **keys("B")),
    )
    yield row(
        "[profile default] and [default]",
        "AKIAB",
        config=section("profile default", **keys("A")) + section("default", **keys("B")),
    )
    yield row(
        "[profile x] and [profile 'x']",
        "AKIAB",
        config=section("profile x", **keys("A")) + section("profile 'x'", **keys("B")),
        env={"AWS_PROFILE": "x"},
    )
    bare = (
        "a profile that is named and gives no credentials is an error: no other identity steps in"
    )
    yield row(
        "a profile without credentials on a machine",
        REFUSED,
        config="[profile bare]\nregion = eu-west-1\n",
        env={"AWS_PROFILE": "bare"} | MACHINE,
        differs=bare,
    )
    yield row(
        "a profile without credentials in a container",
        REFUSED,
        config="[profile bare]\nregion = eu-west-1\n",
        env={"AWS_PROFILE": "bare"} | CONTAINER,
        differs=bare,
    )
    yield row(
        "a given profile without credentials in a container",
        REFUSED,
        config="[default]\nregion = eu-west-1\n",
        env=CONTAINER,
        profile="default",
        differs=bare,
    )
    yield row(
        "a bare default in a container",
        "ASIACONTAINER",
        config="[default]\nregion = eu-west-1\n",
        env={"AWS_PROFILE": "default"} | CONTAINER,
    )
