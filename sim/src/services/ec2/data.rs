//! LaunchTemplateData between its request names and its answer names.
//!
//! **Invariant:** an unknown member is refused (InvalidParameterValue); a known one is never lost.

use super::schema::{DATA, Kind, Shape};
use crate::wire::{
    ApiError,
    node::Node,
    xml::{Fields, Xml},
};

/// Checks names and limits of template data as sent (aws-reference 7.1, 7.2).
pub(super) fn check(data: &Node) -> Result<(), ApiError> {
    check_shape(data, DATA, "LaunchTemplateData")?;
    if let Some(user_data) = data.text("UserData") {
        use base64::{Engine, engine::general_purpose::STANDARD};
        let clean: String = user_data.chars().filter(|c| !c.is_whitespace()).collect();
        let bytes = STANDARD.decode(clean).map_err(|_| ApiError::bad("InvalidUserData.Malformed", "Invalid BASE64 encoding of user data."))?;
        if bytes.len() > 16_384 {
            return Err(ApiError::bad("InvalidParameterValue", "User data is limited to 16384 bytes"));
        }
    }
    Ok(())
}

fn check_shape(node: &Node, shape: Shape, path: &str) -> Result<(), ApiError> {
    for (name, kid) in &node.kids {
        let full = format!("{path}.{name}");
        let Some((_, _, kind)) = shape.iter().find(|(request, _, _)| request == name) else {
            return Err(ApiError::bad("InvalidParameterValue", format!("The parameter {full} is not recognized")));
        };
        match kind {
            Kind::Struct(inner) => check_shape(kid, inner, &full)?,
            Kind::Structs(inner) => {
                for row in kid.numbered() {
                    check_shape(row, inner, &full)?;
                }
            }
            Kind::Text | Kind::Texts | Kind::TextsAs(_) => {}
        }
    }
    Ok(())
}

/// Template data in an answer.
pub(super) fn write(data: &Node) -> Fields {
    shape(data, DATA)
}

fn shape(node: &Node, names: Shape) -> Fields {
    let mut out = Fields::new();
    for (request, answer, kind) in names {
        let Some(kid) = node.kids.get(*request) else {
            continue;
        };
        out = match kind {
            Kind::Text => out.opt(*answer, kid.value.as_ref()),
            Kind::Struct(inner) => out.set(*answer, shape(kid, inner)),
            Kind::Structs(inner) => out.items(*answer, kid.numbered().into_iter().map(|row| shape(row, inner))),
            Kind::Texts => out.items(*answer, texts(kid)),
            Kind::TextsAs(item) => out.set(*answer, Xml::List(texts(kid).into_iter().map(Xml::Text).collect(), item)),
        };
    }
    out
}

fn texts(node: &Node) -> Vec<String> {
    node.numbered().into_iter().filter_map(|n| n.value.clone()).collect()
}
