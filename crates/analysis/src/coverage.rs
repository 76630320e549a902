//! What becomes of each of istioctl's codes: reported by a rule here, or why not.

/// What becomes of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coverage {
    /// A rule reports it.
    Rule,
    /// It needs something that no resource says.
    Lacks(&'static str),
    /// istioctl declares it and reports it no more; another code says what is left of it.
    Retired(&'static str),
}

/// A code of istioctl.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// The code.
    pub code: &'static str,
    /// What becomes of it.
    pub coverage: Coverage,
}

const fn row(code: &'static str, coverage: Coverage) -> Row {
    Row { code, coverage }
}

use Coverage::{Lacks, Retired, Rule};

/// Every code that istioctl declares (`pkg/config/analysis/msg/messages.yaml`), IST0001 and retired numbers
/// left out.
pub const IST: &[Row] = &[
    row("IST0002", Rule),
    row("IST0101", Rule),
    row("IST0102", Rule),
    row("IST0103", Rule),
    row("IST0106", Rule),
    row("IST0107", Rule),
    row("IST0108", Rule),
    row("IST0109", Rule),
    row("IST0110", Rule),
    row("IST0111", Rule),
    row("IST0112", Rule),
    row(
        "IST0113",
        Retired("no analyzer reports it; FM0401 has the effective mTLS modes"),
    ),
    row("IST0116", Rule),
    row("IST0118", Rule),
    row(
        "IST0119",
        Retired("no analyzer reports it; IST0118 names the port"),
    ),
    row("IST0122", Rule),
    row("IST0123", Rule),
    row("IST0125", Rule),
    row("IST0126", Rule),
    row("IST0127", Rule),
    row("IST0128", Rule),
    row("IST0129", Rule),
    row("IST0130", Rule),
    row("IST0131", Rule),
    row("IST0132", Rule),
    row("IST0133", Rule),
    row("IST0134", Rule),
    row("IST0135", Rule),
    row(
        "IST0136",
        Retired("its analyzer is not among those that analyze runs"),
    ),
    row("IST0137", Rule),
    row("IST0138", Rule),
    row("IST0139", Rule),
    row("IST0140", Rule),
    row(
        "IST0141",
        Lacks("what the caller may create: access reviews of the API server"),
    ),
    row("IST0142", Lacks("the API server's version")),
    row(
        "IST0143",
        Lacks("the addresses that a running application listens on"),
    ),
    row("IST0144", Rule),
    row("IST0145", Rule),
    row("IST0146", Rule),
    row("IST0147", Rule),
    row("IST0148", Rule),
    row("IST0149", Rule),
    row("IST0150", Rule),
    row("IST0151", Rule),
    row("IST0152", Rule),
    row("IST0153", Rule),
    row("IST0154", Rule),
    row("IST0155", Rule),
    row(
        "IST0156",
        Retired("only precheck reports it; IST0176 judges the definitions"),
    ),
    row("IST0157", Rule),
    row("IST0158", Rule),
    row("IST0159", Rule),
    row("IST0160", Rule),
    row("IST0161", Rule),
    row("IST0162", Rule),
    row("IST0163", Rule),
    row("IST0164", Rule),
    row("IST0165", Rule),
    row("IST0166", Rule),
    row("IST0167", Rule),
    row(
        "IST0168",
        Lacks("the installed and the next version: an upgrade check"),
    ),
    row(
        "IST0169",
        Lacks("the installed and the next version: an upgrade check"),
    ),
    row("IST0170", Lacks("the services of several clusters")),
    row("IST0171", Rule),
    row(
        "IST0172",
        Retired("only precheck reports it; IST0176 judges the definitions"),
    ),
    row("IST0173", Rule),
    row("IST0174", Rule),
    row("IST0175", Rule),
    row("IST0176", Rule),
    row("IST0177", Rule),
];
