"""Every operation of the simulator's first part, called once by boto3 and once by the AWS CLI.

The same walk runs twice, changing calls through one caller each time; every read goes through both callers at the same
stopped instant and must give the same content.
"""

import base64
import importlib
import pathlib

from harness import REGION

# Every other walk: walk_<service>.py with `everything(walk)`, and `refusals(walk)` with rows as errors.py has them, if it has any.
WALKS = [
    importlib.import_module(path.stem) for path in sorted(pathlib.Path(__file__).resolve().parent.glob("walk_*.py"))
]

# What the simulator answers. run.py holds this against the match arms in sim/src/services and against what was called.
OPERATIONS = {
    "autoscaling": """
        DescribeAutoScalingGroups DescribeAutoScalingInstances DescribeScalingActivities
        DescribeLoadBalancerTargetGroups DescribeTrafficSources DescribeWarmPool DescribePolicies
        CreateAutoScalingGroup UpdateAutoScalingGroup SetDesiredCapacity TerminateInstanceInAutoScalingGroup
        SetInstanceProtection SetInstanceHealth EnterStandby ExitStandby SuspendProcesses ResumeProcesses
        StartInstanceRefresh DescribeInstanceRefreshes CancelInstanceRefresh RollbackInstanceRefresh
        DescribeScheduledActions PutScheduledUpdateGroupAction DeleteScheduledAction
        DescribeLifecycleHooks PutLifecycleHook DeleteLifecycleHook CompleteLifecycleAction
        PutScalingPolicy DeletePolicy ExecutePolicy DescribeAdjustmentTypes DescribeScalingProcessTypes
        DescribeTerminationPolicyTypes DescribeMetricCollectionTypes DescribeLifecycleHookTypes
        DescribeAutoScalingNotificationTypes DescribeNotificationConfigurations DescribeAccountLimits
        EnableMetricsCollection DisableMetricsCollection DescribeTags CreateOrUpdateTags DeleteTags
        AttachLoadBalancerTargetGroups DetachLoadBalancerTargetGroups AttachTrafficSources DetachTrafficSources
        AttachInstances DetachInstances DeleteAutoScalingGroup BatchPutScheduledUpdateGroupAction
        BatchDeleteScheduledAction RecordLifecycleActionHeartbeat
    """.split(),
    "ec2": """
        DescribeLaunchTemplates DescribeLaunchTemplateVersions CreateLaunchTemplate CreateLaunchTemplateVersion
        ModifyLaunchTemplate DeleteLaunchTemplateVersions DescribeInstances DescribeInstanceStatus GetConsoleOutput
        DescribeImages DescribeSubnets DescribeAvailabilityZones DescribeVpcs DescribeRegions DeleteLaunchTemplate
        TerminateInstances StopInstances StartInstances RebootInstances
        DescribeSecurityGroups CreateSecurityGroup DeleteSecurityGroup DescribeSecurityGroupRules
        AuthorizeSecurityGroupIngress AuthorizeSecurityGroupEgress RevokeSecurityGroupIngress RevokeSecurityGroupEgress
        CreateTags DeleteTags DescribeTags
    """.split(),
    "elbv2": """
        DescribeLoadBalancers CreateLoadBalancer DeleteLoadBalancer SetSecurityGroups SetSubnets
        DescribeLoadBalancerAttributes ModifyLoadBalancerAttributes
        DescribeTargetGroups CreateTargetGroup ModifyTargetGroup DeleteTargetGroup
        DescribeTargetGroupAttributes ModifyTargetGroupAttributes
        DescribeTargetHealth RegisterTargets DeregisterTargets
        DescribeListeners CreateListener ModifyListener DeleteListener DescribeListenerAttributes
        DescribeRules CreateRule ModifyRule DeleteRule SetRulePriorities
        AddTags RemoveTags DescribeTags DescribeAccountLimits DescribeSSLPolicies
    """.split(),
    "ecr": """
        GetAuthorizationToken DescribeRepositories DescribeImages ListImages BatchGetImage BatchDeleteImage
        DescribeImageScanFindings DescribeRegistry GetRegistryScanningConfiguration CreateRepository DeleteRepository
        PutImageTagMutability PutImageScanningConfiguration SetRepositoryPolicy GetRepositoryPolicy
        DeleteRepositoryPolicy TagResource UntagResource ListTagsForResource PutImage BatchCheckLayerAvailability
        InitiateLayerUpload UploadLayerPart CompleteLayerUpload GetDownloadUrlForLayer StartImageScan
        PutLifecyclePolicy GetLifecyclePolicy DeleteLifecyclePolicy StartLifecyclePolicyPreview
        GetLifecyclePolicyPreview
    """.split(),
    "elasticache": """
        CreateReplicationGroup DescribeReplicationGroups ModifyReplicationGroup DeleteReplicationGroup
        IncreaseReplicaCount DecreaseReplicaCount TestFailover DescribeCacheClusters RebootCacheCluster DescribeEvents
        DescribeCacheSubnetGroups CreateCacheSubnetGroup DeleteCacheSubnetGroup DescribeCacheParameterGroups DescribeCacheParameters
        DescribeCacheEngineVersions DescribeReservedCacheNodes ListTagsForResource AddTagsToResource RemoveTagsFromResource
    """.split(),
    "cloudwatch": """
        GetMetricData GetMetricStatistics ListMetrics PutMetricData DescribeAlarms DescribeAlarmsForMetric
        DescribeAlarmHistory PutMetricAlarm DeleteAlarms SetAlarmState EnableAlarmActions DisableAlarmActions
        ListTagsForResource TagResource UntagResource
    """.split(),
    "sts": "GetCallerIdentity AssumeRole".split(),
    "iam": """
        GetRole ListRoles CreateRole DeleteRole GetInstanceProfile ListInstanceProfiles ListInstanceProfilesForRole
        ListAttachedRolePolicies AttachRolePolicy DetachRolePolicy ListRolePolicies GetRolePolicy PutRolePolicy DeleteRolePolicy
        GetPolicy GetPolicyVersion ListEntitiesForPolicy GetUser SimulatePrincipalPolicy SimulateCustomPolicy
    """.split(),
    "s3": """
        ListBuckets HeadBucket CreateBucket DeleteBucket GetBucketLocation GetPublicAccessBlock PutPublicAccessBlock
        DeletePublicAccessBlock GetBucketEncryption ListObjectsV2 PutObject GetObject HeadObject DeleteObject DeleteObjects
        CopyObject
    """.split(),
}

# The role of the simulator's target stack (sim/README.md, "Alone").
ROLE, EXTERNAL_ID = "fleet-control", "stack-external-id"

# Size of a page where there is more than one row to turn; the member that holds the rows.
PAGED = [
    ("autoscaling", "DescribeAutoScalingGroups", {}, "AutoScalingGroups"),
    ("autoscaling", "DescribeAutoScalingInstances", {}, "AutoScalingInstances"),
    ("autoscaling", "DescribeScalingActivities", {}, "Activities"),
    ("ec2", "DescribeLaunchTemplates", {}, "LaunchTemplates"),
    ("ec2", "DescribeInstances", {}, "Reservations"),
    ("elbv2", "DescribeTargetGroups", {}, "TargetGroups"),
    ("ecr", "DescribeImages", {"repositoryName": None}, "imageDetails"),
    ("ecr", "ListImages", {"repositoryName": None}, "imageIds"),
]


class Walk:
    """One way through all operations, with changing calls through `acting`."""

    def __init__(self, checks, sim, boto, cli, acting):
        self.checks, self.sim, self.boto, self.cli, self.acting = checks, sim, boto, cli, acting
        self.name = f"oracle-{acting.who}"
        call = boto.call
        groups = call("autoscaling", "DescribeAutoScalingGroups")["AutoScalingGroups"]
        numbered = [g for g in groups if g.get("LaunchTemplate", {}).get("Version", "").isdigit()]
        self.big = max(numbered, key=lambda g: g["MaxSize"])
        self.targets = self.big["TargetGroupARNs"][0]
        template = self.big["LaunchTemplate"]
        versions = call(
            "ec2",
            "DescribeLaunchTemplateVersions",
            LaunchTemplateId=template["LaunchTemplateId"],
            Versions=[template["Version"]],
        )
        self.data = versions["LaunchTemplateVersions"][0]["LaunchTemplateData"]
        self.repository = call("ecr", "DescribeRepositories")["repositories"][0]["repositoryName"]
        self.account = call("sts", "GetCallerIdentity")["Account"]

    def act(self, service, operation, **params):
        answer = self.acting.call(service, operation, **params)
        # Counted: the call was answered without an error, and parsed.
        self.checks.that(isinstance(answer, dict), f"{self.acting.who} {service}.{operation} is answered")
        return answer

    def read(self, service, operation, **params):
        return self.reads((service, operation, params))[0]

    def reads(self, *wanted):
        """Both callers at one instant, read by read: some reads leave a mark, as BatchGetImage does."""
        answers = []
        for service, operation, params in wanted:
            ours = self.boto.call(service, operation, **params)
            said = f"{service}.{operation} {params}"
            self.checks.equal(self.cli.call(service, operation, **params), ours, f"{said}: the CLI reads what boto3 reads")
            for protocol, client in self.boto.dialects.get(service, {}).items():
                again = self.boto.answer(client, service, operation, params)
                self.checks.equal(again, ours, f"{said}: the same by {protocol}")
            answers.append(ours)
        return answers

    def group(self):
        found = self.boto.call("autoscaling", "DescribeAutoScalingGroups", AutoScalingGroupNames=[self.name])
        return found["AutoScalingGroups"][0]

    def in_service(self, count):
        """The group's instances once this many are in service and none is on the way."""

        def settled():
            rows = self.group()["Instances"]
            ready = [i["InstanceId"] for i in rows if i["LifecycleState"] == "InService"]
            return ready if len(ready) == len(rows) == count else None

        found = self.sim.until(settled, 1800)
        self.checks.that(found, f"{self.name} settles at {count} in service", str(self.group()["Instances"]))
        return found or []

    def everything(self):
        for part in (self.identity, self.images, self.templates, self.the_group, self.instances, self.refreshes):
            part()
        for other in WALKS:
            other.everything(self)
        self.world()

    def identity(self):
        self.read("sts", "GetCallerIdentity")
        role = self.act(
            "sts",
            "AssumeRole",
            RoleArn=f"arn:aws:iam::{self.account}:role/{ROLE}",
            RoleSessionName="fleetgate-7-anna",
            ExternalId=EXTERNAL_ID,
            DurationSeconds=900,
        )
        session = role["AssumedRoleUser"]["Arn"]
        self.checks.that(session.endswith(f"assumed-role/{ROLE}/fleetgate-7-anna"), "the session shows its name", session)

    def images(self):
        repository = {"repositoryName": self.repository}
        # A tag that moves leaves the old image without one.
        first, second = (
            self.sim.control("images", {"repository": self.repository, "tag": self.name, "boot_seconds": s})["digest"]
            for s in (20, 25)
        )
        self.checks.that(first != second, "an image of other content has another digest")
        _, described, _, got, *_ = self.reads(
            ("ecr", "DescribeRepositories", {"repositoryNames": [self.repository]}),
            ("ecr", "DescribeImages", repository),
            ("ecr", "ListImages", repository),
            (
                "ecr",
                "BatchGetImage",
                {**repository, "imageIds": [{"imageTag": self.name}, {"imageTag": "no-such-tag"}]},
            ),
            ("ecr", "DescribeImages", {**repository, "imageIds": [{"imageTag": self.name}]}),
            ("ecr", "DescribeImages", {**repository, "filter": {"tagStatus": "UNTAGGED"}}),
            ("ecr", "ListImages", {**repository, "filter": {"tagStatus": "TAGGED"}}),
            ("ecr", "GetAuthorizationToken", {}),
        )
        rows = {i["imageDigest"]: i.get("imageTags") for i in described["imageDetails"]}
        self.checks.equal((rows.get(first, "?"), rows.get(second)), (None, [self.name]), "a pushed tag moves")
        self.checks.equal(got["failures"][0]["failureCode"], "ImageNotFound", "an unknown tag is a failure among answers")
        self.scan(second)
        gone = self.act(
            "ecr",
            "BatchDeleteImage",
            **repository,
            imageIds=[{"imageTag": self.name}, {"imageDigest": first}, {"imageTag": "no-such-tag"}],
        )
        self.checks.equal(len(gone["failures"]), 1, "deleting an unknown tag is a failure among answers")
        left = self.read("ecr", "DescribeImages", **repository)["imageDetails"]
        self.checks.that(not {first, second} & {i["imageDigest"] for i in left}, "deleted images are gone")

    def scan(self, digest):
        """An image has findings, or ECR says that it was never scanned; both are answers."""
        self.read(
            "ecr", "DescribeImageScanFindings", repositoryName=self.repository, imageId={"imageDigest": digest}
        )

    def templates(self):
        kept = ("ImageId", "InstanceType", "UserData", "IamInstanceProfile", "SecurityGroupIds")
        self.sent = {k: self.data[k] for k in kept if k in self.data} | {
            "Monitoring": {"Enabled": True},
            "MetadataOptions": {
                "HttpTokens": "required",
                "HttpPutResponseHopLimit": 2,
                "HttpEndpoint": "enabled",
                "InstanceMetadataTags": "enabled",
            },
            "BlockDeviceMappings": [
                {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 20, "VolumeType": "gp3", "Encrypted": True}}
            ],
            "TagSpecifications": [
                {"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": self.name}, {"Key": "owner", "Value": "\u00fc & <co> '\""}]}
            ],
        }
        made = self.act(
            "ec2",
            "CreateLaunchTemplate",
            LaunchTemplateName=self.name,
            VersionDescription="first",
            LaunchTemplateData=self.sent,
            TagSpecifications=[{"ResourceType": "launch-template", "Tags": [{"Key": "made-by", "Value": "oracle"}]}],
            ClientToken=f"{self.name}-1",
        )["LaunchTemplate"]
        self.template = made["LaunchTemplateId"]
        # EC2 may not show it at once.
        self.sim.advance(5)
        by_id = {"LaunchTemplateId": self.template}
        script = base64.b64encode(b"#!/bin/bash\necho other\n").decode()
        second = {
            "SourceVersion": "1",
            "VersionDescription": "second",
            "LaunchTemplateData": {"UserData": self.sent["UserData"], "InstanceType": "t3.small"},
            "ClientToken": f"{self.name}-2",
        }
        numbers = [
            self.act("ec2", "CreateLaunchTemplateVersion", **by_id, **second)["LaunchTemplateVersion"]["VersionNumber"]
            for _ in range(2)
        ]
        self.checks.equal(numbers, [2, 2], "a client token gives the same version again")
        # Network interfaces and a bare version, so that these members of the data are seen too.
        bare = {
            "ImageId": self.sent["ImageId"],
            "KeyName": "ops",
            "UserData": script,
            "NetworkInterfaces": [
                {
                    "DeviceIndex": 0,
                    "AssociatePublicIpAddress": True,
                    "DeleteOnTermination": True,
                    "Ipv6Addresses": [{"Ipv6Address": "2001:db8:1234:1a00::123"}],
                    "SubnetId": self.big["VPCZoneIdentifier"].split(",")[0],
                    "Groups": self.data.get("SecurityGroupIds", []),
                }
            ],
            "TagSpecifications": [{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "webserver"}]}],
        }
        self.act("ec2", "CreateLaunchTemplateVersion", **by_id, LaunchTemplateData=bare)
        self.act("ec2", "CreateLaunchTemplateVersion", **by_id, LaunchTemplateData={"InstanceType": "t3.micro"})
        self.act("ec2", "ModifyLaunchTemplate", **by_id, DefaultVersion="2")
        versions, *_ = self.reads(
            ("ec2", "DescribeLaunchTemplateVersions", by_id),
            ("ec2", "DescribeLaunchTemplateVersions", {**by_id, "Versions": ["$Latest", "$Default", "1"]}),
            ("ec2", "DescribeLaunchTemplateVersions", {"Versions": ["$Default"]}),
            ("ec2", "DescribeLaunchTemplateVersions", {**by_id, "MinVersion": "2", "MaxVersion": "3"}),
            ("ec2", "DescribeLaunchTemplates", {"LaunchTemplateNames": [self.name]}),
            ("ec2", "DescribeLaunchTemplates", {"Filters": [{"Name": "tag:made-by", "Values": ["oracle"]}]}),
        )
        rows = {v["VersionNumber"]: v for v in versions["LaunchTemplateVersions"]}
        self.checks.equal(rows[1]["LaunchTemplateData"], self.sent, "template data comes back as it was sent")
        self.checks.equal(
            rows[2]["LaunchTemplateData"], self.sent | {"InstanceType": "t3.small"}, "a version inherits from its source"
        )
        self.checks.equal(rows[3]["LaunchTemplateData"], bare, "without a source nothing is inherited")
        self.checks.equal(
            [n for n, v in rows.items() if v["DefaultVersion"]], [2], "exactly the modified default is the default"
        )
        deleted = self.act("ec2", "DeleteLaunchTemplateVersions", **by_id, Versions=["4", "2", "77"])
        self.checks.equal(
            (
                [v["VersionNumber"] for v in deleted["SuccessfullyDeletedLaunchTemplateVersions"]],
                [v["ResponseError"]["Code"] for v in deleted["UnsuccessfullyDeletedLaunchTemplateVersions"]],
            ),
            ([4], ["unexpectedError", "launchTemplateVersionDoesNotExist"]),
            "the default version and an unknown one are not deleted",
        )

    def the_group(self):
        by_name = {"AutoScalingGroupName": self.name}
        self.act(
            "autoscaling",
            "CreateAutoScalingGroup",
            **by_name,
            LaunchTemplate={"LaunchTemplateId": self.template, "Version": "1"},
            MinSize=0,
            MaxSize=4,
            DesiredCapacity=2,
            VPCZoneIdentifier=self.big["VPCZoneIdentifier"],
            TargetGroupARNs=[self.targets],
            HealthCheckType="ELB",
            HealthCheckGracePeriod=120,
            DefaultInstanceWarmup=30,
            TerminationPolicies=["OldestInstance", "Default"],
            NewInstancesProtectedFromScaleIn=False,
            InstanceMaintenancePolicy={"MinHealthyPercentage": 100, "MaxHealthyPercentage": 150},
            Tags=[{"Key": "team", "Value": "\u00fc & <co>", "PropagateAtLaunch": True}],
        )
        # Young instances: targets still `initial`, activities in progress.
        self.sim.advance(20)
        self.reads(
            ("autoscaling", "DescribeAutoScalingGroups", {"AutoScalingGroupNames": [self.name]}),
            ("autoscaling", "DescribeScalingActivities", by_name),
            ("elbv2", "DescribeTargetHealth", {"TargetGroupArn": self.targets}),
            ("ec2", "DescribeInstanceStatus", {"IncludeAllInstances": True}),
        )
        self.in_service(2)
        self.act(
            "autoscaling",
            "UpdateAutoScalingGroup",
            **by_name,
            MaxSize=5,
            DefaultCooldown=120,
            CapacityRebalance=False,
            DefaultInstanceWarmup=20,
            LaunchTemplate={"LaunchTemplateName": self.name, "Version": "1"},
        )
        updated = self.group()
        self.checks.equal(
            (updated["MinSize"], updated["DesiredCapacity"], updated["MaxSize"], updated["DefaultInstanceWarmup"]),
            (0, 2, 5, 20),
            "an update changes what it names and nothing else",
        )
        self.act("autoscaling", "SuspendProcesses", **by_name, ScalingProcesses=["AZRebalance", "ScheduledActions"])
        action = {**by_name, "ScheduledActionName": "evening"}
        self.act(
            "autoscaling",
            "PutScheduledUpdateGroupAction",
            **action,
            Recurrence="0 18 * * *",
            StartTime="2037-01-04T18:00:00Z",
            EndTime="2037-06-04T18:00:00Z",
            MinSize=1,
            MaxSize=5,
            DesiredCapacity=3,
            TimeZone="Asia/Kolkata",
        )
        hook = {**by_name, "LifecycleHookName": "boot"}
        self.act(
            "autoscaling",
            "PutLifecycleHook",
            **hook,
            LifecycleTransition="autoscaling:EC2_INSTANCE_LAUNCHING",
            HeartbeatTimeout=600,
            DefaultResult="CONTINUE",
            NotificationTargetARN=f"arn:aws:sqs:{REGION}:{self.account}:launches",
            RoleARN=f"arn:aws:iam::{self.account}:role/{ROLE}",
            NotificationMetadata='{"team": "\u00fc & <co>"}',
        )
        # What a second put does not name stays.
        self.act("autoscaling", "PutLifecycleHook", **hook, HeartbeatTimeout=900)
        rows, *others = self.reads(
            ("autoscaling", "DescribeAutoScalingGroups", {"AutoScalingGroupNames": [self.name]}),
            ("autoscaling", "DescribeAutoScalingGroups", {"IncludeInstances": False}),
            ("autoscaling", "DescribeLifecycleHooks", by_name),
            ("autoscaling", "DescribeScheduledActions", by_name),
            ("autoscaling", "DescribePolicies", by_name),
            ("autoscaling", "DescribeWarmPool", by_name),
            ("autoscaling", "DescribeTrafficSources", by_name),
            ("autoscaling", "DescribeLoadBalancerTargetGroups", by_name),
        )
        self.checks.equal(
            others[1]["LifecycleHooks"],
            [
                {
                    **{"AutoScalingGroupName": self.name, "LifecycleHookName": "boot"},
                    "LifecycleTransition": "autoscaling:EC2_INSTANCE_LAUNCHING",
                    "NotificationTargetARN": f"arn:aws:sqs:{REGION}:{self.account}:launches",
                    "RoleARN": f"arn:aws:iam::{self.account}:role/{ROLE}",
                    "NotificationMetadata": '{"team": "\u00fc & <co>"}',
                    **{"HeartbeatTimeout": 900, "GlobalTimeout": 90000, "DefaultResult": "CONTINUE"},
                }
            ],
            "a lifecycle hook comes back as it was put",
        )
        suspended = [p["ProcessName"] for p in rows["AutoScalingGroups"][0]["SuspendedProcesses"]]
        self.checks.equal(sorted(suspended), ["AZRebalance", "ScheduledActions"], "only the named processes are suspended")
        self.act("autoscaling", "SetDesiredCapacity", **by_name, DesiredCapacity=3, HonorCooldown=False)
        waiting = self.sim.until(
            lambda: [i["InstanceId"] for i in self.group()["Instances"] if i["LifecycleState"] == "Pending:Wait"], 300
        )
        if self.checks.that(waiting, "a launch hook holds the new instance", str(self.group()["Instances"])):
            self.act(
                "autoscaling",
                "CompleteLifecycleAction",
                **hook,
                InstanceId=waiting[0],
                LifecycleActionResult="CONTINUE",
            )
        self.act("autoscaling", "DeleteLifecycleHook", **hook)
        self.act("autoscaling", "DeleteScheduledAction", **action)
        self.act("autoscaling", "ResumeProcesses", **by_name)
        self.checks.equal(self.group()["SuspendedProcesses"], [], "resuming without names resumes all")
        self.in_service(3)

    def instances(self):
        by_name = {"AutoScalingGroupName": self.name}
        ids = self.in_service(3)
        if len(ids) != 3:
            return
        one = ids[0]
        self.act("autoscaling", "SetInstanceProtection", **by_name, InstanceIds=[one], ProtectedFromScaleIn=True)
        self.act("autoscaling", "SetInstanceHealth", InstanceId=one, HealthStatus="Healthy")
        self.act(
            "autoscaling", "EnterStandby", **by_name, InstanceIds=[one], ShouldDecrementDesiredCapacity=True
        )
        self.sim.until(lambda: self.state(one) == "Standby", 900)
        self.checks.equal(self.state(one), "Standby", "an instance goes to standby")
        self.reads(
            ("autoscaling", "DescribeAutoScalingInstances", {"InstanceIds": ids}),
            ("elbv2", "DescribeTargetHealth", {"TargetGroupArn": self.targets, "Targets": [{"Id": one}]}),
        )
        self.act("autoscaling", "ExitStandby", **by_name, InstanceIds=[one])
        self.in_service(3)
        self.act("autoscaling", "SetInstanceProtection", **by_name, InstanceIds=[one], ProtectedFromScaleIn=False)
        self.act(
            "autoscaling",
            "TerminateInstanceInAutoScalingGroup",
            InstanceId=one,
            ShouldDecrementDesiredCapacity=True,
        )
        self.checks.equal(self.group()["DesiredCapacity"], 2, "terminating with a decrement lowers desired")
        self.sim.advance(10)
        # Leaving: the target drains, the activity waits for it.
        health, *_ = self.reads(
            ("elbv2", "DescribeTargetHealth", {"TargetGroupArn": self.targets}),
            ("autoscaling", "DescribeScalingActivities", by_name),
            ("ec2", "DescribeInstances", {"InstanceIds": [one]}),
        )
        states = {t["Target"]["Id"]: t["TargetHealth"]["State"] for t in health["TargetHealthDescriptions"]}
        self.checks.equal(states.get(one), "draining", "a leaving instance's target drains")
        self.in_service(2)
        gone = self.read("ec2", "DescribeInstances", InstanceIds=[one])["Reservations"][0]["Instances"][0]
        self.checks.that(gone["State"]["Name"] in ("shutting-down", "terminated"), "a terminated instance stays visible")

    def state(self, instance):
        return next((i["LifecycleState"] for i in self.group()["Instances"] if i["InstanceId"] == instance), None)

    def refreshes(self):
        by_name = {"AutoScalingGroupName": self.name}
        wanted = {"LaunchTemplate": {"LaunchTemplateId": self.template, "Version": "2"}}
        preferences = {
            "MinHealthyPercentage": 100,
            "MaxHealthyPercentage": 150,
            "InstanceWarmup": 30,
            "SkipMatching": True,
            "AutoRollback": True,
            "ScaleInProtectedInstances": "Refresh",
            "StandbyInstances": "Ignore",
            "CheckpointPercentages": [50, 100],
            "CheckpointDelay": 60,
            "BakeTime": 60,
            "AlarmSpecification": {"Alarms": ["errors"]},
        }
        # A refresh is refused where an alarm of it does not exist.
        self.boto.call(
            "cloudwatch",
            "PutMetricAlarm",
            AlarmName="errors",
            Namespace="Oracle",
            MetricName="Errors",
            Statistic="Sum",
            Period=60,
            EvaluationPeriods=1,
            Threshold=1.0,
            ComparisonOperator="GreaterThanThreshold",
        )
        start = {"DesiredConfiguration": wanted, "Preferences": preferences, "Strategy": "Rolling"}
        newest = lambda: self.boto.call("autoscaling", "DescribeInstanceRefreshes", **by_name)["InstanceRefreshes"][0]
        first = self.act("autoscaling", "StartInstanceRefresh", **by_name, **start)["InstanceRefreshId"]
        self.sim.until(lambda: newest()["Status"] == "InProgress", 300)
        shown = self.read("autoscaling", "DescribeInstanceRefreshes", **by_name)["InstanceRefreshes"][0]
        self.checks.equal(shown["Preferences"], preferences, "a refresh shows the preferences it was given")
        shown_template = shown["DesiredConfiguration"]["LaunchTemplate"]
        self.checks.equal(
            (shown_template.get("LaunchTemplateId"), shown_template.get("Version")),
            (self.template, "2"),
            "a refresh shows the version it was given",
        )
        cancelled = self.act("autoscaling", "CancelInstanceRefresh", **by_name)["InstanceRefreshId"]
        self.checks.equal(cancelled, first, "cancelling names the refresh")
        self.sim.until(lambda: newest()["Status"] == "Cancelled", 1800)
        self.checks.equal(newest()["Status"], "Cancelled", "a cancelled refresh ends")
        second = self.act("autoscaling", "StartInstanceRefresh", **by_name, **start)["InstanceRefreshId"]
        self.sim.until(lambda: newest()["Status"] == "InProgress", 300)
        self.sim.advance(60)
        back = self.act("autoscaling", "RollbackInstanceRefresh", **by_name)["InstanceRefreshId"]
        self.checks.equal(back, second, "rolling back names the refresh")
        self.read("autoscaling", "DescribeInstanceRefreshes", **by_name)
        self.sim.until(lambda: newest()["Status"] == "RollbackSuccessful", 3600)
        ended = self.reads(
            ("autoscaling", "DescribeInstanceRefreshes", by_name),
            ("autoscaling", "DescribeInstanceRefreshes", {**by_name, "InstanceRefreshIds": [first]}),
        )[0]["InstanceRefreshes"]
        self.checks.equal(
            [(r["InstanceRefreshId"], r["Status"]) for r in ended],
            [(second, "RollbackSuccessful"), (first, "Cancelled")],
            "refreshes are listed newest first with how they ended",
        )
        self.checks.equal(self.group()["LaunchTemplate"]["Version"], "1", "after a rollback the group keeps its version")

    def world(self):
        """The reads that need no preparation, over everything there is by now."""
        balancer = self.boto.call("elbv2", "DescribeLoadBalancers")["LoadBalancers"][0]["LoadBalancerArn"]
        listener = self.boto.call("elbv2", "DescribeListeners", LoadBalancerArn=balancer)["Listeners"][0]["ListenerArn"]
        instance = self.big["Instances"][0]["InstanceId"]
        owned = [{"Name": "tag:aws:autoscaling:groupName", "Values": [self.big["AutoScalingGroupName"]]}]
        self.reads(
            ("autoscaling", "DescribeAutoScalingGroups", {}),
            ("autoscaling", "DescribeAutoScalingInstances", {}),
            ("autoscaling", "DescribeScalingActivities", {}),
            ("autoscaling", "DescribeScheduledActions", {}),
            ("elbv2", "DescribeLoadBalancers", {}),
            ("elbv2", "DescribeListeners", {"LoadBalancerArn": balancer}),
            ("elbv2", "DescribeRules", {"ListenerArn": listener}),
            ("elbv2", "DescribeTargetGroups", {"LoadBalancerArn": balancer}),
            ("elbv2", "DescribeTargetGroupAttributes", {"TargetGroupArn": self.targets}),
            ("elbv2", "DescribeTargetHealth", {"TargetGroupArn": self.targets}),
            ("ec2", "DescribeInstances", {"Filters": owned}),
            ("ec2", "DescribeInstanceStatus", {"InstanceIds": [instance]}),
            ("ec2", "GetConsoleOutput", {"InstanceId": instance, "Latest": True}),
            ("ec2", "DescribeImages", {"ImageIds": [self.data["ImageId"]]}),
            ("ec2", "DescribeSubnets", {}),
            ("ec2", "DescribeAvailabilityZones", {}),
            ("ec2", "DescribeVpcs", {}),
        )

    def paging(self):
        """Many small pages hold what one large page holds, in the same order."""

        def turned(row):
            service, operation, params, rows = row
            params = {k: self.repository for k in params}
            whole = self.boto.pages(service, operation, None, **params)[rows]
            self.checks.that(len(whole) > 1, f"{service}.{operation}: there is more than one row to turn")
            # The CLI takes ELBv2's own PageSize for --page-size and then turns no page.
            for caller in (self.boto,) if service == "elbv2" else (self.boto, self.cli):
                got = caller.pages(service, operation, 1 if operation != "DescribeInstances" else 5, **params)[rows]
                self.checks.equal(got, whole, f"{service}.{operation} by {caller.who}: small pages hold the whole")

        for row in PAGED:
            turned(row)
