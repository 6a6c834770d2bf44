//! The fingerprint of an SSH key as clouds show it: the MD5 of the key's bytes.

/// Returns the fingerprint of a public key such as `ssh-ed25519 AAAA… comment`, or `None` if it is
/// not a valid key.
pub(in super::super) fn fingerprint(public_key: &str) -> Option<String> {
    let mut words = public_key.split_whitespace();
    let kind = words.next()?;
    let key = decode(words.next()?)?;
    // The key's bytes begin with its type, prefixed with its length.
    let (length, rest) = key.split_first_chunk::<4>()?;
    let named = rest.get(..usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    let pairs: Vec<String> = md5(&key).iter().map(|byte| format!("{byte:02x}")).collect();
    (named == kind.as_bytes() && rest.len() > named.len()).then(|| pairs.join(":"))
}

/// Decodes padded base64 of the standard alphabet.
fn decode(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=');
    if text.len() - digits.len() > 2 || !text.len().is_multiple_of(4) {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut bits = 0_u32;
    let mut held = 0_u32;
    for digit in digits.bytes() {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.extend(u8::try_from((bits >> held) & 0xff));
        }
    }
    Some(bytes)
}

/// Rotation amounts of the steps of each round.
const TURNS: [[u32; 4]; 4] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];

/// MD5, as in RFC 1321.
fn md5(message: &[u8]) -> [u8; 16] {
    let mut padded = message.to_vec();
    padded.push(0x80);
    padded.resize(padded.len().next_multiple_of(64), 0);
    if message.len() % 64 >= 56 {
        padded.resize(padded.len() + 64, 0);
    }
    let end = padded.len() - 8;
    padded.truncate(end);
    padded.extend((message.len() as u64).wrapping_mul(8).to_le_bytes());

    let mut state = [0x6745_2301_u32, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
    for block in padded.chunks_exact(64) {
        let word = |index: usize| {
            block
                .get(index * 4..)
                .and_then(|rest| rest.first_chunk())
                .map_or(0, |bytes| u32::from_le_bytes(*bytes))
        };
        let [mut a, mut b, mut c, mut d] = state;
        for (round, turns) in TURNS.iter().enumerate() {
            for (step, turn) in turns.iter().cycle().take(16).enumerate() {
                let (mix, index) = match round {
                    0 => ((b & c) | (!b & d), step),
                    1 => ((d & b) | (!d & c), (5 * step + 1) % 16),
                    2 => (b ^ c ^ d, (3 * step + 5) % 16),
                    _ => (c ^ (b | !d), (7 * step) % 16),
                };
                let sum = a
                    .wrapping_add(mix)
                    .wrapping_add(sine(round * 16 + step))
                    .wrapping_add(word(index));
                (a, d, c, b) = (d, c, b, b.wrapping_add(sum.rotate_left(*turn)));
            }
        }
        for (total, part) in state.iter_mut().zip([a, b, c, d]) {
            *total = total.wrapping_add(part);
        }
    }
    let mut digest = [0; 16];
    for (bytes, word) in digest.chunks_exact_mut(4).zip(state) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    digest
}

/// The additive constant of a step.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "RFC 1321, 3.4"
)]
fn sine(step: usize) -> u32 {
    (((step + 1) as f64).sin().abs() * 4_294_967_296.0) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests() {
        let hex = |text: &str| {
            md5(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect::<String>()
        };
        for (text, digest) in [
            ("", "d41d8cd98f00b204e9800998ecf8427e"),
            ("abc", "900150983cd24fb0d6963f7d28e17f72"),
            ("message digest", "f96b697d7cb7938d525a2f31aaf161d0"),
            (&"1234567890".repeat(8), "57edf4a22be3c955ac49da2e2107b67a"),
            (&"a".repeat(55), "ef1772b6dff9a122358552954ad0df65"),
            (&"a".repeat(56), "3b0c8ac703f828b04c6c197006d17218"),
            (&"a".repeat(64), "014842d480b571495a4a0363793f7367"),
        ] {
            assert_eq!(hex(text), digest, "{text}");
        }
    }

    #[test]
    fn only_keys_have_fingerprints() {
        let key = "ssh-ed25519 \
         AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g me@example.org";
        assert_eq!(fingerprint(key).map(|text| text.len()), Some(47));
        for bad in [
            "",
            "ssh-ed25519",
            "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIA==",
            "ssh-ed25519 ????",
            "LaLaLaLaLa",
            "a AAAAAWE=",
        ] {
            assert_eq!(fingerprint(bad), None, "{bad}");
        }
    }
}
