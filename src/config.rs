//! Start-up settings: flags over environment over one TOML file.
//!
//! **Invariant:** this is the only reader of the environment. Secrets come by environment or file path, never by flag.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};

/// What a file or the environment may set. Absent = default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// `sqlite://fleetgate.db` or `postgres://…` (`FLEETGATE_DATABASE_URL`, `FLEETGATE_DATABASE_URL_FILE`).
    pub database_url: Option<String>,
    /// Address of the site (`FLEETGATE_LISTEN`), default `127.0.0.1:8080`.
    pub listen: Option<SocketAddr>,
    /// Where browsers reach it, `scheme://host[:port]` (`FLEETGATE_PUBLIC_URL`), default `http://` and the listen address.
    pub public_url: Option<String>,
    /// Address of `/healthz`, `/readyz` and `/metrics` (`FLEETGATE_PRIVATE_LISTEN`).
    pub private_listen: Option<SocketAddr>,
    /// Region for what belongs to no environment (`AWS_REGION`), default `us-east-1`.
    pub region: Option<String>,
    /// Where AWS is, when not at AWS (`AWS_ENDPOINT_URL`).
    pub aws_endpoint: Option<String>,
    /// Connections from one address at once (`FLEETGATE_CONNECTIONS_PER_ADDRESS`), default 256; 0 sets no limit.
    pub connections_per_address: Option<usize>,
}

/// The settings in force.
#[derive(Clone, Debug)]
pub struct Config {
    /// Database.
    pub database_url: String,
    /// Site.
    pub listen: SocketAddr,
    /// Where browsers reach it.
    pub public_url: String,
    /// Probes and metrics.
    pub private_listen: Option<SocketAddr>,
    /// Default region.
    pub region: String,
    /// AWS override.
    pub aws_endpoint: Option<String>,
    /// Connections from one address at once; 0 sets no limit. A proxy is one address.
    pub connections_per_address: usize,
}

/// Connections from one address, where nothing is set.
pub const CONNECTIONS_PER_ADDRESS: usize = 256;

#[expect(clippy::disallowed_methods, reason = "the one reader of the environment")]
fn variable(name: &str) -> anyhow::Result<Option<String>> {
    match std::env::var(name) {
        Ok(v) if v.is_empty() => Ok(None),
        Ok(v) => Ok(Some(v)),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => bail!("{name} is not UTF-8"),
    }
}

/// A secret by variable, or by the file that `NAME_FILE` names.
fn secret(name: &str) -> anyhow::Result<Option<String>> {
    let file = format!("{name}_FILE");
    match (variable(name)?, variable(&file)?) {
        (Some(_), Some(_)) => bail!("{name} and {file} are both set; set one"),
        (Some(v), None) => Ok(Some(v)),
        (None, Some(path)) => {
            Ok(Some(std::fs::read_to_string(&path).with_context(|| format!("{file}: {path} can not be read"))?.trim_end().to_owned()))
        }
        (None, None) => Ok(None),
    }
}

fn parsed<T: std::str::FromStr>(name: &str) -> anyhow::Result<Option<T>>
where
    T::Err: std::fmt::Display,
{
    variable(name)?.map(|v| v.parse().map_err(|e| anyhow::anyhow!("{name}: `{v}`: {e}"))).transpose()
}

/// The user of this process, for the audit of the admin verbs.
pub fn host_user() -> String {
    variable("USER").ok().flatten().or_else(|| variable("LOGNAME").ok().flatten()).unwrap_or_else(|| "unknown".into()).chars().take(64).collect()
}

/// How many files this process may have open at once, where the system tells.
pub fn open_files() -> Option<usize> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    limits.lines().find_map(|line| line.strip_prefix("Max open files"))?.split_whitespace().next()?.parse().ok()
}

/// What the log shows (`FLEETGATE_LOG`). The SDK logs credentials' names at debug and bodies at trace: it stays at warn.
pub fn log_filter() -> String {
    let ours = variable("FLEETGATE_LOG").ok().flatten().unwrap_or_else(|| "info".into());
    format!("{ours},aws=warn,sqlx=warn,hyper=warn")
}

impl Config {
    /// Reads the file, then the environment over it.
    ///
    /// # Errors
    /// A sentence that names the variable or the field.
    pub fn load(file: Option<&Path>) -> anyhow::Result<Self> {
        let path = file.map(Path::to_owned).or_else(|| Some(PathBuf::from("fleetgate.toml")).filter(|p| p.exists()));
        let base = match path {
            None => Settings::default(),
            Some(p) => {
                let text = std::fs::read_to_string(&p).with_context(|| format!("{} can not be read", p.display()))?;
                toml::from_str(&text).with_context(|| format!("{} is no valid configuration", p.display()))?
            }
        };
        Self::from_settings(Settings {
            database_url: secret("FLEETGATE_DATABASE_URL")?.or(base.database_url),
            listen: parsed("FLEETGATE_LISTEN")?.or(base.listen),
            public_url: variable("FLEETGATE_PUBLIC_URL")?.or(base.public_url),
            private_listen: parsed("FLEETGATE_PRIVATE_LISTEN")?.or(base.private_listen),
            region: variable("AWS_REGION")?.or(base.region),
            aws_endpoint: variable("AWS_ENDPOINT_URL")?.or(base.aws_endpoint),
            connections_per_address: parsed("FLEETGATE_CONNECTIONS_PER_ADDRESS")?.or(base.connections_per_address),
        })
    }

    /// Fills in defaults and checks what goes together.
    ///
    /// # Errors
    /// A sentence that names the setting.
    pub fn from_settings(s: Settings) -> anyhow::Result<Self> {
        let database_url = s.database_url.unwrap_or_else(|| "sqlite://fleetgate.db".into());
        if !database_url.starts_with("sqlite:") && !database_url.starts_with("postgres:") && !database_url.starts_with("postgresql:") {
            bail!("database_url must begin with sqlite:// or postgres://");
        }
        let listen = s.listen.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8080)));
        let public_url = s.public_url.unwrap_or_else(|| format!("http://{listen}"));
        let public_url = public_url.trim_end_matches('/').to_ascii_lowercase();
        let Some((scheme, authority)) = public_url.split_once("://") else { bail!("public_url must be scheme://host[:port]") };
        if authority.is_empty() || authority.contains(['/', '?', '#', '@']) {
            bail!("public_url must be scheme://host[:port], without a path");
        }
        let loopback = is_loopback(authority);
        match scheme {
            "https" => {}
            "http" if loopback => {}
            "http" => bail!(
                "public_url is http on {authority}: session cookies would travel in the clear. Put a TLS proxy before it and set an https public_url; plain http is for loopback only"
            ),
            _ => bail!("public_url must begin with https:// (or http:// on loopback)"),
        }
        Ok(Self {
            database_url,
            listen,
            private_listen: s.private_listen,
            region: s.region.unwrap_or_else(|| "us-east-1".into()),
            aws_endpoint: s.aws_endpoint,
            connections_per_address: s.connections_per_address.unwrap_or(CONNECTIONS_PER_ADDRESS),
            public_url,
        })
    }

    /// The session cookie may travel over https only.
    pub fn secure(&self) -> bool {
        self.public_url.starts_with("https:")
    }

    /// The database's URL without its password.
    pub fn masked_database(&self) -> String {
        match self.database_url.split_once('@') {
            Some((head, tail)) => match head.rsplit_once(':') {
                Some((user, _)) if user.contains("//") => format!("{user}:***@{tail}"),
                _ => self.database_url.clone(),
            },
            None => self.database_url.clone(),
        }
    }

    /// The file of a SQLite database.
    pub fn database_file(&self) -> Option<PathBuf> {
        let path = self.database_url.strip_prefix("sqlite://").or_else(|| self.database_url.strip_prefix("sqlite:"))?;
        Some(PathBuf::from(path.split('?').next().unwrap_or(path)))
    }

    /// File that the one worker of a SQLite database locks.
    pub fn lock_file(&self) -> Option<PathBuf> {
        let path = self.database_file()?;
        // The database itself may be a link.
        let real = path.canonicalize().unwrap_or(path);
        Some(PathBuf::from(format!("{}.lock", real.display())))
    }
}

/// Is this `host[:port]` on this machine?
fn is_loopback(authority: &str) -> bool {
    let host = authority.rsplit_once(':').filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit())).map_or(authority, |(h, _)| h);
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Checks that a rehearsal at another speed talks to a simulator on this machine.
///
/// # Errors
/// It would talk to AWS, or to another machine.
pub fn check_speed(speed: Option<f64>, endpoint: Option<&str>) -> anyhow::Result<()> {
    let Some(speed) = speed else { return Ok(()) };
    if !(speed.is_finite() && (0.1..=10_000.0).contains(&speed)) {
        bail!("--speed must be 0.1 to 10000");
    }
    let authority = endpoint.and_then(|e| e.split_once("://")).map(|(_, rest)| rest.trim_end_matches('/'));
    if !authority.is_some_and(is_loopback) {
        bail!("--speed rehearses against a simulator on this machine: set AWS_ENDPOINT_URL to a loopback address, such as http://127.0.0.1:4566");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_loopback_only() {
        let with = |url: &str| Config::from_settings(Settings { public_url: Some(url.into()), ..Settings::default() });
        assert!(with("http://127.0.0.1:8080").is_ok() && with("http://localhost").is_ok() && with("http://[::1]:9").is_ok());
        assert!(with("https://fleetgate.example").is_ok_and(|c| c.secure()));
        assert!(with("http://fleetgate.example").is_err() && with("ftp://x").is_err() && with("https://a/b").is_err());
    }

    #[test]
    fn a_speed_never_meets_real_aws() {
        assert!(check_speed(Some(20.0), None).is_err());
        assert!(check_speed(Some(20.0), Some("https://autoscaling.eu-west-1.amazonaws.com")).is_err());
        assert!(check_speed(Some(20.0), Some("http://127.0.0.1.evil.example:80")).is_err());
        assert!(check_speed(Some(20.0), Some("http://127.0.0.1:4566")).is_ok());
        assert!(check_speed(None, None).is_ok());
    }

    #[test]
    fn the_limit_of_open_files_is_read() {
        assert!(open_files().is_some_and(|n| n > 0));
    }

    #[test]
    fn unknown_settings_and_passwords_are_told_and_masked() {
        assert!(toml::from_str::<Settings>("databse_url = 'x'").is_err());
        let c = Config::from_settings(Settings { database_url: Some("postgres://u:secret@db/x".into()), ..Settings::default() }).unwrap();
        assert_eq!(c.masked_database(), "postgres://u:***@db/x");
    }
}
