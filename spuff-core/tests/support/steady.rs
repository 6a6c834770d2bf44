//! A server that answers every GET alike, on kept-alive connections, and asks for no memory while
//! it does.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "each program uses its part")]

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

pub struct Steady {
    pub url: String,
    pub answered: Arc<AtomicUsize>,
}

impl Steady {
    pub fn start(body: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let length = body.len();
        let reply: Arc<str> = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: \
             {length}\r\n\r\n{body}"
        )
        .into();
        let answered = Arc::<AtomicUsize>::default();
        let count = Arc::clone(&answered);
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let reply = Arc::clone(&reply);
                let count = Arc::clone(&count);
                let _ = stream.set_nodelay(true);
                std::thread::spawn(move || {
                    let mut buffer = [0; 4096];
                    let mut filled = 0;
                    while let Ok(read @ 1..) = stream.read(&mut buffer[filled..]) {
                        filled += read;
                        if buffer[..filled].ends_with(b"\r\n\r\n") {
                            filled = 0;
                            count.fetch_add(1, SeqCst);
                            if stream.write_all(reply.as_bytes()).is_err() {
                                break;
                            }
                        }
                    }
                });
            }
        });
        Self { url, answered }
    }

    /// A server of Hetzner's, with all the fields that the API sends.
    pub fn hetzner_server(id: u64, status: &str) -> String {
        serde_json::json!({
            "id": id, "name": format!("web-{id}"), "status": status,
            "created": "2026-01-30T23:55:00+00:00", "public_net": {
                "ipv4": {
                    "id": 1, "ip": "203.0.113.9", "blocked": false,
                    "dns_ptr": "static.9.113.0.203.clients.your-server.de"
                },
                "ipv6": {"id": 2, "ip": "2001:db8:1::/64", "blocked": false, "dns_ptr": []},
                "floating_ips": [478], "firewalls": [{"id": 42, "status": "applied"}]
            },
            "private_net": [{
                "network": 4711, "ip": "10.0.0.2", "alias_ips": [],
                "mac_address": "86:00:ff:2a:7d:e1"
            }],
            "server_type": {
                "id": 1, "name": "cx22", "description": "CX22", "cores": 2, "memory": 4.0,
                "disk": 40, "deprecated": false,
                "prices": [{
                    "location": "fsn1", "price_hourly": {"net": "1.0000", "gross": "1.1900"},
                    "price_monthly": {"net": "1.0000", "gross": "1.1900"},
                    "included_traffic": 654_321,
                    "price_per_tb_traffic": {"net": "1.0000", "gross": "1.1900"}
                }],
                "storage_type": "local", "cpu_type": "shared", "category": "cost_optimized",
                "architecture": "x86"
            },
            "location": {
                "id": 1, "name": "fsn1", "description": "Falkenstein DC Park 1", "country": "DE",
                "city": "Falkenstein", "latitude": 50.47612, "longitude": 12.370071,
                "network_zone": "eu-central"
            },
            "image": {
                "id": 4711, "type": "system", "status": "available", "name": "ubuntu-24.04",
                "description": "Ubuntu 24.04", "image_size": 2.3, "disk_size": 10,
                "created": "2026-01-30T23:55:00+00:00", "created_from": null, "bound_to": null,
                "os_flavor": "ubuntu", "os_version": "24.04", "rapid_deploy": false,
                "protection": {"delete": false}, "deprecated": null, "deleted": null, "labels": {},
                "architecture": "x86"
            },
            "iso": null, "rescue_enabled": false, "locked": false, "backup_window": null,
            "outgoing_traffic": 123_456, "ingoing_traffic": 123_456, "included_traffic": 654_321,
            "protection": {"delete": false, "rebuild": false},
            "labels": {"managed-by": "spuff", "env": "prod"}, "volumes": [], "load_balancers": [],
            "primary_disk_size": 40, "placement_group": null
        })
        .to_string()
    }
}
