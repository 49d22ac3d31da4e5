//! Encodes values: inlined in their representation if they fit, otherwise written once to the file.

use super::{
    Writer, append_sized, integers,
    numbers::{Number, Put},
};
use crate::{Dictionary, LayerOffset, ListOp, Path, Payload, Reference, Token, UsdError, Value};

const IS_ARRAY: u64 = 1 << 63;
const IS_INLINED: u64 = 1 << 62;
const IS_COMPRESSED: u64 = 1 << 61;

/// Shorter arrays are not compressed.
const MIN_COMPRESSED_LENGTH: usize = 16;

/// The types of values, with the numbers of `crateDataTypes.h`.
#[derive(Clone, Copy)]
enum Type {
    Bool = 1,
    Int = 3,
    UInt = 4,
    Int64 = 5,
    UInt64 = 6,
    Float = 8,
    Double = 9,
    String = 10,
    Token = 11,
    AssetPath = 12,
    Matrix4d = 15,
    Vec2d = 19,
    Vec2f = 20,
    Vec3d = 23,
    Vec3f = 24,
    Vec4d = 27,
    Vec4f = 28,
    Dictionary = 31,
    TokenListOp = 32,
    StringListOp = 33,
    PathListOp = 34,
    ReferenceListOp = 35,
    PathVector = 40,
    TokenVector = 41,
    Specifier = 42,
    Variability = 44,
    DoubleVector = 48,
    LayerOffsetVector = 49,
    StringVector = 50,
    ValueBlock = 51,
    PayloadListOp = 55,
}

impl Type {
    fn bits(self) -> u64 {
        (self as u64) << 48
    }

    fn inlined(self, payload: u32) -> u64 {
        IS_INLINED | self.bits() | u64::from(payload)
    }
}

impl Writer {
    /// Returns the representation of `value`, and writes the value if it cannot be inlined.
    #[expect(clippy::too_many_lines, reason = "one line or two per type")]
    pub(super) fn value(&mut self, value: &Value) -> Result<u64, UsdError> {
        Ok(match value {
            Value::Bool(v) => Type::Bool.inlined(u32::from(*v)),
            Value::Int(v) => Type::Int.inlined(*v as u32),
            Value::UInt(v) => Type::UInt.inlined(*v),
            Value::Int64(v) => match i32::try_from(*v) {
                Ok(small) => Type::Int64.inlined(small as u32),
                Err(_) => self.stored(Type::Int64, v.to_le_bytes().to_vec()),
            },
            Value::UInt64(v) => match u32::try_from(*v) {
                Ok(small) => Type::UInt64.inlined(small),
                Err(_) => self.stored(Type::UInt64, v.to_le_bytes().to_vec()),
            },
            Value::Float(v) => Type::Float.inlined(v.to_bits()),
            Value::Double(v) => {
                let single = *v as f32;
                if f64::from(single).to_bits() == v.to_bits() {
                    Type::Double.inlined(single.to_bits())
                } else {
                    self.stored(Type::Double, v.to_le_bytes().to_vec())
                }
            }
            Value::String(v) => Type::String.inlined(self.string(v)?),
            Value::Token(v) => Type::Token.inlined(self.tokens.index(v.as_str())?),
            Value::AssetPath(v) => Type::AssetPath.inlined(self.tokens.index(v)?),
            Value::Vec2f(v) => self.vector(Type::Vec2f, v),
            Value::Vec3f(v) => self.vector(Type::Vec3f, v),
            Value::Vec4f(v) => self.vector(Type::Vec4f, v),
            Value::Vec2d(v) => self.vector(Type::Vec2d, v),
            Value::Vec3d(v) => self.vector(Type::Vec3d, v),
            Value::Vec4d(v) => self.vector(Type::Vec4d, v),
            Value::Matrix4d(v) => self.matrix(v),
            Value::BoolArray(v) => self.array(Type::Bool, v),
            Value::IntArray(v) => {
                let compressed = || integers::compress_i32(v.iter().copied());
                self.integer_array(Type::Int, v, compressed)?
            }
            Value::UIntArray(v) => {
                let compressed = || integers::compress_i32(v.iter().map(|&i| i as i32));
                self.integer_array(Type::UInt, v, compressed)?
            }
            Value::Int64Array(v) => {
                let compressed = || integers::compress_i64(v.iter().copied());
                self.integer_array(Type::Int64, v, compressed)?
            }
            Value::UInt64Array(v) => {
                let compressed = || integers::compress_i64(v.iter().map(|&i| i as i64));
                self.integer_array(Type::UInt64, v, compressed)?
            }
            Value::FloatArray(v) => self.real_array(Type::Float, v)?,
            Value::DoubleArray(v) => self.real_array(Type::Double, v)?,
            Value::StringArray(v) | Value::AssetPathArray(v) => {
                let indices = v.iter().map(|text| self.string(text));
                let indices = indices.collect::<Result<Vec<_>, _>>()?;
                let is_text = matches!(value, Value::StringArray(_));
                let of = if is_text {
                    Type::String
                } else {
                    Type::AssetPath
                };
                self.array(of, &indices)
            }
            Value::TokenArray(v) => {
                let indices = v.iter().map(|token| self.tokens.index(token.as_str()));
                let indices = indices.collect::<Result<Vec<_>, _>>()?;
                self.array(Type::Token, &indices)
            }
            Value::Vec2fArray(v) => self.array(Type::Vec2f, v),
            Value::Vec3fArray(v) => self.array(Type::Vec3f, v),
            Value::Vec4fArray(v) => self.array(Type::Vec4f, v),
            Value::Vec2dArray(v) => self.array(Type::Vec2d, v),
            Value::Vec3dArray(v) => self.array(Type::Vec3d, v),
            Value::Vec4dArray(v) => self.array(Type::Vec4d, v),
            Value::Matrix4dArray(v) => self.array(Type::Matrix4d, v),
            Value::Dictionary(v) if v.is_empty() => Type::Dictionary.inlined(0),
            Value::Dictionary(v) => {
                let bytes = self.dictionary(v)?;
                self.stored(Type::Dictionary, bytes)
            }
            Value::TokenListOp(v) => self.list_op(Type::TokenListOp, v, Self::put_token)?,
            Value::StringListOp(v) => self.list_op(Type::StringListOp, v, Self::put_string)?,
            Value::PathListOp(v) => self.list_op(Type::PathListOp, v, Self::put_path)?,
            Value::ReferenceListOp(v) => {
                self.list_op(Type::ReferenceListOp, v, Self::put_reference)?
            }
            Value::PayloadListOp(v) => self.list_op(Type::PayloadListOp, v, Self::put_payload)?,
            Value::TokenVector(v) => self.list(Type::TokenVector, v, Self::put_token)?,
            Value::StringVector(v) => self.list(Type::StringVector, v, Self::put_string)?,
            Value::PathVector(v) => self.list(Type::PathVector, v, Self::put_path)?,
            Value::DoubleVector(v) => self.list(Type::DoubleVector, v, |_, number, bytes| {
                number.put(bytes);
                Ok(())
            })?,
            Value::LayerOffsetVector(v) => {
                self.list(Type::LayerOffsetVector, v, |_, offset, bytes| {
                    put_layer_offset(*offset, bytes);
                    Ok(())
                })?
            }
            Value::Specifier(v) => Type::Specifier.inlined(v.code()),
            Value::Variability(v) => Type::Variability.inlined(v.code()),
            Value::ValueBlock => Type::ValueBlock.inlined(0),
        })
    }

    /// Writes `bytes` unless an equal value was written before.
    fn stored(&mut self, of: Type, bytes: Vec<u8>) -> u64 {
        let key = (of as u8, bytes);
        if let Some(&representation) = self.written.get(&key) {
            return representation;
        }
        let representation = of.bits() | self.output.len() as u64;
        self.output.extend(&key.1);
        self.written.insert(key, representation);
        representation
    }

    fn string(&mut self, text: &str) -> Result<u32, UsdError> {
        self.strings.index(text, &mut self.tokens)
    }

    /// Inlines vectors of small integers, one byte per component.
    fn vector<T: Number, const N: usize>(&mut self, of: Type, vector: &[T; N]) -> u64 {
        let mut payload = [0; 4];
        for (byte, component) in payload.iter_mut().zip(vector) {
            let Some(small) = component.as_i8() else {
                let mut bytes = Vec::new();
                vector.put(&mut bytes);
                return self.stored(of, bytes);
            };
            *byte = small as u8;
        }
        of.inlined(u32::from_le_bytes(payload))
    }

    /// Inlines matrices that are zero except for small integers on the diagonal.
    fn matrix(&mut self, matrix: &[[f64; 4]; 4]) -> u64 {
        let mut payload = [0; 4];
        for (row, values) in matrix.iter().enumerate() {
            for (column, value) in values.iter().enumerate() {
                match value.as_i8() {
                    Some(small) if row == column => payload[row] = small as u8,
                    Some(0) => {}
                    _ => {
                        let mut bytes = Vec::new();
                        matrix.put(&mut bytes);
                        return self.stored(Type::Matrix4d, bytes);
                    }
                }
            }
        }
        Type::Matrix4d.inlined(u32::from_le_bytes(payload))
    }

    /// Writes the items unchanged, aligned so that readers can map them. Empty arrays are not
    /// written.
    fn array<T: Put>(&mut self, of: Type, items: &[T]) -> u64 {
        if items.is_empty() {
            return IS_ARRAY | of.bits();
        }
        let start = self.align();
        self.output.extend((items.len() as u64).to_le_bytes());
        self.output.reserve(size_of_val(items));
        for item in items {
            item.put(&mut self.output);
        }
        IS_ARRAY | of.bits() | start
    }

    fn integer_array<T: Put>(
        &mut self,
        of: Type,
        items: &[T],
        compressed: impl FnOnce() -> Result<Vec<u8>, UsdError>,
    ) -> Result<u64, UsdError> {
        if items.len() < MIN_COMPRESSED_LENGTH {
            return Ok(self.array(of, items));
        }
        let start = self.align();
        self.output.extend((items.len() as u64).to_le_bytes());
        append_sized(&mut self.output, &compressed()?);
        Ok(IS_ARRAY | IS_COMPRESSED | of.bits() | start)
    }

    /// Stores floating-point arrays that contain only integers as compressed integers.
    fn real_array<T: Number>(&mut self, of: Type, items: &[T]) -> Result<u64, UsdError> {
        let integers = items.iter().map(Number::as_i32).collect::<Option<Vec<_>>>();
        let Some(integers) = integers.filter(|_| items.len() >= MIN_COMPRESSED_LENGTH) else {
            return Ok(self.array(of, items));
        };
        let start = self.align();
        self.output.extend((items.len() as u64).to_le_bytes());
        self.output.push(b'i');
        let compressed = integers::compress_i32(integers)?;
        append_sized(&mut self.output, &compressed);
        Ok(IS_ARRAY | IS_COMPRESSED | of.bits() | start)
    }

    fn align(&mut self) -> u64 {
        self.output.resize(self.output.len().next_multiple_of(8), 0);
        self.output.len() as u64
    }

    fn list<T>(
        &mut self,
        of: Type,
        items: &[T],
        put: impl Fn(&mut Self, &T, &mut Vec<u8>) -> Result<(), UsdError>,
    ) -> Result<u64, UsdError> {
        let mut bytes = (items.len() as u64).to_le_bytes().to_vec();
        for item in items {
            put(self, item, &mut bytes)?;
        }
        Ok(self.stored(of, bytes))
    }

    /// Writes a byte that states which lists are present, then these lists.
    fn list_op<T>(
        &mut self,
        of: Type,
        op: &ListOp<T>,
        put: impl Fn(&mut Self, &T, &mut Vec<u8>) -> Result<(), UsdError>,
    ) -> Result<u64, UsdError> {
        let explicit = op.explicit.as_deref();
        let is_explicit = u8::from(explicit.is_some());
        let edits: [(u8, &[T]); 4] = match explicit {
            Some(items) => [(1 << 1, items), (0, &[]), (0, &[]), (0, &[])],
            None => [
                (0, &[]),
                (1 << 5, &op.prepended),
                (1 << 6, &op.appended),
                (1 << 3, &op.deleted),
            ],
        };
        let mut bytes = vec![is_explicit];
        for (bit, items) in edits.into_iter().filter(|(_, items)| !items.is_empty()) {
            bytes[0] |= bit;
            bytes.extend((items.len() as u64).to_le_bytes());
            for item in items {
                put(self, item, &mut bytes)?;
            }
        }
        Ok(self.stored(of, bytes))
    }

    /// Writes the number of entries, then for each entry its key, the distance to its
    /// representation, and the representation. Values are written first, so the representation
    /// always follows the distance directly.
    fn dictionary(&mut self, dictionary: &Dictionary) -> Result<Vec<u8>, UsdError> {
        let mut bytes = (dictionary.len() as u64).to_le_bytes().to_vec();
        for (key, value) in dictionary {
            bytes.extend(self.string(key)?.to_le_bytes());
            bytes.extend(8_i64.to_le_bytes());
            bytes.extend(self.value(value)?.to_le_bytes());
        }
        Ok(bytes)
    }

    fn put_token(&mut self, token: &Token, bytes: &mut Vec<u8>) -> Result<(), UsdError> {
        self.tokens.index(token.as_str())?.put(bytes);
        Ok(())
    }

    #[expect(
        clippy::ptr_arg,
        reason = "it is called with the items of a list of `String`s"
    )]
    fn put_string(&mut self, text: &String, bytes: &mut Vec<u8>) -> Result<(), UsdError> {
        self.string(text)?.put(bytes);
        Ok(())
    }

    fn put_path(&mut self, path: &Path, bytes: &mut Vec<u8>) -> Result<(), UsdError> {
        self.paths.index(path, &mut self.tokens)?.put(bytes);
        Ok(())
    }

    fn put_target(
        &mut self,
        asset_path: &str,
        prim_path: Option<&Path>,
        bytes: &mut Vec<u8>,
    ) -> Result<(), UsdError> {
        self.string(asset_path)?.put(bytes);
        let path = match prim_path {
            Some(path) => self.paths.index(path, &mut self.tokens)?,
            None => self.paths.empty_index()?,
        };
        path.put(bytes);
        Ok(())
    }

    fn put_reference(
        &mut self,
        reference: &Reference,
        bytes: &mut Vec<u8>,
    ) -> Result<(), UsdError> {
        self.put_target(&reference.asset_path, reference.prim_path.as_ref(), bytes)?;
        put_layer_offset(reference.layer_offset, bytes);
        bytes.extend(self.dictionary(&reference.custom_data)?);
        Ok(())
    }

    fn put_payload(&mut self, payload: &Payload, bytes: &mut Vec<u8>) -> Result<(), UsdError> {
        self.put_target(&payload.asset_path, payload.prim_path.as_ref(), bytes)?;
        put_layer_offset(payload.layer_offset, bytes);
        Ok(())
    }
}

fn put_layer_offset(offset: LayerOffset, bytes: &mut Vec<u8>) {
    [offset.offset, offset.scale].put(bytes);
}
