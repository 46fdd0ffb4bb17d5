//! A server that does not outlive the process that started it, however that ends.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A shell starts the server and stops it when its own input ends, which it does when this process ends or says so.
const SCRIPT: &str = r#"
signal=$1; log=$2; shift 2
"$@" </dev/null >>"$log" 2>&1 &
server=$!
echo "$server"
exec >&-
cat >/dev/null
kill -s "$signal" "$server"
wait "$server"
"#;
/// How long a server may take to stop when it is asked to.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running server and the shell that guards it.
pub(super) struct Process {
    shell: Child,
    server: String,
}

impl Process {
    /// Starts a server: `signal` ends it, `log` takes what it says, `words` are program and arguments. `shell` is prepared
    /// with user, folder and environment.
    pub(super) fn start(mut shell: Command, signal: &str, log: &Path, words: &[String]) -> Self {
        shell.arg("-c").arg(SCRIPT).arg("guard").arg(signal).arg(log).args(words);
        shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut shell = shell.spawn().expect("there is a shell");
        let mut server = String::new();
        let output = shell.stdout.take().expect("the output is piped");
        BufReader::new(output).read_line(&mut server).expect("the shell tells the server's number");
        Self { shell, server: server.trim().to_owned() }
    }

    /// Ends the server at once (kill -9).
    pub(super) fn kill(self) {
        self.signal_kill();
    }

    fn signal_kill(&self) {
        let _ = Command::new("kill").args(["-s", "KILL", &self.server]).stderr(Stdio::null()).status();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let since = Instant::now();
        while let Ok(None) = self.shell.try_wait() {
            if since.elapsed() > PATIENCE {
                self.signal_kill();
                let _ = self.shell.wait();
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
