"""The simulator held against AWS's own clients, and against moto: `run.py ENDPOINT [MOTO]`.

Without the address of a moto one is started. boto3 and the AWS CLI call every operation, botocore's model and examples say what an answer looks like. The last line is
`N passed, N failed`; the exit status is 1 when something failed. The clock of the simulator is stopped and stepped here.
"""

import contextlib
import pathlib
import re
import sys
import traceback
import urllib.parse

import against_moto
import choices
import errors
import members
import moto_calls
import story
import waiters
import wire
from harness import Boto, Checks, Cli, Sim
from scenario import OPERATIONS, Walk

SOURCES = pathlib.Path(__file__).resolve().parents[2] / "sim" / "src" / "services"

# A service's module in the source, where the SDK's name is another.
SDK_NAMES = {"monitoring": "cloudwatch"}


def in_the_source(boto):
    """Operations by service: what the arms of matches, `"DescribeInstances" => …` or `"A" | "B" => …`, have in common with
    the service's model, in all files of its module; S3's are known by method and path, so there any text counts."""
    found = {}
    for path in sorted(SOURCES.rglob("*.rs")):
        module = path.relative_to(SOURCES).parts[0].removesuffix(".rs")
        service = SDK_NAMES.get(module, module)
        if service not in boto.clients:
            continue
        text = path.read_text()
        if service == "s3":
            names = re.findall(r'"([A-Z]\w+)"', text)
        else:
            arms = re.findall(r'^\s*((?:"[A-Z]\w+"\s*\|?\s*)+)(?:if [^\n]*?)?=>', text, re.MULTILINE)
            names = [name for arm in arms for name in re.findall(r'"(\w+)"', arm)]
        known = boto.clients[service].meta.service_model.operation_names
        found.setdefault(service, set()).update(set(names) & set(known))
    return found


def wire_sees(checks, boto):
    """The look at the bytes finds made-up offences; it would pass everything if it looked past them."""
    service, operation = "autoscaling", "DescribeAutoScalingInstances"
    row = (
        "<InstanceId>i-1</InstanceId><AutoScalingGroupName>g</AutoScalingGroupName><AvailabilityZone>a</AvailabilityZone>"
        "<LifecycleState>InService</LifecycleState><HealthStatus>HEALTHY</HealthStatus>"
        "<ProtectedFromScaleIn>false</ProtectedFromScaleIn>"
    )
    whole = (
        f"<{operation}Response><{operation}Result><AutoScalingInstances><member>{row}</member></AutoScalingInstances>"
        f"</{operation}Result><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></{operation}Response>"
    )
    cases = [
        (whole, 0, "a right answer"),
        (whole.replace("InstanceId>", "InstanceID>"), 2, "a misspelled member, which is a missing one too"),
        (whole.replace(">false<", ">no<"), 1, "a boolean that is none"),
        (whole.replace("member>", "item>"), 1, "a list of another protocol"),
        (whole.replace("<ResponseMetadata><RequestId>r</RequestId></ResponseMetadata>", ""), 1, "no request id"),
        (whole.replace(f"{operation}Result>", "Result>"), 2, "a misnamed result"),
    ]
    model = boto.clients[service].meta.service_model.operation_model(operation)
    for body, wanted, what in cases:
        found = wire.problems(model, {"status_code": 200, "body": body.encode()})
        checks.equal(len(found), wanted, f"the look at the wire sees {what}: {found}")
    model = boto.clients["ecr"].meta.service_model.operation_model("ListImages")
    for body, wanted, what in [
        (b'{"imageIds":[{"imageDigest":"d"}]}', 0, "a right answer"),
        (b'{"imageIDs":[]}', 1, "a misspelled member"),
        (b'{"imageIds":[{"imageTag":1}]}', 1, "a text that is none"),
        (b'{"imageIds":null}', 1, "a null"),
    ]:
        found = wire.problems(model, {"status_code": 200, "body": body})
        checks.equal(len(found), wanted, f"the look at JSON sees {what}: {found}")
    model = boto.dialects["cloudwatch"]["smithy-rpc-v2-cbor"].meta.service_model.operation_model("ListMetrics")
    metric = lambda name: b"\xa1\x67Metrics\x81\xa1" + bytes([0x60 + len(name)]) + name + b"\x61n"
    for body, wanted, what in [
        (metric(b"MetricName"), 0, "a right answer"),
        (metric(b"Metricname"), 1, "a misspelled member"),
        (b"\xa1\x67Metrics\x61n", 1, "a text that is a list"),
    ]:
        found = wire.problems(model, {"status_code": 200, "body": body})
        checks.equal(len(found), wanted, f"the look at CBOR sees {what}: {found}")
    block = "<BlockPublicAcls>true</BlockPublicAcls>"
    for operation, body, wanted, what in [
        ("GetPublicAccessBlock", f"<PublicAccessBlockConfiguration>{block}</PublicAccessBlockConfiguration>", 0, "a right answer"),
        ("GetPublicAccessBlock", f"<PublicAccessBlockConfiguration>{block}{block}</PublicAccessBlockConfiguration>", 1, "a member twice"),
        ("GetBucketLocation", "<LocationConstraint>ap-south-1</LocationConstraint>", 0, "a bare text"),
        ("GetBucketLocation", "<LocationConstraint>moon-1</LocationConstraint>", 1, "a value outside its enum"),
        ("HeadBucket", "<Bucket/>", 1, "a body where there is none"),
    ]:
        model = boto.clients["s3"].meta.service_model.operation_model(operation)
        found = wire.problems(model, {"status_code": 200, "body": body.encode()})
        checks.equal(len(found), wanted, f"the look at S3 sees {what}: {found}")


def part(checks, name, work):
    """A part that breaks off counts as one failure and does not hide the others."""
    before = checks.passed + checks.failed
    try:
        work()
    except Exception:
        checks.that(False, f"{name} runs to its end", traceback.format_exc())
    print(f"{name}: {checks.passed + checks.failed - before} checks", flush=True)


def main():
    endpoint, *moto = (address.rstrip("/") for address in sys.argv[1:]) if len(sys.argv) > 1 else ("",)
    if len(moto) > 1 or any(urllib.parse.urlsplit(address).hostname != "127.0.0.1" for address in (endpoint, *moto)):
        sys.exit("usage: run.py http://127.0.0.1:PORT [http://127.0.0.1:PORT] (the addresses the simulator and moto printed)")
    checks, sim, answers = Checks(), Sim(endpoint), {}
    sim.control("clock", {"speed": 0})
    boto = Boto(endpoint, checks, answers)
    cli = Cli(endpoint, checks, boto)
    source = in_the_source(boto)

    def listed():
        for service in sorted(OPERATIONS.keys() | source.keys()):
            ours, theirs = set(OPERATIONS.get(service, ())), source.get(service, set())
            checks.that(theirs, f"{service}: its operations are found in the source")
            checks.equal(sorted(theirs - ours), [], f"{service}: every operation in the source is on the oracle's list")
            checks.equal(sorted(ours - theirs), [], f"{service}: every operation on the list is in the source")

    def beside_moto():
        with contextlib.nullcontext(*moto) if moto else against_moto.server() as address:
            moto_calls.run(walks[0], address, source)

    walks = []

    def walk(acting):
        walks.append(Walk(checks, sim, boto, cli, acting))
        walks[-1].everything()

    def called():
        wanted = {(s, o) for s, operations in OPERATIONS.items() for o in operations}
        for caller in (boto, cli):
            checks.equal(sorted(wanted - caller.called), [], f"{caller.who} called every operation with success")

    part(checks, "the look at the wire", lambda: wire_sees(checks, boto))
    part(checks, "operations listed", listed)
    part(checks, "every operation by boto3", lambda: walk(boto))
    part(checks, "every operation by the AWS CLI", lambda: walk(cli))
    part(checks, "paging", lambda: walks[0].paging())
    part(checks, "selectors", lambda: choices.run(walks[0]))
    part(checks, "refusals", lambda: errors.run(walks[0], source))
    part(checks, "a deploy over time", lambda: story.run(walks[0]))
    part(checks, "waiters", lambda: waiters.run(walks[0], source))
    part(checks, "moto", beside_moto)
    part(checks, "every operation called", called)
    part(checks, "members of botocore's examples", lambda: members.compare(checks, boto, answers))
    print(f"{checks.passed} passed, {checks.failed} failed", flush=True)
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main())
