//! How an image gets onto an instance: reading it out of a template version, and writing another one in.
//!
//! **Invariant:** only what is certain is read or written. A reference that a reader of the script could not resolve with
//! certainty is refused with the way out, never guessed; a mutable pointer is refused, because a scale-out in
//! mid-deploy would get the new image and AWS's rollback would restore nothing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::canonical;
use super::observation::TemplateVersion;
use super::release::is_digest;

/// Where a template version names the image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum ImageSource {
    /// Literally, in plain-text user data.
    UserData,
    /// In an instance tag with this key, which the boot script reads through the metadata service.
    InstanceTag(String),
}

impl From<ImageSource> for String {
    fn from(source: ImageSource) -> Self {
        match source {
            ImageSource::UserData => "user_data".into(),
            ImageSource::InstanceTag(key) => format!("instance_tag:{key}"),
        }
    }
}

impl TryFrom<String> for ImageSource {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "user_data" => Ok(Self::UserData),
            None if text == "instance_tag" => Ok(Self::InstanceTag("fleetgate-image".into())),
            Some(("instance_tag", key)) if metadata_key(key) => Ok(Self::InstanceTag(key.into())),
            Some(("instance_tag", key)) => {
                Err(format!("the tag key `{key}` can not be read through instance metadata: use letters, digits and + - = . , _ : @ only"))
            }
            _ => Err("must be `user_data`, or `instance_tag:` and a tag key".into()),
        }
    }
}

/// May this tag key be exposed in instance metadata? A `/`, a space, or a name of dots or `_index` makes the launch fail.
pub fn metadata_key(key: &str) -> bool {
    !key.is_empty()
        && key.len() <= 128
        && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-=.,_:@".contains(&b))
        && !matches!(key, "." | ".." | "_index")
}

/// What a template version launches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Launched {
    /// This digest, and no other, ever.
    Digest {
        /// `sha256:…`.
        digest: String,
    },
    /// Whatever the tag points to at boot.
    MovingTag {
        /// The tag.
        tag: String,
    },
    /// It can not be told; the sentence says why and what to do.
    Unclear {
        /// Why, and the way out.
        why: String,
    },
}

/// A reference to the repository in a script: byte range of the part after the repository's name, and what it says.
struct Reference {
    suffix: std::ops::Range<usize>,
    names: Launched,
}

/// What the version launches, read from where `source` says.
pub fn launched(version: &TemplateVersion, source: &ImageSource, registry: &str, repository: &str) -> Launched {
    match source {
        ImageSource::InstanceTag(key) => match version.instance_tags.get(key) {
            Some(value) if is_digest(value) => Launched::Digest { digest: value.clone() },
            Some(_) => Launched::Unclear { why: format!("The instance tag `{key}` holds no digest. Pin the environment.") },
            None => Launched::Unclear {
                why: format!("Version {} sets no instance tag `{key}`. Add the tag, and let the boot script read it.", version.number),
            },
        },
        ImageSource::UserData => {
            let Some(script) = version.user_data.as_deref() else {
                return Launched::Unclear {
                    why: format!(
                        "Version {} has no plain-text user data. Write the image into the user data, or use image_source `instance_tag:KEY`.",
                        version.number
                    ),
                };
            };
            match references(script, registry, repository) {
                Err(why) => Launched::Unclear { why },
                Ok(found) => {
                    let mut seen = found.into_iter().map(|r| r.names);
                    let first = seen.next().unwrap_or_else(|| Launched::Unclear { why: String::new() });
                    match seen.find(|other| *other != first) {
                        None => first,
                        Some(_) => Launched::Unclear {
                            why: "The user data names the repository with different tags or digests. Make them one, or set them once in an `IMAGE=` line.".into(),
                        },
                    }
                }
            }
        }
    }
}

/// The parts of a new version that carry `digest`, everything else being inherited from `base`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imprint {
    /// New user data, when the image stands there.
    pub user_data: Option<String>,
    /// New instance tags, when the image stands there.
    pub instance_tags: Option<BTreeMap<String, String>>,
}

/// AWS's limit for user data before base64 (aws-reference 7.2).
const USER_DATA_BYTES: usize = 16_384;

/// Writes `digest` into what `base` says.
///
/// # Errors
/// A sentence with the way out, where the image's place is not certain.
pub fn imprint(base: &TemplateVersion, source: &ImageSource, registry: &str, repository: &str, digest: &str) -> Result<Imprint, String> {
    match source {
        ImageSource::InstanceTag(key) => {
            if let Some(bad) = base.instance_tags.keys().find(|k| !metadata_key(k)) {
                return Err(format!(
                    "The template's instance tag `{bad}` can not be exposed in instance metadata: every launch would fail. Rename or remove it in the template first."
                ));
            }
            if base.rest.get("metadata_options.instance_metadata_tags").map(String::as_str) != Some("enabled") {
                return Err(
                    "The template does not expose instance tags to the boot script. Set InstanceMetadataTags to `enabled` in its metadata options."
                        .into(),
                );
            }
            let mut tags = base.instance_tags.clone();
            tags.insert(key.clone(), digest.to_owned());
            Ok(Imprint { user_data: None, instance_tags: Some(tags) })
        }
        ImageSource::UserData => {
            let script = base.user_data.as_deref().ok_or_else(|| {
                format!(
                    "Version {} has no plain-text user data. Write the image into the user data, or use image_source `instance_tag:KEY`.",
                    base.number
                )
            })?;
            let mut out = String::with_capacity(script.len() + 80);
            let mut at = 0;
            for found in references(script, registry, repository)? {
                out.push_str(&script[at..found.suffix.start]);
                out.push('@');
                out.push_str(digest);
                at = found.suffix.end;
            }
            out.push_str(&script[at..]);
            if out.len() > USER_DATA_BYTES {
                return Err(format!("With the digest the user data would be {} bytes; AWS takes {USER_DATA_BYTES}. Shorten the script.", out.len()));
            }
            Ok(Imprint { user_data: Some(out), instance_tags: None })
        }
    }
}

/// Hash of a template version's content with the image masked: two versions that differ in the image alone have one hash.
pub fn masked_hash(version: &TemplateVersion, source: &ImageSource, registry: &str, repository: &str) -> String {
    let mut tags = version.instance_tags.clone();
    let mut user_data = version.user_data.clone();
    match source {
        ImageSource::InstanceTag(key) => {
            tags.remove(key);
        }
        ImageSource::UserData => {
            let blank = format!("sha256:{}", "0".repeat(64));
            if let Ok(masked) = imprint(version, source, registry, repository, &blank) {
                user_data = masked.user_data;
            }
        }
    }
    canonical::hash(&serde_json::json!({"user_data": user_data, "instance_tags": tags, "rest": version.rest, "ami": version.ami}))
}

const WAY_OUT: &str =
    "Write the image as REGISTRY/REPOSITORY:TAG or REGISTRY/REPOSITORY@sha256:… in the user data, or use image_source `instance_tag:KEY`.";

/// Every reference to `repository` in a script. Never an empty list.
fn references(script: &str, registry: &str, repository: &str) -> Result<Vec<Reference>, String> {
    if script.contains('\0') || !script.is_ascii() && script.chars().any(|c| c.is_control() && !c.is_whitespace()) {
        return Err(format!("The user data is not plain text. {WAY_OUT}"));
    }
    let needle = format!("/{repository}");
    let mut found = Vec::new();
    for (start, _) in script.match_indices(&needle) {
        let end = start + needle.len();
        let host_start = script[..start].rfind(|c: char| !(c.is_ascii_alphanumeric() || "._-${}:".contains(c))).map_or(0, |i| i + 1);
        let host = &script[host_start..start];
        let rest = &script[end..];
        // `/stateless-app-data` or `/stateless-app/log` is another name.
        if host.is_empty() || rest.starts_with(|c: char| c.is_ascii_alphanumeric() || "._-/".contains(c)) {
            continue;
        }
        let is_registry = resolve_host(script, host).is_some_and(|h| h == registry);
        if !is_registry {
            if host.contains('$') || host.contains(".dkr.ecr.") {
                return Err(format!("The user data names `{host}/{repository}`, which is not certain to be {registry}/{repository}. {WAY_OUT}"));
            }
            continue;
        }
        let (names, length) = suffix(rest)?;
        found.push(Reference { suffix: end..end + length, names });
    }
    if found.is_empty() {
        return Err(format!("The user data names no image of {registry}/{repository}. {WAY_OUT}"));
    }
    Ok(found)
}

/// The tag or digest right after the repository's name, with its length in bytes.
fn suffix(rest: &str) -> Result<(Launched, usize), String> {
    if let Some(after) = rest.strip_prefix('@') {
        let length = after.find(|c: char| !(c.is_ascii_alphanumeric() || c == ':')).unwrap_or(after.len());
        let digest = &after[..length];
        if !is_digest(digest) {
            return Err(format!("The user data pins the image by `@{digest}`, which is no digest. {WAY_OUT}"));
        }
        return Ok((Launched::Digest { digest: digest.into() }, length + 1));
    }
    if let Some(after) = rest.strip_prefix(':') {
        let length = after.find(|c: char| !(c.is_ascii_alphanumeric() || "._-".contains(c))).unwrap_or(after.len());
        let tag = &after[..length];
        if tag.is_empty() || after[length..].starts_with(['$', '{', '@']) {
            return Err(format!("The user data takes the image's tag from somewhere else, so it could change under a running deploy. {WAY_OUT}"));
        }
        return Ok((Launched::MovingTag { tag: tag.into() }, length + 1));
    }
    if rest.starts_with('$') {
        return Err(format!("The user data takes the image's tag from somewhere else, so it could change under a running deploy. {WAY_OUT}"));
    }
    Ok((Launched::MovingTag { tag: "latest".into() }, 0))
}

/// A literal host, or the value of `$NAME` / `${NAME}` where the script assigns it exactly once and literally.
fn resolve_host(script: &str, host: &str) -> Option<String> {
    let name = match host.strip_prefix('$') {
        None => return (!host.contains(['$', '{', '}'])).then(|| host.to_owned()),
        Some(n) => n.strip_prefix('{').and_then(|n| n.strip_suffix('}')).unwrap_or(n),
    };
    let values = assignments(script, name);
    match values.as_slice() {
        [one] => {
            // One level more: REGISTRY="$ACCOUNT.dkr.ecr…" stays unresolved on purpose.
            (!one.contains(['$', '`'])).then(|| one.clone())
        }
        _ => None,
    }
}

/// All literal values that the script assigns to `name`.
fn assignments(script: &str, name: &str) -> Vec<String> {
    let needle = format!("{name}=");
    script
        .match_indices(&needle)
        .filter(|(at, _)| script[..*at].chars().next_back().is_none_or(|c| c.is_whitespace() || c == ';'))
        .map(|(at, _)| {
            let value = &script[at + needle.len()..];
            match value.chars().next() {
                Some(quote @ ('"' | '\'')) => value[1..].split(quote).next().unwrap_or("").to_owned(),
                _ => value.split(|c: char| c.is_whitespace() || c == ';').next().unwrap_or("").to_owned(),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const REGISTRY: &str = "123456789012.dkr.ecr.ap-south-1.amazonaws.com";

    fn version(script: &str) -> TemplateVersion {
        TemplateVersion {
            template_id: "lt-1".into(),
            number: 1,
            description: String::new(),
            user_data: Some(script.into()),
            instance_tags: BTreeMap::new(),
            rest: BTreeMap::new(),
            ami: None,
        }
    }
    fn digest(c: char) -> String {
        format!("sha256:{}", c.to_string().repeat(64))
    }
    fn read(script: &str) -> Launched {
        launched(&version(script), &ImageSource::UserData, REGISTRY, "app")
    }

    #[test]
    fn the_image_line_of_the_target_stack_is_read_and_rewritten() {
        let script = format!(
            "#!/bin/bash\nREGION=ap-south-1; REGISTRY={REGISTRY}\nIMAGE=\"$REGISTRY/app@{}\"   # label\ndocker pull \"$IMAGE\"\ndocker run -d --name app \"$IMAGE\"\n",
            digest('a')
        );
        assert_eq!(read(&script), Launched::Digest { digest: digest('a') });
        let made = imprint(&version(&script), &ImageSource::UserData, REGISTRY, "app", &digest('b')).unwrap().user_data.unwrap();
        assert_eq!(made, script.replace(&digest('a'), &digest('b')));
        assert_eq!(
            masked_hash(&version(&script), &ImageSource::UserData, REGISTRY, "app"),
            masked_hash(&version(&made), &ImageSource::UserData, REGISTRY, "app")
        );
    }

    #[test]
    fn every_literal_reference_is_rewritten_and_other_names_are_left_alone() {
        let script =
            format!("docker pull {REGISTRY}/app:latest && docker run -v /app:/app {REGISTRY}/app:latest\n# {REGISTRY}/app-data:1 {REGISTRY}/app/x\n");
        assert_eq!(read(&script), Launched::MovingTag { tag: "latest".into() });
        let made = imprint(&version(&script), &ImageSource::UserData, REGISTRY, "app", &digest('b')).unwrap().user_data.unwrap();
        assert_eq!(made, script.replace("/app:latest", &format!("/app@{}", digest('b'))));
    }

    #[test]
    fn what_is_not_certain_is_refused_with_the_way_out() {
        for script in [
            "docker run nginx:1".to_owned(),
            format!("IMAGE={REGISTRY}/app:$(aws ssm get-parameter --name tag)"),
            format!("IMAGE={REGISTRY}/app:${{TAG}}"),
            "IMAGE=$HOST/app:1".to_owned(),
            format!("REGISTRY={REGISTRY}\nREGISTRY=evil.example\nIMAGE=$REGISTRY/app:1"),
            "IMAGE=999999999999.dkr.ecr.ap-south-1.amazonaws.com/app:1".to_owned(),
            format!("IMAGE={REGISTRY}/app@sha256:short"),
        ] {
            let Launched::Unclear { why } = read(&script) else { panic!("read with certainty: {script}") };
            assert!(why.contains("instance_tag"), "no way out in: {why}");
            assert!(imprint(&version(&script), &ImageSource::UserData, REGISTRY, "app", &digest('b')).is_err());
        }
    }

    #[test]
    fn the_instance_tag_source_checks_every_key() {
        let source = ImageSource::try_from("instance_tag:release".to_owned()).unwrap();
        let mut base = version("boot");
        base.rest.insert("metadata_options.instance_metadata_tags".into(), "enabled".into());
        base.instance_tags.insert("Name".into(), "app".into());
        let made = imprint(&base, &source, REGISTRY, "app", &digest('c')).unwrap();
        assert_eq!(made.instance_tags.unwrap()["release"], digest('c'));
        base.instance_tags.insert("team/owner".into(), "x".into());
        assert!(imprint(&base, &source, REGISTRY, "app", &digest('c')).unwrap_err().contains("team/owner"));
        assert!(ImageSource::try_from("instance_tag:a b".to_owned()).is_err());
    }
}
