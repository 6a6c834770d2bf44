//! Tests the chain against a scripted environment, files in temporary folders, and local metadata
//! services.

mod chain;
mod metadata;
mod renewal;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use reqsign_core::time::Timestamp;
use reqsign_core::{HttpSend, Result, StaticEnv};
use wiremock::matchers::{header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::problem::{Found, Problem};
use super::*;

const SESSION: &str = r#"{"Code": "Success", "AccessKeyId": "ASIAMACHINE", "SecretAccessKey": "machine-secret",
    "Token": "machine-token", "Expiration": "2099-01-01T00:00:00Z"}"#;

/// A folder that lives as long as its test.
struct Home(PathBuf);

impl Home {
    fn new(files: &[(&str, &str)]) -> Self {
        let home = std::env::temp_dir().join(format!("spuff-aws-{:016x}", fastrand::u64(..)));
        for (name, text) in files {
            let file = home.join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }
        Self(home)
    }

    fn env(&self, pairs: &[(&str, &str)]) -> StaticEnv {
        let envs =
            pairs.iter().map(|(name, value)| ((*name).to_string(), (*value).to_string())).collect();
        StaticEnv { home_dir: Some(self.0.clone()), envs }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A fake STS and SSO: records the requests and returns the keys of a role.
#[derive(Debug, Clone, Default)]
struct Roles(Arc<Mutex<Vec<String>>>);

impl HttpSend for Roles {
    async fn http_send(&self, request: Request<Bytes>) -> Result<Response<Bytes>> {
        let body = String::from_utf8_lossy(request.body()).into_owned();
        let header = |name: &str| {
            request.headers().get(name).map_or("", |value| value.to_str().unwrap()).to_string()
        };
        let asked = format!(
            "{} {body} {} {}",
            request.uri(),
            header("authorization"),
            header("x-amz-sso_bearer_token")
        );
        let keys = "<Credentials><AccessKeyId>ASIAROLE000000000001</AccessKeyId>\
            <SecretAccessKey>role-secret</SecretAccessKey><SessionToken>role-token</SessionToken>\
            <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>";
        let answer = if asked.contains("/federation/credentials") {
            r#"{"roleCredentials": {"accessKeyId": "ASIASSO", "secretAccessKey": "sso-secret", "sessionToken": "sso-token",
                "expiration": 4070908800000}}"#
                .to_string()
        } else if asked.contains("AssumeRoleWithWebIdentity") {
            let result = format!(
                "<AssumeRoleWithWebIdentityResult>{keys}</AssumeRoleWithWebIdentityResult>"
            );
            format!(
                "<AssumeRoleWithWebIdentityResponse>{result}</AssumeRoleWithWebIdentityResponse>"
            )
        } else {
            format!(
                "<AssumeRoleResponse><AssumeRoleResult>{keys}</AssumeRoleResult>\
                 </AssumeRoleResponse>"
            )
        };
        self.0.lock().unwrap().push(asked);
        Ok(Response::new(Bytes::from(answer)))
    }
}

async fn find(
    env: StaticEnv,
    profile: Option<&str>,
    http: impl HttpSend,
) -> ProviderResult<Credential> {
    let context = Context::new()
        .with_file_read(TokioFileRead)
        .with_command_execute(TokioCommandExecute)
        .with_http_send(http)
        .with_env(env);
    Ok(Chain::new(profile.map(str::to_string), "eu-central-1").credential(&context).await?)
}

async fn id(env: StaticEnv, profile: Option<&str>) -> String {
    let off = [("AWS_EC2_METADATA_DISABLED".to_string(), "true".to_string())];
    let env = StaticEnv { envs: env.envs.into_iter().chain(off).collect(), ..env };
    find(env, profile, Roles::default())
        .await
        .map_or_else(|error| error.to_string(), |found| found.access_key_id)
}

fn fetch() -> Fetch {
    Fetch::new(&ProviderConfig::default())
}

#[test]
fn tokens_are_two_or_three_words() {
    let parse = |token: &str| {
        let keys = Keys::parse(token).ok()??;
        Some((
            keys.id,
            keys.secret.expose_secret().to_string(),
            keys.session.map(|token| token.expose_secret().to_string()),
        ))
    };
    let keys = |id: &str, secret: &str, session: Option<&str>| {
        Some((id.to_string(), secret.to_string(), session.map(Into::into)))
    };
    assert_eq!(parse("AKIA:a/b+c="), keys("AKIA", "a/b+c=", None));
    assert_eq!(parse(" \"AKIA:secret\"\n"), keys("AKIA", "secret", None));
    assert_eq!(parse("ASIA:secret:to:ken=="), keys("ASIA", "secret", Some("to:ken==")));
    for token in ["AKIA", "AKIA:", ":secret", "AKIA:secret:", "AKIA:sec ret", "::"] {
        let error = Keys::parse(token).unwrap_err();
        assert!(
            matches!(&error, ProviderError::InvalidConfig { field, .. } if field == "token"),
            "{token}"
        );
        assert!(!error.to_string().contains("secret"), "{error}");
    }
    assert!(Keys::parse("").unwrap().is_none() && Keys::parse(" \n").unwrap().is_none());
    let shown = format!("{:?}", Keys::parse("AKIA:canary-secret:canary-token").unwrap());
    assert!(!shown.contains("canary"), "{shown}");
}

#[tokio::test]
async fn roles_are_assumed_with_their_source() {
    let files = Home::new(&[(
        ".aws/config",
        "[profile base]\naws_access_key_id = AKIABASE\naws_secret_access_key = s\n\
         [profile role]\nrole_arn = arn:aws:iam::123456789012:role/deploy\nsource_profile = \
         base\nexternal_id = ext-1\n\
         role_session_name = me\nduration_seconds = 1200\nregion = eu-west-1\n\
         [profile chained]\nrole_arn = arn:aws:iam::123456789012:role/second\nsource_profile = \
         role\n\
         [profile own]\nrole_arn = arn:aws:iam::123456789012:role/own\nsource_profile = \
         own\naws_access_key_id = AKIAOWN\n\
         aws_secret_access_key = s\n\
         [profile envrole]\nrole_arn = arn:aws:iam::123456789012:role/env\ncredential_source = \
         Environment\n\
         [profile loop]\nrole_arn = arn:aws:iam::123456789012:role/loop\nsource_profile = loop\n\
         [profile mfa]\nrole_arn = arn:aws:iam::123456789012:role/mfa\nsource_profile = \
         base\nmfa_serial = arn:x\n\
         [profile half]\nrole_arn = arn:aws:iam::123456789012:role/half\n",
    )]);
    let sts = Roles::default();
    let found = find(files.env(&[]), Some("role"), sts.clone()).await.unwrap();
    assert_eq!(
        (found.access_key_id.as_str(), found.session_token.as_deref()),
        ("ASIAROLE000000000001", Some("role-token"))
    );
    assert!(found.expires_in.is_some());
    let asked = sts.0.lock().unwrap().concat();
    for part in [
        "https://sts.eu-central-1.amazonaws.com/",
        "Action=AssumeRole&",
        "role%2Fdeploy",
        "ExternalId=ext-1",
        "RoleSessionName=me",
        "DurationSeconds=1200",
        "Credential=AKIABASE/",
        "/eu-central-1/sts/aws4_request",
    ] {
        assert!(asked.contains(part), "{part} in {asked}");
    }

    for (profile, env, signers) in [
        ("chained", vec![], vec!["Credential=AKIABASE/", "Credential=ASIAROLE000000000001/"]),
        ("own", vec![], vec!["Credential=AKIAOWN/"]),
        (
            "envrole",
            vec![("AWS_ACCESS_KEY_ID", "AKIAENV"), ("AWS_SECRET_ACCESS_KEY", "s")],
            vec!["Credential=AKIAENV/"],
        ),
    ] {
        let sts = Roles::default();
        find(files.env(&env), Some(profile), sts.clone()).await.unwrap();
        let asked = sts.0.lock().unwrap();
        assert_eq!(asked.len(), signers.len(), "{profile}");
        assert!(
            asked.iter().zip(signers).all(|(asked, signer)| asked.contains(signer)),
            "{profile}: {asked:?}"
        );
    }
    for (profile, expected) in
        [("loop", "which is its own source"), ("mfa", "MFA"), ("half", "source_profile")]
    {
        let error = id(files.env(&[]), Some(profile)).await;
        assert!(error.contains(expected), "{profile}: {error}");
    }
}

#[tokio::test]
async fn what_a_role_says_is_sent_as_it_stands() {
    for (line, sent) in [
        ("external_id =", "&ExternalId="),
        ("role_session_name =", "&RoleSessionName=spuff"),
        ("duration_seconds = +1200", "&DurationSeconds=1200"),
        ("duration_seconds = -1", "&DurationSeconds=-1"),
    ] {
        let role = format!(
            "[default]\nrole_arn = arn:aws:iam::123456789012:role/x\nsource_profile = \
             base\n{line}\n"
        );
        let base = "[profile base]\naws_access_key_id = AKIABASE\naws_secret_access_key = s\n";
        let (files, sts) =
            (Home::new(&[(".aws/config", &format!("{role}{base}"))]), Roles::default());
        find(files.env(&[]), None, sts.clone()).await.unwrap();
        let asked = sts.0.lock().unwrap().concat().replace(' ', "&");
        assert!(asked.contains(&format!("{sent}&")), "{line}: {asked}");
    }
}

#[tokio::test]
async fn web_identity_is_exchanged() {
    let files = Home::new(&[("token", "subject-token\n")]);
    let token = files.0.join("token").display().to_string();
    let sts = Roles::default();
    let pairs = [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", token.as_str()),
        ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/pod"),
    ];
    let found = find(files.env(&pairs), None, sts.clone()).await.unwrap();
    assert_eq!(found.access_key_id, "ASIAROLE000000000001");
    let asked = sts.0.lock().unwrap().concat();
    assert!(
        asked.contains("https://sts.eu-central-1.amazonaws.com/")
            && asked.contains("WebIdentityToken=subject-token"),
        "{asked}"
    );

    std::fs::create_dir_all(files.0.join(".aws")).unwrap();
    let config = format!(
        "[default]\nrole_arn = arn:aws:iam::123456789012:role/x\nweb_identity_token_file = \
         {token}\n"
    );
    std::fs::write(files.0.join(".aws/config"), config).unwrap();
    assert_eq!(id(files.env(&[]), None).await, "ASIAROLE000000000001");
}

#[tokio::test]
async fn sso_uses_the_cached_sign_in() {
    // AWS's tools name the files by the SHA-1 of `corp` and of `https://corp.awsapps.com/start`.
    let session = reqsign_core::hash::hex_sha1(b"corp");
    let start = reqsign_core::hash::hex_sha1(b"https://corp.awsapps.com/start");
    let cached = |token: &str| {
        format!(r#"{{"accessToken": "{token}", "expiresAt": "2099-01-01T00:00:00Z"}}"#)
    };
    let account = "sso_account_id = 123456789012\nsso_role_name = Dev\n";
    let files = Home::new(&[
        (
            ".aws/config",
            &format!(
                "[profile new]\nsso_session = corp\n{account}[sso-session corp]\nsso_region = \
                 eu-west-1\nsso_start_url = x\n\
                 [profile old]\nsso_start_url = https://corp.awsapps.com/start\nsso_region = \
                 eu-west-2\n{account}\
                 [profile stale]\nsso_start_url = https://other\nsso_region = eu-west-2\n{account}"
            ),
        ),
        (&format!(".aws/sso/cache/{session}.json"), &cached("session-token")),
        (&format!(".aws/sso/cache/{start}.json"), &cached("start-token")),
    ]);
    for (profile, region, token) in
        [("new", "eu-west-1", "session-token"), ("old", "eu-west-2", "start-token")]
    {
        let sso = Roles::default();
        let found = find(files.env(&[]), Some(profile), sso.clone()).await.unwrap();
        assert_eq!(found.access_key_id, "ASIASSO");
        let asked = sso.0.lock().unwrap().concat();
        assert!(
            asked.contains(&format!("portal.sso.{region}."))
                && asked.contains(token)
                && asked.contains("Dev"),
            "{asked}"
        );
    }
    assert!(id(files.env(&[]), Some("stale")).await.contains("aws sso login"));
}

#[cfg(unix)]
#[tokio::test]
async fn processes_are_run_and_not_quoted() {
    let files = Home::new(&[(
        ".aws/config",
        r#"[profile good]
credential_process = /bin/sh -c 'echo {\"Version\": 1, \"AccessKeyId\": \"AKIAPROC\", \"SecretAccessKey\": \"s\"}'
[profile one]
credential_process = /bin/sh -c 'echo {\"Version\": 1.0, \"AccessKeyId\": \"AKIAONE\", \"SecretAccessKey\": \"s\"}'
[profile exits]
credential_process = /bin/sh -c 'echo canary-secret >&2; exit 3'
[profile prints]
credential_process = /bin/sh -c 'echo {\"Version\": \"canary-secret\"}'
[profile absent]
credential_process = "/nowhere/at all"
"#,
    )]);
    assert_eq!(id(files.env(&[]), Some("good")).await, "AKIAPROC");
    assert_eq!(id(files.env(&[]), Some("one")).await, "AKIAONE", "1.0 is the number 1");
    for (profile, expected) in
        [("exits", "status 3"), ("prints", "version 1"), ("absent", "cannot be started")]
    {
        let error = id(files.env(&[]), Some(profile)).await;
        assert!(error.contains(expected) && !error.contains("canary"), "{profile}: {error}");
    }
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_source_writes_its_secrets_to_the_log() {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .init();
    let server = MockServer::start().await;
    let answer = |text: &str| ResponseTemplate::new(200).set_body_string(text);
    let session =
        SESSION.replace("machine-secret", "canary-secret").replace("machine-token", "canary-token");
    Mock::given(method("PUT"))
        .respond_with(answer("canary-metadata"))
        .expect(1)
        .mount(&server)
        .await;
    let roles = "/latest/meta-data/iam/security-credentials/";
    Mock::given(path(roles)).respond_with(answer("my-role")).expect(1).mount(&server).await;
    Mock::given(method("GET")).respond_with(answer(&session)).expect(2).mount(&server).await;
    let keys = "aws_access_key_id = AKIABASE\naws_secret_access_key = \
     canary-secret\naws_session_token = canary-token\n";
    let role = "role_arn = arn:aws:iam::123456789012:role/x\nsource_profile = base\n";
    let files = Home::new(&[
        ("config", &format!("[profile base]\n{keys}[profile role]\n{role}")),
        ("token", "canary-subject"),
    ]);
    let uri = server.uri();
    let config = files.0.join("config");
    let token = files.0.join("token");
    let config = config.display().to_string();
    let token = token.display().to_string();
    let full = format!("{uri}/role");
    let arn = "arn:aws:iam::123456789012:role/pod";
    for (pairs, profile) in [
        (
            vec![
                ("AWS_ACCESS_KEY_ID", "AKIAENV"),
                ("AWS_SECRET_ACCESS_KEY", "canary-secret"),
                ("AWS_SESSION_TOKEN", "canary-token"),
            ],
            None,
        ),
        (vec![("AWS_CONFIG_FILE", config.as_str())], Some("base")),
        (
            vec![
                ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &full),
                ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "canary-bearer"),
            ],
            None,
        ),
        (vec![("AWS_EC2_METADATA_SERVICE_ENDPOINT", &uri)], None),
    ] {
        find(files.env(&pairs), profile, fetch()).await.unwrap();
    }
    for (pairs, profile) in [
        (vec![("AWS_CONFIG_FILE", config.as_str())], Some("role")),
        (vec![("AWS_WEB_IDENTITY_TOKEN_FILE", token.as_str()), ("AWS_ROLE_ARN", arn)], None),
    ] {
        find(files.env(&pairs), profile, Roles::default()).await.unwrap();
    }
    let written = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(
        written.contains("calculated scope"),
        "reqsign's own lines are among those that are looked at"
    );
    assert!(
        !written.contains("canary"),
        "{}",
        written.lines().find(|line| line.contains("canary")).unwrap()
    );
}
