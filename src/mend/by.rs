//! Who does something, and why.

use std::fs;

use entity::lifecycle::operate::{By, Reason, Who};

use super::confirm;
use crate::config::BadSetting;

/// Where the system's users have their names.
const USERS: &str = "/etc/passwd";
/// Set by sudo to the user who has called it.
const SUDO_USER: &str = "SUDO_USER";

/// The system's user, with this reason; without one it is asked for, where there is somebody to ask.
pub fn by(reason: Option<&str>) -> anyhow::Result<By> {
    let reason = match reason {
        Some(reason) => reason.to_owned(),
        None => confirm::ask("Why? ")?.ok_or_else(|| {
            BadSetting("REASON must be given: --reason '…' says why, for whoever asks later".into())
        })?,
    };
    let reason = Reason::try_from(reason);
    let reason = reason.map_err(|error| BadSetting(format!("REASON {error}")))?;
    Ok(By {
        who: who()?,
        reason,
    })
}

/// `cli:NAME`, and who has called sudo, if somebody has.
#[expect(
    clippy::disallowed_methods,
    reason = "it is no setting, but who sits at the terminal"
)]
fn who() -> anyhow::Result<Who> {
    let id = rustix::process::getuid().as_raw();
    let users = fs::read_to_string(USERS).unwrap_or_default();
    let name = name(&users, id).unwrap_or_else(|| id.to_string());
    let caller = std::env::var(SUDO_USER).ok();
    let caller = caller.filter(|caller| *caller != name);
    let with_caller = caller.map(|caller| format!("cli:{name} (sudo by {caller})"));
    let with_caller = with_caller.and_then(|who| Who::try_from(who).ok());
    match with_caller {
        Some(who) => Ok(who),
        None => Ok(Who::try_from(format!("cli:{name}"))?),
    }
}

/// The user of this number, as the system's file of users has it. One who is elsewhere (LDAP) has only the number.
fn name(users: &str, id: u32) -> Option<String> {
    let mut names = users.lines().filter_map(|line| {
        let mut parts = line.split(':');
        let name = parts.next()?;
        let number: u32 = parts.nth(1)?.parse().ok()?;
        (number == id && !name.is_empty()).then(|| name.to_owned())
    });
    names.next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_known_by_the_name_that_the_system_gives_the_number() {
        let users = "root:x:0:0:root:/root:/bin/bash\n# odd\n\nanna:x:1000:1000::/home/anna:/bin/sh\n+::::::\n";
        assert_eq!(name(users, 0).as_deref(), Some("root"));
        assert_eq!(name(users, 1000).as_deref(), Some("anna"));
        assert_eq!(name(users, 1001), None);
    }

    #[test]
    fn a_reason_is_needed_and_checked() {
        let by = by(Some("the service is back")).unwrap();
        assert!(by.who.as_ref().starts_with("cli:"), "{:?}", by.who);
        for bad in ["", "  ", "a\nb", &"x".repeat(1 << 20)] {
            let error = super::by(Some(bad)).unwrap_err();
            assert!(error.is::<BadSetting>(), "{error}");
            assert!(error.to_string().starts_with("REASON must "), "{error}");
        }
    }
}
