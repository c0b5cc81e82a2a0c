#include "postgres/type_decoder.h"

#include "postgres/array_decoder.h"
#include "postgres/big_endian.h"
#include "postgres/calendar.h"
#include "postgres/decimal_decoder.h"
#include "postgres/text_parser.h"
#include "postgres/wire_text.h"

#include <cmath>

namespace tidemark::postgres {
namespace {

DecodeError boolean_from_binary(const Decoder&, const char* data, size_t length, Column& out) {
  if (length != 1) return wrong_length;
  out.append<uint8_t>(*data != 0 ? 1 : 0);
  return nullptr;
}
DecodeError int2_from_binary(const Decoder&, const char* data, size_t length, Column& out) {
  if (length != 2) return wrong_length;
  out.append(read_u16(data));
  return nullptr;
}
DecodeError int4_from_binary(const Decoder&, const char* data, size_t length, Column& out) {
  if (length != 4) return wrong_length;
  out.append(read_u32(data));
  return nullptr;
}
DecodeError int8_from_binary(const Decoder&, const char* data, size_t length, Column& out) {
  if (length != 8) return wrong_length;
  out.append(read_u64(data));
  return nullptr;
}

// NaN has many bit patterns; one is kept, so that equal values are equal bytes.
DecodeError float4_from_binary(const Decoder&, const char* data, size_t length, Column& out) {
  if (length != 4) return wrong_length;
  auto value = std::bit_cast<float>(read_u32(data));
  out.append(std::isnan(value) ? std::numeric_limits<float>::quiet_NaN() : value);
  return nullptr;
}
DecodeError float8_from_binary(const Decoder&, const char* data, size_t length, Column& out) {
  if (length != 8) return wrong_length;
  auto value = std::bit_cast<double>(read_u64(data));
  out.append(std::isnan(value) ? std::numeric_limits<double>::quiet_NaN() : value);
  return nullptr;
}

// ClickHouse keeps a UUID as two little-endian halves, the high one first.
DecodeError uuid_from_binary(const Decoder&, const char* data, size_t length, Column& out) {
  if (length != 16) return wrong_length;
  uint64_t halves[2] = {read_u64(data), read_u64(data + 8)};
  std::memcpy(out.append_fixed(), halves, sizeof halves);
  return nullptr;
}

DecodeError date_from_binary(const Decoder&, const char* data, size_t length, Column& out) {
  if (length != 4) return wrong_length;
  return append_date(read_i32(data) + postgres_epoch_days, out);
}
DecodeError timestamp_from_binary(const Decoder&, const char* data, size_t length, Column& out) {
  if (length != 8) return wrong_length;
  int64_t micros = read_i64(data);
  // Shift the bounds, not the value: infinity is the largest integer.
  if (micros < warehouse_micros_min - postgres_epoch_micros ||
      micros > warehouse_micros_max - postgres_epoch_micros)
    return micros == INT64_MAX || micros == INT64_MIN ? infinite_time : timestamp_out_of_range;
  out.append(micros + postgres_epoch_micros);
  return nullptr;
}

DecodeError bytes_as_they_are(const Decoder&, const char* data, size_t length, Column& out) {
  out.append_text({data, length});
  return nullptr;
}
DecodeError jsonb_from_binary(const Decoder&, const char* data, size_t length, Column& out) {
  if (length < 1) return wrong_length;
  if (*data != 1) return "jsonb in a binary version that is not known here";
  out.append_text({data + 1, length - 1});
  return nullptr;
}
DecodeError printed(const Decoder& decoder, const char* data, size_t length, Column& out) {
  thread_local std::string text;
  text.clear();
  if (auto* error = decoder.to_text(decoder, data, length, text)) return error;
  out.append_text(text);
  return nullptr;
}

struct Functions {
  Decoder::Function binary = nullptr;
  Decoder::Function text = nullptr;
};

// Into a text column goes what Postgres prints; bytea stays bytes.
bool is_printed(WireType wire, const ColumnType& target) {
  switch (wire) {
    case WireType::text:
    case WireType::char1:
    case WireType::jsonb:
    case WireType::bytea:
    case WireType::other:
      return false;
    default:
      return target.is_text();
  }
}

Functions functions_of(WireType wire, const ColumnType& target) {
  if (is_printed(wire, target)) return {printed, bytes_as_they_are};
  switch (wire) {
    case WireType::boolean:
      return {boolean_from_binary, boolean_from_text};
    case WireType::int2:
      return {int2_from_binary, integer_from_text<int16_t>};
    case WireType::int4:
      return {int4_from_binary, integer_from_text<int32_t>};
    case WireType::int8:
      return {int8_from_binary, integer_from_text<int64_t>};
    case WireType::oid:
      return {int4_from_binary, integer_from_text<uint32_t>};
    case WireType::xid8:
      return {int8_from_binary, integer_from_text<uint64_t>};
    case WireType::float4:
      return {float4_from_binary, float4_from_text};
    case WireType::float8:
      return {float8_from_binary, float8_from_text};
    case WireType::numeric:
      if (target.kind != TypeKind::decimal) return {printed, bytes_as_they_are};
      return {decimal_functions(target).binary, decimal_functions(target).text};
    case WireType::text:
      return {bytes_as_they_are, bytes_as_they_are};
    case WireType::char1:
      return {printed, char_from_text};
    case WireType::jsonb:
      return {jsonb_from_binary, bytes_as_they_are};
    case WireType::uuid:
      return {uuid_from_binary, uuid_from_text};
    case WireType::bytea:
      return {bytes_as_they_are, bytea_from_text};
    case WireType::date:
      return {date_from_binary, date_from_text};
    case WireType::timestamp:
    case WireType::timestamptz:
      return {timestamp_from_binary, timestamp_from_text};
    case WireType::time:
    case WireType::timetz:
    case WireType::interval:
    case WireType::inet:
    case WireType::macaddr:
    case WireType::money:
    case WireType::bit:
    case WireType::lsn:
    case WireType::hstore:
    case WireType::range:
    case WireType::multirange:
      return {printed, bytes_as_they_are};
    case WireType::array:
      if (target.kind != TypeKind::array) return {printed, bytes_as_they_are};
      return {array_from_binary, array_from_text};
    case WireType::other:
      return {nullptr, bytes_as_they_are};
  }
  return {nullptr, bytes_as_they_are};
}

Decoder scalar_decoder(WireType wire, const ColumnType& target) {
  Decoder decoder;
  Functions functions = functions_of(wire, target);
  decoder.binary = functions.binary;
  decoder.text = functions.text;
  decoder.to_text = scalar_text_function(wire);
  decoder.precision = target.precision;
  decoder.scale = target.scale;
  return decoder;
}

Decoder::TextFunction composed_text_function(WireType wire) {
  return wire == WireType::array   ? text_of_array
         : wire == WireType::range ? text_of_range
                                   : text_of_multirange;
}

}  // namespace

Decoder make_decoder(const SourceColumn& column) {
  Decoder decoder = scalar_decoder(column.wire, column.target);
  bool composed =
      column.wire == WireType::array || column.wire == WireType::range || column.wire == WireType::multirange;
  if (!composed) return decoder;
  decoder.delimiter = column.element_delimiter;
  ColumnType element = column.target.kind == TypeKind::array ? *column.target.element : ColumnType();
  auto element_decoder = std::make_shared<Decoder>(scalar_decoder(column.element_wire, element));
  if (column.element_wire == WireType::range || column.element_wire == WireType::multirange) {
    element_decoder->element =
        std::make_shared<const Decoder>(scalar_decoder(column.bound_wire, ColumnType()));
    element_decoder->to_text = composed_text_function(column.element_wire);
  }
  decoder.element = std::move(element_decoder);
  decoder.to_text = composed_text_function(column.wire);
  // Parts that only Postgres can print make the whole a thing only Postgres can print.
  if (decoder.element->to_text == nullptr) {
    decoder.binary = nullptr;
    decoder.to_text = nullptr;
    decoder.text = column.target.kind == TypeKind::array ? array_from_text : bytes_as_they_are;
  }
  return decoder;
}

bool all_binary_decodable(const std::vector<SourceTable>& tables) {
  for (const auto& table : tables)
    for (const auto& column : table.columns)
      if (make_decoder(column).requires_text()) return false;
  return true;
}

}  // namespace tidemark::postgres
