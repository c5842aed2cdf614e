//! The bodies of requests and answers, read along as they pass.

use super::busy::Turn;
use super::json::{Finder, Found, Way, decoded};
use super::tokens::Tokens;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use std::collections::VecDeque;
use std::error::Error;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

/// What goes wrong with a body.
pub(super) type BodyError = Box<dyn Error + Send + Sync>;

// Where every protocol but Gemini's names the model.
const MODEL: &[Way] = &[&["model"]];
// What could name another one: some servers do not tell small letters from large ones, and gateways read lists of
// models that they may take in its place.
const MODEL_ALONE: &[Way] = &[&["model"], &["*model*"], &["*fallback*"]];

// So much of a body is read along for the model.
const BEGINNING: usize = 64 << 10;

// The most that is held back for it.
const MOST_HELD: usize = 16 << 20;

/// The model that a request names, once it was read.
pub(super) type Model = Arc<Mutex<Option<String>>>;

/// The body of a request.
pub(super) struct Sent {
    // What was held back.
    held: VecDeque<Bytes>,
    rest: Incoming,
    finder: Finder,
    // The bytes that the finder may still read.
    left: usize,
    model: Model,
    // Whether a second model ends the request.
    is_strict: bool,
}

impl Sent {
    /// The body as it comes.
    pub(super) fn as_it_comes(rest: Incoming, model: Model) -> Self {
        let (held, finder) = (VecDeque::new(), Finder::new(MODEL));
        Self { held, rest, finder, left: BEGINNING, model, is_strict: false }
    }

    /// Holds the body back until its model was read. `None` if the body names none, is too long before that, or cannot
    /// be read.
    pub(super) async fn once_named(mut rest: Incoming, model: Model) -> Option<Self> {
        let (mut finder, mut held) = (Finder::new(MODEL_ALONE), VecDeque::new());
        let (mut length, mut found) = (0, Vec::new());
        while found.is_empty() {
            let data = rest.frame().await?.ok()?.into_data().ok()?;
            length += data.len();
            finder.read(&data, |value| found.push(text(value)));
            held.push_back(data);
            if length > MOST_HELD || finder.is_lost() {
                return None;
            }
        }
        // With a second name the request could be read in two ways.
        let [Some(name)] = &found[..] else { return None };
        put(&model, name.clone());
        Some(Self { held, rest, finder, left: usize::MAX, model, is_strict: true })
    }

    fn read(&mut self, data: &[u8]) -> Result<(), BodyError> {
        if self.left == 0 {
            return Ok(());
        }
        let part = &data[..data.len().min(self.left)];
        self.left -= part.len();
        let mut found = Vec::new();
        self.finder.read(part, |value| found.push(text(value)));
        if self.is_strict && (!found.is_empty() || self.finder.is_lost()) {
            return Err("the request names a second model, or cannot be read".into());
        }
        if let Some(Some(name)) = found.into_iter().next() {
            put(&self.model, name);
            self.left = 0;
        }
        Ok(())
    }
}

// The model; `None` for any other value.
fn text(value: Found<'_>) -> Option<String> {
    if let Found::Text(0, text) = value { decoded(text) } else { None }
}

fn put(model: &Model, name: String) {
    model.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(name);
}

/// Returns the model that was read so far.
pub(super) fn named(model: &Model) -> Option<String> {
    model.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

impl Body for Sent {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(data) = self.held.pop_front() {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        let frame = std::task::ready!(Pin::new(&mut self.rest).poll_frame(context));
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
            && let Err(error) = self.read(data)
        {
            return Poll::Ready(Some(Err(error)));
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.held.is_empty() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let held: u64 = self.held.iter().map(|data| data.len() as u64).sum();
        match self.rest.size_hint().exact() {
            Some(rest) => SizeHint::with_exact(held + rest),
            None => SizeHint::default(),
        }
    }
}

type Tell = Box<dyn FnOnce(&Tokens) + Send>;

/// The body of an answer. What it says of its use is told once it has ended, or was given up.
pub(super) struct Received {
    body: Incoming,
    tokens: Tokens,
    is_readable: bool,
    tell: Option<Tell>,
    turn: Option<Turn>,
}

impl Received {
    /// The body of an answer, which may be a stream of events. A compressed one cannot be read along.
    pub(super) fn new(
        body: Incoming,
        is_events: bool,
        is_readable: bool,
        tell: impl FnOnce(&Tokens) + Send + 'static,
    ) -> Self {
        Self { body, tokens: Tokens::new(is_events), is_readable, tell: Some(Box::new(tell)), turn: None }
    }

    /// Keeps what says that the request is not yet answered to its end.
    pub(super) fn hold(&mut self, turn: Turn) {
        self.turn = Some(turn);
    }

    fn end(&mut self) {
        self.turn = None;
        if let Some(tell) = self.tell.take() {
            tell(&self.tokens);
        }
    }
}

impl Body for Received {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(context));
        match frame.as_ref().map(|frame| frame.as_ref().ok().and_then(Frame::data_ref)) {
            Some(Some(data)) if self.is_readable => self.tokens.read(data),
            Some(_) => {}
            None => self.end(),
        }
        // What is counted must not be missing once the agent has read the end.
        if self.body.is_end_stream() {
            self.end();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Received {
    fn drop(&mut self) {
        self.end();
    }
}
