// Writes rows into a Postgres table by COPY BINARY: the fastest way in, used by the generators. Fields are
// appended row by row; bytes go out in pieces of 256 KiB.
//
//   CopyWriter writer(connection);
//   TRY_VOID(writer.begin("COPY clicks (campaign_id, created_at) FROM STDIN (FORMAT binary)"));
//   writer.row(2); writer.int4(7); writer.timestamp(micros);
//   TRY_VOID(writer.end());
//
// Types must be those of the columns: binary COPY converts nothing. A writer that goes away inside a COPY
// cancels it. Threads: those of the Connection.
#pragma once

#include "base/byte_buffer.h"
#include "base/error.h"
#include "postgres/connection.h"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace tidemark::cli {

class CopyWriter {
 public:
  explicit CopyWriter(postgres::Connection& connection) : connection_(connection) {}
  CopyWriter(const CopyWriter&) = delete;
  CopyWriter& operator=(const CopyWriter&) = delete;
  ~CopyWriter();

  Status begin(const std::string& copy_statement);
  void row(int16_t fields);
  void int4(int32_t value);
  void int8(int64_t value);
  void boolean(bool value);
  void text(std::string_view value);
  void uuid(const std::array<uint8_t, 16>& value);
  void date(int64_t days_since_1970);
  // unscaled / 10^scale: numeric(1234, 2) is 12.34. Precondition: 0 <= scale <= 8.
  void numeric(int64_t unscaled, int scale);
  // A timestamp without or with time zone; microseconds since 1970 UTC.
  void timestamp(int64_t unix_micros);
  // Sends what has gathered when it is worth a packet; call once a row.
  Status flush_full();
  Status end();

 private:
  template <class Integer>
  void big_endian(Integer value);
  Status send();

  postgres::Connection& connection_;
  ByteBuffer buffer_;
  bool copying_ = false;
};

}  // namespace tidemark::cli
