//! Acknowledged writes survive: a power cut at any moment, and a killed process.
#![allow(clippy::unwrap_used, clippy::needless_pass_by_value)]

mod common;

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use apiserver::storage::{Expect, HISTORY, ResourceId, Storage, Write, WriteError};
use redb::StorageBackend;
use serde_json::{Value, json};

/// A disk whose cache is lost with the power: what was written since the last sync may or may not have
/// arrived, block by block.
#[derive(Debug, Clone, Default)]
struct Disk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// What the program sees.
    cache: Vec<u8>,
    /// What a power cut leaves for sure.
    durable: Vec<u8>,
    /// Blocks written since the last sync.
    dirty: Vec<u64>,
}

const BLOCK: usize = 512;

/// Fails every operation once `operations` of them have happened.
#[derive(Debug)]
struct Mains {
    disk: Disk,
    operations: Arc<AtomicI64>,
}

impl Mains {
    fn step(&self) -> io::Result<()> {
        if self.operations.fetch_sub(1, Ordering::SeqCst) <= 0 {
            return Err(io::Error::other("no power"));
        }
        Ok(())
    }
}

impl StorageBackend for Mains {
    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.0.lock().unwrap().cache.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.disk.0.lock().unwrap();
        let start = offset as usize;
        let bytes = state
            .cache
            .get(start..start + out.len())
            .ok_or_else(|| io::Error::other("read beyond the end"))?;
        out.copy_from_slice(bytes);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.step()?;
        let mut state = self.disk.0.lock().unwrap();
        state.cache.resize(len as usize, 0);
        // The length is metadata that journals keep in order.
        state.durable.resize(len as usize, 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.step()?;
        let mut state = self.disk.0.lock().unwrap();
        state.durable = state.cache.clone();
        state.dirty.clear();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.step()?;
        let mut state = self.disk.0.lock().unwrap();
        let start = offset as usize;
        state.cache[start..start + data.len()].copy_from_slice(data);
        let blocks = (start / BLOCK)..=((start + data.len() - 1) / BLOCK);
        state.dirty.extend(blocks.map(|b| b as u64));
        Ok(())
    }
}

impl Disk {
    /// The power comes back: a random part of the unsynced blocks has made it.
    fn after_power_cut(&self, random: &mut fastrand::Rng) -> Disk {
        let state = self.0.lock().unwrap();
        let mut content = state.durable.clone();
        for block in &state.dirty {
            if random.bool() {
                let start = *block as usize * BLOCK;
                let end = (start + BLOCK).min(content.len());
                if start < end {
                    content[start..end].copy_from_slice(&state.cache[start..end]);
                }
            }
        }
        Disk(Arc::new(Mutex::new(State {
            cache: content.clone(),
            durable: content,
            dirty: Vec::new(),
        })))
    }

    fn powered(&self, operations: i64) -> Mains {
        Mains {
            disk: self.clone(),
            operations: Arc::new(AtomicI64::new(operations)),
        }
    }
}

fn maps() -> ResourceId {
    ResourceId::new("", "configmaps")
}

fn object(name: &str, value: u64) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "n"}, "data": {"value": value.to_string(), "padding": "x".repeat(700)}})
}

fn value_of(object: &Value) -> u64 {
    object["data"]["value"].as_str().unwrap().parse().unwrap()
}

/// Writes from several tasks until the power goes. Returns per name the last acknowledged and the last
/// attempted state (`None`: deleted).
async fn write_until_dark(
    storage: &Storage,
    seed: u64,
) -> HashMap<String, (Option<u64>, Option<u64>)> {
    let tasks = (0..4).map(|task| {
        let storage = storage.clone();
        tokio::spawn(async move {
            let mut random = fastrand::Rng::with_seed(seed * 31 + task);
            let mut states: HashMap<String, (Option<u64>, Option<u64>)> = HashMap::new();
            for round in 1.. {
                let name = format!("t{task}-{}", random.u32(..5));
                let current = storage.get(&maps(), "n", &name);
                let delete = current.is_some() && random.u32(..4) == 0;
                let expect = current
                    .as_ref()
                    .map_or(Expect::Absent, |o| Expect::Revision(o.revision));
                let next = (!delete).then_some(round);
                let entry = states.entry(name.clone()).or_default();
                entry.1 = next;
                let write = Write {
                    resource: maps(),
                    name: ("n".into(), name.as_str().into()),
                    expect,
                    value: next.map(|v| object(&name, v)),
                };
                match storage.write(write).await {
                    Ok(_) => entry.0 = next,
                    Err(WriteError::Failed(_)) => return states,
                    Err(other) => panic!("{other}"),
                }
            }
            states
        })
    });
    let mut all = HashMap::new();
    for states in futures::future::join_all(tasks).await {
        all.extend(states.unwrap());
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_write_survives_a_power_cut_and_no_half_write_shows() {
    let mut random = fastrand::Rng::with_seed(7);
    for seed in 0..40 {
        let disk = Disk::default();
        // Creating the file is not what is cut here.
        drop(Storage::open_backend(disk.powered(i64::MAX)).unwrap());
        common::eventually("the first writer lets go", || {
            Arc::strong_count(&disk.0) == 1
        });
        let storage = Storage::open_backend(disk.powered(random.i64(40..900))).ok();
        let Some(storage) = storage else { continue };
        let before = storage.revision();
        let states = write_until_dark(&storage, seed).await;
        let seen = storage.revision();
        drop(storage);
        let survived = Storage::open_backend(disk.after_power_cut(&mut random).powered(i64::MAX))
            .expect("the store opens again");
        assert!(
            survived.revision() >= seen.max(before),
            "the revision went back"
        );
        for (name, (acknowledged, attempted)) in states {
            let found = survived
                .get(&maps(), "n", &name)
                .map(|o| value_of(&o.value));
            assert!(
                found == acknowledged || found == attempted,
                "seed {seed} {name}: {found:?}, acknowledged {acknowledged:?}, attempted {attempted:?}"
            );
        }
        for (_, object) in survived.snapshot(&maps()).range(None, None) {
            assert_eq!(
                object.value["data"]["padding"].as_str().map(str::len),
                Some(700),
                "a half write is visible"
            );
            assert!(object.revision <= survived.revision());
        }
    }
}

const CHILD: &str = "APISERVER_TEST_CHILD_DIRECTORY";

/// Not a test of its own: the process that `a_killed_process_loses_nothing_it_acknowledged` kills.
#[test]
fn child_that_writes_until_killed() {
    let Some(directory) = std::env::var_os(CHILD) else {
        return;
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        use std::io::Write as _;
        let storage = Storage::open(
            &std::path::Path::new(&directory).join("state.redb"),
            HISTORY,
        )
        .unwrap();
        for round in 1u64.. {
            let current = storage.get(&maps(), "n", "counter");
            let expect = current.map_or(Expect::Absent, |o| Expect::Revision(o.revision));
            let write = Write {
                resource: maps(),
                name: ("n".into(), "counter".into()),
                expect,
                value: Some(object("counter", round)),
            };
            storage.write(write).await.unwrap();
            let mut out = io::stderr().lock();
            writeln!(out, "acknowledged {round}").unwrap();
        }
    });
}

#[test]
fn a_killed_process_loses_nothing_it_acknowledged() {
    use std::io::{BufRead, BufReader};

    let directory = tempfile::TempDir::new().unwrap();
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_that_writes_until_killed", "--nocapture"])
        .env(CHILD, directory.path())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap())
        .lines()
        .map_while(Result::ok);
    let acknowledged = |line: &String| {
        line.strip_prefix("acknowledged ")
            .and_then(|n| n.parse::<u64>().ok())
    };
    let mut last = lines
        .by_ref()
        .filter_map(|l| acknowledged(&l))
        .take(50)
        .last()
        .unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    last = lines
        .filter_map(|l| acknowledged(&l))
        .last()
        .unwrap_or(last);
    let storage = Storage::open(&directory.path().join("state.redb"), HISTORY).unwrap();
    let found = value_of(&storage.get(&maps(), "n", "counter").unwrap().value);
    assert!(
        found == last || found == last + 1,
        "acknowledged {last}, found {found}"
    );
}

#[test]
fn a_data_directory_serves_one_process_at_a_time() {
    let directory = tempfile::TempDir::new().unwrap();
    let path = directory.path().join("state.redb");
    let first = Storage::open(&path, HISTORY).unwrap();
    let error = Storage::open(&path, HISTORY)
        .err()
        .expect("a second open is refused");
    assert!(error.to_string().contains("state.redb"), "{error}");
    drop(first);
}

#[test]
fn a_newer_format_is_refused_by_its_number() {
    let directory = tempfile::TempDir::new().unwrap();
    let path = directory.path().join("state.redb");
    drop(Storage::open(&path, HISTORY).unwrap());
    let table = redb::TableDefinition::<&str, u64>::new("meta");
    let database = loop {
        // The writer of the store above lets go of the file when its thread ends.
        if let Ok(database) = redb::Database::open(&path) {
            break database;
        }
        std::thread::yield_now();
    };
    let transaction = database.begin_write().unwrap();
    transaction
        .open_table(table)
        .unwrap()
        .insert("format", 99)
        .unwrap();
    transaction.commit().unwrap();
    drop(database);
    let error = Storage::open(&path, HISTORY)
        .err()
        .expect("refused")
        .to_string();
    assert!(error.contains("format version 99"), "{error}");
}

#[tokio::test]
async fn the_watch_floor_survives_a_restart() {
    let disk = Disk::default();
    let storage = Storage::open_backend(disk.powered(i64::MAX)).unwrap();
    let write = Write {
        resource: maps(),
        name: ("n".into(), "a".into()),
        expect: Expect::Absent,
        value: Some(object("a", 1)),
    };
    let written = storage.write(write).await.unwrap().revision;
    drop(storage);
    common::eventually("the writer lets go", || Arc::strong_count(&disk.0) == 1);
    let storage = Storage::open_backend(disk.powered(i64::MAX)).unwrap();
    assert_eq!(storage.revision(), written);
    assert_eq!(storage.get(&maps(), "n", "a").unwrap().revision, written);
}
