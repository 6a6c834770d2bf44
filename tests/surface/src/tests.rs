//! What the generator reads, refuses and writes.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod nouns;

use crate::doc::{Doc, Words, turned, wrapped};
use crate::model::{Given, Returned, Thing, Verb, plural, read, singular};
use crate::{c, check, files, repository};

/// The operations of a trait with these methods.
fn contract(methods: &str) -> Result<Vec<Verb>, String> {
    let source = format!("#[async_trait]\npub trait Provider: Send + Sync {{ {methods} }}");
    read(&[source]).map(|contract| contract.verbs)
}

fn refusal(methods: &str) -> String {
    contract(methods).map(|_| ()).unwrap_err()
}

#[test]
fn a_trait_is_read_with_its_types_and_marks() {
    let verbs = contract(
        "fn name(&self) -> &str;
        /// Attaches a volume
        /// and waits.
        ///
        /// # Waits
        /// For at most `action_complete`.
        async fn attach(&self, instance_id: &str, _labels: &HashMap<String, String>)
            -> ProviderResult<Option<ProviderInstance>> { todo!() }
        /// Ends.
        async fn end_snapshot(&self, id: &str) -> ProviderResult<()>;",
    )
    .unwrap();
    let [attach, end] = verbs.as_slice() else { panic!("two operations") };
    assert_eq!(attach.name, "attach");
    let parameters = attach.parameters.iter().map(|one| (one.name.as_str(), one.given.clone()));
    let expected = [("instance_id", Given::Text), ("labels", Given::Labels)];
    assert_eq!(parameters.collect::<Vec<_>>(), expected);
    assert_eq!(attach.returned, Returned::Maybe(Thing::Instance));
    assert_eq!(attach.doc.summary, ["Attaches a volume and waits."]);
    assert!(attach.waits() && !end.waits());
    assert_eq!((attach.instance_id(), end.instance_id()), (Some("instance_id"), None));
}

#[test]
fn what_has_no_rule_is_refused_with_what_to_do() {
    let type_of_argument = refusal("/// X.\nasync fn grow(&self, by: u32) -> ProviderResult<()>;");
    for said in ["grow", "argument of type u32", "&InstanceRequest", "a plain struct"] {
        assert!(type_of_argument.contains(said), "{said}: {type_of_argument}");
    }
    let result = refusal("/// X.\nasync fn all(&self) -> ProviderResult<Vec<Price>>;");
    assert!(result.contains("result of type Vec<Price>"), "{result}");
    let plain = refusal("/// X.\nasync fn count(&self) -> usize;");
    assert!(plain.contains("count returns no ProviderResult"), "{plain}");
    let blocking = refusal("/// X.\nfn limits(&self) -> usize;");
    assert!(blocking.contains("limits is not async"), "{blocking}");
    let silent = refusal("async fn grow(&self) -> ProviderResult<()>;");
    assert!(silent.contains("grow has no documentation"), "{silent}");
}

#[test]
fn what_would_be_turned_into_something_wrong_is_refused() {
    let checked =
        |method: &str| check::contract(&[format!("struct Volume; trait Provider {{ {method} }}")]);
    let refused = |method: &str, said: &str| {
        let refusal = checked(method).unwrap_err();
        assert!(refusal.contains(said), "{said}: {refusal}");
    };
    refused(
        "async fn copy(&self) -> ProviderResult<ProviderInstance>;",
        "copy returns an instance",
    );
    refused("async fn make_image(&self) -> ProviderResult<Snapshot>;", "if it makes one");
    for signature in [
        "grow(&self, id: &str)",
        "end_disk(&self, _id: &str)",
        "keep_volume(&self, id: &str, volume_id: &str)",
    ] {
        refused(&format!("async fn {signature} -> ProviderResult<()>;"), "argument `id`");
    }
    refused(
        "async fn find(&self) -> ProviderResult<()> { self.list().await }",
        "default body of its own",
    );
    for (line, said) in [
        ("# Waiting", "section `# Waiting`"),
        ("- its volumes", "write sentences"),
        ("2. its volumes", "write sentences"),
        ("```text", "write sentences"),
        ("## More", "write sentences"),
        ("As [create](Self::create_instance).", "not in backticks"),
    ] {
        refused(&format!("/// Ends.\n/// {line}\nasync fn end(&self);"), said);
    }
    checked(
        "/// Ends version 2.5 of [`it`](Self::it) - at once.
        ///
        /// # Errors
        /// None.
        async fn end_instance(&self, id: &str) -> ProviderResult<()> {
            Err(ProviderError::NotSupported { feature: Operation::End.to_string() })
        }
        /// Ends.
        async fn end_volume(&self, _id: &str) -> ProviderResult<()>;
        async fn find(&self) -> ProviderResult<Option<ProviderInstance>>;",
    )
    .unwrap();
}

#[test]
fn a_name_of_many_is_made_of_one_and_the_other_way_round() {
    for (one, many) in [
        ("label", "labels"),
        ("address", "addresses"),
        ("policy", "policies"),
        ("key", "keys"),
        ("size", "sizes"),
        ("image", "images"),
        ("switch", "switches"),
    ] {
        assert_eq!((plural(one), singular(many)), (many.to_string(), one.to_string()));
    }
}

#[test]
fn an_id_is_that_of_an_instance_where_the_name_says_so() {
    let verbs = contract(
        "/// X.\nasync fn stop_instance(&self, id: &str) -> ProviderResult<()>;
        /// X.\nasync fn delete_volume(&self, id: &str) -> ProviderResult<()>;",
    );
    let ids: Vec<_> = verbs.as_ref().unwrap().iter().map(Verb::instance_id).collect();
    assert_eq!(ids, [Some("id"), None]);
}

/// A language that names what begins with `Self` only.
struct Small;

impl Words for Small {
    fn link(&self, path: &str, label: &str) -> Option<String> {
        path.strip_prefix("Self::").map(|name| format!("small_{name} ({label})"))
    }

    fn code(&self, word: &str) -> String {
        if word == "None" { "nothing".to_string() } else { word.to_string() }
    }
}

#[test]
fn links_and_words_are_turned_into_those_of_a_language() {
    let text = "Gives `None` or `x`, as [`this`](Self::one) and [`Self::two`] say.";
    let expected = "Gives nothing or x, as small_one (this) and small_two (Self::two) say.";
    assert_eq!(turned("verb", text, &Small).unwrap(), expected);
    let refused = turned("verb", "See [`Other::thing`].", &Small).unwrap_err();
    assert!(refused.contains("verb: the link to Other::thing has no name"), "{refused}");
    let open = turned("verb", "See `x.", &Small).unwrap_err();
    assert!(open.contains("not closed"), "{open}");
}

#[test]
fn documentation_is_read_by_sections_and_wrapped() {
    let lines = ["One", "two.", "", "Three.", "", "# Errors", "Four,", "five."];
    let doc = Doc::read(&lines.map(str::to_string));
    assert_eq!(doc.summary, ["One two.", "Three."]);
    assert_eq!(doc.section("Errors").unwrap(), &["Four, five."]);
    assert_eq!(doc.section("Waits"), None);
    let text = wrapped(&["# Errors\naa bb cccc dd".to_string(), "ee".to_string()], "/// ", 12);
    assert_eq!(text, "/// # Errors\n/// aa bb\n/// cccc dd\n///\n/// ee\n");
}

#[test]
fn the_table_keeps_its_order_and_grows_at_its_end() {
    let verbs = contract(
        "/// X.\nasync fn create_instance(&self) -> ProviderResult<()>;
        /// X.\nasync fn attach(&self) -> ProviderResult<()>;
        /// X.\nasync fn resolve(&self) -> ProviderResult<()>;",
    )
    .unwrap();
    let order = |table: &str| -> Result<Vec<&str>, String> {
        let ordered = c::in_order(&verbs, table)?;
        Ok(ordered.into_iter().map(|(name, _)| name).collect())
    };
    let grown = order("size: usize\ncreate_instance: X\nresolve: X\n").unwrap();
    assert_eq!(grown, ["create_instance", "resolve", "attach"]);
    let gone = order("size: usize\ncreate_instance: X\ndetach: X\n").unwrap_err();
    assert!(gone.contains("detach") && gone.contains("never taken out"), "{gone}");

    let generated = |fields: &str| format!("pub struct ProviderVtable {{ {fields} }}");
    let one = "create_instance: Option<fn(region: *const c_char, size: *const c_char) -> i32>";
    let before = format!("size: usize\n{one}\n");
    let same = generated(&format!("pub size: usize, pub {},", one.replace(") ", ",) ")));
    assert_eq!(check::table(&before, &same).unwrap(), before);
    let more = generated(&format!("size: usize, {one}, resolve: X"));
    assert_eq!(check::table(&before, &more).unwrap(), format!("{before}resolve: X\n"));
    let swapped = "create_instance: Option<fn(size: *const c_char, region: *const c_char) -> i32>";
    for fields in [
        format!("size: usize, {swapped}"),
        format!("size: usize, new: X, {one}"),
        format!("{one}, size: usize"),
        "size: usize".to_string(),
    ] {
        let refused = check::table(&before, &generated(&fields)).unwrap_err();
        assert!(refused.contains("only grows at its end"), "{refused}");
    }
}

#[test]
fn the_committed_files_are_those_of_the_contract() {
    for file in files().unwrap() {
        let committed = std::fs::read_to_string(repository().join(&file.path)).unwrap_or_default();
        assert!(
            committed == file.text,
            "{} is not up to date: run cargo run -p spuff-surface",
            file.path
        );
        if file.path.ends_with(".txt") {
            continue;
        }
        let long = file.text.lines().find(|line| line.chars().count() > 100);
        assert_eq!(long, None, "{} has a line of more than 100 columns", file.path);
    }
}
