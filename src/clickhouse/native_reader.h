// Reads ClickHouse's Native format from bytes that arrive in any pieces: feed() takes what came and hands out
// every block that is complete. Bytes of a block that is still on its way are kept, at most
// limits::native_block_bytes_max. All input is outside bytes: every length is checked before it is believed.
// Not thread-safe.
#pragma once

#include "base/column.h"

#include <functional>
#include <string>
#include <string_view>

namespace tidemark::clickhouse {

class NativeReader {
 public:
  using OnBlock = std::function<Status(Block)>;

  // Errors: corrupt, limit, unsupported (a type that base/column_type.h does not know; names the column), and
  // those of on_block. After an error the reader is of no more use. Blocks without rows are handed out too:
  // they carry names and types.
  Status feed(std::string_view bytes, const OnBlock& on_block);
  // The stream is over: an error when it ends inside a block.
  Status finish() const;

 private:
  std::string pending_;
  size_t needed_ = 0;  // do not try again before this many bytes are there
};

}  // namespace tidemark::clickhouse
