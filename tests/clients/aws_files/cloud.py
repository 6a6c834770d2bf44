"""A cloud that notes what it is asked: EC2, STS, IAM Identity Center, and the metadata services of
machines and containers.

It answers on loopback, and as a proxy for every host of https, with certificates of an authority of
its own.
"""

import hashlib
import hmac
import json
import re
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import trustme

LATER = "2099-01-01T00:00:00Z"
ROLES = "/latest/meta-data/iam/security-credentials/"
SESSION_NAME = re.compile(r"botocore-session-\d+|spuff")
# What a request says beside its action: the name of the session only where somebody gave it.
SAID = (
    "RoleArn",
    "RoleSessionName",
    "ExternalId",
    "DurationSeconds",
    "SerialNumber",
    "TokenCode",
    "WebIdentityToken",
)


class Cloud:
    def __init__(self, folder):
        self.authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
        self.authority_file = Path(folder) / "authority.pem"
        self.authority.cert_pem.write_to_path(str(self.authority_file))
        self.contexts = {}
        self.lock = threading.Lock()
        self.begin({})
        self.server = ThreadingHTTPServer(
            ("127.0.0.1", 0), type("Asked", (Asked,), {"cloud": self})
        )
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def begin(self, answers):
        """Forgets what was asked so far."""
        self.answers, self.asked, self.tunnels = answers, [], 0

    def context(self, host):
        with self.lock:
            if host not in self.contexts:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                self.authority.issue_cert(host, key_type=trustme.KeyType.ECDSA).configure_cert(
                    context
                )
                self.contexts[host] = context
            return self.contexts[host]


class Request:
    """One that was seen: what it says, and how it is signed."""

    def __init__(self, method, origin, target, headers, body):
        self.method, self.headers, self.body = method, headers, body
        self.path, _, self.query = target.partition("?")
        self.parameters = (
            dict(parse_qsl(body.decode(), keep_blank_values=True)) if method == "POST" else {}
        )
        self.kind, self.at = kind_of(method, self.path, self.parameters)
        self.seen = {"kind": self.kind, "at": origin + self.at.rstrip("/")}
        said = {name: self.parameters[name] for name in SAID if name in self.parameters}
        if SESSION_NAME.fullmatch(said.get("RoleSessionName", "")):
            del said["RoleSessionName"]
        if self.kind == "GetRoleCredentials":
            said = dict(parse_qsl(self.query)) | {"bearer": headers["x-amz-sso_bearer_token"]}
        elif self.kind == "CreateToken":
            said = json.loads(body)
        elif self.kind == "Container":
            said = {"authorization": headers["authorization"]}
        if said:
            self.seen["said"] = said
        found = re.match(
            r"AWS4-HMAC-SHA256 Credential=([^,]*), ?SignedHeaders=([^,]*), ?Signature=(\w+)",
            headers["authorization"] or "",
        )
        self.key = None
        if found:
            credential, self.signed, self.signature = found.groups()
            self.key, self.date, self.region, self.service, _ = credential.rsplit("/", 4)
            self.seen |= {
                "key": self.key,
                "token": headers["x-amz-security-token"],
                "region": self.region,
                "service": self.service,
            }

    def is_signed_with(self, secret):
        """Whether its signature was made with this secret."""
        digest = self.headers["x-amz-content-sha256"] or hashlib.sha256(self.body).hexdigest()
        signed = "".join(
            f"{name}:{' '.join((self.headers[name] or '').split())}\n"
            for name in self.signed.split(";")
        )
        canonical = "\n".join([self.method, self.path, self.query, signed, self.signed, digest])
        scope = f"{self.date}/{self.region}/{self.service}/aws4_request"
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        text = f"AWS4-HMAC-SHA256\n{self.headers['x-amz-date']}\n{scope}\n{digest}"
        key = f"AWS4{secret}".encode()
        for part in (self.date, self.region, self.service, "aws4_request", text):
            key = hmac.digest(key, part.encode(), "sha256")
        return hmac.compare_digest(key.hex(), self.signature)


def kind_of(method, path, parameters):
    """What is asked, and the address up to what every request of its kind has."""
    if method == "POST":
        if path.endswith("/token"):
            return "CreateToken", path.removesuffix("/token")
        return parameters.get("Action", "?"), path
    if method == "PUT":
        return "MetadataToken", path.removesuffix("/latest/api/token")
    if path.endswith("/federation/credentials"):
        return "GetRoleCredentials", path.removesuffix("/federation/credentials")
    if ROLES in path:
        return ("MetadataRole" if path.endswith("/") else "MetadataKeys"), path.partition(ROLES)[0]
    return "Container", path


def is_valid(request):
    """Whether STS takes the parameters; boto3 refuses the same ones before it sends them."""
    asked, least = request.parameters, {"RoleArn": 20, "RoleSessionName": 2, "ExternalId": 2}
    if any(len(asked[name]) < length for name, length in least.items() if name in asked):
        return False
    return 900 <= int(asked.get("DurationSeconds", 900)) <= 43200


def keys(name, token, expires):
    """The keys that a name stands for, in the words of the metadata services."""
    return {
        "Code": "Success",
        "AccessKeyId": f"ASIA{name.upper()}",
        "SecretAccessKey": f"secret of {name}",
        "Token": f"token of {token}",
        "Expiration": expires,
    }


class Asked(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    cloud: Cloud
    tunnel = None

    def log_message(self, format, *arguments):
        pass

    def do_CONNECT(self):
        host = self.path.rpartition(":")[0]
        self.cloud.tunnels += 1
        self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            self.connection = self.cloud.context(host).wrap_socket(
                self.connection, server_side=True
            )
        except (ssl.SSLError, OSError):
            self.close_connection = True
            return
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)
        self.tunnel = f"https://{host}"
        self.close_connection = False

    def answer(self):
        body = self.rfile.read(int(self.headers["content-length"] or 0))
        target = self.path
        origin = self.tunnel or (
            "{cloud}"
            if self.headers["host"] == urlsplit(self.cloud.url).netloc
            else self.headers["host"]
        )
        request = Request(self.command, origin, target, self.headers, body)
        self.cloud.asked.append(request)
        status = self.cloud.answers.get(request.kind, 200 if is_valid(request) else 400)
        said = b"" if status != 200 else self.said(request)
        if isinstance(said, str):
            said = said.encode()
        self.send_response(404 if said is None else status)
        self.send_header("content-length", str(len(said or b"")))
        self.end_headers()
        self.wfile.write(said or b"")

    do_GET = do_POST = do_PUT = answer

    def said(self, request):
        expires = self.cloud.answers.get("expiration", LATER)
        match request.kind:
            case "AssumeRole" | "AssumeRoleWithWebIdentity" as action:
                role = re.sub(r"\W", "", request.parameters["RoleArn"].rpartition("/")[2])
                found = keys(
                    role,
                    f"{role} by {request.key or request.parameters['WebIdentityToken']}",
                    expires,
                )
                fields = {
                    "SessionToken" if name == "Token" else name: value
                    for name, value in found.items()
                    if name != "Code"
                }
                fields = "".join(f"<{name}>{value}</{name}>" for name, value in fields.items())
                return (
                    f"<{action}Response><{action}Result><Credentials>{fields}"
                    f"</Credentials></{action}Result></{action}Response>"
                )
            case "GetRoleCredentials":
                said = request.seen["said"]
                found = keys(f"sso{said['role_name']}", said["bearer"], 4070908800000)
                names = {
                    "AccessKeyId": "accessKeyId",
                    "SecretAccessKey": "secretAccessKey",
                    "Token": "sessionToken",
                    "Expiration": "expiration",
                }
                return json.dumps(
                    {
                        "roleCredentials": {
                            names[name]: value for name, value in found.items() if name in names
                        }
                    }
                )
            case "CreateToken":
                refresh = request.seen["said"]["refreshToken"]
                return json.dumps(
                    {
                        "accessToken": f"renewed by {refresh}",
                        "expiresIn": 3600,
                        "refreshToken": "next",
                        "tokenType": "Bearer",
                    }
                )
            case "MetadataToken":
                return "metadata-token"
            case "MetadataRole":
                return "machine"
            case "MetadataKeys":
                return json.dumps(
                    keys("machine", self.headers["x-aws-ec2-metadata-token"], expires)
                )
            case "Container":
                if not request.path.startswith("/container"):
                    return None
                return json.dumps(keys("container", self.headers["authorization"], expires))
            case "DescribeInstances":
                return xml(request, "<reservationSet/>")
            case "DescribeImages":
                return xml(request, "<imagesSet/>")
            case action:
                return xml(request, "") if action.startswith("Describe") else None


def xml(request, inside):
    return (
        f'<{request.kind}Response xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">'
        f"<requestId>1</requestId>{inside}</{request.kind}Response>"
    )
