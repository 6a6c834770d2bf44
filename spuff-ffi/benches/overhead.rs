//! What the C ABI adds to a call: a verb through it, with its result read and freed, beside the
//! same call of the blocking facade, in turns, in one run. Once against the clouds in a box over
//! HTTP, once against a provider that answers at once.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark for a terminal"
)]
#![allow(missing_docs, reason = "not a library")]

use std::ffi::{CStr, CString};
use std::ptr::{null, null_mut};
use std::time::Instant;

use async_trait::async_trait;
use spuff::instance::{spuff_instance_free, spuff_instance_id, spuff_instance_ip};
use spuff::provider::{Provider as Handle, spuff_provider_get_instance};
use spuff_core::blocking;
use spuff_core::provider::{InstanceRequest, Provider, ProviderInstance, ProviderResult, Snapshot};
use spuff_core::simulator::Cloud;

/// A provider that answers at once.
struct AtOnce;

#[async_trait]
impl Provider for AtOnce {
    fn name(&self) -> &str {
        "at-once"
    }
    async fn create_instance(&self, _: &InstanceRequest) -> ProviderResult<ProviderInstance> {
        Ok(ProviderInstance::default())
    }
    async fn destroy_instance(&self, _: &str) -> ProviderResult<()> {
        Ok(())
    }
    async fn get_instance(&self, id: &str) -> ProviderResult<Option<ProviderInstance>> {
        let mut found = ProviderInstance {
            id: id.to_string(),
            name: "web-1".to_string(),
            ..ProviderInstance::default()
        };
        found.labels.insert("managed-by".to_string(), "spuff".to_string());
        Ok(Some(found))
    }
    async fn list_instances(&self) -> ProviderResult<Vec<ProviderInstance>> {
        Ok(Vec::new())
    }
    async fn wait_ready(&self, _: &str) -> ProviderResult<ProviderInstance> {
        Ok(ProviderInstance::default())
    }
    async fn create_snapshot(&self, id: &str, name: &str) -> ProviderResult<Snapshot> {
        Ok(Snapshot { id: id.to_string(), name: name.to_string(), created_at: None })
    }
    async fn list_snapshots(&self) -> ProviderResult<Vec<Snapshot>> {
        Ok(Vec::new())
    }
    async fn delete_snapshot(&self, _: &str) -> ProviderResult<()> {
        Ok(())
    }
}

fn over_c(provider: &Handle, id: &CStr) -> usize {
    let mut found = null_mut();
    // SAFETY: handles of this program, and room for the result.
    unsafe {
        let code =
            spuff_provider_get_instance(provider, id.as_ptr(), null(), &raw mut found, null_mut());
        assert_eq!(code as i32, 0);
        let weight = CStr::from_ptr(spuff_instance_id(found)).count_bytes()
            + CStr::from_ptr(spuff_instance_ip(found)).count_bytes();
        spuff_instance_free(&raw mut found);
        weight
    }
}

fn in_rust(provider: &blocking::Provider, id: &str) -> usize {
    let found = provider.get_instance(id).unwrap().unwrap();
    found.id.len() + found.ip.to_string().len()
}

fn compare(what: &str, times: u32, provider: &blocking::Provider, id: &str) {
    const ROUNDS: usize = 41;
    let handle = Handle::from(provider.clone());
    let c_id = CString::new(id).unwrap();
    let mut spent = [Vec::new(), Vec::new()];
    for round in 0..=ROUNDS {
        let mut sides: [&mut dyn FnMut() -> usize; 2] =
            [&mut || over_c(&handle, &c_id), &mut || in_rust(provider, id)];
        for (side, spent) in sides.iter_mut().zip(&mut spent) {
            let began = Instant::now();
            let weight: usize = (0..times).map(|_| side()).sum();
            assert!(weight > 0);
            // The first round warms connections and caches.
            if round > 0 {
                spent.push(began.elapsed().as_secs_f64() * 1e9 / f64::from(times));
            }
        }
    }
    let mut ratios: Vec<f64> = spent[0].iter().zip(&spent[1]).map(|(c, rust)| c / rust).collect();
    let median = |values: &mut Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let [c, rust] = &mut spent;
    println!(
        "{what:24} C {:9.0} ns   Rust {:9.0} ns   x{:.3}",
        median(c),
        median(rust),
        median(&mut ratios)
    );
}

fn main() {
    let cloud = Cloud::start().unwrap();
    let provider = blocking::Provider::from(cloud.provider("hetzner").unwrap());
    let machine = provider.create_instance(&InstanceRequest::new("web-1", "fsn1", "cx22")).unwrap();
    compare("get_instance, over HTTP", 200, &provider, &machine.id);
    let provider: Box<dyn Provider> = Box::new(AtOnce);
    compare("get_instance, at once", 20_000, &provider.into(), "42");
}
