//! Costs as the kernel counts them (`man 5 proc`), latencies, the disk; printed as a table or as JSON.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::time::{Duration, Instant};

use serde_json::json;

/// One configuration, and what was measured of it; NaN is what does not apply.
pub(crate) type Row = Vec<(&'static str, f64)>;

/// Prints what the figures depend on, and the figures.
pub(crate) fn print(head: &[(&str, String)], rows: &[Row], as_json: bool) {
    if as_json {
        let rows: Vec<BTreeMap<_, _>> = rows.iter().map(|row| row.iter().copied().collect()).collect();
        println!("{}", json!({ "conditions": BTreeMap::from_iter(head.iter().cloned()), "rows": rows }));
        return;
    }
    head.iter().for_each(|(name, text)| println!("{name}: {text}"));
    let names = rows.first().map(|row| row.iter().map(|(name, _)| name.replace('_', " ")).collect());
    let values = rows.iter().map(|row| row.iter().map(|(_, value)| rendered(*value)).collect());
    let lines: Vec<Vec<String>> = names.into_iter().chain(values).collect();
    let width = |column: usize| lines.iter().map(|line| line[column].len()).max().unwrap_or_default();
    for line in &lines {
        let cells = line.iter().enumerate().map(|(column, cell)| format!("{cell:>width$}", width = width(column)));
        println!("{}", cells.collect::<Vec<_>>().join("  "));
    }
}

/// A count as it is, of a measure three digits.
fn rendered(value: f64) -> String {
    match value {
        _ if value.is_nan() => "-".to_owned(),
        _ if value.fract() == 0.0 || value >= 100.0 => format!("{value:.0}"),
        _ if value >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// The latency below which `part` of them are, in milliseconds: 0.5 is the median, 1.0 the longest.
pub(crate) fn ms(all: &mut [Duration], part: f64) -> f64 {
    all.sort_unstable();
    let at = (all.len().saturating_sub(1) as f64 * part).round() as usize;
    all.get(at).map_or(f64::NAN, |found| found.as_secs_f64() * 1e3)
}

/// What a row says under `name`; NaN when it says nothing.
pub(crate) fn value(row: &Row, name: &str) -> f64 {
    row.iter().find(|(known, _)| *known == name).map_or(f64::NAN, |(_, value)| *value)
}

pub(crate) fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Whose costs are counted apart.
pub(crate) struct Meter {
    pub(crate) daemons: Vec<u32>,
    /// PostgreSQL's first process, when it is on this machine.
    pub(crate) postmaster: Option<u32>,
}

/// Seconds: of the clock, and of processor time of the daemons, PostgreSQL, the vendors, the load, the whole machine.
pub(crate) type Spent = [f64; 6];

impl Meter {
    pub(crate) fn read(&self) -> Spent {
        let daemons = self.daemons.iter().map(|pid| ticks(&format!("{pid}/stat"), 11..13)).sum();
        let postgres = self.postmaster.map_or(f64::NAN, with_children);
        // the load has the first thread for itself
        let load = ticks(&format!("self/task/{}/stat", std::process::id()), 11..13);
        let vendors = (ticks("self/stat", 11..13) - load).max(0.0);
        // user, nice, system and steal of all cores
        let all = ticks("stat", 1..4) + ticks("stat", 8..9);
        [fields("uptime")[0].parse().unwrap(), daemons, postgres, vendors, load, all]
    }

    pub(crate) fn since(&self, before: &Spent) -> Spent {
        let now = self.read();
        std::array::from_fn(|which| now[which] - before[which])
    }
}

/// Microseconds of each for one of `count` things, and how many cores other programs kept busy meanwhile.
pub(crate) fn columns([wall, daemons, postgres, vendors, load, all]: Spent, count: f64) -> Row {
    let others = (all - daemons - postgres.max(0.0) - vendors - load) / wall;
    let each = [("daemon_us", daemons), ("postgres_us", postgres), ("vendors_us", vendors), ("load_us", load)];
    let each = each.into_iter().map(|(name, seconds)| (name, seconds / count * 1e6));
    each.chain([("other_cores", others.max(0.0))]).collect()
}

/// Memory of a process in MB: now, and the most it ever was; `None` when it has ended.
pub(crate) fn memory(pid: u32) -> Option<[f64; 2]> {
    let fields = fields(&format!("{pid}/status"));
    let megabytes = |name: &str| {
        let at = fields.iter().position(|field| field == name)?;
        Some(fields[at + 1].parse::<f64>().ok()? * 1024.0 / 1e6)
    };
    Some([megabytes("VmRSS:")?, megabytes("VmHWM:")?])
}

/// The parent of a process, if that is one of PostgreSQL's on this machine.
pub(crate) fn parent_of_postgres(pid: i32) -> Option<u32> {
    let is_postgres = fields(&format!("{pid}/comm")) == ["postgres"];
    is_postgres.then(|| fields(&format!("{pid}/stat")).get(1)?.parse().ok())?
}

/// The words of a file, in the `stat` of a process those behind its name; none when that has ended.
fn fields(file: &str) -> Vec<String> {
    let text = fs::read_to_string(format!("/proc/{file}")).unwrap_or_default();
    text.rsplit(')').next().into_iter().flat_map(str::split_whitespace).map(str::to_owned).collect()
}

/// The seconds that these words count, in hundredths on every Linux.
fn ticks(file: &str, which: std::ops::Range<usize>) -> f64 {
    fields(file).get(which).into_iter().flatten().map(|field| field.parse::<f64>().unwrap()).sum::<f64>() / 100.0
}

/// A process with its children, those that have ended as well.
fn with_children(parent: u32) -> f64 {
    let all = fs::read_dir("/proc").unwrap().flatten().map(|entry| format!("{}/stat", entry.file_name().display()));
    let children = all.filter(|stat| fields(stat).get(1) == Some(&parent.to_string()));
    ticks(&format!("{parent}/stat"), 11..15) + children.map(|stat| ticks(&stat, 11..13)).sum::<f64>()
}

/// The machine in words: for `span`, 4 KiB are appended and the disk is waited for, over and over.
pub(crate) fn machine(span: Duration) -> String {
    let directory = tempfile::tempdir().unwrap();
    let mut file = File::create(directory.path().join("log")).unwrap();
    let (mut all, began) = (Vec::new(), Instant::now());
    while began.elapsed() < span {
        let one = Instant::now();
        file.write_all(&[7; 4096]).unwrap();
        file.sync_data().unwrap();
        all.push(one.elapsed());
    }
    let (cores, rate) = (std::thread::available_parallelism().unwrap(), all.len() as f64 / span.as_secs_f64());
    let (half, most) = (ms(&mut all, 0.5), ms(&mut all, 0.99));
    format!("{cores} cores; 4 KiB and fdatasync {rate:.0} times a second, p50 {half:.2} ms, p99 {most:.2} ms")
}
