"""Cases of regions and endpoints."""

from botocore.loaders import create_loader
from case import REFUSED, UNSET
from words import EMPTY, ENDED, LATER, ROLE, keys, row, section, sign_in


def regions():
    """The region, and the hosts of its services."""
    credentials = section("default", **keys("FILE"))
    own = (
        "AWS_REGION, which the newer tools of AWS read, comes "
        "before AWS_DEFAULT_REGION, which boto3 reads alone"
    )
    yield row("AWS_DEFAULT_REGION", "AKIAFILE", credentials=credentials)
    yield row(
        "AWS_DEFAULT_REGION before the profile",
        "AKIAFILE",
        credentials=credentials,
        config="[default]\nregion = eu-west-3\n",
    )
    yield row(
        "the profile",
        "AKIAFILE",
        credentials=credentials,
        config="[default]\nregion = eu-west-3\n",
        region=None,
    )
    yield row(
        "the region of another profile",
        REFUSED,
        credentials=section("work", **keys("FILE")),
        config="[default]\nregion = eu-west-3\n",
        env={"AWS_PROFILE": "work"},
        region=None,
        endpoint=False,
    )
    yield row(
        "AWS_REGION",
        "AKIAFILE",
        credentials=credentials,
        env={"AWS_REGION": "eu-west-1"},
        region=None,
        differs=own,
    )
    yield row(
        "AWS_REGION and AWS_DEFAULT_REGION",
        "AKIAFILE",
        credentials=credentials,
        env={"AWS_REGION": "eu-west-1"},
        differs=own,
    )
    yield row("none", REFUSED, credentials=credentials, region=None, endpoint=False)
    yield row(
        "none, at an endpoint of one's own",
        "AKIAFILE",
        credentials=credentials,
        region=None,
        differs=(
            "at an endpoint of one's own requests are signed for us-east-1 where no region is named"
        ),
    )
    yield row(
        "an empty variable",
        "AKIAFILE",
        credentials=credentials,
        config="[default]\nregion = eu-west-3\n",
        env={"AWS_DEFAULT_REGION": ""},
        differs=EMPTY,
    )
    form = "what is not of a region's form is refused before it becomes a host's name"
    for region in ("useast1", "us-east-1a", "US-EAST-1", "aws-global"):
        yield row(
            f"the word {region}",
            REFUSED,
            credentials=credentials,
            env={"AWS_DEFAULT_REGION": region},
            endpoint=False,
            differs=form,
        )
    for region in ("us east 1", "us-east-1.example.com", "-us-east-1", "us_east_1"):
        yield row(
            f"the word {region}",
            REFUSED,
            credentials=credentials,
            env={"AWS_DEFAULT_REGION": region},
            endpoint=False,
        )
    sso = section(
        "profile sso",
        sso_start_url="https://corp/start",
        sso_region="{}",
        sso_account_id="1",
        sso_role_name="Dev",
    )
    for region in regions_of_all_partitions():
        yield row(
            f"hosts of {region}",
            "AKIAFILE",
            credentials=credentials,
            env={"AWS_DEFAULT_REGION": region},
            endpoint=False,
        )
        role = section("default", role_arn=f"{ROLE}Deploy", source_profile="x") + section(
            "profile x", **keys("X")
        )
        yield row(
            f"STS of {region}",
            "ASIADEPLOY",
            config=role,
            env={"AWS_DEFAULT_REGION": region},
            endpoint=False,
        )
        yield row(
            f"SSO of {region}",
            "ASIASSODEV",
            config=sso.replace("{}", region),
            files=sign_in("https://corp/start"),
            env={"AWS_PROFILE": "sso"},
            endpoint=False,
        )
    session = section(
        "default", sso_session="corp", sso_account_id="1", sso_role_name="Dev"
    ) + section("sso-session corp", sso_start_url="x", sso_region="us-west-2")
    more = {
        "refreshToken": "r",
        "clientId": "c",
        "clientSecret": "s",
        "registrationExpiresAt": LATER,
    }
    yield row(
        "the host that renews sign-ins",
        "ASIASSODEV",
        config=session,
        files=sign_in("corp", ENDED, **more),
        endpoint=False,
    )


def regions_of_all_partitions():
    """The first region and the last of each partition that botocore knows."""
    found = []
    for partition in create_loader().load_data("partitions")["partitions"]:
        named = sorted(region for region in partition["regions"] if not region.endswith("-global"))
        found += dict.fromkeys((named[0], named[-1])) if named else []
    return found


def endpoints():
    """Where the services answer."""
    credentials = section("default", **keys("FILE"))
    role = section(
        "default",
        role_arn=f"{ROLE}Deploy",
        source_profile="x",
        services="s",
        endpoint_url="{cloud}/profile",
    ) + section("profile x", **keys("X"))
    services = (
        "[services s]\nec2 =\n  endpoint_url = {cloud}/ec2\nsts =\n  endpoint_url = {cloud}/sts\n"
    )
    settings = "[default]\nendpoint_url = {cloud}/profile\n"
    of_service = "[default]\nservices = s\nendpoint_url = {cloud}/profile\n" + services
    variable, of_ec2 = (
        {"AWS_ENDPOINT_URL": "{cloud}/variable"},
        {"AWS_ENDPOINT_URL_EC2": "{cloud}/variable-ec2"},
    )
    ignored = {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}
    for name, config, env in (
        ("the variable", None, variable),
        ("the service's variable", None, of_ec2),
        ("both variables", None, variable | of_ec2),
        ("the profile", settings, {}),
        ("the services section", of_service, {}),
        ("the variable before the services section", of_service, variable),
        (
            "a services section without the service",
            (
                "[default]\nservices = s\nendpoint_url = "
                "{cloud}/profile\n[services s]\ns3 =\n  endpoint_url = {cloud}/s3\n"
            ),
            {},
        ),
        ("a services section in quotes", of_service.replace("[services s]", "[services 's']"), {}),
        ("a service in capitals", of_service.replace("ec2 =", "EC2 ="), {}),
        ("the URL's key in capitals", of_service.replace("  endpoint_url", "  ENDPOINT_URL"), {}),
        ("an empty variable", settings, {"AWS_ENDPOINT_URL": ""}),
        ("an empty variable of the service", settings, variable | {"AWS_ENDPOINT_URL_EC2": ""}),
        ("a slash at the end", None, {"AWS_ENDPOINT_URL": "{cloud}/variable/"}),
        ("ignored variables", None, variable | of_ec2 | ignored),
        ("ignored settings", of_service, ignored),
        ("ignored by the profile", settings + "ignore_configured_endpoint_urls = true\n", of_ec2),
        ("not ignored by the profile", settings + "ignore_configured_endpoint_urls = false\n", {}),
        (
            "the profile ignores, the variable does not",
            settings + "ignore_configured_endpoint_urls = true\n",
            {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false"},
        ),
        ("ignored by 1", settings, {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "1"}),
        ("ignored by TRUE", settings, {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "TRUE"}),
    ):
        yield row(name, "AKIAFILE", credentials=credentials, config=config, env=env, endpoint=False)
    for name, env in (
        ("", {}),
        (", the variable of STS", {"AWS_ENDPOINT_URL_STS": "{cloud}/variable-sts"}),
        (", the variable", variable),
        (", ignored", ignored),
    ):
        yield row(f"of a role{name}", "ASIADEPLOY", config=role + services, env=env, endpoint=False)
    sso = section(
        "default", sso_session="corp", sso_account_id="1", sso_role_name="Dev", services="s"
    ) + section("sso-session corp", sso_start_url="x", sso_region="us-west-2")
    more = {
        "refreshToken": "r",
        "clientId": "c",
        "clientSecret": "s",
        "registrationExpiresAt": LATER,
    }
    of_sso = (
        "[services s]\nsso =\n  endpoint_url = "
        "{cloud}/sso\nsso_oidc =\n  endpoint_url = {cloud}/oidc\n"
    )
    stale = sign_in("corp", ENDED, **more)
    yield row("of a sign-in", "ASIASSODEV", config=sso + of_sso, files=stale, endpoint=False)
    variables = {"AWS_ENDPOINT_URL_SSO": "{cloud}/a", "AWS_ENDPOINT_URL_SSO_OIDC": "{cloud}/b"}
    yield row(
        "of a sign-in, variables",
        "ASIASSODEV",
        config=sso + of_sso,
        files=stale,
        env=variables,
        endpoint=False,
    )
    yield row(
        "a services section that is not there",
        REFUSED,
        credentials=credentials,
        config="[default]\nservices = nowhere\n",
        endpoint=False,
    )
    soon = (
        "a services section that is named and is not there is "
        "told at once, though only SSM would be looked for in it"
    )
    yield row(
        "a services section for SSM alone that is not there",
        REFUSED,
        credentials=credentials,
        config="[default]\nservices = nowhere\n",
        env=of_ec2,
        endpoint=False,
        differs=soon,
    )
    yield row(
        "no URL",
        REFUSED,
        credentials=credentials,
        env={"AWS_ENDPOINT_URL": "words"},
        endpoint=False,
    )
    authority = section("default", **keys("FILE", ca_bundle="{authority}"))
    unset = {"AWS_CA_BUNDLE": UNSET}
    yield row(
        "an authority that the profile names",
        "AKIAFILE",
        config=authority,
        env=unset,
        endpoint=False,
    )
    yield row(
        "an authority that nobody names",
        REFUSED,
        credentials=credentials,
        env=unset,
        endpoint=False,
        again=True,
    )
    yield row(
        "the variable's authority before the profile's",
        "AKIAFILE",
        config=authority.replace("{authority}", "/nowhere"),
        endpoint=False,
    )
    dual = (
        "the endpoints for IPv6 and FIPS are named by "
        "AWS_ENDPOINT_URL_EC2, or by the profile, and not made up"
    )
    for setting in ("use_dualstack_endpoint", "use_fips_endpoint"):
        yield row(
            setting,
            "AKIAFILE",
            credentials=credentials,
            config=f"[default]\n{setting} = true\n",
            endpoint=False,
            differs=dual,
        )
        yield row(
            f"AWS_{setting.upper()}",
            "AKIAFILE",
            credentials=credentials,
            env={f"AWS_{setting.upper()}": "true"},
            endpoint=False,
            differs=dual,
        )
