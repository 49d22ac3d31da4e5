//! The contract suites: what every implementation of a port must do, whatever it keeps its rows in.
