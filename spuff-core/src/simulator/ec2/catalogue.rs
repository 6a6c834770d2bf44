//! Regions, and instance types with their prices. Prices resemble the public ones of Northern
//! Virginia.
//!
//! Static tables, with their lookups.

use super::super::account::{Architecture, Rate, Rounding, Size};
use Architecture::{Arm, X86};

/// A region, with the prefix of its zones' ids.
#[derive(Debug)]
pub(super) struct Region {
    pub(super) name: &'static str,
    pub(super) zone_id: &'static str,
    pub(super) long_name: &'static str,
    /// Whether the account must opt in first; the simulated account has not.
    pub(super) opt_in: bool,
}

impl Region {
    /// The name of the zone with this index.
    pub(super) fn zone(&self, index: usize) -> String {
        let letter = ZONES.get(index).copied().unwrap_or("a");
        format!("{}{letter}", self.name)
    }
}

/// The zone letters of each region.
pub(super) const ZONES: [&str; 3] = ["a", "b", "c"];

const fn region(name: &'static str, zone_id: &'static str, long_name: &'static str) -> Region {
    Region { name, zone_id, long_name, opt_in: false }
}

const fn opt_in(name: &'static str, zone_id: &'static str, long_name: &'static str) -> Region {
    Region { name, zone_id, long_name, opt_in: true }
}

pub(super) static REGIONS: [Region; 21] = [
    opt_in("af-south-1", "afs1", "Africa (Cape Town)"),
    opt_in("ap-east-1", "ape1", "Asia Pacific (Hong Kong)"),
    region("ap-northeast-1", "apne1", "Asia Pacific (Tokyo)"),
    region("ap-northeast-2", "apne2", "Asia Pacific (Seoul)"),
    region("ap-northeast-3", "apne3", "Asia Pacific (Osaka)"),
    region("ap-south-1", "aps1", "Asia Pacific (Mumbai)"),
    region("ap-southeast-1", "apse1", "Asia Pacific (Singapore)"),
    region("ap-southeast-2", "apse2", "Asia Pacific (Sydney)"),
    region("ca-central-1", "cac1", "Canada (Central)"),
    region("eu-central-1", "euc1", "Europe (Frankfurt)"),
    region("eu-north-1", "eun1", "Europe (Stockholm)"),
    opt_in("eu-south-1", "eus1", "Europe (Milan)"),
    region("eu-west-1", "euw1", "Europe (Ireland)"),
    region("eu-west-2", "euw2", "Europe (London)"),
    region("eu-west-3", "euw3", "Europe (Paris)"),
    opt_in("me-south-1", "mes1", "Middle East (Bahrain)"),
    region("sa-east-1", "sae1", "South America (Sao Paulo)"),
    region("us-east-1", "use1", "US East (N. Virginia)"),
    region("us-east-2", "use2", "US East (Ohio)"),
    region("us-west-1", "usw1", "US West (N. California)"),
    region("us-west-2", "usw2", "US West (Oregon)"),
];

/// Returns a region that the account can use.
pub(super) fn usable(name: &str) -> Option<&'static Region> {
    REGIONS.iter().find(|region| region.name == name && !region.opt_in)
}

const ALL: &[&str] = &[];
const OLDEST: &[&str] = &[
    "ap-northeast-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "eu-west-1",
    "sa-east-1",
    "us-east-1",
    "us-west-1",
    "us-west-2",
];
const LARGE: &[&str] =
    &["ap-northeast-1", "eu-central-1", "eu-west-1", "us-east-1", "us-east-2", "us-west-2"];

/// Prices are in millionths of a dollar per hour. The class is the network's speed.
const fn size(
    name: &'static str,
    (cpus, memory_mib): (u32, u32),
    architecture: Architecture,
    micros_per_hour: u64,
    class: &'static str,
) -> Size {
    let rate = Rate { currency: "USD", micros_per_hour, rounding: Rounding::Running };
    Size {
        name,
        class,
        cpus,
        memory_mib,
        disk_gib: 0,
        architecture,
        gpu: false,
        regions: ALL,
        rate,
    }
}

const fn at(regions: &'static [&'static str], size: Size) -> Size {
    Size { regions, ..size }
}

const fn gpu(disk_gib: u32, size: Size) -> Size {
    Size { gpu: true, disk_gib, regions: LARGE, ..size }
}

const LOW: &str = "Low to Moderate";
const FIVE: &str = "Up to 5 Gigabit";
const TEN: &str = "Up to 10 Gigabit";
const TWELVE: &str = "Up to 12.5 Gigabit";

pub(super) static SIZES: [Size; 59] = [
    at(OLDEST, size("m1.small", (1, 1_740), X86, 44_000, "Low")),
    size("t2.nano", (1, 512), X86, 5_800, LOW),
    size("t2.micro", (1, 1_024), X86, 11_600, LOW),
    size("t2.small", (1, 2_048), X86, 23_000, LOW),
    size("t2.medium", (2, 4_096), X86, 46_400, LOW),
    size("t2.large", (2, 8_192), X86, 92_800, LOW),
    size("t3.nano", (2, 512), X86, 5_200, FIVE),
    size("t3.micro", (2, 1_024), X86, 10_400, FIVE),
    size("t3.small", (2, 2_048), X86, 20_800, FIVE),
    size("t3.medium", (2, 4_096), X86, 41_600, FIVE),
    size("t3.large", (2, 8_192), X86, 83_200, FIVE),
    size("t3.xlarge", (4, 16_384), X86, 166_400, FIVE),
    size("t3.2xlarge", (8, 32_768), X86, 332_800, FIVE),
    size("t3a.nano", (2, 512), X86, 4_700, FIVE),
    size("t3a.micro", (2, 1_024), X86, 9_400, FIVE),
    size("t3a.small", (2, 2_048), X86, 18_800, FIVE),
    size("t3a.medium", (2, 4_096), X86, 37_600, FIVE),
    size("t4g.nano", (2, 512), Arm, 4_200, FIVE),
    size("t4g.micro", (2, 1_024), Arm, 8_400, FIVE),
    size("t4g.small", (2, 2_048), Arm, 16_800, FIVE),
    size("t4g.medium", (2, 4_096), Arm, 33_600, FIVE),
    size("t4g.large", (2, 8_192), Arm, 67_200, FIVE),
    size("t4g.xlarge", (4, 16_384), Arm, 134_400, FIVE),
    size("t4g.2xlarge", (8, 32_768), Arm, 268_800, FIVE),
    at(LARGE, size("a1.medium", (1, 2_048), Arm, 25_500, TEN)),
    size("m5.large", (2, 8_192), X86, 96_000, TEN),
    size("m5.xlarge", (4, 16_384), X86, 192_000, TEN),
    size("m5.2xlarge", (8, 32_768), X86, 384_000, TEN),
    size("m5.4xlarge", (16, 65_536), X86, 768_000, TEN),
    size("m6i.large", (2, 8_192), X86, 96_000, TWELVE),
    size("m6i.xlarge", (4, 16_384), X86, 192_000, TWELVE),
    size("m7i.large", (2, 8_192), X86, 100_800, TWELVE),
    size("m7i.xlarge", (4, 16_384), X86, 201_600, TWELVE),
    size("m6g.medium", (1, 4_096), Arm, 38_500, TEN),
    size("m6g.large", (2, 8_192), Arm, 77_000, TEN),
    size("m6g.xlarge", (4, 16_384), Arm, 154_000, TEN),
    size("m7g.medium", (1, 4_096), Arm, 40_800, TWELVE),
    size("m7g.large", (2, 8_192), Arm, 81_600, TWELVE),
    size("m7g.xlarge", (4, 16_384), Arm, 163_200, TWELVE),
    size("c5.large", (2, 4_096), X86, 85_000, TEN),
    size("c5.xlarge", (4, 8_192), X86, 170_000, TEN),
    size("c6i.large", (2, 4_096), X86, 85_000, TWELVE),
    size("c7i.large", (2, 4_096), X86, 89_250, TWELVE),
    size("c6g.medium", (1, 2_048), Arm, 34_000, TEN),
    size("c6g.large", (2, 4_096), Arm, 68_000, TEN),
    size("c7g.medium", (1, 2_048), Arm, 36_300, TWELVE),
    size("c7g.large", (2, 4_096), Arm, 72_500, TWELVE),
    at(LARGE, size("c7gn.large", (2, 4_096), Arm, 124_800, "Up to 30 Gigabit")),
    size("r5.large", (2, 16_384), X86, 126_000, TEN),
    size("r6i.large", (2, 16_384), X86, 126_000, TWELVE),
    size("r6g.large", (2, 16_384), Arm, 100_800, TEN),
    size("r7g.large", (2, 16_384), Arm, 107_100, TWELVE),
    at(LARGE, Size { disk_gib: 442, ..size("i3.large", (2, 15_616), X86, 156_000, TEN) }),
    at(
        LARGE,
        Size { disk_gib: 872, ..size("im4gn.large", (2, 8_192), Arm, 181_920, "Up to 25 Gigabit") },
    ),
    gpu(116, size("g4dn.xlarge", (4, 16_384), X86, 526_000, "Up to 25 Gigabit")),
    gpu(232, size("g5.xlarge", (4, 16_384), X86, 1_006_000, TEN)),
    gpu(0, size("g5g.xlarge", (4, 8_192), Arm, 420_000, TEN)),
    gpu(232, size("g6e.xlarge", (4, 32_768), X86, 1_861_000, "Up to 20 Gigabit")),
    gpu(0, size("p3.2xlarge", (8, 62_464), X86, 3_060_000, TEN)),
];

/// Returns the type of this name, in whatever region it is offered.
pub(super) fn any_size(name: &str) -> Option<&'static Size> {
    SIZES.iter().find(|size| size.name == name)
}

/// Whether a region offers an instance type.
pub(super) fn is_offered(size: &Size, region: &str) -> bool {
    size.regions.is_empty() || size.regions.contains(&region)
}

/// An architecture, as EC2 names it.
pub(super) fn architecture(architecture: Architecture) -> &'static str {
    match architecture {
        X86 => "x86_64",
        Arm => "arm64",
    }
}

/// The id of the simulated account.
pub(super) const ACCOUNT: &str = "123456789012";

/// A volume type, with its price in millionths of a dollar per GiB and month.
pub(super) struct Disk {
    pub(super) name: &'static str,
    micros: u64,
    pub(super) iops: Option<u32>,
}

pub(super) static DISKS: [Disk; 7] = [
    Disk { name: "gp3", micros: 80_000, iops: Some(3_000) },
    Disk { name: "gp2", micros: 100_000, iops: Some(100) },
    Disk { name: "io1", micros: 125_000, iops: Some(100) },
    Disk { name: "io2", micros: 125_000, iops: Some(100) },
    Disk { name: "st1", micros: 45_000, iops: None },
    Disk { name: "sc1", micros: 15_000, iops: None },
    Disk { name: "standard", micros: 50_000, iops: None },
];

pub(super) fn disk(name: &str) -> Option<&'static Disk> {
    DISKS.iter().find(|disk| disk.name == name)
}

const fn monthly(micros: u64) -> Rate {
    Rate { currency: "USD", micros_per_hour: micros / 730, rounding: Rounding::Seconds }
}

impl Disk {
    pub(super) fn rate(&self, gib: u32) -> Rate {
        monthly(self.micros * gib as u64)
    }
}

/// The price of an EBS snapshot, by its size in hundredths of a GiB.
pub(super) fn copy_rate(centi_gib: u32) -> Rate {
    monthly(50_000 * u64::from(centi_gib) / 100)
}

/// An AMI itself is free; its EBS snapshots are billed.
pub(super) const FREE: Rate = monthly(0);

/// The price of a public IPv4 address.
pub(super) const ADDRESS: Rate =
    Rate { currency: "USD", micros_per_hour: 5_000, rounding: Rounding::Seconds };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_once_and_tell_the_processor() {
        for (at, size) in SIZES.iter().enumerate() {
            assert!(!SIZES[at + 1..].iter().any(|other| other.name == size.name), "{}", size.name);
            let family = size.name.split('.').next().unwrap_or_default();
            let after_digits = family.trim_start_matches(|c: char| c.is_ascii_alphabetic());
            let after_digits = after_digits.trim_start_matches(|c: char| c.is_ascii_digit());
            let arm = family == "a1" || after_digits.starts_with('g');
            assert_eq!(size.architecture == Arm, arm, "{}", size.name);
            assert!(size.regions.iter().all(|region| usable(region).is_some()), "{}", size.name);
        }
        assert!(
            usable("us-east-1").is_some()
                && usable("eu-south-1").is_none()
                && usable("moon-1").is_none()
        );
    }
}
