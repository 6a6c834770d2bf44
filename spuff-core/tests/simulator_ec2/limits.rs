//! Throttling, which EC2 tells nothing of beforehand.

use super::*;

/// How many requests are answered before one is throttled.
async fn burst(cloud: &Cloud, ec2: &Asker, action: &str, parameters: &[(&str, &str)]) -> usize {
    cloud.advance(seconds(600));
    for count in 0..200 {
        let reply = ec2.ask(action, parameters).await;
        if reply.status == 503 {
            assert_eq!(reply.code(), (503, "RequestLimitExceeded".to_string()));
            assert_eq!(reply.one("Message"), "Request limit exceeded.");
            assert_eq!(reply.header("retry-after"), "");
            return count;
        }
    }
    200
}

#[tokio::test]
async fn each_action_has_its_bucket() {
    let cloud = instant().with_rate_limits(true).start().unwrap();
    let ec2 = Asker::new(&cloud, "us-east-1");
    let table: &[(&str, Given<'_>, usize)] = &[
        ("DescribeInstances", &[], 50),
        ("DescribeInstances", &[("MaxResults", "1000")], 100),
        ("DescribeInstances", &[("Filter.1.Name", "tag-key"), ("Filter.1.Value.1", "k")], 100),
        ("DescribeRegions", &[], 100),
        ("RunInstances", &[], 5),
        ("StartInstances", &[], 5),
        ("StopInstances", &[], 50),
        ("TerminateInstances", &[], 100),
        ("CreateTags", &[], 100),
        ("DeregisterImage", &[], 100),
    ];
    for (action, parameters, expected) in table {
        assert_eq!(
            burst(&cloud, &ec2, action, parameters).await,
            *expected,
            "{action} {parameters:?}"
        );
    }
    // Another region has buckets of its own.
    assert_eq!(ec2.ask("DeregisterImage", &[]).await.status, 503);
    assert_eq!(Asker::new(&cloud, "eu-west-1").ask("DeregisterImage", &[]).await.status, 400);
    // Five a second come again.
    cloud.advance(seconds(1));
    for expected in [400, 400, 400, 400, 400, 503] {
        assert_eq!(ec2.ask("DeregisterImage", &[]).await.status, expected);
    }
}

#[tokio::test]
async fn machines_are_paced_too() {
    let cloud = instant().with_rate_limits(true).start().unwrap();
    let ec2 = Asker::new(&cloud, "us-east-1");
    ec2.run(&[("MaxCount", "999")]).await.good();
    ec2.run(&[]).await.good();
    assert_eq!(ec2.run(&[]).await.status, 503, "a thousand at once");
    cloud.advance(seconds(1));
    ec2.run(&[("MaxCount", "2")]).await.good();
    assert_eq!(ec2.run(&[]).await.status, 503, "and two a second");
}
