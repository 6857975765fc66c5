"""The image registry, asked of the simulator and of moto alike."""

import hashlib
import json

NAME = "oracle/moto"
DOCKER = "application/vnd.docker.distribution.manifest.v2+json"


def blob(text):
    return f"sha256:{hashlib.sha256(text).hexdigest()}", len(text)


def manifest(*blobs):
    def row(kind, one):
        digest, size = one
        return {"mediaType": f"application/vnd.docker.{kind}", "size": size, "digest": digest}

    config, *layers = blobs
    body = {"schemaVersion": 2, "mediaType": DOCKER, "config": row("container.image.v1+json", config)}
    return json.dumps(body | {"layers": [row("image.rootfs.diff.tar.gzip", layer) for layer in layers]})


def pushed(both, text):
    """A layer on our side; moto asks for none."""
    name = {"repositoryName": NAME}
    call = lambda operation, **rest: both.ours.call("ecr", operation, **name, **rest)
    upload = call("InitiateLayerUpload")["uploadId"]
    call("UploadLayerPart", uploadId=upload, partFirstByte=0, partLastByte=len(text) - 1, layerPartBlob=text)
    call("CompleteLayerUpload", uploadId=upload, layerDigests=[blob(text)[0]])


def run(both):
    name = {"repositoryName": NAME}
    same = lambda operation, params=None, **how: both.same("ecr", operation, params, **how)
    same("GetAuthorizationToken", values=False)
    same("DescribeRegistry")
    same("GetRegistryScanningConfiguration")
    same("DescribeRepositories", {"repositoryNames": ["oracle-none"]})
    same("DescribeImages", {"repositoryName": "oracle-none"})
    same("ListImages", {"repositoryName": "oracle-none"})
    same("BatchGetImage", {"repositoryName": "oracle-none", "imageIds": [{"imageTag": "x"}]})
    if not both.has("ecr", "CreateRepository", "PutImage"):
        return
    same("CreateRepository", {**name, "imageScanningConfiguration": {"scanOnPush": True}, "tags": [{"Key": "team", "Value": "\u00fc & <co>"}]}, keep={"repository": lambda a: a["repository"]["repositoryArn"]})
    same("CreateRepository", name)
    same("DescribeRepositories", {"repositoryNames": [NAME]})
    same("ListImages", name)
    layers = [b"config of one", b"layer of one", b"config of two", b"layer of two"]
    for text in layers:
        pushed(both, text)
    same("BatchCheckLayerAvailability", {**name, "layerDigests": [blob(layers[0])[0]]})
    same("InitiateLayerUpload", name)
    same("UploadLayerPart", {**name, "uploadId": "00000000-0000-0000-0000-000000000000", "partFirstByte": 0, "partLastByte": 2, "layerPartBlob": b"abc"})
    same("CompleteLayerUpload", {**name, "uploadId": "00000000-0000-0000-0000-000000000000", "layerDigests": [blob(b"abc")[0]]})
    same("GetDownloadUrlForLayer", {**name, "layerDigest": blob(layers[0])[0]})
    one, two = manifest(blob(layers[0]), blob(layers[1])), manifest(blob(layers[2]), blob(layers[3]))
    same("PutImage", {**name, "imageManifest": one, "imageTag": "v1"}, keep={"one": lambda a: a["image"]["imageId"]["imageDigest"]})
    same("PutImage", {**name, "imageManifest": one, "imageTag": "v1"})
    same("PutImage", {**name, "imageManifest": two, "imageTag": "v2"}, keep={"two": lambda a: a["image"]["imageId"]["imageDigest"]})
    same("PutImage", {**name, "imageManifest": one, "imageTag": "latest"})
    same("DescribeImages", {**name, "imageIds": [{"imageTag": "v1"}]})
    same("DescribeImages", lambda s: {**name, "imageIds": [{"imageDigest": s["two"]}]})
    same("DescribeImages", {**name, "imageIds": [{"imageTag": "none"}]})
    same("DescribeImages", {**name, "imageIds": [{"imageDigest": "sha256:" + "0" * 64}]})
    same("ListImages", name)
    same("ListImages", {**name, "filter": {"tagStatus": "UNTAGGED"}})
    same("BatchGetImage", {**name, "imageIds": [{"imageTag": "v1"}, {"imageTag": "none"}]})
    same("BatchGetImage", lambda s: {**name, "imageIds": [{"imageDigest": s["two"]}]})
    same("StartImageScan", {**name, "imageId": {"imageTag": "v2"}})
    both.walk.sim.advance(120)
    same("DescribeImageScanFindings", {**name, "imageId": {"imageTag": "v2"}}, values=False)
    same("DescribeImageScanFindings", {**name, "imageId": {"imageTag": "none"}})
    same("PutImageTagMutability", {**name, "imageTagMutability": "IMMUTABLE"})
    same("PutImage", {**name, "imageManifest": two, "imageTag": "v1"})
    same("PutImageScanningConfiguration", {**name, "imageScanningConfiguration": {"scanOnPush": False}})
    same("GetLifecyclePolicy", name)
    rule = {"rulePriority": 1, "selection": {"tagStatus": "untagged", "countType": "imageCountMoreThan", "countNumber": 5}, "action": {"type": "expire"}}
    same("PutLifecyclePolicy", {**name, "lifecyclePolicyText": json.dumps({"rules": [rule]})})
    same("GetLifecyclePolicy", name)
    same("StartLifecyclePolicyPreview", name)
    same("GetLifecyclePolicyPreview", name)
    same("DeleteLifecyclePolicy", name)
    pull = {"Sid": "pull", "Effect": "Allow", "Principal": "*", "Action": "ecr:BatchGetImage"}
    same("GetRepositoryPolicy", name)
    same("SetRepositoryPolicy", {**name, "policyText": json.dumps({"Version": "2012-10-17", "Statement": [pull]})})
    same("GetRepositoryPolicy", name)
    same("DeleteRepositoryPolicy", name)
    same("TagResource", lambda s: {"resourceArn": s["repository"], "tags": [{"Key": "tier", "Value": "web"}]})
    same("UntagResource", lambda s: {"resourceArn": s["repository"], "tagKeys": ["team"]})
    same("ListTagsForResource", lambda s: {"resourceArn": s["repository"]})
    same("BatchDeleteImage", {**name, "imageIds": [{"imageTag": "v2"}, {"imageTag": "none"}]})
    same("DescribeImages", name)
    same("DeleteRepository", name)
    same("DeleteRepository", {**name, "force": True})
    same("DeleteRepository", {**name, "force": True})
