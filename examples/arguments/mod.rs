//! The command line of an experiment.

use std::process::ExitCode;

#[derive(Debug, Default)]
pub(crate) struct Arguments {
    pub(crate) quick: bool,
    pub(crate) json: bool,
}

impl Arguments {
    /// What the command line says; or with what to exit, if all that there is to do was to say how it is used.
    pub(crate) fn read(usage: &str) -> Result<Self, ExitCode> {
        let mut arguments = Self::default();
        for word in std::env::args().skip(1) {
            match word.as_str() {
                "--quick" => arguments.quick = true,
                "--json" => arguments.json = true,
                "--help" | "-h" => {
                    println!("{usage}");
                    return Err(ExitCode::SUCCESS);
                }
                unknown => {
                    eprintln!("unknown argument: {unknown}\n\n{usage}");
                    return Err(ExitCode::from(2));
                }
            }
        }
        Ok(arguments)
    }
}
