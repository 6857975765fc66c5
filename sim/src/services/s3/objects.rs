//! Objects (aws-reference 11).
//!
//! **Invariant:** what a client sends a checksum of is held against it; what it gets carries one. A key that is not there is
//! told only to those who may list the bucket.

use std::collections::BTreeMap;

use hyper::{HeaderMap, body::Bytes};
use s3s::{
    S3Error, S3Result,
    checksum::ChecksumHasher,
    crypto::{Checksum as _, Md5},
    dto::{self, ETagCondition},
    s3_error,
};

use super::front::{State, refuse};
use crate::world::bucket::{Object, room};

const ALGORITHMS: &[&str] = &["crc32", "crc32c", "crc64nvme", "sha1", "sha256"];

/// Headers that come back as they were put.
const KEPT: &[&str] = &["cache-control", "content-disposition", "content-encoding", "content-language", "content-type", "expires"];

/// Characters of an object's metadata and kept headers.
const DESCRIBED_MOST: usize = 2048;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn checksum(algorithm: &str, body: &[u8]) -> String {
    let mut hasher = ChecksumHasher::default();
    match algorithm {
        "crc32" => hasher.crc32 = Some(s3s::crypto::Crc32::new()),
        "crc32c" => hasher.crc32c = Some(s3s::crypto::Crc32c::new()),
        "sha1" => hasher.sha1 = Some(s3s::crypto::Sha1::new()),
        "sha256" => hasher.sha256 = Some(s3s::crypto::Sha256::new()),
        _ => hasher.crc64nvme = Some(s3s::crypto::Crc64Nvme::new()),
    }
    hasher.update(body);
    let sum = hasher.finalize();
    let all = [sum.checksum_crc32, sum.checksum_crc32c, sum.checksum_sha1, sum.checksum_sha256, sum.checksum_crc64nvme];
    all.into_iter().flatten().next().unwrap_or_default()
}

/// The checksum to store: the one that was sent, if it holds, or CRC64NVME, as S3 does for who sends none.
fn checked(headers: &HeaderMap, body: &[u8]) -> S3Result<(String, String)> {
    let header = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
    if let Some(sent) = header("content-md5") {
        use base64::{Engine, engine::general_purpose::STANDARD};
        if STANDARD.encode(Md5::checksum(body)) != sent {
            return Err(s3_error!(BadDigest, "The Content-MD5 you specified did not match what we received."));
        }
    }
    let sent = ALGORITHMS.iter().filter_map(|a| header(&format!("x-amz-checksum-{a}")).map(|value| (*a, value)));
    let sent: Vec<(&str, &str)> = sent.collect();
    match sent.as_slice() {
        [] => Ok(("crc64nvme".into(), checksum("crc64nvme", body))),
        [(algorithm, value)] if checksum(algorithm, body) == *value => Ok(((*algorithm).to_owned(), (*value).to_owned())),
        [(algorithm, _)] => {
            let text = format!("The {} you specified did not match the calculated checksum.", algorithm.to_uppercase());
            Err(S3Error::with_message(s3s::S3ErrorCode::BadDigest, text))
        }
        _ => Err(s3_error!(InvalidRequest, "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")),
    }
}

fn kept(headers: &HeaderMap) -> BTreeMap<String, String> {
    let value =
        |name: &&&str| headers.get(**name).and_then(|v| v.to_str().ok()).filter(|v| !v.is_empty()).map(|v| ((**name).to_owned(), v.to_owned()));
    KEPT.iter().filter_map(|name| value(&name)).collect()
}

fn matches(condition: &ETagCondition, etag: &str) -> bool {
    match condition {
        ETagCondition::Any => true,
        ETagCondition::ETag(tag) => tag.value() == etag,
    }
}

fn failed() -> S3Error {
    s3_error!(PreconditionFailed, "At least one of the pre-conditions you specified did not hold")
}

pub(super) fn put(state: &mut State, input: dto::PutObjectInput, headers: &HeaderMap, body: Bytes) -> S3Result<dto::PutObjectOutput> {
    let now = state.now;
    let bucket = state.bucket(&input.bucket)?;
    let have = bucket.objects.get(&input.key);
    if let Some(condition) = &input.if_match {
        let Some(have) = have else {
            return Err(s3_error!(NoSuchKey, "The specified key does not exist."));
        };
        if !matches(condition, &have.etag) {
            return Err(failed());
        }
    }
    if input.if_none_match.as_ref().is_some_and(|c| have.is_some_and(|have| matches(c, &have.etag))) {
        return Err(failed());
    }
    let checksum = checked(headers, &body)?;
    let etag = hex(&Md5::checksum(&body));
    let metadata = input.metadata.unwrap_or_default().into_iter().collect();
    let object = Object { body, etag: etag.clone(), modified: now, headers: kept(headers), metadata, checksum };
    let sum = Sum::of(&object);
    store(state, &input.bucket, input.key, object)?;
    Ok(dto::PutObjectOutput {
        checksum_crc32: sum.crc32,
        checksum_crc32c: sum.crc32c,
        checksum_crc64nvme: sum.crc64nvme,
        checksum_sha1: sum.sha1,
        checksum_sha256: sum.sha256,
        checksum_type: Some(dto::ChecksumType::from_static(dto::ChecksumType::FULL_OBJECT)),
        e_tag: Some(dto::ETag::Strong(etag)),
        server_side_encryption: Some(aes256()),
        ..Default::default()
    })
}

/// Puts an object where there is room for it.
fn store(state: &mut State, bucket: &str, key: String, object: Object) -> S3Result<()> {
    let described = object.metadata.iter().chain(&object.headers).map(|(k, v)| k.len() + v.len()).sum::<usize>();
    if described > DESCRIBED_MOST {
        return Err(s3_error!(MetadataTooLarge, "Your metadata headers exceed the maximum allowed metadata size"));
    }
    if !room(&state.buckets, bucket, &key, object.body.len()) {
        return Err(s3_error!(EntityTooLarge, "Your proposed upload exceeds the maximum allowed size"));
    }
    state.bucket(bucket)?.objects.insert(key, object);
    Ok(())
}

fn aes256() -> dto::ServerSideEncryption {
    dto::ServerSideEncryption::from_static(dto::ServerSideEncryption::AES256)
}

/// A checksum in the member of its algorithm.
#[derive(Default)]
struct Sum {
    crc32: Option<String>,
    crc32c: Option<String>,
    crc64nvme: Option<String>,
    sha1: Option<String>,
    sha256: Option<String>,
}

impl Sum {
    fn of(object: &Object) -> Self {
        let (algorithm, value) = object.checksum.clone();
        let mut sum = Self::default();
        let member = match algorithm.as_str() {
            "crc32" => &mut sum.crc32,
            "crc32c" => &mut sum.crc32c,
            "sha1" => &mut sum.sha1,
            "sha256" => &mut sum.sha256,
            _ => &mut sum.crc64nvme,
        };
        *member = Some(value);
        sum
    }
}

/// Who may not list the bucket is not told which keys it lacks.
fn missing(state: &State, bucket: &str) -> S3Error {
    match state.may("s3:ListBucket", &format!("arn:aws:s3:::{bucket}")) {
        Ok(()) => s3_error!(NoSuchKey, "The specified key does not exist."),
        Err(error) => refuse(error),
    }
}

/// What head and get have in common.
struct Look {
    object: Object,
    range: std::ops::Range<usize>,
    content_range: Option<String>,
}

fn look(state: &mut State, input: dto::HeadObjectInput) -> S3Result<Look> {
    let object = state.bucket(&input.bucket)?.objects.get(&input.key).cloned();
    let Some(object) = object else {
        return Err(missing(state, &input.bucket));
    };
    let seconds = |stamp: &dto::Timestamp| *stamp < State::stamp(object.modified.div_euclid(1000) * 1000);
    if input.if_match.as_ref().is_some_and(|c| !matches(c, &object.etag)) {
        return Err(failed());
    }
    // A tag decides where both are sent, as RFC 9110 has it.
    if input.if_match.is_none() && input.if_unmodified_since.as_ref().is_some_and(seconds) {
        return Err(failed());
    }
    let same = input.if_none_match.as_ref().map(|c| matches(c, &object.etag));
    let unmodified = input.if_modified_since.as_ref().map(|since| !seconds(since));
    if same.or(unmodified).unwrap_or(false) {
        let mut error = S3Error::new(s3s::S3ErrorCode::NotModified);
        error.set_status_code(hyper::StatusCode::NOT_MODIFIED);
        return Err(error);
    }
    let total = object.body.len();
    let (range, content_range) = match input.range {
        None => (0..total, None),
        Some(range) => {
            let range = range.check(total as u64).map_err(|_| s3_error!(InvalidRange, "The requested range is not satisfiable"))?;
            let text = format!("bytes {}-{}/{total}", range.start, range.end.saturating_sub(1));
            (range.start as usize..range.end as usize, Some(text))
        }
    };
    Ok(Look { object, range, content_range })
}

pub(super) fn head(state: &mut State, input: dto::HeadObjectInput) -> S3Result<dto::HeadObjectOutput> {
    let checksums = input.checksum_mode.is_some() && input.range.is_none();
    let Look { object, range, content_range } = look(state, input)?;
    let sum = if checksums { Sum::of(&object) } else { Sum::default() };
    let header = |name: &str| object.headers.get(name).cloned();
    Ok(dto::HeadObjectOutput {
        accept_ranges: Some("bytes".into()),
        cache_control: header("cache-control"),
        checksum_type: checksums.then(|| dto::ChecksumType::from_static(dto::ChecksumType::FULL_OBJECT)),
        checksum_crc32: sum.crc32,
        checksum_crc32c: sum.crc32c,
        checksum_crc64nvme: sum.crc64nvme,
        checksum_sha1: sum.sha1,
        checksum_sha256: sum.sha256,
        content_disposition: header("content-disposition"),
        content_encoding: header("content-encoding"),
        content_language: header("content-language"),
        content_length: Some(range.len() as i64),
        content_range,
        content_type: Some(header("content-type").unwrap_or_else(|| "binary/octet-stream".into())),
        e_tag: Some(dto::ETag::Strong(object.etag.clone())),
        expires: header("expires").and_then(|text| dto::Timestamp::parse(dto::TimestampFormat::HttpDate, &text).ok()),
        last_modified: Some(State::stamp(object.modified)),
        metadata: Some(object.metadata.into_iter().collect()),
        server_side_encryption: Some(aes256()),
        ..Default::default()
    })
}

pub(super) fn get(state: &mut State, input: dto::GetObjectInput) -> S3Result<dto::GetObjectOutput> {
    let input = dto::HeadObjectInput {
        bucket: input.bucket,
        checksum_mode: input.checksum_mode,
        if_match: input.if_match,
        if_modified_since: input.if_modified_since,
        if_none_match: input.if_none_match,
        if_unmodified_since: input.if_unmodified_since,
        key: input.key,
        range: input.range,
        ..Default::default()
    };
    let Look { object, range, .. } = look(state, input.clone())?;
    let body = object.body.slice(range);
    let h = head(state, input)?;
    Ok(dto::GetObjectOutput {
        accept_ranges: h.accept_ranges,
        body: Some(s3s::Body::from(body).into()),
        cache_control: h.cache_control,
        checksum_crc32: h.checksum_crc32,
        checksum_crc32c: h.checksum_crc32c,
        checksum_crc64nvme: h.checksum_crc64nvme,
        checksum_sha1: h.checksum_sha1,
        checksum_sha256: h.checksum_sha256,
        checksum_type: h.checksum_type,
        content_disposition: h.content_disposition,
        content_encoding: h.content_encoding,
        content_language: h.content_language,
        content_length: h.content_length,
        content_range: h.content_range,
        content_type: h.content_type,
        e_tag: h.e_tag,
        expires: h.expires,
        last_modified: h.last_modified,
        metadata: h.metadata,
        server_side_encryption: h.server_side_encryption,
        ..Default::default()
    })
}

pub(super) fn delete_many(state: &mut State, input: dto::DeleteObjectsInput) -> S3Result<dto::DeleteObjectsOutput> {
    let rows = input.delete.objects;
    if rows.is_empty() || rows.len() > 1000 || rows.iter().any(|r| r.version_id.is_some() || r.e_tag.is_some() || r.size.is_some()) {
        return Err(s3_error!(MalformedXML, "The XML you provided was not well-formed or did not validate against our published schema"));
    }
    let quiet = input.delete.quiet.unwrap_or(false);
    let (mut deleted, mut errors) = (Vec::new(), Vec::new());
    for row in rows {
        if let Err(error) = state.may("s3:DeleteObject", &format!("arn:aws:s3:::{}/{}", input.bucket, row.key)) {
            errors.push(dto::Error { code: Some(error.code), key: Some(row.key), message: Some(error.message), version_id: None });
            continue;
        }
        // Deleting what is not there succeeds.
        state.bucket(&input.bucket)?.objects.remove(&row.key);
        if !quiet {
            deleted.push(dto::DeletedObject { key: Some(row.key), ..Default::default() });
        }
    }
    Ok(dto::DeleteObjectsOutput { deleted: Some(deleted), errors: Some(errors), request_charged: None })
}

pub(super) fn copy(state: &mut State, input: dto::CopyObjectInput, headers: &HeaderMap) -> S3Result<dto::CopyObjectOutput> {
    let dto::CopySource::Bucket { bucket: from, key: source, version_id: None } = &input.copy_source else {
        return Err(s3_error!(NotImplemented, "A header you provided implies functionality that is not implemented: x-amz-copy-source"));
    };
    let found = state.bucket(from)?.objects.get(&**source).cloned();
    let Some(mut object) = found else {
        return Err(missing(state, from));
    };
    let replace = match input.metadata_directive.as_ref().map(dto::MetadataDirective::as_str) {
        None | Some(dto::MetadataDirective::COPY) => false,
        Some(dto::MetadataDirective::REPLACE) => true,
        Some(_) => return Err(s3_error!(InvalidArgument, "Unknown metadata directive.")),
    };
    if !replace && **from == *input.bucket && **source == *input.key {
        return Err(s3_error!(
            InvalidRequest,
            "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes."
        ));
    }
    if replace {
        object.headers = kept(headers);
        object.metadata = input.metadata.unwrap_or_default().into_iter().collect();
    }
    if let Some(algorithm) = &input.checksum_algorithm {
        let name = algorithm.as_str().to_lowercase();
        object.checksum = (name.clone(), checksum(&name, &object.body));
    }
    object.modified = state.now;
    let sum = Sum::of(&object);
    let result = dto::CopyObjectResult {
        checksum_crc32: sum.crc32,
        checksum_crc32c: sum.crc32c,
        checksum_crc64nvme: sum.crc64nvme,
        checksum_sha1: sum.sha1,
        checksum_sha256: sum.sha256,
        checksum_type: Some(dto::ChecksumType::from_static(dto::ChecksumType::FULL_OBJECT)),
        e_tag: Some(dto::ETag::Strong(object.etag.clone())),
        last_modified: Some(State::stamp(object.modified)),
    };
    store(state, &input.bucket, input.key, object)?;
    Ok(dto::CopyObjectOutput { copy_object_result: Some(result), server_side_encryption: Some(aes256()), ..Default::default() })
}
