//! Zabbix' real server, with a database and its pages, all as a user without privileges.

use std::fs::{self, DirBuilder};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::{DirBuilderExt as _, chown};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use memtrace_lab::setup::programs::Program;
use memtrace_lab::{paths, progress};

use super::NOBODY;
use super::api::Api;
use crate::http;
use crate::scene::PATIENCE;
use crate::service::{Service, behind};

/// Making and filling the database takes ten seconds, and a minute where much else runs.
const FILL: Duration = Duration::from_secs(180);
/// Of the packages, in the order that the database wants.
const TABLES: [&str; 3] = ["schema", "images", "data"];
/// Feeds the packed files that are its first argument to the rest. What refers to what isn't
/// checked, as in a copy of a database: that takes as long again.
const FEED: &str = "export PGOPTIONS='-c session_replication_role=replica'; gzip -dc $0 | \"$@\"";
/// Has what is in its first argument be in /etc as well, for the rest alone: Debian's pages read
/// their configuration there, and nowhere else.
const WITH_ETC: &str = "mount -t overlay -o \"ro,lowerdir=$0:/etc\" overlay /etc && exec \"$@\"";
/// What the pages call of PHP, in the order that they need each other.
const EXTENSIONS: [&str; 12] = [
    "bcmath",
    "ctype",
    "dom",
    "gd",
    "gettext",
    "mbstring",
    "pgsql",
    "simplexml",
    "sockets",
    "xml",
    "xmlreader",
    "xmlwriter",
];

/// In the order in which they end.
pub struct Server {
    pub api: Api,
    _pages: Service,
    _server: Service,
    _database: Service,
}

impl Server {
    /// Starts all three, with their files in `folder`.
    ///
    /// # Errors
    /// When one doesn't start.
    pub fn start(folder: &Path) -> Result<Self> {
        DirBuilder::new().mode(0o700).create(folder)?;
        chown(folder, Some(NOBODY), Some(NOBODY))?;
        let database = database(folder)?;
        let server = server(folder)?;
        let (pages, mut service) = pages(folder)?;
        let mut api = Api::new(pages);
        service.wait("Zabbix' pages", PATIENCE, || api.log_in())?;
        Ok(Self { api, _pages: service, _server: server, _database: database })
    }
}

/// A command of the user without privileges, which ends with its parent.
fn unprivileged(command: &Command) -> Command {
    let user = [format!("--reuid={NOBODY}"), format!("--regid={NOBODY}")];
    let words = ["setpriv", &user[0], &user[1], "--clear-groups", "--pdeathsig", "TERM", "--"];
    behind(words, command)
}

/// PostgreSQL with the server's tables. Only those who reach the folder reach it. It is filled
/// once, and then copied.
fn database(folder: &Path) -> Result<Service> {
    let data = folder.join("database");
    let kept = paths::target().join("lab/programs/zabbix-database");
    if kept.is_dir() {
        copy(&kept, &data)?;
        return postgres(&data, folder);
    }
    let mut command = Program::Initdb.command()?;
    command.arg("--pgdata").arg(&data).args(["--username=zabbix", "--auth=trust"]);
    command.args(["--no-sync", "--no-locale", "--encoding=UTF8"]);
    let mut command = unprivileged(&command);
    progress::run("making a database", command.current_dir(folder), FILL)?;
    let service = postgres(&data, folder)?;
    fill(folder)?;
    drop(service);
    // The name appears only once it is whole.
    let new = tempfile::tempdir_in(kept.parent().context("no folder for programs")?)?;
    copy(&data, &new.path().join("database"))?;
    fs::rename(new.path().join("database"), &kept)?;
    postgres(&data, folder)
}

fn postgres(data: &Path, folder: &Path) -> Result<Service> {
    let mut command = Program::Postgres.command()?;
    command.arg("-D").arg(data).arg("-k").arg(folder);
    // What is lost in a crash was lost anyway.
    let settings = ["listen_addresses=", "fsync=off", "full_page_writes=off"];
    command.args(settings.iter().flat_map(|setting| ["-c", setting]));
    let mut service = Service::start("postgres", &unprivileged(&command), folder)?;
    service.wait("PostgreSQL", PATIENCE, || query(folder, "select 1"))?;
    Ok(service)
}

fn query(folder: &Path, query: &str) -> Result<()> {
    let mut command = psql(folder, "postgres")?;
    let output = command.args(["--command", query]).stdin(Stdio::null()).output();
    let output = output.context("run psql")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}", said.trim());
    Ok(())
}

fn fill(folder: &Path) -> Result<()> {
    query(folder, "create database zabbix")?;
    let share = Program::ZabbixServer.root()?.join("usr/share/zabbix-server-pgsql");
    let files = TABLES.map(|name| format!("{name}.sql.gz")).join(" ");
    let mut fill = behind(["sh", "-c", FEED, &files], &psql(folder, "zabbix")?);
    progress::run("filling it for Zabbix' server", fill.current_dir(share), FILL)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let mut command = Command::new("cp");
    progress::run("copying a database", command.arg("--archive").arg(from).arg(to), FILL)
}

fn psql(folder: &Path, database: &str) -> Result<Command> {
    let mut command = Program::Psql.command()?;
    command.args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--username=zabbix"]);
    command.arg("--host").arg(folder).arg(database);
    Ok(command)
}

fn server(folder: &Path) -> Result<Service> {
    let address = http::free(Ipv4Addr::LOCALHOST.into())?;
    let file = folder.join("server.conf");
    fs::write(&file, configuration(address, folder))?;
    let mut command = Program::ZabbixServer.command()?;
    command.arg("--foreground").arg("--config").arg(file);
    Service::start("zabbix-server", &unprivileged(&command), folder)
}

/// A small one, which takes up at once what is changed.
fn configuration(address: SocketAddr, folder: &Path) -> String {
    let (ip, port, folder) = (address.ip(), address.port(), folder.display());
    format!(
        "LogType=console\nListenIP={ip}\nListenPort={port}\nTimeout=10\n\
         PidFile={folder}/server.pid\nSocketDir={folder}\n\
         DBHost={folder}\nDBName=zabbix\nDBUser=zabbix\nCacheUpdateFrequency=1\n\
         StartPingers=0\nStartDiscoverers=0\nStartHTTPPollers=0\nStartDBSyncers=1\n\
         FpingLocation=/bin/true\n"
    )
}

fn pages(folder: &Path) -> Result<(SocketAddr, Service)> {
    let etc = folder.join("etc");
    fs::create_dir_all(etc.join("zabbix"))?;
    fs::write(etc.join("zabbix/zabbix.conf.php"), settings(folder))?;
    let address = http::free(Ipv4Addr::LOCALHOST.into())?;
    let mut command = Program::Php.command()?;
    for name in EXTENSIONS {
        command.args(["-d", &format!("extension={name}")]);
    }
    // Its warnings would be in front of the answers.
    command.args(["-d", "display_errors=0", "-d", "post_max_size=16M"]);
    command.arg("-S").arg(address.to_string());
    command.arg("-t").arg(Program::ZabbixPages.root()?.join("usr/share/zabbix"));
    let command = unprivileged(&command);
    let etc = etc.to_str().context("a folder without a readable name")?;
    let before = ["unshare", "--mount", "--propagation", "private", "sh", "-c", WITH_ETC, etc];
    let service = Service::start("zabbix-pages", &behind(before, &command), folder)?;
    Ok((address, service))
}

/// What the pages want to know; all that isn't here is as they assume.
fn settings(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "<?php\n$DB['TYPE'] = 'POSTGRESQL';\n$DB['SERVER'] = '{folder}';\n$DB['PORT'] = '0';\n\
         $DB['DATABASE'] = 'zabbix';\n$DB['USER'] = 'zabbix';\n$DB['PASSWORD'] = '';\n\
         $DB['SCHEMA'] = '';\n$DB['DOUBLE_IEEE754'] = true;\n"
    )
}
