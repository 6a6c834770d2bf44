//! An instance type in EC2's format.

use super::super::account::{Architecture, Size};
use super::catalogue::architecture;
use super::show::threads;
use super::xml::Xml;

/// Whether the type is of a current generation.
pub(super) fn is_current(size: &Size) -> bool {
    !size.name.starts_with("m1.")
}

pub(super) fn is_free(size: &Size) -> bool {
    matches!(size.name, "t2.micro" | "t3.micro" | "t3.small" | "t4g.micro" | "t4g.small")
}

pub(super) fn hypervisor(size: &Size) -> Option<&'static str> {
    let old = ["m1.", "t2.", "i3.", "p3."].iter().any(|family| size.name.starts_with(family));
    Some(if old { "xen" } else { "nitro" })
}

pub(super) fn show(xml: &mut Xml, size: &Size) {
    let arm = size.architecture == Architecture::Arm;
    let nitro = hypervisor(size) == Some("nitro");
    let burstable = size.name.starts_with('t');
    xml.text("instanceType", size.name);
    xml.flag("currentGeneration", is_current(size));
    xml.flag("freeTierEligible", is_free(size));
    xml.texts("supportedUsageClasses", ["on-demand", "spot"]);
    xml.texts("supportedRootDeviceTypes", ["ebs"]);
    xml.texts("supportedVirtualizationTypes", ["hvm"]);
    xml.flag("bareMetal", false);
    xml.maybe("hypervisor", hypervisor(size));
    xml.within("processorInfo", |xml| {
        let names: &[&str] = if size.name.starts_with("t2.") {
            &["i386", "x86_64"]
        } else {
            &[architecture(size.architecture)]
        };
        xml.texts("supportedArchitectures", names.iter().copied());
        xml.text("sustainedClockSpeedInGhz", if arm { "2.5" } else { "3.1" });
        let amd = size.name.split('.').next().is_some_and(|family| family.ends_with('a'));
        xml.text(
            "manufacturer",
            if arm {
                "AWS"
            } else if amd {
                "AMD"
            } else {
                "Intel"
            },
        );
    });
    xml.within("vCpuInfo", |xml| {
        let threads = threads(size);
        xml.value("defaultVCpus", size.cpus);
        xml.value("defaultCores", size.cpus / threads);
        xml.value("defaultThreadsPerCore", threads);
    });
    xml.within("memoryInfo", |xml| xml.value("sizeInMiB", size.memory_mib));
    xml.flag("instanceStorageSupported", size.disk_gib > 0);
    if size.disk_gib > 0 {
        xml.within("instanceStorageInfo", |xml| {
            xml.value("totalSizeInGB", size.disk_gib);
            xml.set("disks", [()], |xml, ()| {
                xml.value("sizeInGB", size.disk_gib);
                xml.value("count", 1);
                xml.text("type", "ssd");
            });
            xml.text("nvmeSupport", "required");
            xml.text("encryptionSupport", "required");
        });
    }
    xml.within("ebsInfo", |xml| {
        xml.text("ebsOptimizedSupport", if nitro { "default" } else { "unsupported" });
        xml.text("encryptionSupport", "supported");
        xml.text("nvmeSupport", if nitro { "required" } else { "unsupported" });
    });
    xml.within("networkInfo", |xml| {
        xml.text("networkPerformance", size.class);
        xml.value("maximumNetworkInterfaces", size.cpus.clamp(2, 8));
        xml.value("maximumNetworkCards", 1);
        xml.value("defaultNetworkCardIndex", 0);
        xml.value("ipv4AddressesPerInterface", 10);
        xml.value("ipv6AddressesPerInterface", 10);
        xml.flag("ipv6Supported", is_current(size));
        xml.text("enaSupport", if nitro { "required" } else { "unsupported" });
        xml.flag("efaSupported", false);
        xml.flag("encryptionInTransitSupported", false);
    });
    if size.gpu {
        xml.within("gpuInfo", |xml| {
            xml.set("gpus", [()], |xml, ()| {
                xml.text("name", gpu(size));
                xml.text("manufacturer", "NVIDIA");
                xml.value("count", 1);
                xml.within("memoryInfo", |xml| xml.value("sizeInMiB", 16_384));
            });
            xml.value("totalGpuMemoryInMiB", 16_384);
        });
    }
    xml.within("placementGroupInfo", |xml| {
        xml.texts("supportedStrategies", ["partition", "spread"])
    });
    xml.flag("hibernationSupported", !arm && nitro);
    xml.flag("burstablePerformanceSupported", burstable);
    xml.flag("dedicatedHostsSupported", !burstable);
    xml.flag("autoRecoverySupported", size.disk_gib == 0);
    xml.texts(
        "supportedBootModes",
        if arm { &["uefi"][..] } else { &["legacy-bios", "uefi"][..] }.iter().copied(),
    );
    xml.text("nitroEnclavesSupport", "unsupported");
    xml.text("nitroTpmSupport", if nitro { "supported" } else { "unsupported" });
    xml.text("phcSupport", "unsupported");
}

fn gpu(size: &Size) -> &'static str {
    match size.name.split('.').next() {
        Some("p3") => "V100",
        Some("g4dn") => "T4",
        Some("g5") => "A10G",
        Some("g5g") => "T4g",
        _ => "L40S",
    }
}
