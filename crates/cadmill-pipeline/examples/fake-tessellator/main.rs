//! A stand-in for `cadmill-tessellate` in tests: it speaks the same protocol, makes a cube of any
//! file, and misbehaves as the file asks for, by a comment like `/* fake: signal 11 */`.
//!
//! `first` before a misbehaviour limits it to recipes that are not coarser than *standard*. A word
//! `fifo=PATH` makes the process write its number to that pipe and hold it open as long as it lives.

mod misbehaviour;
mod result;

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{Read as _, Write as _},
    process::ExitCode,
};

use cadmill_domain::Recipe;

use self::misbehaviour::Misbehaviour;

/// What the parent asks for.
struct Request {
    options: BTreeMap<String, String>,
    source: Vec<u8>,
}

impl Request {
    fn option(&self, name: &str) -> &str {
        let value = self.options.get(name);
        value.unwrap_or_else(|| panic!("{name} is missing"))
    }

    fn recipe(&self) -> Recipe {
        serde_json::from_str(self.option("--recipe")).expect("a recipe")
    }

    fn is_first_try(&self) -> bool {
        let reach = |recipe: Recipe| recipe.deflection(1e6).linear_mm;
        reach(self.recipe()) <= reach(Recipe::STANDARD)
    }

    /// The words after `fake:`, up to the end of the comment.
    fn words(&self) -> Vec<String> {
        let text = String::from_utf8_lossy(&self.source);
        let order = text.split("fake:").nth(1).unwrap_or_default();
        let order = order.split(['*', '\n']).next().unwrap_or_default();
        order.split_whitespace().map(str::to_owned).collect()
    }
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let mut options = BTreeMap::new();
    while let Some(name) = arguments.next() {
        match name.as_str() {
            "--version" => {
                println!("fake-tessellator 0.1.0 (no kernel)");
                return ExitCode::SUCCESS;
            }
            "--wait" => misbehaviour::wait_for_ever(),
            "check-sandbox" => {
                println!(r#"{{"missing":["a sandbox: this is a stand-in"],"allowed":[]}}"#);
                return ExitCode::SUCCESS;
            }
            "--require-sandbox" => {
                say(
                    r#"{"event":"failed","code":"sandbox_missing","detail":"This is a stand-in."}"#,
                );
                return ExitCode::FAILURE;
            }
            _ => options.insert(name, arguments.next().unwrap_or_default()),
        };
    }
    let mut source = Vec::new();
    let read = std::io::stdin().lock().read_to_end(&mut source);
    read.expect("the input can be read");
    run(&Request { options, source })
}

fn run(request: &Request) -> ExitCode {
    let mut words = request.words();
    let _held = words
        .iter()
        .position(|word| word.starts_with("fifo="))
        .map(|at| hold(&words.remove(at)["fifo=".len()..]));
    say(r#"{"event":"progress","phase":"read","fraction":1}"#);
    let misbehaviour = match words.first().map(String::as_str) {
        Some("first") if request.is_first_try() => Misbehaviour::of(&words[1..]),
        Some("first") | None => None,
        Some(_) => Misbehaviour::of(&words),
    };
    if let Some(exit) = misbehaviour.and_then(|misbehaviour| misbehaviour.act(request)) {
        return exit;
    }
    result::write(request, |_, _| {});
    say(r#"{"event":"done"}"#);
    ExitCode::SUCCESS
}

/// Opens the pipe and says who does; children inherit it.
fn hold(path: &str) -> File {
    let pipe = OpenOptions::new().write(true).open(path);
    let mut pipe = pipe.expect("the pipe can be opened");
    write!(pipe, "{}", std::process::id()).expect("the pipe has room");
    // The standard library closes every file for children; a copy is not closed.
    nix::unistd::dup(&pipe)
        .map(File::from)
        .expect("the pipe can be copied")
}

fn say(line: &str) {
    let mut stdout = std::io::stdout().lock();
    // The parent may be gone; the line then has no reader.
    let _ = writeln!(stdout, "{line}");
    let _ = stdout.flush();
}
