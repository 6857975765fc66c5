//! Hashes and compresses `static/`, so that the binary serves it (`src/web/assets.rs`).

fn main() {
    memory_serve::load_directory("static");
    println!("cargo:rerun-if-changed=static");
    println!("cargo:rerun-if-changed=migrations");
    println!("cargo:rerun-if-changed=templates");
}
