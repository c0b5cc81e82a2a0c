// Values from Postgres's wire forms into Columns: one decoder a column, used for COPY BINARY, binary pgoutput
// and text pgoutput alike, so that a row reads the same whichever way it came. What each type becomes:
// catalog.h.
//
// A column whose target is text takes any value, as Postgres prints it (bytea: its bytes).
//
// A decoder is a pair of plain function pointers with their parameters beside them: chosen once a column, no
// switch and no allocation a value. Out-of-range values (infinity, year 10000, NaN in a Decimal) are errors,
// never clamped and never a default. On an error the column is exactly as it was.
//
// Threads: a Decoder is immutable; any number of threads may use it, on different Columns.
#pragma once

#include "base/column.h"
#include "postgres/catalog.h"

namespace tidemark::postgres {

// nullptr: good. Else why the value cannot be taken, a static text.
using DecodeError = const char*;

struct Decoder {
  using Function = DecodeError (*)(const Decoder&, const char* data, size_t length, Column& out);
  // Appends the text Postgres would print for a binary value.
  using TextFunction = DecodeError (*)(const Decoder&, const char* data, size_t length, std::string& out);

  Function binary = nullptr;  // nullptr: only text can be read, see requires_text
  Function text = nullptr;
  TextFunction to_text = nullptr;  // nullptr exactly when `binary` is: for arrays and ranges as text
  uint8_t precision = 0;           // Decimal targets
  uint8_t scale = 0;
  char delimiter = ',';                    // arrays
  std::shared_ptr<const Decoder> element;  // arrays, ranges, multiranges

  bool requires_text() const { return binary == nullptr; }
};

Decoder make_decoder(const SourceColumn& column);

// Can a stream of these tables be asked for with binary 'true'? When not, start it with 'false'.
bool all_binary_decodable(const std::vector<SourceTable>& tables);

}  // namespace tidemark::postgres
