//! The command line.

pub(crate) const USAGE: &str = "\
Two front ends live through the outage of a service behind them, one of them protected.

usage: outage [--quick] [--json]

  --quick  a shorter outage: the run ends within 20 seconds
  --json   the figures as one JSON object, on the last line of standard output
  --help   this text

It exits with 0 if the outage was contained, with 1 if not, and writes target/outage/report.html.";

#[derive(Debug, Default)]
pub(crate) struct Arguments {
    pub(crate) quick: bool,
    pub(crate) json: bool,
    pub(crate) help: bool,
}

impl Arguments {
    /// The arguments, or the first that is none.
    pub(crate) fn parse(words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut arguments = Self::default();
        for word in words {
            match word.as_str() {
                "--quick" => arguments.quick = true,
                "--json" => arguments.json = true,
                "--help" | "-h" => arguments.help = true,
                _ => return Err(word),
            }
        }
        Ok(arguments)
    }
}
