// Values of Postgres, as the text Postgres prints for them (bytea: as its bytes), in the JSON that Debezium's
// Postgres connector writes with decimal.handling.mode=string, time.precision.mode=isostring,
// interval.handling.mode=string, hstore.handling.mode=json and binary.handling.mode=bytes.
//
// Where Debezium's form loses the value, another text is written in its place, and docs/KAFKA_OUT.md lists
// them: infinite dates and times are "infinity", 24:00 stays 24:00, numeric NaN is "NaN", a timetz keeps its
// zone, a bit string of varying length is its digits; types Debezium leaves out or turns into structs
// (geometric ones, xid, pg_lsn, tsvector, composites) are their text.
//
// Pure functions of immutable values: any number of threads.
#pragma once

#include "postgres/catalog.h"

#include <string>
#include <string_view>

namespace tidemark::kafka {

enum class ValueKind : uint8_t {
  boolean,
  number,  // whole numbers, as they are
  real,    // NaN and infinities are strings
  text,
  bytes,
  date,
  timestamp,
  timestamptz,
  time,
  timetz,
  bits,  // of fixed length; one bit is a boolean
  money,
  hstore,
  array,
};

// How one column is written, and what its schema says.
struct ValuePlan {
  ValueKind kind = ValueKind::text;
  ValueKind element = ValueKind::text;  // arrays
  char delimiter = ',';                 // arrays
  int bits = 0;                         // bits, also of elements
  const char* type = "string";          // of Kafka Connect; for arrays the element's
  const char* semantic = nullptr;       // "io.debezium.time.IsoDate"; for arrays the element's
  std::string unavailable;              // JSON for a value the source did not send
  std::string
      absent;  // JSON for a column the source does not speak of: null, or a zero where NULL is not allowed
};

ValuePlan plan_of(const postgres::SourceColumn& column);

// `text` is not NULL.
void append_value(const ValuePlan& plan, std::string_view text, std::string& out);
// A JSON string with its quotes. Bytes past ASCII are passed on as they are.
void append_json_string(std::string_view text, std::string& out);

// Debezium's default unavailable.value.placeholder.
extern const char* const unavailable_value;

}  // namespace tidemark::kafka
