//! The IAM policy that Fleetgate needs: exactly the actions that it calls, and what AWS checks of its caller.

use serde_json::{Value, json};

use super::environment::Environment;

/// Actions that only read. Most have no resource-level control (aws-reference 13).
pub const READS: [&str; 11] = [
    "autoscaling:DescribeAutoScalingGroups",
    "autoscaling:DescribeInstanceRefreshes",
    "autoscaling:DescribeLifecycleHooks",
    "autoscaling:DescribePolicies",
    "autoscaling:DescribeScalingActivities",
    "autoscaling:DescribeScheduledActions",
    "ec2:DescribeLaunchTemplateVersions",
    "ec2:GetConsoleOutput",
    "elasticloadbalancing:DescribeTargetGroups",
    "elasticloadbalancing:DescribeTargetHealth",
    "elasticloadbalancing:DescribeTargetGroupAttributes",
];
/// Read where alarms guard an environment.
pub const GUARD_READS: [&str; 1] = ["cloudwatch:DescribeAlarms"];
/// Reads of the repository.
pub const REPOSITORY_READS: [&str; 2] = ["ecr:DescribeImages", "ecr:DescribeRepositories"];
/// Acts on the group.
pub const GROUP_ACTS: [&str; 7] = [
    "autoscaling:CancelInstanceRefresh",
    "autoscaling:ResumeProcesses",
    "autoscaling:RollbackInstanceRefresh",
    "autoscaling:StartInstanceRefresh",
    "autoscaling:SuspendProcesses",
    "autoscaling:TerminateInstanceInAutoScalingGroup",
    "autoscaling:UpdateAutoScalingGroup",
];
/// Acts on the template.
pub const TEMPLATE_ACTS: [&str; 1] = ["ec2:CreateLaunchTemplateVersion"];

/// The policy for an environment, or a template with upper-case placeholders.
pub fn policy(env: Option<&Environment>, template: Option<&str>) -> Value {
    let region = env.map_or("REGION", |e| &e.region);
    let account = env.map_or("ACCOUNT", |e| &e.account);
    let group = env.map_or("GROUP", |e| &e.asg);
    let repository = env.map_or("REPOSITORY", |e| &e.repository);
    let template = template.unwrap_or("LAUNCH_TEMPLATE_ID");
    let template_arn = format!("arn:aws:ec2:{region}:{account}:launch-template/{template}");
    let guarded = env.is_none_or(|e| !e.policy.guard_alarms.is_empty());
    let reads: Vec<&str> = READS.into_iter().chain(GUARD_READS.into_iter().filter(|_| guarded)).collect();
    json!({
        "Version": "2012-10-17",
        "Statement": [
            {"Sid": "Read", "Effect": "Allow", "Action": reads, "Resource": "*", "Condition": {"StringEquals": {"aws:RequestedRegion": region}}},
            {"Sid": "ReadRepository", "Effect": "Allow", "Action": REPOSITORY_READS, "Resource": format!("arn:aws:ecr:{region}:{account}:repository/{repository}")},
            {"Sid": "Group", "Effect": "Allow", "Action": GROUP_ACTS, "Resource": format!("arn:aws:autoscaling:{region}:{account}:autoScalingGroup:*:autoScalingGroupName/{group}")},
            {"Sid": "Template", "Effect": "Allow", "Action": TEMPLATE_ACTS, "Resource": template_arn},
            {"Sid": "LaunchCheck", "Effect": "Allow", "Action": "ec2:RunInstances", "Resource": "*", "Condition": {"ArnEquals": {"ec2:LaunchTemplate": template_arn}}},
            {"Sid": "LaunchTags", "Effect": "Allow", "Action": "ec2:CreateTags", "Resource": [
                format!("arn:aws:ec2:{region}:{account}:instance/*"), format!("arn:aws:ec2:{region}:{account}:volume/*"), format!("arn:aws:ec2:{region}:{account}:network-interface/*"),
            ], "Condition": {"StringEquals": {"ec2:CreateAction": "RunInstances"}}},
            {"Sid": "PassAppRole", "Effect": "Allow", "Action": "iam:PassRole", "Resource": format!("arn:aws:iam::{account}:role/APP_ROLE"), "Condition": {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}},
        ]
    })
}
