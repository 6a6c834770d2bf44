//! Hetzner's public images: operating systems and apps, most of them for each architecture.

use chrono::TimeDelta;

use super::super::account::{Account, Architecture, NewImage};
use super::super::clock::Moment;
use super::{About, Nature};

use Architecture::{Arm, X86};

/// Name, description, distribution, its version, and architectures.
type Row =
    (&'static str, &'static str, &'static str, Option<&'static str>, &'static [Architecture]);

const BOTH: &[Architecture] = &[X86, Arm];

const SYSTEMS: [Row; 15] = [
    ("ubuntu-20.04", "Ubuntu 20.04", "ubuntu", Some("20.04"), BOTH),
    ("ubuntu-22.04", "Ubuntu 22.04", "ubuntu", Some("22.04"), BOTH),
    ("ubuntu-24.04", "Ubuntu 24.04", "ubuntu", Some("24.04"), BOTH),
    ("debian-11", "Debian 11", "debian", Some("11"), BOTH),
    ("debian-12", "Debian 12", "debian", Some("12"), BOTH),
    ("debian-13", "Debian 13", "debian", Some("13"), BOTH),
    ("fedora-42", "Fedora 42", "fedora", Some("42"), BOTH),
    ("fedora-43", "Fedora 43", "fedora", Some("43"), BOTH),
    ("rocky-9", "Rocky Linux 9", "rocky", Some("9"), BOTH),
    ("rocky-10", "Rocky Linux 10", "rocky", Some("10"), BOTH),
    ("alma-9", "AlmaLinux 9", "alma", Some("9"), BOTH),
    ("alma-10", "AlmaLinux 10", "alma", Some("10"), BOTH),
    ("centos-stream-9", "CentOS Stream 9", "centos", Some("stream9"), BOTH),
    ("centos-stream-10", "CentOS Stream 10", "centos", Some("stream10"), BOTH),
    ("opensuse-15", "openSUSE Leap 15", "opensuse", Some("15"), BOTH),
];

const APPS: [Row; 3] = [
    ("docker-ce", "Docker CE", "ubuntu", Some("24.04"), BOTH),
    ("wordpress", "WordPress", "ubuntu", Some("24.04"), &[X86]),
    ("gitlab", "GitLab CE", "ubuntu", Some("24.04"), &[X86]),
];

/// Deprecated images, which lists omit unless requested.
const DEPRECATED: [&str; 1] = ["ubuntu-20.04"];

/// Adds the images to the world, and returns Hetzner's data of each.
pub(super) fn publish(account: &mut Account, now: Moment) -> Vec<(u64, About)> {
    let systems = SYSTEMS.iter().map(|row| (Nature::System, row));
    let apps = APPS.iter().map(|row| (Nature::App, row));
    let mut published = Vec::new();
    for (nature, &(name, description, distribution, os_version, architectures)) in
        systems.chain(apps)
    {
        for architecture in architectures {
            let image = NewImage {
                name: name.to_string(),
                description: description.to_string(),
                public: true,
                distribution,
                architecture: *architecture,
                min_disk_gib: 5,
                ..NewImage::default()
            };
            let deprecated = DEPRECATED.contains(&name).then(|| now - TimeDelta::days(30));
            published.push((
                account.publish(image, now),
                About { nature, os_version, deprecated, protected: false },
            ));
        }
    }
    published
}
