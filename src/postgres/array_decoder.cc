#include "postgres/array_decoder.h"

#include "base/limits.h"
#include "postgres/big_endian.h"
#include "postgres/wire_text.h"

#include <fmt/format.h>

namespace tidemark::postgres {
namespace {

constexpr const char* several_dimensions =
    "an array of several dimensions does not fit an Array column (make the column nullable to carry it as "
    "text)";
constexpr const char* malformed = "the array cannot be read";

struct ArrayHeader {
  int dimensions = 0;
  int32_t size[limits::postgres_array_dimensions_max];
  int32_t lower[limits::postgres_array_dimensions_max];
  size_t elements = 0;
  const char* data = nullptr;  // the first element
};

DecodeError read_header(const char* data, size_t length, ArrayHeader& header) {
  if (length < 12) return wrong_length;
  int32_t dimensions = read_i32(data);
  if (dimensions < 0 || dimensions > limits::postgres_array_dimensions_max ||
      length < 12 + static_cast<size_t>(dimensions) * 8)
    return malformed;
  header.dimensions = dimensions;
  data += 12;
  uint64_t elements = dimensions == 0 ? 0 : 1;
  for (int index = 0; index < dimensions; ++index, data += 8) {
    header.size[index] = read_i32(data);
    header.lower[index] = read_i32(data + 4);
    if (header.size[index] < 0) return malformed;
    elements *= static_cast<uint64_t>(header.size[index]);
    // Every element takes at least its length: more than fit is a lie, and would cost memory.
    if (elements > length / 4) return malformed;
  }
  header.elements = elements;
  header.data = data;
  return nullptr;
}

// The next element's bytes; size -1 for NULL. False when they run over the end.
bool next_element(const char*& data, const char* end, int32_t& size, const char*& bytes) {
  if (end - data < 4) return false;
  size = read_i32(data);
  data += 4;
  bytes = data;
  if (size == -1) return true;
  if (size < 0 || size > end - data) return false;
  data += size;
  return true;
}

bool is_array_space(char character) {
  return character == ' ' || (character >= '\t' && character <= '\r');
}

bool equals_null(std::string_view text) {
  return text.size() == 4 && (text[0] | 32) == 'n' && (text[1] | 32) == 'u' && (text[2] | 32) == 'l' &&
         (text[3] | 32) == 'l';
}

// Quotes what was appended to `out` from `start` on, if an array literal needs it.
void quote_element(std::string& out, size_t start, char delimiter) {
  std::string_view text = std::string_view(out).substr(start);
  bool quote = text.empty() || equals_null(text);
  bool escape = false;
  for (char character : text) {
    if (character == '"' || character == '\\') {
      quote = escape = true;
    } else if (character == '{' || character == '}' || character == delimiter || is_array_space(character)) {
      quote = true;
    }
  }
  if (!quote) return;
  if (!escape) {
    out.insert(start, 1, '"');
    out += '"';
    return;
  }
  std::string quoted = "\"";
  for (char character : text) {
    if (character == '"' || character == '\\') quoted += '\\';
    quoted += character;
  }
  out.resize(start);
  out += quoted;
  out += '"';
}

void quote_bound(std::string& out, size_t start) {
  std::string_view text = std::string_view(out).substr(start);
  bool quote = text.empty();
  for (char character : text)
    if (std::strchr("\"\\()[],", character) != nullptr || is_array_space(character)) quote = true;
  if (!quote) return;
  std::string quoted = "\"";
  for (char character : text) {
    if (character == '"' || character == '\\') quoted += character;
    quoted += character;
  }
  out.resize(start);
  out += quoted;
  out += '"';
}

// Takes back the elements of an array that could not be read to its end.
DecodeError undo(Column& out, size_t elements, DecodeError error) {
  out.element().drop_last(out.element().rows() - elements);
  return error;
}

}  // namespace

DecodeError array_from_binary(const Decoder& decoder, const char* data, size_t length, Column& out) {
  ArrayHeader header;
  if (auto* error = read_header(data, length, header)) return error;
  if (header.dimensions > 1) return several_dimensions;
  const char* end = data + length;
  const Decoder& element = *decoder.element;
  Column& elements = out.element();
  size_t before = elements.rows();
  const char* position = header.dimensions == 0 ? end : header.data;
  for (size_t index = 0; index < header.elements; ++index) {
    int32_t size = 0;
    const char* bytes = nullptr;
    if (!next_element(position, end, size, bytes)) return undo(out, before, malformed);
    if (size == -1) {
      elements.append_null();
    } else if (auto* error = element.binary(element, bytes, static_cast<size_t>(size), elements)) {
      return undo(out, before, error);
    }
  }
  if (position != end) return undo(out, before, malformed);
  out.close_array();
  return nullptr;
}

DecodeError array_from_text(const Decoder& decoder, const char* data, size_t length, Column& out) {
  const char* position = data;
  const char* end = data + length;
  if (position < end && *position == '[') {  // "[2:4]={...}": several brackets, several dimensions
    const char* equals = static_cast<const char*>(std::memchr(position, '=', length));
    if (equals == nullptr) return malformed;
    if (std::memchr(position + 1, '[', static_cast<size_t>(equals - position - 1)) != nullptr)
      return several_dimensions;
    position = equals + 1;
  }
  if (position == end || *position++ != '{' || end[-1] != '}') return malformed;
  const Decoder& element = *decoder.element;
  Column& elements = out.element();
  size_t before = elements.rows();
  if (position + 1 == end) {
    out.close_array();
    return nullptr;
  }
  thread_local std::string value;
  for (;;) {
    value.clear();
    bool quoted = position < end && *position == '"';
    if (quoted) {
      for (++position; position < end && *position != '"'; ++position) {
        if (*position == '\\' && ++position == end) return undo(out, before, malformed);
        value += *position;
      }
      if (position == end) return undo(out, before, malformed);
      ++position;
    } else {
      if (position < end && *position == '{') return undo(out, before, several_dimensions);
      while (position < end && *position != decoder.delimiter && *position != '}') value += *position++;
    }
    if (!quoted && equals_null(value)) {
      elements.append_null();
    } else if (auto* error = element.text(element, value.data(), value.size(), elements)) {
      return undo(out, before, error);
    }
    if (position == end) return undo(out, before, malformed);
    char mark = *position++;
    if (mark == '}' && position == end) break;
    if (mark != decoder.delimiter) return undo(out, before, malformed);
  }
  out.close_array();
  return nullptr;
}

DecodeError text_of_array(const Decoder& decoder, const char* data, size_t length, std::string& out) {
  ArrayHeader header;
  if (auto* error = read_header(data, length, header)) return error;
  if (header.elements == 0) return out += "{}", nullptr;
  const char* end = data + length;
  bool shifted = false;
  for (int index = 0; index < header.dimensions; ++index) shifted = shifted || header.lower[index] != 1;
  if (shifted) {
    for (int index = 0; index < header.dimensions; ++index)
      fmt::format_to(std::back_inserter(out), "[{}:{}]", header.lower[index],
                     int64_t{header.lower[index]} + header.size[index] - 1);
    out += '=';
  }
  const Decoder& element = *decoder.element;
  int32_t place[limits::postgres_array_dimensions_max] = {};
  out.append(static_cast<size_t>(header.dimensions), '{');
  const char* position = header.data;
  for (size_t index = 0; index < header.elements; ++index) {
    int32_t size = 0;
    const char* bytes = nullptr;
    if (!next_element(position, end, size, bytes)) return malformed;
    if (size == -1) {
      out += "NULL";
    } else {
      size_t start = out.size();
      if (auto* error = element.to_text(element, bytes, static_cast<size_t>(size), out)) return error;
      quote_element(out, start, decoder.delimiter);
    }
    // Close as many dimensions as this element ends, then open them again.
    int dimension = header.dimensions - 1;
    while (dimension >= 0 && ++place[dimension] == header.size[dimension]) place[dimension--] = 0;
    auto closed = static_cast<size_t>(header.dimensions - 1 - dimension);
    out.append(closed, '}');
    if (dimension >= 0) {
      out += decoder.delimiter;
      out.append(closed, '{');
    }
  }
  return position == end ? nullptr : malformed;
}

DecodeError text_of_range(const Decoder& decoder, const char* data, size_t length, std::string& out) {
  enum : unsigned {
    empty = 1,
    lower_inclusive = 2,
    upper_inclusive = 4,
    lower_infinite = 8,
    upper_infinite = 16
  };
  if (length < 1) return wrong_length;
  const char* end = data + length;
  unsigned flags = static_cast<unsigned char>(*data++);
  if ((flags & empty) != 0) return out += "empty", nullptr;
  const Decoder& bound = *decoder.element;
  auto append_bound = [&]() -> DecodeError {
    int32_t size = 0;
    const char* bytes = nullptr;
    if (!next_element(data, end, size, bytes) || size < 0) return "the range cannot be read";
    size_t start = out.size();
    if (auto* error = bound.to_text(bound, bytes, static_cast<size_t>(size), out)) return error;
    quote_bound(out, start);
    return nullptr;
  };
  out += (flags & lower_inclusive) != 0 ? '[' : '(';
  if ((flags & lower_infinite) == 0)
    if (auto* error = append_bound()) return error;
  out += ',';
  if ((flags & upper_infinite) == 0)
    if (auto* error = append_bound()) return error;
  out += (flags & upper_inclusive) != 0 ? ']' : ')';
  return data == end ? nullptr : "the range cannot be read";
}

DecodeError text_of_multirange(const Decoder& decoder, const char* data, size_t length, std::string& out) {
  if (length < 4) return wrong_length;
  const char* end = data + length;
  uint32_t count = read_u32(data);
  data += 4;
  out += '{';
  for (uint32_t index = 0; index < count; ++index) {
    int32_t size = 0;
    const char* bytes = nullptr;
    if (!next_element(data, end, size, bytes) || size < 0) return "the multirange cannot be read";
    if (index > 0) out += ',';
    if (auto* error = text_of_range(decoder, bytes, static_cast<size_t>(size), out)) return error;
  }
  out += '}';
  return data == end ? nullptr : "the multirange cannot be read";
}

}  // namespace tidemark::postgres
