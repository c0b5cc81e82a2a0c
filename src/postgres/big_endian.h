// Integers in network order out of bytes, as all of Postgres's binary forms have them. The caller has checked
// that the bytes are there.
#pragma once

#include <cstdint>
#include <cstring>

namespace tidemark::postgres {

inline uint16_t read_u16(const char* data) {
  uint16_t value;
  std::memcpy(&value, data, sizeof value);
  return __builtin_bswap16(value);
}
inline uint32_t read_u32(const char* data) {
  uint32_t value;
  std::memcpy(&value, data, sizeof value);
  return __builtin_bswap32(value);
}
inline uint64_t read_u64(const char* data) {
  uint64_t value;
  std::memcpy(&value, data, sizeof value);
  return __builtin_bswap64(value);
}
inline int16_t read_i16(const char* data) {
  return static_cast<int16_t>(read_u16(data));
}
inline int32_t read_i32(const char* data) {
  return static_cast<int32_t>(read_u32(data));
}
inline int64_t read_i64(const char* data) {
  return static_cast<int64_t>(read_u64(data));
}
inline void write_u64(char* place, uint64_t value) {
  value = __builtin_bswap64(value);
  std::memcpy(place, &value, sizeof value);
}

// Postgres counts time from 2000-01-01, everybody else from 1970-01-01.
constexpr int64_t postgres_epoch_days = 10'957;
constexpr int64_t postgres_epoch_micros = postgres_epoch_days * 86'400 * 1'000'000;

}  // namespace tidemark::postgres
