//! The engine is killed in the middle of things: there is exactly one container, and the caller
//! knows it.

use spuff_core::provider::ProviderError;

use super::engine::Engine;
use super::*;

fn machines(engine: &Engine) -> Vec<String> {
    engine.client(&["ps", "--all", "--quiet", "--no-trunc"]).lines().map(str::to_string).collect()
}

/// What the user data of a machine has left, as soon as it has run, and whether it had begun.
async fn ran(engine: &Engine, id: &str) -> (String, bool) {
    let look = "cat /ran 2>/dev/null; ls /.spuff | grep -q begun- && echo begun; true";
    let mut seen = String::new();
    for _ in 0..100 {
        // A machine that comes back is not there for a moment.
        seen = engine.try_client(&["exec", id, "/bin/sh", "-c", look]).unwrap_or_default();
        if seen.contains("ran") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // A second run would come about as fast as the first.
    tokio::time::sleep(Duration::from_millis(500)).await;
    if seen.contains("ran") {
        seen = engine.client(&["exec", id, "/bin/sh", "-c", look]);
    }
    (
        seen.lines().filter(|line| *line != "begun").collect::<Vec<_>>().join("\n"),
        seen.contains("begun"),
    )
}

/// Killed at another time each round, and started again while the create goes on.
#[tokio::test(flavor = "multi_thread")]
async fn in_the_middle_of_a_create() {
    let engine = Engine::start(&[]);
    let mut made_rounds = 0;
    for (round, millis) in [0, 3, 10, 20, 35, 60, 100, 160, 250].into_iter().enumerate() {
        let provider = connect(engine.config.clone());
        let order = if round % 3 == 2 { "crash" } else { "kill" };
        // The connection is there: what comes is a failure of a call.
        provider.list_instances().await.unwrap();
        let create = tokio::spawn(async move {
            provider
                .create_instance(&request().with_user_data("#!/bin/sh\necho ran >>/ran\n"))
                .await
        });
        tokio::time::sleep(Duration::from_millis(millis)).await;
        let engine = tokio::task::block_in_place(|| {
            engine.order(order);
            engine.order("start");
            &engine
        });
        let provider = connect(engine.config.clone());
        match create.await.unwrap() {
            Ok(made) => {
                assert_eq!(machines(engine), [made.id.as_str()], "{order} after {millis} ms");
                let ready = provider.wait_ready(&made.id).await.unwrap();
                assert!(ready.is_ready(), "{ready:?}");
                let (ran, begun) = ran(engine, &made.id).await;
                println!("{order} after {millis} ms: made, {ran:?}");
                // What a power failure has cut off once it had begun is not begun again; then it
                // has not run at all.
                let cut_off = ran.is_empty() && begun && order == "crash";
                assert!(
                    ran == "ran" || cut_off,
                    "{order} after {millis} ms: {ran:?}, begun: {begun}"
                );
                assert_eq!(machines(engine), [made.id.as_str()], "{order} after {millis} ms");
                made_rounds += 1;
                provider.destroy_instance(&made.id).await.unwrap();
            }
            // Docker can stay silent about a container that it was killed over. Nobody can say
            // whether it runs, nor end it before the engine answers again, so that no other may
            // take its place: it is the only one, and the caller has it.
            Err(ProviderError::AfterCreate {
                instance_id,
                exists: true,
                source,
                cleanup: None,
                ..
            }) if matches!(*source, ProviderError::Timeout { .. }) => {
                println!("{order} after {millis} ms: {source}");
                assert_eq!(machines(engine), [instance_id.as_str()], "{order} after {millis} ms");
                tokio::task::block_in_place(|| ["crash", "start"].map(|order| engine.order(order)));
                assert_eq!(machines(engine), [instance_id.as_str()], "{order} after {millis} ms");
                provider.destroy_instance(&instance_id).await.unwrap();
            }
            // Before anything was made: the caller may try again.
            Err(error) => {
                println!("{order} after {millis} ms: {error}");
                assert!(
                    error.instance_id().is_none() && error.is_retryable(),
                    "{order} after {millis} ms: {error:?}"
                );
            }
        }
        assert_eq!(machines(engine), [""; 0], "{order} after {millis} ms");
    }
    assert!(made_rounds > 0, "no create has outlived its engine");
}

#[tokio::test(flavor = "multi_thread")]
async fn in_the_middle_of_a_wait_and_of_a_destroy() {
    let engine = Engine::start(&[]);
    script_images(&engine);
    for order in ["kill", "crash", "restart"] {
        let provider = connect(engine.config.clone());
        let made = provider
            .create_instance(&request().with_image("spuff-health:1".parse().unwrap()))
            .await
            .unwrap();
        let waiting = provider.clone();
        let id = made.id.clone();
        let wait = tokio::spawn(async move { waiting.wait_ready(&id).await });
        tokio::time::sleep(Duration::from_millis(600)).await;
        tokio::task::block_in_place(|| {
            engine.order(order);
            if order != "restart" {
                engine.order("start");
            }
        });
        let ready = wait.await.unwrap().unwrap_or_else(|error| panic!("{order}: {error}"));
        assert!(ready.is_ready() && ready.id == made.id, "{order}: {ready:?}");
        assert_eq!(machines(&engine), [made.id.as_str()]);

        engine.order("kill");
        assert!(provider.destroy_instance(&made.id).await.is_err(), "{order}");
        engine.order("start");
        provider.destroy_instance(&made.id).await.unwrap();
        assert_eq!(machines(&engine), [""; 0]);
    }
}

fn script_images(engine: &Engine) {
    let folder = engine
        .config
        .endpoint
        .as_deref()
        .unwrap()
        .trim_start_matches("unix://")
        .trim_end_matches("/engine.sock")
        .to_string();
    let loaded = Command::new(std::env::var("SPUFF_TEST_IMAGES").unwrap())
        .args([folder.as_str(), "health"])
        .output()
        .unwrap();
    assert!(loaded.status.success(), "{}", String::from_utf8_lossy(&loaded.stderr));
}

/// A program that dies leaves at most a container that its key leads to.
#[tokio::test]
async fn a_program_that_dies() {
    const ROLE: &str = "SPUFF_TEST_KEY";
    if let Ok(key) = std::env::var(ROLE) {
        provider().create_instance(&keyed(&key)).await.unwrap();
        return;
    }
    let provider = provider();
    let mut left = 0;
    for millis in [Some(20), Some(60), Some(120), Some(200), None] {
        let key = format!("dies-{}-{}", std::process::id(), millis.unwrap_or_default());
        let listed = || {
            docker(&["ps", "--all", "--quiet", "--no-trunc", "--filter", &format!("name={key}")])
        };
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::a_program_that_dies"])
            .env(ROLE, &key)
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        match millis {
            Some(millis) => tokio::time::sleep(Duration::from_millis(millis)).await,
            // As soon as it has made something, however slow this computer is.
            None => {
                for _ in 0..600 {
                    if !listed().is_empty() {
                        break;
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let found = provider.resolve(&key).await.unwrap();
        left += usize::from(found.is_some());
        // Whoever asks again with its key has the same one, begun where it had not been.
        let again = provider.create_instance(&keyed(&key)).await.unwrap();
        assert!(found.is_none_or(|found| found.id == again.id));
        assert!(provider.wait_ready(&again.id).await.unwrap().is_ready());
        assert_eq!(listed(), again.id);
        provider.destroy_instance(&again.id).await.unwrap();
    }
    println!("{left} of 5 had made something");
    assert!(left > 0);
}

fn keyed(key: &str) -> InstanceRequest {
    InstanceRequest::new(key, "", "").with_idempotency_key(key).with_user_data("#!/bin/sh\ntrue\n")
}
