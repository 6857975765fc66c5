use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::error::ErrorMetadata;

use super::*;

#[derive(Debug)]
struct Answer(ErrorMetadata);

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("answer")
    }
}
impl Error for Answer {}
impl ProvideErrorMetadata for Answer {
    fn meta(&self) -> &ErrorMetadata {
        &self.0
    }
}

type Failure = SdkError<Answer, HttpResponse>;

fn response(status: u16) -> HttpResponse {
    let mut response = HttpResponse::new(StatusCode::try_from(status).expect("a status"), SdkBody::empty());
    response.headers_mut().insert("x-amzn-requestid", "req-1");
    response
}

fn answer(status: u16, code: &str, message: &str) -> Failure {
    SdkError::service_error(Answer(ErrorMetadata::builder().code(code).message(message).build()), response(status))
}

fn kinds(failure: &Failure) -> (ErrorKind, ErrorKind) {
    (classify(Call::Act, "x:Y", true, failure).kind, classify(Call::Read, "x:Y", true, failure).kind)
}

#[test]
fn codes_mean_what_the_reference_says() {
    use ErrorKind::{Contention, Denied, Invalid, NotFound, Throttled};
    let conflict = ErrorKind::Conflict;
    let table = [
        (400, "Throttling", Throttled),
        (400, "ThrottlingException", Throttled),
        (503, "RequestLimitExceeded", Throttled),
        (503, "SlowDown", Throttled),
        (500, "ResourceContention", Contention),
        (403, "AccessDenied", Denied),
        (400, "AccessDeniedException", Denied),
        (403, "UnauthorizedOperation", Denied),
        (403, "ExpiredToken", Denied),
        (400, "RequestExpired", Denied),
        (403, "SignatureDoesNotMatch", Denied),
        (400, "InstanceRefreshInProgress", conflict(Conflict::RefreshInProgress)),
        (400, "ActiveInstanceRefreshNotFound", conflict(Conflict::NoActiveRefresh)),
        (400, "IrreversibleInstanceRefresh", conflict(Conflict::Irreversible)),
        (400, "ScalingActivityInProgress", conflict(Conflict::ScalingActivity)),
        (400, "LimitExceeded", conflict(Conflict::Limit)),
        (400, "LimitExceededException", conflict(Conflict::Limit)),
        (400, "IdempotentParameterMismatch", conflict(Conflict::IdempotencyMismatch)),
        (400, "InvalidLaunchTemplateId.NotFound", NotFound),
        (400, "InvalidLaunchTemplateId.VersionNotFound", NotFound),
        (400, "InvalidLaunchTemplateName.NotFoundException", NotFound),
        (400, "TargetGroupNotFound", NotFound),
        (400, "RepositoryNotFoundException", NotFound),
        (400, "InvalidInstanceID.Malformed", Invalid),
        (400, "InvalidParameterValue", Invalid),
        (400, "ACodeOfTomorrow", Invalid),
    ];
    for (status, code, kind) in table {
        assert_eq!(kinds(&answer(status, code, "m")), (kind, kind), "{code}");
    }
}

#[test]
fn a_validation_error_is_read_by_its_sentence() {
    let of = |message: &str| kinds(&answer(400, "ValidationError", message)).0;
    assert_eq!(of("AutoScalingGroup name not found - AutoScalingGroup web not found"), ErrorKind::NotFound);
    assert_eq!(of("Instance Id not found - No managed instance found for instance ID: i-1"), ErrorKind::NotFound);
    let active = "An active instance refresh with a desired configuration exists. All configuration options derived from …";
    assert_eq!(of(active), ErrorKind::Conflict(Conflict::RefreshInProgress));
    assert_eq!(of("New SetDesiredCapacity value 33 is above max value 10 for the AutoScalingGroup."), ErrorKind::Invalid);
}

#[test]
fn what_may_have_arrived_is_unknown_for_an_act() {
    let lost = (ErrorKind::Unknown, ErrorKind::Unavailable);
    assert_eq!(kinds(&answer(500, "InternalFailure", "")), lost);
    assert_eq!(kinds(&answer(503, "ServiceUnavailable", "")), lost);
    assert_eq!(kinds(&answer(500, "ACodeOfTomorrow", "")), lost);
    assert_eq!(kinds(&answer(400, "RequestTimeout", "")), lost);
    let page = || Answer(ErrorMetadata::builder().build());
    assert_eq!(kinds(&SdkError::service_error(page(), response(502))), lost);
    assert_eq!(kinds(&SdkError::service_error(page(), response(403))), lost, "a proxy's page says nothing about AWS");
    assert_eq!(kinds(&SdkError::response_error("cut off", response(200))), lost);
    assert_eq!(kinds(&SdkError::timeout_error("late")), lost);
    assert_eq!(kinds(&SdkError::dispatch_failure(ConnectorError::timeout("late".into()))), lost);
    assert_eq!(kinds(&SdkError::dispatch_failure(ConnectorError::io("reset".into()))), lost);
    assert_eq!(kinds(&SdkError::dispatch_failure(ConnectorError::other("?".into(), None))), lost);
    let reset = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
    assert_eq!(kinds(&SdkError::dispatch_failure(ConnectorError::io(reset.into()))), lost);
}

#[test]
fn what_did_not_leave_is_not_done() {
    let unsent = (ErrorKind::NotSent, ErrorKind::Unavailable);
    let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
    assert_eq!(kinds(&SdkError::dispatch_failure(ConnectorError::io(refused.into()))), unsent);
    assert_eq!(kinds(&SdkError::construction_failure("bad")), (ErrorKind::Invalid, ErrorKind::Invalid));
    for early in [SdkError::timeout_error("late"), SdkError::dispatch_failure(ConnectorError::other("no credentials".into(), None))] {
        let early: Failure = early;
        assert_eq!(classify(Call::Act, "x:Y", false, &early).kind, ErrorKind::NotSent);
        assert_eq!(classify(Call::Read, "x:Y", false, &early).kind, ErrorKind::Unavailable);
    }
}

#[test]
fn a_role_that_may_not_be_assumed_is_denied_and_says_so() {
    let role = |status, code: &str| -> Failure {
        let meta = ErrorMetadata::builder().code(code).message("User x is not authorized to perform: sts:AssumeRole").build();
        let inner: SdkError<AssumeRoleError, HttpResponse> = SdkError::service_error(AssumeRoleError::generic(meta), response(status));
        SdkError::dispatch_failure(ConnectorError::other(inner.into(), None))
    };
    let denied = classify(Call::Act, "autoscaling:StartInstanceRefresh", false, &role(403, "AccessDenied"));
    assert_eq!(denied.kind, ErrorKind::Denied);
    assert_eq!(denied.operation, "autoscaling:StartInstanceRefresh");
    assert!(denied.message.contains("could not be assumed: User x is not authorized"), "{denied}");
    assert_eq!(classify(Call::Act, "x:Y", false, &role(400, "Throttling")).kind, ErrorKind::Throttled);
    assert_eq!(classify(Call::Act, "x:Y", false, &role(500, "InternalFailure")).kind, ErrorKind::NotSent);
    assert_eq!(classify(Call::Read, "x:Y", false, &role(500, "InternalFailure")).kind, ErrorKind::Unavailable);
}

#[test]
fn every_kind_is_in_exactly_one_class_or_is_a_failed_read() {
    let all = [
        (ErrorKind::Throttled, "refused"),
        (ErrorKind::Contention, "refused"),
        (ErrorKind::NotSent, "refused"),
        (ErrorKind::OverBudget { retry_at: 1 }, "refused"),
        (ErrorKind::Denied, "final"),
        (ErrorKind::NotFound, "final"),
        (ErrorKind::Invalid, "final"),
        (ErrorKind::Conflict(Conflict::Limit), "final"),
        (ErrorKind::Unknown, "unknown"),
        (ErrorKind::Unavailable, ""),
    ];
    for (kind, class) in all {
        let e = AwsError::ours(kind, "x:Y", "m");
        let is = [("refused", e.refused()), ("final", e.final_refusal()), ("unknown", e.unknown())];
        for (name, holds) in is {
            assert_eq!(holds, name == class, "{kind:?} {name}");
        }
    }
}

#[test]
fn a_message_is_safe_and_names_the_request() {
    let e = classify(Call::Act, "ec2:X", true, &answer(403, "UnauthorizedOperation", "No. Encoded authorization failure message: abc"));
    assert_eq!(e.to_string(), "ec2:X: No. (UnauthorizedOperation) [request req-1]");
    let signature = classify(Call::Act, "ec2:X", true, &answer(403, "SignatureDoesNotMatch", "The canonical string was 'POST / …'"));
    assert!(!signature.message.contains("canonical"), "{signature}");
    let silent = classify(Call::Act, "ec2:X", true, &answer(500, "InternalFailure", ""));
    assert_eq!(silent.message, "AWS answered with HTTP status 500 and no message");
}
