//! Buckets and their objects (aws-reference 11).
//!
//! **Invariant:** small and bounded ([`room`]); a body is shared between copies of a world, never copied.

use std::collections::BTreeMap;

use hyper::body::Bytes;
use serde::{Deserialize, Serialize};

/// Largest body of one object. AWS takes 5 GiB; this is a stand-in for files nobody measures.
pub(crate) const OBJECT_MOST: usize = 1 << 20;
/// Bytes of all objects of a bucket together.
const BUCKET_MOST: usize = 8 << 20;
/// Bytes of all buckets together.
const STORE_MOST: usize = 32 << 20;
/// Buckets of the account.
pub(crate) const BUCKETS_MOST: usize = 1000;
const OBJECTS_MOST: usize = 1000;

/// A bucket.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Bucket {
    pub(crate) region: String,
    pub(crate) created: i64,
    /// BlockPublicAcls, IgnorePublicAcls, BlockPublicPolicy, RestrictPublicBuckets; nothing once it has been removed.
    pub(crate) block: Option<[bool; 4]>,
    pub(crate) objects: BTreeMap<String, Object>,
}

/// An object.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Object {
    #[serde(with = "text")]
    pub(crate) body: Bytes,
    /// MD5 of the body, hexadecimal.
    pub(crate) etag: String,
    pub(crate) modified: i64,
    /// What it was put with, by lower-case header name.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) metadata: BTreeMap<String, String>,
    /// Algorithm and value, as `x-amz-checksum-ALGORITHM` writes them.
    pub(crate) checksum: (String, String),
}

impl Bucket {
    /// As every bucket begins since April 2023: no public access of any kind.
    pub(crate) fn new(region: &str, created: i64) -> Self {
        Self { region: region.to_owned(), created, block: Some([true; 4]), objects: BTreeMap::new() }
    }
}

/// Whether a body of this size fits under this key of a bucket.
pub(crate) fn room(buckets: &BTreeMap<String, Bucket>, bucket: &str, key: &str, size: usize) -> bool {
    let bytes = |b: &Bucket| b.objects.values().map(|o| o.body.len()).sum::<usize>();
    let old = buckets.get(bucket).and_then(|b| b.objects.get(key)).map(|o| o.body.len());
    let here = (buckets.get(bucket).map_or(0, bytes) + size).saturating_sub(old.unwrap_or(0));
    let all = buckets.iter().filter(|(name, _)| *name != bucket).map(|(_, b)| bytes(b)).sum::<usize>() + here;
    let count = buckets.get(bucket).map_or(0, |b| b.objects.len()) + usize::from(old.is_none());
    size <= OBJECT_MOST && here <= BUCKET_MOST && all <= STORE_MOST && count <= OBJECTS_MOST
}

/// Bodies in an exported world.
mod text {
    use base64::{Engine, engine::general_purpose::STANDARD};
    use hyper::body::Bytes;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(body: &Bytes, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(&STANDARD.encode(body))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Bytes, D::Error> {
        let text = String::deserialize(input)?;
        STANDARD.decode(text).map(Bytes::from).map_err(D::Error::custom)
    }
}
