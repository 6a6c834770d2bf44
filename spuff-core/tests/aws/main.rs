//! Each verb of the AWS room against scripted replies. A mock that is not called as often as
//! expected fails.
#![cfg(feature = "aws")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics has failed")]

#[path = "../support/mod.rs"]
mod support;

mod create;
mod identities;
mod images;
mod instances;
mod refusals;
mod regions;
mod signing;
mod snapshots;
mod wait_ready;

use std::time::Duration;

use spuff_core::provider::{
    AwsFactory, InstanceRequest, Provider, ProviderConfig, ProviderError, ProviderFactory,
    ProviderTimeouts,
};
use wiremock::matchers::{body_string_contains, header_regex, method, path};
use wiremock::{Mock, MockBuilder, MockServer, ResponseTemplate};

const ID: &str = "i-0123456789abcdef0";
const AMI: &str = "ami-0123456789abcdef0";
const HEAD: &str = r#"<?xml version="1.0" encoding="UTF-8"?>"#;
const NAMESPACE: &str = "http://ec2.amazonaws.com/doc/2016-11-15/";

fn config(server: &MockServer) -> ProviderConfig {
    let config = ProviderConfig::new("AKIATEST:test/secret").with_endpoint(server.uri());
    config.with_region("eu-central-1").with_timeouts(support::timeouts())
}

fn provider(server: &MockServer) -> Box<dyn Provider> {
    AwsFactory.create_with(&config(server)).unwrap()
}

/// A provider whose deadlines are short enough that a test can wait for their end.
fn hasty_provider(server: &MockServer) -> Box<dyn Provider> {
    let short = Duration::from_millis(700);
    let timeouts =
        ProviderTimeouts { instance_ready: short, action_complete: short, ..support::timeouts() };
    AwsFactory.create_with(&config(server).with_timeouts(timeouts)).unwrap()
}

/// A provider at a cloud whose reads show within so many seconds what is new.
fn settling(server: &MockServer, seconds: &str) -> Box<dyn Provider> {
    AwsFactory.create_with(&config(server).with_option("settling", seconds)).unwrap()
}

/// A request whose image needs no search.
fn good() -> InstanceRequest {
    InstanceRequest::new("web-1", "", "t3.micro").with_image(AMI.parse().unwrap())
}

/// A call of one action of EC2.
fn action(name: &str) -> MockBuilder {
    Mock::given(method("POST"))
        .and(path("/"))
        .and(body_string_contains(format!("Action={name}&Version=2016-11-15")))
}

fn reply(action: &str, inner: &str) -> ResponseTemplate {
    let text = format!(
        "{HEAD}<{action}Response \
         xmlns=\"{NAMESPACE}\"><requestId>r-1</requestId>{inner}</{action}Response>"
    );
    ResponseTemplate::new(200).set_body_raw(text, "text/xml;charset=UTF-8")
}

fn refusal(status: u16, code: &str, message: &str) -> ResponseTemplate {
    let error =
        format!("<Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors>");
    let text = format!("{HEAD}\n<Response>{error}<RequestID>4d9d8375</RequestID></Response>");
    ResponseTemplate::new(status).set_body_raw(text, "text/xml;charset=UTF-8")
}

/// One machine, as `DescribeInstances` gives it, with what more there is to say of it.
fn machine(id: &str, state: &str, more: &str) -> String {
    format!(
        "<item><instanceId>{id}</instanceId>\
         <instanceState><code>0</code><name>{state}</name></instanceState>\
         <instanceType>t3.micro</instanceType><launchTime>2026-01-05T10:00:00.000Z</launchTime>\
         <privateIpAddress>172.31.0.5</privateIpAddress>\
         <tagSet><item><key>managed-by</key><value>spuff</value></item>\
         <item><key>Name</key><value>web-1</value></item>\
         <item><key>env</key><value>prod</value></item></tagSet>{more}</item>"
    )
}

const ADDRESS: &str = "<ipAddress>203.0.113.5</ipAddress>";

fn machines(items: &[String], next: &str) -> ResponseTemplate {
    let reservations: String = items
        .iter()
        .map(|item| format!("<item><instancesSet>{item}</instancesSet></item>"))
        .collect();
    reply("DescribeInstances", &format!("<reservationSet>{reservations}</reservationSet>{next}"))
}

fn created() -> ResponseTemplate {
    reply("RunInstances", &format!("<instancesSet>{}</instancesSet>", machine(ID, "pending", "")))
}

/// One image, as `DescribeImages` gives it.
fn image(id: &str, state: &str, more: &str) -> String {
    format!(
        "<item><imageId>{id}</imageId><name>image {id}</name><imageState>{state}</imageState>\
         <creationDate>2026-01-05T10:00:00.000Z</creationDate><rootDeviceType>ebs</rootDeviceType>\
         <rootDeviceName>/dev/sda1</rootDeviceName>{more}</item>"
    )
}

fn images(items: &[String], next: &str) -> ResponseTemplate {
    reply("DescribeImages", &format!("<imagesSet>{}</imagesSet>{next}", items.concat()))
}

/// The image that a request names, to be looked at so many times.
async fn mount_image(server: &MockServer, times: u64) {
    let asked = action("DescribeImages").and(body_string_contains(format!("ImageId.1={AMI}")));
    asked
        .respond_with(images(&[image(AMI, "available", "")], ""))
        .expect(times)
        .mount(server)
        .await;
}

/// The regions that the account has enabled, which are asked for once.
async fn mount_regions(server: &MockServer, regions: &[&str]) {
    let items: String = regions
        .iter()
        .map(|region| format!("<item><regionName>{region}</regionName></item>"))
        .collect();
    let known = reply("DescribeRegions", &format!("<regionInfo>{items}</regionInfo>"));
    action("DescribeRegions").respond_with(known).expect(1).mount(server).await;
}

/// A call of one action in one region.
fn action_in(region: &str, name: &str) -> MockBuilder {
    action(name).and(header_regex("authorization", &format!("/{region}/ec2/")))
}

/// A mock that answers the first call only.
async fn once(asked: MockBuilder, reply: ResponseTemplate, server: &MockServer) {
    asked.respond_with(reply).up_to_n_times(1).expect(1).mount(server).await;
}

/// The bodies that were sent for an action, in order.
async fn sent(server: &MockServer, action: &str) -> Vec<String> {
    let start = format!("Action={action}&");
    let requests = server.received_requests().await.unwrap().into_iter();
    requests
        .map(|request| String::from_utf8(request.body).unwrap())
        .filter(|body| body.starts_with(&start))
        .collect()
}

async fn nothing_sent(server: &MockServer) -> bool {
    server.received_requests().await.unwrap().is_empty()
}

fn is_invalid(error: &ProviderError, expected: &str) -> bool {
    matches!(error, ProviderError::InvalidConfig { field, .. } if field == expected)
}
