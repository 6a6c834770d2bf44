"""What a case is: files and an environment, and what is expected of whoever reads them."""

from dataclasses import dataclass, field

REFUSED = "refused"
REGION = "eu-central-1"
# The value of a variable that is not set after all.
UNSET = "\0"


@dataclass
class Case:
    """Texts may hold `{home}`, `{cloud}` (the endpoint on loopback), `{tools}` (programs) and
    `{authority}` (of the proxy).
    """

    name: str
    # The access key that spuff signs with, or REFUSED; none where only the comparison counts.
    expects: str | None = None
    config: str | bytes | None = None
    credentials: str | bytes | None = None
    env: dict[str, str] = field(default_factory=dict)
    # More files, by their paths below the home.
    files: dict[str, str | bytes] = field(default_factory=dict)
    # The profile that is named in the program itself.
    profile: str | None = None
    # What the cloud answers otherwise than usual: `expiration`, or the status of a kind of request.
    answers: dict = field(default_factory=dict)
    # What AWS_DEFAULT_REGION says; and whether AWS_ENDPOINT_URL leads to loopback. Else the real
    # hosts are asked for, by a proxy.
    region: str | None = REGION
    endpoint: bool = True
    # Whether spuff takes the refusal for one that passes: it is ended when it asks for the second
    # time.
    again: bool = False
    # Why spuff does otherwise than boto3.
    differs: str | None = None
