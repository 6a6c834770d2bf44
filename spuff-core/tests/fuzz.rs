//! A short run of every target of fuzzing: over its corpus, and over what chance makes of that, by
//! a fixed seed. Long ones, guided by coverage, are `tests/fuzz/run`.
//!
//! Where one fails, it tells the input: as a file of the corpus it is tried by itself ever after.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics has failed")]

use std::collections::BTreeSet;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;
use spuff_core::fuzzing::{Target, targets};

/// Of each target, beside its corpus.
const INPUTS: usize = 2_000;
/// The longest file of a corpus that is changed.
const SHORT: usize = 16 * 1024;
/// What is long: of each file of a corpus one.
const LONG: usize = 128 * 1024;
/// No input may take longer, even on a busy computer.
const PATIENCE: Duration = Duration::from_secs(10);

const WORDS: [&[u8]; 30] = [
    b"null",
    b"[]",
    b"{}",
    b"[null]",
    b"true",
    b"-1",
    b"0",
    b"1e999",
    b"NaN",
    b"18446744073709551615",
    b"18446744073709551616",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"9007199254740993",
    b"0.0000000000000000000000000000001",
    b"9999-12-31T23:59:59Z",
    b"0000-01-01T00:00:00Z",
    b"31 Dec 262142 23:59:59 +0000",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\xc3\xa9",
    b"\xf0\x9f\x98\x80",
    b"\0",
    b"\\ud800",
    b"\r\n",
    b"\n\n",
    b"[[[[[[[[",
    b"{\"a\":{\"a\":",
    b"<a><a>",
    b"canary-word",
];

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz/corpus")
}

/// The files of a target's corpus, in a fixed order.
fn files(target: &Target) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = corpus().join(target.name);
    let mut files: Vec<_> =
        fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

#[test]
fn every_target_has_a_corpus_and_every_corpus_a_target() {
    let names: BTreeSet<_> = targets().iter().map(|target| target.name.to_string()).collect();
    assert_eq!(names.len(), targets().len(), "two targets of one name");
    let folders = fs::read_dir(corpus())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let folders: BTreeSet<_> = folders.collect();
    if cfg!(all(
        feature = "digitalocean",
        feature = "hetzner",
        feature = "aws",
        feature = "docker",
        feature = "simulator"
    )) {
        assert_eq!(names, folders);
    }
    for target in targets() {
        assert!(files(&target).len() > 1, "{} has no corpus to speak of", target.name);
    }
}

#[test]
fn nothing_that_comes_from_outside_is_too_much() {
    let waiting = Mutex::new(targets());
    let failed = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(target) = { waiting.lock().unwrap().pop() } {
                    // Whose stack overflows is told by the name of its thread, and by nothing else.
                    let named = thread::Builder::new().name(target.name.to_string());
                    let tried = named.spawn_scoped(scope, move || try_all(&target)).unwrap();
                    if let Err(told) = tried.join().unwrap() {
                        failed.lock().unwrap().push(told);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

fn try_all(target: &Target) -> Result<(), String> {
    let files = files(target);
    for (path, input) in &files {
        attempt(target, input).map_err(|how| format!("{how}: {}", path.display()))?;
    }
    // What is long by itself is tried as it is.
    let files: Vec<_> = files.into_iter().filter(|(_, input)| input.len() <= SHORT).collect();
    let mut rng = Rng::with_seed(
        target
            .name
            .bytes()
            .fold(7, |seed, byte| seed.wrapping_mul(31).wrapping_add(u64::from(byte))),
    );
    for at in 0..INPUTS {
        let mut input = files[at % files.len()].1.clone();
        for _ in 0..=rng.usize(0..4) {
            let other = &files[rng.usize(0..files.len())].1;
            change(&mut input, other, &mut rng);
        }
        attempt(target, &input).map_err(|how| format!("{how}: b\"{}\"", input.escape_ascii()))?;
    }
    for (path, input) in &files {
        let (how_long, input) = lengthened(input, &mut rng);
        attempt(target, &input).map_err(|how| format!("{how}: {}, {how_long}", path.display()))?;
    }
    Ok(())
}

fn attempt(target: &Target, input: &[u8]) -> Result<(), String> {
    let began = Instant::now();
    catch_unwind(|| (target.run)(input)).map_err(|_| format!("{} has panicked at", target.name))?;
    let took = began.elapsed();
    if took > PATIENCE { Err(format!("{} takes {took:?} for", target.name)) } else { Ok(()) }
}

/// Changes an input in one place.
fn change(input: &mut Vec<u8>, other: &[u8], rng: &mut Rng) {
    let from = rng.usize(0..=input.len());
    let to = rng.usize(from..=input.len().min(from + 40));
    match rng.u8(0..9) {
        0 if from < input.len() => input[from] ^= 1 << rng.u8(0..8),
        1 if from < input.len() => input[from] = rng.u8(..),
        2 => input.truncate(from),
        3 => drop(input.drain(from..to)),
        4 => {
            let part = input[from..to].to_vec();
            input.splice(from..from, part.repeat(rng.usize(1..5)));
        }
        5 => {
            let start = rng.usize(0..=other.len());
            input.splice(from..to, other[start..other.len().min(start + 60)].iter().copied());
        }
        6 => drop(input.splice(from..to, WORDS[rng.usize(0..WORDS.len())].iter().copied())),
        7 => change_value(input, WORDS[rng.usize(0..WORDS.len())], rng),
        _ => drop(input.splice(
            from..to,
            (0..rng.usize(1..30)).map(|_| b'0' + rng.u8(0..10)).collect::<Vec<_>>(),
        )),
    }
}

/// Puts a word in the place of a whole value, as JSON, XML and headers have it.
fn change_value(input: &mut Vec<u8>, word: &[u8], rng: &mut Rng) {
    let begins: Vec<_> = input
        .iter()
        .enumerate()
        .filter(|(_, byte)| b":=>,".contains(byte))
        .map(|(at, _)| at + 1)
        .collect();
    if begins.is_empty() {
        return;
    }
    let from = begins[rng.usize(0..begins.len())];
    let length = input[from..].iter().position(|byte| b",<}]\n".contains(byte)).unwrap_or(0);
    input.splice(from..from + length, word.iter().copied());
}

/// The same, with a part of it so many times that it is long.
fn lengthened(input: &[u8], rng: &mut Rng) -> (String, Vec<u8>) {
    let from = rng.usize(0..=input.len());
    let to = rng.usize(from..=input.len().min(from + 20));
    let words: [&[u8]; 8] =
        [b"[", b"{\"a\":", b"<a>", b"- ", b"/a", b" ", b"\xff", &input[from..to]];
    let word = match words[rng.usize(0..words.len())] {
        b"" => b"0",
        word => word,
    };
    let many = word.repeat(LONG / word.len());
    let long = [&input[..from], &many, &input[from..]].concat();
    (format!("with b\"{}\" at {from} for {} bytes", word.escape_ascii(), many.len()), long)
}
