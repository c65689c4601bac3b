//! Examples in Markdown: fenced blocks, and the commands within a console block.
//!
//! A `console` block reads as in trycmd: `$ command`, its output (both streams), and `? 1` before or after the output
//! where the exit code is not 0. A line that ends with `\` goes on in the next one. Unlike there, a command is a whole shell
//! line, because a pipeline is what these tools are for.

/// A fenced block of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The line of its fence, counted from 1.
    pub line: usize,
    /// What follows the fence: `console`, `sh`, `json`, ...
    pub language: String,
    /// Its text.
    pub text: String,
}

/// A command of a console block and what it must do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The shell line.
    pub command: String,
    /// Its exit code.
    pub exit: i32,
    /// What it prints; `...` stands for any lines, `[..]` for any text in a line.
    pub output: String,
}

/// The fenced blocks of a Markdown text (CommonMark 0.31, section 4.5; fences of backticks only).
pub fn blocks(markdown: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut is_open = false;
    for (number, line) in markdown.lines().enumerate() {
        match (is_open, line.trim_start().strip_prefix("```")) {
            (false, Some(language)) => {
                let language = language.trim().to_owned();
                blocks.push(Block { line: number + 1, language, text: String::new() });
                is_open = true;
            }
            (true, Some("")) => is_open = false,
            (true, _) => {
                if let Some(block) = blocks.last_mut() {
                    block.text.push_str(line);
                    block.text.push('\n');
                }
            }
            (false, None) => {}
        }
    }
    blocks
}

/// The commands of a console block.
pub fn steps(console: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut goes_on = false;
    for line in console.lines() {
        let last = steps.last_mut();
        if let Some(command) = line.strip_prefix("$ ") {
            steps.push(Step { command: command.to_owned(), exit: 0, output: String::new() });
        } else if let Some(step) = last {
            let code = line.strip_prefix("? ").and_then(|code| code.parse().ok());
            match code {
                Some(code) => step.exit = code,
                _ if goes_on => {
                    step.command.push('\n');
                    step.command.push_str(line.strip_prefix("> ").unwrap_or(line));
                }
                _ => {
                    step.output.push_str(line);
                    step.output.push('\n');
                }
            }
        }
        let in_command = steps.last().is_some_and(|step| step.output.is_empty());
        goes_on = in_command && line.ends_with('\\');
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_blocks_with_their_language() {
        let found = blocks("text\n```console\n$ a\n```\nmore\n```json\n{}\n```\n");
        let summary: Vec<_> =
            found.iter().map(|block| (block.line, block.language.as_str(), block.text.as_str())).collect();
        assert_eq!(summary, [(2, "console", "$ a\n"), (6, "json", "{}\n")]);
    }

    #[test]
    fn reads_commands_with_exit_code_output_and_continuation() {
        let found = steps("$ one \\\n  --flag\nout\n? 1\n$ two | three\n");
        let expected = [("one \\\n  --flag", 1, "out\n"), ("two | three", 0, "")];
        let found: Vec<_> =
            found.iter().map(|step| (step.command.as_str(), step.exit, step.output.as_str())).collect();
        assert_eq!(found, expected);
    }
}
