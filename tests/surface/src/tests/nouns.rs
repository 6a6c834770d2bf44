//! Nouns: what is read, what is refused, and each type of field in each language.

use std::rc::Rc;

use crate::model::{Contract, read};
use crate::nouns::{Kind, Noun, Shape};
use crate::{c, go, python};

const DERIVES: &str = "#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]\n";

/// A contract with these items, whose operations take and return a `Disk`.
fn contract(items: &str) -> Result<Contract, String> {
    read(&[
        "pub trait Provider { /// X.
        async fn get_disk(&self, id: &str) -> ProviderResult<Option<Disk>>;
        /// X.
        async fn list_disks(&self) -> ProviderResult<Vec<Disk>>;
        /// X.
        async fn create_disk(&self, options: &DiskOptions) -> ProviderResult<Disk>; }"
            .to_string(),
        format!(
            "/// Options.\n{DERIVES} pub struct DiskOptions {{ /// A name.\n pub name: String }}
            {items}"
        ),
    ])
}

/// A contract whose disk has one more field.
fn with_field(field: &str, items: &str) -> Result<Contract, String> {
    contract(&format!(
        "/// A disk.\n{DERIVES} pub struct Disk {{ /// Its id.\n pub id: String, {field} }}
        impl Disk {{ pub fn new(id: impl Into<String>) -> Self {{ todo!() }} }} {items}"
    ))
}

fn refusal(items: &str) -> String {
    contract(items).map(|_| ()).unwrap_err()
}

fn refused_field(field: &str) -> String {
    with_field(field, "").map(|_| ()).unwrap_err()
}

/// The text of the file that ends so.
fn written(files: Result<Vec<crate::File>, String>, end: &str) -> String {
    files.unwrap().into_iter().find(|file| file.path.ends_with(end)).unwrap().text
}

/// One line, with one space wherever there is any.
fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The parts of the package that are generated.
const PACKAGE: &str = "import x\nfrom ._nouns import (\n    Old,\n)\n\n__all__ += [\"Old\"]\n";

const STATE: &str = "
    /// What it does.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub enum State { /// Idle.
        Idle, /// At work.
        AtWork }
    impl State { pub fn as_str(&self) -> &'static str {
        match self { Self::Idle => \"idle\", Self::AtWork => \"at-work\" } } }
    impl FromStr for State {}";

#[test]
fn a_noun_is_read_with_its_uses() {
    let Contract { nouns, .. } =
        with_field("/// When.\n pub at: Option<DateTime<Utc>>,", "").unwrap();
    let names: Vec<_> = nouns.iter().map(|noun| noun.name.as_str()).collect();
    assert_eq!(names, ["Disk", "DiskOptions"]);
    let disk = &nouns[0];
    assert_eq!(disk.required.as_deref(), Some(["id".to_string()].as_slice()));
    assert!(disk.is_returned && disk.is_listed && !disk.is_labelled && disk.has_id());
    assert!(disk.fields[1].is(&Kind::Time, Shape::Optional));
    assert!(nouns[1].is_option() && !nouns[1].is_returned && !nouns[1].is_listed);
}

#[test]
fn labels_beside_a_noun_are_seen() {
    let source = format!(
        "pub trait Provider {{ /// X.
        async fn list_disks(&self) -> ProviderResult<Vec<(Disk, HashMap<String, String>)>>; }}
        /// A disk.\n{DERIVES} pub struct Disk {{ /// Its id.\n pub id: String }}"
    );
    let Contract { nouns, .. } = read(&[source]).unwrap();
    assert!(nouns[0].is_labelled && nouns[0].is_listed && !nouns[0].is_returned);
}

#[test]
fn what_is_not_plain_is_refused_with_what_to_do() {
    let disk = |body: &str| format!("/// X.\n{DERIVES} pub struct Disk {body}");
    for (items, said) in [
        (String::new(), "no rule for the result of type Option<Disk>"),
        (disk("(String);"), "name them"),
        (disk("{ /// X.\n id: String }"), "Disk::id is not public"),
        (disk("{ pub id: String }"), "Disk::id has no documentation"),
        (disk("{ /// X.\n pub disks: Vec<Disk> }"), "Disk has itself as a field"),
        (disk("{ /// X.\n pub new: String }"), "two functions of C would be called new"),
        (disk("{ /// X.\n pub tag: String, /// X.\n pub tags: Vec<String> }"), "give tags another"),
        ("/// X.\n#[derive(Debug, Clone)] pub struct Disk { }".to_string(), "PartialEq, Serialize"),
        (
            "/// X.\n#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)] pub struct Disk { }
            impl Default for Disk {}"
                .to_string(),
            "what is left out in Go is zero",
        ),
        (disk("{ /// X.\n pub id: String } impl Disk { pub fn new() {} }"), "derive Default"),
        (
            disk("{ /// X.\n pub a: Vec<String> } impl Disk { pub fn new(a: Vec<String>) {} }"),
            "Disk::new takes a, which is no field with one value",
        ),
    ] {
        let told = refusal(&items);
        assert!(told.contains(said), "{said}: {told}");
    }
}

#[test]
fn a_field_without_a_rule_is_refused_with_what_to_do() {
    for (field, said) in [
        ("/// X.\n pub a: PathBuf,", "Disk::a: there is no rule for the field of type PathBuf"),
        ("/// X.\n pub a: Option<Vec<String>>,", "field of type Option<Vec<String>>"),
        ("/// X.\n pub a: HashMap<String, u32>,", "a map of String"),
        ("/// X.\n pub a: InstanceStatus,", "no rule for the field of type InstanceStatus"),
        ("/// X.\n pub a: SecretString,", "Disk::a is a secret: write its noun by hand"),
    ] {
        let told = refused_field(field);
        assert!(told.contains(said), "{said}: {told}");
    }
    let wordless = STATE.replace("impl FromStr for State {}", "");
    let told = with_field("/// X.\n pub state: State,", &wordless).map(|_| ()).unwrap_err();
    assert!(told.contains("State is an enum without"), "{told}");
    let other = STATE.replace("AtWork }", "AtWork, /// X.\n Other(u32) }");
    let told = with_field("/// X.\n pub state: State,", &other).map(|_| ()).unwrap_err();
    assert!(told.contains("State::Other has no word"), "{told}");
}

#[test]
fn options_are_called_options() {
    let source = format!(
        "pub trait Provider {{ /// X.\nasync fn a(&self, how: &How) -> ProviderResult<()>; }}
        /// X.\n{DERIVES} pub struct How {{ /// X.\n pub a: bool }}"
    );
    let told = read(&[source]).map(|_| ()).unwrap_err();
    assert!(told.contains("a: how is of type How") && told.contains("`options`"), "{told}");
}

/// What each language must say of a field of one type: its declaration, a getter and a setter in C,
/// a field in Go, an argument and a property in Python.
const FIELDS: [(&str, [&str; 5]); 17] = [
    (
        "String",
        [
            "disk_f(disk: *const Disk) -> *const c_char",
            "disk_set_f(disk: *mut Disk, f: *const c_char,",
            "F string",
            "f: str = ...",
            "def f(self) -> str:",
        ],
    ),
    (
        "Option<String>",
        [
            "disk_f(disk: *const Disk) -> *const c_char",
            "change(disk, |disk| disk.inner.f = Some(value))",
            "F *string",
            "f: str | None = None",
            "def f(self) -> str | None:",
        ],
    ),
    (
        "bool",
        [
            "getter(false, || Some(optional(disk)?.inner.f))",
            "f: bool,",
            "F bool",
            "f: bool = False",
            "def f(self) -> bool:",
        ],
    ),
    (
        "Option<bool>",
        [
            "disk_has_f(disk: *const Disk) -> bool",
            "= Some(value))",
            "F *bool",
            "f: bool | None = None",
            "def f(self) -> bool | None:",
        ],
    ),
    ("u16", ["-> u16", "f: u16,", "F uint16", "f: int = 0", "def f(self) -> int:"]),
    ("u32", ["-> u32", "f: u32,", "F uint32", "f: int = 0", "def f(self) -> int:"]),
    ("i64", ["-> i64", "f: i64,", "F int64", "f: int = 0", "def f(self) -> int:"]),
    (
        "Option<usize>",
        [
            "disk_has_f(",
            "f: usize,",
            "F *uint",
            "f: int | None = None",
            "def f(self) -> int | None:",
        ],
    ),
    ("f64", ["-> f64", "f: f64,", "F float64", "f: float = 0.0", "def f(self) -> float:"]),
    (
        "Duration",
        [
            "disk_f_ms(disk: *const Disk) -> i64",
            "disk_set_f_ms(disk: *mut Disk, f_ms: u64,",
            "F time.Duration",
            "f: _Seconds = ...",
            "def f(self) -> float:",
        ],
    ),
    (
        "Option<DateTime<Utc>>",
        [
            "disk_f_ms(disk: *const Disk) -> i64",
            "disk_set_f_ms(disk: *mut Disk, unix_ms: i64,",
            "F time.Time",
            "f: datetime | None = None",
            "def f(self) -> datetime | None:",
        ],
    ),
    (
        "Option<IpAddr>",
        [
            "-> *const c_char",
            "parsed(f, \"f\")?",
            "F netip.Addr",
            "f: IPv4Address | IPv6Address | str | None = None",
            "def f(self) -> IPv4Address | IPv6Address | None:",
        ],
    ),
    (
        "Vec<String>",
        [
            "disk_f(disk: *const Disk, index: usize) -> *const c_char",
            "disk_add_f(disk: *mut Disk,",
            "F []string",
            "f: list[str] | None = None",
            "def f(self) -> list[str]:",
        ],
    ),
    (
        "BTreeMap<String, String>",
        [
            "disk_f_key(disk: *const Disk, index: usize)",
            "disk_add_f(disk: *mut Disk, key:",
            "F map[string]string",
            "f: dict[str, str] | None = None",
            "def f(self) -> dict[str, str]:",
        ],
    ),
    (
        "State",
        [
            "c_text(self.inner.f.as_str())",
            "parsed(f, \"f\")?",
            "F State",
            "f: Literal[\"idle\", \"at-work\"] | None = None",
            "def f(self) -> Literal[\"idle\", \"at-work\"]:",
        ],
    ),
    (
        "Option<Price>",
        [
            "-> *const Price",
            "disk_set_f(disk: *mut Disk, f: *const Price,",
            "F *Price",
            "f: Price | None = None",
            "def f(self) -> Price | None:",
        ],
    ),
    (
        "Vec<Part>",
        [
            "disk_f(disk: *const Disk, index: usize) -> *const Part",
            "f: *const Part,",
            "F []Part",
            "f: list[Part] | None = None",
            "def f(self) -> list[Part]:",
        ],
    ),
];

#[test]
fn every_type_of_field_is_in_every_language() {
    let part =
        format!("/// A part.\n{DERIVES} pub struct Part {{ /// Its name.\n pub name: String }}");
    for (kind, [getter, setter, go_field, argument, property]) in FIELDS {
        let field = format!("/// The field.\n pub f: {kind},");
        let Contract { nouns, .. } = with_field(&field, &format!("{STATE} {part}")).unwrap();
        let in_c = flat(&written(c::nouns::files(&nouns), "src/nouns/disk.rs"));
        let in_go = flat(&written(go::nouns::files(&nouns), "zz_disk.go"));
        let stub = flat(&written(python::nouns::files(&nouns, PACKAGE), "_nouns.pyi"));
        for (text, said) in [
            (&in_c, getter),
            (&in_c, setter),
            (&in_go, go_field),
            (&stub, argument),
            (&stub, property),
        ] {
            assert!(text.contains(said), "{kind}: {said} is not in {text}");
        }
    }
}

#[test]
fn the_package_offers_every_noun() {
    let Contract { nouns, .. } = with_field("", "").unwrap();
    let text = written(python::nouns::files(&nouns, PACKAGE), "__init__.py");
    let expected = "import x
from ._nouns import Disk, DiskOptions

__all__ += [\"Disk\", \"DiskOptions\"]
";
    assert_eq!(text, expected);
    let refused = python::nouns::files(&nouns, "import x\n").map(|_| ()).unwrap_err();
    assert!(refused.contains("no line that begins with"), "{refused}");
}

#[test]
fn an_enum_is_a_type_of_words_in_go() {
    let Contract { nouns, .. } = with_field("/// X.\n pub state: State,", STATE).unwrap();
    let text = flat(&written(go::nouns::files(&nouns), "zz_state.go"));
    for said in [
        "// State is what it does. type State string",
        "// StateAtWork: at work. StateAtWork State = \"at-work\"",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
}

#[test]
fn a_class_shows_what_is_set_and_is_made_from_what_must_be() {
    let Contract { nouns, .. } = with_field("/// X.\n pub size: u64,", "").unwrap();
    let disk: &Rc<Noun> = &nouns[0];
    let text = flat(&written(python::nouns::files(&nouns, PACKAGE), "src/nouns/disk.rs"));
    for said in [
        "#[pyo3(signature = (id, *, size=0))]",
        "let mut made = Self(provider::Disk::new(id)); made.0.size = size; made",
        "if self.0.size != 0 { shown = shown.value(\"size\", self.size())?; }",
        "self.0.id.hash(&mut hasher);",
        "impl Outcome for Vec<provider::Disk>",
    ] {
        assert!(text.contains(said), "{}: {said}: {text}", disk.name);
    }
}
