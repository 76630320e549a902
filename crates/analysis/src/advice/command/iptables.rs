//! iptables: in which table Istio's chains stand.

use super::super::items::Sink;
use super::super::verdict::{Judgement, Verdict};
use super::Parsed;

/// Istio's chains and the tables that have them (`tools/istio-iptables`); TPROXY mode uses mangle.
const CHAINS: &[(&str, &[&str])] = &[
    ("ISTIO_OUTPUT", &["nat"]),
    ("ISTIO_REDIRECT", &["nat"]),
    ("ISTIO_IN_REDIRECT", &["nat"]),
    ("ISTIO_INBOUND", &["nat", "mangle"]),
    ("ISTIO_TPROXY", &["mangle"]),
    ("ISTIO_DIVERT", &["mangle"]),
    ("ISTIO_PRERT", &["nat", "mangle"]),
];

/// A chain that is looked for in a table that does not have it.
pub(super) fn judge(sink: &Sink, parsed: &Parsed<'_>) -> Option<Judgement> {
    let table = parsed
        .flag("--table")
        .or_else(|| parsed.flag("-t"))
        .unwrap_or("filter");
    let words = parsed
        .flags
        .iter()
        .filter_map(|(_, value, _)| value.as_deref())
        .chain(parsed.positional.iter().map(|word| word.text.as_str()));
    let (chain, tables) = words
        .filter_map(|word| CHAINS.iter().find(|(chain, _)| *chain == word))
        .next()?;
    if tables.contains(&table) {
        return None;
    }
    let right = tables.first().copied().unwrap_or_default();
    let why = sink.say(
        format!("the table {table} has no chain {chain}: it stands in {right}"),
        format!("表 {table} 中没有链 {chain}：它在 {right} 表中"),
    );
    Some(
        Judgement::new(
            Verdict::CannotMatch,
            why,
            "istio/istio tools/istio-iptables",
        )
        .fix(format!("iptables -t {right} -L {chain} -n")),
    )
}
