//! Fuzzing: builds replies from the input, and checks how the pipeline reads them.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::de::DeserializeOwned;

use super::budget::{Budget, Limit};
use super::governor::{Cost, Governor};
use super::page::{self, Numbered, NumberedPage};
use super::{
    ApiError, Call, Class, Endpoint, Page, Reply, all_pages, number, retry_after, secret, status,
    time, told,
};
use super::{account, client};
use crate::fuzzing::checks::{
    Target, at_once, check_error, check_refusal, check_unreadable, text, words,
};
use crate::provider::error::{ProviderError, ProviderResult};
use crate::provider::operation::Operation;

pub(crate) const TARGETS: &[Target] = &[
    Target::new("http_endpoint", endpoint),
    Target::new("http_headers", headers),
    Target::new("http_json_field", json_field),
    Target::new("http_numbers", numbers),
    Target::new("http_pages", pages),
    Target::new("http_secret", secrets),
    Target::new("http_time", times),
    Target::new("http_token", token),
];

/// Parses a reply as written to a file: its status, a line for each header, an empty line, and the
/// body.
pub(crate) fn reply(input: &[u8]) -> Reply {
    let (head, body) = match input.windows(2).position(|two| two == b"\n\n") {
        Some(end) => (&input[..end], &input[end + 2..]),
        None => (&[][..], input),
    };
    let mut lines = head.split(|byte| *byte == b'\n');
    let status = lines
        .next()
        .and_then(|line| std::str::from_utf8(line).ok()?.trim().parse().ok())
        .unwrap_or(200);
    let mut headers = HeaderMap::new();
    for line in lines {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    Reply { status, headers, body: Bytes::copy_from_slice(body) }
}

/// Reads a reply. A truncated one must fail, and no error may show the content.
pub(crate) fn read<T>(reply: &Reply, read: impl Fn(&Reply) -> ProviderResult<T>) -> Option<T> {
    match read(reply) {
        Ok(value) => {
            let whole = reply.body.trim_ascii_end().len();
            for end in [whole.saturating_sub(1), whole / 2, whole / 7] {
                let broken = Reply { body: reply.body.slice(..end), ..reply.clone() };
                assert!(
                    read(&broken).is_err(),
                    "{:?} is read as {:?} would be",
                    broken.body,
                    reply.body
                );
            }
            Some(value)
        }
        Err(error) => {
            check_unreadable(&error);
            None
        }
    }
}

/// Reads a JSON reply.
pub(crate) fn read_json<T: DeserializeOwned>(reply: &Reply) -> Option<T> {
    read(reply, Reply::json)
}

/// Reads the items of a JSON page.
pub(crate) fn read_page<P: NumberedPage>(reply: &Reply) -> Vec<P::Item> {
    let page = read_json::<P>(reply);
    page.map(|page| {
        let _ = (page.is_last(), page.total());
        page.into_items()
    })
    .unwrap_or_default()
}

/// Classifies an unsuccessful reply for each kind of call: the error must not contain the request's
/// secret.
pub(crate) fn refused(provider: &'static str, reply: &Reply, refusal: impl Fn(&Reply) -> ApiError) {
    const SECRET: &str = "secret-of-the-request";
    let calls = [
        Call::get(Operation::GetInstance, "/things/42").about("instance", "42"),
        Call::get(Operation::HourlyPrice, "/prices").optional(),
        Call::delete(Operation::DeleteSnapshot, "/things/42").about("snapshot", "42"),
        Call::once(Operation::CreateInstance, "/things"),
    ];
    let secrets = [HeaderValue::from_static("Bearer secret-of-the-request")];
    for call in calls {
        let error =
            ProviderError::from(status::classify(provider, &call, reply, refusal(reply), &secrets));
        let shown = error.to_string();
        assert!(!shown.contains(&SECRET[..8]) && !shown.contains(char::is_control), "{shown:?}");
        assert!(error.retry_after().is_none_or(|wait| wait <= number::LONGEST), "{error:?}");
        check_error(&error);
    }
}

/// Cleans an error that quotes a successful reply.
pub(crate) fn discreet(error: ProviderError) -> ProviderError {
    error.reworded(|words| secret::tidy(words, &[]))
}

fn endpoint(input: &[u8]) {
    let text = text(input);
    for suffix in ["", "/v1", "/v2"] {
        let Some(read) =
            check_refusal(Endpoint::parse(&text)).map(|read| read.without_suffix(suffix))
        else {
            continue;
        };
        let again = Endpoint::parse(read.as_str());
        assert!(matches!(&again, Ok(again) if *again == read), "{read:?} is read as {again:?}");
        assert!(read.is_https() || read.is_loopback(), "{read:?}");
    }
}

const WINDOW: Budget = Budget {
    name: "window",
    limits: &[
        Limit::Window { count: 5000, span: Duration::from_secs(3600) },
        Limit::Window { count: 250, span: Duration::from_secs(60) },
    ],
};
static BUDGETS: [Budget; 2] =
    [WINDOW, Budget { name: "bucket", limits: &[Limit::Bucket { burst: 3600, per_second: 1.0 }] }];

/// Several reply heads, separated by empty lines: the limits in one apply to those that follow.
fn headers(input: &[u8]) {
    at_once(async {
        for (budget, pace) in [(&BUDGETS[0], 1.0), (&BUDGETS[1], 1.0), (&BUDGETS[1], 60.0)] {
            let governor = Arc::new(Governor::new(pace));
            let rate_cost = [
                None,
                Some(Cost {
                    place: "",
                    budget,
                    count: 1 + u32::from(input.len().is_multiple_of(7)),
                }),
            ];
            for head in text(input).split("\n\n").take(8) {
                let reply = reply(format!("200\n{head}\n\n").as_bytes());
                let wait =
                    retry_after(&reply.headers, UNIX_EPOCH + Duration::from_secs(1_800_000_000));
                assert!(wait.is_none_or(|wait| wait <= number::LONGEST), "{wait:?}");
                assert!(!reply.form().contains(char::is_control) && reply.form().len() < 200);
                #[cfg(feature = "aws")]
                let _ = reply.date();
                match governor.admit(rate_cost, Class::Safe, Duration::ZERO, |_| {}).await {
                    Ok(permit) => {
                        permit.told(&reply.headers);
                        if wait.is_some() {
                            permit.refused(wait);
                        }
                    }
                    Err(due) => assert!(due <= number::LONGEST, "{due:?}"),
                }
            }
        }
    });
}

/// Locates the field of a text that is not the expected JSON.
fn json_field(input: &[u8]) {
    let text = text(input);
    let [line, column, body] = words(&text);
    let place = |text: &str| number::count(text).map_or(1, |count| count as usize);
    let (field, object) = told::field(body.as_bytes(), place(line), place(column));
    assert!(
        !field.contains(char::is_whitespace) && field.starts_with(object.as_str()),
        "{field:?} of {object:?}"
    );
    let _ = told::wanted(body);
}

fn numbers(input: &[u8]) {
    let text = text(input);
    let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let _ = number::count(&text);
    let consistency_delay = check_refusal(client::read_settling(&text));
    assert!(consistency_delay.is_none_or(|consistency_delay| consistency_delay <= number::LONGEST));
    let pace = check_refusal(account::read_pace(&text)).map(Governor::new);
    assert!(pace.is_none_or(|pace| pace.paced(Duration::from_secs(60)) <= number::LONGEST));
    for time in [number::seconds(&text), number::until(&text, now)].into_iter().flatten() {
        assert!(time <= number::LONGEST, "{time:?}");
        let later = number::later(tokio::time::Instant::now(), time);
        assert!(later + number::LONGEST > later && number::times(time, 1e300) <= number::LONGEST);
    }
}

/// Lists whose pages come from the input: a byte for the page's size and whether it is the last,
/// and one for each item.
fn pages(input: &[u8]) {
    let rest = RefCell::new(input);
    let next = || {
        let mut rest = rest.borrow_mut();
        let (first, behind) = rest.split_first()?;
        *rest = behind;
        Some(*first)
    };
    let fetched = Cell::new(0_u32);
    let page = || {
        fetched.set(fetched.get() + 1);
        let about = next().unwrap_or(1);
        let total = if about & 2 == 0 { None } else { next().map(u64::from) };
        // A page has no item twice.
        let items: Vec<u8> =
            (0..about >> 5).filter_map(|_| next()).collect::<BTreeSet<_>>().into_iter().collect();
        (about, total, items)
    };
    let numbered = at_once(page::all_numbered(
        Operation::ListInstances,
        false,
        |item| *item,
        |_| {
            let (about, total, items) = page();
            async move { Ok(Numbered { items, is_last: about & 1 == 1, total }) }
        },
    ));
    check_list(numbered, fetched.replace(0));
    rest.replace(input);
    let by_token = at_once(all_pages(
        Operation::ListInstances,
        |item| *item,
        |_| {
            let (about, total, items) = page();
            async move {
                Ok(Page {
                    items,
                    next: (about & 1 == 0).then(|| total.unwrap_or_default().to_string()),
                })
            }
        },
    ));
    check_list(by_token, fetched.get());
}

fn check_list(list: Option<ProviderResult<Vec<u8>>>, pages: u32) {
    let Some(list) = list else { return };
    // A single page is a single moment's, and has no item twice.
    if let (Ok(items), true) = (&list, pages > 1) {
        assert_eq!(items.iter().collect::<HashSet<_>>().len(), items.len(), "{items:?}");
    }
}

/// A secret, and a cloud's message that may repeat it.
fn secrets(input: &[u8]) {
    let text = text(input);
    let [secret, words] = words(&text);
    let Ok(header) = HeaderValue::try_from(format!("Bearer {secret}")) else { return };
    let middle =
        (words.len() / 2..=words.len()).find(|at| words.is_char_boundary(*at)).unwrap_or(0);
    let (before, after) = words.split_at(middle);
    for words in [
        words.to_string(),
        format!("{before}{secret}{after}"),
        format!("{before}{}", secret.get(..secret.len() / 2).unwrap_or_default()),
    ] {
        let shown = secret::tidy(&words, std::slice::from_ref(&header));
        assert!(shown.len() < 600 && !shown.contains(char::is_control), "{shown:?}");
        // The placeholder, and a text too short to be a secret, may remain.
        if secret.len() >= 6
            && secret.bytes().all(|byte| byte.is_ascii_alphanumeric())
            && !"redacted".contains(secret)
        {
            assert!(!shown.contains(secret), "{shown:?} tells {secret:?}");
        }
    }
    let _ = secret::without(words, [secret].into_iter());
}

fn times(input: &[u8]) {
    let text = text(input);
    if let Some(read) = time::read(&text) {
        assert_eq!(time::read(&read.to_rfc3339()), Some(read), "{text}");
        let margin = chrono::TimeDelta::days(400);
        assert!(read - margin < read && read < read + margin);
    }
    let number = text.trim().parse().ok().and_then(time::of_number);
    assert!(number.is_none_or(|time| time.timestamp() >= 0), "{number:?}");
}

fn token(input: &[u8]) {
    let text = text(input);
    let Some(token) = check_refusal(secret::clean_token(&text)) else { return };
    let bearer = secret::Bearer::new(&token);
    let mut headers = HeaderMap::new();
    if let Some(bearer) = check_refusal(bearer) {
        bearer.write(&mut headers);
    }
    assert!(secret::sent_with(&headers).len() == 1, "a token that is not known to be one");
}
