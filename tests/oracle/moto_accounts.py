"""Roles, policies and buckets, asked of the simulator and of moto alike."""

import json

from harness import REGION

ROLE = "oracle-moto"
BUCKET = "oracle-moto-bucket"
MANAGED = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"
TRUST = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
)
READ = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::shop/*"}]}


def identity(both):
    both.same("sts", "GetCallerIdentity")
    role = {"RoleArn": f"arn:aws:iam::{both.walk.account}:role/fleet-control", "RoleSessionName": "fleetgate-7-anna"}
    both.same("sts", "AssumeRole", {**role, "ExternalId": "stack-external-id", "DurationSeconds": 900})


def roles(both):
    same = lambda operation, params=None, **how: both.same("iam", operation, params, **how)
    role = {"RoleName": ROLE}
    same("GetRole", {"RoleName": "oracle-none"})
    same("CreateRole", {**role, "AssumeRolePolicyDocument": TRUST, "Description": "\u00fc & <co>", "Path": "/oracle/", "MaxSessionDuration": 7200})
    same("CreateRole", {**role, "AssumeRolePolicyDocument": TRUST})
    same("GetRole", role)
    same("ListRoles", {"PathPrefix": "/oracle/"})
    same("PutRolePolicy", {**role, "PolicyName": "read", "PolicyDocument": json.dumps(READ)})
    same("GetRolePolicy", {**role, "PolicyName": "read"})
    same("GetRolePolicy", {**role, "PolicyName": "none"})
    same("ListRolePolicies", role)
    same("AttachRolePolicy", {**role, "PolicyArn": MANAGED})
    same("AttachRolePolicy", {**role, "PolicyArn": f"arn:aws:iam::{both.walk.account}:policy/oracle-none"})
    same("ListAttachedRolePolicies", role)
    same("GetPolicy", {"PolicyArn": MANAGED}, values=False)
    same("GetPolicy", {"PolicyArn": f"arn:aws:iam::{both.walk.account}:policy/oracle-none"})
    same("GetPolicyVersion", {"PolicyArn": MANAGED, "VersionId": "v1"}, values=False)
    same("ListEntitiesForPolicy", {"PolicyArn": MANAGED, "PathPrefix": "/oracle/"})
    same("GetInstanceProfile", {"InstanceProfileName": "oracle-none"})
    profile(both)
    same("GetUser", {"UserName": "oracle-none"})
    same("SimulateCustomPolicy", {"PolicyInputList": [json.dumps(READ)], "ActionNames": ["s3:GetObject"], "ResourceArns": ["arn:aws:s3:::shop/x"]})
    arn = f"arn:aws:iam::{both.walk.account}:role/oracle/{ROLE}"
    same("SimulatePrincipalPolicy", {"PolicySourceArn": arn, "ActionNames": ["s3:GetObject", "s3:PutObject"], "ResourceArns": ["arn:aws:s3:::shop/x"]})
    same("DeleteRole", role)
    same("DetachRolePolicy", {**role, "PolicyArn": MANAGED})
    same("DetachRolePolicy", {**role, "PolicyArn": MANAGED})
    same("DeleteRolePolicy", {**role, "PolicyName": "read"})
    same("DeleteRole", role)
    same("DeleteRole", role)


def profile(both):
    """moto gets the instance profile that the simulator was seeded with."""
    if not both.has("iam", "ListInstanceProfiles"):
        return
    row = both.ours.call("iam", "ListInstanceProfiles")["InstanceProfiles"][0]
    role = row["Roles"][0]
    name, named = row["InstanceProfileName"], role["RoleName"]
    moto = both.moto.call
    moto("iam", "CreateRole", RoleName=named, AssumeRolePolicyDocument=TRUST)
    moto("iam", "CreateInstanceProfile", InstanceProfileName=name)
    moto("iam", "AddRoleToInstanceProfile", InstanceProfileName=name, RoleName=named)
    both.same("iam", "GetInstanceProfile", {"InstanceProfileName": name}, values=False)
    both.same("iam", "ListInstanceProfiles", values=False)
    both.same("iam", "ListInstanceProfilesForRole", {"RoleName": named}, values=False)


def buckets(both):
    same = lambda operation, params=None, **how: both.same("s3", operation, params, **how)
    bucket = {"Bucket": BUCKET}
    none = {"Bucket": "oracle-no-such-bucket"}
    same("HeadBucket", none)
    same("GetBucketLocation", none)
    same("ListObjectsV2", none)
    same("CreateBucket", {**bucket, "CreateBucketConfiguration": {"LocationConstraint": REGION}})
    same("CreateBucket", {**bucket, "CreateBucketConfiguration": {"LocationConstraint": REGION}})
    same("HeadBucket", bucket)
    same("ListBuckets", {"Prefix": BUCKET})
    same("GetBucketLocation", bucket)
    same("GetBucketEncryption", bucket)
    same("GetPublicAccessBlock", bucket)
    block = {"BlockPublicAcls": True, "IgnorePublicAcls": True, "BlockPublicPolicy": False, "RestrictPublicBuckets": True}
    same("PutPublicAccessBlock", {**bucket, "PublicAccessBlockConfiguration": block})
    same("GetPublicAccessBlock", bucket)
    same("DeletePublicAccessBlock", bucket)
    same("GetPublicAccessBlock", bucket)
    same("ListObjectsV2", bucket)
    key = {**bucket, "Key": "a/\u00fc & <co>"}
    body = {"Body": b"hello \xff", "ContentType": "text/x-oracle", "Metadata": {"team": "shop"}}
    same("PutObject", {**key, **body})
    same("HeadObject", key)
    same("GetObject", key)
    same("GetObject", {**key, "Range": "bytes=1-3"})
    same("GetObject", {**bucket, "Key": "none"})
    same("HeadObject", {**bucket, "Key": "none"})
    same("CopyObject", {**bucket, "Key": "b/copy", "CopySource": {"Bucket": BUCKET, "Key": key["Key"]}})
    same("ListObjectsV2", {**bucket, "Delimiter": "/"})
    same("ListObjectsV2", {**bucket, "Prefix": "b/"})
    same("DeleteBucket", bucket)
    same("DeleteObject", key)
    same("DeleteObjects", {**bucket, "Delete": {"Objects": [{"Key": "b/copy"}, {"Key": "none"}]}})
    same("DeleteBucket", bucket)
    same("DeleteBucket", bucket)
