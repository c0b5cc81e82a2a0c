// The types a column can have on its way through Tidemark: the subset of ClickHouse's types that sources are
// mapped to and that query results are read as. One place, because the Postgres decoders choose them and the
// Native writer and reader carry them.
//
// `nullable` is a flag, not a wrapper; ClickHouse has no Nullable(Array), so an array type never has it.
// `low_cardinality` and Json change how the target column is declared; on the wire both travel as plain
// strings and the server casts them on insert (cheap, and it frees us from their stateful encodings).
#pragma once

#include "base/error.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace tidemark {

enum class TypeKind : uint8_t {
  boolean,
  int8,
  int16,
  int32,
  int64,
  int128,
  int256,
  uint8,
  uint16,
  uint32,
  uint64,
  uint128,
  uint256,
  float32,
  float64,
  decimal,     // precision 1..76, scale 0..precision; width 4, 8, 16 or 32 bytes by precision
  string,      // any bytes
  uuid,        // 16 bytes in ClickHouse's order: two little-endian halves, most significant half first
  date,        // UInt16 days since 1970-01-01
  date32,      // Int32 days since 1970-01-01, 1900-01-01 .. 2299-12-31
  datetime,    // UInt32 seconds
  datetime64,  // Int64 ticks of 10^-scale seconds since the epoch, years 1900 .. 2299
  json,        // ClickHouse JSON; travels as text
  array,       // of `element`
};

struct ColumnType {
  TypeKind kind = TypeKind::string;
  bool nullable = false;
  bool low_cardinality = false;
  uint8_t precision = 0;                      // decimal
  uint8_t scale = 0;                          // decimal, datetime64
  std::string timezone;                       // datetime, datetime64; empty: none
  std::shared_ptr<const ColumnType> element;  // array

  static ColumnType of(TypeKind kind) { return ColumnType{.kind = kind}; }
  static ColumnType decimal(uint8_t precision, uint8_t scale) {
    return ColumnType{.kind = TypeKind::decimal, .precision = precision, .scale = scale};
  }
  static ColumnType datetime64(uint8_t scale, std::string timezone = {}) {
    return ColumnType{.kind = TypeKind::datetime64, .scale = scale, .timezone = std::move(timezone)};
  }
  static ColumnType array_of(ColumnType element) {
    return ColumnType{.kind = TypeKind::array,
                      .element = std::make_shared<const ColumnType>(std::move(element))};
  }
  ColumnType as_nullable() const {
    ColumnType type = *this;
    type.nullable = kind != TypeKind::array;
    return type;
  }

  // The declaration in ClickHouse, e.g. "Nullable(Decimal(10, 2))", "LowCardinality(Nullable(String))".
  std::string name() const;
  // The name under which the column travels in a Native block: as name(), with Json and LowCardinality as
  // String.
  std::string wire_name() const;
  // Bytes of one value; 0 for strings, json and arrays.
  size_t width() const;
  bool is_text() const { return kind == TypeKind::string || kind == TypeKind::json; }
  bool operator==(const ColumnType& other) const;
};

// Reads a ClickHouse type name as servers print them ("DateTime64(6, 'UTC')", "Array(Nullable(String))", also
// Enum8/16 and FixedString as string-like is NOT done: those are `unsupported`). Errors: unsupported.
Result<ColumnType> parse_column_type(std::string_view name);

}  // namespace tidemark
