//! S3 on the wire: path style, bodies in every form SDKs send (aws-reference 11).

use http_body_util::{BodyExt, Full};
use hyper::{HeaderMap, body::Bytes};
use hyper_util::rt::TokioIo;
use serde_json::json;

use crate::client::{World, world, world_with};

const BUCKET: &str = "stateless-app-files";

/// A request.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    method: &'static str,
    path: String,
    region: &'static str,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Sent {
    pub(crate) fn new(method: &'static str, path: &str) -> Self {
        Self { method, path: path.into(), region: "ap-south-1", headers: Vec::new(), body: Vec::new() }
    }

    /// An object of the seeded bucket.
    fn object(method: &'static str, key: &str) -> Self {
        Self::new(method, &format!("/{BUCKET}/{key}"))
    }

    pub(crate) fn body(mut self, body: &[u8]) -> Self {
        self.body = body.to_vec();
        self
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    fn region(mut self, region: &'static str) -> Self {
        self.region = region;
        self
    }

    /// The HTTP request.
    pub(crate) fn request(&self) -> hyper::Request<Full<Bytes>> {
        let scope = format!("AKIATEST/20260105/{}/s3/aws4_request", self.region);
        let mut request = hyper::Request::builder()
            .method(self.method)
            .uri(&self.path)
            .header("host", "localhost")
            .header("authorization", format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"));
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request.body(Full::new(Bytes::from(self.body.clone()))).expect("request")
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Text of the first element of this name.
    fn one(&self, name: &str) -> String {
        let text = self.text();
        let inner = text.split_once(&format!("<{name}>")).and_then(|(_, rest)| rest.split_once(&format!("</{name}>")));
        inner.map(|(text, _)| text.to_owned()).unwrap_or_default()
    }

    fn all(&self, name: &str) -> Vec<String> {
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        self.text().split(&open).skip(1).filter_map(|rest| rest.split_once(&close).map(|(text, _)| text.to_owned())).collect()
    }

    pub(crate) fn code(&self) -> String {
        self.one("Code")
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default()
    }

    fn refused(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.code().as_str()), (status, code), "{}", self.text());
    }
}

pub(crate) async fn send(w: &World, sent: Sent) -> Answer {
    let stream = tokio::net::TcpStream::connect(w.running.addr).await.expect("connects");
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("shakes hands");
    let exchange = async {
        let response = sender.send_request(sent.request()).await.expect("answers");
        let (head, body) = response.into_parts();
        assert!(head.headers.contains_key("x-amz-request-id"));
        Answer { status: head.status.as_u16(), headers: head.headers, body: body.collect().await.expect("body").to_bytes() }
    };
    tokio::pin!(exchange);
    tokio::select! {
        answer = &mut exchange => answer,
        _ = connection => exchange.await,
    }
}

async fn put(w: &World, key: &str, body: &[u8]) {
    let got = send(w, Sent::object("PUT", key).body(body)).await;
    assert_eq!(got.status, 200, "{}", got.text());
}

async fn get(w: &World, key: &str) -> Answer {
    send(w, Sent::object("GET", key)).await
}

#[tokio::test]
async fn a_bucket_is_there_elsewhere_or_nowhere() {
    let w = world().await;
    let got = send(&w, Sent::new("HEAD", &format!("/{BUCKET}"))).await;
    assert_eq!((got.status, got.header("x-amz-bucket-region"), got.text().as_str()), (200, "ap-south-1", ""));
    let got = send(&w, Sent::new("HEAD", "/no-such-bucket")).await;
    assert_eq!((got.status, got.text().as_str()), (404, ""));
    let got = send(&w, Sent::new("HEAD", &format!("/{BUCKET}")).region("eu-west-1")).await;
    assert_eq!((got.status, got.header("x-amz-bucket-region"), got.text().as_str()), (301, "ap-south-1", ""));
    let got = send(&w, Sent::new("HEAD", &format!("/{BUCKET}")).header("x-amz-expected-bucket-owner", "999999999999")).await;
    assert_eq!((got.status, got.header("x-amz-bucket-region"), got.text().as_str()), (403, "ap-south-1", ""));
    let got = send(&w, Sent::new("GET", "/no-such-bucket?list-type=2")).await;
    got.refused(404, "NoSuchBucket");
    assert_eq!((got.one("BucketName").as_str(), got.one("Message").as_str()), ("no-such-bucket", "The specified bucket does not exist"));
    let got = send(&w, Sent::new("GET", &format!("/{BUCKET}?list-type=2")).region("eu-west-1")).await;
    got.refused(301, "PermanentRedirect");
    assert_eq!(got.header("x-amz-bucket-region"), "ap-south-1");
    send(&w, Sent::new("GET", "/_bad_?list-type=2")).await.refused(400, "InvalidBucketName");
}

#[tokio::test]
async fn a_location_is_empty_in_the_first_region_alone() {
    let w = world().await;
    assert_eq!(send(&w, Sent::new("PUT", "/home-bucket").region("us-east-1")).await.status, 200);
    let got = send(&w, Sent::new("GET", "/home-bucket?location").region("us-east-1")).await;
    assert_eq!(got.status, 200);
    assert!(got.text().contains("<LocationConstraint") && !got.text().contains("us-east-1"), "{}", got.text());
    let got = send(&w, Sent::new("GET", &format!("/{BUCKET}?location"))).await;
    assert!(got.text().contains(">ap-south-1</LocationConstraint>"), "{}", got.text());
}

#[tokio::test]
async fn public_access_is_blocked_until_that_is_taken_away() {
    let w = world().await;
    let new = Sent::new("PUT", "/new-bucket").body(
        b"<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><LocationConstraint>ap-south-1</LocationConstraint></CreateBucketConfiguration>",
    );
    assert_eq!(send(&w, new).await.status, 200);
    let flags = ["BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"];
    for bucket in [BUCKET, "new-bucket"] {
        let got = send(&w, Sent::new("GET", &format!("/{bucket}?publicAccessBlock"))).await;
        assert_eq!(flags.map(|f| got.one(f)), ["true", "true", "true", "true"], "{}", got.text());
    }
    let some = b"<PublicAccessBlockConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><BlockPublicPolicy>true</BlockPublicPolicy></PublicAccessBlockConfiguration>";
    assert_eq!(send(&w, Sent::new("PUT", "/new-bucket?publicAccessBlock").body(some)).await.status, 200);
    let got = send(&w, Sent::new("GET", "/new-bucket?publicAccessBlock")).await;
    assert_eq!(flags.map(|f| got.one(f)), ["false", "false", "true", "false"]);
    assert_eq!(send(&w, Sent::new("DELETE", "/new-bucket?publicAccessBlock")).await.status, 204);
    send(&w, Sent::new("GET", "/new-bucket?publicAccessBlock")).await.refused(404, "NoSuchPublicAccessBlockConfiguration");
}

#[tokio::test]
async fn encryption_is_always_there() {
    let w = world().await;
    let got = send(&w, Sent::new("GET", &format!("/{BUCKET}?encryption"))).await;
    assert_eq!((got.status, got.one("SSEAlgorithm").as_str()), (200, "AES256"));
    put(&w, "a", b"x").await;
    assert_eq!(get(&w, "a").await.header("x-amz-server-side-encryption"), "AES256");
}

#[tokio::test]
async fn buckets_are_made_and_deleted_as_their_region_wants() {
    let w = world().await;
    let constraint = |region: &str| {
        format!(
            "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>"
        )
    };
    send(&w, Sent::new("PUT", "/other-bucket")).await.refused(400, "IllegalLocationConstraintException");
    send(&w, Sent::new("PUT", "/other-bucket").body(constraint("eu-west-1").as_bytes())).await.refused(400, "IllegalLocationConstraintException");
    send(&w, Sent::new("PUT", "/other-bucket").body(constraint("us-east-1").as_bytes())).await.refused(400, "InvalidLocationConstraint");
    let ours = Sent::new("PUT", "/other-bucket").body(constraint("ap-south-1").as_bytes());
    assert_eq!(send(&w, ours.clone()).await.header("location"), "http://other-bucket.s3.amazonaws.com/");
    send(&w, ours).await.refused(409, "BucketAlreadyOwnedByYou");
    // From us-east-1 a bucket can be made anywhere, and made again there.
    let home = Sent::new("PUT", "/home-bucket").region("us-east-1");
    assert_eq!(send(&w, home.clone()).await.header("location"), "/home-bucket");
    assert_eq!(send(&w, home).await.status, 200);
    let got = send(&w, Sent::new("GET", "/?prefix=h")).await;
    assert_eq!((got.all("Name"), got.all("BucketRegion")), (vec!["home-bucket".to_owned()], vec!["us-east-1".to_owned()]));
    assert_eq!(send(&w, Sent::new("GET", "/")).await.all("Name"), ["home-bucket", "other-bucket", BUCKET]);
    put(&w, "a", b"x").await;
    send(&w, Sent::new("DELETE", &format!("/{BUCKET}"))).await.refused(409, "BucketNotEmpty");
    assert_eq!(send(&w, Sent::object("DELETE", "a")).await.status, 204);
    assert_eq!(send(&w, Sent::new("DELETE", &format!("/{BUCKET}"))).await.status, 204);
    send(&w, Sent::new("DELETE", &format!("/{BUCKET}"))).await.refused(404, "NoSuchBucket");
}

#[tokio::test]
async fn buckets_are_listed_in_pages() {
    let w = world_with(7, |seed| seed.buckets = ["b-one", "b-two", "b-three"].map(String::from).to_vec()).await;
    let first = send(&w, Sent::new("GET", "/?max-buckets=2")).await;
    assert_eq!(first.all("Name"), ["b-one", "b-three"]);
    let token = first.one("ContinuationToken").replace('=', "%3D").replace('+', "%2B");
    let second = send(&w, Sent::new("GET", &format!("/?max-buckets=2&continuation-token={token}"))).await;
    assert_eq!((second.all("Name"), second.one("ContinuationToken").as_str()), (vec!["b-two".to_owned()], ""));
    send(&w, Sent::new("GET", "/?max-buckets=0")).await.refused(400, "InvalidArgument");
    send(&w, Sent::new("GET", "/?continuation-token=mine")).await.refused(400, "InvalidArgument");
}

#[tokio::test]
async fn an_object_comes_back_as_it_was_put() {
    let w = world().await;
    let sent = Sent::object("PUT", "dir/a%20%C3%BC.txt").body(b"hello");
    let sent = sent.header("content-type", "text/plain").header("cache-control", "no-store").header("x-amz-meta-team", "blue");
    let sent = sent.header("expires", "Tue, 06 Jan 2026 09:00:00 GMT");
    let made = send(&w, sent).await;
    assert_eq!((made.status, made.header("etag")), (200, "\"5d41402abc4b2a76b9719d911017c592\""));
    w.handle.advance(60.0);
    let got = get(&w, "dir/a%20%C3%BC.txt").await;
    assert_eq!((got.status, got.text().as_str(), got.header("content-length")), (200, "hello", "5"));
    for (name, value) in [
        ("etag", "\"5d41402abc4b2a76b9719d911017c592\""),
        ("content-type", "text/plain"),
        ("cache-control", "no-store"),
        ("expires", "Tue, 06 Jan 2026 09:00:00 GMT"),
        ("x-amz-meta-team", "blue"),
        ("last-modified", "Mon, 05 Jan 2026 09:00:00 GMT"),
        ("accept-ranges", "bytes"),
    ] {
        assert_eq!(got.header(name), value, "{name}");
    }
    let head = send(&w, Sent::object("HEAD", "dir/a%20%C3%BC.txt")).await;
    assert_eq!((head.status, head.text().as_str(), head.header("content-length")), (200, "", "5"));
    get(&w, "none").await.refused(404, "NoSuchKey");
    assert_eq!(get(&w, "none").await.one("Key"), "none");
    let head = send(&w, Sent::object("HEAD", "none")).await;
    assert_eq!((head.status, head.text().as_str()), (404, ""));
    assert_eq!(send(&w, Sent::object("DELETE", "dir/a%20%C3%BC.txt")).await.status, 204);
    assert_eq!(send(&w, Sent::object("DELETE", "dir/a%20%C3%BC.txt")).await.status, 204, "deleting what is gone succeeds");
    get(&w, "dir/a%20%C3%BC.txt").await.refused(404, "NoSuchKey");
}

#[tokio::test]
async fn a_body_in_chunks_is_put_together_and_its_trailer_believed() {
    let w = world().await;
    let trailer = |sum: &str| {
        Sent::object("PUT", "chunked")
            .header("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
            .header("content-encoding", "aws-chunked")
            .header("x-amz-decoded-content-length", "11")
            .header("x-amz-trailer", "x-amz-checksum-crc32")
            .body(format!("6\r\nhello \r\n5\r\nworld\r\n0\r\nx-amz-checksum-crc32:{sum}\r\n\r\n").as_bytes())
    };
    let made = send(&w, trailer("DUoRhQ==")).await;
    assert_eq!((made.status, made.header("x-amz-checksum-crc32")), (200, "DUoRhQ=="), "{}", made.text());
    let got = send(&w, Sent::object("GET", "chunked").header("x-amz-checksum-mode", "ENABLED")).await;
    assert_eq!((got.text().as_str(), got.header("content-encoding")), ("hello world", ""));
    assert_eq!((got.header("x-amz-checksum-crc32"), got.header("x-amz-checksum-type")), ("DUoRhQ==", "FULL_OBJECT"));
    assert_eq!(get(&w, "chunked").await.header("x-amz-checksum-crc32"), "", "only who asks gets it");
    send(&w, trailer("AAAAAA==")).await.refused(400, "BadDigest");
    let signed = Sent::object("PUT", "signed")
        .header("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER")
        .header("content-encoding", "gzip,aws-chunked")
        .header("x-amz-decoded-content-length", "3")
        .body(b"3;chunk-signature=0\r\nabc\r\n0;chunk-signature=0\r\nx-amz-checksum-crc32:NSRBwg==\r\nx-amz-trailer-signature:0\r\n\r\n");
    assert_eq!(send(&w, signed).await.status, 200);
    let got = get(&w, "signed").await;
    assert_eq!((got.text().as_str(), got.header("content-encoding")), ("abc", "gzip"));
    let cut = trailer("DUoRhQ==").body(b"6\r\nhello \r\n5\r\nwor");
    send(&w, cut).await.refused(400, "IncompleteBody");
}

#[tokio::test]
async fn a_checksum_that_does_not_hold_is_refused() {
    let w = world().await;
    for (name, right) in [
        ("x-amz-checksum-crc32", "NhCmhg=="),
        ("x-amz-checksum-crc32c", "mnG7TA=="),
        ("x-amz-checksum-sha1", "qvTGHdzF6KLavt4PO0gs2a6pQ00="),
        ("x-amz-checksum-sha256", "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="),
        ("content-md5", "XUFAKrxLKna5cZ2REBfFkg=="),
    ] {
        let got = send(&w, Sent::object("PUT", "a").body(b"hello").header(name, right)).await;
        assert_eq!(got.status, 200, "{name}: {}", got.text());
        let wrong = send(&w, Sent::object("PUT", "b").body(b"hellO").header(name, right)).await;
        wrong.refused(400, "BadDigest");
    }
    get(&w, "b").await.refused(404, "NoSuchKey");
    let got = send(&w, Sent::object("PUT", "c").body(b"hello")).await;
    assert!(!got.header("x-amz-checksum-crc64nvme").is_empty(), "S3 adds one where none is sent");
}

#[tokio::test]
async fn ranges_and_conditions_are_honoured() {
    let w = world().await;
    put(&w, "a", b"0123456789").await;
    let got = send(&w, Sent::object("GET", "a").header("range", "bytes=2-4")).await;
    assert_eq!((got.status, got.text().as_str(), got.header("content-range")), (206, "234", "bytes 2-4/10"));
    let got = send(&w, Sent::object("GET", "a").header("range", "bytes=-3")).await;
    assert_eq!((got.status, got.text().as_str()), (206, "789"));
    send(&w, Sent::object("GET", "a").header("range", "bytes=20-")).await.refused(416, "InvalidRange");
    let etag = get(&w, "a").await.header("etag").to_owned();
    let cases = [
        ("if-match", etag.as_str(), 200),
        ("if-match", "\"other\"", 412),
        ("if-none-match", etag.as_str(), 304),
        ("if-none-match", "\"other\"", 200),
        ("if-modified-since", "Mon, 05 Jan 2026 09:00:00 GMT", 304),
        ("if-modified-since", "Mon, 05 Jan 2026 08:59:59 GMT", 200),
        ("if-unmodified-since", "Mon, 05 Jan 2026 08:59:59 GMT", 412),
        ("if-unmodified-since", "Mon, 05 Jan 2026 09:00:00 GMT", 200),
    ];
    for (name, value, status) in cases {
        assert_eq!(send(&w, Sent::object("GET", "a").header(name, value)).await.status, status, "{name} {value}");
    }
    send(&w, Sent::object("PUT", "a").body(b"new").header("if-none-match", "*")).await.refused(412, "PreconditionFailed");
    assert_eq!(send(&w, Sent::object("PUT", "b").body(b"new").header("if-none-match", "*")).await.status, 200);
    send(&w, Sent::object("PUT", "a").body(b"new").header("if-match", "\"other\"")).await.refused(412, "PreconditionFailed");
    assert_eq!(send(&w, Sent::object("PUT", "a").body(b"new").header("if-match", &etag)).await.status, 200);
}

#[tokio::test]
async fn objects_are_listed_by_prefix_delimiter_and_page() {
    let w = world().await;
    for key in ["a/1", "a/2", "b", "c/d/1", "e%20f"] {
        put(&w, key, b"xy").await;
    }
    let list = |query: &str| Sent::new("GET", &format!("/{BUCKET}?list-type=2{query}"));
    let got = send(&w, list("")).await;
    assert_eq!((got.all("Key").len(), got.one("KeyCount").as_str(), got.one("IsTruncated").as_str()), (5, "5", "false"));
    assert_eq!((got.one("Size").as_str(), got.one("StorageClass").as_str()), ("2", "STANDARD"));
    let got = send(&w, list("&delimiter=%2F")).await;
    assert_eq!(got.all("Key"), ["b", "e f"]);
    assert_eq!(got.all("CommonPrefixes"), ["<Prefix>a/</Prefix>", "<Prefix>c/</Prefix>"]);
    assert_eq!(send(&w, list("&prefix=a%2F")).await.all("Key"), ["a/1", "a/2"]);
    assert_eq!(send(&w, list("&start-after=b&encoding-type=url")).await.all("Key"), ["c/d/1", "e%20f"]);
    let (mut seen, mut token) = (Vec::new(), String::new());
    loop {
        let got = send(&w, list(&format!("&max-keys=1&delimiter=%2F{token}"))).await;
        let page = [got.all("Key"), got.all("CommonPrefixes")].concat();
        assert_eq!(page.len(), 1);
        seen.extend(page);
        if got.one("IsTruncated") == "false" {
            break;
        }
        token = format!("&continuation-token={}", got.one("NextContinuationToken").replace('=', "%3D").replace('+', "%2B"));
    }
    assert_eq!(seen, ["<Prefix>a/</Prefix>", "b", "<Prefix>c/</Prefix>", "e f"]);
    send(&w, list("&continuation-token=mine")).await.refused(400, "InvalidArgument");
    send(&w, list("&max-keys=-1")).await.refused(400, "InvalidArgument");
}

#[tokio::test]
async fn many_objects_are_deleted_at_once() {
    let w = world().await;
    put(&w, "a", b"x").await;
    put(&w, "b", b"x").await;
    let delete = |quiet: bool| {
        let text = format!(
            "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Object><Key>a</Key></Object><Object><Key>none</Key></Object><Quiet>{quiet}</Quiet></Delete>"
        );
        Sent::new("POST", &format!("/{BUCKET}?delete")).body(text.as_bytes())
    };
    let got = send(&w, delete(false)).await;
    assert_eq!((got.status, got.all("Key")), (200, vec!["a".to_owned(), "none".to_owned()]));
    assert_eq!(send(&w, delete(true)).await.all("Key"), Vec::<String>::new());
    assert_eq!(send(&w, Sent::new("GET", &format!("/{BUCKET}?list-type=2"))).await.all("Key"), ["b"]);
    let statement = json!({"Effect": "Allow", "Action": "s3:DeleteObject", "Resource": format!("arn:aws:s3:::{BUCKET}/none")});
    w.handle.policy(None, &json!({"Statement": statement})).expect("reads");
    let got = send(&w, delete(false)).await;
    assert_eq!((got.status, got.one("Error").contains("<Key>a</Key>"), got.one("Code").as_str()), (200, true, "AccessDenied"), "{}", got.text());
    assert!(got.one("Deleted").contains("<Key>none</Key>"));
}

#[tokio::test]
async fn an_object_is_copied_with_or_without_its_metadata() {
    let w = world().await;
    send(&w, Sent::object("PUT", "a").body(b"hello").header("x-amz-meta-team", "blue").header("content-type", "text/plain")).await;
    let copy = |key: &str| Sent::object("PUT", key).header("x-amz-copy-source", &format!("{BUCKET}/a"));
    let got = send(&w, copy("b")).await;
    assert_eq!((got.status, got.one("ETag").as_str()), (200, "\"5d41402abc4b2a76b9719d911017c592\""), "{}", got.text());
    assert_eq!(get(&w, "b").await.header("x-amz-meta-team"), "blue");
    let replaced = copy("c").header("x-amz-metadata-directive", "REPLACE").header("x-amz-meta-team", "red");
    assert_eq!(send(&w, replaced).await.status, 200);
    let got = get(&w, "c").await;
    assert_eq!((got.header("x-amz-meta-team"), got.header("content-type")), ("red", "binary/octet-stream"));
    send(&w, copy("a")).await.refused(400, "InvalidRequest");
    let none = Sent::object("PUT", "d").header("x-amz-copy-source", &format!("{BUCKET}/none"));
    send(&w, none).await.refused(404, "NoSuchKey");
}

#[tokio::test]
async fn what_is_not_simulated_is_refused() {
    let w = world().await;
    put(&w, "a", b"x").await;
    for sent in [
        Sent::new("GET", &format!("/{BUCKET}?acl")),
        Sent::new("GET", &format!("/{BUCKET}?versioning")),
        Sent::new("GET", &format!("/{BUCKET}")),
        Sent::object("POST", "big?uploads"),
        Sent::object("GET", "a?versionId=1"),
        Sent::object("GET", "a?response-content-type=text%2Fhtml"),
        Sent::object("PUT", "b").header("x-amz-tagging", "a=b"),
        Sent::object("PUT", "b").header("x-amz-server-side-encryption", "aws:kms"),
        Sent::object("PUT", "b").header("x-amz-storage-class", "GLACIER"),
        Sent::object("PUT", "b").header("x-amz-acl", "public-read"),
        Sent::object("DELETE", "a").header("if-match", "\"x\""),
    ] {
        let got = send(&w, sent.clone()).await;
        assert_eq!((got.status, got.code().as_str()), (501, "NotImplemented"), "{sent:?}: {}", got.text());
    }
    for (name, value) in [("x-amz-acl", "private"), ("x-amz-storage-class", "STANDARD"), ("x-amz-server-side-encryption", "AES256")] {
        assert_eq!(send(&w, Sent::object("PUT", "b").header(name, value)).await.status, 200, "{name}");
    }
}

#[tokio::test]
async fn a_bucket_has_an_end() {
    let w = world().await;
    let most = vec![0u8; 1 << 20];
    send(&w, Sent::object("PUT", "big").body(&[most.as_slice(), b"x"].concat())).await.refused(400, "EntityTooLarge");
    for n in 0..8 {
        put(&w, &format!("k{n}"), &most).await;
    }
    send(&w, Sent::object("PUT", "k8").body(b"x")).await.refused(400, "EntityTooLarge");
    put(&w, "k7", b"smaller").await;
    put(&w, "k8", b"x").await;
    let long = Sent::object("PUT", "k8").header("x-amz-meta-note", &"x".repeat(2100));
    send(&w, long).await.refused(400, "MetadataTooLarge");
}

#[tokio::test]
async fn all_buckets_together_have_an_end() {
    let w = world_with(7, |seed| seed.buckets = (0..1000).map(|n| format!("bucket-{n}")).collect()).await;
    let most = vec![0u8; 1 << 20];
    for n in 0..32 {
        assert_eq!(send(&w, Sent::new("PUT", &format!("/bucket-{}/k{n}", n / 8)).body(&most)).await.status, 200, "{n}");
    }
    send(&w, Sent::new("PUT", "/bucket-9/k").body(b"x")).await.refused(400, "EntityTooLarge");
    assert_eq!(send(&w, Sent::new("PUT", "/bucket-0/k0").body(b"x")).await.status, 200);
    assert_eq!(send(&w, Sent::new("PUT", "/bucket-9/k").body(b"x")).await.status, 200);
    send(&w, Sent::new("PUT", "/home-bucket").region("us-east-1")).await.refused(400, "TooManyBuckets");
}

#[tokio::test]
async fn calls_are_logged_and_meet_faults() {
    let w = world().await;
    put(&w, "a", b"x").await;
    let call = w.handle.calls_since(0).remove(0);
    assert_eq!((call.service.as_str(), call.operation.as_str(), call.effective), ("s3", "PutObject", true));
    assert_eq!((call.params["Bucket"].as_str(), call.params["Key"].as_str()), (BUCKET, "a"));
    send(&w, Sent::new("HEAD", &format!("/{BUCKET}"))).await;
    let call = w.handle.calls_since(1).remove(0);
    assert_eq!((call.operation.as_str(), call.effective), ("HeadBucket", false));
    for (kind, operation, status, code) in [
        ("throttle", "GetObject", 503, "SlowDown"),
        ("error", "GetObject", 500, "InternalError"),
        ("expired", "GetObject", 400, "ExpiredToken"),
        ("denied", "GetObject", 403, "AccessDenied"),
    ] {
        let fault = json!({"service": "s3", "operation": operation, "kind": kind, "rate": 1.0, "count": 1});
        assert_eq!(w.control("POST", "faults", fault).await.status, 200);
        get(&w, "a").await.refused(status, code);
        assert_eq!(get(&w, "a").await.status, 200);
        w.control("DELETE", "faults", json!({})).await;
    }
}

#[tokio::test]
async fn a_missing_key_is_told_only_to_who_may_list() {
    let w = world().await;
    let statement = |actions: &[&str]| json!({"Statement": {"Effect": "Allow", "Action": actions, "Resource": "*"}});
    w.handle.policy(None, &statement(&["s3:GetObject"])).expect("reads");
    get(&w, "none").await.refused(403, "AccessDenied");
    w.handle.policy(None, &statement(&["s3:ListBucket"])).expect("reads");
    get(&w, "none").await.refused(404, "NoSuchKey");
}

#[tokio::test]
async fn two_worlds_with_the_same_calls_hold_the_same() {
    let mut states = Vec::new();
    for _ in 0..2 {
        let w = world().await;
        put(&w, "a", b"hello").await;
        w.handle.advance(3.0);
        put(&w, "b", b"world").await;
        states.push(w.handle.export().expect("exports"));
        w.handle.import(states[0].clone()).expect("imports");
        assert_eq!(get(&w, "b").await.text(), "world");
    }
    assert_eq!(states[0], states[1]);
}
