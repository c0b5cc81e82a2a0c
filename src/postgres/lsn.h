// A position in Postgres's write-ahead log: a byte offset, printed as two hexadecimal halves ("16/B374D848").
#pragma once

#include <cstdint>
#include <cstdio>
#include <fmt/format.h>
#include <optional>
#include <string>

namespace tidemark::postgres {

using Lsn = uint64_t;

inline std::string format_lsn(Lsn lsn) {
  return fmt::format("{:X}/{:X}", lsn >> 32, lsn & 0xffffffffU);
}

inline std::optional<Lsn> parse_lsn(const std::string& text) {
  unsigned high = 0;
  unsigned low = 0;
  int used = 0;
  if (std::sscanf(text.c_str(), "%8X/%8X%n", &high, &low, &used) != 2 ||
      used != static_cast<int>(text.size()))
    return std::nullopt;
  return (static_cast<Lsn>(high) << 32) | low;
}

}  // namespace tidemark::postgres
