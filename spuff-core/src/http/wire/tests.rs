use super::*;
use std::net::IpAddr;

#[derive(Debug, Deserialize)]
struct Thing {
    #[serde(deserialize_with = "id")]
    id: String,
    #[serde(default, deserialize_with = "nullable")]
    tags: Vec<String>,
    #[serde(default, deserialize_with = "time")]
    created: Option<DateTime<Utc>>,
    #[serde(default, deserialize_with = "parsed")]
    ip: Option<IpAddr>,
}

#[test]
fn reads_what_clouds_write() {
    let read = |text| serde_json::from_str::<Thing>(text).unwrap();
    let thing = read(
        r#"{"id": 9007199254740993, "tags": null, "created": "2026-01-30T23:55:00+00:00", "new": {}}"#,
    );
    assert_eq!((thing.id.as_str(), thing.tags.len()), ("9007199254740993", 0));
    assert_eq!(thing.created.unwrap().timestamp(), 1_769_817_300);
    let thing = read(r#"{"id": "7", "created": "yesterday", "ip": "203.0.113.7"}"#);
    assert_eq!(
        (thing.id.as_str(), thing.created, thing.ip),
        ("7", None, "203.0.113.7".parse().ok())
    );
    // Text with an escape cannot be borrowed, but is still read.
    assert_eq!(read(r#"{"id": 7, "ip": "203\u002e0.113.7"}"#).ip, thing.ip);
    assert_eq!(read(r#"{"id": 7, "ip": "<nil>"}"#).ip, None);
    assert!(serde_json::from_str::<Thing>(r#"{"id": null}"#).is_err());
}

fn value<'de, T: Liberal<'de>>(json: &'de str) -> Result<T, serde_json::Error> {
    T::read(&mut serde_json::Deserializer::from_str(json))
}

#[test]
fn a_value_means_the_same_however_it_is_written() {
    for (json, text) in [
        ("null", ""),
        ("\"a\"", "a"),
        ("7", "7"),
        ("-7", "-7"),
        ("1.5", "1.5"),
        ("true", "true"),
        ("[]", ""),
    ] {
        assert_eq!(value::<String>(json).unwrap(), text, "{json}");
    }
    for (json, flag) in [
        ("null", false),
        ("\"\"", false),
        ("true", true),
        ("\"True\"", true),
        ("1", true),
        ("\"no\"", false),
    ] {
        assert_eq!(value::<bool>(json).unwrap(), flag, "{json}");
    }
    for (json, number) in
        [("null", None), ("\"\"", None), ("3", Some(3)), ("\"3\"", Some(3)), ("3.0", Some(3))]
    {
        assert_eq!(value::<Option<u64>>(json).unwrap(), number, "{json}");
    }
    for (json, number) in
        [("null", 0.0), ("\"0.5\"", 0.5), ("0.5", 0.5), ("2", 2.0), ("\"free\"", 0.0), ("{}", 0.0)]
    {
        assert!((value::<f64>(json).unwrap() - number).abs() < 1e-9, "{json}");
    }
    for json in ["null", "[]", "\"\"", "{}", "[null]"] {
        assert_eq!(value::<Vec<String>>(json).unwrap(), Vec::<String>::new(), "{json}");
    }
    for json in ["null", "[]", "\"\"", "{}"] {
        assert_eq!(value::<HashMap<String, String>>(json).unwrap(), HashMap::new(), "{json}");
    }
    let labels = value::<HashMap<String, String>>(r#"{"a": 1, "b": null, "c": true}"#).unwrap();
    assert_eq!(
        (labels["a"].as_str(), labels["b"].as_str(), labels["c"].as_str()),
        ("1", "", "true")
    );
}

#[test]
fn what_means_nothing_in_its_place_is_an_error() {
    for json in ["[1]", r#"{"a": 1}"#] {
        assert!(
            value::<String>(json).is_err()
                && value::<bool>(json).is_err()
                && value::<Option<u64>>(json).is_err(),
            "{json}"
        );
    }
    assert!(value::<bool>("\"perhaps\"").is_err() && value::<Option<u64>>("\"many\"").is_err());
    for json in ["true", "7", "\"a\"", r#"{"a": 1}"#] {
        assert!(value::<Vec<String>>(json).is_err(), "{json}");
    }
    for json in ["true", "7", "\"a\"", r#"["a"]"#, r#"{"a": ["b"]}"#] {
        assert!(value::<HashMap<String, String>>(json).is_err(), "{json}");
    }
    let read = |json| items::<_, Thing>(&mut serde_json::Deserializer::from_str(json));
    assert_eq!((read("null").unwrap().len(), read("[null, {\"id\": 7}]").unwrap().len()), (0, 1));
    for json in ["{}", "\"\"", "false", "[\"a\"]", "[[7]]", "[[]]", "[7]"] {
        assert!(read(json).is_err(), "{json}");
    }
    for json in ["null", "\"\"", "-1", "1.5", "1e30", "true", "\"a\"", "\"+1\"", "[]", "[1]"] {
        assert!(number(&mut serde_json::Deserializer::from_str(json)).is_err(), "{json}");
    }
    for json in ["null", "\"\"", "\" \"", "-1", "1e30", "true", "[]", "[1]", "{}"] {
        assert!(id(&mut serde_json::Deserializer::from_str(json)).is_err(), "{json}");
    }
}

#[test]
fn states_are_words_in_any_letters() {
    let read = |json| status(&mut serde_json::Deserializer::from_str(json)).unwrap();
    for json in ["\"running\"", "\"RUNNING\"", "\" Running \""] {
        assert_eq!(read(json), InstanceStatus::Active, "{json}");
    }
    for (json, word) in [
        ("null", "unknown"),
        ("\"\"", "unknown"),
        ("{\"a\": 1}", "unknown"),
        ("16", "16"),
        ("\"New-ish\"", "New-ish"),
    ] {
        assert_eq!(read(json), InstanceStatus::Unknown(word.to_string()), "{json}");
    }
}
