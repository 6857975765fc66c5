//! Smithy RPC v2 CBOR: CloudWatch (aws-reference 1.1, 1.2).
//!
//! **Invariant:** nothing a client sends makes this panic, recurse without end or reserve memory it did not pay for with
//! bytes: nesting is limited, lengths are never trusted, and what is left over after the value is refused.

use minicbor::{
    Decoder, Encoder,
    data::{IanaTag, Tag, Type},
    decode::Error,
};
use serde_json::{Map, Number, Value};

use super::{
    ApiError, Reply,
    answer::{Answer, Members, seconds},
    json::shape,
};

/// Deepest nesting of a request; the deepest CloudWatch has is seven.
const DEEPEST: usize = 32;

const TYPE: &str = "application/cbor";

/// Reads a request body. Times (tag 1) become epoch seconds, a number that JSON cannot hold its name.
pub(crate) fn read(body: &[u8]) -> Option<Value> {
    if body.is_empty() {
        return Some(Value::Object(Map::new()));
    }
    let mut decoder = Decoder::new(body);
    let value = value(&mut decoder, 0).ok()?;
    (decoder.position() == body.len() && value.is_object()).then_some(value)
}

fn value(d: &mut Decoder<'_>, depth: usize) -> Result<Value, Error> {
    if depth > DEEPEST {
        return Err(Error::message("nested too deep"));
    }
    Ok(match d.datatype()? {
        Type::Bool => Value::Bool(d.bool()?),
        Type::Null | Type::Undefined => {
            d.skip()?;
            Value::Null
        }
        Type::U8 | Type::U16 | Type::U32 | Type::U64 => Value::from(d.u64()?),
        Type::I8 | Type::I16 | Type::I32 | Type::I64 => Value::from(d.i64()?),
        Type::F16 | Type::F32 | Type::F64 => {
            let n = d.f64()?;
            Number::from_f64(n).map_or_else(|| Value::String(n.to_string()), Value::Number)
        }
        Type::String | Type::StringIndef => Value::String(text(d)?),
        Type::Array | Type::ArrayIndef => {
            let mut left = d.array()?;
            let mut rows = Vec::new();
            while more(d, &mut left)? {
                rows.push(value(d, depth + 1)?);
            }
            Value::Array(rows)
        }
        Type::Map | Type::MapIndef => {
            let mut left = d.map()?;
            let mut rows = Map::new();
            while more(d, &mut left)? {
                let key = text(d)?;
                rows.insert(key, value(d, depth + 1)?);
            }
            Value::Object(rows)
        }
        Type::Tag if d.tag()? == Tag::from(IanaTag::Timestamp) => match value(d, depth + 1)? {
            Value::Number(n) => Value::Number(n),
            _ => return Err(Error::message("a time is a number")),
        },
        _ => return Err(Error::message("a type no operation takes")),
    })
}

/// Whether another item follows; ends an indefinite collection at its break.
fn more(d: &mut Decoder<'_>, left: &mut Option<u64>) -> Result<bool, Error> {
    match left {
        Some(0) => Ok(false),
        Some(n) => {
            *n -= 1;
            Ok(true)
        }
        None if d.datatype()? == Type::Break => {
            d.skip()?;
            Ok(false)
        }
        None => Ok(true),
    }
}

fn text(d: &mut Decoder<'_>) -> Result<String, Error> {
    d.str_iter()?.collect::<Result<String, _>>()
}

/// A successful answer.
pub(crate) fn ok(members: &Members) -> Reply {
    reply(200, encode(|e| map(e, members)))
}

/// A refusal.
pub(crate) fn error(error: &ApiError) -> Reply {
    let members = Members::new().set("__type", format!("com.amazonaws.cloudwatch#{}", shape(&error.code))).set("message", error.message.as_str());
    let mut reply = reply(error.status, encode(|e| map(e, &members)));
    reply.headers.push(super::json::query_error(error));
    reply.error = Some(error.code.clone());
    reply
}

fn reply(status: u16, body: Vec<u8>) -> Reply {
    Reply { status, content_type: TYPE, body, headers: vec![("smithy-protocol".to_owned(), "rpc-v2-cbor".to_owned())], error: None }
}

type Written = Result<(), minicbor::encode::Error<std::convert::Infallible>>;

fn encode(write: impl FnOnce(&mut Encoder<Vec<u8>>) -> Written) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new());
    // Writing into memory cannot fail.
    let _ = write(&mut encoder);
    encoder.into_writer()
}

fn map(e: &mut Encoder<Vec<u8>>, members: &Members) -> Written {
    e.map(members.0.len() as u64)?;
    for (name, value) in &members.0 {
        e.str(name)?;
        item(e, value)?;
    }
    Ok(())
}

fn item(e: &mut Encoder<Vec<u8>>, answer: &Answer) -> Written {
    match answer {
        Answer::Text(text) => e.str(text).map(drop),
        Answer::Int(n) => e.i64(*n).map(drop),
        Answer::Double(n) => e.f64(*n).map(drop),
        Answer::Flag(flag) => e.bool(*flag).map(drop),
        Answer::Time(millis) => {
            e.tag(IanaTag::Timestamp)?;
            let number = seconds(*millis);
            match number.as_i64() {
                Some(n) => e.i64(n).map(drop),
                None => e.f64(*millis as f64 / 1000.0).map(drop),
            }
        }
        Answer::List(rows) => {
            e.array(rows.len() as u64)?;
            rows.iter().try_for_each(|row| item(e, row))
        }
        Answer::Map(members) => map(e, members),
        Answer::Entries(rows) => {
            e.map(rows.len() as u64)?;
            rows.iter().try_for_each(|(key, value)| {
                e.str(key)?;
                item(e, value)
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_client_sends_is_refused_and_never_panics() {
        // Arrays in arrays, a map that says it has 2^60 rows, a length past the end, a break alone, two values, a text.
        let deep = [vec![0xa1, 0x61, b'a'], vec![0x81; 100_000]].concat();
        let cases: [&[u8]; 8] = [
            &deep,
            &[0xbb, 0x10, 0, 0, 0, 0, 0, 0, 0],
            &[0xa1, 0x7a, 0xff, 0xff, 0xff, 0xff],
            &[0xff],
            &[0xa0, 0xa0],
            &[0x61, b'a'],
            &[0xa1, 0x61, b'a', 0x41, 0x00],
            &[0xa1, 0x61, b'a', 0xc1, 0x61, b'x'],
        ];
        for case in cases {
            assert_eq!(read(case), None);
        }
        for seed in 0..2000u64 {
            let bytes: Vec<u8> = (0..40).map(|n| crate::rng::hash(seed, "bytes", &n.to_string()) as u8).collect();
            let _ = read(&[&[0xa3, 0x61, b'a'][..], &bytes].concat());
        }
    }

    #[test]
    fn every_form_of_a_number_text_and_collection_is_read() {
        let half = read(&[0xbf, 0x61, b'a', 0xf9, 0x3e, 0x00, 0xff]);
        assert_eq!(half, Some(serde_json::json!({"a": 1.5})));
        let pieces = read(&[0xa1, 0x61, b'a', 0x7f, 0x61, b'x', 0x61, b'y', 0xff]);
        assert_eq!(pieces, Some(serde_json::json!({"a": "xy"})));
        let list = read(&[0xa1, 0x61, b'a', 0x9f, 0x01, 0x20, 0xff]);
        assert_eq!(list, Some(serde_json::json!({"a": [1, -1]})));
        let time = read(&[0xa1, 0x61, b'a', 0xc1, 0x1a, 0x69, 0x5b, 0x7f, 0x90]);
        assert_eq!(time, Some(serde_json::json!({"a": 0x695b_7f90_u32})));
    }
}
