//! The operations as `s3s` wants them: an implementation without state, whose state comes with each request.
//!
//! **Invariant:** a desk holds the store for one pass alone; an operation refuses with nothing changed, or does the whole.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use hyper::HeaderMap;
use s3s::{
    S3, S3Error, S3ErrorCode, S3Request, S3Response, S3Result,
    access::{S3Access, S3AccessContext},
    dto::{self, Timestamp, TimestampFormat},
    s3_error,
};

use super::{lists, objects};
use crate::{
    authorize::Judge,
    wire::ApiError,
    world::bucket::{BUCKETS_MOST, Bucket},
};

/// What one pass works on.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) buckets: BTreeMap<String, Bucket>,
    pub(super) now: i64,
    pub(super) account: String,
    pub(super) region: String,
    pub(super) judge: Option<Judge>,
    /// Stops at the access check.
    asking: bool,
    asked: (String, Option<String>, Option<String>),
}

/// The state of one pass, in the request's extensions.
#[derive(Debug, Clone, Default)]
pub(super) struct Desk(Arc<Mutex<State>>);

impl Desk {
    /// A pass that ends at the access check.
    pub(super) fn asking() -> Self {
        Self(Arc::new(Mutex::new(State { asking: true, ..State::default() })))
    }

    pub(super) fn new(buckets: BTreeMap<String, Bucket>, now: i64, account: &str, region: &str, judge: Option<Judge>) -> Self {
        let (account, region) = (account.to_owned(), region.to_owned());
        Self(Arc::new(Mutex::new(State { buckets, now, account, region, judge, ..State::default() })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Operation, bucket and key of an asking pass.
    pub(super) fn asked(&self) -> (String, Option<String>, Option<String>) {
        std::mem::take(&mut self.state().asked)
    }

    /// Gives the store back.
    pub(super) fn close(&self) -> BTreeMap<String, Bucket> {
        std::mem::take(&mut self.state().buckets)
    }
}

impl State {
    pub(super) fn bucket(&mut self, name: &str) -> S3Result<&mut Bucket> {
        self.buckets.get_mut(name).ok_or_else(|| s3_error!(NoSuchBucket, "The specified bucket does not exist"))
    }

    pub(super) fn stamp(millis: i64) -> Timestamp {
        let text = format!("{}.{:03}", millis.div_euclid(1000), millis.rem_euclid(1000));
        Timestamp::parse(TimestampFormat::EpochSeconds, &text).unwrap_or_default()
    }

    /// A member of the store belongs to this.
    pub(super) fn owner(&self) -> dto::Owner {
        let id = crate::rng::hex(0, "s3-owner", &self.account, 64);
        dto::Owner { display_name: None, id: Some(id) }
    }

    /// Refused, unless the caller may do this.
    pub(super) fn may(&self, action: &str, resource: &str) -> Result<(), ApiError> {
        self.judge.as_ref().map_or(Ok(()), |judge| judge.check(action, resource))
    }
}

/// Tells an asking pass which operation it reached, and ends it there.
pub(super) struct Gate;

#[async_trait::async_trait]
impl S3Access for Gate {
    async fn check(&self, cx: &mut S3AccessContext<'_>) -> S3Result<()> {
        let (bucket, key) = (cx.s3_path().get_bucket_name().map(str::to_owned), cx.s3_path().get_object_key().map(str::to_owned));
        let asked = (cx.s3_op().name().to_owned(), bucket, key);
        let desk = cx.extensions_mut().get::<Desk>().cloned().unwrap_or_default();
        let mut state = desk.state();
        state.asked = asked;
        if state.asking { Err(s3_error!(AccessDenied)) } else { Ok(()) }
    }
}

/// An error of our own words.
pub(super) fn refuse(error: ApiError) -> S3Error {
    let mut out = S3Error::with_message(S3ErrorCode::from_bytes(error.code.as_bytes()).unwrap_or(S3ErrorCode::InternalError), error.message);
    if let Ok(status) = hyper::StatusCode::from_u16(error.status) {
        out.set_status_code(status);
    }
    out
}

fn desk<T>(req: &S3Request<T>) -> Desk {
    req.extensions.get::<Desk>().cloned().unwrap_or_default()
}

/// The operations of this service.
pub(super) struct Front;

#[async_trait::async_trait]
impl S3 for Front {
    async fn list_buckets(&self, req: S3Request<dto::ListBucketsInput>) -> S3Result<S3Response<dto::ListBucketsOutput>> {
        lists::buckets(&desk(&req).state(), req.input).map(S3Response::new)
    }

    async fn head_bucket(&self, req: S3Request<dto::HeadBucketInput>) -> S3Result<S3Response<dto::HeadBucketOutput>> {
        let region = desk(&req).state().bucket(&req.input.bucket)?.region.clone();
        let region = s3s::region::Region::new(region.into()).map_err(S3Error::internal_error)?;
        let output = dto::HeadBucketOutput { access_point_alias: Some(false), bucket_region: Some(region.as_str().to_owned()), ..Default::default() };
        Ok(S3Response::new(output))
    }

    async fn create_bucket(&self, req: S3Request<dto::CreateBucketInput>) -> S3Result<S3Response<dto::CreateBucketOutput>> {
        let desk = desk(&req);
        let mut state = desk.state();
        let (name, input) = (req.input.bucket.clone(), req.input);
        let wanted = input.create_bucket_configuration.and_then(|c| c.location_constraint).map(|c| c.as_str().to_owned());
        let home = state.region == "us-east-1";
        let region = match wanted.as_deref() {
            None if home => state.region.clone(),
            Some("us-east-1") => return Err(s3_error!(InvalidLocationConstraint, "The specified location-constraint is not valid")),
            Some(wanted) if home || wanted == state.region => wanted.to_owned(),
            wanted => {
                let wanted = wanted.unwrap_or("unspecified");
                let text = format!("The {wanted} location constraint is incompatible for the region specific endpoint this request was sent to.");
                return Err(S3Error::with_message(S3ErrorCode::IllegalLocationConstraintException, text));
            }
        };
        if let Some(have) = state.buckets.get(&name) {
            // In us-east-1 alone, making one's own bucket again succeeds and changes nothing.
            if !(home && have.region == region) {
                let text = "Your previous request to create the named bucket succeeded and you already own it.";
                return Err(S3Error::with_message(S3ErrorCode::BucketAlreadyOwnedByYou, text));
            }
        } else if state.buckets.len() >= BUCKETS_MOST {
            return Err(s3_error!(TooManyBuckets, "You have attempted to create more buckets than allowed"));
        } else {
            let bucket = Bucket::new(&region, state.now);
            state.buckets.insert(name.clone(), bucket);
        }
        let location = if home { format!("/{name}") } else { format!("http://{name}.s3.amazonaws.com/") };
        Ok(S3Response::new(dto::CreateBucketOutput { location: Some(location) }))
    }

    async fn delete_bucket(&self, req: S3Request<dto::DeleteBucketInput>) -> S3Result<S3Response<dto::DeleteBucketOutput>> {
        let desk = desk(&req);
        let mut state = desk.state();
        if !state.bucket(&req.input.bucket)?.objects.is_empty() {
            return Err(s3_error!(BucketNotEmpty, "The bucket you tried to delete is not empty"));
        }
        state.buckets.remove(&req.input.bucket);
        Ok(S3Response::new(dto::DeleteBucketOutput::default()))
    }

    async fn get_bucket_location(&self, req: S3Request<dto::GetBucketLocationInput>) -> S3Result<S3Response<dto::GetBucketLocationOutput>> {
        let region = desk(&req).state().bucket(&req.input.bucket)?.region.clone();
        let constraint = Some(region).filter(|r| r != "us-east-1").map(dto::BucketLocationConstraint::from);
        Ok(S3Response::new(dto::GetBucketLocationOutput { location_constraint: constraint }))
    }

    async fn get_public_access_block(&self, req: S3Request<dto::GetPublicAccessBlockInput>) -> S3Result<S3Response<dto::GetPublicAccessBlockOutput>> {
        let block = desk(&req).state().bucket(&req.input.bucket)?.block;
        let Some([acls, ignore, policy, restrict]) = block else {
            let code = S3ErrorCode::Custom("NoSuchPublicAccessBlockConfiguration".into());
            let mut error = S3Error::with_message(code, "The public access block configuration was not found");
            error.set_status_code(hyper::StatusCode::NOT_FOUND);
            return Err(error);
        };
        let configuration = dto::PublicAccessBlockConfiguration {
            block_public_acls: Some(acls),
            ignore_public_acls: Some(ignore),
            block_public_policy: Some(policy),
            restrict_public_buckets: Some(restrict),
        };
        Ok(S3Response::new(dto::GetPublicAccessBlockOutput { public_access_block_configuration: Some(configuration) }))
    }

    async fn put_public_access_block(&self, req: S3Request<dto::PutPublicAccessBlockInput>) -> S3Result<S3Response<dto::PutPublicAccessBlockOutput>> {
        let desk = desk(&req);
        let c = req.input.public_access_block_configuration;
        // A setting that is not named is off: the whole configuration is replaced.
        let all = [c.block_public_acls, c.ignore_public_acls, c.block_public_policy, c.restrict_public_buckets];
        desk.state().bucket(&req.input.bucket)?.block = Some(all.map(|setting| setting.unwrap_or(false)));
        Ok(S3Response::new(dto::PutPublicAccessBlockOutput {}))
    }

    async fn delete_public_access_block(
        &self,
        req: S3Request<dto::DeletePublicAccessBlockInput>,
    ) -> S3Result<S3Response<dto::DeletePublicAccessBlockOutput>> {
        desk(&req).state().bucket(&req.input.bucket)?.block = None;
        Ok(S3Response::new(dto::DeletePublicAccessBlockOutput {}))
    }

    async fn get_bucket_encryption(&self, req: S3Request<dto::GetBucketEncryptionInput>) -> S3Result<S3Response<dto::GetBucketEncryptionOutput>> {
        desk(&req).state().bucket(&req.input.bucket)?;
        let by_default = dto::ServerSideEncryptionByDefault {
            kms_master_key_id: None,
            sse_algorithm: dto::ServerSideEncryption::from_static(dto::ServerSideEncryption::AES256),
        };
        let rule = dto::ServerSideEncryptionRule { apply_server_side_encryption_by_default: Some(by_default), bucket_key_enabled: Some(false) };
        let configuration = dto::ServerSideEncryptionConfiguration { rules: vec![rule] };
        Ok(S3Response::new(dto::GetBucketEncryptionOutput { server_side_encryption_configuration: Some(configuration) }))
    }

    async fn list_objects_v2(&self, req: S3Request<dto::ListObjectsV2Input>) -> S3Result<S3Response<dto::ListObjectsV2Output>> {
        lists::objects(&mut desk(&req).state(), req.input).map(S3Response::new)
    }

    async fn put_object(&self, mut req: S3Request<dto::PutObjectInput>) -> S3Result<S3Response<dto::PutObjectOutput>> {
        use http_body_util::BodyExt;
        let body = match req.input.body.take() {
            Some(blob) => s3s::Body::from(blob).collect().await.map_err(|_| s3_error!(IncompleteBody))?.to_bytes(),
            None => hyper::body::Bytes::new(),
        };
        let desk = desk(&req);
        objects::put(&mut desk.state(), req.input, &req.headers, body).map(S3Response::new)
    }

    async fn get_object(&self, req: S3Request<dto::GetObjectInput>) -> S3Result<S3Response<dto::GetObjectOutput>> {
        let desk = desk(&req);
        let whole = req.input.range.is_none();
        let output = objects::get(&mut desk.state(), req.input)?;
        let mut response = S3Response::with_headers(output, HeaderMap::new());
        response.status = (!whole).then_some(hyper::StatusCode::PARTIAL_CONTENT);
        Ok(response)
    }

    async fn head_object(&self, req: S3Request<dto::HeadObjectInput>) -> S3Result<S3Response<dto::HeadObjectOutput>> {
        let desk = desk(&req);
        let whole = req.input.range.is_none();
        let mut response = S3Response::new(objects::head(&mut desk.state(), req.input)?);
        response.status = (!whole).then_some(hyper::StatusCode::PARTIAL_CONTENT);
        Ok(response)
    }

    async fn delete_object(&self, req: S3Request<dto::DeleteObjectInput>) -> S3Result<S3Response<dto::DeleteObjectOutput>> {
        desk(&req).state().bucket(&req.input.bucket)?.objects.remove(&req.input.key);
        Ok(S3Response::new(dto::DeleteObjectOutput::default()))
    }

    async fn delete_objects(&self, req: S3Request<dto::DeleteObjectsInput>) -> S3Result<S3Response<dto::DeleteObjectsOutput>> {
        objects::delete_many(&mut desk(&req).state(), req.input).map(S3Response::new)
    }

    async fn copy_object(&self, req: S3Request<dto::CopyObjectInput>) -> S3Result<S3Response<dto::CopyObjectOutput>> {
        let desk = desk(&req);
        objects::copy(&mut desk.state(), req.input, &req.headers).map(S3Response::new)
    }
}
