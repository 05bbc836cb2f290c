//! The real servers, each started in a folder of its own on a port of loopback, to be stopped, continued, killed and
//! started again.
//!
//! They are Debian's packages `postgresql` and `redis-server`.

use std::{
    fs::{self, File},
    io,
    net::{Ipv4Addr, TcpListener},
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

/// A server that runs, or has been killed.
pub struct Server {
    program: Program,
    folder: PathBuf,
    port: u16,
    child: Child,
}

#[derive(Clone, Copy)]
enum Program {
    Postgres,
    Redis,
}

impl Server {
    /// Starts a PostgreSQL with an empty database. It takes some seconds.
    pub fn postgres() -> io::Result<Self> {
        let folder = folder("postgres")?;
        let user = own(&folder)?;
        let mut create = Command::new(postgres("initdb")?);
        create.arg("-D").arg(folder.join("data")).args(["-U", "shop", "-A", "trust", "-E", "UTF8", "--locale=C"]);
        create.arg("--no-sync").stdout(Stdio::null()).current_dir(&folder);
        as_user(&mut create, user);
        if !create.status()?.success() {
            return Err(io::Error::other("initdb failed"));
        }
        Self::start(Program::Postgres, folder)
    }

    /// Starts a Redis that keeps nothing.
    pub fn redis() -> io::Result<Self> {
        Self::start(Program::Redis, folder("redis")?)
    }

    fn start(program: Program, folder: PathBuf) -> io::Result<Self> {
        // Free for now, and nobody else is likely to ask for it.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let child = spawn(program, &folder, port)?;
        Ok(Self { program, folder, port, child })
    }

    /// Where it listens, or will.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Stops it in the middle of whatever it does: connections stay, and nothing answers.
    pub fn stop(&self) {
        self.signal("STOP");
    }

    /// Lets it go on.
    pub fn go_on(&self) {
        self.signal("CONT");
    }

    /// Kills it: connections break, and new ones are refused.
    pub fn kill(&mut self) {
        self.signal("KILL");
        // It is dead by then, or was before.
        let _ = self.child.wait();
    }

    /// Starts it again on the same port, with what it has kept.
    pub fn restart(&mut self) -> io::Result<()> {
        let _ = fs::remove_file(self.folder.join("data/postmaster.pid"));
        self.child = spawn(self.program, &self.folder, self.port)?;
        Ok(())
    }

    /// To it and to all processes that it has started: PostgreSQL has one for each connection.
    fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        // One without children is no error.
        let _ = Command::new("pkill").args([&format!("-{signal}"), "-P", &id]).status();
        let _ = Command::new("kill").args([&format!("-{signal}"), &id]).status();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn spawn(program: Program, folder: &Path, port: u16) -> io::Result<Child> {
    let port = port.to_string();
    let mut command = match program {
        Program::Postgres => {
            let mut command = Command::new(postgres("postgres")?);
            command.arg("-D").arg(folder.join("data")).args(["-p", &port, "-c", "listen_addresses=127.0.0.1"]);
            command.arg("-c").arg(format!("unix_socket_directories={}", folder.display())).args(["-F"]);
            as_user(&mut command, own(folder)?);
            command
        }
        Program::Redis => {
            let mut command = Command::new("redis-server");
            command.args(["--port", &port, "--bind", "127.0.0.1", "--save", ""]).arg("--dir").arg(folder);
            command
        }
    };
    let log = File::create(folder.join("log"))?;
    command.stdout(log.try_clone()?).stderr(log).current_dir(folder).spawn()
}

/// A new folder.
fn folder(name: &str) -> io::Result<PathBuf> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("cofferdam-{name}-{}-{number}", std::process::id()));
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Debian keeps each version in a folder of its own, and out of the path.
fn postgres(program: &str) -> io::Result<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql")?;
    let found = versions.filter_map(|version| Some(version.ok()?.path().join("bin").join(program)));
    found.filter(|path| path.exists()).max().ok_or_else(|| io::Error::other("PostgreSQL is not installed"))
}

/// PostgreSQL does not run as root: where we are root, its folder belongs to the user of Debian's package.
fn own(folder: &Path) -> io::Result<Option<(u32, u32)>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let is_root = status.lines().any(|line| line.starts_with("Uid:") && line.split_whitespace().nth(1) == Some("0"));
    if !is_root {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd")?;
    let line = users.lines().find(|line| line.starts_with("postgres:"));
    let ids = line.and_then(|line| {
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    });
    let (user, group) = ids.ok_or_else(|| io::Error::other("there is no user postgres"))?;
    chown(folder, Some(user), Some(group))?;
    Ok(Some((user, group)))
}

fn as_user(command: &mut Command, user: Option<(u32, u32)>) {
    if let Some((user, group)) = user {
        command.uid(user).gid(group);
    }
}
