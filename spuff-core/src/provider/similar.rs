//! Suggestions for misspelled words, for errors that list the valid ones.

/// The minimum similarity of two words, from 0 to 1.
const LIKE: f64 = 0.75;

/// Returns ` (did you mean "hetzner"?)` if `word` is similar to a known one; otherwise nothing.
pub(crate) fn hint<T: AsRef<str>>(word: &str, known: &[T]) -> String {
    let longest = known.iter().map(|known| known.as_ref().len()).max().unwrap_or_default();
    // A longer word is similar to none, and comparing it takes time proportional to its length.
    if word.len() > 2 * longest {
        return String::new();
    }
    let word = word.to_lowercase();
    let likeness = |known: &&T| strsim::normalized_damerau_levenshtein(&word, known.as_ref());
    let nearest = known.iter().max_by(|one, other| likeness(one).total_cmp(&likeness(other)));
    let nearest = nearest.filter(|nearest| likeness(nearest) >= LIKE);
    nearest.map(|nearest| format!(" (did you mean {:?}?)", nearest.as_ref())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_that_was_meant_is_named() {
        let known = ["aws", "digitalocean", "docker", "hetzner"];
        for (word, meant) in [
            ("hetzer", "hetzner"),
            ("Hetzner ", "hetzner"),
            ("digital-ocean", "digitalocean"),
            ("dokcer", "docker"),
        ] {
            assert_eq!(hint(word, &known), format!(" (did you mean {meant:?}?)"));
        }
        for word in ["", "gcp", "azure", "linode", &"hetzner".repeat(1 << 17)] {
            assert_eq!(hint(word, &known), "", "{word}");
        }
        assert_eq!(hint::<&str>("hetzner", &[]), "");
    }
}
