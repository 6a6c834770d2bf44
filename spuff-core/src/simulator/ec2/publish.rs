//! The public images of a region, and the SSM parameters that name the newest of them.
//!
//! Each release has two builds; lists are not sorted by time, and another account has published a
//! newer image under the most requested name.

use std::collections::BTreeMap;

use chrono::{TimeDelta, Timelike};

use super::super::account::{Account, Architecture, Image, NewImage};
use super::super::clock::Moment;
use super::catalogue::{ACCOUNT, architecture};

/// A publisher of images.
#[derive(Debug)]
pub(super) struct Publisher {
    /// The `distribution` of its images.
    pub(super) name: &'static str,
    pub(super) owner: &'static str,
    pub(super) alias: Option<&'static str>,
    pub(super) root_device: &'static str,
    pub(super) root_gib: u32,
}

static PUBLISHERS: [Publisher; 4] = [
    Publisher {
        name: "ubuntu",
        owner: "099720109477",
        alias: None,
        root_device: "/dev/sda1",
        root_gib: 8,
    },
    Publisher {
        name: "debian",
        owner: "136693071363",
        alias: None,
        root_device: "/dev/xvda",
        root_gib: 8,
    },
    Publisher {
        name: "amazon",
        owner: "137112412989",
        alias: Some("amazon"),
        root_device: "/dev/xvda",
        root_gib: 8,
    },
    Publisher {
        name: "stranger",
        owner: "210987654321",
        alias: None,
        root_device: "/dev/sda1",
        root_gib: 8,
    },
];

/// The publisher of an image, or of the image it was created from.
pub(super) fn publisher(image: &Image) -> &'static Publisher {
    PUBLISHERS
        .iter()
        .find(|publisher| publisher.name == image.distribution)
        .unwrap_or(&PUBLISHERS[0])
}

/// The account that owns an image.
pub(super) fn owner(image: &Image) -> &'static str {
    if image.public { publisher(image).owner } else { ACCOUNT }
}

/// A release. `{arch}` and `{build}` in its texts are replaced.
struct Release {
    publisher: &'static str,
    /// The architectures, as the publisher names them.
    architectures: [&'static str; 2],
    name: &'static str,
    parameters: &'static [&'static str],
    description: &'static str,
}

const DEB: [&str; 2] = ["amd64", "arm64"];
const RPM: [&str; 2] = ["x86_64", "arm64"];

static RELEASES: [Release; 8] = [
    Release {
        publisher: "ubuntu",
        architectures: DEB,
        name: "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-{arch}-server-{build}",
        parameters: &[
            "/aws/service/canonical/ubuntu/server/24.04/stable/current/{arch}/hvm/ebs-gp3/ami-id",
            "/aws/service/canonical/ubuntu/server/noble/stable/current/{arch}/hvm/ebs-gp3/ami-id",
        ],
        description: "Canonical, Ubuntu, 24.04, {arch} noble image",
    },
    Release {
        publisher: "ubuntu",
        architectures: DEB,
        name: "ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-{arch}-server-{build}",
        parameters: &[
            "/aws/service/canonical/ubuntu/server/22.04/stable/current/{arch}/hvm/ebs-gp2/ami-id",
            "/aws/service/canonical/ubuntu/server/jammy/stable/current/{arch}/hvm/ebs-gp2/ami-id",
        ],
        description: "Canonical, Ubuntu, 22.04, {arch} jammy image",
    },
    Release {
        publisher: "ubuntu",
        architectures: DEB,
        name: "ubuntu/images/hvm-ssd/ubuntu-focal-20.04-{arch}-server-{build}",
        parameters: &[
            "/aws/service/canonical/ubuntu/server/20.04/stable/current/{arch}/hvm/ebs-gp2/ami-id",
            "/aws/service/canonical/ubuntu/server/focal/stable/current/{arch}/hvm/ebs-gp2/ami-id",
        ],
        description: "Canonical, Ubuntu, 20.04, {arch} focal image",
    },
    Release {
        publisher: "debian",
        architectures: DEB,
        name: "debian-11-{arch}-{build}-1952",
        parameters: &["/aws/service/debian/release/11/latest/{arch}"],
        description: "Debian 11 ({build}-1952)",
    },
    Release {
        publisher: "debian",
        architectures: DEB,
        name: "debian-12-{arch}-{build}-2004",
        parameters: &["/aws/service/debian/release/12/latest/{arch}"],
        description: "Debian 12 ({build}-2004)",
    },
    Release {
        publisher: "debian",
        architectures: DEB,
        name: "debian-13-{arch}-{build}-2007",
        parameters: &["/aws/service/debian/release/13/latest/{arch}"],
        description: "Debian 13 ({build}-2007)",
    },
    Release {
        publisher: "amazon",
        architectures: RPM,
        name: "al2023-ami-2023.9.{build}.0-kernel-6.1-{arch}",
        parameters: &[
            "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-{arch}",
            "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-6.1-{arch}",
        ],
        description: "Amazon Linux 2023 AMI 2023.9.{build}.0 {arch} HVM kernel-6.1",
    },
    Release {
        publisher: "amazon",
        architectures: RPM,
        name: "amzn2-ami-hvm-2.0.{build}.0-{arch}-gp2",
        parameters: &["/aws/service/ami-amazon-linux-latest/amzn2-ami-hvm-{arch}-gp2"],
        description: "Amazon Linux 2 AMI 2.0.{build}.0 {arch} HVM gp2",
    },
];

/// Publishes a region's images, and returns the parameters with the ids of their images.
pub(super) fn publish(
    account: &mut Account,
    region: &'static str,
    now: Moment,
) -> BTreeMap<String, u64> {
    let day = |days: i64| {
        let day = now - TimeDelta::days(days);
        day.with_minute(7)
            .and_then(|day| day.with_second(23))
            .and_then(|day| day.with_nanosecond(0))
            .unwrap_or(day)
    };
    let mut parameters = BTreeMap::new();
    let noble = RELEASES.first();
    let looks_alike = noble.map(|release| (release, DEB[0], Architecture::X86, day(2), "stranger"));
    let both = |release: &'static Release| {
        release.architectures.into_iter().zip([Architecture::X86, Architecture::Arm])
    };
    let builds = RELEASES.iter().flat_map(|release| {
        both(release).flat_map(move |(arch, of)| {
            [9, 40].map(|days| (release, arch, of, day(days), release.publisher))
        })
    });
    for (release, arch, of, built, publisher) in builds.chain(looks_alike) {
        let fill = |text: &str| {
            text.replace("{arch}", arch).replace("{build}", &built.format("%Y%m%d").to_string())
        };
        let new = NewImage {
            name: fill(release.name),
            description: fill(release.description),
            public: true,
            distribution: publisher,
            architecture: of,
            regions: vec![region],
            min_disk_gib: 8,
            size_centi_gib: 800,
            ..NewImage::default()
        };
        let id = account.publish(new, built);
        if publisher == release.publisher {
            for parameter in release.parameters {
                // The newest build comes first.
                parameters.entry(fill(parameter)).or_insert(id);
            }
        }
    }
    parameters
}

/// The volume type of an image's root.
pub(super) fn root_kind(image: &Image) -> &'static str {
    let old = image.public && (image.name.contains("/hvm-ssd/") || image.name.ends_with("gp2"));
    if old { "gp2" } else { "gp3" }
}

/// The location of an image: its owner's alias or account, and its name.
pub(super) fn location(image: &Image) -> String {
    let owner = if image.public { publisher(image).alias } else { None };
    format!("{}/{}", owner.unwrap_or_else(|| self::owner(image)), image.name)
}

/// When a public image is deprecated.
pub(super) fn deprecated_at(image: &Image) -> Option<Moment> {
    image.public.then(|| image.created + TimeDelta::days(730))
}

/// The architecture of an image, as EC2 names it.
pub(super) fn architecture_of(image: &Image) -> &'static str {
    architecture(image.architecture)
}
