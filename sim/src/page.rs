//! The live page of the world for browsers, and the guard of the controls against pages of other origins.
//!
//! **Invariant:** everything the page needs comes from here and nothing from elsewhere, which its policy enforces; a
//! request that changes something and names another origin is refused.

use hyper::{
    HeaderMap, Method, Response,
    header::{self, HeaderValue},
};

/// What the page may load and ask: its own files and its own host.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Files below `/_sim/`: name, type, content.
const FILES: &[(&str, &str, &str)] = &[
    ("page.css", "text/css; charset=utf-8", include_str!("../static/page.css")),
    ("page.js", SCRIPT, include_str!("../static/page.js")),
    ("dom.js", SCRIPT, include_str!("../static/dom.js")),
    ("world.js", SCRIPT, include_str!("../static/world.js")),
    ("calls.js", SCRIPT, include_str!("../static/calls.js")),
    ("controls.js", SCRIPT, include_str!("../static/controls.js")),
];

/// The page, where a browser asks for it, or one of its files.
pub(crate) fn answer(method: &Method, path: &str, headers: &HeaderMap) -> Option<Response<Vec<u8>>> {
    if method != Method::GET {
        return None;
    }
    let (kind, text) = match path {
        "" => prefers_html(headers).then_some((HTML, include_str!("../static/page.html")))?,
        name => FILES.iter().find(|(own, ..)| *own == name).map(|(_, kind, text)| (*kind, *text))?,
    };
    let mut response = Response::new(text.as_bytes().to_vec());
    for (name, value) in [
        ("content-type", kind),
        ("content-security-policy", POLICY),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("cache-control", "no-store"),
        ("vary", "accept"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    Some(response)
}

/// Whether a request would change something and comes from a page of another origin.
pub(crate) fn foreign(method: &Method, headers: &HeaderMap) -> bool {
    if matches!(*method, Method::GET | Method::HEAD) {
        return false;
    }
    let host = headers.get(header::HOST).and_then(|h| h.to_str().ok());
    let own = |origin: &HeaderValue| {
        let origin = origin.to_str().ok().and_then(|o| o.strip_prefix("http://").or_else(|| o.strip_prefix("https://")));
        origin.is_some() && origin == host
    };
    !headers.get_all(header::ORIGIN).iter().all(own)
}

/// Whether HTML is named as better than JSON; `*/*` alone prefers nothing.
fn prefers_html(headers: &HeaderMap) -> bool {
    let texts = headers.get_all(header::ACCEPT).iter().filter_map(|v| v.to_str().ok());
    let ranges: Vec<(String, f64)> = texts.flat_map(|t| t.split(',')).map(range).collect();
    let quality = |names: &[&str]| names.iter().find_map(|n| ranges.iter().find(|(range, _)| range == n)).map_or(0.0, |(_, q)| *q);
    quality(&["text/html", "text/*"]) > quality(&["application/json", "application/*"])
}

/// A media range and its quality.
fn range(text: &str) -> (String, f64) {
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default().to_ascii_lowercase();
    let quality = parts.find_map(|p| p.strip_prefix("q=")).map_or(1.0, |q| q.parse().unwrap_or(0.0));
    (name, quality)
}
