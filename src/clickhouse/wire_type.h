// The types a server may put into a Native block, as they travel: more than base/column_type.h knows, because
// results of arbitrary queries are read. What has no column type of its own arrives as text: Enum8/16 as the
// names, FixedString with its padding, JSON as text, LowCardinality as what it wraps.
#pragma once

#include "base/column_type.h"
#include "base/error.h"

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

namespace tidemark::clickhouse {

struct WireType {
  enum class Form { plain, text, json, enum8, enum16, fixed_string, low_cardinality, array };

  Form form = Form::plain;
  ColumnType column;                                // what it is read as
  std::unordered_map<int32_t, std::string> values;  // enums: number to name
  size_t fixed_length = 0;                          // fixed_string
  std::shared_ptr<const WireType> inner;  // array: element; low_cardinality: dictionary, not nullable
};

// Errors: unsupported (Tuple, Map, Variant, Dynamic, aggregate states, IPv4 and others), with the cast to
// use.
Result<WireType> parse_wire_type(std::string_view name);

}  // namespace tidemark::clickhouse
