//! Our own accept loop. `axum::serve` sets no timer, so that under it a client that sends half a head stays for ever.
//!
//! Each connection is one task: hyper drives it, and its [`Watch`] ends it when the client takes too long. A stream of events
//! may be silent for as long as it likes; a reader who takes nothing of it is cut like any other.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderValue, Request, StatusCode, header};
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::caps::{Caps, Full, Slot};
use super::patience::{Answer, BODY, HEAD, STALL, TimedBody, Watch, Watched};

/// Largest head of a request in bytes; the number of its lines is limited by hyper, to 100.
const LARGEST_HEAD: usize = 32_768;
/// Most that hyper buffers for a connection in each direction.
const BUFFER: usize = 65_536;
/// Pause after an accept that failed for want of something, such as file handles.
const PAUSE: Duration = Duration::from_millis(100);
/// Connections that still get in at the end because they were there before it.
const LAST: usize = 256;

/// Accepts until stopped; then answers what has begun, and ends.
pub(super) async fn run(listener: TcpListener, router: Router, caps: Arc<Caps>, stop: CancellationToken) {
    let mut connections = JoinSet::new();
    let mut short = false;
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                short = false;
                admit(&mut connections, stream, peer, &router, &caps, &stop);
            }
            Err(error) if is_of_the_client(&error) => {}
            Err(error) => {
                if !short {
                    tracing::warn!(%error, "connections can not be accepted; trying again");
                }
                short = true;
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = tokio::time::sleep(PAUSE) => {}
                }
            }
        }
    }
    // Whoever connected before the end was let in by the kernel, and may have sent its request already. Asked of the kernel itself:
    // the runtime may not have heard of them yet.
    if let Ok(listener) = listener.into_std() {
        for _ in 0..LAST {
            let Ok((stream, peer)) = listener.accept() else { break };
            if let Ok(stream) = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream)) {
                admit(&mut connections, stream, peer, &router, &caps, &stop);
            }
        }
    }
    while connections.join_next().await.is_some() {}
}

fn is_of_the_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

fn admit(connections: &mut JoinSet<()>, stream: TcpStream, peer: SocketAddr, router: &Router, caps: &Arc<Caps>, stop: &CancellationToken) {
    match caps.take(peer.ip()) {
        Ok(slot) => {
            connections.spawn(serve(stream, peer, router.clone(), slot, stop.clone()));
        }
        Err(full) => refuse(&stream, full),
    }
}

/// Says why, where the socket takes it at once, and closes.
fn refuse(stream: &TcpStream, full: Full) {
    let why = match full {
        Full::Address => "Too many connections from your address. Close some, or try again in a moment.\n",
        Full::All => "Too many connections. Try again in a moment.\n",
    };
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {}\r\nretry-after: 5\r\n\
         cache-control: no-store\r\nx-content-type-options: nosniff\r\nconnection: close\r\n\r\n{why}",
        why.len()
    );
    let _ = stream.try_write(answer.as_bytes());
}

/// One connection, from its first byte to its last.
async fn serve(stream: TcpStream, peer: SocketAddr, router: Router, slot: Slot, stop: CancellationToken) {
    let _ = stream.set_nodelay(true);
    // An answer that fitted into the kernel's buffers is the kernel's to give up.
    let _ = SockRef::from(&stream).set_tcp_user_timeout(Some(STALL));
    let watch = Watch::new();
    let service = hyper::service::service_fn(|mut request: Request<Incoming>| {
        watch.begin();
        request.extensions_mut().insert(ConnectInfo(peer));
        let request = request.map(|body| Body::new(TimedBody::new(body, watch.clone())));
        let answer = router.clone().oneshot(request);
        let watch = watch.clone();
        async move {
            let Ok(mut response) = answer.await;
            if watch.is_late() {
                make_late(&mut response);
            }
            Ok::<_, Infallible>(response.map(|body| Answer::new(body, watch)))
        }
    });
    let connection = http1::Builder::new()
        // The watch knows a head that drips from a connection with nothing to say; hyper's own timer does not.
        .header_read_timeout(None)
        .max_header_size(LARGEST_HEAD)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(Watched::new(stream, watch.clone())), service);
    let mut connection = pin!(connection);
    let mut alarm = Box::pin(tokio::time::sleep(HEAD));
    let (mut ending, mut told) = (false, false);
    loop {
        tokio::select! {
            // First, so that a request that is there already is taken before the end is told.
            biased;
            _ = connection.as_mut() => return,
            () = stop.cancelled(), if !ending => {
                ending = true;
                watch.hurry();
            }
            // Told at once to who is idle, and after its request to who has just come.
            () = std::future::poll_fn(|_| if watch.is_waiting() { Poll::Pending } else { Poll::Ready(()) }), if ending && !told => {
                told = true;
                connection.as_mut().graceful_shutdown();
            }
            () = std::future::poll_fn(|cx| watch.poll_overdue(&slot, &mut alarm, cx)) => return,
        }
    }
}

/// The answer to a request whose body did not come in time, whatever its handler made of that.
fn make_late(response: &mut Response) {
    *response.status_mut() = StatusCode::REQUEST_TIMEOUT;
    let headers = response.headers_mut();
    for name in [header::CONTENT_LENGTH, header::CONTENT_ENCODING, header::SET_COOKIE, header::LOCATION] {
        headers.remove(name);
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    *response.body_mut() = Body::from(format!("The body of the request was not here within {} s. Send it again.\n", BODY.as_secs()));
}
