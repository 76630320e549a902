//! Paths into objects: JSONPath, jq, custom columns, `--set`, `kubectl explain`.

use super::command::kubectl;
use super::fields::{camel, snake};
use super::items::Sink;
use super::values;
use super::verdict::{Judgement, Verdict};
use crate::knowledge::{Kind, Scalar, Shape, nearest, settings, shapes};

/// `-o jsonpath=…`, `-o custom-columns=…` of a kubectl command on a kind; `words` is how many words name objects.
pub(crate) fn output(sink: &Sink, kind: &str, words: usize, output: &str) -> Option<Judgement> {
    let single = words == 2 || kind.contains('/');
    if let Some(path) = output
        .strip_prefix("jsonpath=")
        .or_else(|| output.strip_prefix("jsonpath-as-json="))
    {
        return jsonpath(sink, kind, single, path);
    }
    let columns = output.strip_prefix("custom-columns=")?;
    columns
        .split(',')
        .filter_map(|column| column.split_once(':'))
        .find_map(|(_, path)| jsonpath(sink, kind, true, path))
}

/// Judges a JSONPath template: every `{…}` of it. Without `single` the paths begin at a list of items.
pub(crate) fn jsonpath(sink: &Sink, kind: &str, single: bool, template: &str) -> Option<Judgement> {
    let shapes = kubectl::shapes_of(kind);
    if shapes.is_empty() || kind.contains(',') {
        return None;
    }
    let mut inside_range = false;
    for expression in expressions(template) {
        let expression = expression.trim();
        if let Some(rest) = expression.strip_prefix("range") {
            inside_range = true;
            let judged = along_any(sink, &shapes, &steps(rest), single);
            if judged.is_some() {
                return judged;
            }
            if !rest.trim().starts_with(".items") {
                return None;
            }
            continue;
        }
        if expression == "end" || expression.starts_with('"') || expression.starts_with('\'') {
            continue;
        }
        let steps = steps(expression);
        let judged = along_any(sink, &shapes, &steps, single || inside_range);
        if judged.is_some() {
            return judged;
        }
    }
    None
}

/// What stands between braces; the whole if there is none.
pub(crate) fn expressions(template: &str) -> Vec<String> {
    if !template.contains('{') {
        return vec![template.to_owned()];
    }
    let (mut out, mut depth, mut current) = (Vec::new(), 0u32, String::new());
    let mut quote = None;
    for c in template.chars() {
        match (c, quote) {
            (c, Some(q)) if c == q => quote = None,
            ('"' | '\'', None) if depth > 0 => quote = Some(c),
            _ => {}
        }
        match c {
            '{' if quote.is_none() => {
                depth += 1;
                if depth > 1 {
                    current.push(c);
                }
            }
            '}' if quote.is_none() && depth > 0 => {
                depth -= 1;
                if depth == 0 {
                    out.push(std::mem::take(&mut current));
                }
            }
            c if depth > 0 => current.push(c),
            _ => {}
        }
    }
    out
}

/// A step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Field(String),
    Index,
    /// Something that is not looked into: recursion, functions.
    Other,
}

/// Takes a path apart: `.items[*].spec.http[0]["a.b"]`.
pub(crate) fn steps(path: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let chars: Vec<char> = path.trim().trim_start_matches(['$', '@']).chars().collect();
    let mut at = 0;
    while at < chars.len() && steps.len() < 60 {
        match chars[at] {
            '.' if chars.get(at + 1) == Some(&'.') => {
                steps.push(Step::Other);
                return steps;
            }
            '.' => at += 1,
            '[' => {
                let end = closing(&chars, at);
                let inside: String = chars[at + 1..end.min(chars.len())].iter().collect();
                let quoted = inside.trim_matches(['"', '\'']);
                steps.push(if quoted.len() + 2 == inside.len() && !inside.is_empty() {
                    Step::Field(quoted.to_owned())
                } else {
                    Step::Index
                });
                at = end + 1;
            }
            '*' => {
                steps.push(Step::Index);
                at += 1;
            }
            '"' => {
                let end = chars[at + 1..]
                    .iter()
                    .position(|c| *c == '"')
                    .map_or(chars.len(), |end| at + 1 + end);
                steps.push(Step::Field(chars[at + 1..end].iter().collect()));
                at = end + 1;
            }
            c if c.is_alphanumeric() || matches!(c, '_' | '-' | '/' | '\\' | '@') => {
                let mut name = String::new();
                while let Some(c) = chars.get(at) {
                    if *c == '\\' {
                        at += 1;
                        name.extend(chars.get(at));
                    } else if c.is_alphanumeric() || matches!(c, '_' | '-' | '/' | '@') {
                        name.push(*c);
                    } else {
                        break;
                    }
                    at += 1;
                }
                steps.push(Step::Field(name));
            }
            '?' => at += 1,
            _ => {
                steps.push(Step::Other);
                return steps;
            }
        }
    }
    steps
}

fn closing(chars: &[char], open: usize) -> usize {
    let mut depth = 0;
    for (at, c) in chars.iter().enumerate().skip(open) {
        match c {
            '[' => depth += 1,
            ']' => {
                depth -= 1;
                if depth == 0 {
                    return at;
                }
            }
            _ => {}
        }
    }
    chars.len()
}

/// Whether the path exists in one of the kinds at least.
fn along_any(
    sink: &Sink,
    shapes: &[(&Kind, &Shape)],
    steps: &[Step],
    single: bool,
) -> Option<Judgement> {
    let mut first = None;
    for (kind, shape) in shapes {
        let judged = along(sink, kind, shape, steps, single)?;
        first = first.or(Some(judged));
    }
    first
}

fn along(
    sink: &Sink,
    kind: &Kind,
    root: &Shape,
    steps: &[Step],
    single: bool,
) -> Option<Judgement> {
    let mut steps = steps;
    if let [Step::Field(items), rest @ ..] = steps {
        if items == "items" && !single {
            steps = rest;
            if let [Step::Index, rest @ ..] = steps {
                steps = rest;
            } else {
                return None;
            }
        } else if !single
            && items != "metadata"
            && items != "apiVersion"
            && items != "kind"
            && root.field(items).is_some()
        {
            let why = sink.say(
                "several objects come as a list: the path begins with .items[*]",
                "多个对象以列表返回：路径应以 .items[*] 开头",
            );
            return Some(
                Judgement::new(Verdict::CannotMatch, why, "kubectl JSONPath")
                    .fix(format!("{{.items[*].{items}…}}")),
            );
        }
    }
    let mut shape = root;
    let mut walked = String::new();
    for step in steps {
        match (step, shape) {
            (Step::Field(name), Shape::Object(fields)) => {
                if let Some(next) = fields.get(name) {
                    walked = format!("{walked}.{name}");
                    shape = next;
                    continue;
                }
                if values::is_placeholder(name) || fields.is_empty() {
                    return None;
                }
                return Some(missing(
                    sink,
                    kind,
                    root,
                    &walked,
                    name,
                    fields.keys().map(String::as_str),
                ));
            }
            (Step::Field(name), Shape::Map(next)) => {
                walked = format!("{walked}.{name}");
                shape = next;
            }
            (Step::Field(name), Shape::List(_)) => {
                let why = sink.say(
                    format!("{walked} is a list: write {walked}[*].{name}"),
                    format!("{walked} 是列表：请写 {walked}[*].{name}"),
                );
                return Some(
                    Judgement::new(Verdict::CannotMatch, why, kind.source)
                        .fix(format!("{{{walked}[*].{name}}}")),
                );
            }
            (Step::Index, Shape::List(next)) => shape = next,
            (Step::Field(name), Shape::Scalar(scalar)) if *scalar != Scalar::Quantity => {
                let why = sink.say(
                    format!("{walked} is a single value: it has no {name}"),
                    format!("{walked} 是单个值，没有 {name}"),
                );
                return Some(Judgement::new(Verdict::CannotMatch, why, kind.source));
            }
            _ => return None,
        }
    }
    None
}

fn missing<'a>(
    sink: &Sink,
    kind: &Kind,
    root: &Shape,
    walked: &str,
    name: &str,
    siblings: impl Iterator<Item = &'a str>,
) -> Judgement {
    let near = nearest(name, siblings);
    let place = root
        .places_of(name)
        .into_iter()
        .filter(|place| !place.starts_with("status"))
        .min_by_key(String::len);
    let fix = match (&place, near) {
        (Some(place), _) => format!("{{.{}}}", place.replace("[]", "[*]")),
        (None, Some(near)) => format!("{{{walked}.{near}}}"),
        (None, None) => String::new(),
    };
    let why = sink.say(
        format!("{} has no {walked}.{name}: the output is empty", kind.kind),
        format!("{} 没有 {walked}.{name}：输出为空", kind.kind),
    );
    Judgement::new(Verdict::CannotMatch, why, kind.source).fix(fix)
}

/// A path such as `spec.trafficPolicy.outlierDetection` of a kind, lists without marks.
pub(crate) fn dotted(sink: &Sink, kind: &str, path: &str) -> Option<Judgement> {
    let shapes = kubectl::shapes_of(kind);
    let mut found = None;
    for (kind, root) in shapes {
        let mut shape = root;
        let mut walked = String::new();
        for name in path.split('.') {
            let name = name.split('[').next().unwrap_or(name);
            while let Shape::List(item) = shape {
                shape = item;
            }
            match shape {
                Shape::Object(fields) => match fields.get(name) {
                    Some(next) => shape = next,
                    None if fields.is_empty() => return None,
                    None => {
                        let mut judgement = missing(
                            sink,
                            kind,
                            root,
                            &walked,
                            name,
                            fields.keys().map(String::as_str),
                        );
                        judgement.verdict = Verdict::Unknown;
                        judgement.reason = sink.say(
                            format!(
                                "{} has no field {}.{name}",
                                kind.kind,
                                walked.trim_start_matches('.')
                            ),
                            format!(
                                "{} 没有字段 {}.{name}",
                                kind.kind,
                                walked.trim_start_matches('.')
                            ),
                        );
                        found = Some(judgement);
                        break;
                    }
                },
                Shape::Map(next) => shape = next,
                _ => return None,
            }
            walked = format!("{walked}.{name}");
        }
        found.as_ref()?;
    }
    found
}

/// `--set PATH=VALUE` of istioctl or of one of Istio's charts.
pub(crate) fn setting(sink: &Sink, tool: &str, path: &str, value: &str) -> Option<Judgement> {
    let path = path.replace("\\.", "\u{1}");
    let (head, rest) = path.split_once('.').unwrap_or((&path, ""));
    let all = shapes();
    let (scope, root, path) = match (tool, head) {
        (_, "meshConfig") => match rest.strip_prefix("defaultConfig.") {
            Some(rest) => ("ProxyConfig", all.proxy_config().clone(), rest.to_owned()),
            None => ("MeshConfig", all.mesh_config().clone(), rest.to_owned()),
        },
        ("istioctl", "values") => return setting(sink, "helm", rest, value),
        (
            "istioctl",
            "components"
            | "profile"
            | "hub"
            | "tag"
            | "revision"
            | "namespace"
            | "compatibilityVersion",
        ) => {
            return None;
        }
        ("istioctl", _) => {
            let spec = all
                .named("IstioOperator.install.istio.io")
                .and_then(|shape| shape.field("spec"))?;
            if spec.field(head).is_none() {
                let known = all
                    .named("IstioValues")
                    .is_some_and(|shape| shape.field(head).is_some());
                let why = sink.say(
                    format!("IstioOperator has no spec.{head}"),
                    format!("IstioOperator 没有 spec.{head}"),
                );
                let fix = if known {
                    format!("--set values.{path}={value}")
                } else {
                    String::new()
                };
                let verdict = if known {
                    Verdict::Misplaced
                } else {
                    Verdict::Unknown
                };
                return Some(
                    Judgement::new(verdict, why, "istio/istio operator/pkg/apis").fix(fix),
                );
            }
            return None;
        }
        _ => (
            "IstioValues",
            all.named("IstioValues")?.clone(),
            path.clone(),
        ),
    };
    noted(sink, scope, &path, value).or_else(|| set_path(sink, scope, &root, &path, value))
}

fn noted(sink: &Sink, scope: &str, path: &str, value: &str) -> Option<Judgement> {
    let scope = if scope == "IstioValues" {
        "values"
    } else {
        scope
    };
    let note = settings().notes().iter().find(|note| {
        note.scope == scope
            && (path == note.path
                || path.starts_with(&format!("{}.", note.path))
                || path.ends_with(&format!(".{}", note.path)))
            && sink.options.istio.within(note.since, note.until)
            && values::row_fits(note.value, Some(value))
    })?;
    let verdict = Verdict::of(note.verdict).filter(|verdict| *verdict != Verdict::Works)?;
    Some(Judgement::new(verdict, sink.say(note.why.0, note.why.1), note.source).fix(note.fix))
}

fn set_path(sink: &Sink, scope: &str, root: &Shape, path: &str, value: &str) -> Option<Judgement> {
    let mut shape = root;
    let mut walked = String::new();
    for step in path.split('.') {
        let name = step.split('[').next().unwrap_or(step);
        match shape {
            Shape::Object(fields) if !fields.is_empty() => {
                let camel = camel(name);
                match fields.get(name).or_else(|| fields.get(&camel)) {
                    Some(next) => shape = next,
                    None => {
                        let near =
                            nearest(name, fields.keys().map(String::as_str)).unwrap_or_default();
                        let place = root.places_of(name).into_iter().next();
                        let why = sink.say(
                            format!("{scope} has no {walked}{name}: nothing reads it"),
                            format!("{scope} 没有 {walked}{name}：没有组件读取"),
                        );
                        let fix = place.map_or(near.to_owned(), |place| place.replace("[]", ""));
                        return Some(
                            Judgement::new(Verdict::Unknown, why, "istio/api, istio values")
                                .fix(fix),
                        );
                    }
                }
            }
            Shape::Map(next) => shape = next,
            Shape::List(next) if step.contains('[') => shape = next,
            _ => return None,
        }
        while let (Shape::List(next), true) = (shape, step.contains('[')) {
            shape = next;
        }
        walked = format!("{walked}{name}.");
    }
    let Shape::Scalar(scalar) = shape else {
        return None;
    };
    let node = api::parse::Node {
        source: Some(value.into()),
        ..api::parse::Node::bare(api::parse::resolve(value))
    };
    let lenient = matches!(scalar, Scalar::String | Scalar::Time | Scalar::Duration)
        && !matches!(scalar, Scalar::Duration);
    if lenient || values::is_placeholder(value) {
        return None;
    }
    let misfit = values::fits(scalar, &node)?;
    let why = sink.say(misfit.why.0, misfit.why.1);
    Some(Judgement::new(Verdict::Refused, why, "istio/api").fix(misfit.fix.unwrap_or_default()))
}

/// A jq program on the JSON of a kind: every path at its beginning that is plain.
pub(crate) fn jq(sink: &Sink, kind: &str, single: bool, program: &str) -> Option<Judgement> {
    let shapes = kubectl::shapes_of(kind);
    if shapes.is_empty() {
        return None;
    }
    let first = program.split('|').next().unwrap_or(program).trim();
    if !first.starts_with('.') {
        return None;
    }
    let steps: Vec<Step> = steps(first)
        .into_iter()
        .take_while(|step| *step != Step::Other)
        .collect();
    let plain = along_any(sink, &shapes, &steps, single);
    if plain.is_some() || steps.len() > 2 {
        return plain;
    }
    // `.items[] | .spec.http`
    let mut parts = program.split('|').skip(1);
    let second = parts.next()?.trim();
    if first != ".items[]" && first != ".items[0]" || !second.starts_with('.') {
        return None;
    }
    let steps: Vec<Step> = self::steps(second)
        .into_iter()
        .take_while(|step| *step != Step::Other)
        .collect();
    along_any(sink, &shapes, &steps, true)
}

/// A name in the other spelling, if Envoy has the field: what `config_dump` prints is snake_case, what istioctl
/// prints is camelCase.
pub(crate) fn other_spelling(name: &str, printed_camel: bool) -> Option<String> {
    let has = |field: &str| {
        crate::knowledge::ENVOY_FIELDS.rows().any(|row| {
            row.get("fields")
                .split(' ')
                .any(|known| known.split(':').next() == Some(field))
        })
    };
    if printed_camel {
        (name.contains('_') && has(name)).then(|| camel(name))
    } else {
        let snake = snake(name);
        let is_camel = name.starts_with(|c: char| c.is_ascii_lowercase()) && snake != name;
        (is_camel && has(&snake)).then_some(snake)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_taken_apart() {
        let field = |name: &str| Step::Field(name.into());
        assert_eq!(
            steps(r".items[*].metadata.annotations.a\.b/c"),
            [
                field("items"),
                Step::Index,
                field("metadata"),
                field("annotations"),
                field("a.b/c")
            ]
        );
        assert_eq!(
            steps(r#".a["x.y"][?(@.type=="Ready")].status"#),
            [field("a"), field("x.y"), Step::Index, field("status")]
        );
    }
}
