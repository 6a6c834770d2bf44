//! The AWS configuration files: their profiles and settings, read as botocore reads them.

#[cfg(feature = "fuzzing")]
pub(super) mod fuzzing;
mod ini;
mod words;

use std::collections::HashMap;
use std::path::PathBuf;

use self::ini::Section;
#[cfg(windows)]
pub(super) use self::words::windows_words as command_words;
#[cfg(not(windows))]
pub(super) use self::words::words as command_words;
use crate::provider::error::{ProviderError, ProviderResult};

const FILES: [(&str, &str); 2] =
    [("AWS_CONFIG_FILE", "~/.aws/config"), ("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials")];
const DEFAULT: &str = "default";
/// In the order of botocore and the AWS CLI.
const CHOICE: [&str; 2] = ["AWS_DEFAULT_PROFILE", "AWS_PROFILE"];
const IGNORE_ENDPOINTS: &str = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS";

/// The settings of one profile, or of another section.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settings<'a>(&'a Section);

impl<'a> Settings<'a> {
    /// Returns a value as written, which may be empty.
    pub(super) fn stated(self, key: &str) -> Option<&'a str> {
        self.0.get(key).map(String::as_str)
    }

    /// Returns a value that is not empty.
    pub(super) fn get(self, key: &str) -> Option<&'a str> {
        self.stated(key).filter(|value| !value.is_empty())
    }

    pub(super) fn iter(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }
}

/// The content of both files.
#[derive(Debug, Default)]
pub(super) struct Profiles {
    /// Merged from both files: the credentials file takes precedence.
    profiles: HashMap<String, Section>,
    config: HashMap<String, Section>,
    credentials: HashMap<String, Section>,
    sessions: HashMap<String, Section>,
    services: HashMap<String, Section>,
    /// The profile that the configuration or the environment names.
    chosen: Option<String>,
}

impl Profiles {
    /// Reads the files, which are small, and the chosen profile: the given one, or the
    /// environment's. A missing file has no profiles.
    ///
    /// # Errors
    /// [`ProviderError::InvalidConfig`] for a file that Python's `configparser` refuses: half of it
    /// could select another account.
    pub(super) fn of(
        given: Option<&str>,
        var: impl Fn(&str) -> Option<String>,
        home: Option<PathBuf>,
    ) -> ProviderResult<Self> {
        let set = |name: &str| var(name).filter(|value| !value.is_empty());
        let text = |(variable, usual): (&str, &str)| {
            let path = set(variable).unwrap_or_else(|| usual.to_string());
            let path = resolved(&path, &var, &home);
            let bytes = std::fs::read(&path).unwrap_or_default();
            let refused = |what: String| {
                ProviderError::invalid_config(
                    "profile",
                    format!("{} cannot be read: {what}", path.display()),
                )
            };
            let text =
                String::from_utf8(bytes).map_err(|_| refused("it is not UTF-8".to_string()))?;
            if text.starts_with('\u{feff}') {
                return Err(refused(
                    "it begins with a byte order mark; save it as UTF-8 without one".to_string(),
                ));
            }
            ini::parse(&text).map_err(refused)
        };
        let [config, credentials] = FILES.map(text);
        let chosen = given
            .filter(|name| !name.is_empty())
            .map(str::to_string)
            .or_else(|| CHOICE.iter().find_map(|name| set(name)));
        Ok(Self { chosen, ..Self::merged(config?, credentials?) })
    }

    fn merged(config: Vec<(String, Section)>, credentials: Vec<(String, Section)>) -> Self {
        let mut read = Self { credentials: credentials.into_iter().collect(), ..Self::default() };
        for (title, section) in config {
            let of_kind = |kind: &str| title.starts_with(kind);
            let place = match () {
                () if of_kind("profile") => &mut read.config,
                () if of_kind("sso-session") => &mut read.sessions,
                () if of_kind("services") => &mut read.services,
                () if title == DEFAULT => {
                    read.config.insert(title, section);
                    continue;
                }
                () => continue,
            };
            if let Some([_, name]) = words::words(&title).as_deref() {
                place.insert(name.clone(), section);
            }
        }
        read.profiles = read.config.clone();
        for (name, section) in &read.credentials {
            read.profiles.entry(name.clone()).or_default().extend(section.clone());
        }
        read
    }

    /// Returns the name of the active profile.
    pub(super) fn name(&self) -> &str {
        self.chosen.as_deref().unwrap_or(DEFAULT)
    }

    /// Whether a profile was named that does not exist.
    pub(super) fn is_missing(&self) -> bool {
        self.chosen.as_ref().is_some_and(|name| !self.profiles.contains_key(name))
    }

    /// Whether a profile other than the default was named.
    pub(super) fn is_chosen(&self) -> bool {
        self.chosen.as_deref().is_some_and(|name| name != DEFAULT)
    }

    pub(super) fn profile(&self, name: &str) -> Option<Settings<'_>> {
        self.profiles.get(name).map(Settings)
    }

    /// Returns a profile's settings from the credentials file alone.
    pub(super) fn in_credentials(&self, name: &str) -> Option<Settings<'_>> {
        self.credentials.get(name).map(Settings)
    }

    /// Returns a profile's settings from the config file alone.
    pub(super) fn in_config(&self, name: &str) -> Option<Settings<'_>> {
        self.config.get(name).map(Settings)
    }

    pub(super) fn session(&self, name: &str) -> Option<Settings<'_>> {
        self.sessions.get(name).map(Settings)
    }

    /// Returns a setting of the active profile.
    pub(super) fn setting(&self, key: &str) -> Option<&str> {
        self.profile(self.name())?.get(key)
    }

    pub(super) fn region(&self) -> Option<String> {
        self.setting("region").map(str::to_string)
    }

    /// Returns the profile's endpoint for a service; `service` as botocore writes it, such as
    /// `sso_oidc`.
    ///
    /// # Errors
    /// [`ProviderError::InvalidConfig`] when the profile names a missing `services` section.
    fn endpoint(
        &self,
        service: &str,
        var: impl Fn(&str) -> Option<String>,
    ) -> ProviderResult<Option<String>> {
        if self.ignores_endpoints(var) {
            return Ok(None);
        }
        let of_service = match self.setting("services") {
            Some(name) => {
                let section =
                    self.services.get(name).filter(|section| !section.is_empty()).ok_or_else(
                        || {
                            let message = format!(
                                "the AWS profile {:?} names the services section {name:?}, which \
                                 does not exist",
                                self.name()
                            );
                            ProviderError::invalid_config("endpoint", message)
                        },
                    )?;
                let settings = section.get(service).and_then(|value| ini::nested(value));
                settings
                    .and_then(|mut settings| settings.remove("endpoint_url"))
                    .filter(|url| !url.is_empty())
            }
            None => None,
        };
        Ok(of_service.or_else(|| self.setting("endpoint_url").map(str::to_string)))
    }

    /// As [`endpoint`](Self::endpoint), but the environment takes precedence over the profile.
    pub(super) fn endpoint_or_variable(
        &self,
        service: &str,
        var: impl Fn(&str) -> Option<String>,
    ) -> ProviderResult<Option<String>> {
        let names = [
            format!("AWS_ENDPOINT_URL_{}", service.to_uppercase()),
            "AWS_ENDPOINT_URL".to_string(),
        ];
        let stated = names.iter().find_map(|name| var(name).filter(|url| !url.is_empty()));
        match stated.filter(|_| !self.ignores_endpoints(&var)) {
            Some(url) => Ok(Some(url)),
            None => self.endpoint(service, var),
        }
    }

    fn ignores_endpoints(&self, var: impl Fn(&str) -> Option<String>) -> bool {
        let stated = var(IGNORE_ENDPOINTS).filter(|value| !value.is_empty());
        let stated =
            stated.or_else(|| self.setting("ignore_configured_endpoint_urls").map(str::to_string));
        stated.is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }
}

/// Expands `~` and the variables `$NAME` and `${NAME}` in a path; unset variables stay.
fn resolved(path: &str, var: impl Fn(&str) -> Option<String>, home: &Option<PathBuf>) -> PathBuf {
    let mut whole = String::new();
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('$') {
        whole.push_str(before);
        let (name, end) = match after.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
            Some((name, end)) => (name, end),
            None => after.split_at(
                after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len()),
            ),
        };
        match var(name).filter(|_| !name.is_empty()) {
            Some(value) => whole.push_str(&value),
            None => whole.push_str(&rest[before.len()..rest.len() - end.len()]),
        }
        rest = end;
    }
    whole.push_str(rest);
    match (whole.strip_prefix('~'), home) {
        (Some(rest), Some(home)) if rest.is_empty() || rest.starts_with('/') => {
            home.join(rest.trim_start_matches('/'))
        }
        _ => PathBuf::from(whole),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(config: &str, credentials: &str) -> Profiles {
        Profiles::merged(ini::parse(config).unwrap(), ini::parse(credentials).unwrap())
    }

    #[test]
    fn files_are_read_as_aws_reads_them() {
        let config = "# comment\n[default]\nregion = us-east-1\ns3 =\n  region = nested\n\
            [profile \"my work\"]\n  REGION=eu-west-1\n  role_arn = \
         arn:aws:iam::1:role/a;b\n[other]\nregion = x\n\
            [sso-session corp]\nsso_region = eu-west-2\n";
        let credentials = "[default]\n\taws_access_key_id = A\n\taws_secret_access_key = \
         a/b+c=\n[my work]\nregion = eu-west-3\n";
        let read = read(config, credentials);
        let get = |profile: &str, key: &str| read.profile(profile)?.get(key);
        assert_eq!(get("default", "region"), Some("us-east-1"));
        assert_eq!(get("default", "aws_secret_access_key"), Some("a/b+c="));
        assert_eq!(get("my work", "role_arn"), Some("arn:aws:iam::1:role/a;b"));
        assert_eq!(get("my work", "region"), Some("eu-west-3"));
        assert_eq!(get("other", "region"), None);
        assert_eq!(
            read.session("corp").and_then(|session| session.get("sso_region")),
            Some("eu-west-2")
        );
    }

    #[test]
    fn endpoints_come_from_the_nearest_place() {
        let config = "[default]\nendpoint_url = http://127.0.0.1:1\nservices = local\n[services \
         local]\nec2 =\n  endpoint_url = http://127.0.0.1:2\n";
        let read = read(config, "");
        let env = |pairs: &'static [(&str, &str)]| {
            move |name: &str| {
                pairs
                    .iter()
                    .find(|(known, _)| *known == name)
                    .map(|(_, value)| (*value).to_string())
            }
        };
        let of = |service: &str, pairs| read.endpoint_or_variable(service, env(pairs)).unwrap();
        assert_eq!(of("ec2", &[]).as_deref(), Some("http://127.0.0.1:2"));
        assert_eq!(of("sts", &[]).as_deref(), Some("http://127.0.0.1:1"));
        assert_eq!(
            of("sts", &[("AWS_ENDPOINT_URL", "http://127.0.0.1:3")]).as_deref(),
            Some("http://127.0.0.1:3")
        );
        assert_eq!(
            of("sso_oidc", &[("AWS_ENDPOINT_URL_SSO_OIDC", "a"), ("AWS_ENDPOINT_URL", "b")])
                .as_deref(),
            Some("a")
        );
        assert_eq!(
            of(
                "ec2",
                &[("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "True"), ("AWS_ENDPOINT_URL", "b")]
            ),
            None
        );
        let missing = self::read("[default]\nservices = absent\n", "");
        assert!(missing.endpoint("ec2", env(&[])).unwrap_err().to_string().contains("\"absent\""));
    }

    #[test]
    fn paths_hold_the_home_and_variables() {
        let var = |name: &str| (name == "DIR").then(|| "/x".to_string());
        let home = Some(PathBuf::from("/home/me"));
        for (path, expected) in [
            ("~/a", "/home/me/a"),
            ("$DIR/a", "/x/a"),
            ("${DIR}a", "/xa"),
            ("$NONE/a$", "$NONE/a$"),
            ("a~", "a~"),
            ("~you/a", "~you/a"),
        ] {
            assert_eq!(resolved(path, var, &home), PathBuf::from(expected), "{path}");
        }
    }
}
