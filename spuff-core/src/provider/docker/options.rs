//! What all machines of a provider have in common and no cloud knows: mounts, ports and environment.

use std::collections::HashMap;

use bollard::models::{HostConfig, PortBinding};

use crate::provider::check;
use crate::provider::config::ProviderConfig;
use crate::provider::error::{ProviderError, ProviderResult};
use crate::provider::registry::OptionDescription;

/// The options of a provider, for each of its machines.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Options {
    mounts: Vec<String>,
    /// By the port inside, with its protocol.
    ports: HashMap<String, Vec<PortBinding>>,
    pub(super) environment: Vec<String>,
}

impl Options {
    const MOUNTS: &'static str = "mounts";
    const PORTS: &'static str = "ports";
    const ENVIRONMENT: &'static str = "environment";

    pub(super) fn new(config: &ProviderConfig) -> ProviderResult<Self> {
        check::known_options(config, &[&[Self::MOUNTS, Self::PORTS, Self::ENVIRONMENT]])?;
        let given = |name: &str| entries(config.options.get(name).map_or("", String::as_str));
        let mut ports: HashMap<String, Vec<PortBinding>> = HashMap::new();
        for entry in given(Self::PORTS) {
            let (inside, binding) = port(entry)?;
            ports.entry(inside).or_default().push(binding);
        }
        Ok(Self {
            mounts: given(Self::MOUNTS).map(mount).collect::<ProviderResult<_>>()?,
            ports,
            environment: given(Self::ENVIRONMENT).map(variable).collect::<ProviderResult<_>>()?,
        })
    }

    /// The values of the environment.
    pub(super) fn secrets(&self) -> Vec<String> {
        self.environment.iter().filter_map(|variable| Some(variable.split_once('=')?.1.to_string())).collect()
    }

    /// Writes mounts and ports into a container's configuration.
    pub(super) fn apply(&self, host: &mut HostConfig) {
        host.binds = Some(self.mounts.clone()).filter(|mounts| !mounts.is_empty());
        let bindings = self.ports.iter().map(|(inside, bindings)| (inside.clone(), Some(bindings.clone())));
        host.port_bindings = Some(bindings.collect()).filter(|ports: &HashMap<_, _>| !ports.is_empty());
    }

    /// The ports inside.
    pub(super) fn exposed(&self) -> Option<Vec<String>> {
        Some(self.ports.keys().cloned().collect()).filter(|ports: &Vec<_>| !ports.is_empty())
    }

    pub(super) fn describe() -> [OptionDescription; 3] {
        let mounts = "Folders of the engine's computer and named volumes, as SOURCE:TARGET or SOURCE:TARGET:ro, an entry a line or \
                      separated by commas";
        let ports = "Ports to be reached from outside, as PORT:INSIDE, ADDRESS:PORT:INSIDE, or INSIDE alone for any free port; with \
                     /udp behind it for that. Entries as in mounts";
        let environment = "Variables of the machine's environment, as NAME=VALUE. Entries as in mounts";
        [
            OptionDescription::new(Self::MOUNTS, mounts),
            OptionDescription::new(Self::PORTS, ports),
            OptionDescription::new(Self::ENVIRONMENT, environment),
        ]
    }
}

/// Entries stand on lines; in a text of one line they are separated by commas.
fn entries(text: &str) -> impl Iterator<Item = &str> {
    let between = if text.contains('\n') { '\n' } else { ',' };
    text.split(between).map(str::trim).filter(|entry| !entry.is_empty())
}

fn mount(entry: &str) -> ProviderResult<String> {
    let invalid = |why: &str| ProviderError::invalid_config(Options::MOUNTS, format!("{entry:?}: {why}"));
    let mut parts = entry.splitn(3, ':');
    let (source, target, mode) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
    let Some(target) = target.filter(|target| target.starts_with('/')) else {
        return Err(invalid("give SOURCE:TARGET, with an absolute path inside the machine"));
    };
    if source.is_empty() || (source.contains('/') && !source.starts_with('/')) {
        return Err(invalid("give an absolute path, or the name of a volume, as its source"));
    }
    if target == "/" {
        return Err(invalid("the root of a machine is its own"));
    }
    match mode {
        None | Some("ro" | "rw" | "z" | "Z" | "ro,z" | "ro,Z" | "rw,z" | "rw,Z") => Ok(entry.to_string()),
        Some(_) => Err(invalid("behind the target stands nothing, ro, or rw")),
    }
}

fn port(entry: &str) -> ProviderResult<(String, PortBinding)> {
    let invalid = || {
        let message = format!(
            "{entry:?}: give PORT:INSIDE, ADDRESS:PORT:INSIDE or INSIDE, with ports of 1 to 65535, and /udp where it is that"
        );
        ProviderError::invalid_config(Options::PORTS, message)
    };
    let (ports, protocol) = entry.split_once('/').unwrap_or((entry, "tcp"));
    let number = |text: &str| text.parse::<u16>().ok().filter(|port| *port > 0).ok_or_else(invalid);
    let (outside, inside) = ports.rsplit_once(':').map_or((None, ports), |(outside, inside)| (Some(outside), inside));
    let (address, outside) = match outside {
        None => (None, None),
        Some(outside) => match outside.rsplit_once(':') {
            Some((address, port)) => (Some(address.trim_matches(['[', ']'])), Some(number(port)?)),
            None => (None, Some(number(outside)?)),
        },
    };
    if !matches!(protocol, "tcp" | "udp" | "sctp") || address.is_some_and(|address| address.parse::<std::net::IpAddr>().is_err())
    {
        return Err(invalid());
    }
    let binding = PortBinding {
        host_ip: address.map(str::to_string),
        host_port: Some(outside.map(|port| port.to_string()).unwrap_or_default()),
    };
    Ok((format!("{}/{protocol}", number(inside)?), binding))
}

fn variable(entry: &str) -> ProviderResult<String> {
    match entry.split_once('=') {
        Some((name, value)) if !name.is_empty() && !name.contains(char::is_whitespace) && !value.contains('\0') => {
            Ok(entry.to_string())
        }
        // The value may be a secret.
        _ => Err(ProviderError::invalid_config(Options::ENVIRONMENT, "an entry is not NAME=VALUE")),
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
        assert_eq!(options("environment", "A=1,2\nB=x=y\n").unwrap().environment, ["A=1,2", "B=x=y"]);
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
            ("mounts", "/src:/app:readonly"),
            ("ports", "0"),
            ("ports", "70000:80"),
            ("ports", "80/icmp"),
            ("ports", "localhost:80:80"),
            ("environment", "NAME"),
            ("environment", "=x"),
            ("volume", "x"),
        ] {
            let error = options(name, value).unwrap_err();
            assert!(matches!(&error, ProviderError::InvalidConfig { field, .. } if field == name), "{name}={value}: {error}");
        }
        assert!(!options("environment", "secret value").unwrap_err().to_string().contains("secret value"));
    }
}
