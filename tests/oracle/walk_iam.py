"""IAM: roles, profiles, policies and their simulation, and permission mode as clients meet it."""

import json
import urllib.parse

# The role that a control plane assumes (sim/README.md, "Alone"); `Walk.identity` assumes it before.
ROLE = "fleet-control"

S3_FULL = "arn:aws:iam::aws:policy/AmazonS3FullAccess"


def document(value):
    """A policy document as either caller shows it: boto3 decodes it into an object, the CLI too."""
    return json.loads(urllib.parse.unquote(value)) if isinstance(value, str) else value


def allow(action, resource="*"):
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": resource}]}


def everything(walk):
    instances(walk)
    made_and_deleted(walk)
    permissions(walk)


def instances(walk):
    """The instances' profile, its role and the role's policies."""
    profile = walk.data["IamInstanceProfile"].get("Name") or walk.data["IamInstanceProfile"]["Arn"].rsplit("/", 1)[1]
    found = walk.read("iam", "GetInstanceProfile", InstanceProfileName=profile)["InstanceProfile"]
    walk.checks.equal(len(found["Roles"]), 1, "an instance profile holds one role")
    role = {"RoleName": found["Roles"][0]["RoleName"]}
    shown, attached, *_ = walk.reads(
        ("iam", "GetRole", role),
        ("iam", "ListAttachedRolePolicies", role),
        ("iam", "ListRolePolicies", role),
        ("iam", "ListInstanceProfiles", {}),
        ("iam", "ListInstanceProfilesForRole", role),
        ("iam", "ListRoles", {}),
        ("iam", "GetUser", {}),
    )
    trust = document(shown["Role"]["AssumeRolePolicyDocument"])
    walk.checks.equal(trust["Statement"][0]["Principal"], {"Service": "ec2.amazonaws.com"}, "EC2 may assume the instances' role")
    for row in attached["AttachedPolicies"]:
        policy = walk.read("iam", "GetPolicy", PolicyArn=row["PolicyArn"])["Policy"]
        version, *_ = walk.reads(
            ("iam", "GetPolicyVersion", {"PolicyArn": row["PolicyArn"], "VersionId": policy["DefaultVersionId"]}),
            ("iam", "ListEntitiesForPolicy", {"PolicyArn": row["PolicyArn"]}),
        )
        walk.checks.that("Statement" in document(version["PolicyVersion"]["Document"]), f"{row['PolicyName']} has statements")
    # GetRole shows when a role was used last; the walk has assumed this one before.
    used = walk.read("iam", "GetRole", RoleName=ROLE)["Role"]["RoleLastUsed"]
    walk.checks.that("LastUsedDate" in used, "an assumed role shows when", str(used))


def made_and_deleted(walk):
    role = {"RoleName": walk.name}
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
    made = walk.act(
        "iam",
        "CreateRole",
        **role,
        AssumeRolePolicyDocument=json.dumps(trust),
        Path="/oracle/",
        Description="\u00fc & <co>",
        MaxSessionDuration=7200,
        Tags=[{"Key": "team", "Value": "oracle"}],
    )["Role"]
    walk.checks.equal(document(made["AssumeRolePolicyDocument"]), trust, "a trust policy comes back as it was sent")
    inline = {**role, "PolicyName": "inline"}
    text = json.dumps(allow("s3:GetObject", "arn:aws:s3:::*/\u00fc"))
    walk.act("iam", "PutRolePolicy", **inline, PolicyDocument=text)
    walk.act("iam", "AttachRolePolicy", **role, PolicyArn=S3_FULL)
    got, *_ = walk.reads(
        ("iam", "GetRolePolicy", inline),
        ("iam", "GetRole", role),
        ("iam", "ListRolePolicies", role),
        ("iam", "ListAttachedRolePolicies", role),
        ("iam", "ListRoles", {"PathPrefix": "/oracle/"}),
        ("iam", "ListEntitiesForPolicy", {"PolicyArn": S3_FULL, "EntityFilter": "Role"}),
    )
    walk.checks.equal(document(got["PolicyDocument"]), json.loads(text), "an inline policy comes back as it was sent")
    asked = {"ActionNames": ["s3:PutObject", "ec2:RunInstances"], "ResourceArns": ["arn:aws:s3:::bucket/key"]}
    simulated = walk.read("iam", "SimulatePrincipalPolicy", PolicySourceArn=made["Arn"], **asked)["EvaluationResults"]
    walk.checks.equal([r["EvalDecision"] for r in simulated], ["allowed", "implicitDeny"], "a role is judged by its policies")
    by_tag = allow("ec2:RunInstances")
    by_tag["Statement"][0]["Condition"] = {"StringEquals": {"aws:RequestTag/team": "oracle"}}
    deny = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "ec2:*", "Resource": "*"}]}
    entry = {"ContextKeyName": "aws:RequestTag/team", "ContextKeyType": "string", "ContextKeyValues": ["oracle"]}
    for policies, context, wanted in [
        ([by_tag], [], ("implicitDeny", ["aws:RequestTag/team"])),
        ([by_tag], [entry], ("allowed", [])),
        ([by_tag, deny], [entry], ("explicitDeny", [])),
    ]:
        answer = walk.read(
            "iam",
            "SimulateCustomPolicy",
            PolicyInputList=[json.dumps(p) for p in policies],
            ActionNames=["ec2:RunInstances"],
            ContextEntries=context,
        )["EvaluationResults"][0]
        walk.checks.equal((answer["EvalDecision"], answer["MissingContextValues"]), wanted, f"a custom policy is judged: {wanted[0]}")
    pages = walk.boto.pages("iam", "ListRoles", 1)["Roles"]
    walk.checks.equal(pages, walk.boto.pages("iam", "ListRoles", None)["Roles"], "small pages of roles hold the whole")
    walk.act("iam", "DetachRolePolicy", **role, PolicyArn=S3_FULL)
    walk.act("iam", "DeleteRolePolicy", **inline)
    walk.act("iam", "DeleteRole", **role)


def permissions(walk):
    """A policy over everybody: what it does not allow is refused in each service's own code, to both callers."""
    from errors import DENIED, SIMPLE_READ, expect

    walk.sim.control("policy", {"document": allow("sts:GetCallerIdentity")})
    try:
        expect(
            walk,
            [
                (service, SIMPLE_READ[service], {}, code, status, "" if service == "s3" else "is not authorized to perform: ")
                for service, (code, status) in DENIED.items()
                if service in ("autoscaling", "ec2", "ecr", "elbv2", "iam", "s3")
            ],
        )
        expect(walk, [("ec2", "DescribeVpcs", {"DryRun": True}, "UnauthorizedOperation", 403, "ec2:DescribeVpcs")])
        walk.read("sts", "GetCallerIdentity")
    finally:
        walk.sim.control("policy", method="DELETE")


def refusals(walk):
    none = {"RoleName": "oracle-none"}
    role = {"RoleName": ROLE}
    trust = json.dumps({"Statement": {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}})
    arn = f"arn:aws:iam::{walk.account}:role/{ROLE}"
    app = walk.boto.call("iam", "ListEntitiesForPolicy", PolicyArn=S3_FULL)["PolicyRoles"][0]["RoleName"]
    odd = json.dumps({"Statement": {"Effect": "Allow", "Action": "ec2:*", "Resource": "*", "Condition": {"StringMatches": {"aws:username": "x"}}}})
    return [
        ("iam", "GetRole", none, "NoSuchEntity", 404, "The role with name oracle-none cannot be found."),
        ("iam", "ListAttachedRolePolicies", none, "NoSuchEntity", 404, ""),
        ("iam", "GetInstanceProfile", {"InstanceProfileName": "oracle-none"}, "NoSuchEntity", 404, "Instance Profile oracle-none cannot be found."),
        ("iam", "GetRolePolicy", {**role, "PolicyName": "none"}, "NoSuchEntity", 404, ""),
        ("iam", "DeleteRolePolicy", {**role, "PolicyName": "none"}, "NoSuchEntity", 404, ""),
        ("iam", "DetachRolePolicy", {**role, "PolicyArn": S3_FULL}, "NoSuchEntity", 404, ""),
        ("iam", "AttachRolePolicy", {**role, "PolicyArn": "arn:aws:iam::aws:policy/OracleNone"}, "NoSuchEntity", 404, ""),
        ("iam", "GetPolicy", {"PolicyArn": "arn:aws:iam::aws:policy/OracleNone"}, "NoSuchEntity", 404, ""),
        ("iam", "GetPolicyVersion", {"PolicyArn": S3_FULL, "VersionId": "v99"}, "NoSuchEntity", 404, ""),
        ("iam", "GetUser", {"UserName": "oracle-none"}, "NoSuchEntity", 404, ""),
        ("iam", "CreateRole", {**role, "AssumeRolePolicyDocument": trust}, "EntityAlreadyExists", 409, f"Role with name {ROLE} already exists."),
        ("iam", "CreateRole", {**none, "AssumeRolePolicyDocument": "{}"}, "MalformedPolicyDocument", 400, ""),
        ("iam", "PutRolePolicy", {**role, "PolicyName": "p", "PolicyDocument": odd}, "MalformedPolicyDocument", 400, "StringMatches"),
        ("iam", "DeleteRole", {"RoleName": app}, "DeleteConflict", 409, "Cannot delete entity, must detach all policies first."),
        ("iam", "ListRoles", {"Marker": "oracle"}, "ValidationError", 400, ""),
        ("iam", "ListRoles", {"PathPrefix": "oracle"}, "ValidationError", 400, ""),
        ("iam", "SimulatePrincipalPolicy", {"PolicySourceArn": arn + "-none", "ActionNames": ["s3:GetObject"]}, "NoSuchEntity", 404, ""),
        ("iam", "SimulateCustomPolicy", {"PolicyInputList": ["{}"], "ActionNames": ["s3:GetObject"]}, "InvalidInput", 400, ""),
        ("sts", "AssumeRole", {"RoleArn": arn, "RoleSessionName": "me", "ExternalId": "wrong"}, "AccessDenied", 403, "is not authorized to perform: sts:AssumeRole"),
    ]
