//! Resolves a release such as "Ubuntu 24.04" to the id of an image that the region has and that the
//! instance's processor can boot.

use std::time::Duration;

use http::{HeaderName, HeaderValue};
use tracing::debug;

use super::boot_image::BootImage;
use super::convert;
use super::query::Query;
use super::region::Place;
use super::wire::{DescribeImages, DescribeInstanceTypes, Document, GetParameter, ask};
use crate::http::{Class, Errand, HttpClient};
use crate::provider::config::{ImageSpec, InstanceRequest};
use crate::provider::error::{ProviderError, ProviderResult};
use crate::provider::operation::Operation;
use crate::provider::shared::lookup::Lookups;
use crate::provider::shared::validate;

const OPERATION: Operation = Operation::CreateInstance;
const JSON: &str = "application/x-amz-json-1.1";
const TARGET: HeaderName = HeaderName::from_static("x-amz-target");
/// Releases appear every few days, and the previous one stays usable.
pub(super) const FRESH: Duration = Duration::from_secs(3600);
/// A network without a route to SSM must not delay a create that does not need SSM.
const SSM_PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Architecture {
    Amd64,
    Arm64,
}

impl Architecture {
    /// The name that publishers of images use.
    fn debian(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    /// The name that EC2 uses.
    fn ec2(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64",
            Self::Arm64 => "arm64",
        }
    }
}

/// The accounts of the publishers of images, in one partition.
struct Publishers {
    /// The prefix of its regions' names.
    regions: &'static str,
    canonical: Option<&'static str>,
    /// Debian publishes in the partition `aws` only; elsewhere, images of that name are made by
    /// others.
    debian: Option<&'static str>,
}

/// The first match applies. Without a known publisher, only the parameters lead to images.
const PUBLISHERS: [Publishers; 5] = [
    Publishers { regions: "cn-", canonical: Some("837727238323"), debian: None },
    Publishers { regions: "us-gov-", canonical: Some("513442679011"), debian: None },
    Publishers { regions: "us-iso", canonical: None, debian: None },
    Publishers { regions: "eusc-", canonical: None, debian: None },
    Publishers { regions: "", canonical: Some("099720109477"), debian: Some("136693071363") },
];

/// How to find a publisher's newest image of a release. Anyone may publish under a name, so the
/// owner is part of it.
#[derive(Debug, PartialEq, Eq)]
struct Release {
    parameter: String,
    owner: Option<&'static str>,
    name: String,
}

/// Runs the checks that need no look-up.
pub(super) fn check(spec: &ImageSpec) -> ProviderResult<()> {
    match spec {
        ImageSpec::Ubuntu(version) | ImageSpec::Debian(version) => {
            validate::required("image", version)?;
            validate::slug("image", version)
        }
        ImageSpec::Custom(id) | ImageSpec::Snapshot(id) => convert::check_id("image", id, "ami-"),
    }
}

fn release(spec: &ImageSpec, architecture: Architecture, region: &str) -> Option<Release> {
    let arch = architecture.debian();
    let publishers = PUBLISHERS.iter().find(|publishers| region.starts_with(publishers.regions))?;
    match spec {
        ImageSpec::Ubuntu(version) => {
            let year: u32 =
                version.split('.').next().and_then(|year| year.parse().ok()).unwrap_or(u32::MAX);
            let volume = if year >= 24 { "ebs-gp3" } else { "ebs-gp2" };
            Some(Release {
                parameter: format!(
                    "/aws/service/canonical/ubuntu/server/{version}/stable/current/{arch}/hvm/{volume}/ami-id"
                ),
                owner: publishers.canonical,
                name: format!("ubuntu/images/hvm-ssd*/ubuntu-*-{version}-{arch}-server-*"),
            })
        }
        ImageSpec::Debian(version) => {
            let major = version.split('.').next().unwrap_or(version);
            Some(Release {
                parameter: format!("/aws/service/debian/release/{major}/latest/{arch}"),
                owner: publishers.debian,
                name: format!("debian-{major}-{arch}-*"),
            })
        }
        ImageSpec::Custom(_) | ImageSpec::Snapshot(_) => None,
    }
}

/// Caches by region, and by size or image.
#[derive(Debug)]
pub(super) struct Images {
    architectures: Lookups<(String, String), Architecture>,
    images: Lookups<(String, ImageSpec, Option<Architecture>), BootImage>,
}

impl Default for Images {
    fn default() -> Self {
        Self { architectures: Lookups::new(FRESH), images: Lookups::new(FRESH) }
    }
}

impl Images {
    /// Returns the image that an instance of that size boots from.
    pub(super) async fn find(
        &self,
        http: &HttpClient,
        place: &Place,
        request: &InstanceRequest,
    ) -> ProviderResult<BootImage> {
        let (region, spec, reader) =
            (place.region.clone(), &request.image, &Reader { http, place, errand: &http.errand() });
        match spec {
            ImageSpec::Custom(id) | ImageSpec::Snapshot(id) => {
                self.images.or_look((region, spec.clone(), None), reader.describe(id)).await
            }
            ImageSpec::Ubuntu(_) | ImageSpec::Debian(_) => {
                let key = (region.clone(), request.size.clone());
                let architecture =
                    self.architectures.or_look(key, reader.architecture(&request.size)).await?;
                let key = (region, spec.clone(), Some(architecture));
                self.images.or_look(key, reader.published(spec, architecture)).await
            }
        }
    }

    /// Forgets the image of a refused create.
    pub(super) fn forget(&self, image: &BootImage) {
        self.images.retain(|known| known != image);
    }
}

/// Reads a region's catalog for one create.
struct Reader<'a> {
    http: &'a HttpClient,
    place: &'a Place,
    errand: &'a Errand,
}

impl Reader<'_> {
    async fn ask<T: Document>(&self, query: &Query) -> ProviderResult<T> {
        ask(self.http, &self.place.ec2(OPERATION, Class::Safe, query).within(self.errand)).await
    }

    /// Returns the architecture of a size.
    async fn architecture(&self, size: &str) -> ProviderResult<Architecture> {
        let query = Query::new("DescribeInstanceTypes").with("InstanceType.1", size);
        let reply: DescribeInstanceTypes = self.ask(&query).await?;
        let types = reply.instance_type_set.item;
        let names: Vec<_> = types
            .iter()
            .flat_map(|found| &found.processor_info.supported_architectures.item)
            .collect();
        let supports =
            |architecture: &Architecture| names.iter().any(|name| *name == architecture.ec2());
        [Architecture::Amd64, Architecture::Arm64].into_iter().find(supports).ok_or_else(|| {
            let message = format!(
                "{size} is not a type that boots Linux on x86_64 or arm64 in {}",
                self.place.region
            );
            ProviderError::invalid_config("size", message)
        })
    }

    /// Returns the newest image of a release: from the publisher's parameter, or from the list of
    /// the publisher's images.
    async fn published(
        &self,
        spec: &ImageSpec,
        architecture: Architecture,
    ) -> ProviderResult<BootImage> {
        let unknown = || {
            let arch = architecture.debian();
            let region = &self.place.region;
            ProviderError::invalid_config(
                "image",
                format!("no image {spec} for {arch} in {region}; give an id, ami-…"),
            )
        };
        let release = release(spec, architecture, &self.place.region).ok_or_else(unknown)?;
        let found = tokio::time::timeout(SSM_PATIENCE, self.parameter(&release.parameter)).await;
        let id = match found {
            Ok(Ok(id)) if convert::check_id("image", &id, "ami-").is_ok() => Some(id),
            Ok(Ok(_)) | Err(_) => None,
            // Without permission to read parameters, or a route to SSM, the list of images is used.
            Ok(Err(error)) => {
                debug!(parameter = release.parameter, %error, "no parameter");
                None
            }
        };
        if let Some(id) = id {
            return self.describe(&id).await;
        }
        let owner = release.owner.ok_or_else(unknown)?;
        let query = Query::new("DescribeImages")
            .with("Owner.1", owner)
            .matching("name", &[&release.name])
            .filter("architecture", &[architecture.ec2()])
            .filter("state", &["available"])
            .filter("root-device-type", &["ebs"]);
        let reply: DescribeImages = self.ask(&query).await?;
        let newest = reply.images_set.item.into_iter().max_by_key(|image| image.creation_date);
        newest.map(BootImage::new).ok_or_else(unknown)
    }

    async fn parameter(&self, name: &str) -> ProviderResult<String> {
        let body = serde_json::json!({ "Name": name }).to_string();
        let call = self
            .place
            .ssm(OPERATION)
            .optional()
            .within(self.errand)
            .body(JSON, body)
            .header(TARGET, HeaderValue::from_static("AmazonSSM.GetParameter"));
        let reply: GetParameter = self.http.json(&call).await?;
        Ok(reply.parameter.value)
    }

    /// Returns the image with that id, for the device of its root volume.
    async fn describe(&self, id: &str) -> ProviderResult<BootImage> {
        let query = Query::new("DescribeImages").with("ImageId.1", id);
        let reply: DescribeImages = self.ask(&query).await?;
        let image = reply.images_set.item.into_iter().find(|image| image.image_id == id);
        image.map(BootImage::new).ok_or_else(|| {
            let message =
                format!("{id} is not in {}; images belong to one region", self.place.region);
            ProviderError::invalid_config("image", message)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_found_by_parameter_and_by_name() {
        for (spec, architecture, parameter, name) in [
            (
                "ubuntu:24.04",
                Architecture::Amd64,
                "/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id",
                "ubuntu/images/hvm-ssd*/ubuntu-*-24.04-amd64-server-*",
            ),
            (
                "ubuntu:22.04",
                Architecture::Arm64,
                "/aws/service/canonical/ubuntu/server/22.04/stable/current/arm64/hvm/ebs-gp2/ami-id",
                "ubuntu/images/hvm-ssd*/ubuntu-*-22.04-arm64-server-*",
            ),
            (
                "debian:12",
                Architecture::Arm64,
                "/aws/service/debian/release/12/latest/arm64",
                "debian-12-arm64-*",
            ),
            (
                "debian:12.5",
                Architecture::Amd64,
                "/aws/service/debian/release/12/latest/amd64",
                "debian-12-amd64-*",
            ),
        ] {
            let release = release(&spec.parse().unwrap(), architecture, "us-east-1").unwrap();
            assert_eq!(
                (release.parameter.as_str(), release.name.as_str()),
                (parameter, name),
                "{spec}"
            );
        }
    }

    #[test]
    fn images_are_checked() {
        for spec in ["ubuntu:24.04", "debian:12", "ami-0123456789abcdef0", "snapshot:ami-01234567"]
        {
            assert!(check(&spec.parse().unwrap()).is_ok(), "{spec}");
        }
        for spec in [
            "ubuntu:",
            "ubuntu:*",
            "debian:",
            "7555620",
            "snapshot:7555620",
            "ami-",
            "ami-0123456g",
            "",
            "snap-01234567",
        ] {
            let error = check(&spec.parse().unwrap()).unwrap_err();
            assert!(
                matches!(&error, ProviderError::InvalidConfig { field, .. } if field == "image"),
                "{spec}"
            );
        }
    }
}
