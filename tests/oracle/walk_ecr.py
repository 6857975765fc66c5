"""Amazon ECR, every operation: a push in parts, a byte-exact retag, settings, scans and lifecycle policies.

All of it happens in a repository of the walk's own, which is gone at the end.
"""

import hashlib
import json
import urllib.request

import waiters

OCI = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER = "application/vnd.docker.distribution.manifest.v2+json"
TYPES = [DOCKER, "application/vnd.docker.distribution.manifest.list.v2+json", OCI, OCI_INDEX]
PART = 5 << 20


def sha256(text):
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def push_blob(walk, repo, text, part=None):
    """Checks, uploads and completes one layer; its digest. Long parts do not fit a command line: boto3 sends them."""
    digest = sha256(text)
    check = {**repo, "layerDigests": [digest]}
    there = walk.read("ecr", "BatchCheckLayerAvailability", **check)["layers"][0]
    walk.checks.equal(there, {"layerDigest": digest, "layerAvailability": "UNAVAILABLE"}, "a new layer is not there yet")
    upload = walk.act("ecr", "InitiateLayerUpload", **repo)["uploadId"]
    act = walk.act if part is None else walk.boto.call
    for first in range(0, len(text), part or len(text)):
        piece = text[first : first + (part or len(text))]
        last = first + len(piece) - 1
        got = act(
            "ecr", "UploadLayerPart", **repo, uploadId=upload, partFirstByte=first, partLastByte=last, layerPartBlob=piece
        )
        walk.checks.equal(got["lastByteReceived"], last, "a part is received to its last byte")
    done = walk.act("ecr", "CompleteLayerUpload", **repo, uploadId=upload, layerDigests=[digest])
    walk.checks.equal(done["layerDigest"], digest, "a completed layer has its digest")
    there = walk.read("ecr", "BatchCheckLayerAvailability", **check)["layers"][0]
    walk.checks.equal((there["layerAvailability"], there["layerSize"]), ("AVAILABLE", len(text)), "and is there")
    return digest


def descriptor(kind, text):
    return {"mediaType": kind, "size": len(text), "digest": sha256(text)}


def images(walk, repo):
    """A push of two platforms and a retag; the digest of the first image."""
    checks = walk.checks
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {"Labels": {"fleetgate-sim.behaviour": "ok"}}})
    layer = "0123456789abcdef" * (PART // 16) + "the end"
    push_blob(walk, repo, config)
    digest = push_blob(walk, repo, layer, PART)
    # Spaces and a line's end, so that anything but the exact bytes has another digest.
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": OCI,
            "config": descriptor("application/vnd.oci.image.config.v1+json", config),
            "layers": [descriptor("application/vnd.oci.image.layer.v1.tar+gzip", layer)],
        },
        indent=3,
    ) + "\n"
    put = walk.act("ecr", "PutImage", **repo, imageManifest=manifest, imageTag="v1")["image"]
    checks.equal(put["imageId"], {"imageDigest": sha256(manifest), "imageTag": "v1"}, "an image's digest is its manifest's")
    url = walk.read("ecr", "GetDownloadUrlForLayer", **repo, layerDigest=digest)["downloadUrl"]
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=30) as answer:
        checks.that(answer.read() == layer.encode(), "the URL of a layer serves its bytes")
    got = walk.read(
        "ecr", "BatchGetImage", **repo, imageIds=[{"imageDigest": sha256(manifest)}], acceptedMediaTypes=TYPES
    )["images"][0]
    checks.equal(got["imageManifest"], manifest, "by digest the exact bytes come back")
    again = walk.act(
        "ecr",
        "PutImage",
        **repo,
        imageManifest=got["imageManifest"],
        imageManifestMediaType=got["imageManifestMediaType"],
        imageTag="release",
    )["image"]
    checks.equal(again["imageId"]["imageDigest"], sha256(manifest), "a retag keeps the digest")
    other = walk.read("ecr", "BatchGetImage", **repo, imageIds=[{"imageTag": "v1"}], acceptedMediaTypes=[DOCKER])["images"][0]
    checks.equal(
        (other["imageManifestMediaType"], other["imageId"]["imageDigest"]),
        (DOCKER, sha256(other["imageManifest"])),
        "by tag a client of docker alone gets docker's manifest, of another digest",
    )
    index = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": OCI_INDEX,
            "manifests": [{**descriptor(OCI, manifest), "platform": {"architecture": "amd64", "os": "linux"}}],
        }
    )
    walk.act("ecr", "PutImage", **repo, imageManifest=index, imageTag="multi")
    rows, *_ = walk.reads(
        ("ecr", "DescribeImages", repo),
        ("ecr", "ListImages", repo),
        ("ecr", "DescribeImages", {**repo, "imageIds": [{"imageTag": "multi"}], "filter": {"tagStatus": "TAGGED"}}),
    )
    tags = {i["imageDigest"]: sorted(i.get("imageTags", [])) for i in rows["imageDetails"]}
    checks.equal(tags, {sha256(manifest): ["release", "v1"], sha256(index): ["multi"]}, "each image has its tags")
    failed = walk.act("ecr", "BatchDeleteImage", **repo, imageIds=[{"imageDigest": sha256(manifest)}])["failures"]
    checks.equal(failed[0]["failureCode"], "ImageReferencedByManifestList", "an index keeps its children")
    return manifest


def scans(walk, repo, manifest):
    image = {**repo, "imageId": {"imageDigest": sha256(manifest)}}
    waits = waiters.Waits(walk, {})
    waits.fails("ecr", "ImageScanComplete", "ScanNotFoundException", **image)
    walk.act("ecr", "PutImageScanningConfiguration", **repo, imageScanningConfiguration={"scanOnPush": True})
    walk.act("ecr", "StartImageScan", **image)
    running = walk.read("ecr", "DescribeImageScanFindings", **image)
    walk.checks.equal(running["imageScanStatus"]["status"], "IN_PROGRESS", "a scan takes its time")
    waits.wait("ecr", "ImageScanComplete", at_once=False, **image)
    found = walk.read("ecr", "DescribeImageScanFindings", **image)["imageScanFindings"]
    counted = {}
    for finding in found["findings"]:
        counted[finding["severity"]] = counted.get(finding["severity"], 0) + 1
    walk.checks.equal(counted, found["findingSeverityCounts"], "findings are counted by severity")
    small = walk.boto.pages("ecr", "DescribeImageScanFindings", 2, **image)["imageScanFindings"]["findings"]
    walk.checks.equal(small, found["findings"], "small pages of findings hold the whole")


def settings(walk, repo, arn):
    checks, name = walk.checks, repo["repositoryName"]
    filters = [{"filterType": "WILDCARD", "filter": "dev-*"}]
    walk.act(
        "ecr",
        "PutImageTagMutability",
        **repo,
        imageTagMutability="IMMUTABLE_WITH_EXCLUSION",
        imageTagMutabilityExclusionFilters=filters,
    )
    walk.act("ecr", "TagResource", resourceArn=arn, tags=[{"Key": "team", "Value": "\u00fc & <co>"}, {"Key": "x", "Value": ""}])
    walk.act("ecr", "UntagResource", resourceArn=arn, tagKeys=["x"])
    policy = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [{"Sid": "pull", "Effect": "Allow", "Principal": "*", "Action": ["ecr:BatchGetImage"]}],
        }
    )
    walk.act("ecr", "SetRepositoryPolicy", **repo, policyText=policy)
    described, tags, kept, *_ = walk.reads(
        ("ecr", "DescribeRepositories", {"repositoryNames": [name]}),
        ("ecr", "ListTagsForResource", {"resourceArn": arn}),
        ("ecr", "GetRepositoryPolicy", repo),
        ("ecr", "DescribeRegistry", {}),
        ("ecr", "GetRegistryScanningConfiguration", {}),
    )
    shown = described["repositories"][0]
    checks.equal(
        (shown["imageTagMutability"], shown["imageTagMutabilityExclusionFilters"]),
        ("IMMUTABLE_WITH_EXCLUSION", filters),
        "a repository shows how its tags may move",
    )
    checks.equal(tags["tags"], [{"Key": "team", "Value": "\u00fc & <co>"}], "a repository shows its tags")
    checks.equal(json.loads(kept["policyText"]), json.loads(policy), "a repository policy comes back")
    walk.act("ecr", "DeleteRepositoryPolicy", **repo)


def lifecycle(walk, repo):
    rule = {
        "rulePriority": 1,
        "description": "of each tagged image the newest stays, whatever is deployed at that moment",
        "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 1},
        "action": {"type": "expire"},
    }
    text = json.dumps({"rules": [rule]}, indent=2)
    walk.act("ecr", "StartLifecyclePolicyPreview", **repo, lifecyclePolicyText=text)
    running = walk.read("ecr", "GetLifecyclePolicyPreview", **repo)
    walk.checks.equal((running["status"], running["previewResults"]), ("IN_PROGRESS", []), "a preview takes its time")
    waiters.Waits(walk, {}).wait("ecr", "LifecyclePolicyPreviewComplete", at_once=False, **repo)
    found = walk.read("ecr", "GetLifecyclePolicyPreview", **repo)
    expiring = len(found["previewResults"])
    walk.checks.equal(found["summary"], {"expiringImageTotalCount": expiring}, "a preview counts what it shows")
    walk.act("ecr", "PutLifecyclePolicy", **repo, lifecyclePolicyText=text)
    kept = walk.read("ecr", "GetLifecyclePolicy", **repo)["lifecyclePolicyText"]
    walk.checks.equal(json.loads(kept), {"rules": [rule]}, "a lifecycle policy comes back")
    before = len(walk.read("ecr", "DescribeImages", **repo)["imageDetails"])
    walk.sim.advance(86400)
    after = walk.read("ecr", "DescribeImages", **repo)["imageDetails"]
    walk.checks.equal(len(after), before - expiring, "within a day the policy does what the preview showed")
    walk.checks.that(
        "lastEvaluatedAt" in walk.read("ecr", "GetLifecyclePolicy", **repo), "the policy says when it was evaluated"
    )
    walk.act("ecr", "DeleteLifecyclePolicy", **repo)


def refusals(walk):
    """What is refused, by code and in AWS's words; in a repository that stays for it."""
    call = walk.boto.call
    repo = {"repositoryName": "oracle/refused"}
    call("ecr", "CreateRepository", **repo, imageTagMutability="IMMUTABLE", imageScanningConfiguration={"scanOnPush": True})
    config, layer = json.dumps({"architecture": "amd64", "os": "linux"}), "content"
    for text in (config, layer):
        upload = call("ecr", "InitiateLayerUpload", **repo)["uploadId"]
        call("ecr", "UploadLayerPart", **repo, uploadId=upload, partFirstByte=0, partLastByte=len(text) - 1, layerPartBlob=text)
        call("ecr", "CompleteLayerUpload", **repo, uploadId=upload, layerDigests=[sha256(text)])
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": OCI,
            "config": descriptor("application/vnd.oci.image.config.v1+json", config),
            "layers": [descriptor("application/vnd.oci.image.layer.v1.tar+gzip", layer)],
        }
    )
    call("ecr", "PutImage", **repo, imageManifest=manifest, imageTag="v1")
    several = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [descriptor(OCI, manifest)]}
    call("ecr", "PutImage", **repo, imageManifest=json.dumps(several), imageTag="multi")
    zero = "sha256:" + "0" * 64
    image = {**repo, "imageId": {"imageDigest": zero}}
    short = {**repo, "lifecyclePolicyText": json.dumps({"rules": []}) + " " * 100}
    upload = call("ecr", "InitiateLayerUpload", **repo)["uploadId"]
    part = {**repo, "uploadId": upload, "partFirstByte": 5, "partLastByte": 8, "layerPartBlob": "gap"}
    lacking = json.loads(manifest)
    lacking["layers"][0]["digest"] = zero
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [{"mediaType": OCI, "size": 1, "digest": zero}]}
    arn = f"arn:aws:ecr:ap-south-1:{walk.account}:repository/{repo['repositoryName']}"
    moved = {**repo, "imageManifest": manifest + "\n", "imageTag": "v1"}
    other = {**repo, "imageManifest": manifest, "imageTag": "new", "imageDigest": zero}
    scanned = {**repo, "imageId": {"imageDigest": sha256(manifest)}}
    index_image = {**repo, "imageId": {"imageTag": "multi"}}
    return [
        ("ecr", "CreateRepository", repo, "RepositoryAlreadyExistsException", 400, "already exists in the registry"),
        ("ecr", "DeleteRepository", repo, "RepositoryNotEmptyException", 400, "still contains images"),
        ("ecr", "UploadLayerPart", part, "InvalidLayerPartException", 400, "not consecutive"),
        ("ecr", "CompleteLayerUpload", {**repo, "uploadId": upload, "layerDigests": [zero]}, "EmptyUploadException", 400, ""),
        ("ecr", "CompleteLayerUpload", {**repo, "uploadId": "00000000-0000-0000-0000-000000000000", "layerDigests": [zero]}, "UploadNotFoundException", 400, ""),
        ("ecr", "GetDownloadUrlForLayer", {**repo, "layerDigest": zero}, "LayersNotFoundException", 400, ""),
        ("ecr", "PutImage", {**repo, "imageManifest": json.dumps(lacking)}, "LayersNotFoundException", 400, zero),
        ("ecr", "PutImage", {**repo, "imageManifest": json.dumps(index)}, "ReferencedImagesNotFoundException", 400, zero),
        ("ecr", "PutImage", {**repo, "imageManifest": manifest, "imageTag": "v1"}, "ImageAlreadyExistsException", 400, "and tag 'v1' already exists"),
        ("ecr", "PutImage", moved, "ImageTagAlreadyExistsException", 400, "cannot be overwritten"),
        ("ecr", "PutImage", other, "ImageDigestDoesNotMatchException", 400, zero),
        ("ecr", "PutImage", {**repo, "imageManifest": "{}"}, "InvalidParameterException", 400, ""),
        ("ecr", "StartImageScan", scanned, "LimitExceededException", 400, "The scan quota per image has been exceeded"),
        ("ecr", "StartImageScan", index_image, "UnsupportedImageTypeException", 400, ""),
        ("ecr", "DescribeImageScanFindings", index_image, "ScanNotFoundException", 400, "Image scan does not exist"),
        ("ecr", "StartImageScan", image, "ImageNotFoundException", 400, ""),
        ("ecr", "PutLifecyclePolicy", short, "InvalidParameterException", 400, "Lifecycle policy validation failure"),
        ("ecr", "GetLifecyclePolicy", repo, "LifecyclePolicyNotFoundException", 400, ""),
        ("ecr", "GetLifecyclePolicyPreview", repo, "LifecyclePolicyPreviewNotFoundException", 400, ""),
        ("ecr", "GetRepositoryPolicy", repo, "RepositoryPolicyNotFoundException", 400, ""),
        ("ecr", "TagResource", {"resourceArn": arn, "tags": [{"Key": "aws:x", "Value": ""}]}, "InvalidTagParameterException", 400, ""),
        ("ecr", "PutImageTagMutability", {**repo, "imageTagMutability": "IMMUTABLE_WITH_EXCLUSION"}, "InvalidParameterException", 400, ""),
    ]


def everything(walk):
    name = f"oracle/{walk.acting.who}"
    repo = {"repositoryName": name}
    made = walk.act("ecr", "CreateRepository", **repo, imageTagMutability="MUTABLE")["repository"]
    walk.checks.equal(made["repositoryName"], name, "a repository is created under its name")
    manifest = images(walk, repo)
    scans(walk, repo, manifest)
    settings(walk, repo, made["repositoryArn"])
    lifecycle(walk, repo)
    gone = walk.act("ecr", "DeleteRepository", **repo, force=True)["repository"]
    walk.checks.equal(gone["repositoryArn"], made["repositoryArn"], "the deleted repository is the one that was created")
