//! What the figures are of: machine, day, versions.

use std::error::Error;
use std::path::Path;
use std::process::Command;

use sysinfo::{CpuRefreshKind, RefreshKind, System};

/// The CPU and how many threads of it, as the operating system names it.
pub fn cpu() -> String {
    let system = System::new_with_specifics(RefreshKind::nothing().with_cpu(CpuRefreshKind::nothing()));
    let cpus = system.cpus();
    let [family, model] = ["cpu family", "model"].map(|key| from_cpuinfo(key).unwrap_or_default());
    let name = cpus.first().map_or("an unknown CPU", |cpu| cpu.brand()).trim().to_owned();
    let numbers =
        if family.is_empty() { String::new() } else { format!(" (family {family}, model {model})") };
    format!("{name}{numbers}, {} threads", cpus.len())
}

/// Brand strings of virtual machines say little; the numbers tell generations apart.
fn from_cpuinfo(key: &str) -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name.trim() == key).then(|| value.trim().to_owned())
    })
}

/// The first line that a program prints, run in a folder.
///
/// # Errors
/// If it cannot be run, or fails.
pub fn first_line(folder: &Path, program: &str, arguments: &[&str]) -> Result<String, Box<dyn Error>> {
    let output = Command::new(program).args(arguments).current_dir(folder).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{program} {}: {}", arguments.join(" "), output.status).into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned())
}
