//! The standard chain, in botocore's order: environment, role, web identity, SSO, keys and process
//! of the profile, container, instance. The first configured source is used: its failure is
//! reported, and no other identity replaces it.

use std::pin::Pin;

use reqsign_aws_v4::Credential;
use reqsign_core::Context;

use super::metadata::{Machine, container};
use super::problem::{Found, Problem};
use super::sso::SignIn;
use super::sts::Sts;
use super::{process, when};
use crate::provider::aws::profile::{Profiles, Settings};
use crate::provider::aws::region::host;

/// The maximum length of a chain of source profiles; real configurations are far shorter.
const MOST_SOURCES: usize = 64;
const SESSION_NAME: &str = "spuff";

type Looked<'a, T> = Pin<Box<dyn Future<Output = Found<T>> + Send + 'a>>;

#[derive(Debug)]
pub(super) struct Chain {
    /// A profile chosen in the configuration is the only source.
    profile: Option<String>,
    region: String,
    machine: Machine,
}

impl Chain {
    pub(super) fn new(profile: Option<String>, region: &str) -> Self {
        Self { profile, region: region.to_string(), machine: Machine::default() }
    }

    /// Reads the files each time: the user may have signed in meanwhile.
    pub(super) async fn credential(&self, ctx: &Context) -> Found<Credential> {
        let profiles =
            Profiles::of(self.profile.as_deref(), |name| ctx.env_var(name), ctx.home_dir())?;
        self.credential_by(ctx, &profiles).await
    }

    pub(super) async fn credential_by(
        &self,
        ctx: &Context,
        profiles: &Profiles,
    ) -> Found<Credential> {
        let name = profiles.name();
        if profiles.is_missing() {
            return Err(Problem::of_profile(name, "is not in the AWS configuration files"));
        }
        let is_caller_supplied = self.profile.is_some();
        if let Some(found) = if is_caller_supplied { None } else { from_environment(ctx)? } {
            return Ok(found);
        }
        let lookup = Lookup { ctx, profiles, region: &self.region, machine: &self.machine };
        if let Some(found) = lookup.profile(name, !is_caller_supplied).await? {
            return Ok(found);
        }
        if is_caller_supplied || profiles.is_chosen() {
            return Err(Problem::of_profile(name, "gives no credentials"));
        }
        match container(ctx).await? {
            Some(found) => Ok(found),
            None => self.machine.credential(ctx, profiles).await,
        }
    }
}

/// Returns the keys in the environment variables.
fn from_environment(ctx: &Context) -> Found<Option<Credential>> {
    let get = |name: &str| ctx.env_var(name).filter(|value| !value.trim().is_empty());
    let Some(access_key_id) = get("AWS_ACCESS_KEY_ID") else { return Ok(None) };
    let missing = || Problem::last("AWS_ACCESS_KEY_ID is set, but AWS_SECRET_ACCESS_KEY is not");
    let secret_access_key = get("AWS_SECRET_ACCESS_KEY").ok_or_else(missing)?;
    let session_token = get("AWS_SECURITY_TOKEN").or_else(|| get("AWS_SESSION_TOKEN"));
    let unreadable = || Problem::last("AWS_CREDENTIAL_EXPIRATION is not a time with a zone");
    let expires_in = get("AWS_CREDENTIAL_EXPIRATION")
        .map(|time| when::parse(&time).ok_or_else(unreadable))
        .transpose()?;
    Ok(Some(Credential { access_key_id, secret_access_key, session_token, expires_in }))
}

/// Returns the keys of a profile in a file, if it has any there.
fn from_file(name: &str, settings: Option<Settings<'_>>) -> Found<Option<Credential>> {
    let Some((settings, id)) =
        settings.and_then(|settings| Some((settings, settings.stated("aws_access_key_id")?)))
    else {
        return Ok(None);
    };
    let secret = settings.stated("aws_secret_access_key");
    let secret = secret.ok_or_else(|| {
        Problem::of_profile(name, "has an aws_access_key_id, but no aws_secret_access_key")
    })?;
    if id.is_empty() || secret.is_empty() {
        return Err(Problem::of_profile(
            name,
            "has an aws_access_key_id or aws_secret_access_key that is empty",
        ));
    }
    let token =
        settings.stated("aws_security_token").or_else(|| settings.stated("aws_session_token"));
    Ok(Some(Credential {
        access_key_id: id.to_string(),
        secret_access_key: secret.to_string(),
        session_token: token.filter(|token| !token.is_empty()).map(str::to_string),
        expires_in: None,
    }))
}

fn has_keys(settings: Settings<'_>) -> bool {
    ["aws_access_key_id", "aws_secret_access_key"].iter().any(|key| settings.stated(key).is_some())
}

/// Whether the profile assumes a role with other keys. A role for a web identity token is another
/// source.
fn has_role(settings: Settings<'_>) -> bool {
    settings.stated("role_arn").is_some() && settings.stated("web_identity_token_file").is_none()
}

struct Lookup<'a> {
    ctx: &'a Context,
    profiles: &'a Profiles,
    region: &'a str,
    machine: &'a Machine,
}

impl Lookup<'_> {
    async fn profile(&self, name: &str, variables: bool) -> Found<Option<Credential>> {
        if self.profiles.profile(name).is_some_and(has_role) {
            return self.role(name.to_string(), vec![name.to_string()]).await.map(Some);
        }
        self.sources(name, variables).await
    }

    /// Returns the credentials of a profile's sources other than a role with other keys.
    async fn sources(&self, name: &str, variables: bool) -> Found<Option<Credential>> {
        if let Some(found) = self.web_identity(name, variables).await? {
            return Ok(Some(found));
        }
        let settings = self.profiles.profile(name);
        if let Some(settings) = settings
            .filter(|it| it.stated("sso_account_id").or(it.stated("sso_role_name")).is_some())
        {
            return self.sso(name, settings).await.map(Some);
        }
        if let Some(found) = from_file(name, self.profiles.in_credentials(name))? {
            return Ok(Some(found));
        }
        if settings.is_some_and(|settings| settings.stated("login_session").is_some()) {
            let what = "signs in with `aws login`, which spuff does not support; use `aws \
             configure export-credentials`";
            return Err(Problem::of_profile(name, what));
        }
        if let Some(command) = settings.and_then(|settings| settings.stated("credential_process")) {
            return process::credential(self.ctx, name, command).await.map(Some);
        }
        from_file(name, self.profiles.in_config(name))
    }

    /// `seen` holds the profiles on the path so far.
    fn role(&self, name: String, seen: Vec<String>) -> Looked<'_, Credential> {
        Box::pin(async move {
            let wrong = |what: &str| Problem::of_profile(&name, what);
            let settings = self.profiles.profile(&name).ok_or_else(|| wrong("does not exist"))?;
            let source =
                match (settings.stated("source_profile"), settings.stated("credential_source")) {
                    (Some(_), Some(_)) => {
                        return Err(wrong("has both source_profile and credential_source"));
                    }
                    (None, None) => {
                        return Err(wrong(
                            "has a role_arn, but neither source_profile nor credential_source",
                        ));
                    }
                    (Some(source), None) => self.source_profile(&name, source, seen).await?,
                    (None, Some("Environment")) => from_environment(self.ctx)?,
                    (None, Some("EcsContainer")) => container(self.ctx).await?,
                    (None, Some("Ec2InstanceMetadata")) => {
                        Some(self.machine.credential(self.ctx, self.profiles).await?)
                    }
                    (None, Some(_)) => {
                        return Err(wrong("has an unknown credential_source"));
                    }
                };
            let source = source
                .ok_or_else(|| wrong("has a role_arn, but its source gives no credentials"))?;
            if settings.stated("mfa_serial").is_some() {
                return Err(wrong(
                    "needs a code of an MFA device, which spuff cannot prompt for; use `aws sts \
                     assume-role`",
                ));
            }
            // STS refuses an invalid external id; omitting it would request another session than
            // intended.
            let mut parameters = vec![
                ("RoleArn", settings.stated("role_arn").unwrap_or_default().to_string()),
                (
                    "RoleSessionName",
                    settings.get("role_session_name").unwrap_or(SESSION_NAME).to_string(),
                ),
            ];
            parameters
                .extend(settings.stated("external_id").map(|id| ("ExternalId", id.to_string())));
            let seconds =
                settings.stated("duration_seconds").and_then(|seconds| seconds.parse::<i64>().ok());
            parameters.extend(seconds.map(|seconds| ("DurationSeconds", seconds.to_string())));
            self.sts()?.assume("AssumeRole", &parameters, Some(&source)).await
        })
    }

    /// A source profile with keys of its own ends the path, even if it also names a role.
    async fn source_profile(
        &self,
        name: &str,
        source: &str,
        mut seen: Vec<String>,
    ) -> Found<Option<Credential>> {
        let wrong = |what: &str| {
            Problem::of_profile(name, &format!("has the source_profile {source:?}, which {what}"))
        };
        let settings = self.profiles.profile(source).ok_or_else(|| wrong("does not exist"))?;
        let again = seen.iter().any(|known| known == source);
        if again && (source != name || !has_keys(settings)) {
            return Err(wrong("is its own source"));
        }
        if seen.len() > MOST_SOURCES {
            return Err(wrong(&format!("is behind more than {MOST_SOURCES} others")));
        }
        if has_keys(settings) || !has_role(settings) {
            return self.sources(source, false).await;
        }
        seen.push(source.to_string());
        self.role(source.to_string(), seen).await.map(Some)
    }

    async fn web_identity(&self, name: &str, variables: bool) -> Found<Option<Credential>> {
        let get = |variable: &str, key: &str| {
            let stated = self.ctx.env_var(variable).filter(|value| variables && !value.is_empty());
            stated.or_else(|| self.profiles.profile(name)?.get(key).map(str::to_string))
        };
        let Some(file) = get("AWS_WEB_IDENTITY_TOKEN_FILE", "web_identity_token_file") else {
            return Ok(None);
        };
        let role = get("AWS_ROLE_ARN", "role_arn");
        let role = role.ok_or_else(|| {
            Problem::last("a web identity token file is named, but no role: set AWS_ROLE_ARN")
        })?;
        let token = self
            .ctx
            .file_read(&file)
            .await
            .map_err(|_| Problem::last("the web identity token file cannot be read"))?;
        let parameters = [
            ("RoleArn", role),
            (
                "RoleSessionName",
                get("AWS_ROLE_SESSION_NAME", "role_session_name")
                    .unwrap_or_else(|| SESSION_NAME.to_string()),
            ),
            ("WebIdentityToken", String::from_utf8_lossy(&token).trim().to_string()),
        ];
        self.sts()?.assume("AssumeRoleWithWebIdentity", &parameters, None).await.map(Some)
    }

    async fn sso(&self, name: &str, settings: Settings<'_>) -> Found<Credential> {
        let wrong = |what: String| Problem::of_profile(name, &what);
        let session = settings.stated("sso_session");
        let shared = match session {
            Some(session) => self
                .profiles
                .session(session)
                .ok_or_else(|| wrong("names an sso-session that does not exist".into()))?,
            None => settings,
        };
        if let Some((key, _)) = shared
            .iter()
            .find(|(key, value)| settings.stated(key).is_some_and(|stated| stated != *value))
        {
            return Err(wrong(format!("and its sso-session differ in {key}")));
        }
        let get = |section: Settings<'_>, key: &str| {
            section
                .stated(key)
                .map(str::to_string)
                .ok_or_else(|| wrong(format!("has no {key} for its SSO sign-in")))
        };
        let region = get(shared, "sso_region")?;
        SignIn {
            profile: name,
            account: settings_or(settings, shared, "sso_account_id")
                .ok_or_else(|| wrong("has no sso_account_id".into()))?,
            role: settings_or(settings, shared, "sso_role_name")
                .ok_or_else(|| wrong("has no sso_role_name".into()))?,
            start_url: &get(shared, "sso_start_url")?,
            session,
            portal: self.endpoint("sso", &host("portal.sso", &region))?,
            oidc: self.endpoint("sso_oidc", &host("oidc", &region))?,
            region: &region,
        }
        .credential(self.ctx)
        .await
    }

    fn sts(&self) -> Found<Sts<'_>> {
        let endpoint = self.endpoint("sts", &host("sts", self.region))?;
        Ok(Sts { ctx: self.ctx, endpoint, region: self.region })
    }

    fn endpoint(&self, service: &str, usual: &str) -> Found<String> {
        let stated = self.profiles.endpoint_or_variable(service, |name| self.ctx.env_var(name))?;
        Ok(stated.unwrap_or_else(|| usual.to_string()))
    }
}

fn settings_or<'a>(settings: Settings<'a>, shared: Settings<'a>, key: &str) -> Option<&'a str> {
    settings.stated(key).or_else(|| shared.stated(key))
}
