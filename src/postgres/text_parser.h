// Values out of the text Postgres's output functions print (under the settings of connection.cc) into
// fixed-width columns. Functions of the shape Decoder::Function; what is printed any other way is an error,
// not a guess.
#pragma once

#include "postgres/calendar.h"
#include "postgres/type_decoder.h"

#include <charconv>

namespace tidemark::postgres {

extern const char* const unreadable;
extern const char* const infinite_time;
extern const char* const date_out_of_range;
extern const char* const timestamp_out_of_range;

// Days since 1970-01-01 into a Date32 column.
DecodeError append_date(int64_t days, Column& out);

DecodeError boolean_from_text(const Decoder&, const char* data, size_t length, Column& out);
DecodeError float4_from_text(const Decoder&, const char* data, size_t length, Column& out);
DecodeError float8_from_text(const Decoder&, const char* data, size_t length, Column& out);
DecodeError uuid_from_text(const Decoder&, const char* data, size_t length, Column& out);
DecodeError bytea_from_text(const Decoder&, const char* data, size_t length, Column& out);
DecodeError date_from_text(const Decoder&, const char* data, size_t length, Column& out);
// With or without zone: the session's zone is UTC, so it can only be "+00".
DecodeError timestamp_from_text(const Decoder&, const char* data, size_t length, Column& out);
DecodeError char_from_text(const Decoder&, const char* data, size_t length, Column& out);

template <class T>
DecodeError integer_from_text(const Decoder&, const char* data, size_t length, Column& out) {
  T value{};
  auto [end, error] = std::from_chars(data, data + length, value);
  if (error != std::errc() || end != data + length) return unreadable;
  out.append(value);
  return nullptr;
}

}  // namespace tidemark::postgres
