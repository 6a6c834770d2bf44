//! DigitalOcean's rate limits: 5000 requests in any hour and 250 in any minute per token, and ten
//! reads of keys in any minute.
//!
//! From the published API description, "Rate Limit". The headers report only the hourly limit.

use std::time::Duration;

use crate::http::{Budget, Call, Class, Cost, Costs, Limit};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

static TOKEN: Budget = Budget {
    name: "requests",
    limits: &[
        Limit::Window { count: 5000, span: HOUR },
        Limit::Window { count: 250, span: MINUTE },
    ],
};
static KEYS: Budget =
    Budget { name: "reads of keys", limits: &[Limit::Window { count: 10, span: MINUTE }] };

/// Returns the cost of a call in the account's budgets.
pub(super) fn rate_cost<'a>(call: &'a Call<'_>) -> Costs<'a> {
    let of = |budget| Some(Cost { place: "", budget, count: 1 });
    let reads_keys = call.class == Class::Safe && call.path.starts_with("/v2/account/keys");
    [reads_keys.then(|| of(&KEYS)).flatten(), of(&TOKEN)]
}
