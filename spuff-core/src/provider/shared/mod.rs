//! Code shared only by the provider modules.

pub(super) mod defaults;
pub(super) mod lookup;
pub(super) mod price_list;
pub(super) mod validate;
