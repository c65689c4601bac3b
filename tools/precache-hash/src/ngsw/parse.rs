//! ECMA-262 `JSON.parse`, stricter in one point: a key given twice is refused, because the first value would be lost.

use std::collections::HashSet;

use super::json::{JsText, Member, Node, Value};

/// Deeper nesting is refused before the recursion of the parser can exhaust the stack.
const DEEPEST: usize = 128;

/// Where and why a text is not JSON.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{line}: column {column}: {problem}")]
pub struct SyntaxError {
    /// Line, counted from 1.
    pub line: u32,
    /// Column in characters, counted from 1.
    pub column: usize,
    /// What is wrong there.
    pub problem: String,
}

/// Reads one JSON text.
pub(crate) fn parse(text: &str) -> Result<Node, SyntaxError> {
    let mut parser = Parser { text, at: 0, line: 1, line_start: 0 };
    parser.skip_space();
    let node = parser.node(0)?;
    parser.skip_space();
    match parser.peek() {
        None => Ok(node),
        Some(_) => Err(parser.unexpected("the end of the file")),
    }
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    line: u32,
    line_start: usize,
}

impl Parser<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn bump(&mut self, c: char) {
        self.at += c.len_utf8();
        if c == '\n' {
            self.line += 1;
            self.line_start = self.at;
        }
    }

    fn skip_space(&mut self) {
        while let Some(c @ (' ' | '\t' | '\n' | '\r')) = self.peek() {
            self.bump(c);
        }
    }

    fn error(&self, problem: impl Into<String>) -> SyntaxError {
        let before = self.text.get(self.line_start..self.at).unwrap_or_default();
        SyntaxError { line: self.line, column: before.chars().count() + 1, problem: problem.into() }
    }

    fn unexpected(&self, expected: &str) -> SyntaxError {
        match self.peek() {
            None => self.error(format!("expected {expected}, found the end of the file")),
            Some('\u{feff}') => self.error("a byte order mark is not JSON, save the file without it"),
            Some('/') => self.error(format!("expected {expected}, found \"/\" (JSON has no comments)")),
            Some(c) => self.error(format!("expected {expected}, found {:?}", c.to_string())),
        }
    }

    fn eat(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.bump(wanted);
        }
        found
    }

    fn node(&mut self, depth: usize) -> Result<Node, SyntaxError> {
        if depth > DEEPEST {
            return Err(self.error(format!("nested deeper than {DEEPEST} levels")));
        }
        let line = self.line;
        let value = match self.peek() {
            Some('{') => Value::Object(self.object(depth)?),
            Some('[') => Value::Array(self.array(depth)?),
            Some('"') => Value::Text(self.string()?),
            Some('-' | '0'..='9') => Value::Number(self.number()?),
            Some('n') => self.word("null", Value::Null)?,
            Some('t') => self.word("true", Value::Boolean(true))?,
            Some('f') => self.word("false", Value::Boolean(false))?,
            _ => return Err(self.unexpected("a value")),
        };
        Ok(Node { line, value })
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value, SyntaxError> {
        if !self.rest().starts_with(word) {
            return Err(self.unexpected("a value"));
        }
        self.at += word.len();
        Ok(value)
    }

    fn array(&mut self, depth: usize) -> Result<Vec<Node>, SyntaxError> {
        self.bump('[');
        self.skip_space();
        let mut items = Vec::new();
        if self.eat(']') {
            return Ok(items);
        }
        loop {
            self.skip_space();
            items.push(self.node(depth + 1)?);
            self.skip_space();
            if self.eat(']') {
                return Ok(items);
            }
            if !self.eat(',') {
                return Err(self.unexpected("\",\" or \"]\""));
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Vec<Member>, SyntaxError> {
        self.bump('{');
        self.skip_space();
        let (mut members, mut seen) = (Vec::new(), HashSet::new());
        if self.eat('}') {
            return Ok(members);
        }
        loop {
            self.skip_space();
            let member = self.member(depth)?;
            if !seen.insert(member.key.clone()) {
                let mut error = self.error(format!("the key \"{}\" is given twice", member.key));
                error.line = member.line;
                return Err(error);
            }
            members.push(member);
            self.skip_space();
            if self.eat('}') {
                break;
            }
            if !self.eat(',') {
                return Err(self.unexpected("\",\" or \"}\""));
            }
        }
        // A stable sort: all keys that are no array index stay behind the indices, in the order of the text.
        members.sort_by_key(|member| member.key.array_index().map_or(u64::MAX, u64::from));
        Ok(members)
    }

    fn member(&mut self, depth: usize) -> Result<Member, SyntaxError> {
        let line = self.line;
        if self.peek() != Some('"') {
            return Err(self.unexpected("a key in double quotes"));
        }
        let key = self.string()?;
        self.skip_space();
        if !self.eat(':') {
            return Err(self.unexpected("\":\""));
        }
        self.skip_space();
        Ok(Member { key, line, node: self.node(depth + 1)? })
    }

    fn string(&mut self) -> Result<JsText, SyntaxError> {
        self.bump('"');
        let mut units = Vec::new();
        loop {
            match self.peek() {
                Some('"') => {
                    self.bump('"');
                    return Ok(JsText::from_units(units));
                }
                Some('\\') => {
                    self.bump('\\');
                    units.push(self.escape()?);
                }
                Some(c) if c >= ' ' => {
                    self.bump(c);
                    units.extend_from_slice(c.encode_utf16(&mut [0; 2]));
                }
                Some(_) => return Err(self.error("a control character in a string must be escaped")),
                None => return Err(self.unexpected("the closing quote of a string")),
            }
        }
    }

    fn escape(&mut self) -> Result<u16, SyntaxError> {
        let Some(c) = self.peek() else {
            return Err(self.unexpected("an escape"));
        };
        let unit = match c {
            '"' | '\\' | '/' => c as u16,
            'b' => 8,
            'f' => 12,
            'n' => 10,
            'r' => 13,
            't' => 9,
            'u' => return self.code_unit(),
            _ => return Err(self.unexpected("one of \" \\ / b f n r t u after a backslash")),
        };
        self.bump(c);
        Ok(unit)
    }

    fn code_unit(&mut self) -> Result<u16, SyntaxError> {
        let digits = self.rest().get(1..5).filter(|digits| digits.chars().all(|c| c.is_ascii_hexdigit()));
        match digits.and_then(|digits| u16::from_str_radix(digits, 16).ok()) {
            Some(unit) => {
                self.at += 5;
                Ok(unit)
            }
            None => Err(self.error("\\u must be followed by four hexadecimal digits")),
        }
    }

    fn number(&mut self) -> Result<f64, SyntaxError> {
        let start = self.at;
        self.eat('-');
        if !self.eat('0') {
            self.digits()?;
        }
        if self.eat('.') {
            self.digits()?;
        }
        if self.eat('e') || self.eat('E') {
            if !self.eat('+') {
                self.eat('-');
            }
            self.digits()?;
        }
        let literal = self.text.get(start..self.at).unwrap_or_default();
        literal.parse().map_err(|_| self.error("not a number"))
    }

    fn digits(&mut self) -> Result<(), SyntaxError> {
        let count = self.rest().bytes().take_while(u8::is_ascii_digit).count();
        if count == 0 {
            return Err(self.unexpected("a digit"));
        }
        self.at += count;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_refused(text: &str, line: u32, problem: &str) {
        let error = parse(text).unwrap_err();
        assert_eq!((error.line, error.problem.as_str()), (line, problem), "{text}");
    }

    #[test]
    fn names_line_and_reason_of_a_syntax_error() {
        check_refused("{\n \"a\": 1,\n}", 3, "expected a key in double quotes, found \"}\"");
        check_refused("[1 2]", 1, "expected \",\" or \"]\", found \"2\"");
        check_refused("{\n// x\n}", 2, "expected a key in double quotes, found \"/\" (JSON has no comments)");
        check_refused("\u{feff}{}", 1, "a byte order mark is not JSON, save the file without it");
        check_refused("", 1, "expected a value, found the end of the file");
        check_refused("{}\n{}", 2, "expected the end of the file, found \"{\"");
        check_refused("\"a\nb\"", 1, "a control character in a string must be escaped");
        check_refused("01", 1, "expected the end of the file, found \"1\"");
        check_refused("\"\\u00g0\"", 1, "\\u must be followed by four hexadecimal digits");
        check_refused("{\"a\":1,\n\"a\":2}", 2, "the key \"a\" is given twice");
        check_refused(&"[".repeat(200), 1, "nested deeper than 128 levels");
    }

    #[test]
    fn keeps_the_line_of_every_value() {
        let Value::Array(items) = parse("[1,\n\n {\"a\":\ntrue}]").unwrap().value else { panic!() };
        assert_eq!(items.iter().map(|item| item.line).collect::<Vec<_>>(), [1, 3]);
        let Value::Object(members) = &items[1].value else { panic!() };
        assert_eq!((members[0].line, members[0].node.line), (3, 4));
    }

    #[test]
    fn joins_surrogate_pairs_and_keeps_lone_ones() {
        let value = |text: &str| parse(text).unwrap().value;
        assert_eq!(value(r#""\ud83d\ude00""#), Value::Text(JsText::WellFormed("😀".into())));
        assert_eq!(value(r#""a\ud83d""#), Value::Text(JsText::IllFormed(vec![0x61, 0xd83d])));
    }
}
