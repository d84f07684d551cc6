//! The demo accounts: made here the way four clients would make them over the network.

use ::server::accounts::{AccountDraft, register_locally};
use chat::Username;
use chat::login::{Password, ServerSecrets};
use crypto::{Random, RsaBits};
use e2e::{Identity, keybag};
use net::unix_time_ms;
use store::relay::Account;

use super::problem::Problem;

/// Whose passwords are their names.
pub(super) const NAMES: [&str; 4] = ["Alice", "Bob", "Charlie", "Eve"];

/// A key bag's first version.
const KEY_BAG_VERSION: u64 = 1;

/// Makes an account of this name and password. Two RSA keys and one stretching: a second or so.
fn make(
    name: &str,
    secrets: &ServerSecrets,
    random: &mut dyn Random,
) -> Result<Account, Box<dyn std::error::Error>> {
    let username = Username::parse(name)?;
    let identity = Identity::generate(username.key(), RsaBits::B3072, random)?;
    let (registered, record) =
        register_locally(secrets, &username, Password::parse(name)?, random)?;
    let export_key = registered.export_key.expose();
    let key_bag = keybag::seal(&identity, KEY_BAG_VERSION, export_key, random);
    let public = identity.public();
    let draft = AccountDraft {
        username,
        record,
        key_bag: key_bag.as_slice().try_into()?,
        key_bag_version: KEY_BAG_VERSION,
        sig_key: public.signing_key().spki_der().try_into()?,
        enc_key: public.encryption_key().spki_der().try_into()?,
        enc_certificate: public.certificate().try_into()?,
    };
    Ok(draft.into_account(unix_time_ms(), true)?)
}

/// Makes the accounts of these names, two at a time.
pub(super) fn accounts(secrets: &ServerSecrets, names: &[&str]) -> Result<Vec<Account>, Problem> {
    let one = |name: &str| {
        make(name, secrets, &mut net::OsRandom)
            .map_err(|why| Problem::other(format!("cannot make the account {name}: {why}")))
    };
    let mut accounts = Vec::new();
    for pair in names.chunks(2) {
        let made = std::thread::scope(|scope| {
            let threads: Vec<_> = pair
                .iter()
                .map(|&name| scope.spawn(move || one(name)))
                .collect();
            let lost = |_| Problem::other("making an account failed".into());
            let joined = threads
                .into_iter()
                .map(|thread| thread.join().map_err(lost)?);
            joined.collect::<Result<Vec<_>, Problem>>()
        })?;
        accounts.extend(made);
    }
    Ok(accounts)
}
