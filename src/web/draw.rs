//! Pictures, as numbers for the SVG templates. All pure: percent coordinates and classes, never a style.

use crate::domain::change::Capacity;
use crate::domain::evidence::Counts;
use crate::domain::fleet::{Instance, Standing, Version};

/// A piece of a train: `n` cars of one kind, from `x` on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cars {
    /// Pattern of `marks.html`.
    pub mark: &'static str,
    /// Left edge in cars.
    pub x: usize,
    /// Number.
    pub n: usize,
}

/// The mark of one instance: filling is version, colour is health.
pub fn mark(i: &Instance, unseen: bool) -> &'static str {
    match (unseen, i.standing, i.version) {
        (true, ..) => "c-off",
        (_, Standing::Leaving, _) => "c-leave",
        (_, Standing::Standby, _) => "c-off",
        (_, Standing::Failing, _) => "c-bad",
        (_, Standing::Starting, _) => "c-wait",
        (_, Standing::Healthy, Version::Wanted) => "c-new",
        (_, Standing::Healthy, Version::Old) => "c-old",
        (_, Standing::Healthy, Version::Other) => "c-other",
    }
}

/// Longest train that is drawn car by car.
pub const LONGEST_TRAIN: usize = 60;

/// The train of an environment, grouped by mark.
pub fn train(instances: &[Instance], unseen: bool) -> Vec<Cars> {
    let mut out = Vec::new();
    let mut x = 0;
    for kind in ["c-new", "c-wait", "c-leave", "c-old", "c-other", "c-bad", "c-off"] {
        let n = instances.iter().filter(|i| mark(i, unseen) == kind).count();
        if n > 0 {
            out.push(Cars { mark: kind, x, n });
            x += n;
        }
    }
    out
}

/// Classes of a tile of the fleet map.
pub fn tile(i: &Instance) -> (&'static str, &'static str, &'static str) {
    let filling = match i.version {
        Version::Wanted => "",
        Version::Old => "old",
        Version::Other => "other",
    };
    let (health, icon) = match i.standing {
        Standing::Healthy => ("", "tick"),
        Standing::Starting => ("wait", "dots"),
        Standing::Failing => ("bad", "cross"),
        Standing::Leaving => ("leave", "leave"),
        Standing::Standby => ("wait", "pause"),
    };
    (filling, health, icon)
}

/// An instance in words.
pub fn spoken(i: &Instance) -> String {
    let release = match (i.release, i.template_version) {
        (Some(r), _) => format!("v{r}"),
        (None, Some(t)) => format!("template version {t}"),
        (None, None) => "version unknown".into(),
    };
    let standing = match i.standing {
        Standing::Healthy => "healthy",
        Standing::Starting => "starting",
        Standing::Failing => "failing its check",
        Standing::Leaving => "leaving",
        Standing::Standby => "in standby",
    };
    format!("{release}, {standing}")
}

/// One stretch of the progress band, in percent of its width.
#[derive(Clone, Debug, PartialEq)]
pub struct Stretch {
    /// `new`, `warming`, `leaving`, `old` or `failed`.
    pub kind: &'static str,
    /// Instances.
    pub n: i32,
    /// Left edge.
    pub x: f64,
    /// Width.
    pub w: f64,
    /// Where the number stands.
    pub text: f64,
}

/// The progress band: one car for each counted instance.
#[derive(Clone, Debug, PartialEq)]
pub struct Band {
    /// Stretches that hold anything.
    pub stretches: Vec<Stretch>,
    /// Cars.
    pub cars: i32,
    /// Width of one car in percent.
    pub car: f64,
    /// In service of the wanted or the old version.
    pub serving: i32,
    /// That in percent.
    pub serving_x: f64,
    /// The fewest that must stay in service.
    pub floor: i32,
    /// That in percent.
    pub floor_x: f64,
}

/// Draws the band from counted instances, never from AWS's percentage, which falls back to 0 in a rollback.
pub fn band(c: &Counts, min_healthy: i32) -> Option<Band> {
    let parts = [("new", c.new_healthy), ("warming", c.warming), ("leaving", c.leaving), ("old", c.old), ("failed", c.failed)];
    let cars: i32 = parts.iter().map(|(_, n)| n).sum();
    if cars == 0 {
        return None;
    }
    let car = 100.0 / f64::from(cars);
    let mut at = 0;
    let mut stretches = Vec::new();
    for (kind, n) in parts {
        if n > 0 {
            let x = f64::from(at) * car;
            stretches.push(Stretch { kind, n, x, w: f64::from(n) * car, text: x + car / 2.0 });
            at += n;
        }
    }
    let serving = c.new_healthy + c.old;
    // AWS rounds the floor up (aws-reference 5.2).
    let floor = (c.total * min_healthy + 99) / 100;
    let percent = |n: i32| (f64::from(n) * car).min(100.0);
    Some(Band { stretches, cars, car, serving, serving_x: percent(serving), floor, floor_x: percent(floor) })
}

/// A point of the capacity ruler.
#[derive(Clone, Debug, PartialEq)]
pub struct Tick {
    /// Percent.
    pub x: f64,
    /// Its label, where it has one.
    pub label: Option<i32>,
}

/// The capacity ruler: now and proposed on one scale.
#[derive(Clone, Debug, PartialEq)]
pub struct Ruler {
    /// Right end.
    pub end: i32,
    /// Ticks.
    pub ticks: Vec<Tick>,
    /// min, desired, max now, in percent.
    pub now: [f64; 3],
    /// The same as asked for.
    pub then: [f64; 3],
    /// Below this the policy says no, in percent.
    pub floor: f64,
    /// Above this too.
    pub ceiling: f64,
}

/// Draws the ruler.
pub fn ruler(now: Capacity, then: Capacity, floor: i32, ceiling: i32) -> Ruler {
    let top = [now.max, then.max, then.desired, now.desired].into_iter().max().unwrap_or(1).clamp(1, 10_000);
    let end = if ceiling <= top * 2 { top.max(ceiling) } else { top };
    let step = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000].into_iter().find(|s| end / s <= 10).unwrap_or(5000);
    let end = (end + step).div_euclid(step) * step;
    let x = |n: i32| (f64::from(n.clamp(0, end)) * 100.0 / f64::from(end) * 100.0).round() / 100.0;
    let ticks = (0..=end / step).map(|i| Tick { x: x(i * step), label: Some(i * step) }).collect();
    let three = |c: Capacity| [x(c.min), x(c.desired), x(c.max)];
    Ruler { end, ticks, now: three(now), then: three(then), floor: x(floor), ceiling: x(ceiling) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_band_has_a_car_for_each_counted_instance() {
        let c = Counts { total: 20, new_healthy: 14, warming: 2, leaving: 1, old: 4, failed: 1 };
        let b = band(&c, 90).unwrap();
        assert_eq!((b.cars, b.serving, b.floor), (22, 18, 18));
        assert_eq!(b.stretches.iter().map(|s| s.n).sum::<i32>(), 22);
        assert!((b.stretches.iter().map(|s| s.w).sum::<f64>() - 100.0).abs() < 1e-9);
        assert!(band(&Counts::default(), 100).is_none());
    }

    #[test]
    fn the_ruler_holds_everything_that_is_drawn_on_it() {
        let now = Capacity { min: 2, desired: 4, max: 10 };
        for then in [now, Capacity { min: 0, desired: 9000, max: 3 }, Capacity { min: 5, desired: 1, max: 0 }] {
            let r = ruler(now, then, 2, 12);
            assert!(r.now.iter().chain(&r.then).chain([&r.floor, &r.ceiling]).all(|x| (0.0..=100.0).contains(x)), "{r:?}");
            assert!(r.ticks.len() <= 22 && r.ticks.len() >= 2, "{r:?}");
        }
    }
}
