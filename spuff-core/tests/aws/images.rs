use super::*;
use serde_json::json;
use wiremock::matchers::{body_json, header};

fn types(architectures: &str) -> ResponseTemplate {
    let info = format!(
        "<processorInfo><supportedArchitectures>{architectures}</supportedArchitectures>\
         </processorInfo>"
    );
    reply(
        "DescribeInstanceTypes",
        &format!(
            "<instanceTypeSet><item><instanceType>x</instanceType>{info}</item></instanceTypeSet>"
        ),
    )
}

fn parameter(name: &str) -> MockBuilder {
    Mock::given(header("x-amz-target", "AmazonSSM.GetParameter"))
        .and(header("content-type", "application/x-amz-json-1.1"))
        .and(body_json(json!({"Name": name})))
}

#[tokio::test]
async fn a_release_is_found_by_its_parameter() {
    for (image, size, architectures, name) in [
        (
            "ubuntu:24.04",
            "t3.micro",
            "<item>i386</item><item>x86_64</item>",
            "/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id",
        ),
        (
            "debian:12",
            "t4g.micro",
            "<item>arm64</item>",
            "/aws/service/debian/release/12/latest/arm64",
        ),
    ] {
        let server = MockServer::start().await;
        let asked = action("DescribeInstanceTypes")
            .and(body_string_contains(format!("InstanceType.1={size}")));
        asked.respond_with(types(architectures)).expect(1).mount(&server).await;
        let found = ResponseTemplate::new(200)
            .set_body_json(json!({"Parameter": {"Name": name, "Value": AMI, "Version": 3}}));
        parameter(name).respond_with(found).expect(1).mount(&server).await;
        mount_image(&server, 1).await;
        action("RunInstances").respond_with(created()).expect(2).mount(&server).await;

        let provider = provider(&server);
        let request = InstanceRequest::new("web-1", "", size).with_image(image.parse().unwrap());
        for _ in 0..2 {
            provider.create_instance(&request).await.unwrap();
        }
        assert!(
            sent(&server, "RunInstances")
                .await
                .iter()
                .all(|body| body.contains(&format!("&ImageId={AMI}&")))
        );
        let requests = server.received_requests().await.unwrap();
        let ssm =
            requests.iter().find(|request| request.headers.contains_key("x-amz-target")).unwrap();
        assert!(
            ssm.headers["authorization"]
                .to_str()
                .unwrap()
                .contains("/eu-central-1/ssm/aws4_request")
        );
    }
}

#[tokio::test]
async fn without_the_parameter_the_publishers_newest_image_is_taken() {
    for answer in [
        ResponseTemplate::new(400)
            .set_body_json(json!({"__type": "ParameterNotFound", "message": "none"})),
        ResponseTemplate::new(400).set_body_json(
            json!({"__type": "com.amazon#AccessDeniedException", "Message": "may not"}),
        ),
        ResponseTemplate::new(404).set_body_string("no SSM here"),
        ResponseTemplate::new(200).set_body_json(json!({"Parameter": {"Value": "not-an-image"}})),
    ] {
        let server = MockServer::start().await;
        action("DescribeInstanceTypes")
            .respond_with(types("<item>arm64</item>"))
            .expect(1)
            .mount(&server)
            .await;
        Mock::given(header("x-amz-target", "AmazonSSM.GetParameter"))
            .respond_with(answer)
            .expect(1)
            .mount(&server)
            .await;
        let dated = |id: &str, date: &str, device: &str| {
            image(id, "available", "")
                .replace("2026-01-05T10:00:00.000Z", date)
                .replace("/dev/sda1", device)
        };
        let listed = [
            dated("ami-00000001", "2025-01-05T10:00:00.000Z", "/dev/old"),
            dated("ami-00000002", "2026-02-05T10:00:00.000Z", "/dev/xvda"),
            dated("ami-00000003", "2026-01-05T10:00:00.000Z", "/dev/old"),
        ];
        action("DescribeImages").respond_with(images(&listed, "")).expect(1).mount(&server).await;
        action("RunInstances").respond_with(created()).expect(1).mount(&server).await;
        let request = InstanceRequest::new("web-1", "", "t4g.micro");
        provider(&server).create_instance(&request).await.unwrap();
        let asked = "Action=DescribeImages&Version=2016-11-15&Owner.1=099720109477\
            &Filter.1.Name=name\
            &Filter.1.Value.1=ubuntu%2Fimages%2Fhvm-ssd%2A%2Fubuntu-%2A-24.04-arm64-server-%2A\
            &Filter.2.Name=architecture&Filter.2.Value.1=arm64&Filter.3.Name=state\
            &Filter.3.Value.1=available\
            &Filter.4.Name=root-device-type&Filter.4.Value.1=ebs";
        assert_eq!(sent(&server, "DescribeImages").await, [asked]);
        let body = sent(&server, "RunInstances").await.remove(0);
        assert!(
            body.contains("&ImageId=ami-00000002&") && body.contains("DeviceName=%2Fdev%2Fxvda&"),
            "{body}"
        );
    }
}

#[tokio::test]
async fn the_publisher_is_the_account_of_the_regions_partition() {
    for (region, image, owner) in [
        ("cn-north-1", "ubuntu:24.04", Some("837727238323")),
        ("us-gov-west-1", "ubuntu:24.04", Some("513442679011")),
        ("cn-north-1", "debian:12", None),
    ] {
        let server = MockServer::start().await;
        action("DescribeInstanceTypes")
            .respond_with(types("<item>x86_64</item>"))
            .expect(1)
            .mount(&server)
            .await;
        let refused = ResponseTemplate::new(400)
            .set_body_json(json!({"__type": "AccessDeniedException", "Message": "may not"}));
        Mock::given(header("x-amz-target", "AmazonSSM.GetParameter"))
            .respond_with(refused)
            .mount(&server)
            .await;
        let times = u64::from(owner.is_some());
        action("DescribeImages").respond_with(images(&[], "")).expect(times).mount(&server).await;
        let request =
            InstanceRequest::new("web-1", region, "t3.micro").with_image(image.parse().unwrap());
        let error = provider(&server).create_instance(&request).await.unwrap_err();
        assert!(is_invalid(&error, "image"), "{error}");
        let asked = sent(&server, "DescribeImages").await;
        assert!(
            asked
                .iter()
                .all(|body| body.contains(&format!("&Owner.1={}&", owner.unwrap_or_default()))),
            "{asked:?}"
        );
    }
}

#[tokio::test]
async fn what_the_region_does_not_have_is_told() {
    let server = MockServer::start().await;
    action("DescribeInstanceTypes")
        .respond_with(types("<item>x86_64</item>"))
        .expect(1)
        .mount(&server)
        .await;
    Mock::given(header("x-amz-target", "AmazonSSM.GetParameter"))
        .respond_with(ResponseTemplate::new(400))
        .mount(&server)
        .await;
    action("DescribeImages").respond_with(images(&[], "")).expect(2).mount(&server).await;
    let provider = provider(&server);
    for request in [InstanceRequest::new("web-1", "", "t3.micro"), good()] {
        let error = provider.create_instance(&request).await.unwrap_err();
        assert!(
            is_invalid(&error, "image") && error.to_string().contains("eu-central-1"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_size_must_boot_linux() {
    let server = MockServer::start().await;
    action("DescribeInstanceTypes")
        .respond_with(types("<item>arm64_mac</item>"))
        .expect(1)
        .mount(&server)
        .await;
    let provider = provider(&server);
    let error = provider
        .create_instance(&InstanceRequest::new("web-1", "", "mac2.metal"))
        .await
        .unwrap_err();
    assert!(is_invalid(&error, "size"), "{error}");
}

#[tokio::test]
async fn an_image_that_was_refused_is_looked_up_again() {
    let server = MockServer::start().await;
    mount_image(&server, 2).await;
    once(
        action("RunInstances"),
        refusal(400, "InvalidAMIID.NotFound", "The image id does not exist"),
        &server,
    )
    .await;
    action("RunInstances").respond_with(created()).expect(1).mount(&server).await;
    let provider = provider(&server);
    let error = provider.create_instance(&good()).await.unwrap_err();
    assert!(
        is_invalid(&error, "image") && error.to_string().contains("InvalidAMIID.NotFound"),
        "{error}"
    );
    provider.create_instance(&good()).await.unwrap();
}

#[tokio::test]
async fn an_image_without_a_root_volume_gets_no_mapping() {
    let server = MockServer::start().await;
    let stored = image(AMI, "available", "")
        .replace("<rootDeviceType>ebs", "<rootDeviceType>instance-store");
    action("DescribeImages").respond_with(images(&[stored], "")).expect(1).mount(&server).await;
    action("RunInstances").respond_with(created()).expect(1).mount(&server).await;
    provider(&server).create_instance(&good()).await.unwrap();
    assert!(!sent(&server, "RunInstances").await[0].contains("BlockDeviceMapping"));
}
