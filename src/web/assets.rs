//! Static files: compiled in, compressed, each under an address that holds its hash (`build.rs`).

use std::sync::OnceLock;

use axum::Router;
use memory_serve::{CacheControl, Manifest, MemoryServe};

use super::Site;

static MANIFEST: OnceLock<Manifest> = OnceLock::new();

fn files() -> MemoryServe {
    // A debug build reads `static/` from disk, so that an edited style sheet needs no build: then nothing may be kept.
    let unhashed = if cfg!(debug_assertions) { CacheControl::NoCache } else { CacheControl::Medium };
    let served = if cfg!(debug_assertions) { CacheControl::NoCache } else { CacheControl::Long };
    memory_serve::load!().index_file(None).enable_hashed_routes(true).html_cache_control(unhashed).cache_control(served)
}

fn manifest() -> &'static Manifest {
    MANIFEST.get_or_init(|| files().manifest())
}

/// The address of a file of `static/`, such as `/app.css`, with its hash.
///
/// # Panics
/// There is no such file. Every name stands in `base.html`, which a test renders.
pub fn asset(name: &str) -> String {
    let hashed = manifest().get(name).unwrap_or_else(|| panic!("static{name} does not exist"));
    format!("/static{hashed}")
}

/// `/static/…`.
pub fn router() -> Router<Site> {
    Router::new().nest("/static", files().into_router())
}
