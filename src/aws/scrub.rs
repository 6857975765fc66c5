//! Makes a text of AWS safe to show and to store.
//!
//! **Invariant:** what leaves here holds no access key id, no long opaque run (tokens, encoded messages, signatures), no
//! control character, and at most 500 characters.

const LONGEST: usize = 500;
/// A run of this many token characters without a break is no word: ARNs have colons and digests are shorter.
const OPAQUE: usize = 100;

/// The text without what must not be seen.
pub(crate) fn safe(text: &str) -> String {
    // EC2 appends the whole policy evaluation, encoded (aws-reference 1.3, `UnauthorizedOperation`).
    let text = text.split("Encoded authorization failure message").next().unwrap_or_default();
    let mut out = String::new();
    let mut run = String::new();
    for c in text.chars() {
        if c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=' | '_' | '-') {
            run.push(c);
            continue;
        }
        out.push_str(masked(&run));
        run.clear();
        out.push(if c.is_control() { ' ' } else { c });
    }
    out.push_str(masked(&run));
    let out = without_roles(out.trim());
    if out.chars().count() <= LONGEST {
        return out.to_owned();
    }
    out.chars().take(LONGEST - 1).chain(['…']).collect()
}

/// ARNs of users and roles become `our role`: they tell a reader of pages what to attack.
fn without_roles(text: &str) -> String {
    text.split(' ')
        .map(|word| if word.contains("arn:aws") && (word.contains(":sts:") || word.contains(":iam:")) { "our role" } else { word })
        .collect::<Vec<_>>()
        .join(" ")
}

fn masked(run: &str) -> &str {
    if run.len() >= OPAQUE || holds_key_id(run) { "[hidden]" } else { run }
}

/// `AKIA…` and `ASIA…` with the sixteen capitals and digits that follow.
fn holds_key_id(run: &str) -> bool {
    let capital = |b: &u8| b.is_ascii_uppercase() || b.is_ascii_digit();
    run.as_bytes().windows(20).any(|w| (w.starts_with(b"AKIA") || w.starts_with(b"ASIA")) && w.iter().all(capital))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hides_keys_tokens_and_encoded_messages() {
        let text = safe("You are not authorized to perform: ec2:X. Encoded authorization failure message: 4Zk3abcdef");
        assert_eq!(text, "You are not authorized to perform: ec2:X.");
        assert_eq!(safe("key AKIAIOSFODNN7EXAMPLE is bad"), "key [hidden] is bad");
        assert_eq!(safe("Credential=ASIAIOSFODNN7EXAMPLE/2026/ec2, x"), "[hidden], x");
        assert_eq!(safe(&format!("token {} end", "aB3/".repeat(40))), "token [hidden] end");
    }

    #[test]
    fn keeps_resource_arns_digests_and_ordinary_sentences() {
        let arn = "User: arn:aws:sts::123456789012:assumed-role/fleetgate/change-7 is not authorized to perform: autoscaling:StartInstanceRefresh";
        assert_eq!(safe(arn), "User: our role is not authorized to perform: autoscaling:StartInstanceRefresh");
        let arn = "arn:aws:autoscaling:eu-west-1:123456789012:autoScalingGroup:x is locked";
        assert_eq!(safe(arn), arn);
        let digest = format!("image sha256:{} not found", "0a".repeat(32));
        assert_eq!(safe(&digest), digest);
    }

    #[test]
    fn is_one_bounded_line() {
        assert_eq!(safe("a\r\nb\u{1b}[31m"), "a  b [31m");
        assert_eq!(safe(&"word ".repeat(500)).chars().count(), 500);
    }
}
