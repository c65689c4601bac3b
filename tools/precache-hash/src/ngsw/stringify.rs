//! `JSON.stringify(value, null, 2)` of ECMA-262, byte for byte: two spaces, no newline at the end, numbers as
//! `Number::toString` prints them, `/` and U+2028 unescaped, lone surrogates escaped.

use super::json::{JsText, Node, Value};
use std::fmt::Write as _;

/// Writes JSON from front to back, so that a manifest never exists as a tree.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    out: String,
    depth: usize,
    is_fresh: bool,
}

impl Writer {
    /// The text written so far.
    pub(crate) fn finish(self) -> String {
        self.out
    }

    /// An object whose members `body` writes.
    pub(crate) fn object(&mut self, body: impl FnOnce(&mut Self)) {
        self.nested('{', '}', body);
    }

    /// An array whose items `body` writes, each after a call of [`Writer::item`].
    pub(crate) fn array(&mut self, body: impl FnOnce(&mut Self)) {
        self.nested('[', ']', body);
    }

    /// The start of one more item.
    pub(crate) fn item(&mut self) {
        if !self.is_fresh {
            self.out.push(',');
        }
        self.is_fresh = false;
        self.new_line();
    }

    /// The start of one more member.
    pub(crate) fn key(&mut self, key: &str) {
        self.item();
        self.text(key);
        self.out.push_str(": ");
    }

    /// A string.
    pub(crate) fn text(&mut self, text: &str) {
        self.out.push('"');
        let mut rest = text;
        // Everything that needs an escape is ASCII, so the pieces between are whole characters.
        while let Some(at) = rest.bytes().position(|byte| byte < b' ' || matches!(byte, b'"' | b'\\')) {
            let (plain, tail) = rest.split_at(at);
            self.out.push_str(plain);
            let mut tail = tail.chars();
            tail.next().into_iter().for_each(|c| self.character(c));
            rest = tail.as_str();
        }
        self.out.push_str(rest);
        self.out.push('"');
    }

    /// A number.
    pub(crate) fn number(&mut self, number: f64) {
        self.out.push_str(&number_text(number));
    }

    /// A number that is an integer already.
    pub(crate) fn integer(&mut self, number: u64) {
        // Writing to a String cannot fail.
        let _ = write!(self.out, "{number}");
    }

    /// `true` or `false`.
    pub(crate) fn boolean(&mut self, claim: bool) {
        self.out.push_str(if claim { "true" } else { "false" });
    }

    /// Strings, one item each.
    pub(crate) fn texts<'t>(&mut self, texts: impl IntoIterator<Item = &'t str>) {
        self.array(|w| {
            for text in texts {
                w.item();
                w.text(text);
            }
        });
    }

    /// Any value that was read before.
    pub(crate) fn node(&mut self, node: &Node) {
        match &node.value {
            Value::Null => self.out.push_str("null"),
            Value::Boolean(claim) => self.boolean(*claim),
            Value::Number(number) => self.number(*number),
            Value::Text(text) => self.js_text(text),
            Value::Array(items) => self.array(|w| {
                for item in items {
                    w.item();
                    w.node(item);
                }
            }),
            Value::Object(members) => self.object(|w| {
                for member in members {
                    w.item();
                    w.js_text(&member.key);
                    w.out.push_str(": ");
                    w.node(&member.node);
                }
            }),
        }
    }

    fn nested(&mut self, open: char, close: char, body: impl FnOnce(&mut Self)) {
        self.out.push(open);
        self.depth += 1;
        self.is_fresh = true;
        body(self);
        self.depth -= 1;
        if !self.is_fresh {
            self.new_line();
        }
        self.is_fresh = false;
        self.out.push(close);
    }

    fn new_line(&mut self) {
        self.out.push('\n');
        self.out.extend(std::iter::repeat_n("  ", self.depth));
    }

    fn js_text(&mut self, text: &JsText) {
        match text {
            JsText::WellFormed(text) => self.text(text),
            JsText::IllFormed(units) => {
                self.out.push('"');
                for decoded in char::decode_utf16(units.iter().copied()) {
                    match decoded {
                        Ok(c) => self.character(c),
                        Err(lone) => self.code_unit(lone.unpaired_surrogate()),
                    }
                }
                self.out.push('"');
            }
        }
    }

    fn character(&mut self, c: char) {
        match c {
            '"' => self.out.push_str("\\\""),
            '\\' => self.out.push_str("\\\\"),
            '\u{8}' => self.out.push_str("\\b"),
            '\u{c}' => self.out.push_str("\\f"),
            '\n' => self.out.push_str("\\n"),
            '\r' => self.out.push_str("\\r"),
            '\t' => self.out.push_str("\\t"),
            c if c < ' ' => self.code_unit(c as u16),
            c => self.out.push(c),
        }
    }

    fn code_unit(&mut self, unit: u16) {
        // Writing to a String cannot fail.
        let _ = write!(self.out, "\\u{unit:04x}");
    }
}

/// `Number::toString` of ECMA-262 section 6.1.6.1.20; what is not finite becomes `null`, as in `JSON.stringify`.
fn number_text(number: f64) -> String {
    if number == 0.0 {
        return "0".into();
    }
    if !number.is_finite() {
        return "null".into();
    }
    // Rust prints the shortest digits that read back as the same double, which are the digits that JavaScript wants.
    let scientific = format!("{:e}", number.abs());
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let digits = mantissa.replace('.', "");
    let point = exponent.parse::<i32>().unwrap_or(0) + 1;
    let sign = if number < 0.0 { "-" } else { "" };
    format!("{sign}{}", place_point(&digits, point))
}

/// Digits with the decimal point behind the first `point` of them, in the layout of JavaScript.
fn place_point(digits: &str, point: i32) -> String {
    let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    let zeros = |n: i32| "0".repeat(usize::try_from(n).unwrap_or(0));
    if (count..=21).contains(&point) {
        return format!("{digits}{}", zeros(point - count));
    }
    if (1..=21).contains(&point) {
        let (whole, fraction) = digits.split_at(usize::try_from(point).unwrap_or(0));
        return format!("{whole}.{fraction}");
    }
    if (-5..=0).contains(&point) {
        return format!("0.{}{digits}", zeros(-point));
    }
    let (first, rest) = digits.split_at(1);
    let dot = if rest.is_empty() { "" } else { "." };
    format!("{first}{dot}{rest}e{:+}", point - 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::parse::parse;
    use super::*;

    fn check(text: &str, expected: &str) {
        let mut writer = Writer::default();
        writer.node(&parse(text).unwrap());
        assert_eq!(writer.finish(), expected);
    }

    #[test]
    fn prints_numbers_as_javascript_does() {
        check("-0", "0");
        check("1.0", "1");
        check("100000000000000000000", "100000000000000000000");
        check("1e21", "1e+21");
        check("1.5e300", "1.5e+300");
        check("0.000001", "0.000001");
        check("0.0000001", "1e-7");
        check("-12.50", "-12.5");
        check("12345678901234567890", "12345678901234567000");
        check("1e400", "null");
    }

    #[test]
    fn escapes_only_what_javascript_escapes() {
        check(r#""\/\u2028\u007f\u0001\b\"\\""#, "\"/\u{2028}\u{7f}\\u0001\\b\\\"\\\\\"");
        check(r#""\ud800x\udc00\ud83d\ude00""#, "\"\\ud800x\\udc00😀\"");
    }

    #[test]
    fn indents_by_two_and_lists_integer_keys_first() {
        check("[]", "[]");
        check("{}", "{}");
        check(
            r#"{"b":[1,{"x":null}],"10":[],"2":{},"02":true,"4294967295":1}"#,
            "{\n  \"2\": {},\n  \"10\": [],\n  \"b\": [\n    1,\n    {\n      \"x\": null\n    }\n  ],\n  \"02\": true,\n  \"4294967295\": 1\n}",
        );
    }

    fn printed(text: &str) -> String {
        let mut writer = Writer::default();
        writer.node(&parse(text).unwrap());
        writer.finish()
    }

    /// Any value as JSON text.
    fn json() -> impl Strategy<Value = String> {
        let number = any::<f64>()
            .prop_filter("JSON has no infinity", |n| n.is_finite())
            .prop_map(|n| format!("{n:e}"));
        let escape = any::<u16>().prop_map(|unit| format!("\"\\u{unit:04X}\""));
        let leaf = prop_oneof![Just("null".into()), Just("true".into()), number, escape];
        leaf.prop_recursive(3, 12, 4, |inner| {
            let array =
                prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(",")));
            let object = prop::collection::btree_map("[a-c0-9]{0,2}", inner, 0..4).prop_map(|members| {
                let members: Vec<_> =
                    members.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
                format!("{{{}}}", members.join(","))
            });
            prop_oneof![array, object]
        })
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back_the_same(text in json()) {
            let once = printed(&text);
            prop_assert_eq!(printed(&once), once);
        }

        #[test]
        fn numbers_lose_nothing(number in any::<f64>()) {
            prop_assume!(number.is_finite());
            let read: f64 = number_text(number).parse().unwrap();
            prop_assert_eq!(read.abs().to_bits(), number.abs().to_bits());
        }
    }
}
