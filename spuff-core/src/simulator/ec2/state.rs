//! States as EC2 names them, and an instance's zone.

use super::super::account::{Image, Machine, Power};
use super::super::clock::Moment;
use super::catalogue::REGIONS;
use super::holdings::Launch;
use super::network;

/// EC2's code and name of an instance's state.
pub(super) fn of_machine(machine: &Machine, now: Moment) -> (u16, &'static str) {
    match machine.power(now) {
        Power::Booting | Power::Starting => PENDING,
        Power::Running => (16, "running"),
        Power::Deleting => SHUTTING_DOWN,
        Power::Gone => (48, "terminated"),
        Power::Stopping => (64, "stopping"),
        Power::Off => (80, "stopped"),
    }
}

pub(super) const PENDING: (u16, &str) = (0, "pending");
pub(super) const SHUTTING_DOWN: (u16, &str) = (32, "shutting-down");

/// EC2's name of an image's state.
pub(super) fn of_image(image: &Image, now: Moment) -> &'static str {
    match image.has_ended(now) {
        true if image.failed => "failed",
        true => "available",
        false => "pending",
    }
}

/// The zone of an instance.
pub(super) fn zone(machine: &Machine, launch: &Launch) -> String {
    let region = REGIONS.iter().find(|region| region.name == machine.region);
    region.map_or_else(String::new, |region| region.zone(network::zone_of(launch.subnet)))
}
