"""The same calls to the simulator and to moto, and their answers member by member.

moto is another stranger's idea of AWS: where both agree, neither is alone; where they differ, moto_differences.json says what
moto answers and which source says that AWS is on our side. An unlisted difference fails, and so does a listed one that is
none any more, so that the table stays true with every new moto. A difference that hangs on what the seed drew says so (`where`).
"""

import contextlib
import json
import pathlib
import re
import subprocess
import sys

import boto3
import botocore.exceptions
import botocore.parsers

from harness import ENVIRONMENT, REGION, Refused, client, plain

TABLE = pathlib.Path(__file__).with_name("moto_differences.json")

# What each side makes up by itself. Only its form is compared.
MADE_UP = [
    (re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:00)?"), "<time>"),
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"), "<uuid>"),
    (re.compile(r"\bsha256:[0-9a-f]{64}\b"), "<digest>"),
    (re.compile(r"\b([a-z]{1,10})-(?:[0-9a-f]{17}|[0-9a-f]{8})\b"), r"<\1-…>"),
    (re.compile(r"/(?:[0-9a-f]{16}|\d{15})\b"), "/<16 hex>"),
    (re.compile(r"\b(A[A-Z]{3})[A-Z0-9]{12,17}\b"), r"<\1…>"),
]
# Members whose values neither side is asked for: addresses, windows, secrets, and who is behind an access key.
OWN_VALUES = {
    "AccessKeyId",
    "Address",
    "AvailabilityZoneId",
    "AvailableIpAddressCount",
    "CreatedBy",
    "DhcpOptionsId",
    "IpAddress",
    "PrivateDnsName",
    "PreferredMaintenanceWindow",
    "PrivateIpAddress",
    "SecretAccessKey",
    "SessionToken",
    "SnapshotWindow",
    "UserId",
    "ZoneId",
    "authorizationToken",
}
# Maps whose keys are values too: where no values are compared, both hold the same kind of them.
OWN_KEYS = {"findingSeverityCounts"}
ABSENT = object()


@contextlib.contextmanager
def server():
    """moto in a process that ends with this block; its address."""
    program = str(pathlib.Path(__file__).with_name("moto_server.py"))
    process = subprocess.Popen(
        [sys.executable, program],
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


class BrokeOff(Exception):
    """The other side answered nothing: it has not got the operation, or fell over."""


class Side:
    """One of the two, and the names that this world gave to its things."""

    def __init__(self, who, answer):
        self.who, self._answer = who, answer
        self.named = {}

    def __getitem__(self, name):
        return self.named[name]

    def keep(self, name, value):
        self.named[name] = value

    def call(self, service, operation, **params):
        return self._answer(service, operation, params)

    def read(self, service, operation, params):
        """An answer, or the refusal as one."""
        try:
            return self.call(service, operation, **params)
        except Refused as refusal:
            return {"refused": {"Code": refusal.code, "Status": refusal.status}}

    def common(self, value):
        """The value with this world's names instead of this side's."""
        if isinstance(value, dict):
            return {key: self.common(kid) for key, kid in value.items()}
        if isinstance(value, list):
            return [self.common(kid) for kid in value]
        if isinstance(value, str):
            for name, known in sorted(self.named.items(), key=lambda pair: -len(str(pair[1]))):
                if isinstance(known, str) and len(known) > 7:
                    value = value.replace(known, f"<{name}>")
            for pattern, form in MADE_UP:
                value = pattern.sub(form, value)
        return value


class Both:
    """Calls both sides and collects where their answers differ."""

    def __init__(self, walk, endpoint, source):
        self.walk, self.source = walk, source
        self.clients = {}
        self.session = boto3.session.Session(region_name=REGION)
        self.endpoint = endpoint
        self.ours = Side("the simulator", lambda service, operation, params: walk.boto.call(service, operation, **params))
        self.moto = Side("moto", self._moto)
        self.found = {}
        self.compared = set()

    def has(self, service, *operations):
        return all(operation in self.source.get(service, ()) for operation in operations)

    def _moto(self, service, operation, params):
        if service not in self.clients:
            self.clients[service] = client(self.session, service, self.endpoint)
            self.clients[service].meta.events.register("before-parse", self._looked)
        try:
            return plain(getattr(self.clients[service], botocore.xform_name(operation))(**params))
        except (botocore.exceptions.ClientError, botocore.parsers.ResponseParserError) as error:
            if self.status >= 500 and b"<!doctype html>" in self.body:
                raise BrokeOff("not implemented" if b"NotImplementedError" in self.body else "HTTP 500") from None
            if isinstance(error, botocore.parsers.ResponseParserError):
                raise
            raise Refused(
                error.response["Error"]["Code"], self.status, error.response["Error"].get("Message", ""), type(error).__name__
            ) from None

    def _looked(self, response_dict, **_):
        self.status, self.body = response_dict["status_code"], response_dict["body"]

    def same(self, service, operation, params=None, keep=None, settle=None, values=True):
        """One call to each side; `params` of a side, names kept of each answer; `settle` lets the simulator's time pass.

        Without `values` only members and their kinds are compared: each side describes things of its own. Answers are
        None where a side refused or has not got the operation.
        """
        if not self.has(service, operation):
            return None, None
        name = f"{service}.{operation}"
        self.compared.add(name)
        answers = []
        for side in (self.ours, self.moto):
            own = params(side) if callable(params) else dict(params or {})
            try:
                answers.append(side.read(service, operation, own))
            except BrokeOff as end:
                self.note(name, "*", "a refusal" if "refused" in answers[0] else "an answer", str(end))
                if settle:
                    settle()
                return answers[0], None
        if settle:
            settle()
        for side, answer in zip((self.ours, self.moto), answers, strict=True):
            for key, of in (keep or {}).items():
                if "refused" not in answer:
                    side.keep(key, of(answer))
        ours, moto = (side.common(answer) for side, answer in zip((self.ours, self.moto), answers, strict=True))
        self.differ(name, ours, moto, "", values)
        return tuple(None if "refused" in answer else answer for answer in answers)

    def differ(self, name, ours, moto, path, values):
        if ours is ABSENT or moto is ABSENT:
            word = lambda value: "absent" if value is ABSENT else "present"
            self.note(name, path, word(ours), word(moto))
        elif isinstance(ours, dict) and isinstance(moto, dict):
            if not values and path.rsplit(".", 1)[-1] in OWN_KEYS:
                ours, moto = ({"{}": next(iter(side.values()))} if side else {} for side in (ours, moto))
            for key in sorted(ours.keys() | moto.keys()):
                self.differ(name, ours.get(key, ABSENT), moto.get(key, ABSENT), f"{path}.{key}" if path else key, values)
        elif isinstance(ours, list) and isinstance(moto, list):
            if len(ours) != len(moto) and (values or not ours or not moto):
                self.note(name, f"{path}[]", f"{len(ours)} rows", f"{len(moto)} rows")
                # Attributes and tags that both have are still compared.
                keyed = [{row["Key"]: row for row in rows if isinstance(row, dict) and "Key" in row} for rows in (ours, moto)]
                for key in sorted(keyed[0].keys() & keyed[1].keys()):
                    self.differ(name, keyed[0][key], keyed[1][key], f"{path}[]", values)
                return
            if values:
                for one, other in zip(*ordered(ours, moto), strict=True):
                    self.differ(name, one, other, f"{path}[]", values)
            elif ours and moto:
                self.differ(name, merged(ours), merged(moto), f"{path}[]", values)
        elif type(ours) is not type(moto):
            self.note(name, path, type(ours).__name__, type(moto).__name__)
        elif values and ours != moto and path.rsplit(".", 1)[-1] not in OWN_VALUES:
            self.note(name, path, json.dumps(ours, ensure_ascii=False), json.dumps(moto, ensure_ascii=False))

    def note(self, name, path, ours, moto):
        seen = self.found.setdefault((name, path), (set(), set()))
        seen[0].add(ours)
        seen[1].add(moto)


# What tells the rows of a list apart, where both sides have it.
TELLING = (
    "Key",
    "Name",
    "InstanceId",
    "Target",
    "PolicyName",
    "VersionNumber",
    "LaunchTemplateName",
    "TargetGroupName",
    "Priority",
    "IsEgress",
    "imageTag",
    "imageTags",
    "ProcessName",
)


def ordered(ours, moto):
    """The rows of two lists whose order says nothing, each list by what its rows have in common with the other's."""
    rows = [*ours, *moto]
    if not all(isinstance(row, dict) for row in rows):
        return sorted(ours, key=str), sorted(moto, key=str)
    common = set.intersection(*(set(row) for row in rows)) if rows else set()
    telling = [name for name in TELLING if name in common]
    if not telling:
        return ours, moto
    rest = sorted(name for name in common - OWN_VALUES if isinstance(rows[0][name], (str, int, float)))
    key = lambda row: ([str(row[name]) for name in telling], [str(row[name]) for name in rest])
    return sorted(ours, key=key), sorted(moto, key=key)


def merged(rows):
    """All members of the rows in one, where only kinds are compared."""
    if all(isinstance(row, dict) for row in rows):
        return {key: value for row in rows for key, value in row.items()}
    return rows[0]


def compare(checks, both):
    """What was found against the table. A row holds in the worlds that drew what its `where` says, and in them alone."""
    rows = json.loads(TABLE.read_text())
    here = [row for row in rows if all(both.walk.sim.drawn(name) == value for name, value in row.get("where", {}).items())]
    table = {(row["operation"], row["member"]): row for row in here}
    for (operation, member), (ours, moto) in sorted(both.found.items()):
        said = f"{operation} {member}"
        row = table.pop((operation, member), None)
        seen = "; ".join(f"{who}: {' or '.join(sorted(what))}" for who, what in (("the simulator", ours), ("moto", moto)) if what)
        if checks.that(row, f"moto: {said} is as moto has it, or listed", seen):
            checks.that(
                row["moto"] in moto and row.get("why") and row.get("source"),
                f"moto: {said} differs as it is listed, for a reason and with its source",
                f"{seen}; listed: {row['moto']}",
            )
    for service, operations in both.source.items():
        for name in sorted(f"{service}.{operation}" for operation in operations):
            if name not in both.compared:
                row = table.pop((name, "*"), {})
                checks.that(row.get("moto") == "not asked" and row.get("why"), f"moto: {name} is asked of moto too, or listed")
    for operation, member in sorted(table):
        checks.that(False, f"moto: {operation} {member} is listed as a difference and is one")
