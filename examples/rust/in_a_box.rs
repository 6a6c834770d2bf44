//! A lost reply, tried out on a simulated cloud: what the caller is told, and what the cloud knows.
//!
//! ```sh
//! cargo run -p spuff-examples --example in_a_box
//! ```

#![allow(clippy::print_stdout, reason = "a program for a terminal")]

use std::error::Error;

use spuff_core::provider::InstanceRequest;
use spuff_core::simulator::{Clock, Fault, Options, Route};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let cloud = Options::default().with_clock(Clock::Fast(60.0)).start()?;
    cloud.inject(Fault::ReplyLost.once("hetzner", Route::CreateInstance));
    let provider = cloud.provider("hetzner")?;

    let machine = provider.create_instance(&InstanceRequest::new("web-1", "fsn1", "cx22")).await?;
    println!("made {}, though the first reply was lost", machine.id);
    println!("{} creates were sent", cloud.route_count("hetzner", Route::CreateInstance));

    // What truly exists, whatever the client was told.
    for machine in cloud.leaks() {
        println!("still running: {machine}");
    }
    println!("{}", cloud.bill());
    provider.destroy_instance(&machine.id).await?;
    cloud.assert_no_leaks();
    Ok(())
}
