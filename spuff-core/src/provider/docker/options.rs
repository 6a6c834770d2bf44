//! Options for all instances of a provider that clouds do not have: mounts, ports and environment.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;

use bollard::models::{HostConfig, PortBinding};

use super::engine::Engine;
use crate::provider::config::ProviderConfig;
use crate::provider::error::{ProviderError, ProviderResult};
use crate::provider::registry::OptionDescription;
use crate::provider::shared::validate;

/// The folder of an instance's uploaded files: an anonymous volume.
pub(super) const FOLDER: &str = "/.spuff";

/// The options of a provider, for each of its instances.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Options {
    mounts: Vec<String>,
    /// By the container's port, with its protocol.
    ports: HashMap<String, Vec<PortBinding>>,
    pub(super) environment: Vec<Variable>,
}

/// An environment variable.
#[derive(PartialEq)]
pub(super) struct Variable {
    pub(super) name: String,
    pub(super) value: String,
}

/// Hides the value, which may be a secret.
impl fmt::Debug for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Variable").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Options {
    const MOUNTS: &'static str = "mounts";
    const PORTS: &'static str = "ports";
    const ENVIRONMENT: &'static str = "environment";

    pub(super) fn new(config: &ProviderConfig) -> ProviderResult<Self> {
        validate::known_options(
            config,
            &[&[Self::MOUNTS, Self::PORTS, Self::ENVIRONMENT], &Engine::OPTIONS],
        )?;
        let given = |name: &str, follows| {
            entries(config.options.get(name).map_or("", String::as_str), follows)
        };
        let mut ports: HashMap<String, Vec<PortBinding>> = HashMap::new();
        for entry in given(Self::PORTS, |_| true) {
            let (inside, binding) = port(entry)?;
            ports.entry(inside).or_default().push(binding);
        }
        Ok(Self {
            mounts: given(Self::MOUNTS, is_mount)
                .into_iter()
                .map(mount)
                .collect::<ProviderResult<_>>()?,
            ports,
            environment: given(Self::ENVIRONMENT, |_| false)
                .into_iter()
                .map(variable)
                .collect::<ProviderResult<_>>()?,
        })
    }

    /// Returns the values of the environment, which may be secrets.
    pub(super) fn secrets(&self) -> Vec<String> {
        self.environment.iter().map(|variable| variable.value.clone()).collect()
    }

    /// Writes mounts and ports into a container's configuration.
    pub(super) fn apply(&self, host: &mut HostConfig) {
        host.binds = Some(self.mounts.clone()).filter(|mounts| !mounts.is_empty());
        let bindings =
            self.ports.iter().map(|(inside, bindings)| (inside.clone(), Some(bindings.clone())));
        host.port_bindings =
            Some(bindings.collect()).filter(|ports: &HashMap<_, _>| !ports.is_empty());
    }

    /// Returns the container's ports.
    pub(super) fn exposed(&self) -> Option<Vec<String>> {
        Some(self.ports.keys().cloned().collect()).filter(|ports: &Vec<_>| !ports.is_empty())
    }

    pub(super) fn describe() -> [OptionDescription; 3] {
        let mounts = "Folders of the engine's computer and named volumes, as SOURCE:TARGET or \
         SOURCE:TARGET:ro, one per line, or separated by commas in a single line";
        let ports = "Published ports, as PORT:INSIDE, ADDRESS:PORT:INSIDE, or INSIDE alone for \
         any free port; append /udp for UDP. Without ADDRESS on all interfaces of the engine's \
         computer; the label spuff-port-INSIDE/tcp shows where. Entries as in mounts";
        let environment = "Variables of the instance's environment, as NAME=VALUE, one per line; \
         a comma is a part of the value";
        [
            OptionDescription::new(Self::MOUNTS, mounts),
            OptionDescription::new(Self::PORTS, ports),
            OptionDescription::new(Self::ENVIRONMENT, environment),
        ]
    }
}

/// Splits entries by line. On a single line, also splits at commas between possible entries.
fn entries(text: &str, may_be_entry: fn(&str) -> bool) -> Vec<&str> {
    let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let [line] = lines[..] else { return lines };
    let mut entries = Vec::new();
    let mut start = 0;
    for (comma, _) in line.match_indices(',') {
        let next = &line[comma + 1..];
        if may_be_entry(&line[start..comma])
            && may_be_entry(next.split(',').next().unwrap_or_default().trim())
        {
            entries.push(&line[start..comma]);
            start = comma + 1;
        }
    }
    entries.push(&line[start..]);
    entries.into_iter().map(str::trim).filter(|entry| !entry.is_empty()).collect()
}

/// Whether a text, up to the next comma, may be a mount: folder names and modes contain commas too.
fn is_mount(text: &str) -> bool {
    text.is_empty() || text.contains(":/")
}

fn mount(entry: &str) -> ProviderResult<String> {
    let invalid =
        |why: &str| ProviderError::invalid_config(Options::MOUNTS, format!("{entry:?}: {why}"));
    let mut parts = entry.splitn(3, ':');
    let source = parts.next().unwrap_or_default();
    let target = parts.next();
    let mode = parts.next();
    let Some(target) = target.filter(|target| target.starts_with('/')) else {
        return Err(invalid("must be SOURCE:TARGET, with an absolute path inside the instance"));
    };
    if source.is_empty() || (source.contains('/') && !source.starts_with('/')) {
        return Err(invalid("the source must be an absolute path or the name of a volume"));
    }
    if target == "/" {
        return Err(invalid("the target must not be the instance's root"));
    }
    if Path::new(target).starts_with(FOLDER) {
        return Err(invalid("spuff uses that folder itself; choose another target"));
    }
    match mode {
        None | Some("ro" | "rw" | "z" | "Z" | "ro,z" | "ro,Z" | "rw,z" | "rw,Z") => {
            Ok(entry.to_string())
        }
        Some(_) => Err(invalid("only ro or rw may follow the target")),
    }
}

fn port(entry: &str) -> ProviderResult<(String, PortBinding)> {
    let invalid = || {
        let message = format!(
            "{entry:?}: must be PORT:INSIDE, ADDRESS:PORT:INSIDE or INSIDE, with ports of 1 to \
             65535, and /udp for UDP"
        );
        ProviderError::invalid_config(Options::PORTS, message)
    };
    let (ports, protocol) = entry.split_once('/').unwrap_or((entry, "tcp"));
    let number = |text: &str| text.parse::<u16>().ok().filter(|port| *port > 0).ok_or_else(invalid);
    let (outside, inside) =
        ports.rsplit_once(':').map_or((None, ports), |(outside, inside)| (Some(outside), inside));
    let (address, outside) = match outside {
        None => (None, None),
        Some(outside) => match outside.rsplit_once(':') {
            Some((address, port)) => (Some(address.trim_matches(['[', ']'])), Some(number(port)?)),
            None => (None, Some(number(outside)?)),
        },
    };
    if !matches!(protocol, "tcp" | "udp" | "sctp")
        || address.is_some_and(|address| address.parse::<std::net::IpAddr>().is_err())
    {
        return Err(invalid());
    }
    let binding = PortBinding {
        host_ip: address.map(str::to_string),
        host_port: Some(outside.map(|port| port.to_string()).unwrap_or_default()),
    };
    Ok((format!("{}/{protocol}", number(inside)?), binding))
}

fn variable(entry: &str) -> ProviderResult<Variable> {
    let is_name = |name: &str| {
        !name.starts_with(|first: char| first.is_ascii_digit())
            && !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    match entry.split_once('=') {
        Some((name, value)) if is_name(name) && !value.contains('\0') => {
            Ok(Variable { name: name.to_string(), value: value.to_string() })
        }
        // The value may be a secret, and the text before it part of another one.
        _ => {
            let message = "each entry must be NAME=VALUE on a line of its own, with a name of \
             letters, digits and _";
            Err(ProviderError::invalid_config(Options::ENVIRONMENT, message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(name: &str, value: &str) -> ProviderResult<Options> {
        Options::new(&ProviderConfig::default().with_option(name, value))
    }

    #[test]
    fn options_are_read() {
        let mounts = options("mounts", "/src:/app:ro, cache:/var/cache").unwrap().mounts;
        assert_eq!(mounts, ["/src:/app:ro", "cache:/var/cache"]);
        for (text, expected) in [
            ("A=1,2\nB=x=y\n", vec![("A", "1,2"), ("B", "x=y")]),
            // A URL: the text after a comma may look like an entry.
            ("URL=postgres://h/db?hosts=a,b=c", vec![("URL", "postgres://h/db?hosts=a,b=c")]),
            ("A=1\r\nB=2\r\n", vec![("A", "1"), ("B", "2")]),
        ] {
            let environment = options("environment", text).unwrap().environment;
            let read: Vec<_> = environment
                .iter()
                .map(|variable| (variable.name.as_str(), variable.value.as_str()))
                .collect();
            assert_eq!(read, expected);
        }
        for (text, expected) in [
            ("/a,b:/x,c:/y:ro,z,d:/w", vec!["/a,b:/x", "c:/y:ro,z", "d:/w"]),
            ("/src:/app:ro,", vec!["/src:/app:ro"]),
            ("/a,b:/x\n/c:/y", vec!["/a,b:/x", "/c:/y"]),
        ] {
            assert_eq!(options("mounts", text).unwrap().mounts, expected);
        }
        let ports = options("ports", "8080:80,[::1]:5353:53/udp,443").unwrap().ports;
        let bound = |inside: &str| {
            let PortBinding { host_ip, host_port } = ports[inside][0].clone();
            (host_ip, host_port.unwrap())
        };
        assert_eq!(bound("80/tcp"), (None, "8080".to_string()));
        assert_eq!(bound("53/udp"), (Some("::1".to_string()), "5353".to_string()));
        assert_eq!(bound("443/tcp"), (None, String::new()));
        assert_eq!(options("owner", "ci").unwrap(), Options::default());
    }

    #[test]
    fn what_cannot_be_is_told_with_its_option() {
        for (name, value) in [
            ("mounts", "/src"),
            ("mounts", "src/here:/app"),
            ("mounts", "/src:work"),
            ("mounts", "/src:/"),
            ("mounts", "/src:/.spuff/keys"),
            ("mounts", "/src:/app:readonly"),
            ("ports", "0"),
            ("ports", "70000:80"),
            ("ports", "80/icmp"),
            ("ports", "localhost:80:80"),
            ("environment", "NAME"),
            ("environment", "=x"),
            ("environment", "['STAGE=test']"),
            ("environment", "1A=x"),
            ("environment", "A-B=x"),
            ("volume", "x"),
        ] {
            let error = options(name, value).unwrap_err();
            assert!(
                matches!(&error, ProviderError::InvalidConfig { field, .. } if field == name),
                "{name}={value}: {error}"
            );
        }
        assert!(
            !options("environment", "secret value")
                .unwrap_err()
                .to_string()
                .contains("secret value")
        );
    }
}
