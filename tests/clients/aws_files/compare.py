"""spuff reads the files and variables of AWS as boto3 reads them: the same key, token, secret,
region and host, or both refuse.

    python tests/clients/aws_files/compare.py target/debug/examples/reap

The cases are tables, and generated ones from a fixed seed. Where spuff does otherwise on purpose,
the case says why, and has to differ. `--seed` and `--each` make others; words choose some by parts
of their names, and show what was asked.
"""

import argparse
import os
import random
import shutil
import sys
import tempfile
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import generated
import tables
from case import REFUSED, UNSET
from cloud import Cloud
from readers import Boto, Spuff

SEED = 20_261_129
EACH = 22
SIGNED = "DescribeInstances"


class Worker:
    """A cloud, a home, and both readers, of one process."""

    def __init__(self, program, folder):
        self.folder = Path(tempfile.mkdtemp(dir=folder))
        self.tools = Path(__file__).parent / "tools"
        self.cloud = Cloud(self.folder)
        self.boto, self.spuff = Boto(), Spuff(program)

    def compare(self, case):
        boto, boto_error = self.outcome(case, self.boto, None)
        spuff, spuff_error = self.outcome(case, self.spuff, list(self.boto.secrets))
        return verdict(case, boto, spuff), boto, spuff, boto_error, spuff_error

    def outcome(self, case, reader, secrets):
        """What was asked up to the first signed request to EC2, or that there was none."""
        home = self.folder / "home"
        shutil.rmtree(home, ignore_errors=True)
        files = {
            ".aws/config": case.config,
            ".aws/credentials": case.credentials,
            "work/.keep": "",
        } | case.files
        for name, text in files.items():
            if text is None:
                continue
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            (home / name).write_bytes(
                text if isinstance(text, bytes) else self.filled(text, home).encode()
            )
        self.cloud.begin(case.answers)
        error = reader.asks(
            self.environment(case, home),
            home / "work",
            case.profile,
            lambda: case.again and self.asked_again(home),
        )
        asked = self.cloud.asked
        at = next((index for index, request in enumerate(asked) if request.kind == SIGNED), None)
        if at is None:
            if error is None:
                raise RuntimeError(f"{case.name}: nothing was asked, and nothing was wrong")
            return REFUSED, error
        asked = asked[: at + 1]
        secrets = iter(self.boto.secrets if secrets is None else secrets)
        for request in asked:
            if request.key is not None:
                request.seen["signed"] = request.is_signed_with(next(secrets, ""))
        return [request.seen for request in asked], error

    def asked_again(self, home):
        """Whether the same was asked for twice, of the cloud or of a process."""
        noted = home / "work" / "keys-asked"
        return (
            len(self.cloud.asked) > 1
            or self.cloud.tunnels > 1
            or (noted.exists() and noted.stat().st_size > 1)
        )

    def environment(self, case, home):
        env = {
            "HOME": str(home),
            "PATH": os.environ["PATH"],
            "AWS_MAX_ATTEMPTS": "1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CA_BUNDLE": str(self.cloud.authority_file),
            "HTTPS_PROXY": self.cloud.url,
            "NO_PROXY": "127.0.0.1,localhost",
        }
        if case.region is not None:
            env["AWS_DEFAULT_REGION"] = case.region
        if case.endpoint:
            env["AWS_ENDPOINT_URL"] = self.cloud.url
        env |= {name: self.filled(value, home) for name, value in case.env.items()}
        return {name: value for name, value in env.items() if value != UNSET}

    def filled(self, text, home):
        for name, value in (
            ("home", home),
            ("cloud", self.cloud.url),
            ("tools", self.tools),
            ("authority", self.cloud.authority_file),
        ):
            text = text.replace(f"{{{name}}}", str(value))
        return text


def verdict(case, boto, spuff):
    """What is wrong about two outcomes, if anything is."""
    if any(request.get("signed") is False for request in (boto if boto != REFUSED else [])):
        return "the secret that boto3 signed with is not known"
    if case.expects is not None:
        found = spuff if spuff == REFUSED else spuff[-1]["key"]
        if found != case.expects:
            return f"{case.expects} was expected of spuff, not {found}"
    if case.differs is None:
        return None if boto == spuff else "they differ"
    return "they do not differ any more" if boto == spuff else None


worker = None


def begin(program, folder):
    global worker
    worker = Worker(program, folder)


def workers(program, folder):
    return ProcessPoolExecutor(
        os.cpu_count(), initializer=begin, initargs=(str(Path(program).resolve()), folder)
    )


def compare(case):
    return worker.compare(case)


def main():
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("program")
    options.add_argument("words", nargs="*")
    options.add_argument("--seed", type=int, default=SEED)
    options.add_argument("--each", type=int, default=EACH)
    given = options.parse_intermixed_args()
    known = tables.cases() + generated.cases(random.Random(given.seed), given.each)
    cases = [
        case for case in known if not given.words or any(word in case.name for word in given.words)
    ]
    names = Counter(case.name for case in cases)
    if not cases or max(names.values()) > 1:
        sys.exit(f"no case, or two of one name: {names.most_common(1)}")
    wrong, ends, reasons = 0, Counter(), Counter()
    with (
        tempfile.TemporaryDirectory(prefix="aws-files-") as folder,
        workers(given.program, folder) as pool,
    ):
        for case, (what, boto, spuff, boto_error, spuff_error) in zip(
            cases, pool.map(compare, cases, chunksize=4), strict=True
        ):
            ends["refused" if spuff == REFUSED else "signed"] += 1
            reasons[case.differs] += what is None
            if what is None and not given.words:
                continue
            wrong += what is not None
            print(
                f"{'WRONG' if what else 'ok   '} {case.name}: {what or case.differs or 'the same'}"
            )
            for name, text in {
                "config": case.config,
                "credentials": case.credentials,
                **case.files,
            }.items():
                if text is not None:
                    print(f"      {name}: {text!r}")
            print(f"      env: {case.env} {case.answers or ''} {case.profile or ''}")
            print(
                (
                    f"      boto3: {boto}\n             {boto_error}\n "
                    f"     spuff: {spuff}\n             {spuff_error}"
                ),
                flush=True,
            )
    print("differences, each with its reason:")
    for reason, count in reasons.items():
        if reason is not None:
            print(f"  {reason} ({count} cases)")
    listed = sum(count for reason, count in reasons.items() if reason is not None)
    alike = len(cases) - listed - wrong
    print(
        f"{len(cases)} cases: {alike} alike, {listed} "
        f"listed as different, {wrong} wrong; {dict(ends)}"
    )
    if not given.words and ends["signed"] < len(cases) // 2:
        sys.exit("most cases are refused: they show too little")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
