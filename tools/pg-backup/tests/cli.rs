//! Runs every case in `tests/cmd`: arguments, stdin, stdout, stderr and exit code of the real binary.

#[test]
fn cases() {
    trycmd::TestCases::new().case("tests/cmd/*.toml");
}
