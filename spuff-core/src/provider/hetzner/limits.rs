//! Hetzner's rate limit: a bucket of 3600 requests per project, refilled by one each second.
//!
//! From the API's documentation, "Rate Limiting". The headers report the remaining requests;
//! `RateLimit-Reset` is when the bucket would be full again, which no caller needs to wait for.

use crate::http::{Budget, Call, Cost, Costs, Limit};

static PROJECT: Budget =
    Budget { name: "requests", limits: &[Limit::Bucket { burst: 3600, per_second: 1.0 }] };

/// Returns the cost of a call in the project's budget.
pub(super) fn rate_cost<'a>(_: &'a Call<'_>) -> Costs<'a> {
    [None, Some(Cost { place: "", budget: &PROJECT, count: 1 })]
}
