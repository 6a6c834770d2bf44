use super::*;

#[test]
fn a_time_that_cannot_be_that_of_a_create_is_no_age() {
    let now = Utc::now();
    let at = |created_at| ProviderInstance { created_at, ..ProviderInstance::default() };
    let day = TimeDelta::days(1);
    for (created_at, expected) in [
        (now - day, Some(Duration::from_secs(86_400))),
        (FIRST_CLOUD, (now - FIRST_CLOUD).to_std().ok()),
        (now + TimeDelta::minutes(9), Some(Duration::ZERO)),
        (now + day, None),
        (DateTime::UNIX_EPOCH, None),
        (FIRST_CLOUD - day, None),
        (DateTime::<Utc>::MIN_UTC, None),
        (DateTime::<Utc>::MAX_UTC, None),
    ] {
        assert_eq!(at(created_at).age(now), expected, "{created_at}");
        assert_eq!(at(created_at).known_created_at(), expected.map(|_| created_at), "{created_at}");
        let snapshot = |created_at| Snapshot { id: String::new(), name: String::new(), created_at };
        assert_eq!(
            (snapshot(Some(created_at)).age(now), snapshot(None).age(now)),
            (expected, None),
            "{created_at}"
        );
    }
}

#[test]
fn a_machine_without_an_age_is_not_the_oldest() {
    let now = Utc::now();
    let machine = |id: &str, created_at| ProviderInstance {
        id: id.to_string(),
        created_at,
        ..ProviderInstance::default()
    };
    let unknown = machine("a", DateTime::UNIX_EPOCH);
    let new = machine("b", now);
    let old = machine("c", now - TimeDelta::hours(1));
    assert_eq!(ProviderInstance::oldest([unknown.clone(), new, old.clone()]), Some(old));
    assert_eq!(ProviderInstance::oldest([unknown.clone()]), Some(unknown));
}
