//! HTTPS, served by OpenSSL's own server with a certificate of an authority made for this test.

use std::process::Command;

use testbed::{Program, Ready, Running};

use crate::Build;

/// Makes an authority and a certificate for 127.0.0.1 in the build's folder.
const CERTIFICATES: &str = "
key='-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes'
openssl req -x509 $key -keyout ca.key -out ca.pem -subj '/CN=authority of a test' -days 2
openssl req $key -keyout leaf.key -out leaf.csr -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1
openssl x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -out leaf.pem -days 2 -copy_extensions copy";

/// A build and the server that publishes it.
fn published() -> (Build, Running, String) {
    let build = Build::of(&["a.js", "d/b.css"]);
    build.manifest(&[]);
    let made = Command::new("sh").args(["-euc", CERTIFICATES]).current_dir(build.path("")).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let server = Program::new("openssl")
        .args(["s_server", "-accept", "127.0.0.1:0", "-cert", "../leaf.pem", "-key", "../leaf.key", "-WWW"])
        .folder(build.path("dist"))
        .ready(Ready::Line("ACCEPT".into()))
        .start()
        .unwrap();
    let address = server.ready_line().unwrap().trim_start_matches("ACCEPT ").to_owned();
    (build, server, format!("https://{address}/"))
}

#[test]
fn checks_over_https_with_an_authority_of_ones_own() {
    let (build, _server, url) = published();
    build.verify(&[&url, "--ca-file", "ca.pem"]).check(0, "");
    build.write("dist/a.js", "let a");
    assert_eq!(build.verify(&[&url, "--ca-file", "ca.pem"]).code, 1);
}

#[test]
fn trusts_no_unknown_authority() {
    let (build, _server, url) = published();
    let run = build.verify(&[&url, "--retries", "0"]);
    assert_eq!(run.code, 75);
    assert!(run.stderr.contains("invalid peer certificate: UnknownIssuer"), "{}", run.stderr);
}

#[test]
fn refuses_an_authority_file_without_certificate() {
    let build = Build::of(&["a.js"]);
    build.manifest(&[]);
    build.write("ca.pem", "no certificate");
    let run = build.verify(&["https://127.0.0.1:1/", "--ca-file", "ca.pem"]);
    run.check(2, "");
    assert!(run.stderr.contains("certificate authorities: holds no certificate"), "{}", run.stderr);
}
