"""S3: buckets and their settings, objects in every form the clients send and ask for."""

import base64
import hashlib

import botocore.config

from harness import REGION

FOUR = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")


def text(answer):
    return base64.b64decode(answer["Body"]).decode()


def everything(walk):
    bucket = {"Bucket": f"{walk.name}-files"}
    walk.act("s3", "CreateBucket", **bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    settings(walk, bucket)
    objects(walk, bucket)
    lists(walk, bucket)
    checksums(walk, bucket)
    walk.act("s3", "DeleteBucket", **bucket)


def settings(walk, bucket):
    head, buckets, location, block, encryption, *_ = walk.reads(
        ("s3", "HeadBucket", bucket),
        ("s3", "ListBuckets", {}),
        ("s3", "GetBucketLocation", bucket),
        ("s3", "GetPublicAccessBlock", bucket),
        ("s3", "GetBucketEncryption", bucket),
        ("s3", "ListBuckets", {"MaxBuckets": 1, "Prefix": bucket["Bucket"]}),
    )
    walk.checks.equal(head["BucketRegion"], REGION, "a bucket shows its Region")
    walk.checks.that(bucket["Bucket"] in [b["Name"] for b in buckets["Buckets"]], "a bucket is listed once it is made")
    walk.checks.equal(location["LocationConstraint"], REGION, "a bucket's location is its Region")
    walk.checks.equal(block["PublicAccessBlockConfiguration"], dict.fromkeys(FOUR, True), "public access is blocked from the start")
    rule = encryption["ServerSideEncryptionConfiguration"]["Rules"][0]
    walk.checks.equal(rule["ApplyServerSideEncryptionByDefault"], {"SSEAlgorithm": "AES256"}, "a bucket is encrypted from the start")
    some = dict.fromkeys(FOUR, False) | {"BlockPublicPolicy": True}
    walk.act("s3", "PutPublicAccessBlock", **bucket, PublicAccessBlockConfiguration=some)
    shown = walk.read("s3", "GetPublicAccessBlock", **bucket)["PublicAccessBlockConfiguration"]
    walk.checks.equal(shown, some, "a public access block comes back as it was put")
    walk.act("s3", "DeletePublicAccessBlock", **bucket)


def objects(walk, bucket):
    one = {**bucket, "Key": "dir/\u00fc & <a>.txt"}
    body = "hello \u00fc\r\n".encode()
    metadata = {"Metadata": {"team": "oracle"}, "ContentType": "text/plain", "CacheControl": "no-store"}
    made = walk.act("s3", "PutObject", **one, Body=body, **metadata)
    walk.checks.equal(made["ETag"], f'"{hashlib.md5(body).hexdigest()}"', "an ETag is the body's MD5")
    head, got, part = walk.reads(
        ("s3", "HeadObject", one),
        ("s3", "GetObject", one),
        ("s3", "GetObject", {**one, "Range": "bytes=0-4"}),
    )
    walk.checks.equal(text(got).encode(), body, "an object comes back byte for byte")
    walk.checks.equal({k: got[k] for k in metadata}, metadata, "an object comes back with its metadata")
    walk.checks.equal(
        {k: v for k, v in head.items() if k in got and not k.startswith("Checksum")},
        {k: v for k, v in got.items() if k in head and not k.startswith("Checksum")},
        "head and get agree",
    )
    walk.checks.equal((text(part), part["ContentRange"]), ("hello", f"bytes 0-4/{len(body)}"), "a range is a part")
    copied = walk.act("s3", "CopyObject", **bucket, Key="copy", CopySource=f"{bucket['Bucket']}/{one['Key']}")
    walk.checks.equal(copied["CopyObjectResult"]["ETag"], made["ETag"], "a copy is the same bytes")
    walk.read("s3", "GetObject", **bucket, Key="copy")
    walk.act("s3", "DeleteObject", **one)
    walk.act("s3", "DeleteObject", **one)


def lists(walk, bucket):
    for key in ("a/1", "a/2", "b \u00fc"):
        walk.act("s3", "PutObject", **bucket, Key=key, Body=b"x")
    rows, by_folder, *_ = walk.reads(
        ("s3", "ListObjectsV2", bucket),
        ("s3", "ListObjectsV2", {**bucket, "Delimiter": "/"}),
        ("s3", "ListObjectsV2", {**bucket, "Prefix": "a/", "MaxKeys": 1}),
        ("s3", "ListObjectsV2", {**bucket, "StartAfter": "a/2", "FetchOwner": True}),
    )
    walk.checks.equal([o["Key"] for o in rows["Contents"]], ["a/1", "a/2", "b \u00fc", "copy"], "keys in the order of their bytes")
    walk.checks.equal([p["Prefix"] for p in by_folder["CommonPrefixes"]], ["a/"], "a delimiter folds keys")
    whole = walk.boto.pages("s3", "ListObjectsV2", None, **bucket)["Contents"]
    for caller in (walk.boto, walk.cli):
        pages = caller.pages("s3", "ListObjectsV2", 1, **bucket)["Contents"]
        walk.checks.equal(pages, whole, f"small pages of objects by {caller.who} hold the whole")
    gone = walk.act("s3", "DeleteObjects", **bucket, Delete={"Objects": [{"Key": o["Key"]} for o in whole] + [{"Key": "none"}]})
    walk.checks.equal(len(gone["Deleted"]), len(whole) + 1, "deleting what is not there succeeds")


def checksums(walk, bucket):
    """Each checksum boto3 can send, and the body in chunks with the checksum behind it, as it is sent over TLS."""
    client = walk.boto.clients["s3"]
    for algorithm in ("CRC32", "SHA1", "SHA256"):
        key = {**bucket, "Key": algorithm}
        client.put_object(**key, Body=b"hello", ChecksumAlgorithm=algorithm)
        got = client.get_object(**key, ChecksumMode="ENABLED")
        walk.checks.equal((got["Body"].read(), f"Checksum{algorithm}" in got), (b"hello", True), f"{algorithm} goes there and back")
    import boto3

    endpoint = client.meta.endpoint_url
    config = botocore.config.Config(s3={"addressing_style": "path", "payload_signing_enabled": False}, proxies={})
    other = boto3.session.Session(region_name=REGION).client("s3", endpoint_url=endpoint, config=config)

    def streamed(params, **_):
        # What botocore does over TLS: the checksum travels behind the body.
        params["context"]["checksum"] = {"request_algorithm": {"algorithm": "crc32", "in": "trailer", "name": "x-amz-checksum-crc32"}}

    other.meta.events.register("before-call.s3.PutObject", streamed)
    seen = []
    other.meta.events.register("before-send.s3.PutObject", lambda request, **_: seen.append(dict(request.headers)))
    other.put_object(**bucket, Key="streamed", Body=b"hello in chunks")
    got = client.get_object(**bucket, Key="streamed", ChecksumMode="ENABLED")
    walk.checks.equal(got["Body"].read(), b"hello in chunks", "a body sent in chunks comes back whole")
    keys = [o["Key"] for o in client.list_objects_v2(**bucket)["Contents"]]
    client.delete_objects(**bucket, Delete={"Objects": [{"Key": k} for k in keys], "Quiet": True})
    walk.checks.equal(client.list_objects_v2(**bucket)["KeyCount"], 0, "the bucket is empty again")


def refusals(walk):
    none = {"Bucket": "oracle-no-such-bucket"}
    here = {"Bucket": walk.boto.call("s3", "ListBuckets")["Buckets"][0]["Name"]}
    return [
        ("s3", "HeadBucket", none, "404", 404, "Not Found"),
        ("s3", "HeadBucket", {**here, "ExpectedBucketOwner": "999999999999"}, "403", 403, "Forbidden"),
        ("s3", "ListObjectsV2", none, "NoSuchBucket", 404, "The specified bucket does not exist"),
        ("s3", "GetObject", {**here, "Key": "oracle/none"}, "NoSuchKey", 404, "The specified key does not exist."),
        ("s3", "HeadObject", {**here, "Key": "oracle/none"}, "404", 404, "Not Found"),
        ("s3", "CreateBucket", {**here, "CreateBucketConfiguration": {"LocationConstraint": REGION}}, "BucketAlreadyOwnedByYou", 409, ""),
        ("s3", "CreateBucket", none, "IllegalLocationConstraintException", 400, "unspecified location constraint"),
        ("s3", "ListObjectsV2", {**here, "ContinuationToken": "oracle"}, "InvalidArgument", 400, ""),
        ("s3", "GetObject", {**here, "Key": "k", "VersionId": "1"}, "NotImplemented", 501, ""),
        ("s3", "GetBucketAcl", here, "NotImplemented", 501, ""),
        ("s3", "PutObject", {**here, "Key": "k", "Body": b"x", "Tagging": "a=b"}, "NotImplemented", 501, ""),
    ]
