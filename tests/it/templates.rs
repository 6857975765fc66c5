//! What may not stand in a template or in the script: everything that would need a looser content security policy, and every way past
//! escaping. Read off the sources; each rule also finds a made-up offence.

use std::fs;
use std::path::Path;

/// What is looked for, in lower case, and why it may not stand there.
const BANNED: [(&str, &str); 12] = [
    ("|safe", "goes past escaping"),
    ("|urlencode_strict", "is not used here: addresses are made of slugs and numbers"),
    ("{% raw", "goes past the template"),
    (" style=", "needs unsafe-inline"),
    ("<style", "needs unsafe-inline"),
    (" onclick=", "needs unsafe-inline"),
    (" onload=", "needs unsafe-inline"),
    (" onerror=", "needs unsafe-inline"),
    ("hx-on", "needs unsafe-eval"),
    ("js:", "needs unsafe-eval"),
    ("javascript:", "runs script from an address"),
    ("://", "leads to another host, or loads from one"),
];

fn offences(name: &str, text: &str) -> Vec<String> {
    let text = text.to_lowercase();
    let mut out: Vec<String> = BANNED.iter().filter(|(word, _)| text.contains(word)).map(|(word, why)| format!("{name}: `{word}` {why}")).collect();
    // A filter in a trigger is evaluated.
    for trigger in text.split("hx-trigger=\"").skip(1).map(|t| t.split('"').next().unwrap_or_default()) {
        if trigger.contains('[') {
            out.push(format!("{name}: a filter in hx-trigger needs unsafe-eval"));
        }
    }
    for tag in text.split("<script").skip(1).map(|t| t.split('>').next().unwrap_or_default()) {
        if !tag.contains("src=") {
            out.push(format!("{name}: an inline script needs unsafe-inline"));
        }
    }
    out
}

fn templates(directory: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            templates(&path, found);
        } else {
            found.push((path.display().to_string(), fs::read_to_string(&path).unwrap()));
        }
    }
}

#[test]
fn templates_hold_nothing_that_needs_a_looser_policy() {
    let mut found = Vec::new();
    templates(&Path::new(env!("CARGO_MANIFEST_DIR")).join("templates"), &mut found);
    assert!(found.len() > 30, "the templates were not found");
    let bad: Vec<String> = found.iter().flat_map(|(name, text)| offences(name, text)).collect();
    assert!(bad.is_empty(), "\n{}", bad.join("\n"));
}

#[test]
fn each_offence_is_found() {
    for text in BANNED.map(|(word, _)| word).into_iter().chain(["hx-trigger=\"click[ctrlKey]\"", "<script>x</script>"]) {
        assert!(!offences("made-up", text).is_empty(), "{text}");
    }
    assert!(offences("made-up", "<script src=\"/a.js\" defer></script><p hx-trigger=\"refresh throttle:1s\">").is_empty());
}

/// The vendored file is what the npm package holds, so that nobody mends it in place.
#[test]
fn the_vendored_script_is_the_published_one() {
    let text = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("static/htmx.min.js")).unwrap();
    assert_eq!(fleetgate::domain::canonical::sha256_hex(&text), "a0abb04f2f45a1f89d1d4844023245537e5e6014c87b144553e0607b4cc32130");
}
