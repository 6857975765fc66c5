//! The real process: started, asked to end, killed. And a rehearsal to start it in.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use fleetgate::app::environments::Adoption;
use fleetgate::app::releases::NewRelease;
use fleetgate::app::{App, Settings};
use fleetgate::aws::Aws;
use fleetgate::clock::Clocks;
use fleetgate::domain::access::{Actor, Grants, Role};
use fleetgate::domain::application::Application;
use fleetgate::domain::environment::Policy;
use fleetgate::store::Store;
use fleetgate_sim::seed::ImageSeed;
use fleetgate_sim::{ClockMode, Running, Seed, Sim, SimConfig, StackNames};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::harness::{APP, PASSWORD, aws_config_at, choose, drawn};

/// Longest that anything may take: reached only when something hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// How `fleetgate serve` is started.
pub(crate) struct Serve<'a> {
    pub(crate) database: &'a str,
    pub(crate) endpoint: &'a str,
    pub(crate) region: &'a str,
    pub(crate) speed: f64,
    /// Further variables of its environment.
    pub(crate) more: &'a [(&'a str, &'a str)],
}

/// A running `fleetgate serve`.
pub(crate) struct Process {
    pub(crate) child: Child,
    pub(crate) url: String,
    /// What it wrote to standard error, line by line.
    log: mpsc::Receiver<String>,
    told: Vec<String>,
}

impl Process {
    /// Starts it without waiting for anything.
    pub(crate) fn spawn(serve: &Serve<'_>) -> Child {
        Command::new(env!("CARGO_BIN_EXE_fleetgate"))
            .args(["serve", "--speed", &serve.speed.to_string()])
            .env_clear()
            .env("FLEETGATE_DATABASE_URL", serve.database)
            .env("FLEETGATE_LISTEN", "127.0.0.1:0")
            .env("AWS_ENDPOINT_URL", serve.endpoint)
            .env("AWS_REGION", serve.region)
            .env("AWS_ACCESS_KEY_ID", "AKIATEST")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("FLEETGATE_LOG", "warn")
            .envs(serve.more.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Starts it and waits until it listens.
    pub(crate) fn start(serve: &Serve<'_>) -> Self {
        Self::ready(Self::spawn(serve)).unwrap_or_else(|said| panic!("not ready: {said}"))
    }

    /// Waits until it listens, or ends; then with what it said.
    pub(crate) fn ready(mut child: Child) -> Result<Self, String> {
        let (out, log) = mpsc::channel();
        let errors = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || errors.lines().map_while(Result::ok).try_for_each(|line| out.send(line)));
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().rsplit(' ').next().unwrap().to_owned();
        if url.starts_with("http://") {
            return Ok(Self { child, url, log, told: Vec::new() });
        }
        let status = child.wait().unwrap();
        assert!(!status.success(), "it ended without listening and called that a success");
        Err(log.iter().collect::<Vec<_>>().join("\n"))
    }

    pub(crate) fn address(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    pub(crate) fn port(&self) -> u16 {
        self.address().rsplit(':').next().unwrap().parse().unwrap()
    }

    /// SIGKILL.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM.
    pub(crate) fn terminate(&self) {
        let status = Command::new("sh").args(["-c", &format!("kill -TERM {}", self.child.id())]).status().unwrap();
        assert!(status.success());
    }

    /// Waits for its end; gives back how it ended, and all that it wrote to standard error.
    pub(crate) async fn ended(mut self) -> (ExitStatus, String) {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if begun.elapsed() > PATIENCE {
                let _ = self.child.kill();
                panic!("it does not end");
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        self.told.extend(self.log.iter());
        (status, self.told.join("\n"))
    }

    /// Waits for a line on standard error that holds these words.
    pub(crate) async fn says(&mut self, words: &str) {
        until(words, || {
            self.told.extend(self.log.try_iter());
            self.told.iter().any(|line| line.contains(words))
        })
        .await;
    }
}

/// Waits until something holds.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A simulated AWS, a database with one environment `e0`, people and a token.
pub(crate) struct Rehearsal {
    pub(crate) sim: Running,
    pub(crate) database: String,
    pub(crate) endpoint: String,
    pub(crate) names: StackNames,
    pub(crate) app: App,
    pub(crate) token: String,
    pub(crate) dir: tempfile::TempDir,
}

impl Rehearsal {
    pub(crate) async fn new(seed: u64, speed: f64) -> Self {
        let seed = drawn(seed);
        let names = StackNames::random(seed);
        let start = jiff::Timestamp::from_millisecond(Clocks::system().wall()).unwrap();
        let world = Seed::target_stack(&names);
        let sim =
            Sim::start(SimConfig { listen: ([127, 0, 0, 1], 0).into(), clock: ClockMode::Running { start, speed }, seed, world }).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let database = format!("sqlite://{}/fleetgate.db", dir.path().display());
        let endpoint = format!("http://{}", sim.addr);
        let store = Store::open(&database, Clocks::system()).await.unwrap();
        let aws = Aws::connect(aws_config_at(endpoint.clone()), Clocks::system()).await;
        let app = App::new(store, aws, Clocks::system(), Settings { region: names.region.clone(), ..Settings::default() });
        let host = Actor::host("test");
        app.create_application(&host, Application { name: APP.into(), repository: names.repository.clone() }).await.unwrap();
        let adoption = Adoption {
            name: "e0".into(),
            protected: false,
            region: names.region.clone(),
            role_arn: None,
            external_id: None,
            asg: names.staging.clone(),
            registry: None,
            image_source: None,
            redis_group: None,
            bucket: None,
            policy: Policy { bake_seconds: 0, ..Policy::default() },
        };
        app.adopt(&host, APP, adoption).await.unwrap();
        let link = app.add_person(&host, "ada", &Grants::from([("*".to_owned(), vec![Role::Admin])])).await.unwrap();
        choose(&app, "ada", &link).await;
        let token = app.create_token(&host, "life", &["*".into()], 3_600_000).await.unwrap();
        Self { sim, database, endpoint, names, app, token, dir }
    }

    pub(crate) fn serve<'a>(&'a self, speed: f64, more: &'a [(&'a str, &'a str)]) -> Serve<'a> {
        Serve { database: &self.database, endpoint: &self.endpoint, region: &self.names.region, speed, more }
    }

    /// Pushes an image and makes a release of it, past the process.
    pub(crate) async fn release(&self, tag: &str) -> i64 {
        let image = ImageSeed { tag: tag.into(), behaviour: "ok".into(), boot_seconds: None };
        self.sim.world().put_image(&self.names.repository, &image).unwrap();
        let person = Actor { grants: [("*".to_owned(), vec![Role::Deployer])].into(), ..Actor::host("test") };
        let release = NewRelease { tag: Some(tag.into()), digest: None, commit: None, notes: None };
        self.app.make_release(&person, APP, release).await.unwrap().0.number
    }

    /// The session cookie of `ada`.
    pub(crate) async fn sign_in(&self, process: &Process) -> String {
        let form = format!("username=ada&password={}", PASSWORD.replace(' ', "+"));
        let answer = exchange(
            process,
            "127.0.0.1",
            &format!(
                "POST /login HTTP/1.1\r\nhost: {}\r\norigin: {}\r\ncontent-type: application/x-www-form-urlencoded\r\n\
                 content-length: {}\r\nconnection: close\r\n\r\n{form}",
                process.address(),
                process.url,
                form.len()
            ),
        )
        .await;
        assert!(answer.starts_with("HTTP/1.1 303"), "{answer}");
        let cookie = answer.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
        cookie.split(';').next().unwrap().to_owned()
    }
}

/// A connection from this address of our own machine; `window` asks for a small receive buffer.
pub(crate) async fn connect(process: &Process, from: &str, window: Option<u32>) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    if let Some(bytes) = window {
        socket.set_recv_buffer_size(bytes).unwrap();
    }
    socket.bind(format!("{from}:0").parse().unwrap()).unwrap();
    socket.connect(process.address().parse().unwrap()).await.unwrap()
}

/// Sends this and reads until the connection ends.
pub(crate) async fn exchange(process: &Process, from: &str, request: &str) -> String {
    let mut stream = connect(process, from, None).await;
    stream.write_all(request.as_bytes()).await.unwrap();
    rest(&mut stream).await
}

/// What comes until the connection ends.
pub(crate) async fn rest(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut answer = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("an end of the answer").unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// Reads until these words have come; gives back all that came.
pub(crate) async fn read_until(stream: &mut (impl AsyncRead + Unpin), words: &str) -> String {
    let mut all = String::new();
    let mut buffer = [0; 4096];
    while !all.contains(words) {
        let read = tokio::time::timeout(PATIENCE, stream.read(&mut buffer)).await.expect("more of the answer").unwrap();
        assert!(read > 0, "the connection ended before `{words}`: {all}");
        all.push_str(&String::from_utf8_lossy(&buffer[..read]));
    }
    all
}

/// Established connections of this port of ours from this address, as the kernel has them.
pub(crate) fn established(port: u16, from: &str) -> usize {
    let address = u32::from_ne_bytes(from.parse::<std::net::Ipv4Addr>().unwrap().octets());
    let remote = format!("{address:08X}:");
    let local = format!(":{port:04X}");
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let rows = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.filter(|row| row[1].ends_with(&local) && row[2].starts_with(&remote) && row[3] == "01").count()
}

/// Files that a process has open.
pub(crate) fn open_files(pid: u32) -> usize {
    std::fs::read_dir(Path::new("/proc").join(pid.to_string()).join("fd")).unwrap().count()
}
