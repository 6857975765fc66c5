//! How long a client may take: for the head of a request, for its body, for taking an answer, and with nothing to say.
//!
//! A connection's [`Watch`] is shared by its socket, its request bodies and its answers, and asked for the next deadline by
//! the task that drives the connection. All three live in that one task, so a change is seen at the next poll.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, Incoming, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

use super::caps::Slot;

/// For the whole head of a request: from the first connection, or from its first byte.
pub(super) const HEAD: Duration = Duration::from_secs(8);
/// For the whole body of a request, of at most [`crate::web::LARGEST_BODY`] bytes.
pub(super) const BODY: Duration = Duration::from_secs(8);
/// For a reader who takes nothing of an answer.
pub(super) const STALL: Duration = Duration::from_secs(7);
/// Bytes in a second that a reader must take once an answer no longer fits into the buffers between.
const SLOWEST: u64 = 8192;
/// Between two requests. Longer than the 60 s after which AWS's load balancers let go: who closes first risks a request.
const IDLE: Duration = Duration::from_secs(75);
/// Between two requests while places are short.
const CROWDED: Duration = Duration::from_secs(4);
/// For a head that is not whole when the process ends.
const HURRY: Duration = Duration::from_millis(500);

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// A head must be whole by then.
    Head(Instant),
    /// A request is being answered; its body and its reader have deadlines of their own.
    Busy,
    /// Nothing has come since then.
    Idle(Instant),
}

#[derive(Debug)]
struct State {
    phase: Phase,
    /// The reader must have taken what is waiting by then.
    stalled: Option<Instant>,
    /// The body of the present request did not come in time.
    late: bool,
}

/// What a connection is doing.
#[derive(Clone, Debug)]
pub(super) struct Watch(Arc<Mutex<State>>);

impl Watch {
    /// Of a connection that has just come.
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(State { phase: Phase::Head(Instant::now() + HEAD), stalled: None, late: false })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A head is whole.
    pub(super) fn begin(&self) {
        let mut state = self.state();
        state.phase = Phase::Busy;
        state.late = false;
    }

    /// The body of the present request did not come in time.
    pub(super) fn is_late(&self) -> bool {
        self.state().late
    }

    /// A head is waited for, of which some may have come.
    pub(super) fn is_waiting(&self) -> bool {
        matches!(self.state().phase, Phase::Head(_))
    }

    /// The process ends: a head that is on its way gets little time.
    pub(super) fn hurry(&self) {
        let mut state = self.state();
        if let Phase::Head(due) = state.phase {
            state.phase = Phase::Head(due.min(Instant::now() + HURRY));
        }
    }

    fn read_some(&self) {
        let mut state = self.state();
        if matches!(state.phase, Phase::Idle(_)) {
            state.phase = Phase::Head(Instant::now() + HEAD);
        }
    }

    fn must_wait(&self) {
        self.state().stalled.get_or_insert_with(|| Instant::now() + STALL);
    }

    fn wrote(&self, bytes: usize) {
        let mut state = self.state();
        if let Some(due) = state.stalled {
            let earned = Duration::from_millis(bytes as u64 * 1000 / SLOWEST);
            state.stalled = Some((due + earned).min(Instant::now() + STALL));
        }
    }

    fn wrote_all(&self) {
        self.state().stalled = None;
    }

    fn is_stalled(&self) -> bool {
        self.state().stalled.is_some()
    }

    /// Ready when the client took too long.
    pub(super) fn poll_overdue(&self, slot: &Slot, alarm: &mut Pin<Box<Sleep>>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let now = Instant::now();
            let (phase, stalled) = {
                let state = self.state();
                (state.phase, state.stalled)
            };
            let due = match phase {
                Phase::Head(due) => Some(due),
                Phase::Busy => None,
                Phase::Idle(since) if slot.is_crowded() => Some(since + CROWDED),
                // Looked at again before that: it may have become crowded.
                Phase::Idle(since) if since + IDLE > now => Some((since + IDLE).min(now + CROWDED)),
                Phase::Idle(since) => Some(since + IDLE),
            };
            let due = match (due, stalled) {
                (Some(a), Some(b)) => a.min(b),
                (Some(one), None) | (None, Some(one)) => one,
                (None, None) => return Poll::Pending,
            };
            if due <= now {
                return Poll::Ready(());
            }
            alarm.as_mut().reset(due);
            ready!(alarm.as_mut().poll(cx));
        }
    }
}

/// The socket of a connection, telling its watch what moves.
#[derive(Debug)]
pub(super) struct Watched {
    stream: TcpStream,
    watch: Watch,
}

impl Watched {
    pub(super) fn new(stream: TcpStream, watch: Watch) -> Self {
        Self { stream, watch }
    }

    fn written(&self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &result {
            Poll::Pending => self.watch.must_wait(),
            Poll::Ready(Ok(bytes)) => self.watch.wrote(*bytes),
            Poll::Ready(Err(_)) => {}
        }
        result
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // What such a reader never took is thrown away with the connection, instead of staying in the kernel.
        if self.watch.is_stalled() {
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Watched {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.watch.read_some();
        }
        result
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.written(result)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, bytes);
        self.written(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// Asked for once everything is written.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.watch.wrote_all();
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A request's body that must be whole in time.
#[derive(Debug)]
pub(super) struct TimedBody {
    inner: Incoming,
    alarm: Pin<Box<Sleep>>,
    watch: Watch,
}

impl TimedBody {
    pub(super) fn new(inner: Incoming, watch: Watch) -> Self {
        Self { inner, alarm: Box::pin(sleep_until(Instant::now() + BODY)), watch }
    }
}

impl HttpBody for TimedBody {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match Pin::new(&mut self.inner).poll_frame(cx) {
            Poll::Pending => {}
            frame => return frame.map_err(Into::into),
        }
        // Asked whenever the body makes us wait: one that drips does so between any two bytes.
        ready!(self.alarm.as_mut().poll(cx));
        self.watch.state().late = true;
        Poll::Ready(Some(Err("the body did not come in time".into())))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// An answer's body; when it is dropped the connection is idle.
#[derive(Debug)]
pub(super) struct Answer {
    inner: Body,
    watch: Watch,
}

impl Answer {
    pub(super) fn new(inner: Body, watch: Watch) -> Self {
        Self { inner, watch }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.watch.state().phase = Phase::Idle(Instant::now());
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.inner).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
