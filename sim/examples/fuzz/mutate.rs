//! Changes to a request, from the meaningful (a number at its end) to the blind (a flipped bit).
//!
//! **Invariant:** what is done depends on the numbers drawn alone.

use serde_json::{Map, Value, json};

use crate::corpus::{Body, Request};

/// The fuzzer's numbers (splitmix64).
#[derive(Debug)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn roll(&mut self, sides: usize) -> usize {
        (self.next() % sides.max(1) as u64) as usize
    }

    pub(crate) fn of<'a, T>(&mut self, all: &'a [T]) -> Option<&'a T> {
        let at = self.roll(all.len());
        all.get(at)
    }
}

/// Texts at which decoders break.
const TEXTS: &[&str] = &[
    "",
    " ",
    "0",
    "-0",
    "1",
    "-1",
    "2",
    "101",
    "0.5",
    "+5",
    "00000000000000000000000000000000000001",
    "1e3",
    "1e308",
    "-1e309",
    "NaN",
    "inf",
    "0x10",
    "2147483648",
    "4294967296",
    "9007199254740993",
    "9223372036854775",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "340282366920938463463374607431768211456",
    "true",
    "false",
    "TRUE",
    "null",
    "None",
    "*",
    "?",
    "\\",
    "*a*a*a*a*a*a*a*a*a*a*a*a*b",
    "$Latest",
    "$Default",
    "$",
    "%",
    "%00",
    "%zz",
    "\u{0}",
    "\u{1}\u{8}\u{c}",
    "\u{85}\u{2028}\u{fffe}\u{ffff}",
    "\u{202e}\u{200d}\u{1f468}\u{1f3fd}",
    "e\u{301}\u{301}\u{301}",
    "<a>&amp;\"']]>",
    "--><script>",
    "a b\tc\r\nd",
    "../../etc",
    "//",
    ".",
    "..",
    "a.b.c",
    "{{digest:stateless-app:v1}}",
    "sha256:",
    "sha256:zz",
    "arn:",
    "arn:aws:iam::123456789012:role/",
    "arn:::::::::::",
    "i-",
    "i-0000000000000000f",
    "i-00000000000000000000",
    "lt-0",
    "subnet-1,subnet-2,,",
    "tag:",
    "tag:Name",
    "page/1",
    "cGFnZS8x",
    "cGFnZS8xODQ0Njc0NDA3MzcwOTU1MTYxNQ==",
    "cGFnZS8tMQ==",
    "====",
    "1970-01-01T00:00:00Z",
    "1969-12-31T23:59:59.999Z",
    "9999-12-31T23:59:59Z",
    "9999-12-31T23:59:59.999999999-23:59",
    "-009999-01-01T00:00:00Z",
    "10000-01-01T00:00:00Z",
    "2026-02-30T00:00:00Z",
    "2026-01-05T09:00:00+25:00",
    "2026-01-05",
    "1767603600",
    "* * * * *",
    "*/0 * * * *",
    "59-0 23-0 31 2 *",
    "0 0 31 2 *",
    "0 0 29 2 *",
    "99999999999999999999 * * * *",
    "*/9223372036854775807 * * * *",
    "1,2,3,4,5-7/2 * * 1-12 0-7",
    "America/New_York",
    "Not/AZone",
    "crash_after:9223372036854775807",
    "flaky:NaN",
    "IyEvYmluL2Jhc2gKZigpIHsgZjsgZjsgfQpmCg==",
    "IyEvYmluL2Jhc2gKQT0kQSRBJEEKZWNobyAkKGVjaG8gJChlY2hvICQoZWNobyAkKCgoKCgK",
];

/// A text that breaks decoders, or a long one.
fn text(dice: &mut Dice) -> String {
    match dice.roll(12) {
        0 => "A".repeat([63, 64, 65, 255, 256, 257, 1024, 70_000][dice.roll(8)]),
        1 => "\u{1f4a5}".repeat(dice.roll(300)),
        2 => format!("{}", dice.next() as i64),
        3 => format!("{:e}", f64::from_bits(dice.next())),
        _ => dice.of(TEXTS).copied().unwrap_or_default().to_owned(),
    }
}

/// A name's numbers, or the name itself, become something else.
fn name(dice: &mut Dice, old: &str) -> String {
    let index = ["0", "1", "2", "-1", "01", "10", "999999999999999999999", "18446744073709551615", "", "x"][dice.roll(10)];
    match dice.roll(9) {
        0 => old.split('.').map(|step| if step.parse::<u64>().is_ok() { index } else { step }).collect::<Vec<_>>().join("."),
        1 => format!("{old}.{index}"),
        2 => format!("{old}.member.{index}"),
        3 => old.replace(".member", ""),
        4 => vec![old; [2, 31, 32, 33, 2000][dice.roll(5)]].join("."),
        5 => old.split('.').next().unwrap_or_default().to_owned(),
        6 => old.to_lowercase(),
        7 => text(dice),
        _ => [".", "..", ".a", "a.", "", "Action", "Version", "DryRun", "NextToken", "MaxRecords", "MaxResults"][dice.roll(11)].to_owned(),
    }
}

fn form(dice: &mut Dice, pairs: &mut Vec<(String, String)>) {
    let at = dice.roll(pairs.len());
    match dice.roll(9) {
        0 if !pairs.is_empty() => drop(pairs.remove(at)),
        1 => pairs.push((name(dice, "Filter.1.Name"), text(dice))),
        2 => {
            if let Some(pair) = pairs.get(at).cloned() {
                pairs.push(pair);
            }
        }
        3 => {
            if let Some((old, _)) = pairs.get(at).cloned() {
                pairs[at].0 = name(dice, &old);
            }
        }
        4 => {
            // A list of very many.
            if let Some((old, value)) = pairs.get(at).cloned() {
                let stem = old.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned();
                pairs.extend((0..[60, 400, 3000][dice.roll(3)]).map(|n| (format!("{stem}{n}"), value.clone())));
            }
        }
        5 => {
            // Values change places.
            let other = dice.roll(pairs.len());
            if let (Some((_, a)), Some((_, b))) = (pairs.get(at).cloned(), pairs.get(other).cloned()) {
                pairs[at].1 = b;
                pairs[other].1 = a;
            }
        }
        _ => {
            if let Some(pair) = pairs.get_mut(at) {
                pair.1 = text(dice);
            }
        }
    }
}

/// A value that no member expects.
fn value(dice: &mut Dice) -> Value {
    let deep =
        |dice: &mut Dice| (0..[3, 120, 126][dice.roll(3)]).fold(json!(1), |inner, n| if n % 2 == 0 { json!([inner]) } else { json!({"a": inner}) });
    match dice.roll(12) {
        0 => Value::Null,
        1 => json!(dice.next()),
        2 => json!(dice.next() as i64),
        3 => json!(f64::from_bits(dice.next())),
        4 => json!(i64::MIN),
        5 => json!(1e308),
        6 => json!([]),
        7 => json!({}),
        8 => json!(dice.roll(2) == 0),
        9 => deep(dice),
        10 => json!(vec![text(dice); [1, 101, 1001][dice.roll(3)]]),
        _ => Value::String(text(dice)),
    }
}

fn json_value(dice: &mut Dice, at: &mut Value) {
    match at {
        Value::Object(map) if !map.is_empty() && dice.roll(4) > 0 => {
            let key = map.keys().nth(dice.roll(map.len())).cloned().unwrap_or_default();
            match dice.roll(6) {
                0 => drop(map.remove(&key)),
                1 => drop(map.insert(text(dice), value(dice))),
                2 => {
                    let old = map.remove(&key).unwrap_or_default();
                    map.insert(name(dice, &key), old);
                }
                _ => json_value(dice, map.entry(key).or_insert(Value::Null)),
            }
        }
        Value::Array(rows) if !rows.is_empty() && dice.roll(4) > 0 => {
            let n = dice.roll(rows.len());
            match dice.roll(5) {
                0 => drop(rows.remove(n)),
                1 => {
                    let row = rows[n].clone();
                    rows.extend(vec![row; [1, 100, 1000][dice.roll(3)]]);
                }
                _ => json_value(dice, &mut rows[n]),
            }
        }
        other => *other = value(dice),
    }
}

fn bytes(dice: &mut Dice, body: &mut Vec<u8>) {
    let at = dice.roll(body.len());
    match dice.roll(8) {
        0 => body.truncate(at),
        1 => {
            if let Some(byte) = body.get_mut(at) {
                *byte ^= 1 << dice.roll(8);
            }
        }
        2 => {
            let junk: &[&[u8]] =
                &[b"\xff", b"\xed\xa0\x80", b"\\ud800", b"\0", b"&&", b"==", b"%", b"+", b"[[[[", b"\xf6", b"\xc1\x1b", b"e999999999"];
            let junk = junk[dice.roll(junk.len())];
            body.splice(at..at, junk.iter().copied());
        }
        3 => {
            let end = (at + dice.roll(16)).min(body.len());
            body.drain(at.min(end)..end);
        }
        4 => {
            let end = (at + dice.roll(64)).min(body.len());
            let piece = body[at.min(end)..end].to_vec();
            body.splice(at.min(end)..at.min(end), piece);
        }
        5 => body.splice(at..at, vec![b"[{\"&.=%a"[dice.roll(8)]; [10, 200, 20_000][dice.roll(3)]]).for_each(drop),
        6 => *body = (0..dice.roll(200)).map(|_| dice.next() as u8).collect(),
        _ => {
            if let Some(byte) = body.get_mut(at) {
                *byte = dice.next() as u8;
            }
        }
    }
}

fn head(dice: &mut Dice, request: &mut Request) {
    match dice.roll(7) {
        0 => {
            let part = dice.roll(3);
            let word = text(dice);
            if let Some(scope) = &mut request.scope {
                scope[part] = ["ec2", "ecr", "s3", "monitoring", "iam", "sts", "eu-west-1", &word][dice.roll(8)].to_owned();
            }
        }
        1 => request.scope = None,
        2 => request.method = ["GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS"][dice.roll(7)].to_owned(),
        3 => {
            let mut path = request.path.clone().into_bytes();
            bytes(dice, &mut path);
            request.path = String::from_utf8_lossy(&path).into_owned();
        }
        4 => {
            request.path =
                format!("{}{}", request.path, ["?", "?x=1", "?since=-1", "?since=99999999999999999999", "/", "//", "/%00", "?a&a"][dice.roll(8)])
        }
        5 => {
            for (_, value) in &mut request.headers {
                let mut raw = value.clone().into_bytes();
                bytes(dice, &mut raw);
                *value = String::from_utf8_lossy(&raw).into_owned();
            }
        }
        _ => {
            let names =
                ["x-amz-target", "content-type", "content-encoding", "smithy-protocol", "authorization", "x-amz-date", "content-md5", "range"];
            let word =
                ["gzip", "rpc-v2-cbor", "AmazonEC2ContainerRegistry_V20150921.", "application/cbor", ".", "Credential=", "Credential=////", ""];
            request.headers.push((names[dice.roll(names.len())].to_owned(), word[dice.roll(word.len())].to_owned()));
        }
    }
}

/// Changes a request a few times over.
pub(crate) fn mutate(dice: &mut Dice, request: &mut Request, corpus: &[Request]) {
    for _ in 0..dice.roll(5) {
        match dice.roll(10) {
            0 => head(dice, request),
            1 => {
                let mut raw = request.body.bytes();
                bytes(dice, &mut raw);
                request.body = Body::Raw(raw);
            }
            2 => {
                // The body of one with the head of another.
                if let Some(other) = dice.of(corpus) {
                    request.body = other.body.clone();
                }
            }
            _ => match &mut request.body {
                Body::Form(pairs) => form(dice, pairs),
                Body::Json(value) | Body::Cbor(value) => json_value(dice, value),
                Body::Raw(raw) => bytes(dice, raw),
            },
        }
    }
    if dice.roll(400) == 0 {
        request.body = Body::Json(Value::Object(Map::new()));
    }
}
