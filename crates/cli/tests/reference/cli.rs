//! Commands, options, exit codes and ports.

use ::cli::reference::{PORTS, command, exit_codes};
use clap::{Arg, Command};

use super::{code, page, table};

pub(super) fn commands() -> String {
    let mut command = command();
    command.build();
    let mut body = String::from("## Exit codes\n\n");
    body.push_str(&table(
        &["code", "meaning"],
        exit_codes()
            .into_iter()
            .map(|(code, meaning)| vec![code.to_string(), meaning.to_owned()]),
    ));
    for inner in command.get_subcommands() {
        describe(inner, "ferromesh", &mut body);
    }
    let introduction = "Commands, options and exit codes of `ferromesh`. `ferromesh-proxy` takes the same arguments as `ferromesh proxy`.";
    page("Command line", introduction, &body)
}

fn describe(command: &Command, parent: &str, body: &mut String) {
    if command.is_hide_set() || command.get_name() == "help" {
        return;
    }
    let name = format!("{parent} {}", command.get_name());
    body.push_str(&format!("\n## {name}\n\n"));
    if let Some(about) = command.get_long_about().or_else(|| command.get_about()) {
        body.push_str(&format!("{about}\n\n"));
    }
    let aliases: Vec<String> = command.get_visible_aliases().map(code).collect();
    if !aliases.is_empty() {
        body.push_str(&format!("Also {}.\n\n", aliases.join(", ")));
    }
    let shown =
        |arg: &&Arg| !arg.is_hide_set() && !matches!(arg.get_id().as_str(), "help" | "version");
    let rows: Vec<_> = command
        .get_arguments()
        .filter(shown)
        .map(argument)
        .collect();
    if !rows.is_empty() {
        body.push_str(&table(&["argument", "meaning", "default"], rows));
    }
    for inner in command.get_subcommands() {
        describe(inner, &name, body);
    }
}

fn argument(arg: &Arg) -> Vec<String> {
    let takes_value = arg.get_action().takes_values();
    let values: Vec<String> = arg
        .get_value_names()
        .unwrap_or_default()
        .iter()
        .map(ToString::to_string)
        .collect();
    let value = if takes_value {
        format!(" {}", values.join(" "))
    } else {
        String::new()
    };
    let mut names: Vec<String> = Vec::new();
    names.extend(arg.get_short().map(|short| format!("-{short}")));
    names.extend(arg.get_long().map(|long| format!("--{long}{value}")));
    if names.is_empty() {
        names.push(values.join(" "));
    }
    let help = arg.get_long_help().or_else(|| arg.get_help());
    let mut meaning = help.map(ToString::to_string).unwrap_or_default();
    let possible: Vec<String> = arg
        .get_possible_values()
        .iter()
        .filter(|value| !value.is_hide_set())
        .map(|value| code(value.get_name()))
        .collect();
    if takes_value && !possible.is_empty() {
        meaning.push_str(&format!(" One of {}.", possible.join(", ")));
    }
    if let Some(variable) = arg.get_env() {
        meaning.push_str(&format!(" From ${}.", variable.to_string_lossy()));
    }
    let defaults: Vec<String> = arg
        .get_default_values()
        .iter()
        .filter(|_| takes_value)
        .map(|value| code(&value.to_string_lossy()))
        .collect();
    vec![
        names
            .iter()
            .map(|name| code(name))
            .collect::<Vec<_>>()
            .join(", "),
        meaning,
        defaults.join(", "),
    ]
}

pub(super) fn ports() -> String {
    let rows = PORTS.iter().map(|port| {
        vec![
            port.number.to_string(),
            port.owner.to_owned(),
            port.what.to_owned(),
        ]
    });
    let introduction = "Ports are Istio's, where Istio has one.";
    page(
        "Ports",
        introduction,
        &table(&["port", "listener", "what"], rows),
    )
}
