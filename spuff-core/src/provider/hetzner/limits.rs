//! How Hetzner counts requests: 3600 at once for a project, and one more each second.
//!
//! From the API's documentation, "Rate Limiting". The headers tell what is left; `RateLimit-Reset`
//! is when all would be there again, which nobody need wait for.

use crate::http::{Budget, Call, Cost, Costs, Limit};

static PROJECT: Budget =
    Budget { name: "requests", limits: &[Limit::Bucket { burst: 3600, per_second: 1.0 }] };

/// What a call takes of the project's budget.
pub(super) fn rate_cost<'a>(_: &'a Call<'_>) -> Costs<'a> {
    [None, Some(Cost { place: "", budget: &PROJECT, count: 1 })]
}
