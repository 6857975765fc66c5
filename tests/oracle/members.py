"""Members of our answers against botocore's worked examples (`examples-1.json`).

Every member of an example's output must stand in some answer of ours to that operation; where this world lacks it for a
reason, `deviations.json` says which. A reason that is no longer needed fails too, so that the table stays true.
"""

import json
import pathlib

import botocore.loaders

TABLE = pathlib.Path(__file__).with_name("deviations.json")


def paths(value, shape, path=""):
    """Members with a place: `Groups[].Name`. Members the model does not know are the example's mistake and left out."""
    if shape is None:
        return
    if shape.type_name == "structure" and isinstance(value, dict):
        for name, kid in value.items():
            if name in shape.members:
                here = f"{path}.{name}" if path else name
                yield here
                yield from paths(kid, shape.members[name], here)
    elif shape.type_name == "list" and isinstance(value, list):
        for kid in value:
            yield f"{path}[]"
            yield from paths(kid, shape.member, f"{path}[]")


def examples(service, version):
    loader = botocore.loaders.create_loader()
    return loader.load_service_model(service, "examples-1", version).get("examples", {})


def compare(checks, boto, answers):
    table = json.loads(TABLE.read_text())
    unused = {(operation, path) for operation, reasons in table.items() for path in reasons}
    compared = 0
    books = {}
    for service, operation in sorted(boto.called):
        if service not in books:
            books[service] = examples(service, boto.clients[service].meta.service_model.api_version)
        shape = boto.output_shape(service, operation)
        ours = {p for answer in answers[(service, operation)] for p in paths(answer, shape)}
        wanted = set()
        for example in books[service].get(operation, []):
            wanted |= set(paths(example.get("output", {}), shape))
        if not wanted:
            continue
        compared += 1
        reasons = table.get(f"{service}.{operation}", {})
        missing = []
        for path in sorted(wanted - ours):
            # The outermost absent member stands for all below it.
            reason = next((p for p in reasons if path == p or path.startswith((p + ".", p + "["))), None)
            if reason is not None:
                unused.discard((f"{service}.{operation}", reason))
            elif not any(path.startswith((m + ".", m + "[")) for m in missing):
                missing.append(path)
        checks.that(not missing, f"{service}.{operation}: has every member of botocore's examples", ", ".join(missing))
    checks.that(
        not unused,
        "deviations.json holds only reasons that are needed",
        ", ".join(f"{o} {p}" for o, p in sorted(unused)),
    )
    checks.that(compared > 0, "botocore's examples were found")
    return compared
