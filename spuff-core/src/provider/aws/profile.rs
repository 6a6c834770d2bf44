//! The AWS configuration files: profiles, and the credentials that they lead to.

use std::collections::HashMap;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use reqsign_aws_v4::{
    AssumeRoleCredentialProvider, AssumeRoleWithWebIdentityCredentialProvider, Credential, ECSCredentialProvider,
    IMDSv2CredentialProvider, RequestSigner, SSOCredentialProvider,
};
use reqsign_core::{Context, Error, ProvideCredential, Result, Signer};
use serde::Deserialize;

use super::credentials::{Keys, from_environment};

const FILES: [(&str, &str); 2] = [("AWS_CONFIG_FILE", "~/.aws/config"), ("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials")];
const DEFAULT: &str = "default";
const SESSION_NAME: &str = "spuff";
/// A `credential_process` may ask a person.
const PROCESS_PATIENCE: Duration = Duration::from_secs(60);

type Section = HashMap<String, String>;
type Found<'a> = Pin<Box<dyn Future<Output = Result<Option<Credential>>> + Send + 'a>>;

/// The profiles of both files, by name, and the `sso-session` sections.
#[derive(Debug, Default)]
pub(super) struct Profiles {
    profiles: HashMap<String, Section>,
    sessions: HashMap<String, Section>,
}

impl Profiles {
    /// Reads the files, which are small. One that is not there has no profiles.
    pub(super) fn of(var: impl Fn(&str) -> Option<String>, home: Option<PathBuf>) -> Self {
        let text = |(variable, usual): (&str, &str)| {
            let path = var(variable).filter(|path| !path.is_empty()).unwrap_or_else(|| usual.to_string());
            let path = match (path.strip_prefix("~/"), &home) {
                (Some(rest), Some(home)) => home.join(rest),
                _ => PathBuf::from(path),
            };
            std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
        };
        let [config, credentials] = FILES.map(text);
        Self::parse(&config, &credentials)
    }

    /// What the credentials file says wins.
    fn parse(config: &str, credentials: &str) -> Self {
        let mut read = Self::default();
        for (title, section) in sections(config) {
            let (kind, name) = title.split_once(char::is_whitespace).unwrap_or(("", &title));
            let name = name.trim().trim_matches(['"', '\'']).to_string();
            match kind {
                "sso-session" => read.sessions.entry(name).or_default().extend(section),
                "profile" => read.profiles.entry(name).or_default().extend(section),
                "" if name == DEFAULT => read.profiles.entry(name).or_default().extend(section),
                _ => {}
            }
        }
        for (name, section) in sections(credentials) {
            read.profiles.entry(name).or_default().extend(section);
        }
        read
    }

    /// The region of a profile; by default of the one in the environment.
    pub(super) fn region(&self, profile: Option<&str>, var: impl Fn(&str) -> Option<String>) -> Option<String> {
        let chosen = chosen(profile, var);
        self.profiles.get(chosen.as_deref().unwrap_or(DEFAULT))?.get("region").cloned()
    }
}

/// The profile that was chosen: in the configuration, or in the environment.
fn chosen(profile: Option<&str>, var: impl Fn(&str) -> Option<String>) -> Option<String> {
    profile.map(str::to_string).or_else(|| var("AWS_PROFILE")).filter(|name| !name.is_empty())
}

/// Sections in the order of the file. Lines that are indented belong to the line above, and are nothing spuff reads.
fn sections(text: &str) -> Vec<(String, Section)> {
    let mut sections: Vec<(String, Section)> = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with(['#', ';']) || line.starts_with([' ', '\t']) {
            continue;
        }
        if let Some((title, _)) = line.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            sections.push((title.trim().to_string(), Section::new()));
        } else if let (Some((_, section)), Some((key, value))) = (sections.last_mut(), line.split_once('=')) {
            let value = [" #", " ;", "\t#", "\t;"].iter().fold(value, |value, mark| value.split(mark).next().unwrap_or(value));
            section.insert(key.trim().to_ascii_lowercase(), value.trim().to_string());
        }
    }
    sections
}

/// The credentials of a profile, in the order of AWS's own tools: a role, SSO, keys, a process.
///
/// # Errors
/// When a profile that was chosen is not there or leads nowhere: another identity must not step in for it.
pub(super) async fn credential(ctx: &Context, profile: Option<&str>, region: &str) -> Result<Option<Credential>> {
    let chosen = chosen(profile, |name| ctx.env_var(name));
    let name = chosen.as_deref().unwrap_or(DEFAULT);
    let profiles = Profiles::of(|name| ctx.env_var(name), ctx.home_dir());
    let found = Lookup { ctx, profiles: &profiles, region }.profile(name, &mut Vec::new()).await?;
    match (found, &chosen) {
        (None, Some(name)) if profile.is_some() || name != DEFAULT => {
            Err(invalid(name, "is not in the AWS configuration files, or gives no credentials"))
        }
        (found, _) => Ok(found),
    }
}

fn invalid(profile: &str, what: &str) -> Error {
    Error::credential_invalid(format!("the AWS profile {profile:?} {what}"))
}

struct Lookup<'a> {
    ctx: &'a Context,
    profiles: &'a Profiles,
    region: &'a str,
}

impl<'a> Lookup<'a> {
    fn profile<'b>(&'b self, name: &'b str, seen: &'b mut Vec<String>) -> Found<'b> {
        Box::pin(async move {
            let Some(profile) = self.profiles.profiles.get(name) else { return Ok(None) };
            // A profile may be its own source: the role by its own keys.
            let again = seen.iter().any(|known| known == name);
            if let Some(role) = profile.get("role_arn").filter(|_| !again) {
                seen.push(name.to_string());
                return self.role(name, profile, role, seen).await.map(Some);
            }
            if let Some(keys) = Keys::of_profile(profile) {
                return keys.provide_credential(self.ctx).await;
            }
            if again {
                return Err(invalid(name, "is the source of itself"));
            }
            if profile.contains_key("sso_account_id") {
                return self.sso(name, profile).await;
            }
            match profile.get("credential_process") {
                Some(command) => process(self.ctx, name, command).await.map(Some),
                None => Ok(None),
            }
        })
    }

    async fn role(&self, name: &str, profile: &Section, role: &str, seen: &mut Vec<String>) -> Result<Credential> {
        let region = profile.get("region").map_or(self.region, String::as_str).to_string();
        let session = profile.get("role_session_name").map_or(SESSION_NAME, String::as_str).to_string();
        if let Some(file) = profile.get("web_identity_token_file") {
            let provider = AssumeRoleWithWebIdentityCredentialProvider::with_config(role.to_string(), file.into());
            let provider = provider.with_region(region).with_regional_sts_endpoint().with_role_session_name(session);
            return provided(name, provider.provide_credential(self.ctx).await?);
        }
        if profile.contains_key("mfa_serial") {
            return Err(invalid(name, "needs a code of an MFA device, which spuff cannot ask for; use `aws sts assume-role`"));
        }
        let source = match (profile.get("source_profile"), profile.get("credential_source").map(String::as_str)) {
            (Some(source), _) => self.profile(source, seen).await?,
            (None, Some("Environment")) => from_environment(self.ctx)?,
            (None, Some("Ec2InstanceMetadata")) => IMDSv2CredentialProvider::new().provide_credential(self.ctx).await?,
            (None, Some("EcsContainer")) => ECSCredentialProvider::new().provide_credential(self.ctx).await?,
            _ => return Err(invalid(name, "has a role_arn, but neither source_profile nor a known credential_source")),
        };
        let source = source.ok_or_else(|| invalid(name, "has a role_arn, but its source gives no credentials"))?;
        let signer = Signer::new(self.ctx.clone(), Keys::new(&source), RequestSigner::new("sts", &region));
        let mut provider = AssumeRoleCredentialProvider::new(role.to_string(), signer)
            .with_region(region)
            .with_regional_sts_endpoint()
            .with_role_session_name(session);
        if let Some(id) = profile.get("external_id") {
            provider = provider.with_external_id(id.clone());
        }
        if let Some(seconds) = profile.get("duration_seconds").and_then(|seconds| seconds.parse().ok()) {
            provider = provider.with_duration_seconds(seconds);
        }
        provided(name, provider.provide_credential(self.ctx).await?)
    }

    async fn sso(&self, name: &str, profile: &Section) -> Result<Option<Credential>> {
        let session = profile.get("sso_session");
        let shared = match session {
            Some(session) => {
                self.profiles.sessions.get(session).ok_or_else(|| invalid(name, "names an sso-session that is not there"))?
            }
            None => profile,
        };
        let get = |section: &Section, key: &str| {
            section.get(key).cloned().ok_or_else(|| invalid(name, &format!("has no {key} for its SSO sign-in")))
        };
        // The cached token is filed under the session's name; reqsign files it under the start URL it is given.
        let cached_as = match session {
            Some(session) => session.clone(),
            None => get(shared, "sso_start_url")?,
        };
        let provider = SSOCredentialProvider::new()
            .with_account_id(get(profile, "sso_account_id")?)
            .with_role_name(get(profile, "sso_role_name")?)
            .with_region(get(shared, "sso_region")?)
            .with_start_url(cached_as);
        provider.provide_credential(self.ctx).await
    }
}

fn provided(name: &str, credential: Option<Credential>) -> Result<Credential> {
    credential.ok_or_else(|| invalid(name, "gives no credentials"))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ProcessOutput {
    version: u32,
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
    expiration: Option<String>,
}

/// Runs a `credential_process`. What it prints is never repeated: it may hold the secret.
async fn process(ctx: &Context, name: &str, command: &str) -> Result<Credential> {
    let failed = |what: &str| invalid(name, &format!("has a credential_process that {what}"));
    let words = words(command);
    let Some((program, arguments)) = words.split_first() else { return Err(failed("is empty")) };
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let output = tokio::time::timeout(PROCESS_PATIENCE, ctx.command_execute(program, &arguments)).await;
    let output = output.map_err(|_| failed("does not end"))?.map_err(|_| failed("cannot be started"))?;
    if !output.success() {
        return Err(failed(&format!("ended with status {}", output.status)));
    }
    let unreadable = || failed("did not print credentials of version 1");
    let printed: ProcessOutput = serde_json::from_slice(&output.stdout).map_err(|_| unreadable())?;
    if printed.version != 1 {
        return Err(unreadable());
    }
    Ok(Credential {
        access_key_id: printed.access_key_id,
        secret_access_key: printed.secret_access_key,
        session_token: printed.session_token,
        expires_in: printed.expiration.map(|time| time.parse().map_err(|_| unreadable())).transpose()?,
    })
}

/// The words of a command line, as its quotes hold them together.
fn words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in command.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_as_aws_writes_them() {
        let config = "# comment\nregion = lost\n[default]\nregion = us-east-1 # here\ns3 =\n  region = nested\n\
            [profile \"my work\"]\nREGION=eu-west-1\nrole_arn = arn:aws:iam::1:role/a;b\n[other]\nregion = x\n\
            [sso-session corp]\nsso_region = eu-west-2\nbroken line\n";
        let credentials = "[default]\naws_access_key_id = A\naws_secret_access_key = a/b+c=\n[my work]\nregion = eu-west-3\n";
        let read = Profiles::parse(config, credentials);
        let get = |profile: &str, key: &str| read.profiles.get(profile)?.get(key).map(String::as_str);
        assert_eq!(get("default", "region"), Some("us-east-1"));
        assert_eq!(get("default", "aws_secret_access_key"), Some("a/b+c="));
        assert_eq!(get("my work", "role_arn"), Some("arn:aws:iam::1:role/a;b"));
        assert_eq!(get("my work", "region"), Some("eu-west-3"));
        assert_eq!(get("other", "region"), None);
        assert_eq!(read.sessions["corp"]["sso_region"], "eu-west-2");
    }

    #[test]
    fn quotes_hold_words_together() {
        for (command, expected) in [
            ("get-keys --profile x", vec!["get-keys", "--profile", "x"]),
            (r#""/opt/my tools/keys"  'a "b"' c"d e"f ''"#, vec!["/opt/my tools/keys", r#"a "b""#, "cd ef", ""]),
            (r"C:\tools\keys.exe x", vec![r"C:\tools\keys.exe", "x"]),
            ("  ", vec![]),
        ] {
            assert_eq!(words(command), expected, "{command}");
        }
    }
}
