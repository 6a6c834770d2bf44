use super::*;

#[test]
fn snapshots_are_known_by_label_and_tag() {
    let image = |tags: &[&str], asked: &str| ImageSummary {
        repo_tags: tags.iter().map(ToString::to_string).collect(),
        labels: HashMap::from([(convert::SNAPSHOT_KEY.to_string(), asked.to_string())]),
        created: 7,
        ..ImageSummary::default()
    };
    let labels =
        HashMap::from([(labels::MANAGED_BY.to_string(), labels::MANAGED_BY_VALUE.to_string())]);
    let asked = &Asked { name: "base \"1\" $x".to_string(), labels }.write().unwrap();
    for tags in [
        ["spuff-snapshot:0f"],
        ["localhost/spuff-snapshot:0f"],
        ["docker.io/library/spuff-snapshot:0f"],
    ] {
        let (snapshot, labels) = snapshot(image(&tags, asked)).unwrap();
        assert_eq!(
            (snapshot.id.as_str(), snapshot.name.as_str(), labels.len()),
            ("0f", "base \"1\" $x", 1)
        );
        assert_eq!(snapshot.created_at.unwrap().timestamp(), 7);
    }
    assert!(snapshot(image(&["other:1"], asked)).is_none());
    assert!(snapshot(image(&["spuff-snapshot:0f"], "")).is_none());
}
