// Reads ClickHouse's Native format from bytes that arrive in any pieces: feed() takes what came and hands out
// every block that is complete. Bytes of a column that is still on its way are kept, at most
// limits::native_block_bytes_max; finished columns and scanned text are not looked at twice. All input is
// outside bytes: every length is checked before it is believed. Not thread-safe.
#pragma once

#include "base/column.h"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace tidemark::clickhouse {

class NativeReader {
 public:
  using OnBlock = std::function<Status(Block)>;

  // Errors: corrupt, limit, unsupported (a type that wire_type.h does not know; names the column), and those
  // of on_block. After an error the reader is of no more use. Blocks without rows are handed out too: they
  // carry names and types.
  Status feed(std::string_view bytes, const OnBlock& on_block);
  // The stream is over: an error when it ends inside a block.
  Status finish() const;

 private:
  friend class NativeColumnReader;

  std::string pending_;  // from the start of the block header or column that is not complete yet
  bool in_block_ = false;
  uint64_t columns_ = 0;
  uint64_t rows_ = 0;
  size_t block_bytes_ = 0;
  Block block_;  // the columns finished so far
  // How far the text of the current column has been measured: rows, and the offset in pending_ after them.
  uint64_t text_rows_ = 0;
  size_t text_offset_ = 0;
};

}  // namespace tidemark::clickhouse
