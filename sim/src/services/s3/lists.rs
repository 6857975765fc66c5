//! ListBuckets and ListObjectsV2 (aws-reference 11).
//!
//! **Invariant:** keys in the order of their bytes; a page goes on behind the last key or common prefix of the one before.

use base64::{Engine, engine::general_purpose::STANDARD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::{S3Result, dto, s3_error};

use super::front::State;

fn token(name: &str) -> String {
    STANDARD.encode(format!("after/{name}"))
}

/// The name a token goes on behind.
fn after(token: Option<&String>) -> S3Result<Option<String>> {
    let Some(token) = token else {
        return Ok(None);
    };
    let text = STANDARD.decode(token).ok().and_then(|b| String::from_utf8(b).ok());
    let name = text.as_deref().and_then(|t| t.strip_prefix("after/")).map(str::to_owned);
    name.map(Some).ok_or_else(|| s3_error!(InvalidArgument, "The continuation token provided is incorrect"))
}

pub(super) fn buckets(state: &State, input: dto::ListBucketsInput) -> S3Result<dto::ListBucketsOutput> {
    // The Region of a bucket is told where the call asks for anything in particular.
    let asked = input.bucket_region.is_some() || input.continuation_token.is_some() || input.max_buckets.is_some() || input.prefix.is_some();
    let most = match input.max_buckets {
        None => 10_000,
        Some(n) if (1..=10_000).contains(&n) => n as usize,
        Some(_) => return Err(s3_error!(InvalidArgument, "Argument max-buckets must be an integer between 1 and 10000")),
    };
    let after = after(input.continuation_token.as_ref())?;
    let prefix = input.prefix.clone().unwrap_or_default();
    let wanted = |region: &String| input.bucket_region.as_ref().is_none_or(|r| r == region);
    let rows = state.buckets.iter().filter(|(name, b)| name.starts_with(&prefix) && wanted(&b.region));
    let mut rows: Vec<_> = rows.filter(|(name, _)| after.as_ref().is_none_or(|a| *name > a)).collect();
    let more = rows.len() > most;
    rows.truncate(most);
    let next = rows.last().filter(|_| more).map(|(name, _)| token(name));
    let row = |(name, b): (&String, &crate::world::bucket::Bucket)| dto::Bucket {
        bucket_region: asked.then(|| b.region.clone()),
        creation_date: Some(State::stamp(b.created)),
        name: Some(name.clone()),
    };
    Ok(dto::ListBucketsOutput {
        buckets: Some(rows.into_iter().map(row).collect()),
        continuation_token: next,
        owner: Some(state.owner()),
        prefix: input.prefix,
    })
}

pub(super) fn objects(state: &mut State, input: dto::ListObjectsV2Input) -> S3Result<dto::ListObjectsV2Output> {
    let most = match input.max_keys {
        None => 1000,
        Some(n) if n >= 0 => n.min(1000) as usize,
        Some(_) => return Err(s3_error!(InvalidArgument, "Argument maxKeys must be an integer between 0 and 2147483647")),
    };
    let url = match input.encoding_type.as_ref().map(dto::EncodingType::as_str) {
        None => false,
        Some(dto::EncodingType::URL) => true,
        Some(_) => return Err(s3_error!(InvalidArgument, "Invalid Encoding Method specified in Request")),
    };
    const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'*').remove(b'/');
    let write = |text: &str| if url { utf8_percent_encode(text, KEPT).to_string() } else { text.to_owned() };
    let from = after(input.continuation_token.as_ref())?.or_else(|| input.start_after.clone());
    let prefix = input.prefix.clone().unwrap_or_default();
    let delimiter = input.delimiter.clone().filter(|d| !d.is_empty());
    let owner = input.fetch_owner.unwrap_or(false).then(|| state.owner());
    let bucket = state.bucket(&input.bucket)?;
    let (mut contents, mut commons): (Vec<dto::Object>, Vec<String>) = (Vec::new(), Vec::new());
    let (mut last, mut more) = (None, false);
    for (key, object) in bucket.objects.iter().filter(|(key, _)| key.starts_with(&prefix)) {
        let rest = &key[prefix.len()..];
        let common = delimiter.as_deref().and_then(|d| rest.find(d).map(|at| format!("{prefix}{}", &rest[..at + d.len()])));
        let name = common.clone().unwrap_or_else(|| key.clone());
        if from.as_ref().is_some_and(|from| name <= *from) || common.is_some() && commons.last() == common.as_ref() {
            continue;
        }
        if contents.len() + commons.len() == most {
            more = most > 0;
            break;
        }
        match common {
            Some(common) => commons.push(common),
            None => contents.push(dto::Object {
                checksum_algorithm: Some(vec![dto::ChecksumAlgorithm::from(object.checksum.0.to_uppercase())]),
                checksum_type: Some(dto::ChecksumType::from_static(dto::ChecksumType::FULL_OBJECT)),
                e_tag: Some(dto::ETag::Strong(object.etag.clone())),
                key: Some(write(key)),
                last_modified: Some(State::stamp(object.modified)),
                owner: owner.clone(),
                restore_status: None,
                size: Some(object.body.len() as i64),
                storage_class: Some(dto::ObjectStorageClass::from_static(dto::ObjectStorageClass::STANDARD)),
            }),
        }
        last = Some(name);
    }
    Ok(dto::ListObjectsV2Output {
        name: Some(input.bucket),
        prefix: Some(write(&prefix)),
        max_keys: Some(most as i32),
        key_count: Some((contents.len() + commons.len()) as i32),
        is_truncated: Some(more),
        next_continuation_token: last.filter(|_| more).as_deref().map(token),
        continuation_token: input.continuation_token,
        contents: Some(contents),
        common_prefixes: Some(commons.iter().map(|p| dto::CommonPrefix { prefix: Some(write(p)) }).collect()),
        delimiter: input.delimiter.as_deref().map(write),
        encoding_type: input.encoding_type,
        start_after: input.start_after.as_deref().map(write),
        request_charged: None,
    })
}
