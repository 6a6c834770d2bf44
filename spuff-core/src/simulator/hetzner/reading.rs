//! Read-only resources: locations, server types, prices; and the collections that are always empty
//! in the simulator.

use serde_json::{Value, json};

use super::super::backend::{Answer, Asked};
use super::super::fault::Effects;
use super::actions::IMAGE_MICROS;
use super::catalogue::{LOCATIONS, Location, ServerType, TYPES, monthly, price};
use super::list::{self, Key};
use super::{Outcome, input, refusal, reply};

/// Collections that are always empty in the simulator.
const EMPTY: [&str; 9] = [
    "certificates",
    "firewalls",
    "floating_ips",
    "isos",
    "load_balancer_types",
    "load_balancers",
    "networks",
    "placement_groups",
    "volumes",
];

/// Price of an IPv4 address in millionths of a euro per hour.
const IPV4_MICROS: u64 = 800;

pub(super) fn answer(asked: &Asked<'_>, parts: &[&str], effects: Effects) -> Outcome {
    match parts {
        ["locations"] => locations(asked, effects),
        ["locations", id] => {
            let found = input::number(id)
                .and_then(|id| LOCATIONS.iter().find(|location| location.id == id));
            one("location", id, found.map(|location| json!(location)))
        }
        ["server_types"] => server_types(asked, effects),
        ["server_types", id] => {
            let found = input::number(id)
                .and_then(|id| TYPES.iter().find(|server_type| server_type.id == id));
            one("server_type", id, found.map(|server_type| json!(server_type.shown)))
        }
        ["pricing"] => Ok(reply(200, &json!({"pricing": pricing()}))),
        ["datacenters"] | ["datacenters", _] => {
            Err(refusal::removed("2026-06-02-datacenters-deprecated"))
        }
        [collection] if EMPTY.contains(collection) => {
            let (_, meta) = list::page::<()>(asked, Vec::new(), Effects::NONE)?;
            Ok(reply(200, &json!({*collection: [], "meta": meta})))
        }
        [collection, id] if EMPTY.contains(collection) => {
            Err(missing(collection.trim_end_matches('s'), id))
        }
        _ => Err(refusal::not_found("path")),
    }
}

fn one(what: &str, id: &str, found: Option<Value>) -> Outcome {
    found.map(|found| reply(200, &json!({what: found}))).ok_or_else(|| missing(what, id))
}

fn missing(what: &str, id: &str) -> Answer {
    refusal::not_found(&format!("{} with ID '{id}'", what.replace('_', " ")))
}

fn locations(asked: &Asked<'_>, effects: Effects) -> Outcome {
    let name = asked.param("name");
    let mut all: Vec<&Location> = LOCATIONS.iter().collect();
    all.retain(|location| name.as_ref().is_none_or(|name| location.name == *name));
    list::sort(asked, &mut all, |location, field| match field {
        "id" => Some(Key::Number(location.id.cast_signed())),
        "name" => Some(Key::Text(location.name.to_string())),
        _ => None,
    })?;
    let (locations, meta) = list::page(asked, all, effects)?;
    Ok(reply(200, &json!({"locations": locations, "meta": meta})))
}

fn server_types(asked: &Asked<'_>, effects: Effects) -> Outcome {
    let name = asked.param("name");
    let mut all: Vec<&ServerType> = TYPES.iter().map(|server_type| &server_type.shown).collect();
    all.retain(|server_type| name.as_ref().is_none_or(|name| server_type.name == *name));
    let (types, meta) = list::page(asked, all, effects)?;
    Ok(reply(200, &json!({"server_types": types, "meta": meta})))
}

fn pricing() -> Value {
    let everywhere = |hourly| -> Vec<Value> {
        let at = |location: &Location| {
            json!({
                "location": location.name, "price_hourly": price(hourly),
                "price_monthly": price(monthly(hourly))
            })
        };
        LOCATIONS.iter().map(at).collect()
    };
    let server_type = |server_type: &ServerType| {
        json!({
            "id": server_type.id, "name": server_type.name, "prices": server_type.prices
        })
    };
    json!({
        "currency": "EUR",
        "vat_rate": "19.000000",
        "image": {"price_per_gb_month": price(IMAGE_MICROS)},
        "floating_ip": {"price_monthly": price(3_000_000)},
        "floating_ips": [
            {"type": "ipv4", "prices": everywhere(4_800)},
            {"type": "ipv6", "prices": everywhere(1_600)},
        ],
        "primary_ips": [
            {"type": "ipv4", "prices": everywhere(IPV4_MICROS)},
            {"type": "ipv6", "prices": everywhere(0)},
        ],
        "traffic": {"price_per_tb": price(0)},
        "server_backup": {"percentage": "20.0000000000"},
        "server_types": TYPES.iter().map(|it| server_type(&it.shown)).collect::<Vec<_>>(),
        "load_balancer_types": [],
        "volume": {"price_per_gb_month": price(44_000)},
    })
}
