//! The examples that close each long help.
//!
//! They are shell lines of the tool, indented by two, perhaps with a remark after three blanks; or, where each has a
//! title, titles indented by two and lines by four.

/// The shell lines under `Examples:`, up to the end of the help.
pub fn examples(help: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| *line != "Examples:").skip(1);
    let lines: Vec<_> = lines.take_while(|line| line.starts_with("  ")).collect();
    let has_titles = lines.iter().any(|line| line.starts_with("    "));
    let indent = if has_titles { "    " } else { "  " };
    let commands = lines.iter().filter_map(|line| line.strip_prefix(indent));
    commands.map(|line| line.split("   ").next().unwrap_or(line).trim_end().to_owned()).collect()
}

/// The subcommands that a help lists, but `help` itself.
pub fn subcommands(help: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let names = lines.take_while(|line| !line.is_empty()).filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_plain_examples_without_their_remarks() {
        let help = "Usage\n\nExamples:\n  tool dist      the list\n  tool a | tool b\n";
        assert_eq!(examples(help), ["tool dist", "tool a | tool b"]);
    }

    #[test]
    fn reads_titled_examples() {
        let help = "Examples:\n  Do one\n    tool one\n  Do two\n    tool two\n";
        assert_eq!(examples(help), ["tool one", "tool two"]);
    }

    #[test]
    fn reads_subcommands() {
        assert_eq!(subcommands("Commands:\n  serve  Run\n  help   Print\n\nOptions:\n"), ["serve"]);
    }
}
