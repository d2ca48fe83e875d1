//! What is lost and what comes, in words and to scale.

use calve_image_core::report::DiskReport;

use super::disk_arg::MAIN;
use super::job::Job;
use super::reached::Reached;
use crate::{device, disk_drawing, machine};

/// The machine, its disk as it is, the system, and the disk as it will be.
pub(super) fn text(reached: &Reached, job: &Job<'_>) -> String {
    let disk = job.site.disk;
    let name = format!("/dev/{}", disk.device.name);
    let link = if job.device == name { String::new() } else { format!(" ({})", job.device) };
    let machine = machine::words(&reached.machine, reached.target().name());
    let mut text = format!("machine   {machine}\n");
    text.push_str(&format!("disk      {MAIN} is {name}{link}: {}\n", device::words(&disk.device)));
    let fate = if job.geometry.is_some() { "lost" } else { "stays" };
    let partitions = device::table(&disk.contents.partitions);
    text.push_str(&format!("{fate:<9} {}\n{partitions}", device::contents(&disk.contents)));
    let profile = &job.load.blueprint.profile.name;
    text.push_str(&format!("comes     {}, by profile {profile}\n", job.toplevel().name()));
    if let Some(geometry) = &job.geometry {
        text.push('\n');
        text.push_str(&disk_drawing::Disk::from(&DiskReport::of(geometry)).text());
    }
    text
}
