//! People of each role and state.

use chrono::TimeDelta;
use domain::role::Role;
use domain::user::{User, UserId};
use rand::RngExt as _;
use rand::rngs::StdRng;

use super::pick;
use crate::{Result, now};

const FIRST: [&str; 8] = [
    "Mara", "Jon", "Wei", "Amira", "Tomás", "Ingrid", "Kofi", "Lena",
];
const LAST: [&str; 8] = [
    "Okafor",
    "Lindqvist",
    "Zhang",
    "Haddad",
    "Ruiz",
    "Berg",
    "Mensah",
    "Novak",
];

/// So many people, of whom one in twenty has not come in yet.
pub fn people(count: usize, rng: &mut StdRng) -> Result<Vec<User>> {
    let person = |number: usize| {
        let joined = now() - TimeDelta::seconds(rng.random_range(10_000_000..90_000_000));
        let (first, last) = (pick(&FIRST, rng), pick(&LAST, rng));
        Ok(User {
            id: UserId::generate(joined, rng),
            email: format!("person{number}@example.com").parse()?,
            name: format!("{first} {last} {number}").parse()?,
            role: match rng.random_range(0..100) {
                0..2 => Role::Superuser,
                2..40 => Role::Developer,
                40..60 => Role::Operations,
                _ => Role::Support,
            },
            disabled_at: None,
            created_at: joined,
            last_login_at: (number % 20 != 3).then(now),
        })
    };
    (0..count).map(person).collect()
}
