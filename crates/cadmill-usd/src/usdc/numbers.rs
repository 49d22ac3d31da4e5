//! Numbers as bytes, and which of them are small whole numbers.

/// Is stored as it lies in memory, the low byte first.
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

/// A real that may be a whole number; -0 is none, as its sign would be lost.
pub(super) trait Number: Put {
    fn as_i8(&self) -> Option<i8>;
    fn as_i32(&self) -> Option<i32>;
}

macro_rules! number {
    ($($number:ty)*) => {$(
        impl Number for $number {
            fn as_i8(&self) -> Option<i8> {
                let whole = *self as i8;
                (<$number>::from(whole).to_bits() == self.to_bits()).then_some(whole)
            }

            fn as_i32(&self) -> Option<i32> {
                let whole = *self as i32;
                ((whole as $number).to_bits() == self.to_bits()
                    && i64::from(whole) == *self as i64)
                    .then_some(whole)
            }
        }
    )*};
}
number!(f32 f64);
