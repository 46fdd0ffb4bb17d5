//! Deliveries that are not as they should be.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::recorded;

/// A recorded entry of each type, with few of its contact's fields: the others are read no differently.
pub fn one_of_each_type() -> BTreeMap<String, Value> {
    let bodies = recorded().into_iter().filter_map(|(_, body)| body.as_object().cloned());
    let typed = bodies.flatten().filter_map(|(kind, entries)| Some((kind, slim(entries.get(0)?.clone()))));
    typed.collect()
}

fn slim(value: Value) -> Value {
    const FIELDS: [&str; 4] = ["email", "firstname", "points", "companyname"];
    match value {
        Value::Object(members) if members.values().any(is_field) => {
            members.into_iter().filter(|(alias, _)| FIELDS.contains(&alias.as_str())).collect()
        }
        Value::Object(members) => members.into_iter().map(|(key, value)| (key, slim(value))).collect(),
        Value::Array(items) => items.into_iter().map(slim).collect(),
        Value::String(text) => Value::String(text.chars().take(40).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) => value,
    }
}

fn is_field(value: &Value) -> bool {
    value.get("alias").is_some() && value.get("normalizedValue").is_some()
}

/// The value with each of the values in it replaced by one of every JSON type, itself included.
pub fn everywhere(value: &Value) -> Vec<Value> {
    let mut damaged = vec![json!(null), json!(7), json!(-1.5), json!("x"), json!([1]), json!({"x": 1}), json!(true)];
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                let with = |member| {
                    let mut copy: Map<String, Value> = members.clone();
                    copy.insert(key.clone(), member);
                    Value::Object(copy)
                };
                damaged.extend(everywhere(member).into_iter().map(with));
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let with = |item| {
                    let mut copy = items.clone();
                    copy[index] = item;
                    Value::Array(copy)
                };
                damaged.extend(everywhere(item).into_iter().map(with));
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    damaged
}

/// The bytes with a few of them changed, taken out, doubled or cut off; the same for the same seed.
pub fn bytes(sound: &[u8], seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut chance = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).unwrap()
    };
    let mut damaged = sound.to_vec();
    for _ in 0..=chance(8) {
        let at = chance(damaged.len());
        match chance(5) {
            0 => damaged[at] = u8::try_from(chance(256)).unwrap(),
            1 => damaged[at] = b"{}[]\",:0-enft\\"[chance(14)],
            2 => drop(damaged.drain(at..(at + 1 + chance(20)).min(damaged.len()))),
            3 => {
                let copy = damaged[at..(at + 1 + chance(200)).min(damaged.len())].to_vec();
                damaged.splice(at..at, copy);
            }
            _ if chance(20) == 0 => damaged.truncate(at.max(1)),
            _ => {}
        }
        if damaged.is_empty() {
            damaged.push(b'{');
        }
    }
    damaged
}
