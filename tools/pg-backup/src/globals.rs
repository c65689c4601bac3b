//! Roles as `pg_dumpall --globals-only` writes them, statement by statement.
//!
//! They are not handed to `psql`, which would also obey its own commands in them: whoever can write to the bucket could
//! run programs here as the user that verifies.

/// The statements of a script, without tablespaces: their folders belong to another machine.
pub(crate) fn statements(script: &str) -> Vec<String> {
    all(script).into_iter().filter(|statement| !is_about_tablespaces(statement)).collect()
}

fn is_about_tablespaces(statement: &str) -> bool {
    let words: Vec<_> = statement.split_whitespace().take(12).map(str::to_ascii_uppercase).collect();
    let is_second = words.get(1).is_some_and(|word| word == "TABLESPACE");
    let after_on = words.windows(2).any(|pair| pair == ["ON".to_owned(), "TABLESPACE".to_owned()]);
    is_second || (after_on && words.first().is_some_and(|word| word != "CREATE" && word != "ALTER"))
}

/// Where the reader stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Plain,
    /// Within a text or a quoted name.
    Quoted(char),
    /// Within a text in which a backslash escapes.
    Escaping,
    Comment,
}

fn all(script: &str) -> Vec<String> {
    let mut found = Vec::new();
    let (mut statement, mut place) = (String::new(), Place::Plain);
    let mut letters = script.chars().peekable();
    let mut before = '\n';
    while let Some(letter) = letters.next() {
        let is_blank = statement.trim().is_empty();
        match place {
            Place::Comment if letter == '\n' => place = Place::Plain,
            Place::Comment => {}
            Place::Plain if letter == '-' && letters.peek() == Some(&'-') => place = Place::Comment,
            // A command of psql takes its whole line.
            Place::Plain if letter == '\\' && is_blank => place = Place::Comment,
            Place::Plain if letter == ';' => found.push(std::mem::take(&mut statement).trim().to_owned()),
            Place::Plain => {
                statement.push(letter);
                place = match letter {
                    '\'' if matches!(before, 'E' | 'e') => Place::Escaping,
                    '\'' | '"' => Place::Quoted(letter),
                    _ => Place::Plain,
                };
            }
            Place::Quoted(mark) => {
                statement.push(letter);
                // A doubled mark ends the text and begins the next one at once, which is the same.
                if letter == mark {
                    place = Place::Plain;
                }
            }
            Place::Escaping => {
                statement.push(letter);
                if letter == '\\' {
                    statement.extend(letters.next());
                } else if letter == '\'' {
                    place = if letters.peek() == Some(&'\'') { Place::Escaping } else { Place::Plain };
                    if place == Place::Escaping {
                        statement.extend(letters.next());
                    }
                }
            }
        }
        before = letter;
    }
    found.retain(|statement| !statement.is_empty());
    found
}

#[cfg(test)]
mod tests {
    use super::statements;

    #[test]
    fn statements_end_outside_of_texts_only() {
        let script = "--\n-- Roles; and more\n--\n\\restrict x\nCREATE ROLE \"we;ird\"\"x\";\n\
            ALTER ROLE a SET x TO 'it''s; so';\nCOMMENT ON ROLE a IS E'one\\'; two\\\\';\nCREATE ROLE b;\n\\! touch /tmp/x\n";
        let expected = [
            "CREATE ROLE \"we;ird\"\"x\"",
            "ALTER ROLE a SET x TO 'it''s; so'",
            "COMMENT ON ROLE a IS E'one\\'; two\\\\'",
            "CREATE ROLE b",
        ];
        assert_eq!(statements(script), expected);
    }

    #[test]
    fn tablespaces_stay_on_their_machine() {
        let script = "CREATE TABLESPACE fast OWNER a LOCATION '/fast';\nALTER TABLESPACE fast SET (x = 1);\n\
            GRANT ALL ON TABLESPACE fast TO a;\nCOMMENT ON TABLESPACE fast IS 'x';\nCREATE ROLE tablespace;\n";
        assert_eq!(statements(script), ["CREATE ROLE tablespace"]);
    }
}
