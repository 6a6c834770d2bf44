use std::io::Read;

use super::*;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flate2::read::GzDecoder;
use spuff_core::provider::InstanceStatus;

#[tokio::test]
async fn a_create_says_everything_in_one_call() {
    let server = MockServer::start().await;
    mount_image(&server, 1).await;
    // Under a caller's own key there may be one already, also of a version whose client token was
    // the key.
    let by_key = "Filter.1.Name=tag%3Aspuff-key&Filter.1.Value.1=df8cf80227ec3237922df0ecd88385c5";
    let look = action("DescribeInstances").and(body_string_contains(by_key));
    look.respond_with(machines(&[], "")).expect(1).mount(&server).await;
    action("RunInstances").respond_with(created()).expect(1).mount(&server).await;

    let request = good()
        .with_label("env", "prod & more")
        .with_user_data("#!/bin/sh\n")
        .with_ssh_key("my key")
        .with_idempotency_key("order-7");
    let made = provider(&server).create_instance(&request).await.unwrap();
    assert_eq!(
        (made.id.as_str(), made.status.clone(), made.name.as_str()),
        (ID, InstanceStatus::New, "web-1")
    );
    assert_eq!(
        (made.region.as_str(), made.size.as_str(), made.ip.is_unspecified()),
        ("eu-central-1", "t3.micro", true)
    );
    assert_eq!(
        (made.labels["env"].as_str(), made.labels["managed-by"].as_str()),
        ("prod & more", "spuff")
    );
    assert_eq!(made.created_at.to_rfc3339(), "2026-01-05T10:00:00+00:00");

    let sent = sent(&server, "RunInstances").await;
    // What stands for this call is random.
    let (_, call) = sent[0].split_once("50e8bf4cbb453f83").unwrap();
    let call = &call[..16];
    assert!(call.bytes().all(|byte| byte.is_ascii_hexdigit()), "{call}");
    let tags = |at: u8, kind: &str| {
        let start = format!("TagSpecification.{at}");
        format!(
            "&{start}.ResourceType={kind}&{start}.Tag.1.Key=Name&{start}.Tag.1.Value=web-1\
             &{start}.Tag.2.Key=env&{start}.Tag.2.Value=prod%20%26%20more\
             &{start}.Tag.3.Key=managed-by&{start}.Tag.3.Value=spuff\
             &{start}.Tag.4.Key=spuff-digest&{start}.Tag.4.Value=50e8bf4cbb453f83{call}\
             &{start}.Tag.5.Key=spuff-key&{start}.Tag.5.Value=df8cf80227ec3237922df0ecd88385c5"
        )
    };
    let expected = format!(
        "Action=RunInstances&Version=2016-11-15&MinCount=1&MaxCount=1\
         &ClientToken=df8cf80227ec3237922df0ecd88385c5&InstanceType=t3.micro\
         &ImageId={AMI}&UserData=IyEvYmluL3NoCg%3D%3D&KeyName=my%20key\
         &BlockDeviceMapping.1.DeviceName=%2Fdev%2Fsda1\
         &BlockDeviceMapping.1.Ebs.DeleteOnTermination=true\
         &NetworkInterface.1.DeviceIndex=0&NetworkInterface.1.AssociatePublicIpAddress=true\
         &MetadataOptions.HttpTokens=required{}{}",
        tags(1, "instance"),
        tags(2, "volume"),
    );
    assert_eq!(sent, [expected]);
}

#[tokio::test]
async fn a_leased_machine_is_terminated_when_it_shuts_down() {
    let server = MockServer::start().await;
    mount_image(&server, 1).await;
    action("RunInstances").respond_with(created()).expect(2).mount(&server).await;
    let provider = provider(&server);
    provider.create_instance(&good()).await.unwrap();
    let leased = good().with_owner("ci-7").with_ttl(Duration::from_secs(3600));
    let made = provider.create_instance(&leased).await.unwrap();
    assert_eq!(made.labels["spuff-owner"], "ci-7");
    let sent = sent(&server, "RunInstances").await;
    assert_eq!(
        [0, 1].map(|at: usize| sent[at].contains("&InstanceInitiatedShutdownBehavior=terminate")),
        [false, true]
    );
    assert!(
        sent[1].contains("=spuff-expires&") && sent[1].contains("=spuff-owner&"),
        "{}",
        sent[1]
    );
}

#[tokio::test]
async fn each_create_has_a_token_of_its_own_and_the_image_is_looked_at_once() {
    let server = MockServer::start().await;
    mount_image(&server, 1).await;
    action("RunInstances").respond_with(created()).expect(2).mount(&server).await;
    let provider = provider(&server);
    for _ in 0..2 {
        provider.create_instance(&good()).await.unwrap();
    }
    let token = |body: &String| {
        body.split_once("&ClientToken=").unwrap().1.split('&').next().unwrap().to_string()
    };
    let tokens: Vec<_> = sent(&server, "RunInstances").await.iter().map(token).collect();
    assert!(tokens[0] != tokens[1] && tokens[0].len() == 32, "{tokens:?}");
}

#[tokio::test]
async fn a_create_that_was_throttled_is_sent_again_byte_by_byte() {
    let server = MockServer::start().await;
    mount_image(&server, 1).await;
    once(
        action("RunInstances"),
        refusal(503, "RequestLimitExceeded", "Request limit exceeded."),
        &server,
    )
    .await;
    action("RunInstances").respond_with(created()).expect(1).mount(&server).await;
    provider(&server).create_instance(&good().with_user_data("x".repeat(20_000))).await.unwrap();
    let bodies = sent(&server, "RunInstances").await;
    assert_eq!(bodies[0], bodies[1]);
}

#[tokio::test]
async fn long_user_data_is_compressed() {
    let server = MockServer::start().await;
    mount_image(&server, 1).await;
    action("RunInstances").respond_with(created()).expect(1).mount(&server).await;
    let text = "echo hello\n".repeat(5000);
    provider(&server).create_instance(&good().with_user_data(&text)).await.unwrap();
    let body = sent(&server, "RunInstances").await.remove(0);
    let data = body.split_once("&UserData=").unwrap().1.split('&').next().unwrap();
    let data = data.replace("%2B", "+").replace("%2F", "/").replace("%3D", "=");
    let mut read = String::new();
    GzDecoder::new(&BASE64_STANDARD.decode(data).unwrap()[..]).read_to_string(&mut read).unwrap();
    assert_eq!(read, text);
}

#[tokio::test]
async fn the_network_is_an_option() {
    let server = MockServer::start().await;
    mount_image(&server, 1).await;
    action("RunInstances").respond_with(created()).expect(1).mount(&server).await;
    let config =
        config(&server).with_option("subnet", "subnet-1").with_option("security_group", "sg-1");
    AwsFactory.create_with(&config).unwrap().create_instance(&good()).await.unwrap();
    let body = sent(&server, "RunInstances").await.remove(0);
    let expected = "&NetworkInterface.1.DeviceIndex=0\
        &NetworkInterface.1.AssociatePublicIpAddress=true\
        &NetworkInterface.1.SubnetId=subnet-1&NetworkInterface.1.SecurityGroupId.1=sg-1&";
    assert!(body.contains(expected), "{body}");
}

#[tokio::test]
async fn what_cannot_be_is_not_sent() {
    let server = MockServer::start().await;
    let provider = provider(&server);
    let noise: String = (0..60_000).map(|_| fastrand::alphanumeric()).collect();
    for (field, request) in [
        ("name", InstanceRequest { name: String::new(), ..good() }),
        ("name", InstanceRequest { name: "x".repeat(257), ..good() }),
        ("region", InstanceRequest { region: "eu-central-1a".to_string(), ..good() }),
        ("region", InstanceRequest { region: "eu-central-1.evil.example/".to_string(), ..good() }),
        ("size", InstanceRequest { size: String::new(), ..good() }),
        ("image", good().with_image("7555620".parse().unwrap())),
        ("image", good().with_image("snapshot:snap-01234567".parse().unwrap())),
        ("image", good().with_image("ubuntu:2*".parse().unwrap())),
        ("user_data", good().with_user_data(noise)),
        ("labels", good().with_label("managed-by", "me")),
        ("labels[\"aws:x\"]", good().with_label("aws:x", "y")),
        ("labels[\"Name\"]", good().with_label("Name", "y")),
        ("ssh_keys", good().with_ssh_key("a").with_ssh_key("b")),
        ("idempotency_key", good().with_idempotency_key("k".repeat(65))),
    ] {
        let error = provider.create_instance(&request).await.unwrap_err();
        assert!(is_invalid(&error, field), "{field}: {error}");
    }
    assert!(nothing_sent(&server).await);
}

#[tokio::test]
async fn options_that_are_not_known_are_refused() {
    let server = MockServer::start().await;
    let error = AwsFactory.create_with(&config(&server).with_option("subnett", "x")).err().unwrap();
    assert!(is_invalid(&error, "subnett"), "{error}");
    for token in ["AKIATEST", "AKIATEST:", ":secret"] {
        let error = AwsFactory.create_with(&config(&server).with_token(token)).err().unwrap();
        assert!(
            is_invalid(&error, "token") && error.to_string().contains("ACCESS_KEY_ID:SECRET"),
            "{error}"
        );
    }
    let described = AwsFactory.describe();
    assert!(
        !described.option("token").unwrap().required && described.option("token").unwrap().secret
    );
    assert_eq!(described.capabilities.max_user_data, 16_384);
}

#[tokio::test]
async fn a_create_without_a_readable_answer_is_sent_again_byte_by_byte() {
    for answer in unreadable() {
        let server = MockServer::start().await;
        mount_image(&server, 1).await;
        once(action("RunInstances"), answer, &server).await;
        action("RunInstances").respond_with(created()).expect(1).mount(&server).await;
        let made = provider(&server).create_instance(&good()).await.unwrap();
        let sent = sent(&server, "RunInstances").await;
        assert_eq!((made.id.as_str(), sent.len()), (ID, 2));
        assert_eq!(sent[0], sent[1], "the same client token, and the same bytes");
    }
}

fn unreadable() -> [ResponseTemplate; 3] {
    [
        reply("RunInstances", "<instancesSet/>"),
        ResponseTemplate::new(200).set_body_raw("<html>Welcome</html>", "text/html"),
        refusal(500, "InternalError", "An internal error has occurred"),
    ]
}

#[tokio::test]
async fn an_outcome_that_stays_open_until_the_deadline_is_unknown() {
    for answer in unreadable() {
        let server = MockServer::start().await;
        mount_image(&server, 1).await;
        action("DescribeInstances").respond_with(machines(&[], "")).expect(1).mount(&server).await;
        action("RunInstances").respond_with(answer).expect(1..).mount(&server).await;
        let error = hasty_provider(&server)
            .create_instance(&good().with_idempotency_key("order-7"))
            .await
            .unwrap_err();
        assert!(
            matches!(&error, ProviderError::UnknownOutcome { key, .. } if key == "order-7"),
            "{error}"
        );
    }
}

/// A refusal after an attempt whose outcome is not known does not say that nothing was made.
#[tokio::test]
async fn a_machine_that_was_made_is_found_by_its_label_when_the_next_attempt_is_refused() {
    let key = "df8cf80227ec3237922df0ecd88385c5";
    for (digest, expected) in [("50e8bf4cbb453f83", None), ("0000000000000000", Some("conflict"))] {
        let server = MockServer::start().await;
        mount_image(&server, 1).await;
        once(action("RunInstances"), refusal(500, "InternalError", "oops"), &server).await;
        action("RunInstances")
            .respond_with(refusal(400, "IdempotentParameterMismatch", "other"))
            .expect(1)
            .mount(&server)
            .await;
        let tags = format!(
            "<tagSet><item><key>spuff-key</key><value>{key}</value></item>\
             <item><key>spuff-digest</key><value>{digest}</value></item></tagSet>"
        );
        let found = machine(ID, "running", "")
            .replace("<tagSet>", "<old>")
            .replace("</tagSet>", &format!("</old>{tags}"));
        let by_label = || {
            let filter = format!("Filter.1.Name=tag%3Aspuff-key&Filter.1.Value.1={key}");
            action("DescribeInstances").and(body_string_contains(filter))
        };
        // Before the first attempt there is none.
        once(by_label(), machines(&[], ""), &server).await;
        by_label().respond_with(machines(&[found], "")).expect(1).mount(&server).await;
        let request = good()
            .with_label("env", "prod & more")
            .with_user_data("#!/bin/sh\n")
            .with_ssh_key("my key")
            .with_idempotency_key("order-7");
        let made = provider(&server).create_instance(&request).await;
        assert_eq!(made.as_ref().err().map(|error| error.kind().name()), expected, "{made:?}");
    }
}

#[tokio::test]
async fn the_region_of_a_request_is_where_the_machine_is_looked_for() {
    let server = MockServer::start().await;
    mount_image(&server, 1).await;
    action("RunInstances").respond_with(created()).expect(1).mount(&server).await;
    action("DescribeInstances")
        .respond_with(machines(&[machine(ID, "running", ADDRESS)], ""))
        .expect(4)
        .mount(&server)
        .await;
    let provider = provider(&server);
    let made = provider
        .create_instance(&InstanceRequest { region: "us-west-2".to_string(), ..good() })
        .await
        .unwrap();
    assert_eq!(made.region, "us-west-2");
    assert_eq!(provider.wait_ready(ID).await.unwrap().region, "us-west-2");
    assert_eq!(provider.get_instance(ID).await.unwrap().unwrap().region, "us-west-2");
    let regions: Vec<_> =
        provider.list_instances().await.unwrap().into_iter().map(|found| found.region).collect();
    assert_eq!(regions, ["eu-central-1", "us-west-2"]);

    let requests = server.received_requests().await.unwrap();
    let scopes: Vec<_> =
        requests.iter().map(|request| request.headers["authorization"].to_str().unwrap()).collect();
    let west = scopes.iter().filter(|scope| scope.contains("/us-west-2/ec2/")).count();
    assert_eq!((west, scopes.len()), (5, 6), "{scopes:?}");
}

#[tokio::test]
async fn what_an_earlier_version_made_under_a_key_is_given_back() {
    let server = MockServer::start().await;
    // Its client token was the key: that of this version would not keep a second one out.
    let label =
        "<tagSet><item><key>spuff-key</key><value>df8cf80227ec3237922df0ecd88385c5</value></item>";
    let made = machine(ID, "running", "").replace("<tagSet>", label);
    action("DescribeInstances").respond_with(machines(&[made], "")).expect(1).mount(&server).await;
    action("RunInstances").respond_with(created()).expect(0).mount(&server).await;
    let found =
        provider(&server).create_instance(&good().with_idempotency_key("order-7")).await.unwrap();
    assert_eq!((found.id.as_str(), found.adopted), (ID, true));
}

#[tokio::test]
async fn a_size_that_is_not_in_a_zone_is_out_of_stock_unless_the_zone_was_chosen() {
    let message = "Your requested instance type (t3.micro) is not supported in your requested \
     Availability Zone (us-east-1e).";
    for (subnet, expected) in [("", "capacity"), ("subnet-1", "invalid_config")] {
        let server = MockServer::start().await;
        mount_image(&server, 1).await;
        action("RunInstances")
            .respond_with(refusal(400, "Unsupported", message))
            .expect(1)
            .mount(&server)
            .await;
        let provider =
            AwsFactory.create_with(&config(&server).with_option("subnet", subnet)).unwrap();
        let error = provider.create_instance(&good()).await.unwrap_err();
        assert_eq!(error.kind().name(), expected, "{error}");
        assert!(error.to_string().contains("us-east-1e"), "{error}");
    }
}
