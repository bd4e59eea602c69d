//! The real node_exporter, whose textfile collector reads what `memtrace metrics` wrote.

use std::collections::BTreeSet;
use std::fs;
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use memtrace_lab::setup::programs::Program;

use super::http;
use super::scene::{PATIENCE, Scene};
use super::service::Service;

/// All that is in the file is served, and the collector has nothing to complain of.
///
/// # Errors
/// When that isn't so.
pub fn served(scene: &mut Scene<'_>) -> Result<()> {
    let folder = scene.folder.join("textfile");
    fs::create_dir_all(&folder)?;
    let file = folder.join("memtrace.prom");
    let mut memtrace = Command::new(scene.memtrace);
    memtrace.args(["metrics", "--interval", "1", "--textfile"]).arg(&file).stdin(Stdio::null());
    let output = memtrace.output().context("run memtrace metrics")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "memtrace metrics: {}", said.trim());
    let written = series(&fs::read_to_string(&file)?);
    ensure!(written.iter().any(|one| one.contains("name=\"victim\"")), "there is no guest");

    let address = http::free(Ipv4Addr::LOCALHOST.into())?;
    let mut command = Program::NodeExporter.command()?;
    command.args(["--collector.disable-defaults", "--collector.textfile"]);
    command.arg("--collector.textfile.directory").arg(&folder);
    command.arg(format!("--web.listen-address={address}"));
    let mut exporter = Service::start("node-exporter", &command, &scene.folder)?;
    let url = format!("http://{address}/metrics");
    let text = exporter.wait("node_exporter", PATIENCE, || http::text(&url, &[]))?;
    let fine = text.lines().any(|line| line == "node_textfile_scrape_error 0");
    ensure!(fine, "the collector complains: {}", exporter.last_words());
    let served = series(&text);
    let lost: Vec<&String> = written.difference(&served).take(5).collect();
    ensure!(lost.is_empty(), "some of it isn't served: {lost:?}");
    Ok(())
}

/// The names and labels of memtrace's samples, each with its labels in order.
fn series(text: &str) -> BTreeSet<String> {
    let ours = text.lines().filter(|line| line.starts_with("memtrace_"));
    ours.filter_map(|line| Some(ordered(line.rsplit_once(' ')?.0))).collect()
}

/// node_exporter sorts labels by their names, and writes limits of buckets in its own way.
fn ordered(series: &str) -> String {
    let Some((name, labels)) = series.split_once('{') else { return series.to_owned() };
    let mut labels: Vec<String> = labels.trim_end_matches('}').split(',').map(limit).collect();
    labels.sort_unstable();
    format!("{name}{{{}}}", labels.join(","))
}

fn limit(label: &str) -> String {
    let number = label.strip_prefix("le=\"").and_then(|rest| rest.strip_suffix('"')?.parse().ok());
    number.map_or_else(|| label.to_owned(), |number: f64| format!("le={number:e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_known_by_name_and_labels_in_any_order() {
        let one = series("# HELP memtrace_x X.\nmemtrace_x{b=\"2\",a=\"1\"} 3\nnode_y 1\n");
        let other = series("memtrace_x{a=\"1\",b=\"2\"} 4e+06\n");
        assert_eq!(one, other);
        assert_eq!(one.len(), 1);
        let limit = series("memtrace_x_bucket{le=\"0.000016384\"} 3\n");
        assert_eq!(limit, series("memtrace_x_bucket{le=\"1.6384e-05\"} 3\n"));
        assert_ne!(limit, series("memtrace_x_bucket{le=\"1.6385e-05\"} 3\n"));
    }
}
