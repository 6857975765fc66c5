use proptest::prelude::*;

use super::*;
use crate::domain::strategy::{OnHold, OnStandby};

fn text() -> impl Strategy<Value = String> {
    "[a-z0-9:/-]{1,20}"
}

fn preferences() -> impl Strategy<Value = Preferences> {
    let figures = (0..=100, 100..=200, 0..900, 0..900, 0..900);
    let choices = (any::<bool>(), any::<bool>(), 0..3_usize, 0..3_usize);
    let lists = (prop::collection::vec(1..100, 0..3), prop::collection::vec(text(), 0..3));
    (figures, choices, lists).prop_map(
        |(
            (min_healthy, max_healthy, warmup_seconds, bake_seconds, checkpoint_delay_seconds),
            (skip_matching, auto_rollback, hold, standby),
            (checkpoints, alarms),
        )| Preferences {
            min_healthy,
            max_healthy,
            warmup_seconds,
            skip_matching,
            auto_rollback,
            protected: [OnHold::Refresh, OnHold::Ignore, OnHold::Wait][hold],
            standby: [OnStandby::Terminate, OnStandby::Ignore, OnStandby::Wait][standby],
            bake_seconds,
            checkpoints,
            checkpoint_delay_seconds,
            suspend: alarms.clone(),
            alarms,
        },
    )
}

prop_compose! {
    fn template()(id in text(), base in 1..99_i64, content in text(), image_source in text(), repository in text(), reuse in prop::option::of(1..99_i64)) -> BoundTemplate {
        BoundTemplate { id, base, content, image_source, repository, reuse }
    }
}

fn bounds() -> impl Strategy<Value = Bound> {
    use prop::option::of;
    let names = (text(), text(), text(), 0..Kind::ALL.len(), of(1..99_i64), of(text()));
    let parts = (of(template()), of(preferences()), 1..9_i64, 0..9, 9..20);
    let edits = (of(0..9), of(0..9), of(0..9), of(text()), any::<bool>(), of(settings()), of((text(), any::<bool>())));
    (names, parts, edits).prop_map(
        |(
            (app, env, group_arn, kind, release, digest),
            (template, preferences, policy_version, min, max),
            (set_min, set_desired, set_max, instance, shrink, settings, refresh),
        )| Bound {
            form: 1,
            app,
            env,
            group_arn,
            kind: Kind::ALL[kind],
            release,
            digest,
            template,
            preferences,
            policy_version,
            min,
            max,
            set_min,
            set_desired,
            set_max,
            instance,
            shrink,
            settings,
            refresh: refresh.map(|(id, back)| (id, if back { RefreshMode::RollBack } else { RefreshMode::Cancel })),
        },
    )
}

fn settings() -> impl Strategy<Value = Settings> {
    use prop::option::of;
    (of(1..99_i64), of(0..900), of(text()), prop::collection::vec(text(), 0..3), prop::collection::vec(text(), 0..3)).prop_map(
        |(template_version, grace_seconds, health_check, suspend, resume)| Settings {
            template_version,
            grace_seconds,
            health_check,
            suspend,
            resume,
        },
    )
}

/// One way to alter each field. The patterns are exhaustive: a field that is added without a line here does not compile.
fn alterations(b: &Bound) -> Vec<(&'static str, Bound)> {
    let Bound {
        form: _,
        app: _,
        env: _,
        group_arn: _,
        kind: _,
        release: _,
        digest: _,
        template,
        preferences,
        policy_version: _,
        min: _,
        max: _,
        set_min: _,
        set_desired: _,
        set_max: _,
        instance: _,
        shrink: _,
        settings,
        refresh,
    } = b;
    let mut out: Vec<(&'static str, Bound)> = Vec::new();
    let mut alter = |name: &'static str, edit: &dyn Fn(&mut Bound)| {
        let mut other = b.clone();
        edit(&mut other);
        out.push((name, other));
    };
    alter("form", &|b| b.form += 1);
    alter("app", &|b| b.app.push('x'));
    alter("env", &|b| b.env.push('x'));
    alter("group_arn", &|b| b.group_arn.push('x'));
    alter("kind", &|b| b.kind = Kind::ALL[(Kind::ALL.iter().position(|k| *k == b.kind).unwrap() + 1) % Kind::ALL.len()]);
    alter("release", &|b| b.release = b.release.map_or(Some(1), |r| Some(r + 1)));
    alter("release gone", &|b| b.release = if b.release.is_some() { None } else { Some(7) });
    alter("digest", &|b| b.digest = Some(b.digest.clone().unwrap_or_default() + "x"));
    alter("digest gone", &|b| b.digest = if b.digest.is_some() { None } else { Some(String::new()) });
    alter("policy_version", &|b| b.policy_version += 1);
    alter("min", &|b| b.min += 1);
    alter("max", &|b| b.max += 1);
    alter("set_min", &|b| b.set_min = b.set_min.map_or(Some(1), |r| Some(r + 1)));
    alter("set_desired", &|b| b.set_desired = b.set_desired.map_or(Some(1), |r| Some(r + 1)));
    alter("set_max", &|b| b.set_max = b.set_max.map_or(Some(1), |r| Some(r + 1)));
    alter("instance", &|b| b.instance = Some(b.instance.clone().unwrap_or_default() + "x"));
    alter("shrink", &|b| b.shrink = !b.shrink);
    // A value that moves from one field to another of the same type.
    if b.set_min != b.set_max {
        alter("set_min and set_max swapped", &|b| std::mem::swap(&mut b.set_min, &mut b.set_max));
    }
    if template.is_some() {
        alter("template gone", &|b| b.template = None);
        let BoundTemplate { id: _, base: _, content: _, image_source: _, repository: _, reuse: _ } = template.as_ref().unwrap();
        let mut part = |name: &'static str, edit: &dyn Fn(&mut BoundTemplate)| alter(name, &|b| edit(b.template.as_mut().unwrap()));
        part("template.id", &|t| t.id.push('x'));
        part("template.base", &|t| t.base += 1);
        part("template.content", &|t| t.content.push('x'));
        part("template.image_source", &|t| t.image_source.push('x'));
        part("template.repository", &|t| t.repository.push('x'));
        part("template.reuse", &|t| t.reuse = t.reuse.map_or(Some(1), |r| Some(r + 1)));
    }
    if preferences.is_some() {
        alter("preferences gone", &|b| b.preferences = None);
        let Preferences {
            min_healthy: _,
            max_healthy: _,
            warmup_seconds: _,
            skip_matching: _,
            auto_rollback: _,
            protected: _,
            standby: _,
            bake_seconds: _,
            checkpoints: _,
            checkpoint_delay_seconds: _,
            alarms: _,
            suspend: _,
        } = preferences.as_ref().unwrap();
        let mut part = |name: &'static str, edit: &dyn Fn(&mut Preferences)| alter(name, &|b| edit(b.preferences.as_mut().unwrap()));
        part("min_healthy", &|p| p.min_healthy += 1);
        part("max_healthy", &|p| p.max_healthy += 1);
        part("warmup_seconds", &|p| p.warmup_seconds += 1);
        part("skip_matching", &|p| p.skip_matching = !p.skip_matching);
        part("auto_rollback", &|p| p.auto_rollback = !p.auto_rollback);
        part("protected", &|p| p.protected = if p.protected == OnHold::Wait { OnHold::Ignore } else { OnHold::Wait });
        part("standby", &|p| p.standby = if p.standby == OnStandby::Wait { OnStandby::Ignore } else { OnStandby::Wait });
        part("bake_seconds", &|p| p.bake_seconds += 1);
        part("checkpoints", &|p| p.checkpoints.push(100));
        part("checkpoint_delay_seconds", &|p| p.checkpoint_delay_seconds += 1);
        part("alarms", &|p| p.alarms.push("x".into()));
        part("suspend", &|p| p.suspend.push("x".into()));
    }
    if settings.as_ref().is_some_and(|s| *s != Settings::default()) {
        alter("settings gone", &|b| b.settings = None);
    }
    if settings.is_some() {
        let Settings { template_version: _, grace_seconds: _, health_check: _, suspend: _, resume: _ } = settings.as_ref().unwrap();
        let mut part = |name: &'static str, edit: &dyn Fn(&mut Settings)| alter(name, &|b| edit(b.settings.as_mut().unwrap()));
        part("settings.template_version", &|s| s.template_version = s.template_version.map_or(Some(1), |v| Some(v + 1)));
        part("settings.grace_seconds", &|s| s.grace_seconds = s.grace_seconds.map_or(Some(1), |v| Some(v + 1)));
        part("settings.health_check", &|s| s.health_check = Some(s.health_check.clone().unwrap_or_default() + "x"));
        part("settings.suspend", &|s| s.suspend.push("x".into()));
        part("settings.resume", &|s| s.resume.push("x".into()));
    }
    alter("refresh", &|b| b.refresh = Some((b.refresh.as_ref().map_or_else(String::new, |r| r.0.clone()) + "x", RefreshMode::Cancel)));
    if let Some((_, mode)) = refresh {
        let other = if *mode == RefreshMode::Cancel { RefreshMode::RollBack } else { RefreshMode::Cancel };
        alter("refresh mode", &move |b| b.refresh.as_mut().unwrap().1 = other);
    }
    out
}

proptest! {
    /// Any two plans that differ in one field have different hashes, and the sentence that says what moved names the field.
    #[test]
    fn one_field_makes_another_hash(bound in bounds()) {
        let hash = canonical::hash(&bound);
        let mut hashes = std::collections::BTreeSet::from([hash.clone()]);
        for (name, other) in alterations(&bound) {
            let altered = canonical::hash(&other);
            prop_assert_ne!(&altered, &hash, "{} is not in the hash", name);
            prop_assert!(!moved(&bound, &other).is_empty(), "{} is not told", name);
            hashes.insert(altered);
        }
        // The stored form is read back to the same hash.
        let again: Bound = serde_json::from_str(&serde_json::to_string(&bound).unwrap()).unwrap();
        prop_assert_eq!(canonical::hash(&again), hash);
    }
}
