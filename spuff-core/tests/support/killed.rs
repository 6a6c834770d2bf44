//! Programs that are killed in the middle of their work, and another one that cleans up after them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use spuff_core::simulator::{Cloud, Route};

/// Whose machines all of them are.
const OWNER: &str = "crash";

/// An example, wired to a cloud: `cargo test --workspace` builds it.
pub(crate) fn example(cloud: &Cloud, program: &str, name: &str) -> Command {
    let path = std::env::current_exe().unwrap();
    let path = path.parent().unwrap().with_file_name("examples").join(program);
    assert!(
        path.exists(),
        "{} is not built: `cargo build -p spuff-examples --examples`",
        path.display()
    );
    let mut command = Command::new(path);
    command.envs(cloud.environment()).args(["--provider", name, "--owner", OWNER]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub(crate) fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// The ids of the machines that exist and have not been told to end.
pub(crate) fn alive(cloud: &Cloud) -> Vec<String> {
    let mut ids: Vec<_> = cloud
        .instances()
        .into_iter()
        .filter(|machine| !machine.ending)
        .map(|machine| machine.id)
        .collect();
    ids.sort();
    ids
}

/// Kills a program after some time, from its first create on if that is asked for, lets another one
/// clean up after it, and says that nothing is left then. Gives how many machines the first one had
/// left.
pub(crate) fn kill_and_reap(
    cloud: &Cloud,
    program: &mut Command,
    name: &str,
    once_begun: bool,
    after: Duration,
    speed: f64,
) -> usize {
    let mut child = program.spawn().unwrap();
    while once_begun
        && cloud.route_count(name, Route::CreateInstance) == 0
        && child.try_wait().unwrap().is_none()
    {
        std::thread::sleep(Duration::from_millis(1));
    }
    std::thread::sleep(after);
    child.kill().unwrap();
    child.wait().unwrap();
    wait_for_what_is_on_its_way(cloud);
    // The clouds' lists catch up.
    std::thread::sleep(Duration::from_secs(10).div_f64(speed));
    let left = alive(cloud);

    let output = example(cloud, "reap", name).output().unwrap();
    let told = text(&output);
    assert!(output.status.success(), "{name}: {told}");
    for id in &left {
        assert!(told.contains(id), "{name}: {id} is not among\n{told}");
    }
    cloud.assert_no_leaks();
    left.len()
}

/// Until a cloud has read all that programs which have ended had sent.
fn wait_for_what_is_on_its_way(cloud: &Cloud) {
    // Connections are accepted in their order: when this one is answered, theirs have been
    // accepted.
    let mut last = TcpStream::connect(cloud.address()).unwrap();
    last.write_all(b"GET /simulator/clock HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    last.read_exact(&mut [0]).unwrap();
    while cloud.open_connections() > 1 {
        std::thread::sleep(Duration::from_millis(1));
    }
}
