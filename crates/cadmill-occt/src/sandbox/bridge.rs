//! The declaration of a raw system call, for the probes.

#[cxx::bridge(namespace = "cadmill")]
pub(super) mod ffi {
    unsafe extern "C++" {
        include!("probe.hxx");

        /// Makes a system call with the arguments `first` and zeros. Returns its error number, or
        /// 0.
        fn error_of_system_call(number: i64, first: i64) -> i32;
    }
}
