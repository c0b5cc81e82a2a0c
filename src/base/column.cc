#include "base/column.h"

#include "base/invariant.h"

namespace tidemark {
namespace {

constexpr size_t varuint_bytes_max = 10;

size_t write_varuint(char* place, uint64_t value) {
  size_t length = 0;
  while (value >= 0x80) {
    place[length++] = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  place[length++] = static_cast<char>(value);
  return length;
}

// Reads a varuint from [position, end); false when it runs over the end.
bool read_varuint(const char*& position, const char* end, uint64_t& value) {
  value = 0;
  for (int shift = 0; shift < 64 && position < end; shift += 7) {
    auto byte = static_cast<uint8_t>(*position++);
    value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if ((byte & 0x80) == 0) return true;
  }
  return false;
}

}  // namespace

Column::Column(ColumnType type) : type_(std::move(type)), width_(type_.width()) {
  if (type_.kind == TypeKind::array) element_ = std::make_unique<Column>(*type_.element);
}

size_t Column::bytes() const {
  return data_.size() + nulls_.size() + offsets_.size() + text_ends_.size() * sizeof(uint32_t) +
         (element_ ? element_->bytes() : 0);
}

void Column::append_text(std::string_view value) {
  char prefix[varuint_bytes_max];
  size_t prefix_length = write_varuint(prefix, value.size());
  char* place = data_.extend(prefix_length + value.size());
  std::memcpy(place, prefix, prefix_length);
  if (!value.empty()) std::memcpy(place + prefix_length, value.data(), value.size());
  INVARIANT(data_.size() <= UINT32_MAX);
  text_ends_.push_back(static_cast<uint32_t>(data_.size()));
  if (type_.nullable) nulls_.append("\0", 1);
  ++rows_;
}

void Column::append_null() {
  INVARIANT(type_.nullable);
  if (type_.is_text()) {
    data_.append("\0", 1);
    text_ends_.push_back(static_cast<uint32_t>(data_.size()));
  } else {
    std::memset(data_.extend(width_), 0, width_);
  }
  nulls_.append("\1", 1);
  ++rows_;
}

void Column::append_default() {
  if (type_.nullable) return append_null();
  if (type_.kind == TypeKind::array) return close_array();
  if (type_.is_text()) return append_text({});
  std::memset(append_fixed(), 0, width_);
}

void Column::close_array() {
  uint64_t end = element_->rows();
  offsets_.append(&end, sizeof end);
  ++rows_;
}

void Column::append_from(const Column& source, size_t row) {
  if (source.is_null(row)) return append_null();
  if (type_.kind == TypeKind::array) {
    for (size_t index = source.array_begin(row); index < source.array_end(row); ++index)
      element_->append_from(*source.element_, index);
    return close_array();
  }
  if (type_.is_text()) {
    if (&source == this)
      return append_text(std::string(source.text(row)));  // appending may move what text() points at
    return append_text(source.text(row));
  }
  // append_fixed first: when source is this very column it may move its memory.
  char* place = append_fixed();
  std::memcpy(place, source.fixed(row), width_);
}

std::string_view Column::text(size_t row) const {
  const char* position = data_.data() + (row == 0 ? 0 : text_ends_[row - 1]);
  const char* end = data_.data() + text_ends_[row];
  uint64_t length = 0;
  read_varuint(position, end, length);
  return {position, static_cast<size_t>(end - position)};
}

void Column::encode(size_t row, std::string& out) const {
  if (type_.nullable) {
    out.push_back(is_null(row) ? '\1' : '\0');
    if (is_null(row)) return;
  }
  if (type_.kind == TypeKind::array) {
    uint64_t count = array_end(row) - array_begin(row);
    out.append(reinterpret_cast<const char*>(&count), sizeof count);
    for (size_t index = array_begin(row); index < array_end(row); ++index) element_->encode(index, out);
    return;
  }
  if (type_.is_text()) {
    std::string_view value = text(row);
    uint64_t length = value.size();
    out.append(reinterpret_cast<const char*>(&length), sizeof length);
    out.append(value);
    return;
  }
  if (type_.kind == TypeKind::float64 && get<double>(row) == 0.0) return out.append(width_, '\0'), void();
  if (type_.kind == TypeKind::float32 && get<float>(row) == 0.0F) return out.append(width_, '\0'), void();
  out.append(fixed(row), width_);
}

void Column::drop_last(size_t count) {
  INVARIANT(count <= rows_);
  size_t kept = rows_ - count;
  if (type_.nullable) nulls_.truncate(kept);
  if (type_.kind == TypeKind::array) {
    size_t elements = kept == 0 ? 0 : offset(kept - 1);
    element_->drop_last(element_->rows() - elements);
    offsets_.truncate(kept * sizeof(uint64_t));
  } else if (type_.is_text()) {
    data_.truncate(kept == 0 ? 0 : text_ends_[kept - 1]);
    text_ends_.resize(kept);
  } else {
    data_.truncate(kept * width_);
  }
  rows_ = kept;
}

void Column::clear() {
  rows_ = 0;
  data_.clear();
  nulls_.clear();
  offsets_.clear();
  text_ends_.clear();
  if (element_) element_->clear();
}

void Column::release() {
  clear();
  data_.release();
  nulls_.release();
  offsets_.release();
  text_ends_.shrink_to_fit();
  if (element_) element_->release();
}

Status Column::assign_native(size_t rows, std::string_view nulls, std::string_view data) {
  clear();
  if (type_.nullable) {
    if (nulls.size() != rows)
      return fail(ErrorKind::corrupt, "a Native column has a NULL map of the wrong length");
    nulls_.append(nulls);
  }
  if (type_.is_text()) {
    const char* position = data.data();
    const char* end = position + data.size();
    for (size_t row = 0; row < rows; ++row) {
      uint64_t length = 0;
      if (!read_varuint(position, end, length) || length > static_cast<size_t>(end - position))
        return fail(ErrorKind::corrupt, "a text value in a Native column runs over its end");
      position += length;
      text_ends_.push_back(static_cast<uint32_t>(position - data.data()));
    }
    if (position != end) return fail(ErrorKind::corrupt, "a Native text column has bytes left over");
  } else if (data.size() != rows * width_) {
    return fail(ErrorKind::corrupt, "a Native column of fixed width has the wrong length");
  }
  data_.append(data);
  rows_ = rows;
  return {};
}

void Column::assign_array(size_t rows, std::string_view offsets, Column element) {
  clear();
  offsets_.append(offsets);
  *element_ = std::move(element);
  rows_ = rows;
}

size_t Block::bytes() const {
  size_t total = 0;
  for (const auto& column : columns) total += column.bytes();
  return total;
}

void Block::add(std::string name, ColumnType type) {
  names.push_back(std::move(name));
  columns.emplace_back(std::move(type));
}

const Column* Block::find(std::string_view name) const {
  for (size_t index = 0; index < names.size(); ++index)
    if (names[index] == name) return &columns[index];
  return nullptr;
}

Column* Block::find(std::string_view name) {
  return const_cast<Column*>(std::as_const(*this).find(name));
}

void Block::clear() {
  for (auto& column : columns) column.clear();
}

}  // namespace tidemark
