//! What holds for every cloud when the network, a proxy or the cloud itself misbehaves: reads are
//! repeated, a create never is unless the cloud said that it did nothing, and every end is told.
#![cfg(all(feature = "aws", feature = "digitalocean", feature = "hetzner"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics has failed")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use spuff_core::OnFailure;
use spuff_core::provider::{Provider, ProviderError, ProviderTimeouts};
use support::clouds::{CLOUDS, Cloud};
use support::raw::{Answer, Asked, Server};

fn timeouts() -> ProviderTimeouts {
    ProviderTimeouts { http_request: Duration::from_millis(1500), ..support::timeouts() }
}

/// Answers the first requests of a kind with `faults`, and then as the cloud does.
fn faulty(
    cloud: Cloud,
    kind: fn(&Cloud, &Asked) -> bool,
    times: usize,
    fault: impl Fn() -> Answer + Send + Sync + 'static,
) -> Server {
    let count = AtomicUsize::new(0);
    Server::start(move |asked| {
        if let Some(answer) = cloud.look_up(asked) {
            return answer;
        }
        if kind(&cloud, asked) && count.fetch_add(1, Ordering::SeqCst) < times {
            return fault();
        }
        if cloud.is_create(asked) { cloud.created() } else { cloud.instance() }
    })
}

fn creates(cloud: &Cloud, server: &Server) -> usize {
    server.asked().iter().filter(|asked| cloud.is_create(asked)).count()
}

fn reads(cloud: &Cloud, server: &Server) -> usize {
    server.asked().iter().filter(|asked| cloud.is_get(asked)).count()
}

type Fault = (&'static str, fn(Cloud) -> Answer);

/// After any of these nobody knows whether a machine was made.
const UNKNOWN: [Fault; 10] = [
    ("500", |cloud| cloud.reply(500, "")),
    ("502", |_| Answer::reply(502, &[("content-type", "text/html")], "<html>Bad Gateway</html>")),
    ("503", |cloud| cloud.reply(503, "")),
    ("504", |cloud| cloud.reply(504, "")),
    ("reply lost", |_| Answer::Close),
    ("reply late", |_| Answer::Silence),
    ("truncated", |cloud| cloud.truncated_instance()),
    ("html", |_| {
        Answer::reply(200, &[("content-type", "text/html")], "<html>Please log in</html>")
    }),
    ("empty", |cloud| cloud.reply(200, "")),
    ("huge", |_| Answer::huge(200)),
];

/// DigitalOcean would make a second machine; the others keep it out by its name, or by the same
/// bytes.
#[tokio::test]
async fn a_create_with_an_unknown_outcome_is_not_sent_again_where_that_would_make_a_second_machine()
{
    for cloud in CLOUDS {
        for (what, fault) in UNKNOWN {
            let server = faulty(cloud, Cloud::is_create, usize::MAX, move || fault(cloud));
            let short =
                ProviderTimeouts { instance_ready: Duration::from_millis(500), ..timeouts() };
            let error = cloud
                .connect(&server.url, short)
                .create_instance(&cloud.request())
                .await
                .unwrap_err();
            let ProviderError::UnknownOutcome { operation, key, .. } = &error else {
                panic!("{} after {what}: {error:?}", cloud.name);
            };
            let (digits, place) = key.split_once('@').unwrap_or((key, ""));
            assert_eq!((operation.as_str(), digits.len()), ("create_instance", 32));
            assert_eq!(
                !place.is_empty(),
                cloud.name == "aws",
                "where the cloud has regions, a key leads there: {key}"
            );
            assert!(!error.is_retryable());
            let mut sent: Vec<_> = server
                .asked()
                .into_iter()
                .filter(|asked| cloud.is_create(asked))
                .map(|asked| asked.body)
                .collect();
            assert!(sent.len() == 1 || cloud.name != "digitalocean", "{what}");
            sent.dedup();
            assert_eq!(sent.len(), 1, "{} after {what}", cloud.name);
        }
    }
}

#[tokio::test]
async fn a_create_that_was_not_carried_out_is_sent_again() {
    for cloud in CLOUDS {
        let server = faulty(cloud, Cloud::is_create, 1, move || cloud.throttled(None));
        let machine = cloud
            .connect(&server.url, support::timeouts())
            .create_instance(&cloud.request())
            .await
            .unwrap();
        assert_eq!(
            (machine.id.as_str(), creates(&cloud, &server)),
            (cloud.id, 2),
            "{}",
            cloud.name
        );
    }
}

#[tokio::test]
async fn a_create_that_cannot_connect_is_a_network_error() {
    for cloud in CLOUDS {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let provider = cloud.connect(&format!("http://{free}"), timeouts());
        let error = provider.create_instance(&cloud.request()).await.unwrap_err();
        assert!(
            matches!(error, ProviderError::Network(_)) && error.is_retryable(),
            "{}: {error:?}",
            cloud.name
        );
        assert!(
            error.to_string().contains("cannot connect to 127.0.0.1"),
            "{}: {error}",
            cloud.name
        );
    }
}

/// What something between here and the cloud says, and not the API.
const STRANGE: [Fault; 9] = [
    ("a captive portal", |_| {
        Answer::reply(302, &[("location", "https://portal.example/login")], "")
    }),
    ("400 html", |_| {
        Answer::reply(400, &[("content-type", "text/html")], "<html>Bad Request</html>")
    }),
    ("401", |_| Answer::reply(401, &[], "")),
    ("403 html", |_| {
        Answer::reply(403, &[("content-type", "text/html")], "<html>Blocked by policy</html>")
    }),
    ("404 html", |_| Answer::reply(404, &[("content-type", "text/html")], "<html>nginx</html>")),
    ("404 text", |_| Answer::reply(404, &[("content-type", "text/plain")], "404 page not found\n")),
    ("404 empty", |_| Answer::reply(404, &[], "")),
    ("404 json", |_| {
        Answer::reply(
            404,
            &[("content-type", "application/json")],
            r#"{"message": "no Route matched"}"#,
        )
    }),
    ("gzip", |_| Answer::reply(200, &[("content-encoding", "gzip")], "\u{1f}\u{8}\u{0}\u{3}")),
];

#[tokio::test]
async fn a_read_is_repeated_after_what_passes() {
    let faults = [
        UNKNOWN[0], UNKNOWN[1], UNKNOWN[2], UNKNOWN[3], UNKNOWN[4], UNKNOWN[6], UNKNOWN[7],
        UNKNOWN[8],
    ];
    let faults = faults.into_iter().chain(STRANGE);
    for cloud in CLOUDS {
        for (what, fault) in faults.clone() {
            let server = faulty(cloud, Cloud::is_get, 2, move || fault(cloud));
            let machine =
                cloud.connect(&server.url, support::timeouts()).get_instance(cloud.id).await;
            assert_eq!(machine.unwrap().unwrap().id, cloud.id, "{} after {what}", cloud.name);
            assert_eq!(reads(&cloud, &server), 3, "{} after {what}", cloud.name);
        }
    }
}

#[tokio::test]
async fn a_read_that_cannot_work_says_so() {
    let faults: [(Fault, &str); 5] = [
        (UNKNOWN[7], "text/html"),
        (UNKNOWN[8], "endpoint"),
        (UNKNOWN[9], "MiB"),
        (STRANGE[5], "404 page not found"),
        (STRANGE[8], "in gzip"),
    ];
    let short = ProviderTimeouts { http_request: Duration::from_millis(300), ..timeouts() };
    for cloud in CLOUDS {
        for ((what, fault), word) in faults {
            let is_huge = word == "MiB";
            let server = faulty(cloud, Cloud::is_get, usize::MAX, move || fault(cloud));
            let error = cloud
                .connect(&server.url, if is_huge { timeouts() } else { short })
                .get_instance(cloud.id)
                .await;
            let error = error.unwrap_err();
            assert!(
                matches!(error, ProviderError::Api { .. }),
                "{} after {what}: {error:?}",
                cloud.name
            );
            assert_eq!(error.is_retryable(), !is_huge, "{} after {what}: {error:?}", cloud.name);
            assert!(error.to_string().contains(word), "{} after {what}: {error}", cloud.name);
            assert!(
                !error.to_string().contains(char::is_control),
                "{} after {what}: {error:?}",
                cloud.name
            );
            assert!(reads(&cloud, &server) == 1 || !is_huge, "{} after {what}", cloud.name);
        }
    }
}

#[tokio::test]
async fn only_the_apis_own_words_say_that_something_is_gone() {
    let short = ProviderTimeouts {
        http_request: Duration::from_millis(100),
        instance_ready: Duration::from_millis(300),
        action_complete: Duration::from_millis(300),
        ..support::timeouts()
    };
    for cloud in CLOUDS {
        for (what, fault) in &STRANGE[4..8] {
            let fault = *fault;
            let server = Server::start(move |_| fault(cloud));
            let provider = cloud.connect(&server.url, short);
            let errors = [
                provider
                    .get_instance(cloud.id)
                    .await
                    .map(|shown| assert!(shown.is_some()))
                    .unwrap_err(),
                provider.destroy_instance(cloud.id).await.unwrap_err(),
                provider.delete_snapshot(cloud.snapshot).await.unwrap_err(),
                provider.wait_ready(cloud.id).await.unwrap_err(),
            ];
            for error in errors {
                assert!(
                    !matches!(error, ProviderError::NotFound { .. }),
                    "{} after {what}: {error:?}",
                    cloud.name
                );
            }

            // It was made, and whether it could be destroyed is not known either.
            let server = Server::start(move |asked| match cloud.look_up(asked) {
                Some(answer) => answer,
                None if cloud.is_create(asked) => cloud.created(),
                None => fault(cloud),
            });
            let provider: Arc<dyn Provider> = cloud.connect(&server.url, short).into();
            let error =
                spuff_core::create_and_wait(&provider, &cloud.request(), OnFailure::Destroy)
                    .await
                    .unwrap_err();
            assert!(
                matches!(&error, ProviderError::AfterCreate { exists: true, .. }),
                "{} after {what}: {error:?}",
                cloud.name
            );
        }
    }
}

/// A proxy that reads replies may hold back that of a create that was carried out.
#[tokio::test]
async fn a_page_in_place_of_a_creates_reply_does_not_say_that_nothing_was_made() {
    for cloud in CLOUDS {
        for (what, fault) in STRANGE {
            let server = faulty(cloud, Cloud::is_create, usize::MAX, move || fault(cloud));
            let short =
                ProviderTimeouts { instance_ready: Duration::from_millis(500), ..timeouts() };
            let error = cloud
                .connect(&server.url, short)
                .create_instance(&cloud.request())
                .await
                .unwrap_err();
            assert!(
                matches!(error, ProviderError::UnknownOutcome { .. }),
                "{} after {what}: {error:?}",
                cloud.name
            );
        }
    }
}

#[tokio::test]
async fn a_read_keeps_its_deadline() {
    let short =
        ProviderTimeouts { http_request: Duration::from_millis(300), ..support::timeouts() };
    for cloud in CLOUDS {
        let server = faulty(cloud, Cloud::is_get, usize::MAX, || Answer::Silence);
        let began = Instant::now();
        let error = cloud.connect(&server.url, short).get_instance(cloud.id).await.unwrap_err();
        assert!(matches!(error, ProviderError::Timeout { .. }), "{}: {error:?}", cloud.name);
        assert!(
            began.elapsed() < Duration::from_secs(15),
            "{}: the deadline of 0.6 s was not kept at all",
            cloud.name
        );

        let server = faulty(cloud, Cloud::is_get, usize::MAX, move || cloud.reply(503, ""));
        let error = cloud.connect(&server.url, short).get_instance(cloud.id).await.unwrap_err();
        assert!(matches!(error, ProviderError::Unavailable { .. }), "{}: {error:?}", cloud.name);
    }
}

/// One that is asked to come back late has no time left for a second try.
#[tokio::test]
async fn a_read_whose_last_try_is_cut_short_tells_of_the_one_before() {
    let short = ProviderTimeouts { http_request: Duration::from_secs(2), ..support::timeouts() };
    let cut = CLOUDS.map(|cloud| async move {
        let count = AtomicUsize::new(0);
        let late = move || match count.fetch_add(1, Ordering::SeqCst) {
            0 => Answer::reply(503, &[("retry-after", "3")], ""),
            _ => Answer::Silence,
        };
        let server = faulty(cloud, Cloud::is_get, usize::MAX, late);
        let error = cloud.connect(&server.url, short).get_instance(cloud.id).await.unwrap_err();
        assert!(matches!(error, ProviderError::Unavailable { .. }), "{}: {error:?}", cloud.name);
    });
    futures_util::future::join_all(cut).await;
}

#[tokio::test]
async fn retry_after_is_kept_or_reported() {
    for cloud in CLOUDS {
        let server = faulty(cloud, Cloud::is_get, 1, move || cloud.throttled(Some("1")));
        let began = Instant::now();
        cloud.connect(&server.url, support::timeouts()).get_instance(cloud.id).await.unwrap();
        assert!(began.elapsed() >= Duration::from_secs(1), "{}", cloud.name);

        let server =
            faulty(cloud, Cloud::is_get, usize::MAX, move || cloud.throttled(Some("3600")));
        let error = cloud
            .connect(&server.url, support::timeouts())
            .get_instance(cloud.id)
            .await
            .unwrap_err();
        assert!(matches!(error, ProviderError::RateLimit { .. }), "{}: {error:?}", cloud.name);
        assert_eq!(
            (error.retry_after(), reads(&cloud, &server)),
            (Some(Duration::from_secs(3600)), 1),
            "{}",
            cloud.name
        );
    }
}

#[tokio::test]
async fn a_request_says_who_asks() {
    for cloud in CLOUDS {
        let server = Server::start(move |_| cloud.instance());
        cloud.connect(&server.url, timeouts()).get_instance(cloud.id).await.unwrap();
        let headers = server.asked().remove(0).headers;
        let agent = concat!("user-agent: spuff/", env!("CARGO_PKG_VERSION"));
        assert!(
            headers.contains(agent) && headers.contains("authorization: "),
            "{}: {headers}",
            cloud.name
        );
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    for cloud in CLOUDS {
        let elsewhere = Server::start(move |_| cloud.instance());
        let target = elsewhere.url.clone();
        for status in [301, 302, 307, 308] {
            let target = target.clone();
            let server = faulty(cloud, Cloud::is_get, usize::MAX, move || {
                Answer::reply(status, &[("location", &target)], "")
            });
            let error =
                cloud.connect(&server.url, timeouts()).get_instance(cloud.id).await.unwrap_err();
            assert!(error.to_string().contains("redirect"), "{}: {error}", cloud.name);
        }
        assert!(elsewhere.asked().is_empty(), "{}: the token went to another host", cloud.name);
    }
}

#[tokio::test]
async fn an_endpoint_that_could_show_the_token_is_refused() {
    let registry = spuff_core::ProviderRegistry::with_defaults();
    for cloud in CLOUDS {
        for endpoint in [
            "http://api.example.com",
            "api.example.com",
            "ftp://127.0.0.1",
            "https://me:pass@api.example.com",
            "",
        ] {
            let error =
                registry.connect(cloud.name, cloud.config(endpoint, timeouts())).err().unwrap();
            assert!(
                matches!(&error, ProviderError::InvalidConfig { field, .. } if field == "endpoint"),
                "{endpoint}: {error}"
            );
        }
    }
}

#[tokio::test]
async fn ids_of_another_cloud_are_refused_before_anything_is_sent() {
    for cloud in CLOUDS {
        let server = Server::start(move |_| cloud.instance());
        let provider = cloud.connect(&server.url, timeouts());
        for other in CLOUDS.iter().filter(|other| other.id != cloud.id) {
            let error = provider.get_instance(other.id).await.unwrap_err();
            assert!(
                matches!(&error, ProviderError::InvalidConfig { field, .. } if field == "id"),
                "{}: {error}",
                cloud.name
            );
        }
        assert!(server.asked().is_empty(), "{}", cloud.name);
    }
}

/// Pages without an end, each a little later than the one before.
fn endless(cloud: Cloud) -> Server {
    let number = AtomicUsize::new(0);
    Server::start(move |_| {
        std::thread::sleep(Duration::from_millis(100));
        let at = number.fetch_add(1, Ordering::SeqCst) + 1;
        cloud.reply(
            200,
            &match cloud.name {
                "digitalocean" => format!(
                    r#"{{"droplets": [{{"id": {at}, "name": "a", "status": "new"}}], "links": {{"pages": {{"next": "x"}}}}}}"#
                ),
                "hetzner" => format!(
                    r#"{{"servers": [{{"id": {at}, "name": "a", "status": "off"}}], "meta": {{"pagination": {{"next_page": {}}}}}}}"#,
                    at + 1
                ),
                _ => format!(
                    "<DescribeInstancesResponse><nextToken>{at}</nextToken>\
                     </DescribeInstancesResponse>"
                ),
            },
        )
    })
}

#[tokio::test]
async fn a_verb_that_only_asks_keeps_its_deadline_over_all_pages() {
    let short =
        ProviderTimeouts { http_request: Duration::from_millis(500), ..support::timeouts() };
    for cloud in CLOUDS {
        let server = endless(cloud);
        let error = cloud.connect(&server.url, short).list_instances().await.unwrap_err();
        let ProviderError::Timeout { elapsed, .. } = &error else {
            panic!("{}: {error:?}", cloud.name)
        };
        assert!(
            *elapsed > short.http_request,
            "{}: {error} is the time of the last page alone",
            cloud.name
        );
        assert!(server.asked().len() > 1, "{}: each page alone is soon there", cloud.name);
    }
}

#[tokio::test]
async fn numbers_beyond_reason_do_no_harm() {
    for cloud in CLOUDS {
        for number in ["4294967295", "18446744073709551615", "1e300", "inf", "-1", "NaN"] {
            let names =
                ["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset", "retry-after"];
            let headers = names.map(|name| (name, number));
            let server =
                faulty(cloud, Cloud::is_create, 1, move || Answer::reply(503, &headers, ""));
            let short =
                ProviderTimeouts { instance_ready: Duration::from_millis(300), ..timeouts() };
            let config = cloud
                .config(&server.url, short)
                .with_option("settling", "1e19")
                .with_option("pace", "1e-300");
            let provider =
                spuff_core::ProviderRegistry::with_defaults().connect(cloud.name, config).unwrap();
            let error = provider.create_instance(&cloud.request()).await.err();
            let is_told = error.as_ref().is_none_or(|error| {
                matches!(error, ProviderError::UnknownOutcome { key, .. } if key.len() == 32)
            });
            assert!(is_told, "{} {number}: {error:?}", cloud.name);
            let read = provider.get_instance(cloud.id).await;
            assert!(
                !matches!(read, Err(ProviderError::Internal { .. })),
                "{} {number}: {read:?}",
                cloud.name
            );
        }
    }
}

/// A price list, or an image by its name.
#[tokio::test]
async fn look_ups_that_fail_do_not_queue_up() {
    let short =
        ProviderTimeouts { http_request: Duration::from_millis(300), ..support::timeouts() };
    let server = Server::start(|_| Answer::Silence);
    let provider = CLOUDS[1].connect(&server.url, short);
    let request = CLOUDS[1].request().with_image("ubuntu:24.04".parse().unwrap());
    let ended =
        futures_util::future::join_all((0..16).map(|_| provider.create_instance(&request))).await;
    assert!(
        ended.iter().all(|ended| matches!(ended, Err(ProviderError::Timeout { .. }))),
        "{ended:?}"
    );
    let asked = server.asked();
    assert!(
        asked.len() < 8 && asked.iter().all(|asked| asked.path.starts_with("/server_types")),
        "{asked:?}"
    );

    let server = Server::start(|_| Answer::Silence);
    let provider = CLOUDS[1].connect(&server.url, short);
    let ended =
        futures_util::future::join_all((0..16).map(|_| provider.hourly_price("fsn1", "cx22")))
            .await;
    assert!(
        ended.iter().all(|ended| matches!(ended, Err(ProviderError::Timeout { .. }))),
        "{ended:?}"
    );
    assert!(server.asked().len() < 8, "{:?}", server.asked());
}
