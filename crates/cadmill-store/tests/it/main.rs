//! Integration tests of `cadmill-store`: the contract suites on SQLite and on a real PostgreSQL.

mod open;

mod sqlite {
    mod ledger {
        cadmill_domain::ledger_contract!(crate::open::sqlite());
    }
}

mod postgres {
    mod ledger {
        cadmill_domain::ledger_contract!(crate::open::postgres());
    }
}
