//! EC2's rate limits: a bucket of requests for each region and action, and one of instances for
//! launches and terminations.
//!
//! From the EC2 Developer Guide, "Request throttling". No header reports the remaining requests.

use super::region::Scope;
use crate::http::{Budget, Call, Cost, Costs, Limit};

const fn bucket(name: &'static str, limit: &'static [Limit]) -> Budget {
    Budget { name, limits: limit }
}

const READ: &[Limit] = &[Limit::Bucket { burst: 100, per_second: 20.0 }];
const CHANGE: &[Limit] = &[Limit::Bucket { burst: 50, per_second: 5.0 }];
const CHANGE_OFTEN: &[Limit] = &[Limit::Bucket { burst: 100, per_second: 5.0 }];

/// Reads that name neither a filter, an id nor a page size.
static WIDE: Budget =
    bucket("unfiltered and unpaginated", &[Limit::Bucket { burst: 50, per_second: 10.0 }]);
static LAUNCHED: Budget =
    bucket("launched instances", &[Limit::Bucket { burst: 1000, per_second: 2.0 }]);
static ENDED: Budget =
    bucket("terminated instances", &[Limit::Bucket { burst: 1000, per_second: 20.0 }]);
static PARAMETERS: Budget =
    bucket("GetParameter", &[Limit::Bucket { burst: 40, per_second: 40.0 }]);
static ACTIONS: [Budget; 12] = [
    bucket("RunInstances", &[Limit::Bucket { burst: 5, per_second: 2.0 }]),
    bucket("TerminateInstances", CHANGE_OFTEN),
    bucket("CreateTags", &[Limit::Bucket { burst: 100, per_second: 10.0 }]),
    bucket("CreateImage", CHANGE),
    bucket("DeregisterImage", CHANGE_OFTEN),
    bucket("DeleteSnapshot", CHANGE_OFTEN),
    bucket("DescribeInstances", READ),
    bucket("DescribeImages", READ),
    bucket("DescribeSnapshots", READ),
    bucket("DescribeKeyPairs", READ),
    bucket("DescribeInstanceTypes", READ),
    bucket("another action", CHANGE),
];

/// Returns the cost of a call in the account's budgets.
pub(super) fn rate_cost<'a>(call: &'a Call<'_>) -> Costs<'a> {
    let Some(scope) = call.notes.get::<Scope>() else { return [None, None] };
    let of = |budget, count| Some(Cost { place: &scope.region, budget, count });
    if scope.service != "ec2" {
        return [None, of(&PARAMETERS, 1)];
    }
    let body = std::str::from_utf8(&call.body).unwrap_or_default();
    let action = value(body, "Action=").unwrap_or_default();
    let given = body.split('&').count();
    // Two parameters: the action and the version.
    if action.starts_with("Describe") && given <= 2 {
        return [None, of(&WIDE, 1)];
    }
    let budget =
        ACTIONS.iter().find(|budget| budget.name == action).unwrap_or(&ACTIONS[ACTIONS.len() - 1]);
    let machines = match action {
        "RunInstances" => of(
            &LAUNCHED,
            value(body, "MaxCount=").and_then(|count| count.parse().ok()).unwrap_or(1),
        ),
        "TerminateInstances" => {
            let ids = body.split('&').filter(|pair| pair.starts_with("InstanceId.")).count();
            of(&ENDED, u32::try_from(ids).unwrap_or(u32::MAX))
        }
        _ => None,
    };
    [of(budget, 1), machines]
}

fn value<'a>(body: &'a str, name: &str) -> Option<&'a str> {
    body.split('&').find_map(|pair| pair.strip_prefix(name))
}

#[cfg(test)]
mod tests {
    use super::super::query::Query;
    use super::super::region::Places;
    use super::*;
    use crate::http::Class;
    use crate::provider::config::ProviderConfig;
    use crate::provider::operation::Operation;

    #[test]
    fn each_action_has_its_bucket_at_each_region() {
        let config = ProviderConfig::default().with_region("eu-west-1");
        let places = Places::new(
            &config,
            &reqsign_core::StaticEnv { home_dir: None, envs: Default::default() },
        )
        .unwrap();
        let place = places.at("").unwrap();
        let drawn = |query: Query| {
            let call = place.ec2(Operation::ListInstances, Class::Safe, &query);
            rate_cost(&call)
                .map(|draw| draw.map(|draw| (draw.budget.name, draw.place.to_string(), draw.count)))
        };
        let of = |name: &'static str, count| Some((name, "eu-west-1".to_string(), count));
        for (query, expected) in [
            (
                Query::new("RunInstances").with("MaxCount", "3"),
                [of("RunInstances", 1), of("launched instances", 3)],
            ),
            (
                Query::new("TerminateInstances")
                    .with("InstanceId.1", "i-1")
                    .with("InstanceId.2", "i-2"),
                [of("TerminateInstances", 1), of("terminated instances", 2)],
            ),
            (
                Query::new("DescribeInstances").filter("instance-id", &["i-1"]),
                [of("DescribeInstances", 1), None],
            ),
            (Query::new("DescribeKeyPairs"), [None, of("unfiltered and unpaginated", 1)]),
            (Query::new("CreateVolume").with("Size", "1"), [of("another action", 1), None]),
        ] {
            assert_eq!(drawn(query.clone()), expected, "{query:?}");
        }
        let call = place.ssm(Operation::ListInstances);
        assert_eq!(rate_cost(&call)[1].map(|draw| draw.budget.name), Some("GetParameter"));
    }
}
