//! Action and resource of every operation: the one place that says what IAM is asked about a call.
//!
//! **Invariant:** every operation of every service has exactly one row (a test reads the services' own match arms), and a row
//! names the action and the resources that the Service Authorization Reference names.

use super::resource::On::{
    self, All, Arns, Bucket, CopySource, Group, Ids, InstanceGroup, Named, NewElb, Object, Objects, Profile, Role, TaggedGroups, Template, User,
    Within,
};

/// One operation.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) operation: &'static str,
    /// Actions and what each is asked of; none where no permission is needed.
    pub(crate) asks: &'static [(&'static str, On)],
}

/// The row of an operation.
pub(crate) fn row(service: &str, operation: &str) -> Option<&'static Row> {
    let (_, _, rows) = SERVICES.iter().find(|(signing, ..)| *signing == service)?;
    rows.iter().find(|row| row.operation == operation)
}

/// What a service's actions begin with.
pub(crate) fn prefix(service: &str) -> &str {
    SERVICES.iter().find(|(signing, ..)| *signing == service).map_or(service, |(_, prefix, _)| prefix)
}

const fn on(operation: &'static str, asks: &'static [(&'static str, On)]) -> Row {
    Row { operation, asks }
}

/// Signing name, prefix of the actions, rows.
pub(crate) const SERVICES: &[(&str, &str, &[Row])] = &[
    ("autoscaling", "autoscaling", AUTOSCALING),
    ("ec2", "ec2", EC2),
    ("elasticloadbalancing", "elasticloadbalancing", ELB),
    ("ecr", "ecr", ECR),
    ("elasticache", "elasticache", ELASTICACHE),
    ("monitoring", "cloudwatch", CLOUDWATCH),
    ("iam", "iam", IAM),
    ("sts", "sts", STS),
    ("s3", "s3", S3),
];

const AUTOSCALING: &[Row] = &[
    on("DescribeAutoScalingGroups", &[("autoscaling:DescribeAutoScalingGroups", All)]),
    on("DescribeAutoScalingInstances", &[("autoscaling:DescribeAutoScalingInstances", All)]),
    on("DescribeScalingActivities", &[("autoscaling:DescribeScalingActivities", All)]),
    on("DescribeLoadBalancerTargetGroups", &[("autoscaling:DescribeLoadBalancerTargetGroups", All)]),
    on("DescribeTrafficSources", &[("autoscaling:DescribeTrafficSources", All)]),
    on("DescribeWarmPool", &[("autoscaling:DescribeWarmPool", All)]),
    on("DescribePolicies", &[("autoscaling:DescribePolicies", All)]),
    on("DescribeInstanceRefreshes", &[("autoscaling:DescribeInstanceRefreshes", All)]),
    on("DescribeScheduledActions", &[("autoscaling:DescribeScheduledActions", All)]),
    on("DescribeLifecycleHooks", &[("autoscaling:DescribeLifecycleHooks", All)]),
    on("CreateAutoScalingGroup", &[("autoscaling:CreateAutoScalingGroup", Group)]),
    on("UpdateAutoScalingGroup", &[("autoscaling:UpdateAutoScalingGroup", Group)]),
    on("SetDesiredCapacity", &[("autoscaling:SetDesiredCapacity", Group)]),
    on("TerminateInstanceInAutoScalingGroup", &[("autoscaling:TerminateInstanceInAutoScalingGroup", InstanceGroup)]),
    on("SetInstanceProtection", &[("autoscaling:SetInstanceProtection", Group)]),
    on("SetInstanceHealth", &[("autoscaling:SetInstanceHealth", InstanceGroup)]),
    on("EnterStandby", &[("autoscaling:EnterStandby", Group)]),
    on("ExitStandby", &[("autoscaling:ExitStandby", Group)]),
    on("SuspendProcesses", &[("autoscaling:SuspendProcesses", Group)]),
    on("ResumeProcesses", &[("autoscaling:ResumeProcesses", Group)]),
    on("StartInstanceRefresh", &[("autoscaling:StartInstanceRefresh", Group)]),
    on("CancelInstanceRefresh", &[("autoscaling:CancelInstanceRefresh", Group)]),
    on("RollbackInstanceRefresh", &[("autoscaling:RollbackInstanceRefresh", Group)]),
    on("PutScheduledUpdateGroupAction", &[("autoscaling:PutScheduledUpdateGroupAction", Group)]),
    on("DeleteScheduledAction", &[("autoscaling:DeleteScheduledAction", Group)]),
    on("PutLifecycleHook", &[("autoscaling:PutLifecycleHook", Group)]),
    on("DeleteLifecycleHook", &[("autoscaling:DeleteLifecycleHook", Group)]),
    on("CompleteLifecycleAction", &[("autoscaling:CompleteLifecycleAction", Group)]),
    on("DescribeAccountLimits", &[("autoscaling:DescribeAccountLimits", All)]),
    on("DescribeAdjustmentTypes", &[("autoscaling:DescribeAdjustmentTypes", All)]),
    on("DescribeAutoScalingNotificationTypes", &[("autoscaling:DescribeAutoScalingNotificationTypes", All)]),
    on("DescribeLifecycleHookTypes", &[("autoscaling:DescribeLifecycleHookTypes", All)]),
    on("DescribeMetricCollectionTypes", &[("autoscaling:DescribeMetricCollectionTypes", All)]),
    on("DescribeNotificationConfigurations", &[("autoscaling:DescribeNotificationConfigurations", All)]),
    on("DescribeScalingProcessTypes", &[("autoscaling:DescribeScalingProcessTypes", All)]),
    on("DescribeTags", &[("autoscaling:DescribeTags", All)]),
    on("DescribeTerminationPolicyTypes", &[("autoscaling:DescribeTerminationPolicyTypes", All)]),
    on("AttachInstances", &[("autoscaling:AttachInstances", Group)]),
    on("DetachInstances", &[("autoscaling:DetachInstances", Group)]),
    on("AttachLoadBalancerTargetGroups", &[("autoscaling:AttachLoadBalancerTargetGroups", Group)]),
    on("DetachLoadBalancerTargetGroups", &[("autoscaling:DetachLoadBalancerTargetGroups", Group)]),
    on("AttachTrafficSources", &[("autoscaling:AttachTrafficSources", Group)]),
    on("DetachTrafficSources", &[("autoscaling:DetachTrafficSources", Group)]),
    on("BatchPutScheduledUpdateGroupAction", &[("autoscaling:BatchPutScheduledUpdateGroupAction", Group)]),
    on("BatchDeleteScheduledAction", &[("autoscaling:BatchDeleteScheduledAction", Group)]),
    on("DeleteAutoScalingGroup", &[("autoscaling:DeleteAutoScalingGroup", Group)]),
    on("PutScalingPolicy", &[("autoscaling:PutScalingPolicy", Group)]),
    on("ExecutePolicy", &[("autoscaling:ExecutePolicy", Group)]),
    on("DeletePolicy", &[("autoscaling:DeletePolicy", Group)]),
    on("EnableMetricsCollection", &[("autoscaling:EnableMetricsCollection", Group)]),
    on("DisableMetricsCollection", &[("autoscaling:DisableMetricsCollection", Group)]),
    on("RecordLifecycleActionHeartbeat", &[("autoscaling:RecordLifecycleActionHeartbeat", Group)]),
    on("CreateOrUpdateTags", &[("autoscaling:CreateOrUpdateTags", TaggedGroups)]),
    on("DeleteTags", &[("autoscaling:DeleteTags", TaggedGroups)]),
];

/// The security group a call names.
const SECURITY_GROUP: On = Named("security-group/", &["GroupId"]);

const EC2: &[Row] = &[
    on("DescribeLaunchTemplates", &[("ec2:DescribeLaunchTemplates", All)]),
    on("DescribeLaunchTemplateVersions", &[("ec2:DescribeLaunchTemplateVersions", All)]),
    on("CreateLaunchTemplate", &[("ec2:CreateLaunchTemplate", Named("launch-template/", &[]))]),
    on("CreateLaunchTemplateVersion", &[("ec2:CreateLaunchTemplateVersion", Template)]),
    on("ModifyLaunchTemplate", &[("ec2:ModifyLaunchTemplate", Template)]),
    on("DeleteLaunchTemplateVersions", &[("ec2:DeleteLaunchTemplateVersions", Template)]),
    on("DescribeInstances", &[("ec2:DescribeInstances", All)]),
    on("DescribeInstanceStatus", &[("ec2:DescribeInstanceStatus", All)]),
    on("GetConsoleOutput", &[("ec2:GetConsoleOutput", Named("instance/", &["InstanceId"]))]),
    on("DescribeImages", &[("ec2:DescribeImages", All)]),
    on("DescribeSubnets", &[("ec2:DescribeSubnets", All)]),
    on("DescribeAvailabilityZones", &[("ec2:DescribeAvailabilityZones", All)]),
    on("DescribeVpcs", &[("ec2:DescribeVpcs", All)]),
    on("DescribeRegions", &[("ec2:DescribeRegions", All)]),
    on("DescribeTags", &[("ec2:DescribeTags", All)]),
    on("DescribeSecurityGroups", &[("ec2:DescribeSecurityGroups", All)]),
    on("DescribeSecurityGroupRules", &[("ec2:DescribeSecurityGroupRules", All)]),
    on("DeleteLaunchTemplate", &[("ec2:DeleteLaunchTemplate", Template)]),
    on("TerminateInstances", &[("ec2:TerminateInstances", Named("instance/", &["InstanceId"]))]),
    on("StopInstances", &[("ec2:StopInstances", Named("instance/", &["InstanceId"]))]),
    on("StartInstances", &[("ec2:StartInstances", Named("instance/", &["InstanceId"]))]),
    on("RebootInstances", &[("ec2:RebootInstances", Named("instance/", &["InstanceId"]))]),
    on("CreateSecurityGroup", &[("ec2:CreateSecurityGroup", Named("security-group/", &[])), ("ec2:CreateSecurityGroup", Named("vpc/", &["VpcId"]))]),
    on("DeleteSecurityGroup", &[("ec2:DeleteSecurityGroup", SECURITY_GROUP)]),
    on("AuthorizeSecurityGroupIngress", &[("ec2:AuthorizeSecurityGroupIngress", SECURITY_GROUP)]),
    on("AuthorizeSecurityGroupEgress", &[("ec2:AuthorizeSecurityGroupEgress", SECURITY_GROUP)]),
    on("RevokeSecurityGroupIngress", &[("ec2:RevokeSecurityGroupIngress", SECURITY_GROUP)]),
    on("RevokeSecurityGroupEgress", &[("ec2:RevokeSecurityGroupEgress", SECURITY_GROUP)]),
    on("CreateTags", &[("ec2:CreateTags", Ids)]),
    on("DeleteTags", &[("ec2:DeleteTags", Ids)]),
];

const ELB: &[Row] = &[
    on("DescribeTargetGroups", &[("elasticloadbalancing:DescribeTargetGroups", All)]),
    on("DescribeTargetHealth", &[("elasticloadbalancing:DescribeTargetHealth", All)]),
    on("DescribeTargetGroupAttributes", &[("elasticloadbalancing:DescribeTargetGroupAttributes", All)]),
    on("DescribeLoadBalancers", &[("elasticloadbalancing:DescribeLoadBalancers", All)]),
    on("DescribeListeners", &[("elasticloadbalancing:DescribeListeners", All)]),
    on("DescribeRules", &[("elasticloadbalancing:DescribeRules", All)]),
    on("DescribeLoadBalancerAttributes", &[("elasticloadbalancing:DescribeLoadBalancerAttributes", All)]),
    on("DescribeListenerAttributes", &[("elasticloadbalancing:DescribeListenerAttributes", All)]),
    on("DescribeTags", &[("elasticloadbalancing:DescribeTags", All)]),
    on("DescribeAccountLimits", &[("elasticloadbalancing:DescribeAccountLimits", All)]),
    on("DescribeSSLPolicies", &[("elasticloadbalancing:DescribeSSLPolicies", All)]),
    on("CreateLoadBalancer", &[("elasticloadbalancing:CreateLoadBalancer", NewElb)]),
    on("CreateTargetGroup", &[("elasticloadbalancing:CreateTargetGroup", NewElb)]),
    on("DeleteLoadBalancer", &[("elasticloadbalancing:DeleteLoadBalancer", Arns(&["LoadBalancerArn"]))]),
    on("SetSecurityGroups", &[("elasticloadbalancing:SetSecurityGroups", Arns(&["LoadBalancerArn"]))]),
    on("SetSubnets", &[("elasticloadbalancing:SetSubnets", Arns(&["LoadBalancerArn"]))]),
    on("ModifyLoadBalancerAttributes", &[("elasticloadbalancing:ModifyLoadBalancerAttributes", Arns(&["LoadBalancerArn"]))]),
    on("CreateListener", &[("elasticloadbalancing:CreateListener", Arns(&["LoadBalancerArn"]))]),
    on("ModifyTargetGroup", &[("elasticloadbalancing:ModifyTargetGroup", Arns(&["TargetGroupArn"]))]),
    on("DeleteTargetGroup", &[("elasticloadbalancing:DeleteTargetGroup", Arns(&["TargetGroupArn"]))]),
    on("ModifyTargetGroupAttributes", &[("elasticloadbalancing:ModifyTargetGroupAttributes", Arns(&["TargetGroupArn"]))]),
    on("RegisterTargets", &[("elasticloadbalancing:RegisterTargets", Arns(&["TargetGroupArn"]))]),
    on("DeregisterTargets", &[("elasticloadbalancing:DeregisterTargets", Arns(&["TargetGroupArn"]))]),
    on("ModifyListener", &[("elasticloadbalancing:ModifyListener", Arns(&["ListenerArn"]))]),
    on("DeleteListener", &[("elasticloadbalancing:DeleteListener", Arns(&["ListenerArn"]))]),
    on("CreateRule", &[("elasticloadbalancing:CreateRule", Arns(&["ListenerArn"]))]),
    on("ModifyRule", &[("elasticloadbalancing:ModifyRule", Arns(&["RuleArn"]))]),
    on("DeleteRule", &[("elasticloadbalancing:DeleteRule", Arns(&["RuleArn"]))]),
    on("SetRulePriorities", &[("elasticloadbalancing:SetRulePriorities", Within("RulePriorities", "RuleArn"))]),
    on("AddTags", &[("elasticloadbalancing:AddTags", Arns(&["ResourceArns"]))]),
    on("RemoveTags", &[("elasticloadbalancing:RemoveTags", Arns(&["ResourceArns"]))]),
];

/// The repositories a call names, or all.
const REPOSITORY: On = Named("repository/", &["repositoryName", "repositoryNames"]);

const ECR: &[Row] = &[
    on("GetAuthorizationToken", &[("ecr:GetAuthorizationToken", All)]),
    on("DescribeRepositories", &[("ecr:DescribeRepositories", REPOSITORY)]),
    on("DescribeImages", &[("ecr:DescribeImages", REPOSITORY)]),
    on("ListImages", &[("ecr:ListImages", REPOSITORY)]),
    on("BatchGetImage", &[("ecr:BatchGetImage", REPOSITORY)]),
    on("BatchDeleteImage", &[("ecr:BatchDeleteImage", REPOSITORY)]),
    on("DescribeImageScanFindings", &[("ecr:DescribeImageScanFindings", REPOSITORY)]),
    on("CreateRepository", &[("ecr:CreateRepository", REPOSITORY)]),
    on("DeleteRepository", &[("ecr:DeleteRepository", REPOSITORY)]),
    on("BatchCheckLayerAvailability", &[("ecr:BatchCheckLayerAvailability", REPOSITORY)]),
    on("GetDownloadUrlForLayer", &[("ecr:GetDownloadUrlForLayer", REPOSITORY)]),
    on("InitiateLayerUpload", &[("ecr:InitiateLayerUpload", REPOSITORY)]),
    on("UploadLayerPart", &[("ecr:UploadLayerPart", REPOSITORY)]),
    on("CompleteLayerUpload", &[("ecr:CompleteLayerUpload", REPOSITORY)]),
    on("PutImage", &[("ecr:PutImage", REPOSITORY)]),
    on("StartImageScan", &[("ecr:StartImageScan", REPOSITORY)]),
    on("PutImageScanningConfiguration", &[("ecr:PutImageScanningConfiguration", REPOSITORY)]),
    on("PutImageTagMutability", &[("ecr:PutImageTagMutability", REPOSITORY)]),
    on("PutLifecyclePolicy", &[("ecr:PutLifecyclePolicy", REPOSITORY)]),
    on("GetLifecyclePolicy", &[("ecr:GetLifecyclePolicy", REPOSITORY)]),
    on("DeleteLifecyclePolicy", &[("ecr:DeleteLifecyclePolicy", REPOSITORY)]),
    on("StartLifecyclePolicyPreview", &[("ecr:StartLifecyclePolicyPreview", REPOSITORY)]),
    on("GetLifecyclePolicyPreview", &[("ecr:GetLifecyclePolicyPreview", REPOSITORY)]),
    on("SetRepositoryPolicy", &[("ecr:SetRepositoryPolicy", REPOSITORY)]),
    on("GetRepositoryPolicy", &[("ecr:GetRepositoryPolicy", REPOSITORY)]),
    on("DeleteRepositoryPolicy", &[("ecr:DeleteRepositoryPolicy", REPOSITORY)]),
    on("DescribeRegistry", &[("ecr:DescribeRegistry", All)]),
    on("GetRegistryScanningConfiguration", &[("ecr:GetRegistryScanningConfiguration", All)]),
    on("ListTagsForResource", &[("ecr:ListTagsForResource", Arns(&["resourceArn"]))]),
    on("TagResource", &[("ecr:TagResource", Arns(&["resourceArn"]))]),
    on("UntagResource", &[("ecr:UntagResource", Arns(&["resourceArn"]))]),
];

const REPLICATION_GROUP: On = Named("replicationgroup:", &["ReplicationGroupId"]);
const CACHE_CLUSTER: On = Named("cluster:", &["CacheClusterId"]);
const SUBNET_GROUP: On = Named("subnetgroup:", &["CacheSubnetGroupName"]);
const PARAMETER_GROUP: On = Named("parametergroup:", &["CacheParameterGroupName"]);

const ELASTICACHE: &[Row] = &[
    on("DescribeReplicationGroups", &[("elasticache:DescribeReplicationGroups", REPLICATION_GROUP)]),
    on("CreateReplicationGroup", &[("elasticache:CreateReplicationGroup", REPLICATION_GROUP)]),
    on("ModifyReplicationGroup", &[("elasticache:ModifyReplicationGroup", REPLICATION_GROUP)]),
    on("DeleteReplicationGroup", &[("elasticache:DeleteReplicationGroup", REPLICATION_GROUP)]),
    on("IncreaseReplicaCount", &[("elasticache:IncreaseReplicaCount", REPLICATION_GROUP)]),
    on("DecreaseReplicaCount", &[("elasticache:DecreaseReplicaCount", REPLICATION_GROUP)]),
    on("TestFailover", &[("elasticache:TestFailover", REPLICATION_GROUP)]),
    on("DescribeCacheClusters", &[("elasticache:DescribeCacheClusters", CACHE_CLUSTER)]),
    on("RebootCacheCluster", &[("elasticache:RebootCacheCluster", CACHE_CLUSTER)]),
    on("DescribeEvents", &[("elasticache:DescribeEvents", All)]),
    on("DescribeCacheSubnetGroups", &[("elasticache:DescribeCacheSubnetGroups", SUBNET_GROUP)]),
    on("CreateCacheSubnetGroup", &[("elasticache:CreateCacheSubnetGroup", SUBNET_GROUP)]),
    on("DeleteCacheSubnetGroup", &[("elasticache:DeleteCacheSubnetGroup", SUBNET_GROUP)]),
    on("DescribeCacheParameterGroups", &[("elasticache:DescribeCacheParameterGroups", PARAMETER_GROUP)]),
    on("DescribeCacheParameters", &[("elasticache:DescribeCacheParameters", PARAMETER_GROUP)]),
    on("DescribeCacheEngineVersions", &[("elasticache:DescribeCacheEngineVersions", All)]),
    on("DescribeReservedCacheNodes", &[("elasticache:DescribeReservedCacheNodes", Named("reserved-instance:", &["ReservedCacheNodeId"]))]),
    on("ListTagsForResource", &[("elasticache:ListTagsForResource", Arns(&["ResourceName"]))]),
    on("AddTagsToResource", &[("elasticache:AddTagsToResource", Arns(&["ResourceName"]))]),
    on("RemoveTagsFromResource", &[("elasticache:RemoveTagsFromResource", Arns(&["ResourceName"]))]),
];

const ALARM: On = Named("alarm:", &["AlarmName", "AlarmNames"]);

const CLOUDWATCH: &[Row] = &[
    on("GetMetricData", &[("cloudwatch:GetMetricData", All)]),
    on("GetMetricStatistics", &[("cloudwatch:GetMetricStatistics", All)]),
    on("ListMetrics", &[("cloudwatch:ListMetrics", All)]),
    on("PutMetricData", &[("cloudwatch:PutMetricData", All)]),
    on("DescribeAlarms", &[("cloudwatch:DescribeAlarms", ALARM)]),
    on("DescribeAlarmsForMetric", &[("cloudwatch:DescribeAlarmsForMetric", Named("alarm:", &[]))]),
    on("DescribeAlarmHistory", &[("cloudwatch:DescribeAlarmHistory", ALARM)]),
    on("PutMetricAlarm", &[("cloudwatch:PutMetricAlarm", ALARM)]),
    on("DeleteAlarms", &[("cloudwatch:DeleteAlarms", ALARM)]),
    on("SetAlarmState", &[("cloudwatch:SetAlarmState", ALARM)]),
    on("EnableAlarmActions", &[("cloudwatch:EnableAlarmActions", ALARM)]),
    on("DisableAlarmActions", &[("cloudwatch:DisableAlarmActions", ALARM)]),
    on("ListTagsForResource", &[("cloudwatch:ListTagsForResource", Arns(&["ResourceARN"]))]),
    on("TagResource", &[("cloudwatch:TagResource", Arns(&["ResourceARN"]))]),
    on("UntagResource", &[("cloudwatch:UntagResource", Arns(&["ResourceARN"]))]),
];

const IAM: &[Row] = &[
    on("GetRole", &[("iam:GetRole", Role)]),
    on("ListRoles", &[("iam:ListRoles", Named("role", &[]))]),
    on("CreateRole", &[("iam:CreateRole", Role)]),
    on("DeleteRole", &[("iam:DeleteRole", Role)]),
    on("GetInstanceProfile", &[("iam:GetInstanceProfile", Profile)]),
    on("ListInstanceProfiles", &[("iam:ListInstanceProfiles", Named("instance-profile", &[]))]),
    on("ListInstanceProfilesForRole", &[("iam:ListInstanceProfilesForRole", Role)]),
    on("ListAttachedRolePolicies", &[("iam:ListAttachedRolePolicies", Role)]),
    on("AttachRolePolicy", &[("iam:AttachRolePolicy", Role)]),
    on("DetachRolePolicy", &[("iam:DetachRolePolicy", Role)]),
    on("ListRolePolicies", &[("iam:ListRolePolicies", Role)]),
    on("GetRolePolicy", &[("iam:GetRolePolicy", Role)]),
    on("PutRolePolicy", &[("iam:PutRolePolicy", Role)]),
    on("DeleteRolePolicy", &[("iam:DeleteRolePolicy", Role)]),
    on("GetPolicy", &[("iam:GetPolicy", Arns(&["PolicyArn"]))]),
    on("GetPolicyVersion", &[("iam:GetPolicyVersion", Arns(&["PolicyArn"]))]),
    on("ListEntitiesForPolicy", &[("iam:ListEntitiesForPolicy", Arns(&["PolicyArn"]))]),
    on("GetUser", &[("iam:GetUser", User)]),
    on("SimulatePrincipalPolicy", &[("iam:SimulatePrincipalPolicy", Arns(&["PolicySourceArn"]))]),
    on("SimulateCustomPolicy", &[("iam:SimulateCustomPolicy", All)]),
];

const STS: &[Row] = &[on("GetCallerIdentity", &[]), on("AssumeRole", &[("sts:AssumeRole", Arns(&["RoleArn"]))])];

const S3: &[Row] = &[
    on("ListBuckets", &[("s3:ListAllMyBuckets", All)]),
    on("HeadBucket", &[("s3:ListBucket", Bucket)]),
    on("CreateBucket", &[("s3:CreateBucket", Bucket)]),
    on("DeleteBucket", &[("s3:DeleteBucket", Bucket)]),
    on("GetBucketLocation", &[("s3:GetBucketLocation", Bucket)]),
    on("GetPublicAccessBlock", &[("s3:GetBucketPublicAccessBlock", Bucket)]),
    on("PutPublicAccessBlock", &[("s3:PutBucketPublicAccessBlock", Bucket)]),
    on("DeletePublicAccessBlock", &[("s3:PutBucketPublicAccessBlock", Bucket)]),
    on("GetBucketEncryption", &[("s3:GetEncryptionConfiguration", Bucket)]),
    on("ListObjectsV2", &[("s3:ListBucket", Bucket)]),
    on("PutObject", &[("s3:PutObject", Object)]),
    on("GetObject", &[("s3:GetObject", Object)]),
    on("HeadObject", &[("s3:GetObject", Object)]),
    on("DeleteObject", &[("s3:DeleteObject", Object)]),
    on("DeleteObjects", &[("s3:DeleteObject", Objects)]),
    on("CopyObject", &[("s3:GetObject", CopySource), ("s3:PutObject", Object)]),
];
