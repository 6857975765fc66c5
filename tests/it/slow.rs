//! Clients that take their time: cut, each kind by its own limit, while others are answered. Seen from the kernel's table of
//! connections, so that a connection which the product forgot is counted too.

use std::process::Command;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;

use crate::process::{PATIENCE, Process, Rehearsal, connect, established, exchange, open_files, read_until, rest, until};

const OF_EACH: usize = 12;
const HALF_HEAD: &str = "GET /login HTTP/1.1\r\nhost: x\r\nx-a: ";
const SLOW_BODY: &str =
    "POST /login HTTP/1.1\r\nhost: x\r\norigin: http://x\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: 9000\r\n\r\nusername=";
const LARGE: &str = "GET /static/htmx.min.js HTTP/1.1\r\nhost: x\r\n\r\n";
const WHOLE: &str = "GET /login HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

/// What a slow client sends, what it goes on sending bit by bit, its window, and whether it reads bit by bit.
struct Kind {
    name: &'static str,
    from: &'static str,
    sends: String,
    drips: bool,
    window: Option<u32>,
    sips: bool,
}

fn kinds() -> Vec<Kind> {
    let kind = |name, from, sends: &str| Kind { name, from, sends: sends.to_owned(), drips: false, window: None, sips: false };
    vec![
        kind("silent", "127.0.1.1", ""),
        kind("half a head", "127.0.1.2", HALF_HEAD),
        Kind { drips: true, ..kind("a head that drips", "127.0.1.3", HALF_HEAD) },
        Kind {
            drips: true,
            ..kind("a head that drips, as the second request", "127.0.1.4", &format!("{}{HALF_HEAD}", LARGE.replace("htmx.min.js", "x")))
        },
        kind("half a body", "127.0.1.5", SLOW_BODY),
        Kind { drips: true, ..kind("a body that drips", "127.0.1.6", SLOW_BODY) },
        Kind { window: Some(2048), ..kind("reads nothing of one answer", "127.0.1.7", LARGE) },
        Kind { window: Some(2048), ..kind("reads nothing of many answers", "127.0.1.8", &LARGE.repeat(40)) },
        Kind { window: Some(2048), sips: true, ..kind("sips many answers", "127.0.1.9", &LARGE.repeat(40)) },
    ]
}

async fn attack(process: &Process, kind: &Kind, attackers: &mut JoinSet<()>) {
    let mut stream = connect(process, kind.from, kind.window).await;
    stream.write_all(kind.sends.as_bytes()).await.unwrap();
    let (drips, sips) = (kind.drips, kind.sips);
    attackers.spawn(async move {
        let mut sip = [0; 64];
        loop {
            // The attack itself: a little, now and then, for as long as the other side lets it.
            tokio::time::sleep(Duration::from_millis(100)).await;
            let over = (drips && stream.write_all(b"a").await.is_err()) || (sips && !matches!(stream.read(&mut sip).await, Ok(n) if n > 0));
            if over {
                return;
            }
        }
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_clients_are_cut_while_others_are_answered() {
    let r = Rehearsal::new(901, 1.0).await;
    let process = Process::start(&r.serve(1.0, &[]));
    let cookie = r.sign_in(&process).await;
    let mut viewer = connect(&process, "127.0.2.1", None).await;
    viewer.write_all(format!("GET /live HTTP/1.1\r\nhost: x\r\ncookie: {cookie}\r\n\r\n").as_bytes()).await.unwrap();
    read_until(&mut viewer, "event: reset").await;
    let mut attackers = JoinSet::new();
    for kind in kinds() {
        for _ in 0..OF_EACH {
            attack(&process, &kind, &mut attackers).await;
        }
        assert!(established(process.port(), kind.from) > 0, "{}: never there", kind.name);
    }
    let (mut answered, begun) = (0, Instant::now());
    let mut there = kinds();
    while !there.is_empty() && begun.elapsed() < PATIENCE {
        let answer = exchange(&process, "127.0.2.2", WHOLE).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        answered += 1;
        there.retain(|kind| {
            let left = established(process.port(), kind.from);
            if left == 0 {
                println!("{}: all cut after {:.1} s", kind.name, begun.elapsed().as_secs_f64());
            }
            left > 0
        });
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let there: Vec<&str> = there.iter().map(|kind| kind.name).collect();
    assert!(there.is_empty(), "not cut: {there:?}");
    println!("{answered} others were answered meanwhile");
    attackers.abort_all();
    // The stream of events outlives them all.
    read_until(&mut viewer, "event: beat").await;
    read_until(&mut viewer, "event: beat").await;
    process.kill();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_late_is_told() {
    let r = Rehearsal::new(902, 1.0).await;
    let process = Process::start(&r.serve(1.0, &[]));
    let answer = exchange(&process, "127.0.2.3", SLOW_BODY).await;
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("content-security-policy") && answer.contains("was not here within"), "{answer}");
    process.kill();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_are_limited_in_size_and_number() {
    let r = Rehearsal::new(903, 1.0).await;
    let process = Process::start(&r.serve(1.0, &[]));
    for (name, more) in [("one line of 500 KB", format!("x: {}\r\n", "a".repeat(500_000))), ("1,000 lines", "x: a\r\n".repeat(1000))] {
        let mut stream = connect(&process, "127.0.2.4", None).await;
        // The refusal may come before all of it is sent.
        let _ = stream.write_all(format!("GET /login HTTP/1.1\r\nhost: x\r\n{more}\r\n").as_bytes()).await;
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 431", "{name}");
    }
    process.kill();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_address_can_not_take_all_places() {
    let r = Rehearsal::new(904, 1.0).await;
    let process = Process::start(&r.serve(1.0, &[("FLEETGATE_CONNECTIONS_PER_ADDRESS", "8")]));
    let mut held = Vec::new();
    for _ in 0..8 {
        let mut stream = connect(&process, "127.0.3.1", None).await;
        stream.write_all(WHOLE.replace("connection: close", "a: b").as_bytes()).await.unwrap();
        read_until(&mut stream, "</html>").await;
        held.push(stream);
    }
    let mut ninth = connect(&process, "127.0.3.1", None).await;
    let refused = rest(&mut ninth).await;
    assert!(refused.starts_with("HTTP/1.1 503") && refused.contains("from your address"), "{refused}");
    let other = exchange(&process, "127.0.3.2", WHOLE).await;
    assert!(other.starts_with("HTTP/1.1 200"), "{other}");
    // A place that is given back is free.
    drop(held.pop());
    let begun = Instant::now();
    loop {
        let mut stream = connect(&process, "127.0.3.1", None).await;
        // A refusal may overtake the request, and then resets the connection.
        let mut answer = Vec::new();
        if stream.write_all(WHOLE.as_bytes()).await.is_ok() && stream.read_to_end(&mut answer).await.is_ok() && answer.starts_with(b"HTTP/1.1 200") {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "the place did not come back");
    }
    // Crowded: who is idle makes room, until half of the places are free.
    until("the idle ones leave", || established(process.port(), "127.0.3.1") <= 4).await;
    process.kill();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lack_of_file_handles_is_survived() {
    let r = Rehearsal::new(905, 1.0).await;
    let before = r.sim.world().calls_since(0).len();
    let mut process = Process::start(&r.serve(1.0, &[]));
    // AWS's client reads the certificates of this machine at its first call, and never again.
    until("its first look at AWS", || r.sim.world().calls_since(0).len() > before).await;
    let answer = exchange(&process, "127.0.4.1", WHOLE).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    // Below what it has open now, its next accept fails with EMFILE.
    let pid = process.child.id();
    let limit = |soft: usize| {
        let status = Command::new("prlimit").args(["--pid", &pid.to_string(), &format!("--nofile={soft}:")]).status().unwrap();
        assert!(status.success());
    };
    limit(open_files(pid));
    let mut waiting = Vec::new();
    while waiting.len() < 40 {
        let mut stream = connect(&process, "127.0.4.2", None).await;
        stream.write_all(WHOLE.as_bytes()).await.unwrap();
        waiting.push(stream);
    }
    process.says("connections can not be accepted").await;
    limit(1024);
    let begun = Instant::now();
    for mut stream in waiting {
        let answer = rest(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    println!("40 that waited were answered {:.2} s after handles were free", begun.elapsed().as_secs_f64());
    process.kill();
}
