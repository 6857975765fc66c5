//! CloudWatch, read (aws-reference 9).

use super::budget::Priority;
use super::cloud::Cloud;
use super::error::AwsError;
use crate::domain::observation::Alarm;

impl Cloud {
    /// The named alarms that exist, metric and composite ones; at most 100 names.
    ///
    /// # Errors
    /// Those of a read.
    pub async fn alarms(&self, p: Priority, names: &[String]) -> Result<Vec<Alarm>, AwsError> {
        use aws_sdk_cloudwatch::types::AlarmType;
        if names.is_empty() {
            // AWS reads an empty list as all alarms.
            return Ok(Vec::new());
        }
        let request = self.cloudwatch.describe_alarms().set_alarm_names(Some(names.to_vec()));
        let request = request.alarm_types(AlarmType::MetricAlarm).alarm_types(AlarmType::CompositeAlarm);
        let out = self.read(p, "cloudwatch:DescribeAlarms", request.send()).await?;
        let alarm =
            |name: Option<String>, state: Option<String>, reason| Alarm { name: name.unwrap_or_default(), state: state.unwrap_or_default(), reason };
        let metric = out.metric_alarms.unwrap_or_default();
        let composite = out.composite_alarms.unwrap_or_default();
        let metric = metric.into_iter().map(|a| alarm(a.alarm_name, a.state_value.map(|s| s.as_str().to_owned()), a.state_reason));
        let composite = composite.into_iter().map(|a| alarm(a.alarm_name, a.state_value.map(|s| s.as_str().to_owned()), a.state_reason));
        Ok(metric.chain(composite).collect())
    }
}
