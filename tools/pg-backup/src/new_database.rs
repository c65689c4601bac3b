//! How a database is made that writes and sorts as another one did.

use release_postgres::{Identifier, literal};

use crate::manifest::Locale;

/// The first server with providers of locales.
const PROVIDERS: u32 = 150_000;

/// The statement that makes it, for a server of this version.
pub(crate) fn statement(name: &str, locale: Option<&Locale>, server_version: u32) -> String {
    let mut text = format!("create database {} template template0", Identifier::new(name));
    let Some(locale) = locale else { return text };
    text.push_str(&format!(
        " encoding {} lc_collate {} lc_ctype {}",
        literal(&locale.encoding),
        literal(&locale.collate),
        literal(&locale.ctype)
    ));
    if server_version >= PROVIDERS {
        let provider = match locale.provider.as_str() {
            "icu" => "icu",
            "builtin" => "builtin",
            _ => "libc",
        };
        text.push_str(&format!(" locale_provider {provider}"));
        if let Some(name) = locale.icu_locale.as_deref().filter(|_| provider != "libc") {
            text.push_str(&format!(" {provider}_locale {}", literal(name)));
        }
    }
    text
}

/// The statement for a machine that has no such locale: the same encoding, sorted by bytes.
pub(crate) fn plain(name: &str, locale: &Locale, server_version: u32) -> String {
    let c = || "C".to_owned();
    let plain = Locale {
        encoding: locale.encoding.clone(),
        provider: "libc".to_owned(),
        collate: c(),
        ctype: c(),
        icu_locale: None,
    };
    statement(name, Some(&plain), server_version)
}

#[cfg(test)]
mod tests {
    use super::{plain, statement};
    use crate::manifest::Locale;

    fn locale(provider: &str, icu_locale: Option<&str>) -> Locale {
        Locale {
            encoding: "UTF8".to_owned(),
            provider: provider.to_owned(),
            collate: "en_US.UTF-8".to_owned(),
            ctype: "C".to_owned(),
            icu_locale: icu_locale.map(str::to_owned),
        }
    }

    #[test]
    fn the_locale_is_that_of_the_source() {
        let head = "create database \"x\" template template0";
        let libc = format!("{head} encoding 'UTF8' lc_collate 'en_US.UTF-8' lc_ctype 'C'");
        assert_eq!(statement("x", None, 150_000), head);
        assert_eq!(statement("x", Some(&locale("libc", None)), 140_000), libc);
        let icu = statement("x", Some(&locale("icu", Some("de"))), 150_000);
        assert_eq!(icu, format!("{libc} locale_provider icu icu_locale 'de'"));
        let builtin = statement("x", Some(&locale("builtin", Some("C.UTF-8"))), 170_000);
        assert_eq!(builtin, format!("{libc} locale_provider builtin builtin_locale 'C.UTF-8'"));
        let bytes = plain("x", &locale("icu", Some("de")), 150_000);
        assert_eq!(bytes, format!("{head} encoding 'UTF8' lc_collate 'C' lc_ctype 'C' locale_provider libc"));
    }
}
