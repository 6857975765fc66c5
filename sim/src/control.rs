//! The simulator's own controls over HTTP, below `/_sim/` (design section 6).
//!
//! **Invariant:** an error is `{"error": "field: why"}` with a 4xx status and has no effect.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{clock::END, faults::Fault, handle::Handle, seed::ImageSeed, world::load::Load};

/// Status and body of an answer.
pub(crate) type Answer = (u16, Value);

fn bad(error: impl std::fmt::Display) -> Answer {
    (400, json!({"error": error.to_string()}))
}

/// Reads a JSON body; the complaint begins with the field that is wrong.
fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Answer> {
    // A list would be read as the fields in their order.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(bad("body: must be a JSON object"));
    }
    let mut reader = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|e| {
        let (path, why) = (e.path().to_string(), e.inner().to_string());
        // A field that is missing or unknown stands in the words, not in the path.
        let word = why.split('`').nth(1).filter(|_| path == "." && (why.starts_with("missing field") || why.starts_with("unknown field")));
        match (path.as_str(), word) {
            (_, Some(word)) => bad(format!("{word}: {why}")),
            (".", None) => bad(format!("body: {why}")),
            _ => bad(format!("{path}: {why}")),
        }
    })?;
    reader.end().map_err(|e| bad(format!("body: {e}")))?;
    Ok(value)
}

/// The body of a control that takes nothing.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

fn nothing(body: &[u8]) -> Result<(), Answer> {
    if body.is_empty() { Ok(()) } else { read::<Nothing>(body).map(|Nothing {}| ()) }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ImageBody {
    repository: String,
    tag: String,
    #[serde(default = "ok")]
    behaviour: String,
    #[serde(default)]
    boot_seconds: Option<i64>,
}

fn ok() -> String {
    "ok".into()
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct ImpairBody {
    #[serde(default)]
    seconds: Option<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LoadBody {
    asg: String,
    cpu: f64,
    #[serde(default)]
    requests_per_second: Option<f64>,
    #[serde(default)]
    error_rate: Option<f64>,
    #[serde(default)]
    latency_seconds: Option<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CapacityBody {
    az: String,
    instances: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BucketsBody {
    on: bool,
    #[serde(default = "one")]
    scale: f64,
}

fn one() -> f64 {
    1.0
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyBody {
    #[serde(default)]
    principal: Option<String>,
    document: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RedisBody {
    group: String,
    state: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClockBody {
    #[serde(default)]
    advance_seconds: Option<f64>,
    #[serde(default)]
    speed: Option<f64>,
}

/// Every control: method, path below `/_sim/`, what it takes and does. `GET /_sim/` answers with this.
const CONTROLS: &[(&str, &str, &str)] = &[
    ("GET", "", "this list; the live page of the world for a browser"),
    ("GET", "world", "ground truth: time, parameters, groups, instances, targets, images"),
    ("GET", "calls?since=SEQ", "every AWS call after that number that is still kept, and how many are gone"),
    ("POST", "clock", "{advance_seconds} moves time on, {speed} sets its speed (0 stops)"),
    ("GET", "faults", "the fault rules, how many calls each has seen and hit"),
    ("POST", "faults", "{service, operation, kind, rate, seed, count?, seconds?} adds a fault rule"),
    ("DELETE", "faults", "removes every fault rule"),
    ("POST", "images", "{repository, tag, behaviour?, boot_seconds?} pushes an image"),
    ("POST", "instances/ID/kill", "ends the instance from outside"),
    ("POST", "instances/ID/sicken", "its application answers 500 from now on"),
    ("POST", "instances/ID/heal", "its application answers as its image does again"),
    ("GET", "buckets", "the token buckets that are in use"),
    ("POST", "buckets", "{on, scale?} switches the token buckets on or off, all full"),
    ("POST", "instances/ID/impair", "{seconds?}: its status check fails from now on, or for so long"),
    ("POST", "capacity", "{az, instances} limits launches, null lifts the limit"),
    ("GET", "policy", "the policies put here"),
    ("POST", "policy", "{principal?, document} judges every call of that user or role, or of all"),
    ("DELETE", "policy", "removes every policy put here"),
    (
        "POST",
        "load",
        "{asg, cpu, requests_per_second?, error_rate?, latency_seconds?} offers a load: cpu is the percentage of each instance that serves now",
    ),
    ("POST", "redis", "{group, state}: failover loses the primary, modifying holds the group, available ends what it is busy with"),
];

/// Methods a path knows; none when there is no such control.
fn methods(parts: &[&str]) -> Vec<&'static str> {
    let same = |path: &str| {
        let path = path.split('?').next().unwrap_or_default();
        let known: Vec<&str> = path.split('/').collect();
        known.len() == parts.len() && known.iter().zip(parts).all(|(known, part)| *known == "ID" || known == part)
    };
    CONTROLS.iter().filter(|(_, path, _)| same(path)).map(|(method, _, _)| *method).collect()
}

fn index() -> Value {
    let rows = CONTROLS.iter().map(|(method, path, what)| json!({"method": method, "path": format!("/_sim/{path}"), "what": what}));
    json!({"controls": rows.collect::<Vec<_>>()})
}

/// Answers one control request; `path` is what follows `/_sim/`.
pub(crate) fn answer(handle: &Handle, method: &str, path: &str, query: &str, body: &[u8]) -> Answer {
    match route(handle, method, path, query, body) {
        Ok(value) => (200, value),
        Err(answer) => answer,
    }
}

fn route(h: &Handle, method: &str, path: &str, query: &str, body: &[u8]) -> Result<Value, Answer> {
    let parts: Vec<&str> = path.split('/').collect();
    let done = || json!({"ok": true});
    let parameters: Vec<(&str, &str)> = query.split('&').filter(|p| !p.is_empty()).map(|p| p.split_once('=').unwrap_or((p, ""))).collect();
    if let Some((name, _)) = parameters.iter().find(|(name, _)| !(parts == ["calls"] && *name == "since")) {
        return Err(bad(format!("{name}: there is no such parameter here")));
    }
    if parameters.len() > 1 {
        return Err(bad("since: is given twice"));
    }
    match (method, parts.as_slice()) {
        ("GET", [""]) => Ok(index()),
        ("GET", ["world"]) => Ok(h.snapshot()),
        ("GET", ["calls"]) => {
            let since = parameters.first().map(|(_, value)| *value).filter(|t| !t.is_empty());
            let since = since.map_or(Ok(0), str::parse::<u64>).map_err(|_| bad("since: must be a whole number"))?;
            let engine = h.lock();
            Ok(json!({"calls": engine.calls.since(since).collect::<Vec<_>>(), "gone": engine.calls.gone(since)}))
        }
        ("GET", ["faults"]) => Ok(json!({"faults": h.lock().faults.view()})),
        ("POST", ["faults"]) => h.fault(read::<Fault>(body)?).map(|()| done()).map_err(bad),
        ("DELETE", ["faults"]) => {
            nothing(body)?;
            h.clear_faults();
            Ok(done())
        }
        ("POST", ["images"]) => {
            let b: ImageBody = read(body)?;
            let image = ImageSeed { tag: b.tag, behaviour: b.behaviour, boot_seconds: b.boot_seconds };
            h.put_image(&b.repository, &image).map(|digest| json!({"digest": digest})).map_err(bad)
        }
        ("POST", ["instances", id, act @ ("kill" | "sicken" | "heal")]) => {
            nothing(body)?;
            let acted = match *act {
                "kill" => h.kill(id),
                "sicken" => h.sicken(id),
                _ => h.heal(id),
            };
            acted.map(|()| done()).map_err(missing)
        }
        ("GET", ["buckets"]) => {
            let engine = h.lock();
            Ok(engine.world.token_buckets.view(engine.world.now))
        }
        ("POST", ["buckets"]) => {
            let b: BucketsBody = read(body)?;
            h.buckets(b.on, b.scale).map(|()| done()).map_err(bad)
        }
        ("POST", ["instances", id, "impair"]) => {
            let b: ImpairBody = if body.is_empty() { ImpairBody::default() } else { read(body)? };
            if b.seconds.is_some_and(|s| !(1..=31_536_000).contains(&s)) {
                return Err(bad("seconds: must be between 1 and 31536000"));
            }
            h.impair(id, b.seconds).map(|()| done()).map_err(missing)
        }
        ("POST", ["load"]) => {
            let b: LoadBody = read(body)?;
            let (requests_per_second, error_rate, latency_seconds) = (b.requests_per_second, b.error_rate, b.latency_seconds);
            h.load(&b.asg, Load { cpu: b.cpu, requests_per_second, error_rate, latency_seconds }).map(|()| done()).map_err(bad)
        }
        ("POST", ["capacity"]) => {
            let b: CapacityBody = read(body)?;
            h.capacity(&b.az, b.instances).map(|()| done()).map_err(bad)
        }
        ("GET", ["policy"]) => Ok(json!({"policies": h.policies()})),
        ("POST", ["policy"]) => {
            let b: PolicyBody = read(body)?;
            h.policy(b.principal.as_deref(), &b.document).map(|()| done()).map_err(bad)
        }
        ("DELETE", ["policy"]) => {
            h.clear_policies();
            Ok(done())
        }
        ("POST", ["redis"]) => {
            let b: RedisBody = read(body)?;
            h.redis(&b.group, &b.state).map(|()| done()).map_err(bad)
        }
        ("POST", ["clock"]) => {
            let b: ClockBody = read(body)?;
            match (b.advance_seconds, b.speed) {
                (Some(s), None) if (0.0..=31_536_000.0).contains(&s) => {
                    if h.lock().world.now.saturating_add((s * 1000.0) as i64) > END {
                        return Err(bad("advance_seconds: the clock ends in the year 9892"));
                    }
                    h.advance(s);
                }
                (Some(_), None) => {
                    return Err(bad("advance_seconds: must be between 0 and 31536000"));
                }
                (None, Some(s)) if (0.0..=100_000.0).contains(&s) => h.set_speed(Some(s).filter(|s| *s > 0.0)),
                (None, Some(_)) => return Err(bad("speed: must be between 0 and 100000")),
                _ => return Err(bad("advance_seconds, speed: exactly one is needed")),
            }
            Ok(json!({"now": h.now().to_string()}))
        }
        _ if !methods(&parts).is_empty() => {
            let allowed = methods(&parts).join(" and ");
            Err((405, json!({"error": format!("method: {method} is not allowed here, {allowed} is")})))
        }
        _ => Err((404, json!({"error": format!("path: /_sim/{path} does not exist")}))),
    }
}

fn missing(error: anyhow::Error) -> Answer {
    (404, json!({"error": error.to_string()}))
}
