// A column of values in memory, laid out as ClickHouse's Native format wants it, so that sending a block is a
// handful of large copies. Postgres decoders append to it, the Native writer and reader carry it, verify
// hashes it.
//
//   fixed width   values back to back, little-endian
//   text          each value as varuint length + bytes (the wire form), plus the end position of each value
//   nullable      one byte a row, 1 = NULL; the value below a NULL is the type's zero
//   array         the running number of elements at the end of each row, plus the element column
//
// Not thread-safe. Appending may throw std::bad_alloc only.
#pragma once

#include "base/byte_buffer.h"
#include "base/column_type.h"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace tidemark {

class Column {
 public:
  explicit Column(ColumnType type);

  const ColumnType& type() const { return type_; }
  size_t rows() const { return rows_; }
  // Memory the values take, for bounds; not the capacity held.
  size_t bytes() const;

  // Fixed width: `value` must have the column's width. Precondition, not checked beyond an assertion: sizes
  // agree.
  template <class T>
  void append(const T& value) {
    std::memcpy(append_fixed(), &value, sizeof(T));
  }
  // Fixed width: room for one non-NULL value of type().width() bytes, which the caller writes.
  char* append_fixed() {
    if (type_.nullable) nulls_.append("\0", 1);
    ++rows_;
    return data_.extend(width_);
  }
  // Fixed width, not nullable: `value`, `count` times.
  template <class T>
  void fill(const T& value, size_t count) {
    char* place = data_.extend(sizeof(T) * count);
    for (size_t index = 0; index < count; ++index) std::memcpy(place + index * sizeof(T), &value, sizeof(T));
    rows_ += count;
  }
  // Text.
  void append_text(std::string_view value);
  // NULL; the type must be nullable.
  void append_null();
  // The type's zero or empty value (not NULL unless nothing else fits): for key-only old images. Arrays:
  // empty.
  void append_default();
  // Array: append the elements to element(), then close the row.
  Column& element() { return *element_; }
  const Column& element() const { return *element_; }
  void close_array();
  // Row `row` of `source`, which has the same type (nullability may be wider here than there).
  void append_from(const Column& source, size_t row);

  bool is_null(size_t row) const { return type_.nullable && nulls_.data()[row] != 0; }
  std::string_view text(size_t row) const;
  // The bytes of a fixed-width value.
  const char* fixed(size_t row) const { return data_.data() + row * width_; }
  template <class T>
  T get(size_t row) const {
    T value;
    std::memcpy(&value, fixed(row), sizeof(T));
    return value;
  }
  size_t array_begin(size_t row) const { return row == 0 ? 0 : offset(row - 1); }
  size_t array_end(size_t row) const { return offset(row); }

  // Appends the value's canonical bytes (NULL flag, length where variable, value) to `out`: equal values of
  // one type give equal bytes. Used as hash input and as key.
  void encode(size_t row, std::string& out) const;

  // The last `count` rows are taken back. Precondition: count <= rows().
  void drop_last(size_t count);
  void clear();
  // Gives memory back; clear() keeps it.
  void release();

  // Native layout, for writer and reader only.
  const ByteBuffer& raw_data() const { return data_; }
  const ByteBuffer& raw_nulls() const { return nulls_; }
  const ByteBuffer& raw_offsets() const { return offsets_; }  // arrays: UInt64 each
  // The reader's way in: takes `rows` values as they came. Text columns pass the wire bytes.
  Status assign_native(size_t rows, std::string_view nulls, std::string_view data);
  void assign_array(size_t rows, std::string_view offsets, Column element);

 private:
  size_t offset(size_t row) const {
    uint64_t value;
    std::memcpy(&value, offsets_.data() + row * sizeof value, sizeof value);
    return value;
  }

  ColumnType type_;
  size_t width_;
  size_t rows_ = 0;
  ByteBuffer data_;
  ByteBuffer nulls_;
  ByteBuffer offsets_;               // arrays
  std::vector<uint32_t> text_ends_;  // text: end of each value in data_
  std::unique_ptr<Column> element_;  // arrays
};

// Columns of equal length with names: what one INSERT carries.
struct Block {
  std::vector<std::string> names;
  std::vector<Column> columns;

  size_t rows() const { return columns.empty() ? 0 : columns.front().rows(); }
  size_t bytes() const;
  void add(std::string name, ColumnType type);
  // The column of that name, or nullptr.
  const Column* find(std::string_view name) const;
  Column* find(std::string_view name);
  void clear();
};

}  // namespace tidemark
