//! Regions: each is a host, and a part of the signature.

use std::path::PathBuf;

use http::Method;
use reqsign_core::Env;

use super::profile::Profiles;
use super::query::Query;
use super::region_cache::Whereabouts;
use crate::create;
use crate::http::{Call, Class, Endpoint};
use crate::provider::config::ProviderConfig;
use crate::provider::error::{ProviderError, ProviderResult};
use crate::provider::operation::Operation;
use crate::provider::shared::validate;

const FORM: &str = "application/x-www-form-urlencoded; charset=utf-8";
/// The signing region for a custom endpoint if no region is named.
const DEFAULT: &str = "us-east-1";
const VARIABLES: [&str; 2] = ["AWS_REGION", "AWS_DEFAULT_REGION"];
/// Domains by the prefix of a region's name.
const DOMAINS: [(&str, &str); 7] = [
    ("cn-", "amazonaws.com.cn"),
    ("eusc-", "amazonaws.eu"),
    ("us-iso-", "c2s.ic.gov"),
    ("us-isob-", "sc2s.sgov.gov"),
    ("us-isof-", "csp.hci.ic.gov"),
    ("eu-isoe-", "cloud.adc-e.uk"),
    ("", "amazonaws.com"),
];

/// The option that lists the regions in use.
pub(super) const REGIONS: &str = "regions";
/// The option's value for all regions that the account has enabled.
const ALL: &str = "all";

/// The regions that the account uses, if configured.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Used {
    Unsaid,
    These(Vec<String>),
    AllEnabled,
}

impl Used {
    fn of(config: &ProviderConfig) -> ProviderResult<Self> {
        match config.options.get(REGIONS).map(|text| text.trim()).unwrap_or_default() {
            "" => Ok(Self::Unsaid),
            ALL => Ok(Self::AllEnabled),
            list => {
                let regions = list.split(',').map(|region| {
                    let region = region.trim();
                    check_region(REGIONS, region).map(|()| region.to_string())
                });
                regions.collect::<ProviderResult<_>>().map(Self::These)
            }
        }
    }
}

/// The service and region that a call is signed for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scope {
    pub(super) service: &'static str,
    pub(super) region: String,
}

/// A region, and its services' endpoints.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(super) region: String,
    ec2: String,
    ssm: String,
}

impl Place {
    pub(super) fn ec2(&self, operation: Operation, class: Class, query: &Query) -> Call<'_> {
        self.call(operation, class, "ec2", &self.ec2).body(FORM, query.body())
    }

    pub(super) fn ssm(&self, operation: Operation) -> Call<'_> {
        self.call(operation, Class::Safe, "ssm", &self.ssm)
    }

    fn call<'a>(
        &self,
        operation: Operation,
        class: Class,
        service: &'static str,
        base: &'a str,
    ) -> Call<'a> {
        let scope = Scope { service, region: self.region.clone() };
        Call::new(operation, class, Method::POST, "/").base(base).note(scope)
    }
}

/// The regions of a provider: its own, the configured ones, and those that hold resources.
#[derive(Debug)]
pub(super) struct Places {
    home: Option<String>,
    ec2: Option<Endpoint>,
    ssm: Option<Endpoint>,
    /// The file of certificate authorities that the profile names.
    pub(super) ca_file: Option<PathBuf>,
    pub(super) used: Used,
    pub(super) whereabouts: Whereabouts,
}

impl Places {
    pub(super) fn new(config: &ProviderConfig, env: &impl Env) -> ProviderResult<Self> {
        let ec2 = config.endpoint.as_deref().map(Endpoint::parse).transpose()?;
        let ssm =
            config.options.get("ssm_endpoint").map(|text| Endpoint::parse(text)).transpose()?;
        let given = config.region.clone().filter(|region| !region.is_empty());
        let variable = || {
            VARIABLES
                .iter()
                .filter_map(|name| env.var(name))
                .find(|region| !region.trim().is_empty())
        };
        let stated = given.or_else(variable);
        let var = |name: &str| env.var(name);
        let profiles = match (&ec2, &stated) {
            (Some(_), Some(_)) => Profiles::default(),
            _ => Profiles::of(
                config.options.get("profile").map(String::as_str),
                var,
                env.home_dir(),
            )?,
        };
        let of_service = |service: &str| {
            profiles.endpoint_or_variable(service, var)?.as_deref().map(Endpoint::parse).transpose()
        };
        let (ssm, ec2) = match ec2 {
            Some(_) => (ssm, ec2),
            None => {
                (ssm.map_or_else(|| of_service("ssm"), |ssm| Ok(Some(ssm)))?, of_service("ec2")?)
            }
        };
        let home = stated
            .or_else(|| profiles.region())
            .or_else(|| ec2.as_ref().map(|_| DEFAULT.to_string()));
        let home = home.map(|region| region.trim().to_string());
        home.as_deref().map_or(Ok(()), |region| check_region("region", region))?;
        let ssm = ssm.or_else(|| config.endpoint.as_ref().and(ec2.clone()));
        let ca_file = profiles.setting("ca_bundle").map(PathBuf::from);
        Ok(Self {
            home,
            ssm,
            ec2,
            ca_file,
            used: Used::of(config)?,
            whereabouts: Whereabouts::default(),
        })
    }

    /// Returns the region in which credentials are requested.
    pub(super) fn credentials(&self) -> &str {
        self.home.as_deref().unwrap_or(DEFAULT)
    }

    /// Returns an endpoint that stands for all: https, unless one on loopback was given.
    pub(super) fn endpoint(&self) -> ProviderResult<Endpoint> {
        self.ec2.clone().map_or_else(|| Endpoint::parse(&host("ec2", DEFAULT)), Ok)
    }

    /// Returns the place of a region; the provider's own if none is named.
    pub(super) fn at(&self, region: &str) -> ProviderResult<Place> {
        let region = match (region, &self.home) {
            ("", Some(home)) => home,
            ("", None) => {
                let ways = VARIABLES.join(" or ");
                let message =
                    format!("not given: pass it, or set {ways}, or give the profile a region");
                return Err(ProviderError::invalid_config("region", message));
            }
            (named, _) => named,
        };
        check_region("region", region)?;
        let base = |own: &Option<Endpoint>, service| {
            own.as_ref().map_or_else(|| host(service, region), Endpoint::to_string)
        };
        Ok(Place {
            region: region.to_string(),
            ec2: base(&self.ec2, "ec2"),
            ssm: base(&self.ssm, "ssm"),
        })
    }

    /// Returns the place where a resource was made or seen, or the provider's own region.
    pub(super) fn of(&self, id: &str) -> ProviderResult<Place> {
        self.at(self.whereabouts.of(id).as_deref().unwrap_or_default())
    }

    /// Returns the place that a random key carries.
    pub(super) fn of_key(&self, key: &str) -> Option<Place> {
        create::place_of_key(key).and_then(|region| self.at(region).ok())
    }

    /// Returns the places to search first for a key; the only one if the key carries its place.
    pub(super) fn sought(&self, key: &str) -> ProviderResult<Vec<Place>> {
        self.of_key(key).map_or_else(|| self.all(), |place| Ok(vec![place]))
    }

    /// Returns all known places, the provider's own first.
    pub(super) fn all(&self) -> ProviderResult<Vec<Place>> {
        let said: &[String] = if let Used::These(said) = &self.used { said } else { &[] };
        let mut regions = Vec::new();
        for region in self.home.iter().chain(said).cloned().chain(self.whereabouts.regions()) {
            if !regions.contains(&region) {
                regions.push(region);
            }
        }
        if regions.is_empty() {
            return self.at("").map(|place| vec![place]);
        }
        regions.iter().map(|region| self.at(region)).collect()
    }
}

pub(super) fn host(service: &str, region: &str) -> String {
    let domain = DOMAINS
        .iter()
        .find(|(start, _)| region.starts_with(start))
        .map_or("", |(_, domain)| domain);
    format!("https://{service}.{region}.{domain}")
}

/// Checks a region: it becomes part of a host name that requests are signed for and sent to.
fn check_region(field: &str, region: &str) -> ProviderResult<()> {
    validate::slug(field, region)?;
    let part = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    let mut parts = region.split('-');
    let number = parts
        .next_back()
        .is_some_and(|last| !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit()));
    if number && parts.clone().count() >= 2 && parts.all(part) {
        return Ok(());
    }
    let message = format!(
        "{region:?} is not a region; use one such as us-east-1 (a zone ends with a letter)"
    );
    Err(ProviderError::invalid_config(field, message))
}

#[cfg(test)]
mod tests {
    use reqsign_core::StaticEnv;

    use super::*;

    fn env(pairs: &[(&str, &str)]) -> StaticEnv {
        let envs =
            pairs.iter().map(|(name, value)| ((*name).to_string(), (*value).to_string())).collect();
        StaticEnv { home_dir: None, envs }
    }

    #[test]
    fn the_endpoint_of_the_profile_is_taken() {
        let home = std::env::temp_dir().join(format!("spuff-place-{:016x}", fastrand::u64(..)));
        std::fs::create_dir_all(&home).unwrap();
        let file = home.join("config");
        let config = "[default]\nregion = eu-west-3\nendpoint_url = http://127.0.0.1:1\nservices = \
         s\n[services s]\nec2 =\n endpoint_url = http://127.0.0.1:2\n";
        std::fs::write(&file, config).unwrap();
        let file = file.display().to_string();
        let of = |config: ProviderConfig, pairs: &[(&str, &str)]| {
            let env = env(&[&[("AWS_CONFIG_FILE", file.as_str())], pairs].concat());
            let place = Places::new(&config, &env).and_then(|places| places.at("")).unwrap();
            (place.ec2, place.ssm)
        };
        let local = |ec2: &str, ssm: &str| {
            (format!("http://127.0.0.1:{ec2}"), format!("http://127.0.0.1:{ssm}"))
        };
        assert_eq!(of(ProviderConfig::default(), &[]), local("2", "1"));
        assert_eq!(
            of(ProviderConfig::default().with_endpoint("http://127.0.0.1:3"), &[]),
            local("3", "3"),
            "a given one stands for both"
        );
        let (own, all) = (
            ("AWS_ENDPOINT_URL_EC2", "http://127.0.0.1:4"),
            ("AWS_ENDPOINT_URL", "http://127.0.0.1:5"),
        );
        assert_eq!(
            of(ProviderConfig::default(), &[own, all]),
            local("4", "5"),
            "variables are before the profile"
        );
        assert_eq!(
            of(ProviderConfig::default(), &[own]),
            local("4", "1"),
            "that of EC2 is not that of SSM"
        );
        assert_eq!(
            of(ProviderConfig::default(), &[("AWS_ENDPOINT_URL_SSM", "http://127.0.0.1:6"), all]),
            local("5", "6")
        );
        assert_eq!(
            of(ProviderConfig::default().with_endpoint("http://127.0.0.1:3"), &[own, all]),
            local("3", "3")
        );
        let aws = |service: &str| format!("https://{service}.eu-west-3.amazonaws.com");
        let ignored = [own, all, ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")];
        assert_eq!(
            of(ProviderConfig::default(), &ignored),
            (aws("ec2"), aws("ssm")),
            "neither variables nor the profile"
        );
        assert_eq!(
            of(ProviderConfig::default().with_endpoint("http://127.0.0.1:3"), &ignored),
            local("3", "3")
        );
        std::fs::write(&file, "[default]\nregion = eu-west-3\nca_bundle = /etc/corp.pem\n")
            .unwrap();
        let env = env(&[("AWS_CONFIG_FILE", file.as_str())]);
        let read = Places::new(&ProviderConfig::default(), &env).unwrap();
        assert_eq!(read.ca_file, Some(PathBuf::from("/etc/corp.pem")));
        std::fs::write(&file, "[default]\nregion = eu-west-3\nendpoint_url = http://example.com\n")
            .unwrap();
        assert!(
            Places::new(&ProviderConfig::default(), &env)
                .unwrap_err()
                .to_string()
                .contains("plain http")
        );
        std::fs::remove_dir_all(home).unwrap();
    }

    #[test]
    fn the_region_comes_from_the_nearest_source() {
        let region = |config: ProviderConfig, pairs: &[(&str, &str)]| {
            Places::new(&config, &env(pairs)).unwrap().home
        };
        let both = [("AWS_REGION", "eu-west-1"), ("AWS_DEFAULT_REGION", "eu-west-2")];
        let given = ProviderConfig::default().with_region("us-gov-west-1");
        assert_eq!(region(given, &both).as_deref(), Some("us-gov-west-1"));
        assert_eq!(region(ProviderConfig::default(), &both).as_deref(), Some("eu-west-1"));
        assert_eq!(
            region(ProviderConfig::default().with_region(""), &both[1..]).as_deref(),
            Some("eu-west-2")
        );
        let own = || ProviderConfig::default().with_endpoint("http://127.0.0.1:5000");
        assert_eq!(region(own(), &[]).as_deref(), Some("us-east-1"));
        assert_eq!(region(own(), &both).as_deref(), Some("eu-west-1"));
        assert_eq!(region(ProviderConfig::default(), &[]), None);
    }

    #[test]
    fn hosts_belong_to_the_region() {
        let places =
            Places::new(&ProviderConfig::default().with_region("eu-central-1"), &env(&[])).unwrap();
        let hosts = |region: &str| places.at(region).map(|place| (place.ec2, place.ssm)).unwrap();
        let expected = |ec2: &str, ssm: &str| (ec2.to_string(), ssm.to_string());
        assert_eq!(
            hosts(""),
            expected(
                "https://ec2.eu-central-1.amazonaws.com",
                "https://ssm.eu-central-1.amazonaws.com"
            )
        );
        assert_eq!(
            hosts("cn-north-1"),
            expected(
                "https://ec2.cn-north-1.amazonaws.com.cn",
                "https://ssm.cn-north-1.amazonaws.com.cn"
            )
        );
        assert!(hosts("us-gov-west-1").0.ends_with(".amazonaws.com"));
        assert!(hosts("us-iso-east-1").0.ends_with(".c2s.ic.gov"));
        assert!(hosts("us-isof-south-1").0.ends_with(".csp.hci.ic.gov"));
        assert!(hosts("eu-isoe-west-1").0.ends_with(".cloud.adc-e.uk"));

        let own = ProviderConfig::default().with_endpoint("http://127.0.0.1:5000/");
        let places = Places::new(&own, &env(&[])).unwrap();
        let place = places.at("ap-south-1").unwrap();
        assert_eq!(
            (place.ec2.as_str(), place.ssm.as_str()),
            ("http://127.0.0.1:5000", "http://127.0.0.1:5000")
        );
        let own = own.with_option("ssm_endpoint", "http://127.0.0.1:5001");
        assert_eq!(
            Places::new(&own, &env(&[])).unwrap().at("").unwrap().ssm,
            "http://127.0.0.1:5001"
        );
    }

    #[test]
    fn what_is_no_region_is_refused() {
        for region in [
            "us-east-1a",
            "us-east",
            "useast1",
            "US-EAST-1",
            "us-east-1.evil.example",
            "-1",
            "a--1",
            "us east 1",
        ] {
            let error = check_region("region", region).unwrap_err();
            assert!(
                matches!(&error, ProviderError::InvalidConfig { field, .. } if field == "region"),
                "{region}"
            );
        }
        for region in
            ["us-east-1", "ap-southeast-4", "us-gov-west-1", "eusc-de-east-1", "mx-central-1"]
        {
            assert!(check_region("region", region).is_ok(), "{region}");
        }
        let nowhere = Places::new(&ProviderConfig::default(), &env(&[])).unwrap();
        let error = nowhere.at("").unwrap_err().to_string();
        assert!(error.contains("AWS_REGION") && error.contains("AWS_DEFAULT_REGION"), "{error}");
        assert!(nowhere.all().is_err() && nowhere.of("i-1").is_err());
    }

    #[test]
    fn what_was_made_elsewhere_is_found_there() {
        let places =
            Places::new(&ProviderConfig::default().with_region("eu-central-1"), &env(&[])).unwrap();
        let there = places.at("us-west-2").unwrap();
        places.whereabouts.note("i-1", "us-west-2");
        assert_eq!(
            (places.of("i-1").unwrap(), places.of("i-2").unwrap().region.as_str()),
            (there, "eu-central-1")
        );
        let regions: Vec<_> = places.all().unwrap().into_iter().map(|place| place.region).collect();
        assert_eq!(regions, ["eu-central-1", "us-west-2"]);
        let key = format!("{}@ap-south-1/3", "0".repeat(32));
        assert_eq!(places.of_key(&key).unwrap().region, "ap-south-1");
        assert_eq!(places.of_key(&key.replace("ap-south-1", "evil.example")), None);
    }

    #[test]
    fn the_regions_that_are_used_can_be_said() {
        let places = |text: &str| {
            let config =
                ProviderConfig::default().with_region("eu-central-1").with_option(REGIONS, text);
            Places::new(&config, &env(&[]))
        };
        let regions = |text: &str| -> Vec<_> {
            places(text).unwrap().all().unwrap().into_iter().map(|place| place.region).collect()
        };
        assert_eq!(regions(""), ["eu-central-1"]);
        assert_eq!(
            regions(" us-west-2,eu-central-1 , ap-south-1"),
            ["eu-central-1", "us-west-2", "ap-south-1"]
        );
        assert_eq!(places("all").unwrap().used, Used::AllEnabled);
        for text in ["us-west-2,", "everywhere", "us-west-2 ap-south-1", "all,us-west-2"] {
            let error = places(text).unwrap_err();
            assert!(
                matches!(&error, ProviderError::InvalidConfig { field, .. } if field == REGIONS),
                "{text}: {error}"
            );
        }
    }
}
