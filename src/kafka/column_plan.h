// How the fields of JSON messages become columns: the column's type in the warehouse, and the form in which
// the producer writes its values. The form comes from the Connect schema that travels with a message, from
// the project file, or, where neither says anything, from the column's type.
//
// Forms are those of Kafka Connect's JSON converter and of Debezium's semantic types (docs/KAFKA.md has the
// table). Values without an exact counterpart are kept as text.
#pragma once

#include "base/column_type.h"
#include "base/error.h"

#include <string>
#include <string_view>
#include <vector>

namespace tidemark::kafka {

enum class Form : uint8_t {
  plain,             // as the column's type suggests; whole numbers in a time column count its own unit
  base64,            // bytes, also the URL-safe alphabet
  hex,               // bytes
  bits,              // base64 of little-endian bytes; becomes text of 0 and 1
  decimal_bytes,     // base64 of the unscaled value, big-endian two's complement; the schema has the scale
  variable_decimal,  // {"scale": 2, "value": "<base64>"}
  days,              // since 1970-01-01
  seconds,           // since 1970-01-01 ...
  milliseconds,
  microseconds,
  nanoseconds,
  time_milliseconds,  // since midnight, become text ...
  time_microseconds,
  time_nanoseconds,
  json,  // whatever it is, as its JSON text
};

// "base64", "hex", "ms": as project files write it. Errors: config.
Result<Form> parse_form(std::string_view word);

struct ColumnPlan {
  std::string name;
  ColumnType target;
  Form form = Form::plain;
  int scale = 0;     // decimal_bytes: of the unscaled value; bits: how many
  bool key = false;  // part of the message's key

  bool operator==(const ColumnPlan&) const = default;
};

struct TableShape {
  std::vector<ColumnPlan> columns;  // in the order of the messages
  std::vector<std::string> key;     // names; empty: none
};

}  // namespace tidemark::kafka
