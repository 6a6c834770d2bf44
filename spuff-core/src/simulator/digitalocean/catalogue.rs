//! DigitalOcean's catalogue: regions, sizes with their prices, and images. Prices resemble those of
//! its public list and are not offers.
//!
//! Static tables.

use super::super::account::{Architecture, Rate, Rounding, Size};

/// A region. `open`: accepts new droplets.
pub(super) struct Region {
    pub(super) slug: &'static str,
    pub(super) name: &'static str,
    pub(super) open: bool,
}

const fn region(slug: &'static str, name: &'static str, open: bool) -> Region {
    Region { slug, name, open }
}

pub(super) static REGIONS: [Region; 15] = [
    region("nyc1", "New York 1", true),
    region("sgp1", "Singapore 1", true),
    region("lon1", "London 1", true),
    region("nyc3", "New York 3", true),
    region("ams3", "Amsterdam 3", true),
    region("fra1", "Frankfurt 1", true),
    region("tor1", "Toronto 1", true),
    region("blr1", "Bangalore 1", true),
    region("sfo3", "San Francisco 3", true),
    region("sfo2", "San Francisco 2", true),
    region("syd1", "Sydney 1", true),
    region("atl1", "Atlanta 1", true),
    region("nyc2", "New York 2", true),
    region("ams2", "Amsterdam 2", false),
    region("sfo1", "San Francisco 1", false),
];

pub(super) const FEATURES: &[&str] =
    &["backups", "ipv6", "metadata", "install_agent", "storage", "image_transfer"];

/// A size, with the further fields that the API shows.
pub(super) struct Plan {
    pub(super) size: Size,
    /// Transfer in TiB per month.
    pub(super) transfer: f64,
    pub(super) cents_per_month: u64,
    pub(super) gpu: Option<Gpu>,
}

/// GPUs: their number, model and total memory.
pub(super) struct Gpu {
    pub(super) count: u32,
    pub(super) model: &'static str,
    pub(super) vram_gib: u32,
}

/// DigitalOcean caps a droplet's monthly price at 672 hours (28 days).
const HOURS: u64 = 672;

/// Converts a monthly price in cents to an hourly price in millionths of a dollar.
const fn hourly(cents_per_month: u64) -> u64 {
    (cents_per_month * 10_000 + HOURS / 2) / HOURS
}

/// A snapshot costs six cents per GiB and month.
pub(super) fn snapshot_rate(size_centi_gib: u32) -> Rate {
    Rate {
        currency: "USD",
        micros_per_hour: u64::from(size_centi_gib) * hourly(6) / 100,
        rounding: Rounding::Hours,
    }
}

const fn plan(
    name: &'static str,
    class: &'static str,
    (cpus, memory_mib, disk_gib): (u32, u32, u32),
    transfer: f64,
    dollars: u64,
    regions: &'static [&'static str],
) -> Plan {
    let cents_per_month = dollars * 100;
    let rate = Rate {
        currency: "USD",
        micros_per_hour: hourly(cents_per_month),
        rounding: Rounding::SecondsFromACent,
    };
    let architecture = Architecture::X86;
    let size =
        Size { name, class, cpus, memory_mib, disk_gib, architecture, gpu: false, regions, rate };
    Plan { size, transfer, cents_per_month, gpu: None }
}

/// A size with GPUs, priced by the hour.
const fn gpu(
    name: &'static str,
    class: &'static str,
    of: (u32, u32, u32),
    transfer: f64,
    cents_per_hour: u64,
    gpu: Gpu,
    regions: &'static [&'static str],
) -> Plan {
    let mut plan = plan(name, class, of, transfer, 0, regions);
    plan.cents_per_month = cents_per_hour * HOURS;
    plan.size.rate.micros_per_hour = cents_per_hour * 10_000;
    plan.size.gpu = true;
    plan.gpu = Some(gpu);
    plan
}

const fn gpus(count: u32, model: &'static str, vram_gib: u32) -> Gpu {
    Gpu { count, model, vram_gib }
}

const MOST: &[&str] = &[
    "nyc1", "sgp1", "lon1", "nyc3", "ams3", "fra1", "tor1", "blr1", "sfo3", "sfo2", "syd1", "atl1",
    "nyc2",
];
const WIDE: &[&str] = &[
    "nyc1", "sgp1", "lon1", "nyc3", "ams3", "fra1", "tor1", "blr1", "sfo3", "sfo2", "syd1", "atl1",
];
const PREMIUM: &[&str] =
    &["nyc1", "sgp1", "lon1", "nyc3", "ams3", "fra1", "tor1", "blr1", "sfo3", "syd1"];
const FEW: &[&str] = &["nyc1", "nyc3", "ams3", "fra1", "sfo3", "sgp1"];
const GPUS: &[&str] = &["tor1", "nyc2", "atl1"];

#[rustfmt::skip]
pub(super) static PLANS: [Plan; 62] = [
    plan("s-1vcpu-512mb-10gb", "Basic", (1, 512, 10), 0.5, 4, PREMIUM),
    plan("s-1vcpu-1gb", "Basic", (1, 1024, 25), 1.0, 6, MOST),
    plan("s-1vcpu-1gb-amd", "Basic AMD", (1, 1024, 25), 1.0, 7, PREMIUM),
    plan("s-1vcpu-1gb-intel", "Basic Intel", (1, 1024, 25), 1.0, 7, PREMIUM),
    plan("s-1vcpu-1gb-35gb-intel", "Basic Intel", (1, 1024, 35), 1.0, 8, PREMIUM),
    plan("s-1vcpu-2gb", "Basic", (1, 2048, 50), 2.0, 12, MOST),
    plan("s-1vcpu-2gb-amd", "Basic AMD", (1, 2048, 50), 2.0, 14, PREMIUM),
    plan("s-1vcpu-2gb-intel", "Basic Intel", (1, 2048, 50), 2.0, 14, PREMIUM),
    plan("s-1vcpu-2gb-70gb-intel", "Basic Intel", (1, 2048, 70), 2.0, 16, PREMIUM),
    plan("s-2vcpu-2gb", "Basic", (2, 2048, 60), 3.0, 18, MOST),
    plan("s-2vcpu-2gb-amd", "Basic AMD", (2, 2048, 60), 3.0, 21, PREMIUM),
    plan("s-2vcpu-2gb-intel", "Basic Intel", (2, 2048, 60), 3.0, 21, PREMIUM),
    plan("s-2vcpu-2gb-90gb-intel", "Basic Intel", (2, 2048, 90), 3.0, 24, PREMIUM),
    plan("s-2vcpu-4gb", "Basic", (2, 4096, 80), 4.0, 24, MOST),
    plan("s-2vcpu-4gb-amd", "Basic AMD", (2, 4096, 80), 4.0, 28, PREMIUM),
    plan("s-2vcpu-4gb-intel", "Basic Intel", (2, 4096, 80), 4.0, 28, PREMIUM),
    plan("s-2vcpu-4gb-120gb-intel", "Basic Intel", (2, 4096, 120), 4.0, 32, PREMIUM),
    plan("s-2vcpu-8gb-amd", "Basic AMD", (2, 8192, 100), 5.0, 42, PREMIUM),
    plan("s-2vcpu-8gb-160gb-intel", "Basic Intel", (2, 8192, 160), 5.0, 48, PREMIUM),
    plan("s-4vcpu-8gb", "Basic", (4, 8192, 160), 5.0, 48, MOST),
    plan("s-4vcpu-8gb-amd", "Basic AMD", (4, 8192, 160), 5.0, 56, PREMIUM),
    plan("s-4vcpu-8gb-intel", "Basic Intel", (4, 8192, 160), 5.0, 56, PREMIUM),
    plan("s-4vcpu-8gb-240gb-intel", "Basic Intel", (4, 8192, 240), 6.0, 64, PREMIUM),
    plan("s-4vcpu-16gb-amd", "Basic AMD", (4, 16384, 200), 8.0, 84, PREMIUM),
    plan("s-8vcpu-16gb", "Basic", (8, 16384, 320), 6.0, 96, MOST),
    plan("s-8vcpu-16gb-amd", "Basic AMD", (8, 16384, 320), 6.0, 112, PREMIUM),
    plan("s-8vcpu-16gb-intel", "Basic Intel", (8, 16384, 320), 6.0, 112, PREMIUM),
    plan("s-8vcpu-32gb-amd", "Basic AMD", (8, 32768, 400), 10.0, 168, PREMIUM),
    // No longer sold.
    plan("s-1vcpu-3gb", "Basic", (1, 3072, 60), 3.0, 15, &[]),
    plan("s-3vcpu-1gb", "Basic", (3, 1024, 60), 3.0, 15, &[]),
    plan("c-2", "CPU-Optimized", (2, 4096, 25), 4.0, 42, WIDE),
    plan("c-4", "CPU-Optimized", (4, 8192, 50), 5.0, 84, WIDE),
    plan("c-8", "CPU-Optimized", (8, 16384, 100), 6.0, 168, WIDE),
    plan("c-16", "CPU-Optimized", (16, 32768, 200), 7.0, 336, WIDE),
    plan("c-32", "CPU-Optimized", (32, 65536, 400), 9.0, 672, PREMIUM),
    plan("c-48", "CPU-Optimized", (48, 98304, 600), 11.0, 1008, FEW),
    plan("c2-2vcpu-4gb", "CPU-Optimized 2x SSD", (2, 4096, 50), 4.0, 47, WIDE),
    plan("c2-4vcpu-8gb", "CPU-Optimized 2x SSD", (4, 8192, 100), 5.0, 94, WIDE),
    plan("c2-8vcpu-16gb", "CPU-Optimized 2x SSD", (8, 16384, 200), 6.0, 188, WIDE),
    plan("c2-16vcpu-32gb", "CPU-Optimized 2x SSD", (16, 32768, 400), 7.0, 376, PREMIUM),
    plan("g-2vcpu-8gb", "General Purpose", (2, 8192, 25), 4.0, 63, WIDE),
    plan("g-4vcpu-16gb", "General Purpose", (4, 16384, 50), 5.0, 126, WIDE),
    plan("g-8vcpu-32gb", "General Purpose", (8, 32768, 100), 6.0, 252, WIDE),
    plan("g-16vcpu-64gb", "General Purpose", (16, 65536, 200), 7.0, 504, PREMIUM),
    plan("g-32vcpu-128gb", "General Purpose", (32, 131_072, 400), 8.0, 1008, FEW),
    plan("gd-2vcpu-8gb", "General Purpose 2x SSD", (2, 8192, 50), 4.0, 68, WIDE),
    plan("gd-4vcpu-16gb", "General Purpose 2x SSD", (4, 16384, 100), 5.0, 136, WIDE),
    plan("m-2vcpu-16gb", "Memory-Optimized", (2, 16384, 50), 4.0, 84, WIDE),
    plan("m-4vcpu-32gb", "Memory-Optimized", (4, 32768, 100), 6.0, 168, WIDE),
    plan("m-8vcpu-64gb", "Memory-Optimized", (8, 65536, 200), 7.0, 336, WIDE),
    plan("m-16vcpu-128gb", "Memory-Optimized", (16, 131_072, 400), 8.0, 672, PREMIUM),
    plan("m3-2vcpu-16gb", "Memory-Optimized 3x SSD", (2, 16384, 150), 4.0, 104, FEW),
    plan("so-2vcpu-16gb", "Storage-Optimized", (2, 16384, 300), 4.0, 131, FEW),
    plan("so-4vcpu-32gb", "Storage-Optimized", (4, 32768, 600), 6.0, 262, FEW),
    plan("so1_5-2vcpu-16gb", "Storage-Optimized 1.5x SSD", (2, 16384, 450), 4.0, 163, FEW),
    gpu("gpu-4000adax1-20gb", "RTX 4000 Ada GPU Droplet - \
     1X", (8, 32768, 500), 10.0, 76, gpus(1, "nvidia_rtx4000_ada", 20), GPUS),
    gpu("gpu-6000adax1-48gb", "RTX 6000 Ada GPU Droplet - \
     1X", (8, 65536, 500), 10.0, 157, gpus(1, "nvidia_rtx6000_ada", 48), GPUS),
    gpu("gpu-l40sx1-48gb", "L40S GPU Droplet - \
     1X", (8, 65536, 500), 10.0, 157, gpus(1, "nvidia_l40s", 48), GPUS),
    gpu("gpu-mi300x1-192gb", "AMD MI300X - \
     1X", (20, 245_760, 720), 15.0, 199, gpus(1, "amd_mi300x", 192), &["nyc2", "atl1"]),
    gpu("gpu-h100x1-80gb", "H100 GPU - \
     1X", (20, 245_760, 720), 15.0, 339, gpus(1, "nvidia_h100", 80), GPUS),
    gpu("gpu-h100x8-640gb", "H100 GPU - \
     8X", (160, 1_966_080, 2046), 60.0, 2392, gpus(8, "nvidia_h100", 640), GPUS),
    gpu("gpu-h200x1-141gb", "H200 GPU - \
     1X", (24, 245_760, 720), 15.0, 344, gpus(1, "nvidia_h200", 141), &["nyc2", "atl1"]),
];

pub(super) fn find_plan(slug: &str) -> Option<&'static Plan> {
    PLANS.iter().find(|plan| plan.size.name == slug)
}

/// A public image of DigitalOcean; `app`: with preinstalled software.
pub(super) struct Stock {
    pub(super) slug: &'static str,
    pub(super) distribution: &'static str,
    pub(super) name: &'static str,
    pub(super) created: &'static str,
    pub(super) min_disk_gib: u32,
    pub(super) size_centi_gib: u32,
    pub(super) app: bool,
}

const fn stock(
    slug: &'static str,
    distribution: &'static str,
    name: &'static str,
    created: &'static str,
    (min_disk_gib, size_centi_gib): (u32, u32),
    app: bool,
) -> Stock {
    Stock { slug, distribution, name, created, min_disk_gib, size_centi_gib, app }
}

pub(super) static STOCK: [Stock; 19] = [
    stock("ubuntu-20-04-x64", "Ubuntu", "20.04 (LTS) x64", "2025-04-03T17:27:36Z", (7, 66), false),
    stock("ubuntu-22-04-x64", "Ubuntu", "22.04 (LTS) x64", "2025-09-17T15:04:28Z", (7, 70), false),
    stock("ubuntu-24-04-x64", "Ubuntu", "24.04 (LTS) x64", "2025-10-21T18:11:05Z", (7, 64), false),
    stock("ubuntu-25-10-x64", "Ubuntu", "25.10 x64", "2025-11-03T20:49:12Z", (7, 78), false),
    stock("debian-11-x64", "Debian", "11 x64", "2025-06-12T16:30:44Z", (7, 48), false),
    stock("debian-12-x64", "Debian", "12 x64", "2025-09-24T19:01:37Z", (7, 50), false),
    stock("debian-13-x64", "Debian", "13 x64", "2025-10-02T14:55:20Z", (7, 52), false),
    stock("fedora-41-x64", "Fedora", "41 x64", "2025-02-20T21:17:09Z", (7, 113), false),
    stock("fedora-42-x64", "Fedora", "42 x64", "2025-05-08T16:42:51Z", (7, 118), false),
    stock(
        "centos-stream-9-x64",
        "CentOS",
        "9 Stream x64",
        "2025-08-28T18:23:02Z",
        (10, 125),
        false,
    ),
    stock(
        "centos-stream-10-x64",
        "CentOS",
        "10 Stream x64",
        "2025-08-28T19:02:40Z",
        (10, 120),
        false,
    ),
    stock("rockylinux-8-x64", "Rocky Linux", "8 x64", "2025-07-10T15:12:13Z", (10, 180), false),
    stock("rockylinux-9-x64", "Rocky Linux", "9 x64", "2025-07-10T15:48:31Z", (10, 182), false),
    stock("rockylinux-10-x64", "Rocky Linux", "10 x64", "2025-08-04T17:20:56Z", (10, 176), false),
    stock(
        "gpu-h100x1-base",
        "Ubuntu",
        "NVIDIA AI/ML Ready",
        "2025-08-19T20:33:18Z",
        (240, 1650),
        false,
    ),
    stock(
        "docker-20-04",
        "Ubuntu",
        "Docker on Ubuntu 22.04",
        "2025-06-26T13:39:55Z",
        (25, 240),
        true,
    ),
    stock(
        "nodejs-20-04",
        "Ubuntu",
        "NodeJS on Ubuntu 22.04",
        "2025-06-30T10:08:47Z",
        (25, 262),
        true,
    ),
    stock("lemp-20-04", "Ubuntu", "LEMP on Ubuntu 22.04", "2025-07-01T09:57:14Z", (25, 251), true),
    stock(
        "wordpress-20-04",
        "Ubuntu",
        "WordPress on Ubuntu 22.04",
        "2025-07-22T11:26:03Z",
        (25, 283),
        true,
    ),
];

pub(super) fn find_stock(slug: &str) -> Option<&'static Stock> {
    STOCK.iter().find(|stock| stock.slug == slug)
}
