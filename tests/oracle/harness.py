"""Counting checks, and two callers of the same simulator: boto3 in this process, the AWS CLI beside it.

Both answer with plain data in one form, so that their answers can be compared: no ResponseMetadata, times in UTC.
"""

import base64
import datetime
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import urllib.request

import boto3
import botocore.config
import botocore.exceptions
import botocore.response
import botocore.utils

import wire

REGION = "ap-south-1"
SERVICES = ("autoscaling", "cloudwatch", "ec2", "ecr", "elasticache", "elbv2", "iam", "s3", "sts")

# The whole environment of both callers: nothing of the host's profile, proxies or instance role can leak in.
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "AKIAORACLE",
    "AWS_SECRET_ACCESS_KEY": "not-a-secret",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_MAX_ATTEMPTS": "1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_PAGER": "",
    "NO_PROXY": "127.0.0.1",
    "LANG": "C.UTF-8",
    "PATH": os.environ.get("PATH", ""),
    "HOME": os.environ.get("HOME", "/"),
}


class Checks:
    """Every expectation is one count; a failed one is printed where it happens and the run goes on."""

    def __init__(self):
        self.passed = 0
        self.failed = 0
        self._asked = set()

    def that(self, holds, sentence, detail=""):
        if holds:
            self.passed += 1
        else:
            self.failed += 1
            print(f"FAILED {sentence}" + (f"\n       {detail}" if detail else ""), flush=True)
        return bool(holds)

    def equal(self, got, wanted, sentence):
        return self.that(got == wanted, sentence, "; ".join(differences(got, wanted)) if got != wanted else "")

    def once(self, holds, sentence, detail=""):
        """Asked at every answer: counted at its first, and at each failure."""
        if not holds or sentence not in self._asked:
            self._asked.add(sentence)
            self.that(holds, sentence, detail)


def differences(got, wanted, path=""):
    """The first few places where two answers differ; the whole of a large one would hide them."""
    if isinstance(got, dict) and isinstance(wanted, dict):
        found = []
        for key in sorted(got.keys() | wanted.keys()):
            absent = "(absent)"
            found += differences(got.get(key, absent), wanted.get(key, absent), f"{path}.{key}")
        return found[:5]
    if isinstance(got, list) and isinstance(wanted, list) and len(got) == len(wanted) and len(got) > 3:
        found = [d for n, (g, w) in enumerate(zip(got, wanted)) for d in differences(g, w, f"{path}[{n}]")]
        return found[:5]
    if got == wanted:
        return []
    size = f" ({len(got)} and {len(wanted)} rows)" if isinstance(got, list) and isinstance(wanted, list) else ""
    return [f"{path or 'it'}: got {str(got)[:600]}, wanted {str(wanted)[:600]}{size}"]


class Refused(Exception):
    """AWS's own error answer: its code, HTTP status where the caller shows it, message and exception class."""

    def __init__(self, code, status, message, kind):
        super().__init__(f"{code} ({status}): {message}")
        self.code, self.status, self.message, self.kind = code, status, message, kind


class Sim:
    """The simulator's own controls."""

    def __init__(self, endpoint):
        self.endpoint = endpoint
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def control(self, path, body=None, method=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.endpoint}/_sim/{path}", data=data, method=method)
        with self._opener.open(request, timeout=30) as answer:
            return json.load(answer)

    def drawn(self, name):
        """A parameter of the world, `cache.modify`, which its seed drew (sim/README.md, "What is guessed")."""
        value = self.control("world")["params"]
        for part in name.split("."):
            value = value[part]
        return value

    def advance(self, seconds):
        self.control("clock", {"advance_seconds": seconds})

    def until(self, holds, limit, step=5):
        """Steps the clock until the predicate holds; its value, or None after `limit` simulated seconds."""
        for _ in range(0, limit, step):
            value = holds()
            if value:
                return value
            self.advance(step)
        return holds()


def plain(value):
    """Answers in a form both callers share."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items() if k != "ResponseMetadata"}
    if isinstance(value, list):
        return [plain(v) for v in value]
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.timezone.utc).isoformat()
    if isinstance(value, botocore.response.StreamingBody):
        value = value.read()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value


def client(session, service, endpoint):
    """A client that asks once, and nobody but this endpoint."""
    config = botocore.config.Config(
        retries={"total_max_attempts": 1},
        proxies={},
        connect_timeout=5,
        read_timeout=30,
        s3={"addressing_style": "path"},
    )
    return session.client(service, endpoint_url=endpoint, config=config)


class Boto:
    """boto3; every answer's bytes are also held against the service's model (wire.py), as boto3 drops what it does not know."""

    who = "boto3"

    def __init__(self, endpoint, checks, answers):
        self._checks, self._answers = checks, answers
        os.environ.clear()
        os.environ.update(ENVIRONMENT)
        session = boto3.session.Session(region_name=REGION)
        self.clients = {s: client(session, s, endpoint) for s in SERVICES}
        # CloudWatch speaks three protocols and boto3 takes JSON of its own accord.
        self.dialects = {"cloudwatch": {}}
        for service, spoken in self.dialects.items():
            for protocol in self.clients[service].meta.service_model.metadata["protocols"]:
                if protocol != self.clients[service].meta.service_model.resolved_protocol:
                    other = boto3.session.Session(region_name=REGION)
                    model = other._session.get_component("data_loader").load_service_model(service, "service-2")
                    model["metadata"]["protocols"] = [protocol]
                    spoken[protocol] = client(other, service, endpoint)
        for one in (*self.clients.values(), *(c for spoken in self.dialects.values() for c in spoken.values())):
            one.meta.events.register("before-parse", self._look_at_the_wire)
        self.called = set()

    def _look_at_the_wire(self, operation_model, response_dict, **_):
        model = operation_model.service_model
        by = f" ({model.resolved_protocol})" if model.service_name in self.dialects else ""
        name = f"{model.service_name}.{operation_model.name}{by}"
        problems = wire.problems(operation_model, response_dict)
        self._checks.once(not problems, f"{name}: the bytes fit the model", "; ".join(problems[:8]))

    def call(self, service, operation, **params):
        answer = self.answer(self.clients[service], service, operation, params)
        self.called.add((service, operation))
        self._answers.setdefault((service, operation), []).append(answer)
        return answer

    def answer(self, client, service, operation, params):
        """What this client of the service is answered."""
        method = getattr(client, botocore.xform_name(operation))
        try:
            answer = method(**params)
        except botocore.exceptions.ClientError as error:
            meta = error.response["ResponseMetadata"]
            self._checks.once(meta.get("RequestId"), f"{service}.{operation}: a refusal carries a request id")
            raise Refused(
                error.response["Error"]["Code"],
                meta["HTTPStatusCode"],
                error.response["Error"].get("Message", ""),
                type(error).__name__,
            ) from None
        self._checks.once(
            answer["ResponseMetadata"].get("RequestId"), f"{service}.{operation}: an answer carries a request id"
        )
        return plain(answer)

    def pages(self, service, operation, size, **params):
        """All pages of this size (None: the service's own), put together by boto3."""
        paginator = self.clients[service].get_paginator(botocore.xform_name(operation))
        return plain(paginator.paginate(PaginationConfig={"PageSize": size}, **params).build_full_result())

    def model(self, service, operation):
        return self.clients[service].meta.service_model.operation_model(operation)

    def output_shape(self, service, operation):
        return self.model(service, operation).output_shape


def written(value):
    """A parameter that JSON has no form for, as the CLI takes it."""
    return value.isoformat() if isinstance(value, datetime.datetime) else value.decode()


class Cli:
    """The AWS CLI of this virtual environment, fed by --cli-input-json so that both callers send the same parameters.

    One process of it answers all calls (aws_cli.py); a service's first answer and the first refusal are asked for again by
    `aws` itself, which must print the very same.
    """

    who = "cli"

    def __init__(self, endpoint, checks, models):
        self._endpoint, self._checks, self._models = endpoint, checks, models
        here = pathlib.Path(__file__).resolve().parent
        # It ends with its standard input, so with this process.
        self._kept = subprocess.Popen(
            [sys.executable, str(here / "aws_cli.py")],
            env=ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        self._compared = set()
        self.called = set()

    def _by_the_kept(self, arguments):
        self._kept.stdin.write(json.dumps(arguments) + "\n")
        self._kept.stdin.flush()
        return tuple(json.loads(self._kept.stdout.readline()))

    def _by_a_process(self, arguments):
        program = str(pathlib.Path(sys.executable).parent / "aws")
        done = subprocess.run(
            [program, *arguments], env=ENVIRONMENT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
        )
        return done.returncode, done.stdout, done.stderr

    def _run(self, service, operation, params, extra):
        # `aws s3` copies files; the operations of S3 are `aws s3api`.
        arguments = ["s3api" if service == "s3" else service, botocore.xform_name(operation, "-")]
        arguments += ["--endpoint-url", self._endpoint, "--region", REGION, "--output", "json"]
        if params is not None:
            arguments += ["--cli-input-json", json.dumps(params, default=written)]
        arguments += extra
        status, printed, complained = self._by_the_kept(arguments)
        kind = "a refusal" if status else service
        if kind not in self._compared and operation.startswith(("Describe", "Get", "List")):
            self._compared.add(kind)
            self._checks.equal(
                (status, printed, complained),
                self._by_a_process(arguments),
                f"cli {service}.{operation}: the kept process prints what `aws` prints",
            )
        if status != 0:
            text = complained.strip()
            # `An error occurred (Code) when calling the Op operation: message`
            code = text.split("(", 1)[1].split(")", 1)[0] if text.startswith("An error occurred (") else ""
            raise Refused(code, None, text, f"exit {status}")
        return json.loads(printed) if printed.strip() else {}

    def call(self, service, operation, **params):
        model = self._models.model(service, operation)
        if model.has_streaming_input or model.has_streaming_output:
            answer = self._stream(model, service, operation, params)
        else:
            answer = self._run(service, operation, params, ["--no-paginate"])
        self.called.add((service, operation))
        return self._timed(answer, model.output_shape)

    def _stream(self, model, service, operation, params):
        """The CLI takes and gives a stream as a file, and has no --cli-input-json where it gives one."""
        with tempfile.NamedTemporaryFile() as file:
            if model.has_streaming_output:
                single = [word for k, v in params.items() for word in (f"--{botocore.xform_name(k, '-')}", str(v))]
                answer = self._run(service, operation, None, [*single, file.name])
                return answer | {model.output_shape.serialization["payload"]: plain(file.read())}
            member = model.input_shape.serialization["payload"]
            file.write(params.pop(member, b""))
            file.flush()
            return self._run(service, operation, params, [f"--{botocore.xform_name(member, '-')}", file.name])

    def pages(self, service, operation, size, **params):
        answer = self._run(service, operation, params, ["--page-size", str(size)])
        return self._timed(answer, self._models.output_shape(service, operation))

    def _timed(self, value, shape):
        """The CLI prints times as they stood on the wire; the model says which members are times."""
        if shape is None or value is None:
            return value
        if shape.type_name == "structure" and isinstance(value, dict):
            return {k: self._timed(v, shape.members.get(k)) for k, v in value.items()}
        if shape.type_name == "list" and isinstance(value, list):
            return [self._timed(v, shape.member) for v in value]
        if shape.type_name == "timestamp":
            return plain(botocore.utils.parse_timestamp(value))
        return value
