//! Each snippet of a program in the READMEs and in the pages stands, to the letter, in the example
//! that it names.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics has failed")]

use std::path::PathBuf;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// How many snippets in a language a page has.
fn snippets(page: &str, language: &str) -> usize {
    let fence = format!("```{language}\n");
    let mut found = 0;
    for (before, snippet) in page.split(&fence).zip(page.split(&fence).skip(1)) {
        let snippet = snippet.split("```").next().unwrap();
        let source = before.trim_end().rsplit("<!-- ").next().unwrap().strip_suffix(" -->");
        let source = source.unwrap_or_else(|| panic!("no <!-- file --> stands before:\n{snippet}"));
        let example = std::fs::read_to_string(format!("{ROOT}/{source}")).unwrap();
        assert!(example.contains(snippet), "{source} does not hold:\n{snippet}");
        found += 1;
    }
    found
}

#[test]
fn snippets_are_from_the_examples() {
    let readme = std::fs::read_to_string(format!("{ROOT}/README.md")).unwrap();
    let pages = std::fs::read_dir(format!("{ROOT}/spuff-core/src/docs")).unwrap();
    let mut pages: Vec<PathBuf> = pages.map(|page| page.unwrap().path()).collect();
    pages.push(format!("{ROOT}/spuff-core/README.md").into());
    let more: String = pages.iter().map(|page| std::fs::read_to_string(page).unwrap()).collect();
    for (language, all) in [("rust", 9), ("c", 1), ("go", 1), ("python", 2)] {
        let shown = snippets(&readme, language);
        assert!(shown >= 1, "the README shows nothing in {language}");
        assert_eq!(shown + snippets(&more, language), all, "{language}");
    }
}

#[test]
fn the_readme_is_short_and_its_links_lead_somewhere() {
    let readme = std::fs::read_to_string(format!("{ROOT}/README.md")).unwrap();
    assert!(
        readme.lines().count() <= 150,
        "{} lines: move what is more to a page of spuff-core/src/docs",
        readme.lines().count()
    );
    let links: Vec<_> =
        readme.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()).collect();
    for link in links.iter().filter(|link| !link.starts_with("http")) {
        assert!(std::fs::exists(format!("{ROOT}/{link}")).unwrap(), "{link}");
    }
    assert!(links.len() >= 10);
}
