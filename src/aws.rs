//! AWS, in product verbs: what a group is, what runs in it, and the few acts that change it.
//!
//! One file per service (`autoscaling`, `ec2`, `elb`, `ecr`), all acts in `acts`, every call through one of the two
//! functions in `cloud`.
//!
//! **Invariant:** SDK types and error codes stop here. Every call has an attempt and an operation timeout. A mutating call
//! is sent once; a read may be retried once inside. Nothing here reads the environment, except the default credential
//! chain of `aws-config`; the endpoint override comes from [`AwsConfig`] alone.

mod acts;
mod autoscaling;
mod budget;
mod cloud;
mod cloudwatch;
mod ec2;
mod ecr;
mod elb;
mod error;
mod scrub;
mod template;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_config::identity::IdentityCache;
use aws_config::retry::RetryConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sts::config::{Credentials, SharedCredentialsProvider};

use crate::clock::Clocks;
use crate::failpoint::Tripwire;
use budget::Budget;

pub use acts::NewVersion;
pub use budget::{BudgetConfig, Priority};
pub use cloud::{Cloud, Done, Identity};
pub use error::{AwsError, Conflict, ErrorKind};
pub use template::{MAX_USER_DATA_BYTES, other_tag_specs};

/// Clients kept at most; the longest unused go first.
const MOST_CLOUDS: usize = 64;

/// Start-up settings.
#[derive(Clone)]
pub struct AwsConfig {
    /// Where all services answer instead of AWS, such as `http://127.0.0.1:4566`: the simulator.
    pub endpoint: Option<String>,
    /// Access key id and secret to use instead of the default chain: the demo.
    pub static_credentials: Option<(String, String)>,
    /// Longest time of one try.
    pub attempt_timeout: Duration,
    /// Longest time of a call with its retries.
    pub operation_timeout: Duration,
    /// Longest pause before the second try of a read.
    pub read_backoff: Duration,
    /// Calls that each role and region may make.
    pub budget: BudgetConfig,
    /// Of the store that belongs to the same process.
    pub tripwire: Tripwire,
}

impl Default for AwsConfig {
    fn default() -> Self {
        Self {
            endpoint: None,
            static_credentials: None,
            attempt_timeout: Duration::from_secs(10),
            operation_timeout: Duration::from_secs(25),
            read_backoff: Duration::from_millis(300),
            budget: BudgetConfig::default(),
            tripwire: Tripwire::default(),
        }
    }
}

/// Where an environment lives.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// Such as `eu-west-1`.
    pub region: String,
    /// The role to assume; `None` uses our own credentials.
    pub role_arn: Option<String>,
    /// The external id that the role's trust policy asks for.
    pub external_id: Option<String>,
}

/// The way to AWS. Cheap to clone.
#[derive(Clone)]
pub struct Aws(Arc<Shared>);

struct Shared {
    config: AwsConfig,
    clocks: Clocks,
    calls: Arc<AtomicU64>,
    /// Our own credentials by region, so that the chain is walked once for each.
    chains: tokio::sync::Mutex<HashMap<String, SdkConfig>>,
    kept: Mutex<Kept>,
}

/// Place, account and session name of the clients.
type Key = (Place, String, String);

#[derive(Default)]
struct Kept {
    clouds: HashMap<Key, (Cloud, u64)>,
    /// By account and region: AWS counts so (aws-reference 2.2).
    budgets: HashMap<(String, String), Arc<Mutex<Budget>>>,
    uses: u64,
}

impl Aws {
    /// Ready to make clients. Nothing is sent and no credentials are looked for before the first call.
    pub async fn connect(config: AwsConfig, clocks: Clocks) -> Self {
        Self(Arc::new(Shared { config, clocks, calls: Arc::default(), chains: tokio::sync::Mutex::default(), kept: Mutex::default() }))
    }

    /// Clients for a place. With a role, CloudTrail shows `session` as the role session name (made to fit
    /// `[\w+=,.@-]{2,64}`). The role is assumed at the first call, and again before the credentials run out.
    ///
    /// # Errors
    /// `Invalid` when the region or the role ARN cannot be one. A role that may not be assumed shows at the first call,
    /// as `Denied`.
    pub async fn cloud(&self, place: &Place, session: &str) -> Result<Cloud, AwsError> {
        self.cloud_in(None, place, session).await
    }

    /// The same where the account is known already: calls of one account and region share one budget, whatever role makes them.
    ///
    /// # Errors
    /// As [`Aws::cloud`].
    pub async fn cloud_in(&self, account: Option<&str>, place: &Place, session: &str) -> Result<Cloud, AwsError> {
        check(place)?;
        // `arn:aws:iam::123456789012:role/…`; our own account has no name before it is asked for.
        let account = account.or_else(|| place.role_arn.as_deref().and_then(|arn| arn.split(':').nth(4))).unwrap_or("own").to_owned();
        let session = if place.role_arn.is_some() { session_name(session) } else { String::new() };
        let key = (place.clone(), account, session);
        if let Some(cloud) = self.kept(|kept| kept.find(&key)) {
            return Ok(cloud);
        }
        let own = self.own_credentials(&place.region).await;
        let config = match &place.role_arn {
            None => own,
            Some(role) => {
                let mut role = AssumeRoleProvider::builder(role).session_name(&key.2).configure(&own);
                if let Some(id) = &place.external_id {
                    role = role.external_id(id);
                }
                let provider = SharedCredentialsProvider::new(role.build().await);
                own.into_builder().credentials_provider(provider).identity_cache(self.identity_cache()).build()
            }
        };
        let shared = &self.0;
        Ok(self.kept(|kept| {
            // Another task may have built it meanwhile: that one is kept.
            kept.find(&key).unwrap_or_else(|| {
                let budget = kept.budget(&key.1, &place.region, shared);
                let wire = shared.config.tripwire.clone();
                let cloud = Cloud::new(&config, shared.config.attempt_timeout, shared.clocks.clone(), budget, shared.calls.clone(), wire);
                kept.insert(key, cloud.clone());
                cloud
            })
        }))
    }

    /// Requests sent so far, with retries, without those that assume a role.
    pub fn calls(&self) -> u64 {
        self.0.calls.load(Ordering::Relaxed)
    }

    fn kept<T>(&self, work: impl FnOnce(&mut Kept) -> T) -> T {
        work(&mut self.0.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn identity_cache(&self) -> aws_sdk_sts::config::SharedIdentityCache {
        IdentityCache::lazy().load_timeout(self.0.config.attempt_timeout).build()
    }

    /// The settings of a region with our own credentials. They are built anew from [`AwsConfig`]: of what `aws-config`
    /// loads, only the credential provider is taken, so that no variable of the environment moves an endpoint or a retry.
    async fn own_credentials(&self, region: &str) -> SdkConfig {
        let mut chains = self.0.chains.lock().await;
        if let Some(config) = chains.get(region) {
            return config.clone();
        }
        let settings = &self.0.config;
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(settings.attempt_timeout.min(Duration::from_secs(3)))
            .read_timeout(settings.attempt_timeout)
            .operation_attempt_timeout(settings.attempt_timeout)
            .operation_timeout(settings.operation_timeout)
            .build();
        let mut loader = aws_config::defaults(BehaviorVersion::latest()).region(Region::new(region.to_owned()));
        if let Some((id, secret)) = &settings.static_credentials {
            loader = loader.credentials_provider(Credentials::new(id, secret, None, None, "fleetgate"));
        }
        let loaded = loader.load().await;
        let mut config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region.to_owned()))
            .retry_config(RetryConfig::standard().with_max_attempts(2).with_initial_backoff(settings.read_backoff))
            .timeout_config(timeouts)
            .identity_cache(self.identity_cache());
        config.set_credentials_provider(loaded.credentials_provider());
        config.set_sleep_impl(loaded.sleep_impl());
        config.set_time_source(loaded.time_source());
        config.set_endpoint_url(settings.endpoint.clone());
        let config = config.build();
        chains.insert(region.to_owned(), config.clone());
        config
    }
}

impl Kept {
    fn find(&mut self, key: &Key) -> Option<Cloud> {
        self.uses += 1;
        let uses = self.uses;
        self.clouds.get_mut(key).map(|(cloud, used)| {
            *used = uses;
            cloud.clone()
        })
    }

    fn insert(&mut self, key: Key, cloud: Cloud) {
        if self.clouds.len() >= MOST_CLOUDS {
            let oldest = self.clouds.iter().min_by_key(|(_, (_, used))| *used).map(|(key, _)| key.clone());
            if let Some(oldest) = oldest {
                self.clouds.remove(&oldest);
            }
        }
        self.clouds.insert(key, (cloud, self.uses));
    }

    fn budget(&mut self, account: &str, region: &str, shared: &Shared) -> Arc<Mutex<Budget>> {
        let key = (account.to_owned(), region.to_owned());
        let fresh = || Arc::new(Mutex::new(Budget::new(shared.config.budget, shared.clocks.cloud())));
        self.budgets.entry(key).or_insert_with(fresh).clone()
    }
}

/// The region becomes part of a host name, so it is looked at before it does.
fn check(place: &Place) -> Result<(), AwsError> {
    let refuse = |message: String| Err(AwsError::ours(ErrorKind::Invalid, "fleetgate:Connect", message));
    let region = &place.region;
    if !(1..=32).contains(&region.len()) || !region.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
        return refuse(format!("{region:?} is not an AWS region"));
    }
    match &place.role_arn {
        Some(role) if !(role.starts_with("arn:") && role.contains(":role/")) => refuse(format!("{role:?} is not the ARN of a role")),
        _ => Ok(()),
    }
}

/// Made to fit what STS takes: `[\w+=,.@-]{2,64}`.
fn session_name(wanted: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() || "_+=,.@-".contains(c) { c } else { '-' };
    let name: String = wanted.chars().take(64).map(allowed).collect();
    if name.len() < 2 { "fleetgate".to_owned() } else { name }
}

#[cfg(test)]
mod tests;
