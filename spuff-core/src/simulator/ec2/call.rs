//! The parsed request of an action.

use super::super::clock::Moment;
use super::super::fault::Effects;
use super::catalogue::Region;
use super::params::Params;

/// The parsed request of an action.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) params: Params<'a>,
    pub(super) region: &'static Region,
    pub(super) now: Moment,
    pub(super) effects: Effects,
}
