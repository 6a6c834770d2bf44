use super::*;

#[tokio::test]
async fn ready_is_running_with_a_public_address() {
    let server = MockServer::start().await;
    once(action("DescribeInstances"), machines(&[machine(ID, "pending", "")], ""), &server).await;
    once(
        action("DescribeInstances"),
        refusal(503, "Unavailable", "The server is overloaded"),
        &server,
    )
    .await;
    once(action("DescribeInstances"), machines(&[machine(ID, "running", "")], ""), &server).await;
    action("DescribeInstances")
        .respond_with(machines(&[machine(ID, "running", ADDRESS)], ""))
        .expect(1)
        .mount(&server)
        .await;
    let ready = provider(&server).wait_ready(ID).await.unwrap();
    assert_eq!(ready.ip.to_string(), "203.0.113.5");
    let asked = format!(
        "Action=DescribeInstances&Version=2016-11-15&Filter.1.Name=instance-id\
         &Filter.1.Value.1={ID}"
    );
    assert!(sent(&server, "DescribeInstances").await.iter().all(|body| *body == asked));
}

#[tokio::test]
async fn a_machine_without_a_public_address_is_waited_for_to_the_end() {
    let server = MockServer::start().await;
    action("DescribeInstances")
        .respond_with(machines(&[machine(ID, "running", "")], ""))
        .expect(2..)
        .mount(&server)
        .await;
    let error = hasty_provider(&server).wait_ready(ID).await.unwrap_err();
    assert!(
        matches!(error, ProviderError::Timeout { .. })
            && error.to_string().contains("active, no public address yet"),
        "{error}"
    );
}

#[tokio::test]
async fn a_failed_launch_is_told_at_once_with_its_reason() {
    for (state, code, message) in [
        (
            "terminated",
            "Server.InsufficientInstanceCapacity",
            "Server.InsufficientInstanceCapacity: none left",
        ),
        ("shutting-down", "Client.InternalError", "Client.InternalError: Client error on launch"),
        (
            "terminated",
            "Client.VolumeLimitExceeded",
            "Client.VolumeLimitExceeded: Volume limit exceeded",
        ),
    ] {
        let server = MockServer::start().await;
        once(action("DescribeInstances"), machines(&[machine(ID, "pending", "")], ""), &server)
            .await;
        let reason =
            format!("<stateReason><code>{code}</code><message>{message}</message></stateReason>");
        action("DescribeInstances")
            .respond_with(machines(&[machine(ID, state, &reason)], ""))
            .expect(1)
            .mount(&server)
            .await;
        let error = provider(&server).wait_ready(ID).await.unwrap_err();
        let capacity = matches!(error, ProviderError::Capacity { .. });
        assert_eq!(capacity, code.ends_with("Capacity"), "{error}");
        assert!(capacity || matches!(error, ProviderError::Api { .. }), "{error}");
        let context = error.context().unwrap();
        assert_eq!(
            (context.code.as_deref(), context.instance_id.as_deref()),
            (Some(code), Some(ID)),
            "{error}"
        );
        assert!(error.to_string().contains(message), "{error}");
    }
}

#[tokio::test]
async fn a_machine_that_was_ended_is_gone() {
    let reason = "<stateReason><code>Client.UserInitiatedShutdown</code><message>User \
     initiated</message></stateReason>";
    for (answer, looks) in [
        (machines(&[machine(ID, "terminated", reason)], ""), 1),
        (machines(&[machine(ID, "terminated", "")], ""), 1),
    ] {
        let server = MockServer::start().await;
        action("DescribeInstances").respond_with(answer).expect(looks).mount(&server).await;
        if looks == 2 {
            mount_regions(&server, &["eu-central-1"]).await;
        }
        let error = provider(&server).wait_ready(ID).await.unwrap_err();
        assert!(matches!(&error, ProviderError::NotFound { id, .. } if id == ID), "{error}");
    }
}

#[tokio::test]
async fn a_machine_that_was_just_made_may_not_be_seen_yet() {
    let server = MockServer::start().await;
    mount_image(&server, 1).await;
    action("RunInstances").respond_with(created()).expect(1).mount(&server).await;
    action("DescribeInstances")
        .respond_with(machines(&[], ""))
        .up_to_n_times(2)
        .expect(2)
        .mount(&server)
        .await;
    action("DescribeInstances")
        .respond_with(machines(&[machine(ID, "running", ADDRESS)], ""))
        .expect(1)
        .mount(&server)
        .await;
    let provider = provider(&server);
    provider.create_instance(&good()).await.unwrap();
    provider.wait_ready(ID).await.unwrap();
}

#[tokio::test]
async fn refused_credentials_end_a_wait() {
    let server = MockServer::start().await;
    action("DescribeInstances")
        .respond_with(refusal(401, "AuthFailure", "no"))
        .expect(1)
        .mount(&server)
        .await;
    assert!(matches!(
        provider(&server).wait_ready(ID).await,
        Err(ProviderError::Authentication { .. })
    ));
}

#[tokio::test]
async fn a_machine_that_another_client_has_made_a_moment_ago_is_waited_for() {
    let server = MockServer::start().await;
    mount_regions(&server, &["eu-central-1"]).await;
    action("DescribeInstances")
        .respond_with(machines(&[], ""))
        .up_to_n_times(6)
        .expect(6)
        .mount(&server)
        .await;
    action("DescribeInstances")
        .respond_with(machines(&[machine(ID, "running", ADDRESS)], ""))
        .expect(1)
        .mount(&server)
        .await;
    provider(&server).wait_ready(ID).await.unwrap();
}

#[tokio::test]
async fn a_machine_that_never_comes_to_light_is_not_there() {
    let server = MockServer::start().await;
    mount_regions(&server, &["eu-central-1"]).await;
    action("DescribeInstances").respond_with(machines(&[], "")).expect(4..).mount(&server).await;
    let error = settling(&server, "0.3").wait_ready(ID).await.unwrap_err();
    assert!(matches!(&error, ProviderError::NotFound { id, .. } if id == ID), "{error}");
}

#[tokio::test]
async fn a_machine_that_was_stopped_and_is_started_again_is_waited_for() {
    let server = MockServer::start().await;
    for state in ["pending", "stopping", "stopped", "pending"] {
        once(action("DescribeInstances"), machines(&[machine(ID, state, "")], ""), &server).await;
    }
    action("DescribeInstances")
        .respond_with(machines(&[machine(ID, "running", ADDRESS)], ""))
        .expect(1)
        .mount(&server)
        .await;
    provider(&server).wait_ready(ID).await.unwrap();
}
