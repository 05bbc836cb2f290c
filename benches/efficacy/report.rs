//! The page of pictures, and those of them that the documentation shows.

use std::{error::Error, fs, path::Path};

use crate::lab::plots::{self, Effort, page};

const PAGE: &str = "target/efficacy/report.html";

/// Draws all of which the name is that, and writes the page; with a folder for them, the documentation's pictures as well.
pub(crate) fn report(part: Option<&str>, effort: &Effort, pictures: Option<&str>) -> Result<(), Box<dyn Error>> {
    let is_part = |name: &str| part.is_none_or(|part| part.eq_ignore_ascii_case(name));
    let plots: Vec<_> = plots::all().into_iter().filter(|plot| is_part(plot.name)).collect();
    if plots.is_empty() {
        return Err("there is no picture of that name".into());
    }
    let (count, mut drawn) = (plots.len(), Vec::new());
    for (index, plot) in plots.into_iter().enumerate() {
        eprintln!("{} of {count}: {}, {}", index + 1, plot.name, plot.title);
        let picture = plot.draw(effort);
        if let (Some(folder), Some(name)) = (pictures, plot.picture) {
            write(&Path::new(folder).join(name).with_extension("svg"), &picture.svg)?;
        }
        drawn.push((plot, picture));
    }
    write(Path::new(PAGE), &page::page(&drawn, effort))
}

fn write(path: &Path, text: &str) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
    fs::write(path, text)?;
    println!("{}", path.display());
    Ok(())
}
