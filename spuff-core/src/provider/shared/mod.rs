//! Code shared only by the provider modules.

pub(super) mod defaults;
#[cfg(any(feature = "aws", feature = "digitalocean", feature = "hetzner"))]
pub(super) mod lookup;
#[cfg(any(feature = "digitalocean", feature = "hetzner"))]
pub(super) mod price_list;
pub(super) mod validate;
