//! Exit codes, and the last words before them. Documented in `docs/reference/cli.md`.

use std::fmt;
use std::process::ExitCode;

/// What the process ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Code {
    /// Something failed; the message says what.
    Failure = 1,
    /// The command line cannot be right. (clap exits with it too.)
    Usage = 2,
    /// Something that the command needs is missing on this machine.
    Prerequisite = 3,
    /// Another process holds the data directory.
    InUse = 4,
    /// Something did not become ready in time.
    TimedOut = 5,
    /// `analyze` could not read a text; istioctl's code (EX_DATAERR of sysexits.h).
    Unreadable = 65,
    /// `analyze` found what reaches its failure threshold; istioctl's code.
    FoundIssues = 79,
}

impl Code {
    /// The code that another process of ours ended with.
    pub(crate) fn from_status(status: i32) -> Option<Self> {
        [
            Self::Failure,
            Self::Usage,
            Self::Prerequisite,
            Self::InUse,
            Self::TimedOut,
        ]
        .into_iter()
        .find(|code| *code as i32 == status)
    }

    /// Those that are ours to explain: clap ends with [`Self::Usage`] as well.
    pub(crate) const ALL: [Self; 6] = [
        Self::Failure,
        Self::Prerequisite,
        Self::InUse,
        Self::TimedOut,
        Self::Unreadable,
        Self::FoundIssues,
    ];

    pub(crate) fn meaning(self) -> &'static str {
        match self {
            Self::Failure => "something failed; the message says what, and what to type next",
            Self::Prerequisite => {
                "a prerequisite is missing on this machine: root, network namespaces, nftables, overlay, Envoy for `--engine envoy`"
            }
            Self::InUse => "another `ferromesh up` holds the data directory",
            Self::TimedOut => "something was not ready in time",
            Self::Usage => "wrong usage",
            Self::Unreadable => "`analyze` could not read a text as YAML or JSON (istioctl's code)",
            Self::FoundIssues => {
                "`analyze` found something that reaches `--failure-threshold` (istioctl's code; formats json and yaml always end with 0, as istioctl's), or `lint-advice --strict` something wrong"
            }
        }
    }
}

/// An error with its own exit code and, where there is one, the next thing to type.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: Code,
    pub(crate) message: String,
    pub(crate) remedy: Option<String>,
}

impl Failure {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            remedy: None,
        }
    }

    pub(crate) fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.remedy {
            Some(remedy) => write!(f, "\n  try: {remedy}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Failure {}

/// Prints an error to standard error and turns it into the exit code.
pub(crate) fn report(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            let code = error
                .downcast_ref::<Failure>()
                .map_or(Code::Failure, |f| f.code);
            ExitCode::from(code as u8)
        }
    }
}
