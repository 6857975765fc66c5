use super::*;

#[test]
fn placeholder() {
    let _ = Ours::default();
}
