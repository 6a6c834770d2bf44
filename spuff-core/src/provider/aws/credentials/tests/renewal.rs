//! Credentials are renewed before they end, once for all who wait.

use super::*;

#[tokio::test]
async fn sso_tokens_are_renewed_and_kept_for_others() {
    let server = MockServer::start().await;
    let renewed = r#"{"accessToken": "new-token", "expiresIn": 3600, "refreshToken": "next", "tokenType": "Bearer"}"#;
    Mock::given(path("/token"))
        .respond_with(ResponseTemplate::new(200).set_body_string(renewed))
        .expect(1)
        .mount(&server)
        .await;
    let keys = r#"{"roleCredentials": {"accessKeyId": "ASIASSO", "secretAccessKey": "s", "sessionToken": "t", "expiration": 4070908800000}}"#;
    let asked = Mock::given(path("/federation/credentials"))
        .and(header("x-amz-sso_bearer_token", "new-token"));
    asked
        .respond_with(ResponseTemplate::new(200).set_body_string(keys))
        .expect(2)
        .mount(&server)
        .await;
    let cache = format!(".aws/sso/cache/{}.json", reqsign_core::hash::hex_sha1(b"corp"));
    let files = Home::new(&[
        (
            ".aws/config",
            &format!(
                "[profile new]\nsso_session = corp\nsso_account_id = 1\nsso_role_name = \
                 Dev\nendpoint_url = {}\n\
                 [sso-session corp]\nsso_region = eu-west-1\nsso_start_url = x\n",
                server.uri()
            ),
        ),
        (
            &cache,
            r#"{"accessToken": "old", "expiresAt": "2020-01-01T00:00:00UTC", "refreshToken": "r", "clientId": "c",
                "clientSecret": "s", "registrationExpiresAt": "2099-01-01T00:00:00Z"}"#,
        ),
    ]);
    for _ in 0..2 {
        assert_eq!(
            find(files.env(&[]), Some("new"), fetch()).await.unwrap().access_key_id,
            "ASIASSO"
        );
    }
    let kept = std::fs::read_to_string(files.0.join(&cache)).unwrap();
    assert!(kept.contains("new-token") && kept.contains("next"), "{kept}");
}

fn lasting(id: &str, seconds: u64) -> Credential {
    let expires_in = Some(Timestamp::now() + Duration::from_secs(seconds));
    Credential {
        access_key_id: id.to_string(),
        secret_access_key: "s".to_string(),
        session_token: None,
        expires_in,
    }
}

async fn ask(kept: &Kept, answer: Found<Credential>) -> std::result::Result<String, String> {
    let found = kept.get(async || answer).await;
    found.map(|found| found.access_key_id).map_err(|problem| problem.message().to_string())
}

#[tokio::test(start_paused = true)]
async fn keys_that_hold_are_used_while_a_renewal_fails() {
    let kept = Kept::default();
    let limited = || Err(Problem::last("busy"));
    assert_eq!(ask(&kept, limited()).await, Err("busy".to_string()));
    assert_eq!(ask(&kept, Ok(lasting("first", 90))).await.unwrap(), "first");
    tokio::time::advance(Duration::from_secs(61)).await;
    assert_eq!(ask(&kept, limited()).await.unwrap(), "first");
    assert_eq!(
        ask(&kept, Ok(lasting("second", 3600))).await.unwrap(),
        "first",
        "it is too soon to ask again"
    );
    tokio::time::advance(Duration::from_secs(61)).await;
    assert_eq!(ask(&kept, Ok(lasting("second", 3600))).await.unwrap(), "second");
    assert_eq!(ask(&kept, limited()).await.unwrap(), "second", "nobody asks while there is time");
    assert!(ask(&Kept::default(), Ok(lasting("gone", 1))).await.unwrap_err().contains("expired"));
}

#[tokio::test(start_paused = true)]
async fn one_renewal_is_for_all_who_wait() {
    let kept = Kept::default();
    let asked = std::sync::atomic::AtomicUsize::new(0);
    let source = async || {
        asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        tokio::time::sleep(Duration::from_secs(5)).await;
        Err(Problem::last("away").that_may_pass())
    };
    let began = tokio::time::Instant::now();
    let outcomes = futures_util::future::join_all((0..8).map(|_| kept.get(source))).await;
    assert!(
        outcomes
            .iter()
            .all(|outcome| outcome.as_ref().is_err_and(|problem| problem.message() == "away"))
    );
    assert_eq!(asked.into_inner(), 1);
    assert_eq!(began.elapsed(), Duration::from_secs(5));
}
