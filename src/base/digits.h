// Digits out of text, for parsers of values that come as text: dates, times, bytes in hexadecimal.
#pragma once

namespace tidemark {

// 0 to 15; -1: not a hexadecimal digit.
constexpr int hex_digit(char character) {
  if (character >= '0' && character <= '9') return character - '0';
  if (character >= 'a' && character <= 'f') return character - 'a' + 10;
  if (character >= 'A' && character <= 'F') return character - 'A' + 10;
  return -1;
}

// Exactly `count` decimal digits; false: they are not there. `position` moves on.
constexpr bool digits(const char*& position, const char* end, int count, int& value) {
  if (end - position < count) return false;
  value = 0;
  for (int index = 0; index < count; ++index) {
    char character = *position++;
    if (character < '0' || character > '9') return false;
    value = value * 10 + (character - '0');
  }
  return true;
}

constexpr bool mark(const char*& position, const char* end, char expected) {
  if (position == end || *position != expected) return false;
  ++position;
  return true;
}

}  // namespace tidemark
