use super::*;

fn request() -> InstanceRequest {
    InstanceRequest::new("a", "b", "c")
}

fn create_key(request: &InstanceRequest) -> CreateKey {
    CreateKey::of(request).unwrap().0
}

#[test]
fn keys_are_the_callers_or_random() {
    let one = create_key(&request());
    let two = create_key(&request());
    assert!(
        one.key.len() == 32
            && one.key != two.key
            && one.key_hash != two.key_hash
            && !one.is_caller_supplied()
    );
    let given = create_key(&request().with_idempotency_key("order-7"));
    assert!(
        given.key == "order-7"
            && given.key_hash == hash_of_key("order-7")
            && given.is_caller_supplied()
    );
    let there = CreateKey::of_place(&request(), "us-west-2").unwrap().0.key;
    assert_eq!((place_of_key(&there), there.len() > 32), (Some("us-west-2"), true));
    assert_eq!(place_of_key(&format!("{there}/7")), Some("us-west-2"));
    for other in [&one.key, "order-7", "order-7@us-west-2", "", &format!("{}/7", one.key)] {
        assert_eq!(place_of_key(other), None, "{other}");
    }
    for key in ["", "a b", "é", &"k".repeat(65)] {
        let error = CreateKey::of(&request().with_idempotency_key(key)).unwrap_err();
        assert!(
            matches!(
                &error,
                ProviderError::InvalidConfig { field, .. } if field == "idempotency_key"
            ),
            "{key}"
        );
    }
}

#[test]
fn a_mark_knows_its_own() {
    let (create_key, tagged) =
        CreateKey::of(&request().with_idempotency_key("order-7").with_owner("ci")).unwrap();
    assert!(create_key.matches(&tagged.labels, "1").unwrap());
    assert!(!create_key.matches(&CreateKey::of(&request()).unwrap().1.labels, "1").unwrap());
    let (_, other) =
        CreateKey::of(&request().with_idempotency_key("order-7").with_user_data("x")).unwrap();
    assert!(matches!(
        create_key.matches(&other.labels, "1"),
        Err(ProviderError::Conflict { retryable: false, .. })
    ));
    let (_, leased) = CreateKey::of(
        &request()
            .with_idempotency_key("order-7")
            .with_owner("ci")
            .with_ttl(Duration::from_secs(60)),
    )
    .unwrap();
    assert!(
        create_key.matches(&leased.labels, "1").unwrap(),
        "a lease is not part of what is asked for"
    );
    let (again, its) =
        CreateKey::of(&request().with_idempotency_key("order-7").with_owner("ci")).unwrap();
    assert!(create_key.matches(&its.labels, "1").unwrap(), "another call of the same request");
    for origin in [Origin::Answered, Origin::Recovered, Origin::Found] {
        assert!(
            create_key.has_made(origin, &tagged.labels)
                && !create_key.has_made(origin, &its.labels),
            "{origin:?}"
        );
        assert!(again.has_made(origin, &its.labels), "{origin:?}");
    }
    let mut earlier = tagged.labels.clone();
    earlier.get_mut(labels::REQUEST_DIGEST).unwrap().truncate(DIGEST);
    assert!(
        create_key.matches(&earlier, "1").unwrap()
            && !create_key.has_made(Origin::Recovered, &earlier),
        "of an earlier version"
    );
    assert!(
        tagged.labels.values().all(
            |value| value.len() <= 63 && value.bytes().all(|byte| byte.is_ascii_alphanumeric())
        )
    );
}

#[test]
fn owners_leases_and_reserved_labels_are_checked() {
    let field = |request: InstanceRequest| match CreateKey::of(&request) {
        Err(ProviderError::InvalidConfig { field, .. }) => field,
        other => panic!("{other:?}"),
    };
    for owner in ["", "-a", "a b", "a/b", "é", &"o".repeat(64)] {
        assert_eq!(field(request().with_owner(owner)), "owner", "{owner}");
    }
    assert_eq!(field(request().with_ttl(Duration::ZERO)), "ttl");
    assert_eq!(field(request().with_ttl(Duration::MAX)), "ttl");
    assert_eq!(field(request().with_label(labels::CREATE_KEY, "x")), "labels");
}

#[test]
fn what_was_found_is_the_marks_own_or_not() {
    let made = |labels: &HashMap<String, String>| {
        Some(ProviderInstance {
            id: "7".to_string(),
            labels: labels.clone(),
            ..ProviderInstance::default()
        })
    };
    let (create_key, tagged) = CreateKey::of(&request().with_idempotency_key("order-7")).unwrap();
    let (_, other) =
        CreateKey::of(&request().with_idempotency_key("order-7").with_user_data("x")).unwrap();
    let (_, foreign) = CreateKey::of(&request().with_idempotency_key("order-8")).unwrap();
    assert!(matches!(
        create_key.found(made(&tagged.labels)),
        Ok(Lookup::Found(found)) if found.id == "7"
    ));
    assert!(matches!(create_key.found(made(&foreign.labels)), Ok(Lookup::Nothing)));
    assert!(matches!(
        (create_key.found(None), create_key.adopted(None)),
        (Ok(Lookup::Nothing), Ok(Lookup::Nothing))
    ));
    assert!(matches!(
        create_key.adopted(made(&tagged.labels)),
        Ok(Lookup::Found(found)) if found.id == "7"
    ));
    assert!(
        matches!(create_key.adopted(made(&HashMap::new())), Ok(Lookup::Found(_))),
        "an earlier version has told no request"
    );
    for error in [
        create_key.found(made(&other.labels)).unwrap_err(),
        create_key.adopted(made(&other.labels)).unwrap_err(),
    ] {
        assert!(matches!(error, ProviderError::Conflict { retryable: false, .. }), "{error}");
        assert!(
            error.to_string().contains("order-7") && error.to_string().contains(" 7 "),
            "{error}"
        );
    }
    let ending = create_key.still_ending("7");
    assert!(matches!(ending, ProviderError::Conflict { retryable: true, .. }), "{ending}");
    assert!(
        ending.to_string().contains("order-7") && ending.to_string().contains("7, which"),
        "{ending}"
    );
}

#[test]
fn what_a_random_key_has_made_is_known_by_how_it_was_come_by() {
    let (create_key, tagged) = CreateKey::of(&request()).unwrap();
    let has_made = |origin| create_key.has_made(origin, &tagged.labels);
    assert!(has_made(Origin::Answered) && has_made(Origin::Recovered) && !has_made(Origin::Found));
    let (given, _) = CreateKey::of(&request().with_idempotency_key("order-7")).unwrap();
    let has_made = |origin| given.has_made(origin, &HashMap::new());
    assert!(has_made(Origin::Answered) && !has_made(Origin::Recovered) && !has_made(Origin::Found));
}

#[test]
fn one_create_is_told_by_the_label_that_no_other_has() {
    let random = CreateKey::of(&request()).unwrap();
    assert_eq!(
        label_of_one(&random.1.labels),
        Some((labels::CREATE_KEY, random.0.key_hash.as_str()))
    );
    let (_, given) = CreateKey::of(&request().with_idempotency_key("order-7")).unwrap();
    assert_eq!(
        label_of_one(&given.labels),
        Some((labels::REQUEST_DIGEST, given.labels[labels::REQUEST_DIGEST].as_str()))
    );
    let mut earlier = given.labels.clone();
    earlier.get_mut(labels::REQUEST_DIGEST).unwrap().truncate(DIGEST);
    assert_eq!(label_of_one(&earlier), None, "an earlier version has told no call");
    assert_eq!(label_of_one(&HashMap::new()), None);
}

#[test]
fn a_part_of_a_batch_leads_to_the_batch() {
    let create_key = CreateKey::random("").unwrap();
    let part = CreateKey::under(format!("{}/web-1", create_key.key));
    assert_eq!((create_key.batch(), part.batch()), (None, Some(create_key.key_hash.clone())));
    assert_eq!(place_of_key(&CreateKey::random("us-west-2").unwrap().key), Some("us-west-2"));
}

#[test]
fn the_longest_that_is_taken_is_taken() {
    for owner in ["o".repeat(MAX_OWNER), "a-b_c.d".to_string(), "7".to_string()] {
        assert_eq!(check_owner(&owner).unwrap(), owner);
    }
    for key in ["k".repeat(MAX_KEY), "!~".to_string()] {
        assert_eq!(check_key(&key).unwrap(), key);
    }
    assert!(expiry(LONGEST_LEASE + Duration::from_secs(1)).is_err());
    let now = || UNIX_EPOCH.elapsed().unwrap().as_secs();
    for ttl in [Duration::from_secs(1), Duration::from_secs(3600), LONGEST_LEASE] {
        let before = now();
        let end = expiry(ttl).unwrap().parse::<u64>().unwrap();
        assert!((before..=now()).contains(&(end - ttl.as_secs())), "{ttl:?}");
    }
}

#[test]
fn what_stands_for_a_key_and_a_request_is_always_the_same() {
    assert_eq!(hash_of_key("order-7"), "df8cf80227ec3237922df0ecd88385c5");
    let digest = |request: &InstanceRequest| digest_of(request).unwrap();
    assert_eq!(digest(&request()), digest(&request().with_ttl(Duration::from_secs(60))));
    let others = [
        request(),
        InstanceRequest::new("x", "b", "c"),
        InstanceRequest::new("a", "x", "c"),
        InstanceRequest::new("a", "b", "x"),
        request().with_image("debian:12".parse().unwrap()),
        request().with_user_data("x"),
        request().with_label("x", "y"),
        request().with_ssh_key("x"),
        request().with_owner("x"),
    ];
    let digests: std::collections::HashSet<_> = others.iter().map(digest).collect();
    assert_eq!(digests.len(), others.len());
}

#[test]
fn a_reply_that_is_about_another_machine_cannot_be_used() {
    let reply = Reply { status: 201, headers: http::HeaderMap::new(), body: bytes::Bytes::new() };
    let (create_key, tagged) = CreateKey::of(&request()).unwrap();
    let (_, other) = CreateKey::of(&request()).unwrap();
    for (id, labels, expected) in [
        ("7", tagged.labels.clone(), true),
        ("7", HashMap::new(), true),
        ("7", other.labels, false),
        ("0", tagged.labels, false),
    ] {
        let made = ProviderInstance { id: id.to_string(), labels, ..ProviderInstance::default() };
        assert_eq!(create_key.check_answer(&reply, &made).is_ok(), expected, "{made:?}");
    }
}
