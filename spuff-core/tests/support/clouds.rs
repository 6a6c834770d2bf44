//! The three clouds, as far as the tests that hold for all of them must know them.

use spuff_core::provider::{
    ImageSpec, InstanceRequest, Provider, ProviderConfig, ProviderRegistry, ProviderTimeouts,
};

use super::raw::{Answer, Asked};

/// A secret that no output may contain. Letters only, so that no cleaning changes it.
pub const CANARY: &str = "kanarienvogelcanary";

#[derive(Clone, Copy)]
pub struct Cloud {
    pub name: &'static str,
    pub token: &'static str,
    pub id: &'static str,
    pub snapshot: &'static str,
    request: (&'static str, &'static str),
    content_type: &'static str,
    instance: &'static str,
    throttle: (u16, &'static str),
}

pub const CLOUDS: [Cloud; 3] = [
    Cloud {
        name: "digitalocean",
        token: CANARY,
        id: "42",
        snapshot: "4711",
        request: ("nyc3", "s-1vcpu-1gb"),
        content_type: "application/json",
        instance: r#"{"droplet": {"id": 42, "name": "web-1", "status": "active", "created_at": "2026-01-05T10:00:00Z",
            "networks": {"v4": [{"ip_address": "203.0.113.7", "type": "public"}], "v6": []},
            "tags": ["managed-by:spuff"], "region": {"slug": "nyc3"}, "size_slug": "s-1vcpu-1gb"}}"#,
        throttle: (429, r#"{"id": "too_many_requests", "message": "API rate limit exceeded."}"#),
    },
    Cloud {
        name: "hetzner",
        token: CANARY,
        id: "42",
        snapshot: "4711",
        request: ("fsn1", "cx22"),
        content_type: "application/json",
        instance: r#"{"server": {"id": 42, "name": "web-1", "status": "running", "created": "2026-01-05T10:00:00+00:00", "locked": false,
            "public_net": {"ipv4": {"ip": "203.0.113.7"}, "ipv6": null}, "labels": {"managed-by": "spuff"},
            "location": {"name": "fsn1"}, "server_type": {"name": "cx22"}}, "action": {"id": 1, "status": "success"}, "next_actions": []}"#,
        throttle: (
            429,
            r#"{"error": {"code": "rate_limit_exceeded", "message": "limit reached"}}"#,
        ),
    },
    Cloud {
        name: "aws",
        token: "AKIAEXAMPLE:kanarienvogelcanary:kanarienvogelcanary",
        id: "i-0123456789abcdef0",
        snapshot: "ami-0123456789abcdef0",
        request: ("eu-central-1", "t3.micro"),
        content_type: "text/xml",
        instance: r#"<DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>r-1</requestId><reservationSet><item>
            <instancesSet><item><instanceId>i-0123456789abcdef0</instanceId><instanceState><code>16</code><name>running</name></instanceState>
            <instanceType>t3.micro</instanceType><launchTime>2026-01-05T10:00:00.000Z</launchTime><ipAddress>203.0.113.7</ipAddress>
            <tagSet><item><key>managed-by</key><value>spuff</value></item></tagSet></item></instancesSet>
            </item></reservationSet></DescribeInstancesResponse>"#,
        throttle: (
            503,
            "<Response><Errors><Error><Code>RequestLimitExceeded</Code><Message>Request limit \
             exceeded.</Message></Error></Errors><RequestID>r-2</RequestID></Response>",
        ),
    },
];

impl Cloud {
    pub fn config(&self, endpoint: &str, timeouts: ProviderTimeouts) -> ProviderConfig {
        let config =
            ProviderConfig::new(self.token).with_endpoint(endpoint).with_timeouts(timeouts);
        if self.name == "aws" { config.with_region(self.request.0) } else { config }
    }

    pub fn connect(&self, endpoint: &str, timeouts: ProviderTimeouts) -> Box<dyn Provider> {
        ProviderRegistry::with_defaults()
            .connect(self.name, self.config(endpoint, timeouts))
            .unwrap()
    }

    /// A machine from a snapshot, so that few look-ups come before the create.
    pub fn request(&self) -> InstanceRequest {
        InstanceRequest::new("web-1", self.request.0, self.request.1)
            .with_image(ImageSpec::Snapshot(self.snapshot.to_string()))
    }

    pub fn is_create(&self, asked: &Asked) -> bool {
        asked.method == "POST" && (self.name != "aws" || asked.body.contains("Action=RunInstances"))
    }

    pub fn is_get(&self, asked: &Asked) -> bool {
        asked.method == "GET" || asked.body.contains("Action=DescribeInstances&")
    }

    /// A reply in the cloud's own form.
    pub fn reply(&self, status: u16, body: &str) -> Answer {
        Answer::reply(status, &[("content-type", self.content_type)], body)
    }

    /// The machine, running; also what a create answers.
    pub fn instance(&self) -> Answer {
        self.reply(200, self.instance)
    }

    pub fn truncated_instance(&self) -> Answer {
        Answer::truncated(200, &[("content-type", self.content_type)], self.instance)
    }

    pub fn created(&self) -> Answer {
        let instance = "<RunInstancesResponse><requestId>r-3</requestId><instancesSet><item>\
            <instanceId>i-0123456789abcdef0</instanceId>\
            <instanceState><code>0</code><name>pending</name></instanceState></item></instancesSet>\
            </RunInstancesResponse>";
        if self.name == "aws" { self.reply(200, instance) } else { self.instance() }
    }

    pub fn throttled(&self, retry_after: Option<&str>) -> Answer {
        let (status, body) = self.throttle;
        let mut headers = vec![("content-type", self.content_type)];
        headers.extend(retry_after.map(|value| ("retry-after", value)));
        Answer::reply(status, &headers, body)
    }

    /// What is asked before a create, answered as the cloud does; `None` for anything else.
    pub fn look_up(&self, asked: &Asked) -> Option<Answer> {
        let image = "<DescribeImagesResponse><requestId>r-4</requestId><imagesSet><item>\
            <imageId>ami-0123456789abcdef0</imageId>\
            <imageState>available</imageState><architecture>x86_64</architecture>\
            <rootDeviceName>/dev/sda1</rootDeviceName>\
            <rootDeviceType>ebs</rootDeviceType></item></imagesSet></DescribeImagesResponse>";
        let size = "<DescribeInstanceTypesResponse><requestId>r-5</requestId><instanceTypeSet>\
            <item><instanceType>t3.micro</instanceType>\
            <processorInfo><supportedArchitectures><item>x86_64</item>\
            </supportedArchitectures></processorInfo></item></instanceTypeSet>\
            </DescribeInstanceTypesResponse>";
        match self.name {
            "aws" if asked.body.contains("Action=DescribeImages") => Some(self.reply(200, image)),
            "aws" if asked.body.contains("Action=DescribeInstanceTypes") => {
                Some(self.reply(200, size))
            }
            _ => None,
        }
    }
}
