//! A fresh folder with a shell in it, in which a page is played.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::markdown::{Page, ShellBlock, Treatment, project};

/// What a reader has before the first line of a page that starts no server by itself: one that runs, an event that is parked
/// for a campaign that is missing, a run, and files of the names that the pages use.
const BEFORE: &str = r#"
serve MAUTIC_WELCOME_CAMPAIGN_ID=4711 tandem dev --simulate --no-schedule --port "$PORT"
export TANDEM=http://127.0.0.1:$PORT KEY=$(cat .tandem/api-key) EVENT=evt_1
curl -sS "$TANDEM/events?wait=true" -H "Authorization: Bearer $KEY" -H 'Content-Type: application/json' \
  -d '{"id":"evt_1","name":"user_signup","user":{"id":"42","email":"jane@example.com"}}' >/dev/null
for _ in $(seq 300); do
    if JOB=$(tandem --json jobs list | python3 -c 'import json, sys; print(json.load(sys.stdin)[0]["id"])' 2>/dev/null); then break; fi
    sleep 0.2
done
[[ -n ${JOB:-} ]] || { echo "the event was not parked" >&2; exit 1; }
printf 'id,email,mobile\n1,a@example.com,12\n' >people.csv
tandem import people.csv
tandem sync
RUN=$(tandem --json runs | python3 -c 'import json, sys; print(json.load(sys.stdin)[0]["id"])')
export JOB RUN
printf 'id,email,first_name\n7,seven@example.com,Seven\n' >customers.csv
echo '{"id":"evt_2","name":"plan_change","user":{"id":"42"},"properties":{"new_tier":"pro"}}' >event.json
echo '[{"id":"evt_0","name":"user_signup","user":{"id":"42"}}]' >before.json
"#;

/// What the shell of a page knows besides.
const SHELL: &str = r#"
set -euo pipefail
servers=()
stop() {
    for server in "${servers[@]}"; do kill "$server" 2>/dev/null || true; done
    wait
}
trap stop EXIT
serve() {
    env "$@" >"server.log" 2>&1 &
    servers+=($!)
    for _ in $(seq 1800); do
        if grep -q "Tandem serves at" server.log; then return; fi
        kill -0 "${servers[-1]}" 2>/dev/null || break
        sleep 0.1
    done
    echo "the server does not serve" >&2
    cat server.log >&2
    exit 1
}
"#;

/// A fresh folder.
pub struct Stage {
    folder: TempDir,
    port: u16,
}

impl Stage {
    pub fn set() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("tests/data");
        std::fs::create_dir_all(&data).unwrap();
        let sample = "customers-500.csv";
        std::fs::copy(project().join("tests/data").join(sample), data.join(sample)).unwrap();
        let probe = TcpListener::bind("127.0.0.1:0").unwrap();
        Self { folder, port: probe.local_addr().unwrap().port() }
    }

    /// Runs a page's blocks; fails where one of them does, or where an answer is no good one.
    pub fn play(&self, page: &Page) {
        let blocks: Vec<ShellBlock> =
            page.shell_blocks().into_iter().filter(|block| !matches!(block.treatment, Treatment::Read(_))).collect();
        if blocks.is_empty() {
            return;
        }
        let script = self.folder.path().join("page.sh");
        File::create(&script).unwrap().write_all(self.script(&blocks).as_bytes()).unwrap();
        let shell = |out: File| {
            let mut shell = Command::new("bash");
            shell.arg(&script).current_dir(self.folder.path()).env_clear();
            shell.env("PATH", path()).env("HOME", self.folder.path()).env("PORT", self.port.to_string());
            shell.env("COLUMNS", "200").stdin(Stdio::null()).stderr(out.try_clone().unwrap()).stdout(out);
            shell.status().unwrap()
        };
        let log = self.folder.path().join("page.log");
        let ended = shell(File::create(&log).unwrap());
        let told = std::fs::read_to_string(&log).unwrap();
        let server = std::fs::read_to_string(self.folder.path().join("server.log")).unwrap_or_default();
        assert!(ended.success(), "{}: the last block failed\n{told}\nserver: {server}", page.name);
        for line in told.lines() {
            let is_bad = line.starts_with("{\"ok\":false") || line.contains("HALT") || line.starts_with("error:");
            assert!(!is_bad, "{}: {line}\n{told}", page.name);
        }
    }

    fn script(&self, blocks: &[ShellBlock]) -> String {
        let mut script = SHELL.to_owned();
        if !blocks.iter().any(|block| block.treatment == Treatment::Serve) {
            script.push_str(BEFORE);
        }
        for block in blocks {
            let text = block.text.replace("127.0.0.1:9000", &format!("127.0.0.1:{}", self.port));
            writeln!(script, "echo '== line {}'", block.line).unwrap();
            if block.treatment == Treatment::Serve {
                writeln!(script, "serve {} --port {}", one_line(&text), self.port).unwrap();
            } else {
                script.push_str(&text);
            }
        }
        script
    }
}

/// A command that serves, without its comment.
fn one_line(text: &str) -> String {
    let line = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    line.split(" #").next().unwrap_or_default().trim().to_owned()
}

/// The command that was built, and the system's own.
fn path() -> String {
    let built = PathBuf::from(env!("CARGO_BIN_EXE_tandem"));
    let built = built.parent().unwrap_or(Path::new("."));
    format!("{}:{}", built.display(), std::env::var("PATH").unwrap_or_default())
}
