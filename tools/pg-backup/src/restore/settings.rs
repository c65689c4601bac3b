//! What a database has besides its content, and a dump does not hold: its owner, privileges, limits and settings. The
//! database that takes the place of another gets them from it.

use release_postgres::{Identifier, literal};
use serde::Deserialize;

use crate::error::Error;
use crate::server::Server;

/// Settings whose value is a list of quoted names (`GUC_LIST_QUOTE`): it is written as it is kept.
const LISTS: [&str; 6] = [
    "local_preload_libraries",
    "search_path",
    "session_preload_libraries",
    "shared_preload_libraries",
    "temp_tablespaces",
    "unix_socket_directories",
];

/// What a database has.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Settings {
    owner: String,
    connection_limit: i64,
    /// Of everybody in this database, or of one role in it.
    configured: Vec<Configured>,
    /// None where they were never changed.
    privileges: Option<Vec<Privilege>>,
}

#[derive(Clone, Debug, Deserialize)]
struct Configured {
    role: Option<String>,
    /// `name=value`.
    setting: String,
}

#[derive(Clone, Debug, Deserialize)]
struct Privilege {
    /// None for everybody.
    role: Option<String>,
    privilege: String,
    is_grantable: bool,
}

impl Settings {
    /// Those of a database.
    ///
    /// # Errors
    /// When the server does not answer.
    pub(super) async fn of(server: &mut Server, name: &str) -> Result<Option<Settings>, Error> {
        let query = format!(
            "select r.rolname as owner, d.datconnlimit as connection_limit,
               (select coalesce(json_agg(json_build_object('role', sr.rolname, 'setting', c.setting)
                  order by sr.rolname nulls first, c.setting), '[]')
                from pg_db_role_setting s left join pg_roles sr on sr.oid = s.setrole
                cross join unnest(s.setconfig) c (setting)
                where s.setdatabase = d.oid) as configured,
               case when d.datacl is not null then
                 (select coalesce(json_agg(json_build_object('role', gr.rolname, 'privilege', a.privilege_type,
                    'is_grantable', a.is_grantable) order by gr.rolname nulls first, a.privilege_type), '[]')
                  from aclexplode(d.datacl) a left join pg_roles gr on gr.oid = a.grantee
                  where a.grantee = 0 or gr.oid is not null) end as privileges
             from pg_database d join pg_roles r on r.oid = d.datdba where d.datname = {}",
            literal(name)
        );
        let found: Vec<Settings> = server.read("asking for settings", &query).await?;
        Ok(found.into_iter().next())
    }

    /// The statements that give them to another database.
    pub(super) fn statements(&self, name: &str) -> Vec<String> {
        let database = Identifier::new(name);
        let mut all = vec![
            format!("alter database {database} connection limit {}", self.connection_limit),
            format!("alter database {database} owner to {}", Identifier::new(&self.owner)),
        ];
        for configured in &self.configured {
            let Some((parameter, value)) = configured.setting.split_once('=') else { continue };
            let subject = match &configured.role {
                Some(role) => format!("role {} in database {database}", Identifier::new(role)),
                None => format!("database {database}"),
            };
            let is_list = LISTS.contains(&parameter.to_ascii_lowercase().as_str());
            let value = if is_list && !value.is_empty() { value.to_owned() } else { literal(value) };
            all.push(format!("alter {subject} set {} to {value}", parameter_name(parameter)));
        }
        if let Some(privileges) = &self.privileges {
            all.push(format!("revoke all on database {database} from public"));
            for privilege in privileges {
                let role = privilege.role.as_ref().map(|role| Identifier::new(role).to_string());
                let with = if privilege.is_grantable { " with grant option" } else { "" };
                all.push(format!(
                    "grant {} on database {database} to {}{with}",
                    privilege.privilege,
                    role.as_deref().unwrap_or("public")
                ));
            }
        }
        all
    }
}

/// `app.tenant` is two names.
fn parameter_name(parameter: &str) -> String {
    let parts: Vec<_> = parameter.split('.').map(|part| Identifier::new(part).to_string()).collect();
    parts.join(".")
}

#[cfg(test)]
mod tests {
    use super::{Configured, Privilege, Settings};

    #[test]
    fn each_setting_is_given_as_it_was() {
        let configured = |role: Option<&str>, setting: &str| Configured {
            role: role.map(str::to_owned),
            setting: setting.to_owned(),
        };
        let settings = Settings {
            owner: "ap\"p".to_owned(),
            connection_limit: -1,
            configured: vec![
                configured(None, "search_path=\"$user\", shop"),
                configured(Some("app"), "app.tenant=it's"),
            ],
            privileges: Some(vec![Privilege {
                role: None,
                privilege: "CONNECT".to_owned(),
                is_grantable: false,
            }]),
        };
        let expected = [
            "alter database \"x\" connection limit -1",
            "alter database \"x\" owner to \"ap\"\"p\"",
            "alter database \"x\" set \"search_path\" to \"$user\", shop",
            "alter role \"app\" in database \"x\" set \"app\".\"tenant\" to 'it''s'",
            "revoke all on database \"x\" from public",
            "grant CONNECT on database \"x\" to public",
        ];
        assert_eq!(settings.statements("x"), expected);
    }
}
