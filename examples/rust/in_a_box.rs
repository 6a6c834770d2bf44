//! Loses the reply to a create at a simulated cloud, and compares what the caller learns with what
//! exists.
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

    let instance = provider.create_instance(&InstanceRequest::new("web-1", "fsn1", "cx22")).await?;
    println!("made {}, though the first reply was lost", instance.id);
    println!("{} creates were sent", cloud.route_count("hetzner", Route::CreateInstance));

    // What exists at the cloud, whatever the client has learned.
    for leak in cloud.leaks() {
        println!("still running: {leak}");
    }
    println!("{}", cloud.bill());
    provider.destroy_instance(&instance.id).await?;
    cloud.assert_no_leaks();
    Ok(())
}
