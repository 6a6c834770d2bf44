//! Each snippet of a program in the README stands, to the letter, in the example that it names.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics has failed")]

#[test]
fn snippets_are_from_the_examples() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let readme = std::fs::read_to_string(format!("{root}/README.md")).unwrap();
    for (language, at_least) in [("rust", 5), ("c", 1), ("go", 1), ("python", 1)] {
        let fence = format!("```{language}\n");
        let mut found = 0;
        for (before, snippet) in readme.split(&fence).zip(readme.split(&fence).skip(1)) {
            let snippet = snippet.split("```").next().unwrap();
            let source = before.trim_end().rsplit("<!-- ").next().unwrap().strip_suffix(" -->");
            let source = source.unwrap_or_else(|| panic!("no <!-- file --> stands before:\n{snippet}"));
            let example = std::fs::read_to_string(format!("{root}/{source}")).unwrap();
            assert!(example.contains(snippet), "{source} does not hold:\n{snippet}");
            found += 1;
        }
        assert!(found >= at_least, "the README has {found} snippets in {language}");
    }
}
