//! Measures how fast a large file is read, and the peak memory.
//!
//! The file is generated on the fly by repeating the instances of one STEP file with new numbers.
//! The time spent on this is subtracted. On Linux, processor time is measured, so that other load
//! on the machine does not distort the result; elsewhere, wall-clock time is.
//!
//! ```text
//! cargo run --release -p cadmill-step --example throughput -- FILE [COPIES [RUNS]]
//! ```

use std::{
    error::Error,
    io::{self, Read},
    sync::LazyLock,
    time::{Duration, Instant},
};

use memchr::memmem;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments
        .next()
        .ok_or("usage: throughput FILE [COPIES [RUNS]]")?;
    let copies: u64 = arguments.next().map_or(Ok(40), |text| text.parse())?;
    let runs: usize = arguments.next().map_or(Ok(7), |text| text.parse())?;
    let file = std::fs::read(&path)?;

    let mut rates = Vec::new();
    for _ in 0..runs.max(1) {
        let mut source = Copies::new(&file, copies)?;
        let start = now();
        let summary = cadmill_step::inspect(&mut source)?;
        let elapsed = now().saturating_sub(start).saturating_sub(source.spent);
        let rate = summary.bytes as f64 / 1e6 / elapsed.as_secs_f64();
        println!(
            "{:.1} MB, {} instances, {} faces, {} products: {:.3} s, {rate:.0} MB/s",
            summary.bytes as f64 / 1e6,
            summary.instances,
            summary.geometry.faces,
            summary.products.len(),
            elapsed.as_secs_f64(),
        );
        rates.push(rate);
    }
    rates.sort_by(f64::total_cmp);
    println!("median {:.0} MB/s", rates[rates.len() / 2]);
    // Only Linux reports the peak memory here.
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    if let Some(peak) = status.lines().find(|line| line.starts_with("VmHWM")) {
        println!("peak memory {}", peak.trim_start_matches("VmHWM:").trim());
    }
    Ok(())
}

/// The processor time of this thread, or else the wall-clock time.
fn now() -> Duration {
    static STARTED: LazyLock<Instant> = LazyLock::new(Instant::now);
    let statistics = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = statistics.and_then(|text| text.split(' ').next()?.parse().ok());
    nanoseconds.map_or_else(|| STARTED.elapsed(), Duration::from_nanos)
}

/// A STEP file that repeats the instances of another one.
struct Copies<'a> {
    data: &'a [u8],
    tail: &'a [u8],
    /// The offset of the instance numbers in the next copy.
    offset: u64,
    step: u64,
    left: u64,
    ended: bool,
    ready: Vec<u8>,
    position: usize,
    spent: Duration,
}

impl<'a> Copies<'a> {
    fn new(file: &'a [u8], copies: u64) -> Result<Self, &'static str> {
        let data = memmem::find(file, b"DATA;").ok_or("no data section")? + 5;
        let end = memmem::rfind(file, b"ENDSEC;").ok_or("the data section has no end")?;
        let (head, rest) = file.split_at(data);
        let (data, tail) = rest.split_at(end - head.len());
        let highest = data.split(|byte| *byte == b'#').skip(1).map(number).max();
        Ok(Self {
            data,
            tail,
            offset: 0,
            step: highest.ok_or("no instances")?,
            left: copies,
            ended: false,
            ready: head.to_vec(),
            position: 0,
            spent: Duration::ZERO,
        })
    }

    fn next(&mut self) {
        self.ready.clear();
        self.position = 0;
        if self.left == 0 {
            self.ended = true;
            self.ready.extend_from_slice(self.tail);
            return;
        }
        self.left -= 1;
        let mut pieces = self.data.split(|byte| *byte == b'#');
        self.ready
            .extend_from_slice(pieces.next().unwrap_or_default());
        for piece in pieces {
            let digits = piece
                .iter()
                .take_while(|byte| byte.is_ascii_digit())
                .count();
            self.ready.push(b'#');
            if digits > 0 {
                let renumbered = number(piece) + self.offset;
                self.ready
                    .extend_from_slice(renumbered.to_string().as_bytes());
            }
            self.ready.extend_from_slice(&piece[digits..]);
        }
        self.offset += self.step;
    }
}

impl Read for Copies<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let start = now();
        if self.position == self.ready.len() && !self.ended {
            self.next();
        }
        let position = (&self.ready[self.position..]).read(buffer)?;
        self.position += position;
        self.spent += now().saturating_sub(start);
        Ok(position)
    }
}

fn number(text: &[u8]) -> u64 {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0'))
}
