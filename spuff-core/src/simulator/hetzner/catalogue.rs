//! Hetzner's catalogue: locations, and server types with their prices.
//!
//! The prices resemble the public ones and are not offers. At most 624 hours of a month are billed;
//! monthly prices are calculated accordingly.

use std::sync::LazyLock;

use serde::Serialize;

use super::super::account::{Architecture, Rate, Rounding, Size};

/// Maximum billed hours per month.
const MONTH: u64 = 624;

const DEPRECATION: Deprecation = Deprecation {
    announced: "2024-06-06T00:00:00+00:00",
    unavailable_after: "2024-09-06T00:00:00+00:00",
};

const EUROPE: &[&str] = &["fsn1", "nbg1", "hel1"];
const AMERICA: &[&str] = &["ash", "hil"];
const ASIA: &[&str] = &["sin"];

#[derive(Serialize)]
pub(super) struct Location {
    pub(super) id: u64,
    pub(super) name: &'static str,
    pub(super) description: &'static str,
    pub(super) country: &'static str,
    pub(super) city: &'static str,
    pub(super) latitude: f64,
    pub(super) longitude: f64,
    pub(super) network_zone: &'static str,
}

#[derive(Serialize)]
pub(super) struct Price {
    pub(super) net: String,
    pub(super) gross: String,
}

#[derive(Serialize)]
pub(super) struct TypePrice {
    pub(super) location: &'static str,
    pub(super) price_hourly: Price,
    pub(super) price_monthly: Price,
    /// Included traffic in bytes.
    pub(super) included_traffic: u64,
    pub(super) price_per_tb_traffic: Price,
}

#[derive(Clone, Copy, Serialize)]
pub(super) struct Deprecation {
    pub(super) announced: &'static str,
    pub(super) unavailable_after: &'static str,
}

/// A location that offers a server type.
#[derive(Serialize)]
pub(super) struct TypeSite {
    pub(super) id: u64,
    pub(super) name: &'static str,
    pub(super) deprecation: Option<Deprecation>,
    pub(super) available: bool,
    pub(super) recommended: bool,
}

#[derive(Serialize)]
pub(super) struct ServerType {
    pub(super) id: u64,
    pub(super) name: &'static str,
    pub(super) description: String,
    pub(super) category: &'static str,
    pub(super) cores: u32,
    pub(super) memory: f64,
    pub(super) disk: u32,
    pub(super) storage_type: &'static str,
    pub(super) cpu_type: &'static str,
    pub(super) architecture: &'static str,
    pub(super) included_traffic: u64,
    pub(super) prices: Vec<TypePrice>,
    pub(super) deprecated: bool,
    pub(super) deprecation: Option<Deprecation>,
    pub(super) locations: Vec<TypeSite>,
}

pub(super) fn architecture(architecture: Architecture) -> &'static str {
    match architecture {
        Architecture::X86 => "x86",
        Architecture::Arm => "arm",
    }
}

/// The locations; their ids count from 1.
pub(super) static LOCATIONS: [Location; 6] = [
    location(
        1,
        "fsn1",
        "Falkenstein DC Park 1",
        ("DE", "Falkenstein"),
        (50.47612, 12.370071),
        "eu-central",
    ),
    location(
        2,
        "nbg1",
        "Nuremberg DC Park 1",
        ("DE", "Nuremberg"),
        (49.452102, 11.076665),
        "eu-central",
    ),
    location(
        3,
        "hel1",
        "Helsinki DC Park 1",
        ("FI", "Helsinki"),
        (60.169855, 24.938379),
        "eu-central",
    ),
    location(4, "ash", "Ashburn, VA", ("US", "Ashburn, VA"), (39.045821, -77.487073), "us-east"),
    location(
        5,
        "hil",
        "Hillsboro, OR",
        ("US", "Hillsboro, OR"),
        (45.54222, -122.951924),
        "us-west",
    ),
    location(6, "sin", "Singapore", ("SG", "Singapore"), (1.283333, 103.833333), "ap-southeast"),
];

const fn location(
    id: u64,
    name: &'static str,
    description: &'static str,
    (country, city): (&'static str, &'static str),
    (latitude, longitude): (f64, f64),
    network_zone: &'static str,
) -> Location {
    Location { id, name, description, country, city, latitude, longitude, network_zone }
}

/// A server type.
pub(super) struct Type {
    pub(super) id: u64,
    pub(super) name: &'static str,
    pub(super) architecture: Architecture,
    pub(super) disk_gib: u32,
    /// No longer available for new servers.
    pub(super) deprecated: bool,
    /// One for each group of locations with the same price.
    pub(super) sizes: Vec<Size>,
    pub(super) shown: ServerType,
}

impl Type {
    /// Returns the size in one location; `None` if the type is not offered there.
    pub(super) fn at(&'static self, location: &str) -> Option<&'static Size> {
        self.sizes.iter().find(|size| size.regions.contains(&location))
    }
}

/// The server types, sorted by id.
pub(super) static TYPES: LazyLock<Vec<Type>> = LazyLock::new(|| {
    let mut types: Vec<Type> = ROWS.iter().map(server_type).collect();
    types.sort_by_key(|server_type| server_type.id);
    types
});

pub(super) fn type_named(name: &str) -> Option<&'static Type> {
    TYPES.iter().find(|server_type| server_type.name == name)
}

pub(super) fn location_named(name: &str) -> Option<&'static Location> {
    LOCATIONS.iter().find(|location| location.name == name)
}

/// The server type of an instance's size.
pub(super) fn type_of(size: &Size) -> Option<&'static Type> {
    type_named(size.name)
}

/// Formats a price as the API does: net, and gross with 19 % VAT.
pub(super) fn price(micros: u64) -> Price {
    let gross = micros * 119;
    Price {
        net: format!("{}.{:06}0000", micros / 1_000_000, micros % 1_000_000),
        gross: format!("{}.{:08}00000000", gross / 100_000_000, gross % 100_000_000),
    }
}

/// Converts an hourly price to a monthly price.
pub(super) fn monthly(micros_per_hour: u64) -> u64 {
    micros_per_hour * MONTH
}

/// Id, name, cores, memory and disk in GB, and millionths of a euro per hour in Europe, America and
/// Asia; 0 if the type is not offered there.
type Row = (u64, &'static str, u32, u32, u32, [u64; 3]);

#[rustfmt::skip]
const ROWS: [Row; 27] = [
    (1,   "cx11",   1,   2,  20, [5_300, 0, 0]),
    (104, "cx22",   2,   4,  40, [6_000, 0, 0]),
    (105, "cx32",   4,   8,  80, [10_900, 0, 0]),
    (106, "cx42",   8,  16, 160, [26_300, 0, 0]),
    (107, "cx52",  16,  32, 320, [51_900, 0, 0]),
    (114, "cx23",   2,   4,  40, [5_600, 0, 0]),
    (115, "cx33",   4,   8,  80, [8_800, 0, 0]),
    (116, "cx43",   8,  16, 160, [15_200, 0, 0]),
    (117, "cx53",  16,  32, 320, [28_000, 0, 0]),
    (22,  "cpx11",  2,   2,  40, [7_000, 8_000, 11_000]),
    (23,  "cpx21",  3,   4,  80, [12_100, 15_200, 20_100]),
    (24,  "cpx31",  4,   8, 160, [21_800, 28_900, 38_500]),
    (25,  "cpx41",  8,  16, 240, [40_400, 53_700, 68_100]),
    (26,  "cpx51", 16,  32, 360, [88_100, 106_600, 128_300]),
    (109, "cpx22",  2,   4,  80, [10_400, 0, 16_900]),
    (110, "cpx32",  4,   8, 160, [17_600, 0, 30_500]),
    (111, "cpx42",  8,  16, 320, [32_000, 0, 56_900]),
    (112, "cpx52", 12,  24, 480, [45_700, 0, 81_700]),
    (113, "cpx62", 16,  32, 640, [62_500, 0, 110_500]),
    (45,  "cax11",  2,   4,  40, [6_100, 0, 0]),
    (93,  "cax21",  4,   8,  80, [10_400, 0, 0]),
    (94,  "cax31",  8,  16, 160, [20_000, 0, 0]),
    (95,  "cax41", 16,  32, 320, [39_200, 0, 0]),
    (96,  "ccx13",  2,   8,  80, [20_000, 21_600, 34_500]),
    (97,  "ccx23",  4,  16, 160, [39_200, 42_500, 63_900]),
    (98,  "ccx33",  8,  32, 240, [77_700, 83_400, 120_000]),
    (99,  "ccx43", 16,  64, 360, [154_600, 165_000, 232_300]),
];

fn server_type(&(id, name, cpus, memory, disk_gib, hourly): &Row) -> Type {
    let dedicated = name.starts_with("ccx");
    let architecture = if name.starts_with("cax") { Architecture::Arm } else { Architecture::X86 };
    let category = match name.as_bytes() {
        [b'c', b'c', ..] => "general_purpose",
        [b'c', b'p', ..] => "regular_performance",
        _ => "cost_optimized",
    };
    let deprecated = id == 1;
    let offers =
        || [EUROPE, AMERICA, ASIA].into_iter().zip(hourly).filter(|(_, hourly)| *hourly > 0);
    let size = |(regions, micros_per_hour)| Size {
        name,
        class: category,
        cpus,
        memory_mib: memory * 1024,
        disk_gib,
        architecture,
        gpu: false,
        regions,
        rate: Rate { currency: "EUR", micros_per_hour, rounding: Rounding::HoursUpTo(MONTH) },
    };
    let by_location = || {
        offers().flat_map(|(regions, hourly)| regions.iter().map(move |region| (*region, hourly)))
    };
    let price_at = |(location, hourly): (&'static str, u64)| TypePrice {
        location,
        price_hourly: price(hourly),
        price_monthly: price(monthly(hourly)),
        // Europe includes 20 TiB of traffic, other locations 1 TiB.
        included_traffic: (if EUROPE.contains(&location) { 20 } else { 1 }) << 40,
        price_per_tb_traffic: price(if ASIA.contains(&location) { 7_400_000 } else { 1_000_000 }),
    };
    let site_at = |(name, _): (&'static str, u64)| TypeSite {
        id: location_named(name).map_or(0, |location| location.id),
        name,
        deprecation: deprecated.then_some(DEPRECATION),
        available: !deprecated,
        recommended: !deprecated && matches!(name, "fsn1" | "hel1"),
    };
    Type {
        id,
        name,
        architecture,
        disk_gib,
        deprecated,
        sizes: offers().map(size).collect(),
        shown: ServerType {
            id,
            name,
            description: name.to_uppercase(),
            category,
            cores: cpus,
            memory: f64::from(memory),
            disk: disk_gib,
            storage_type: "local",
            cpu_type: if dedicated { "dedicated" } else { "shared" },
            architecture: self::architecture(architecture),
            included_traffic: 0,
            prices: by_location().map(price_at).collect(),
            deprecated,
            deprecation: deprecated.then_some(DEPRECATION),
            locations: by_location().map(site_at).collect(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_written_out() {
        let price = price(1_234_567);
        assert_eq!(
            (price.net.as_str(), price.gross.as_str()),
            ("1.2345670000", "1.4691347300000000")
        );
    }

    #[test]
    fn a_type_costs_what_its_location_asks_for() {
        let cpx11 = type_named("cpx11").unwrap();
        let hourly = |location| cpx11.at(location).map(|size| size.rate.micros_per_hour);
        assert_eq!(
            (hourly("hel1"), hourly("hil"), hourly("sin"), hourly("mars")),
            (Some(7_000), Some(8_000), Some(11_000), None)
        );
        for server_type in TYPES.iter() {
            assert_eq!(type_of(&server_type.sizes[0]).unwrap().id, server_type.id);
            let sites = server_type.sizes.iter().map(|size| size.regions.len()).sum::<usize>();
            assert_eq!(
                (server_type.shown.prices.len(), server_type.shown.locations.len()),
                (sites, sites)
            );
        }
    }
}
