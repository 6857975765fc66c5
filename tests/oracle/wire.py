"""An answer's bytes against the service's model.

boto3 and the AWS CLI skip an element they do not know and make do without one they miss, so a misspelled member would
pass unseen: here an unknown element, a scalar that is none, a value outside its enum or a missing required member is a
problem.
"""

import datetime
import io
import json
import re
import xml.etree.ElementTree as etree

import botocore.parsers

# What AWS itself sends beyond its model.
BEYOND_THE_MODEL = {"ec2": {"requestId", "return"}}


def problems(operation, response):
    """Sentences on what does not fit; none for a refusal, which errors.py looks at."""
    if response["status_code"] >= 300:
        return []
    found = []
    protocol = operation.service_model.resolved_protocol
    if protocol == "json":
        body = json.loads(response["body"] or b"{}")
        _json(body, operation.output_shape, "", found)
        return found
    if protocol == "smithy-rpc-v2-cbor":
        # The parser's own reader of data items: no member is dropped yet.
        reader = io.BufferedReader(io.BytesIO(response["body"] or b"\xa0"))
        _json(botocore.parsers.RpcV2CBORParser().parse_data_item(reader), operation.output_shape, "", found)
        return found
    if protocol == "rest-xml":
        return _rest_xml(operation.output_shape, response)
    root = etree.fromstring(response["body"])
    if _name(root) != f"{operation.name}Response":
        found.append(f"the root is {_name(root)}")
    known = BEYOND_THE_MODEL.get(protocol, set())
    if protocol == "query":
        parts = {_name(kid): kid for kid in root}
        unknown = set(parts) - {f"{operation.name}Result", "ResponseMetadata"}
        found.extend(f"{name} beside the result" for name in sorted(unknown))
        if not (parts.get("ResponseMetadata") is not None and parts["ResponseMetadata"].findtext("{*}RequestId")):
            found.append("no ResponseMetadata/RequestId")
        root = parts.get(f"{operation.name}Result")
        if root is None:
            if operation.output_shape is not None and operation.output_shape.members:
                found.append("no result element")
            return found
    _structure(root, operation.output_shape, "", found, known)
    return found


def _rest_xml(shape, response):
    """The body of an S3 answer; what stands in its headers is read by the clients alone."""
    found = []
    members = {} if shape is None else {n: m for n, m in shape.members.items() if "location" not in m.serialization}
    payload = None if shape is None else members.get(shape.serialization.get("payload"))
    if payload is not None and payload.type_name != "structure":
        return found
    body = response["body"]
    if not body:
        found.extend(f"{name} is required" for name in (shape.required_members if shape is not None else []) if name in members)
        return found
    if not members:
        return ["a body where the model has none"]
    root = etree.fromstring(body)
    if _unwrapped(shape):
        # <LocationConstraint>ap-south-1</LocationConstraint>: the member is the root itself.
        (name, member), = members.items()
        if _name(root) != name:
            found.append(f"the root is {_name(root)}")
        elif root.text:
            _element(root, member, name, found)
        return found
    _structure(root, payload or shape, "", found)
    return found


def _unwrapped(shape):
    """GetBucketLocation alone: its model has one text and AWS sends no element around it."""
    return shape.name == "GetBucketLocationOutput"


def _name(element):
    return element.tag.rsplit("}", 1)[-1]


def _structure(element, shape, path, found, known=frozenset()):
    members = {}
    for name, member in (shape.members if shape is not None else {}).items():
        if "location" in member.serialization or member.serialization.get("xmlAttribute"):
            continue
        wire_name = member.serialization.get("name", name)
        if member.type_name == "list" and member.serialization.get("flattened"):
            wire_name = member.member.serialization.get("name", wire_name)
        members[wire_name] = (name, member)
    seen = set()
    for kid in element:
        name = _name(kid)
        if name in known:
            continue
        if name not in members:
            found.append(f"{path}{name} is not in the model")
            continue
        member_name, member = members[name]
        if member_name in seen and not member.serialization.get("flattened"):
            found.append(f"{path}{name} stands twice")
        seen.add(member_name)
        _element(kid, member, f"{path}{member_name}", found)
    if shape is not None:
        here = {name for name, _ in members.values()}
        found.extend(f"{path}{name} is required" for name in shape.required_members if name in here and name not in seen)


def _element(element, shape, path, found):
    kind = shape.type_name
    if kind == "structure":
        _structure(element, shape, f"{path}.", found)
    elif kind == "list":
        if shape.serialization.get("flattened"):
            _element(element, shape.member, f"{path}[]", found)
            return
        wanted = shape.member.serialization.get("name", "member")
        if element.text and element.text.strip():
            found.append(f"{path} is a list and holds text")
        for kid in element:
            if _name(kid) != wanted:
                found.append(f"{path} holds {_name(kid)} instead of {wanted}")
            _element(kid, shape.member, f"{path}[]", found)
    elif kind == "map":
        key, value = (side.serialization.get("name", name) for side, name in ((shape.key, "key"), (shape.value, "value")))
        for entry in element:
            sides = {_name(side): side for side in entry}
            if _name(entry) != "entry" or set(sides) != {key, value}:
                found.append(f"{path} holds {_name(entry)} of {sorted(sides)} instead of entry of {key} and {value}")
            else:
                _element(sides[value], shape.value, f"{path}{{}}", found)
    elif len(element):
        found.append(f"{path} is a {kind} and holds elements")
    else:
        _scalar(element.text or "", shape, path, found)


def _scalar(text, shape, path, found):
    kind = shape.type_name
    if kind in ("integer", "long") and not re.fullmatch(r"-?\d+", text):
        found.append(f"{path} is no number: {text!r}")
    elif kind in ("float", "double") and not re.fullmatch(r"-?\d+(\.\d+)?([eE]-?\d+)?", text):
        found.append(f"{path} is no number: {text!r}")
    elif kind == "boolean" and text not in ("true", "false"):
        found.append(f"{path} is no boolean: {text!r}")
    elif kind == "timestamp" and not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", text):
        found.append(f"{path} is no time: {text!r}")
    elif kind == "string" and shape.enum and text not in shape.enum:
        found.append(f"{path} is outside its enum: {text!r}")


def _json(value, shape, path, found):
    kind = shape.type_name if shape is not None else "structure"
    if kind == "structure":
        if not isinstance(value, dict):
            found.append(f"{path or 'the answer'} is no object")
            return
        members = {m.serialization.get("name", n): m for n, m in (shape.members if shape is not None else {}).items()}
        for name, kid in value.items():
            if name not in members:
                found.append(f"{path}.{name} is not in the model")
            elif kid is None:
                found.append(f"{path}.{name} is null; AWS leaves it out")
            else:
                _json(kid, members[name], f"{path}.{name}", found)
        if shape is not None:
            found.extend(f"{path}.{name} is required" for name in shape.required_members if name not in value)
    elif kind == "list":
        if not isinstance(value, list):
            found.append(f"{path} is no list")
            return
        for kid in value:
            _json(kid, shape.member, f"{path}[]", found)
    elif kind == "map":
        if not isinstance(value, dict):
            found.append(f"{path} is no map")
            return
        for kid in value.values():
            _json(kid, shape.value, f"{path}{{}}", found)
    elif kind == "string":
        if not isinstance(value, str):
            found.append(f"{path} is no text: {value!r}")
        elif shape.enum and value not in shape.enum:
            found.append(f"{path} is outside its enum: {value!r}")
    elif kind == "boolean":
        if not isinstance(value, bool):
            found.append(f"{path} is no boolean: {value!r}")
    elif kind in ("integer", "long"):
        if isinstance(value, bool) or not isinstance(value, int):
            found.append(f"{path} is no whole number: {value!r}")
    elif kind in ("float", "double", "timestamp"):
        # JSON writes times as epoch seconds; CBOR's reader has already made a time of them.
        if kind == "timestamp" and isinstance(value, datetime.datetime):
            return
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            found.append(f"{path} is no number: {value!r}")
