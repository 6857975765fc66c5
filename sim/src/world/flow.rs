//! Where the offered load goes: from the groups through their target groups to the targets in rotation.
//!
//! **Invariant:** between two changes of the fleet nothing flows differently, so a span of time is a list of scenes; a
//! target group with no healthy target sends to all that are not draining (aws-reference 6.2, fail open).

use std::collections::{BTreeMap, BTreeSet};

use super::{
    World,
    target::Health,
    track::{Life, Offer, Track},
};

/// What one target gets.
pub(crate) struct Hit<'a> {
    pub(crate) id: &'a str,
    pub(crate) zone: &'a str,
    /// Requests per second.
    pub(crate) rate: f64,
    /// Share answered with 5xx.
    pub(crate) failing: f64,
    /// Nothing listens: the load balancer answers 502.
    pub(crate) refused: bool,
    /// Connected, and no answer comes: the load balancer answers 504.
    pub(crate) silent: bool,
    pub(crate) latency: f64,
}

/// What goes through one target group.
#[derive(Default)]
pub(crate) struct Traffic<'a> {
    pub(crate) balancer: Option<&'a str>,
    /// Zone to healthy and unhealthy targets, for every zone with a registered one.
    pub(crate) hosts: BTreeMap<&'a str, (i64, i64)>,
    pub(crate) hits: Vec<Hit<'a>>,
    /// Requests per second that met no target at all: the load balancer answers 503.
    pub(crate) lost: f64,
}

/// A span in which nothing changed.
pub(crate) struct Scene<'a> {
    pub(crate) from: i64,
    pub(crate) to: i64,
    /// By target group ARN.
    pub(crate) traffic: BTreeMap<&'a str, Traffic<'a>>,
    /// Percent of CPU asked of an instance, not clipped, and requests per second.
    pub(crate) busy: BTreeMap<&'a str, (f64, f64)>,
}

/// Seconds of a scene that fall into a span.
pub(crate) fn overlap(scene: &Scene<'_>, from: i64, to: i64) -> f64 {
    (scene.to.min(to) - scene.from.max(from)).max(0) as f64 / 1000.0
}

/// Scenes that touch a span.
pub(crate) fn during<'s, 'a>(scenes: &'s [Scene<'a>], from: i64, to: i64) -> &'s [Scene<'a>] {
    let first = scenes.partition_point(|s| s.to <= from);
    let last = scenes.partition_point(|s| s.from < to);
    scenes.get(first..last).unwrap_or_default()
}

impl World {
    /// What happened at these target groups, and to one group's instances without any, over a span.
    pub(crate) fn scenes<'a>(&'a self, arns: &'a BTreeSet<String>, alone: Option<&'a Track>, from: i64, to: i64) -> Vec<Scene<'a>> {
        let own = |t: &Track| alone.is_some_and(|track| std::ptr::eq(track, t));
        let lives: Vec<(&str, &Life)> = self
            .tracks
            .groups
            .values()
            .flat_map(|t| t.lives.iter().map(move |(id, l)| (own(t), id, l)))
            .filter(|(own, _, l)| l.meets(from, to) && (*own || l.seats.keys().any(|arn| arns.contains(arn))))
            .map(|(_, id, l)| (id.as_str(), l))
            .collect();
        let attached = |t: &&Track| own(t) || t.shape.values().flatten().any(|s| s.target_groups.iter().any(|arn| arns.contains(arn)));
        let feeds: Vec<&Track> = self.tracks.groups.values().filter(|t| t.load.changes().next().is_some()).filter(attached).collect();
        let mut cuts: Vec<i64> = lives.iter().flat_map(|(_, l)| l.changes()).collect();
        cuts.extend(feeds.iter().flat_map(|t| t.load.changes().chain(t.shape.changes())));
        cuts.extend(arns.iter().filter_map(|arn| self.tracks.doors.get(arn)).flat_map(|d| d.changes()));
        cuts.retain(|t| *t > from && *t < to);
        cuts.extend([from, to]);
        cuts.sort_unstable();
        cuts.dedup();
        cuts.windows(2)
            .map(|cut| {
                let (at, end) = (cut[0], cut[1]);
                let mut scene = Scene { from: at, to: end, traffic: BTreeMap::new(), busy: BTreeMap::new() };
                for arn in arns {
                    let traffic = self.traffic(arn, &lives, &feeds, at, &mut scene.busy);
                    scene.traffic.insert(arn.as_str(), traffic);
                }
                if let Some(track) = alone {
                    direct(track, at, &mut scene.busy);
                }
                scene
            })
            .collect()
    }

    fn traffic<'a>(
        &'a self,
        arn: &str,
        lives: &[(&'a str, &'a Life)],
        feeds: &[&Track],
        at: i64,
        busy: &mut BTreeMap<&'a str, (f64, f64)>,
    ) -> Traffic<'a> {
        let offer = offered(arn, feeds, at);
        let seated: Vec<(&str, &Life, Health)> =
            lives.iter().filter(|(_, l)| l.alive(at)).filter_map(|(id, l)| Some((*id, *l, (*l.seats.get(arn)?.at(at)?)?))).collect();
        let mut out = Traffic { balancer: self.tracks.doors.get(arn).and_then(|d| d.at(at)).and_then(|d| d.as_deref()), ..Traffic::default() };
        for (_, life, health) in &seated {
            let zone = out.hosts.entry(life.zone.as_str()).or_default();
            zone.0 += i64::from(*health == Health::Healthy);
            zone.1 += i64::from(*health == Health::Unhealthy);
        }
        let open = !seated.iter().any(|(_, _, h)| *h == Health::Healthy);
        let rotation: Vec<_> = seated.iter().filter(|(_, _, h)| *h == Health::Healthy || (open && *h != Health::Draining)).collect();
        if rotation.is_empty() {
            out.lost = offer.requests;
        }
        let share = 1.0 / rotation.len().max(1) as f64;
        for (id, life, _) in rotation {
            let refused = life.refuses(at);
            let rate = offer.requests * share;
            let failing = 1.0 - (1.0 - offer.errors) * (1.0 - life.failing(at));
            out.hits.push(Hit { id, zone: &life.zone, rate, failing, refused, silent: life.silent(), latency: offer.latency });
            if !refused && !life.silent() {
                let row = busy.entry(id).or_default();
                row.0 += offer.work * share;
                row.1 += rate;
            }
        }
        out
    }
}

/// What the groups in front of a target group offer it; a group with several deals its load out evenly.
fn offered(arn: &str, feeds: &[&Track], at: i64) -> Offer {
    let mut sum = Offer { work: 0.0, requests: 0.0, errors: 0.0, latency: 0.0 };
    for track in feeds {
        let Some(shape) = track.shape.at(at).and_then(Option::as_ref).filter(|s| s.target_groups.iter().any(|a| a == arn)) else {
            continue;
        };
        let Some(load) = track.load.at(at) else { continue };
        let share = 1.0 / shape.target_groups.len() as f64;
        sum.work += load.work * share;
        sum.requests += load.requests * share;
        sum.errors += load.requests * share * load.errors;
        sum.latency += load.requests * share * load.latency;
    }
    if sum.requests > 0.0 {
        sum.errors /= sum.requests;
        sum.latency /= sum.requests;
    }
    sum
}

/// The load of a group without target groups goes to what is in service.
fn direct<'a>(track: &'a Track, at: i64, busy: &mut BTreeMap<&'a str, (f64, f64)>) {
    let bare = track.shape.at(at).and_then(Option::as_ref).is_some_and(|s| s.target_groups.is_empty());
    let Some(load) = track.load.at(at).filter(|_| bare) else {
        return;
    };
    let serving: Vec<&str> =
        track.lives.iter().filter(|(_, l)| l.alive(at) && l.in_service.at(at) == Some(&true)).map(|(id, _)| id.as_str()).collect();
    let share = 1.0 / serving.len().max(1) as f64;
    for id in serving {
        let row = busy.entry(id).or_default();
        row.0 += load.work * share;
        row.1 += load.requests * share;
    }
}
