//! EC2 ids: a prefix and seventeen hexadecimal digits, which encode the number reversibly.

use super::super::inspect::Kind;
use super::problem::{Outcome, Problem};

/// Odd, so that multiplication by it is invertible.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
const INVERSE: u64 = inverse(FACTOR);

const fn inverse(odd: u64) -> u64 {
    let mut inverse = odd;
    let mut round = 0;
    while round < 6 {
        inverse = inverse.wrapping_mul(2_u64.wrapping_sub(odd.wrapping_mul(inverse)));
        round += 1;
    }
    inverse
}

fn scattered(id: u64) -> u64 {
    let product = id.wrapping_mul(FACTOR);
    product ^ (product >> 32)
}

fn gathered(scattered: u64) -> u64 {
    (scattered ^ (scattered >> 32)).wrapping_mul(INVERSE)
}

/// Formats the id of a resource.
pub(super) fn name(prefix: &str, id: u64) -> String {
    format!("{prefix}0{:016x}", scattered(id))
}

/// Formats the id of a resource of this kind.
pub(super) fn of_kind(kind: Kind, id: u64) -> String {
    let prefix = match kind {
        Kind::Instance => "i-",
        Kind::Snapshot => "ami-",
        Kind::DiskSnapshot => "snap-",
        Kind::Disk => "vol-",
        Kind::Address => "eipassoc-",
    };
    name(prefix, id)
}

/// The id of a resource that every region has from the start.
pub(super) fn fixed(prefix: &str, region: &str, what: &str) -> String {
    let bytes = region.bytes().chain([b'/']).chain(what.bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    name(prefix, hash)
}

/// The result of parsing an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    /// It does not have the format of this kind.
    Malformed,
    /// A resource that may exist.
    Thing(u64),
    /// It is well-formed, but the simulator never issues it.
    Nothing,
}

impl Named {
    /// Returns the number, if any.
    pub(super) fn thing(self, malformed: impl FnOnce() -> Problem) -> Outcome<Option<u64>> {
        match self {
            Self::Malformed => Err(malformed()),
            Self::Thing(id) => Ok(Some(id)),
            Self::Nothing => Ok(None),
        }
    }
}

pub(super) fn read(prefix: &str, text: &str) -> Named {
    let Some(digits) = text.strip_prefix(prefix) else { return Named::Malformed };
    let hexadecimal = digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if !hexadecimal || !matches!(digits.len(), 8 | 17) {
        return Named::Malformed;
    }
    match digits
        .strip_prefix('0')
        .filter(|rest| rest.len() == 16)
        .map(|rest| u64::from_str_radix(rest, 16))
    {
        Some(Ok(number)) => Named::Thing(gathered(number)),
        _ => Named::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_its_number() {
        for id in [0, 1, 2, 1_000_001, u64::MAX] {
            let name = name("i-", id);
            assert_eq!((name.len(), read("i-", &name)), (19, Named::Thing(id)), "{name}");
        }
        assert_eq!(read("i-", "i-1234abcd"), Named::Nothing);
        assert_eq!(read("i-", "i-123456789abcdef01"), Named::Nothing);
        for text in [
            "",
            "i-",
            "i-1",
            "ami-0123456789abcdef0",
            "i-0123456789abcdefg",
            "i-0123456789ABCDEF0",
            "7",
            "i-é",
        ] {
            assert_eq!(read("i-", text), Named::Malformed, "{text}");
        }
    }

    #[test]
    fn what_a_region_has_is_called_the_same_each_time() {
        assert_eq!(fixed("vpc-", "us-east-1", "vpc"), fixed("vpc-", "us-east-1", "vpc"));
        assert_ne!(fixed("vpc-", "us-east-1", "vpc"), fixed("vpc-", "us-east-2", "vpc"));
    }
}
