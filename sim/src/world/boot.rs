//! What runs on an instance: user data at first boot, the application, its answers, the console log.
//!
//! **Invariant:** a tag is resolved when the instance pulls, a digest pins; a failed script leaves the instance running
//! with no application (aws-reference 7.2), never a failed instance.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

use super::{
    World,
    images::Behaviour,
    instance::{Ec2State, Instance},
    shell::{self, Act},
};
use crate::{clock, rng};

/// The running container.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct App {
    pub(crate) reference: String,
    pub(crate) repository: String,
    pub(crate) digest: String,
    pub(crate) behaviour: Behaviour,
    pub(crate) listens_at: i64,
    pub(crate) dies_at: Option<i64>,
}

/// How the application answers a health check at some instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Connection refused.
    Refused,
    /// Connected, and then nothing.
    Silence,
    /// HTTP status.
    Status(u16),
}

impl Instance {
    /// Decoded user data.
    pub(crate) fn user_data(&self) -> String {
        let raw = self.data.text("UserData").unwrap_or_default();
        STANDARD.decode(raw.trim()).ok().and_then(|b| String::from_utf8(b).ok()).unwrap_or_default()
    }

    /// The application's answer now to a request for this path: its health on `/`, `/health` and `/ready`, 404 elsewhere.
    /// `check` names the health check, for flaky ones.
    pub(crate) fn answer(&self, now: i64, seed: u64, check: &str, path: &str) -> Answer {
        let Some(app) = self.app.as_ref().filter(|_| self.ec2 == Ec2State::Running) else {
            return Answer::Refused;
        };
        if now < app.listens_at || app.dies_at.is_some_and(|d| now >= d) {
            return Answer::Refused;
        }
        if app.behaviour == Behaviour::Hang {
            return Answer::Silence;
        }
        if !matches!(path.split('?').next(), Some("/" | "/health" | "/ready")) {
            return Answer::Status(404);
        }
        if self.sick {
            return Answer::Status(500);
        }
        match app.behaviour {
            Behaviour::Unhealthy => Answer::Status(500),
            Behaviour::Flaky(p) if rng::unit(seed, "flaky", check) < p => Answer::Status(500),
            _ => Answer::Status(200),
        }
    }

    /// Next time the answer changes by itself; `Some(0)` when every check may differ.
    pub(crate) fn answer_changes(&self, now: i64) -> Option<i64> {
        if self.ec2 == Ec2State::Pending || (self.ec2 == Ec2State::Running && !self.booted) {
            return Some(0);
        }
        let app = self.app.as_ref()?;
        if matches!(app.behaviour, Behaviour::Flaky(_)) {
            return Some(0);
        }
        [Some(app.listens_at), app.dies_at].into_iter().flatten().filter(|t| *t > now).min()
    }

    fn log(&mut self, at: i64, line: impl Into<String>) {
        self.console.push((at, line.into()));
    }

    /// The console as EC2 shows it: boot lines up to now.
    pub(crate) fn console_text(&self, now: i64) -> String {
        let mut out = String::new();
        for (at, line) in self.console.iter().filter(|(at, _)| *at <= now) {
            let seconds = (at - self.launched_at).max(0) as f64 / 1000.0;
            out.push_str(&format!("[{seconds:>12.6}] {line}\r\n"));
        }
        out
    }
}

impl World {
    /// Runs the user data of an instance that has reached its image pull.
    pub(crate) fn boot(&mut self, id: &str) {
        let Some(mut instance) = self.instances.remove(id) else {
            return;
        };
        instance.booted = true;
        let at = instance.running_at;
        instance.log(at, "Linux version 6.1.0-amzn2023 (builder@ip-10-0-0-1) #1 SMP PREEMPT_DYNAMIC");
        instance.log(at + 4000, "cloud-init[1703]: Cloud-init v. 22.2.2 running 'init'");
        instance.log(at + 6000, format!("cloud-init[2204]: Cloud-init v. 22.2.2 running 'modules:final' at {}", clock::iso_seconds(at + 6000)));
        let script = instance.user_data();
        let visible = instance.data.text("MetadataOptions.InstanceMetadataTags") == Some("enabled");
        let metadata = |path: &str| match path.strip_prefix("tags/instance/") {
            Some(key) if visible => instance.tags.iter().find(|(k, _)| k == key).map(|(_, v)| v.clone()),
            Some(_) => None,
            None => match path {
                "instance-id" => Some(instance.id.clone()),
                "placement/availability-zone" => Some(instance.az.clone()),
                "placement/region" => Some(self.region.clone()),
                "local-ipv4" => Some(instance.ip.clone()),
                _ => None,
            },
        };
        let plan = shell::interpret(&script, &metadata);
        self.perform(&mut instance, &plan);
        let end = self.now;
        instance.log(end + 1000, format!("cloud-init[2204]: Cloud-init v. 22.2.2 finished at {}. Datasource DataSourceEc2", clock::iso_seconds(end)));
        self.instances.insert(id.to_owned(), instance);
        self.poke_targets(id);
    }

    fn perform(&mut self, instance: &mut Instance, plan: &shell::Script) {
        let now = self.now;
        let part = "/var/lib/cloud/instance/scripts/part-001";
        for act in &plan.acts {
            let failure = match act {
                Act::Missing(command) => Some(format!("{part}: {command}: command not found")),
                Act::Pull(reference) => match self.pull(reference) {
                    Ok(pulled) => {
                        instance.log(now, format!("cloud-init[2204]: {reference}: Pulling from registry"));
                        instance.log(now, format!("cloud-init[2204]: Digest: {}", pulled.named));
                        instance.log(now, format!("cloud-init[2204]: Status: Downloaded newer image for {reference}"));
                        None
                    }
                    Err(message) => Some(message),
                },
                Act::Run(reference) => match self.pull(reference) {
                    Ok(pulled) => {
                        self.start(instance, reference, &pulled.repository, &pulled.digest);
                        None
                    }
                    Err(message) => Some(format!("Unable to find image '{reference}' locally: {message}")),
                },
            };
            let Some(message) = failure else { continue };
            instance.log(now, format!("cloud-init[2204]: {message}"));
            if plan.strict {
                instance.log(now, "cloud-init[2204]: Failed to run module scripts-user (scripts in /var/lib/cloud/instance/scripts)");
                return;
            }
        }
    }

    fn start(&mut self, instance: &mut Instance, reference: &str, repository: &str, digest: &str) {
        let Some(image) = self.image(repository, digest) else {
            return;
        };
        let boot = match image.boot_seconds {
            Some(seconds) => seconds * 1000,
            None => self.params.boot.draw(self.seed, "boot", &instance.id),
        };
        let listens_at = (instance.running_at + boot).max(instance.pull_at);
        let behaviour = image.behaviour;
        let dies_at = match behaviour {
            Behaviour::CrashAfter(seconds) => Some(listens_at + seconds * 1000),
            _ => None,
        };
        let container = rng::hex(self.seed, "container", &instance.id, 64);
        instance.log(self.now, format!("cloud-init[2204]: {container}"));
        match behaviour {
            Behaviour::Unhealthy => {
                instance.log(listens_at, "docker: app: listening on 0.0.0.0:3000");
                instance.log(listens_at + 5000, "docker: app: GET /health 500 Error: self-check failed");
            }
            Behaviour::CrashAfter(_) => {
                instance.log(listens_at, "docker: app: listening on 0.0.0.0:3000");
                instance.log(dies_at.unwrap_or(listens_at), "docker: app: fatal: uncaught exception, exited with code 1");
            }
            _ => instance.log(listens_at, "docker: app: listening on 0.0.0.0:3000"),
        }
        instance.app = Some(App {
            reference: reference.to_owned(),
            repository: repository.to_owned(),
            digest: digest.to_owned(),
            behaviour,
            listens_at,
            dies_at,
        });
    }
}
