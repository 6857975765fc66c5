//! Launch templates, mixed instances policies and launch configurations in requests and answers.
//!
//! **Invariant:** a reference names a template that exists; its version is kept as it was named.

use crate::{
    wire::{ApiError, node::Node, xml::Fields},
    world::{
        World,
        group::{LaunchSpec, TemplateRef},
    },
};

/// Refuses a tree that [`generic`] could not write: members are words, and numbers stand in lists alone.
pub(super) fn writable(node: &Node) -> Result<(), ApiError> {
    for (name, kid) in &node.kids {
        let word = name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(|c| c.is_ascii_alphanumeric());
        if !word {
            return Err(ApiError::validation(format!("{name} is not a valid parameter name.")));
        }
        match kid.kids.get("member") {
            Some(list) => list.numbered().into_iter().try_for_each(writable)?,
            None => writable(kid)?,
        }
    }
    Ok(())
}

/// Reads a LaunchTemplateSpecification; the version defaults to `$Default` (aws-reference 3).
pub(super) fn template(w: &World, p: &Node) -> Result<TemplateRef, ApiError> {
    let (id, name) = (p.text("LaunchTemplateId"), p.text("LaunchTemplateName"));
    let template = match (id, name) {
        (Some(_), Some(_)) | (None, None) => {
            return Err(ApiError::validation("Valid requests must contain either launchTemplateId or launchTemplateName, but not both."));
        }
        (Some(id), None) => w.templates.get(id),
        (None, Some(name)) => w.template_named(name),
    };
    let Some(template) = template else {
        return Err(ApiError::validation("You must use a valid fully-formed launch template. The specified launch template does not exist."));
    };
    let version = p.text("Version").unwrap_or("$Default");
    if template.resolve(version).is_none() {
        return Err(ApiError::validation(format!(
            "You must use a valid fully-formed launch template. Could not find the specified version {version} for the launch template with ID {}.",
            template.id
        )));
    }
    Ok(TemplateRef { id: template.id.clone(), name: template.name.clone(), version: version.to_owned() })
}

/// Reads whichever of LaunchTemplate, MixedInstancesPolicy and LaunchConfigurationName is there. Launch configurations
/// are those that groups of the seed name: there is no operation that makes one.
pub(super) fn read(w: &World, p: &Node) -> Result<Option<LaunchSpec>, ApiError> {
    if let Some(name) = p.text("LaunchConfigurationName") {
        if p.at("LaunchTemplate").is_some() || p.at("MixedInstancesPolicy").is_some() {
            return Err(ApiError::validation(
                "Valid requests must contain either LaunchTemplate, LaunchConfigurationName, InstanceId or MixedInstancesPolicy parameter.",
            ));
        }
        if !w.groups.values().any(|g| g.spec.configuration() == Some(name)) {
            return Err(ApiError::validation(format!("Launch configuration name not found - Launch configuration {name} not found")));
        }
        return Ok(Some(LaunchSpec::Configuration(name.to_owned())));
    }
    match (p.at("LaunchTemplate"), p.at("MixedInstancesPolicy")) {
        (Some(_), Some(_)) => Err(ApiError::validation("Valid requests must contain either LaunchTemplate or MixedInstancesPolicy, but not both.")),
        (Some(t), None) => Ok(Some(LaunchSpec::Template(template(w, t)?))),
        (None, Some(m)) => {
            writable(m)?;
            let launch = m.at("LaunchTemplate").cloned().unwrap_or_default();
            let spec = launch.at("LaunchTemplateSpecification").cloned().unwrap_or_default();
            Ok(Some(LaunchSpec::Mixed {
                template: template(w, &spec)?,
                overrides: launch.list("Overrides").into_iter().cloned().collect(),
                distribution: m.at("InstancesDistribution").cloned(),
            }))
        }
        (None, None) => Ok(None),
    }
}

/// A LaunchTemplateSpecification.
pub(super) fn reference(t: &TemplateRef) -> Fields {
    Fields::new().set("LaunchTemplateId", &t.id).set("LaunchTemplateName", &t.name).set("Version", &t.version)
}

/// Adds the member that says what a group launches from.
pub(super) fn write(out: Fields, spec: &LaunchSpec) -> Fields {
    match spec {
        LaunchSpec::Template(t) => out.set("LaunchTemplate", reference(t)),
        LaunchSpec::Configuration(name) => out.set("LaunchConfigurationName", name),
        LaunchSpec::Mixed { template, overrides, distribution } => {
            let launch = Fields::new().set("LaunchTemplateSpecification", reference(template)).members("Overrides", overrides.iter().map(generic));
            let policy = Fields::new().set("LaunchTemplate", launch);
            let policy = match distribution {
                Some(d) => policy.set("InstancesDistribution", generic(d)),
                None => policy.set(
                    "InstancesDistribution",
                    Fields::new()
                        .set("OnDemandAllocationStrategy", "prioritized")
                        .set("OnDemandBaseCapacity", 0i64)
                        .set("OnDemandPercentageAboveBaseCapacity", 100i64)
                        .set("SpotAllocationStrategy", "lowest-price"),
                ),
            };
            out.set("MixedInstancesPolicy", policy)
        }
    }
}

/// A request tree as the answer that has the same names: structures, texts, `member` lists.
pub(super) fn generic(node: &Node) -> Fields {
    let mut out = Fields::new();
    for (name, kid) in &node.kids {
        out = match (&kid.value, kid.kids.get("member")) {
            (Some(text), _) => out.set(name.clone(), text),
            (None, Some(list)) => {
                let rows = list.numbered().into_iter().map(|row| match &row.value {
                    Some(text) => text.into(),
                    None => generic(row).into(),
                });
                out.set(name.clone(), crate::wire::xml::Xml::List(rows.collect(), "member"))
            }
            (None, None) => out.set(name.clone(), generic(kid)),
        };
    }
    out
}
