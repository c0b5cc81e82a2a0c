#include "clickhouse/native_writer.h"

#include "base/invariant.h"

namespace tidemark::clickhouse {
namespace {

void append_varuint(std::string& text, uint64_t value) {
  while (value >= 0x80) {
    text.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  text.push_back(static_cast<char>(value));
}

void append_string(std::string& text, std::string_view value) {
  append_varuint(text, value.size());
  text.append(value);
}

}  // namespace

NativeBlock::NativeBlock(const Block& block) {
  INVARIANT(block.names.size() == block.columns.size());
  std::string header;
  append_varuint(header, block.columns.size());
  append_varuint(header, block.rows());
  for (size_t index = 0; index < block.columns.size(); ++index) {
    const Column& column = block.columns[index];
    INVARIANT(column.rows() == block.rows());
    append_string(header, block.names[index]);
    append_string(header, column.type().wire_name());
    add_header(std::move(header));
    header.clear();
    add_values(column);
  }
}

void NativeBlock::add_values(const Column& column) {
  if (column.type().kind == TypeKind::array) {
    add(column.raw_offsets().view());
    add_values(column.element());
    return;
  }
  if (column.type().nullable) add(column.raw_nulls().view());
  add(column.raw_data().view());
}

void NativeBlock::add_header(std::string header) {
  headers_.push_back(std::make_unique<std::string>(std::move(header)));
  add(*headers_.back());
}

void NativeBlock::add(std::string_view piece) {
  if (piece.empty()) return;
  pieces_.push_back(piece);
  bytes_ += piece.size();
}

std::string NativeBlock::text() const {
  std::string all;
  all.reserve(bytes_);
  for (auto piece : pieces_) all.append(piece);
  return all;
}

}  // namespace tidemark::clickhouse
