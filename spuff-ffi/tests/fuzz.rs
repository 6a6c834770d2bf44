//! Every setter that takes a text, by its real C function, with any bytes that C can hand in: no
//! panic crosses, an error names its argument, and what was set is what the getter gives.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics has failed")]

use std::ffi::{CStr, CString, c_char};
use std::ptr::{null, null_mut};

use fastrand::Rng;
use spuff::config::{self, Config};
use spuff::error::{self, Code, Error};
use spuff::instance::{self, Instance};
use spuff::nouns::snapshot::{self, Snapshot};
use spuff::placement::{self, Placement};
use spuff::price::{self, Price};
use spuff::reap::{self, Reap};
use spuff::request::{self, Request};
use spuff::strings::{self, Strings};

/// What stands in C's memory before its end.
fn texts() -> Vec<CString> {
    let known: [&[u8]; 19] = [
        b"",
        b" ",
        b"web-1",
        b"ubuntu:24.04",
        b"snapshot:",
        b"0.0056 EUR",
        b"18446744073709.551616 USD",
        b"2001:db8::1",
        b"999.1.1.1",
        b"instance_ready",
        b"candidate",
        b"retry_after_ms",
        b"\xff\xfe",
        b"\xc3",
        b"\xed\xa0\x80",
        b"\xc3\xa9\xf0\x9f\x98\x80",
        b"%s%n",
        b"\r\n\t\x1b[31m",
        b"https://api.example.com/v1",
    ];
    let mut rng = Rng::with_seed(7);
    let mut texts: Vec<_> = known.iter().map(|text| text.to_vec()).collect();
    texts.push(b"x".repeat(300_000));
    texts.push("é".repeat(100_000).into_bytes());
    for _ in 0..400 {
        let mut text = known[rng.usize(0..known.len())].to_vec();
        for _ in 0..=rng.usize(0..4) {
            let at = rng.usize(0..=text.len());
            match rng.u8(0..3) {
                0 => text.truncate(at),
                1 => text.insert(at, rng.u8(..)),
                _ => drop(text.splice(at..at, known[rng.usize(0..known.len())].iter().copied())),
            }
        }
        texts.push(text);
    }
    texts
        .into_iter()
        .map(|text| {
            CString::new(text.into_iter().filter(|byte| *byte != 0).collect::<Vec<_>>()).unwrap()
        })
        .collect()
}

/// Whether it was taken. A refusal names the argument, and a panic is none.
fn is_taken(
    set: impl Fn(*const c_char, *mut *mut Error) -> Code,
    text: *const c_char,
    argument: &str,
) -> bool {
    let mut told = null_mut();
    let code = set(text, &raw mut told);
    assert_eq!(set(text, null_mut()), code, "{argument}: the same without an error to fill");
    if code == Code::Ok {
        assert!(told.is_null(), "{argument}");
        return true;
    }
    // SAFETY: an error of the library, whose texts live as long as it.
    unsafe {
        let field = CStr::from_ptr(error::spuff_error_field(told)).to_str().unwrap();
        assert_eq!(
            (code, field),
            (Code::InvalidConfig, argument),
            "{:?}",
            CStr::from_ptr(error::spuff_error_text(told))
        );
        error::spuff_error_free(&raw mut told);
    }
    false
}

/// Tries a setter of one argument with all texts, and with none. Of those that are UTF-8 it may
/// refuse some, where it `judges`.
fn try_setter(
    argument: &str,
    judges: bool,
    set: impl Fn(*const c_char, *mut *mut Error) -> Code,
    get: impl Fn() -> *const c_char,
) {
    assert!(!is_taken(&set, null(), argument), "{argument} is NULL, and taken");
    let mut taken = 0;
    for text in texts() {
        let is_text = text.to_str().is_ok();
        let is_taken = is_taken(&set, text.as_ptr(), argument);
        assert!(is_taken == is_text || (judges && !is_taken), "{argument}: {text:?}");
        taken += u32::from(is_taken);
        let got = get();
        if is_taken && !got.is_null() {
            // SAFETY: a text of the library, which lives until it is changed.
            assert_eq!(unsafe { CStr::from_ptr(got) }, text.as_c_str(), "{argument}");
        }
    }
    assert!(taken > 0, "{argument} was never taken");
}

const OTHER: *const c_char = c"other".as_ptr();

#[test]
fn requests() {
    let mut made: *mut Request = null_mut();
    // SAFETY: texts of this program, and handles of the library, used by one thread.
    unsafe {
        for argument in ["name", "region", "size"] {
            let set = |text: *const c_char, error: *mut *mut Error| {
                let given = |wanted: &str| if wanted == argument { text } else { OTHER };
                let mut out: *mut Request = null_mut();
                let code = request::spuff_request_new(
                    given("name"),
                    given("region"),
                    given("size"),
                    &raw mut out,
                    error,
                );
                request::spuff_request_free(&raw mut out);
                code
            };
            try_setter(argument, false, set, null);
        }
        assert_eq!(
            request::spuff_request_new(OTHER, OTHER, OTHER, &raw mut made, null_mut()),
            Code::Ok
        );
        let made_is = made;
        try_setter(
            "image",
            false,
            |text, error| request::spuff_request_set_image(made_is, text, error),
            || request::spuff_request_image(made_is),
        );
        try_setter(
            "user_data",
            false,
            |text, error| request::spuff_request_set_user_data(made_is, text, error),
            || request::spuff_request_user_data(made_is),
        );
        try_setter(
            "key",
            false,
            |text, error| request::spuff_request_set_idempotency_key(made_is, text, error),
            || request::spuff_request_idempotency_key(made_is),
        );
        try_setter(
            "owner",
            false,
            |text, error| request::spuff_request_set_owner(made_is, text, error),
            || request::spuff_request_owner(made_is),
        );
        let before = request::spuff_request_ssh_key_count(made_is);
        try_setter(
            "key",
            false,
            |text, error| request::spuff_request_add_ssh_key(made_is, text, error),
            || {
                request::spuff_request_ssh_key(
                    made_is,
                    request::spuff_request_ssh_key_count(made_is) - 1,
                )
            },
        );
        assert!(request::spuff_request_ssh_key_count(made_is) > before);
        try_setter(
            "key",
            false,
            |text, error| request::spuff_request_add_label(made_is, text, OTHER, error),
            null,
        );
        try_setter(
            "value",
            false,
            |text, error| request::spuff_request_add_label(made_is, OTHER, text, error),
            null,
        );
        for number in [0, 1, u64::MAX, u64::from(u32::MAX)] {
            assert_eq!(
                request::spuff_request_set_ttl_seconds(made_is, number, null_mut()),
                Code::Ok
            );
            assert_eq!(
                request::spuff_request_ttl_seconds(made_is),
                i64::try_from(number).unwrap_or(-1)
            );
        }
        for number in [i32::MIN, -1, 3, i32::MAX] {
            assert_eq!(
                request::spuff_request_set_on_cancel(made_is, number, null_mut()),
                Code::InvalidConfig
            );
        }
        request::spuff_request_free(&raw mut made);
    }
}

#[test]
fn configurations() {
    // SAFETY: as above.
    unsafe {
        let mut made: *mut Config = config::spuff_config_new();
        let made_is = made;
        try_setter(
            "token",
            false,
            |text, error| config::spuff_config_set_token(made_is, text, error),
            || config::spuff_config_token(made_is),
        );
        try_setter(
            "endpoint",
            false,
            |text, error| config::spuff_config_set_endpoint(made_is, text, error),
            || config::spuff_config_endpoint(made_is),
        );
        try_setter(
            "region",
            false,
            |text, error| config::spuff_config_set_region(made_is, text, error),
            || config::spuff_config_region(made_is),
        );
        try_setter(
            "path",
            false,
            |text, error| config::spuff_config_set_ca_file(made_is, text, error),
            || config::spuff_config_ca_file(made_is),
        );
        try_setter(
            "value",
            false,
            |text, error| config::spuff_config_set_option(made_is, OTHER, text, error),
            || config::spuff_config_option(made_is, OTHER),
        );
        try_setter(
            "name",
            false,
            |text, error| config::spuff_config_set_option(made_is, text, OTHER, error),
            null,
        );
        for number in [0, u64::MAX] {
            try_setter(
                "name",
                true,
                |text, error| config::spuff_config_set_timeout_ms(made_is, text, number, error),
                null,
            );
        }
        for text in texts() {
            let _ = (
                config::spuff_config_option(made_is, text.as_ptr()),
                config::spuff_config_timeout_ms(made_is, text.as_ptr()),
            );
        }
        config::spuff_config_free(&raw mut made);
    }
}

#[test]
fn what_a_provider_in_c_answers_with() {
    // SAFETY: as above.
    unsafe {
        let make = |text: *const c_char, error: *mut *mut Error| {
            let mut out: *mut Instance = null_mut();
            let code = instance::spuff_instance_new(text, &raw mut out, error);
            instance::spuff_instance_free(&raw mut out);
            code
        };
        try_setter("id", true, make, null);
        let mut machine: *mut Instance = null_mut();
        assert_eq!(instance::spuff_instance_new(OTHER, &raw mut machine, null_mut()), Code::Ok);
        let it = machine;
        try_setter(
            "word",
            false,
            |text, error| instance::spuff_instance_set_status(it, text, error),
            null,
        );
        try_setter(
            "key",
            false,
            |text, error| instance::spuff_instance_add_label(it, text, OTHER, error),
            null,
        );
        try_setter(
            "value",
            false,
            |text, error| instance::spuff_instance_add_label(it, OTHER, text, error),
            null,
        );
        try_setter(
            "ip",
            true,
            |text, error| instance::spuff_instance_add_address(it, text, true, error),
            null,
        );
        for argument in ["name", "region", "size"] {
            let set = |text: *const c_char, error: *mut *mut Error| {
                let given = |wanted: &str| if wanted == argument { text } else { OTHER };
                instance::spuff_instance_describe(
                    it,
                    given("name"),
                    given("region"),
                    given("size"),
                    error,
                )
            };
            try_setter(argument, false, set, null);
        }
        for number in [i64::MIN, -1, 0, i64::MAX] {
            let mut snapshot: *mut Snapshot = null_mut();
            assert_eq!(
                snapshot::spuff_snapshot_new(OTHER, OTHER, &raw mut snapshot, null_mut()),
                Code::Ok
            );
            let codes = [
                instance::spuff_instance_set_created_at_ms(it, number, null_mut()),
                snapshot::spuff_snapshot_set_created_at_ms(snapshot, number, null_mut()),
            ];
            assert!(
                codes.iter().all(|code| matches!(code, Code::Ok | Code::InvalidConfig)),
                "{number}: {codes:?}"
            );
            snapshot::spuff_snapshot_free(&raw mut snapshot);
        }
        instance::spuff_instance_free(&raw mut machine);

        for argument in ["id", "name"] {
            let make = |text: *const c_char, error: *mut *mut Error| {
                let given = |wanted: &str| if wanted == argument { text } else { OTHER };
                let mut out: *mut Snapshot = null_mut();
                let code =
                    snapshot::spuff_snapshot_new(given("id"), given("name"), &raw mut out, error);
                snapshot::spuff_snapshot_free(&raw mut out);
                code
            };
            try_setter(argument, argument == "id", make, null);
        }
        let mut made: *mut Snapshot = null_mut();
        assert_eq!(snapshot::spuff_snapshot_new(OTHER, OTHER, &raw mut made, null_mut()), Code::Ok);
        let it = made;
        try_setter(
            "key",
            false,
            |text, error| snapshot::spuff_snapshot_add_label(it, text, OTHER, error),
            null,
        );
        try_setter(
            "value",
            false,
            |text, error| snapshot::spuff_snapshot_add_label(it, OTHER, text, error),
            null,
        );
        snapshot::spuff_snapshot_free(&raw mut made);

        let mut list = Strings::default();
        let list = &raw mut list;
        try_setter(
            "value",
            false,
            |text, error| strings::spuff_strings_push(list, text, error),
            || strings::spuff_strings_get(list, strings::spuff_strings_count(list) - 1),
        );
    }
}

#[test]
fn errors_of_a_provider_in_c() {
    // SAFETY: as above.
    unsafe {
        for code in [i32::MIN, -1, 0, 1, 9, 18, 19, i32::MAX] {
            let mut out: *mut Error = null_mut();
            let made = error::spuff_error_new(code, OTHER, &raw mut out, null_mut());
            assert_eq!(made == Code::Ok, (1..=18).contains(&code), "{code}");
            for name in texts() {
                for value in [c"", c"other", c"\xff"] {
                    let _ = error::spuff_error_set_text(out, name.as_ptr(), value.as_ptr());
                }
            }
            let texts =
                [c"provider", c"cloud_code", c"field", c"instance_id", c"supported", c"operation"];
            let others: Vec<_> = self::texts()
                .into_iter()
                .filter(|text| text.as_bytes().len() < 1000)
                .take(100)
                .collect();
            for (name, value) in
                texts.iter().flat_map(|name| others.iter().map(move |value| (name, value)))
            {
                let set = error::spuff_error_set_text(out, name.as_ptr(), value.as_ptr());
                assert_eq!(
                    set == Code::Ok,
                    !out.is_null() && value.to_str().is_ok(),
                    "{name:?}: {value:?}"
                );
            }
            for name in [c"status", c"retryable", c"retry_after_ms", c"elapsed_ms", c"none"] {
                for number in [0, 1, 99, 404, 1000, u64::MAX] {
                    let set = error::spuff_error_set_number(out, name.as_ptr(), number);
                    assert!(matches!(set, Code::Ok | Code::InvalidConfig), "{name:?}: {number}");
                }
            }
            let _ = (
                error::spuff_error_text(out),
                error::spuff_error_retry_after_ms(out),
                error::spuff_error_elapsed_ms(out),
            );
            let mut copy = error::spuff_error_clone(out);
            error::spuff_error_free(&raw mut copy);
            error::spuff_error_free(&raw mut out);
        }
        let make = |text: *const c_char, error: *mut *mut Error| {
            let mut out: *mut Error = null_mut();
            let code = error::spuff_error_new(9, text, &raw mut out, error);
            error::spuff_error_free(&raw mut out);
            code
        };
        try_setter("message", false, make, null);
    }
}

#[test]
fn prices_placements_and_leases() {
    // SAFETY: as above.
    unsafe {
        let make = |text: *const c_char, error: *mut *mut Error| {
            let mut out: *mut Price = null_mut();
            let code = price::spuff_price_new(text, &raw mut out, error);
            if code == Code::Ok {
                assert!(
                    !price::spuff_price_text(out).is_null()
                        && !price::spuff_price_currency(out).is_null()
                );
            }
            price::spuff_price_free(&raw mut out);
            code
        };
        for text in texts() {
            let mut told = null_mut();
            let code = make(text.as_ptr(), &raw mut told);
            assert!(matches!(code, Code::Ok | Code::InvalidConfig), "{text:?}");
            error::spuff_error_free(&raw mut told);
        }
        let mut places: *mut Placement = placement::spuff_placement_new();
        let it = places;
        try_setter(
            "price",
            true,
            |text, error| placement::spuff_placement_set_max_price(it, text, error),
            null,
        );
        assert_eq!(
            placement::spuff_placement_add(it, null(), OTHER, OTHER, null(), null(), null_mut()),
            Code::InvalidConfig,
            "no provider"
        );
        placement::spuff_placement_free(&raw mut places);

        let mut which: *mut Reap = reap::spuff_reap_new();
        let it = which;
        try_setter("owner", true, |text, error| reap::spuff_reap_set_owner(it, text, error), null);
        for number in [0, u64::MAX] {
            assert_eq!(reap::spuff_reap_set_older_than_seconds(it, number, null_mut()), Code::Ok);
            assert_eq!(reap::spuff_reap_set_confirm_within_ms(it, number, null_mut()), Code::Ok);
        }
        reap::spuff_reap_free(&raw mut which);
    }
}
