//! Serialises numbers, and detects small integers among floating-point numbers.

/// A value that is stored in little-endian order.
pub(super) trait Put {
    fn put(&self, bytes: &mut Vec<u8>);
}

macro_rules! put {
    ($($number:ty)*) => {$(
        impl Put for $number {
            fn put(&self, bytes: &mut Vec<u8>) {
                bytes.extend_from_slice(&self.to_le_bytes());
            }
        }
    )*};
}
put!(i32 u32 i64 u64 f32 f64);

impl Put for bool {
    fn put(&self, bytes: &mut Vec<u8>) {
        bytes.push(u8::from(*self));
    }
}

impl<T: Put, const N: usize> Put for [T; N] {
    fn put(&self, bytes: &mut Vec<u8>) {
        for component in self {
            component.put(bytes);
        }
    }
}

/// A floating-point number that may be an integer. -0 does not count, since its sign would be lost.
pub(super) trait Number: Put {
    fn as_i8(&self) -> Option<i8>;
    fn as_i32(&self) -> Option<i32>;
}

macro_rules! number {
    ($($number:ty)*) => {$(
        impl Number for $number {
            fn as_i8(&self) -> Option<i8> {
                let integer = *self as i8;
                (<$number>::from(integer).to_bits() == self.to_bits()).then_some(integer)
            }

            fn as_i32(&self) -> Option<i32> {
                let integer = *self as i32;
                ((integer as $number).to_bits() == self.to_bits()
                    && i64::from(integer) == *self as i64)
                    .then_some(integer)
            }
        }
    )*};
}
number!(f32 f64);
