// A Block as ClickHouse's Native format: number of columns, number of rows, then for each column its name,
// its type and its values. The values already have that layout in memory (base/column.h), so a block is
// gathered as a list of pieces that point into it, and nothing is copied on the way to the socket.
#pragma once

#include "base/column.h"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace tidemark::clickhouse {

class NativeBlock {
 public:
  // `block` must stay as it is while this lives. Precondition: columns of equal length, one name each.
  explicit NativeBlock(const Block& block);
  NativeBlock(const NativeBlock&) = delete;
  NativeBlock& operator=(const NativeBlock&) = delete;

  const std::vector<std::string_view>& pieces() const { return pieces_; }
  size_t bytes() const { return bytes_; }
  // All in one string, for tests and files.
  std::string text() const;

 private:
  void add_header(std::string header);
  void add_values(const Column& column);
  void add(std::string_view piece);

  std::vector<std::string_view> pieces_;
  std::vector<std::unique_ptr<std::string>> headers_;  // stable addresses for what pieces_ points at
  size_t bytes_ = 0;
};

}  // namespace tidemark::clickhouse
