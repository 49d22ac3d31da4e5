//! The declaration of a bare system call, for the probes.

#[cxx::bridge(namespace = "cadmill")]
pub(super) mod ffi {
    unsafe extern "C++" {
        include!("probe.hxx");

        /// Makes this system call; its arguments are `first` and zeros. Gives its error, or 0.
        fn error_of_system_call(number: i64, first: i64) -> i32;
    }
}
