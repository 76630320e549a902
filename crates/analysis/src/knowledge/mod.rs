//! What the components of a mesh have and take, as data: the tables under `knowledge/`, each row with its source
//! and, where it matters, with the versions for which it holds. Read once, when first asked for.

mod commands;
mod kinds;
mod meant;
mod settings;
mod shape;
mod table;
mod version;

pub use self::commands::{Destructive, FlagSpec, SubCommand, commands};
pub use self::kinds::{Kind, Kinds, RemovedKind, kinds};
pub use self::meant::meant_fields;
pub use self::settings::{
    Annotation, ConfigKey, Default, Intent, Metric, Note, Opposite, Settings, Workload, settings,
};
pub use self::shape::{Scalar, Shape, Shapes, shapes};
pub use self::table::{Row, Table};
pub use self::version::Version;

use std::sync::LazyLock;

/// The tables that are read by the name of their columns.
macro_rules! tables {
    ($($(#[$meta:meta])* $name:ident = $file:literal;)*) => {
        $(
            $(#[$meta])*
            pub static $name: LazyLock<Table> =
                LazyLock::new(|| Table::parse(include_str!(concat!("../../knowledge/", $file))));
        )*

        /// Every table with its name, for the checks of their form.
        #[must_use]
        pub fn all_tables() -> Vec<(&'static str, &'static Table)> {
            vec![$(($file, &*$name)),*]
        }
    };
}

tables! {
    /// Response flags of Envoy.
    RESPONSE_FLAGS = "response-flags.tsv";
    /// Words by which texts tell what a flag means.
    FLAG_WORDS = "flag-words.tsv";
    /// Values of `%RESPONSE_CODE_DETAILS%`.
    DETAILS = "details.tsv";
    /// Access-log operators.
    OPERATORS = "operators.tsv";
    /// Texts of logs and answers.
    LOGS = "logs.tsv";
    /// Who listens where.
    PORTS = "ports.tsv";
    /// Words that one port alone can be meant by.
    PORT_WORDS = "port-words.tsv";
    /// Ports that once had a role.
    PORTS_REMOVED = "ports-removed.tsv";
    /// Admin endpoints that need POST.
    ADMIN_PATHS = "admin-paths.tsv";
    /// Admin endpoints under names that they do not have.
    ADMIN_MEANT = "admin-meant.tsv";
    /// Envoy filter names that are gone.
    FILTERS = "filters.tsv";
    /// Fields of Envoy's messages.
    ENVOY_FIELDS = "envoy-fields.tsv";
    /// Environment variables of istiod and the proxy.
    ENV = "env.tsv";
    /// Words of Logs Insights.
    INSIGHTS = "insights.tsv";
    /// Variables of `curl -w`.
    CURL_VARIABLES = "curl-variables.tsv";
    /// Prefixes of annotations of which every key is known.
    PREFIXES = "prefixes.tsv";
    /// apiVersions that are not served any more.
    VERSIONS_REMOVED = "versions-removed.tsv";
    /// Keys and words that commands print.
    OUTPUTS = "outputs.tsv";
    /// Words in the columns of `kubectl get`.
    TABLE_WORDS = "table-words.tsv";
    /// Words that are looked for in outputs and never stand there.
    SEARCHES = "searches.tsv";
    /// Conditions that controllers write.
    CONDITIONS = "conditions.tsv";
    /// Labels of the components' pods.
    SELECTORS = "selectors.tsv";
    /// Fields by which the API server selects.
    FIELD_SELECTORS = "field-selectors.tsv";
    /// Values with which programs of jq and JMESPath compare.
    COMPARED = "compared.tsv";
    /// Metrics of kube-state-metrics.
    KUBERNETES_METRICS = "metrics/kubernetes.tsv";
    /// Metrics of CloudWatch.
    CLOUDWATCH = "cloudwatch.tsv";
    /// Attributes of AWS load balancers.
    AWS_ATTRIBUTES = "aws-attributes.tsv";
    /// Labels of metrics and their values.
    LABEL_VALUES = "metrics/label-values.tsv";
    /// Labels that scraping adds.
    COMMON_LABELS = "metrics/common-labels.tsv";
    /// Labels that do not exist and what was meant.
    LABEL_FIXES = "metrics/label-fixes.tsv";
    /// What metrics and statistics count.
    METRIC_MEANINGS = "metrics/meanings.tsv";
    /// What flags of commands take.
    FLAG_VALUES = "commands/flag-values.tsv";
    /// Sub-commands that are gone.
    REMOVED_COMMANDS = "commands/removed.tsv";
}

/// The nearest of several names, if one is near enough to be what was meant.
#[must_use]
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > 96 {
        return None;
    }
    let wanted = fold(name);
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let folded = fold(candidate);
        if folded.len().abs_diff(wanted.len()) > 3 {
            continue;
        }
        let distance = strsim::damerau_levenshtein(&wanted, &folded);
        if best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.filter(|(distance, _)| *distance <= 1 + wanted.len() / 8)
        .map(|(_, candidate)| candidate)
}

fn fold(name: &str) -> String {
    name.chars()
        .filter(|c| !matches!(c, '-' | '_' | '.'))
        .flat_map(char::to_lowercase)
        .collect()
}
