#include "clickhouse/native_reader.h"

#include "base/limits.h"
#include "clickhouse/wire_type.h"

#include <fmt/format.h>

namespace tidemark::clickhouse {

using Form = WireType::Form;

namespace {

// An unnamed expression is named by its text, parameters included, so names are bounded like those (16 MiB in
// embedded_config.cc).
constexpr uint64_t name_bytes_max = 32 << 20;

// Flags of a LowCardinality column: the low byte is the width of an index (as a power of two).
constexpr uint64_t low_cardinality_global_dictionary = 1 << 8;
constexpr uint64_t low_cardinality_own_keys = 1 << 9;

}  // namespace

// Reads one item (header or column) of the stream from the start of pending bytes. Every method returns false
// when the bytes do not suffice yet.
class NativeColumnReader {
 public:
  NativeColumnReader(NativeReader& reader, std::string_view data) : reader_(reader), data_(data) {}

  size_t offset() const { return offset_; }

  Result<bool> varuint(uint64_t& value) {
    value = 0;
    size_t at = offset_;
    for (int shift = 0; shift < 64; shift += 7) {
      if (at == data_.size()) return false;
      auto byte = static_cast<uint8_t>(data_[at++]);
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if ((byte & 0x80) == 0) {
        offset_ = at;
        return true;
      }
    }
    return fail(ErrorKind::corrupt, "a number in a Native block does not end");
  }

  Result<bool> bytes(uint64_t count, std::string_view& piece) {
    if (count > limits::native_block_bytes_max)
      return fail(ErrorKind::limit,
                  fmt::format("a Native block from ClickHouse is larger than {} MiB",
                              limits::native_block_bytes_max >> 20),
                  "read it in smaller blocks (max_block_size), or fewer columns");
    if (count > data_.size() - offset_) return false;
    piece = data_.substr(offset_, count);
    offset_ += count;
    return true;
  }

  Result<bool> string(std::string& value) {
    uint64_t length = 0;
    if (!TRY(varuint(length))) return false;
    if (length > name_bytes_max)
      return fail(ErrorKind::corrupt, "a name in a Native block is impossibly long");
    std::string_view piece;
    if (!TRY(bytes(length, piece))) return false;
    value = piece;
    return true;
  }

  Result<bool> number(uint64_t& value) {
    std::string_view piece;
    if (!TRY(bytes(sizeof value, piece))) return false;
    std::memcpy(&value, piece.data(), sizeof value);
    return true;
  }

  // What precedes the values of all rows.
  Result<bool> prefix(const WireType& type) {
    if (type.form == Form::array) return prefix(*type.inner);
    if (type.form != Form::low_cardinality && type.form != Form::json) return true;
    uint64_t version = 0;
    if (!TRY(number(version))) return false;
    // LowCardinality: keys with the block. JSON: as strings, which client.cc asks for.
    if (version != 1)
      return fail(ErrorKind::unsupported,
                  fmt::format("a Native column has serialization version {}", version),
                  "cast it in the query with toString(...)");
    return true;
  }

  Result<bool> values(const WireType& type, uint64_t rows, Column& column) {
    if (type.form == Form::array) return array(type, rows, column);
    if (type.form == Form::low_cardinality) return low_cardinality(type, rows, column);
    std::string_view nulls;
    if (column.type().nullable && !TRY(bytes(rows, nulls))) return false;
    std::string_view data;
    switch (type.form) {
      case Form::text:
      case Form::json:
        if (!TRY(text(rows, data))) return false;
        break;
      case Form::plain:
        if (!TRY(bytes(times(rows, column.type().width()), data))) return false;
        break;
      default:
        return named(type, rows, nulls, column);
    }
    TRY_VOID(column.assign_native(rows, nulls, data));
    return true;
  }

 private:
  // rows x width, saturating: the result is compared with a limit.
  static uint64_t times(uint64_t rows, uint64_t width) {
    uint64_t product = 0;
    return __builtin_mul_overflow(rows, width, &product) ? UINT64_MAX : product;
  }

  // Measures `rows` strings. A column has one run of text at most, so its progress can be kept over feeds.
  Result<bool> text(uint64_t rows, std::string_view& data) {
    size_t begin = offset_;
    uint64_t row = 0;
    if (reader_.text_offset_ > begin) {
      row = reader_.text_rows_;
      offset_ = reader_.text_offset_;
    }
    for (; row < rows; ++row) {
      size_t before = offset_;
      uint64_t length = 0;
      std::string_view value;
      if (!TRY(varuint(length)) || !TRY(bytes(length, value))) {
        reader_.text_rows_ = row;
        reader_.text_offset_ = before;
        return false;
      }
    }
    data = data_.substr(begin, offset_ - begin);
    return true;
  }

  // Enums and fixed strings become text.
  Result<bool> named(const WireType& type, uint64_t rows, std::string_view nulls, Column& column) {
    size_t width = type.form == Form::fixed_string ? type.fixed_length : type.form == Form::enum16 ? 2 : 1;
    std::string_view data;
    if (!TRY(bytes(times(rows, width), data))) return false;
    for (uint64_t row = 0; row < rows; ++row) {
      std::string_view value = data.substr(row * width, width);
      if (!nulls.empty() && nulls[row] != 0) {
        column.append_null();
      } else if (type.form == Form::fixed_string) {
        column.append_text(value);
      } else {
        // Enum8 and Enum16 are signed.
        int32_t number = static_cast<uint8_t>(value[0]);
        if (width == 2) number |= static_cast<uint8_t>(value[1]) << 8;
        if (int32_t sign = width == 2 ? 0x8000 : 0x80; number >= sign) number -= 2 * sign;
        auto found = type.values.find(number);
        if (found == type.values.end())
          return fail(ErrorKind::corrupt, "an enum value without a name in a Native block");
        column.append_text(found->second);
      }
    }
    return true;
  }

  Result<bool> array(const WireType& type, uint64_t rows, Column& column) {
    std::string_view offsets;
    if (!TRY(bytes(times(rows, sizeof(uint64_t)), offsets))) return false;
    uint64_t end = 0;
    for (uint64_t row = 0; row < rows; ++row) {
      uint64_t next = 0;
      std::memcpy(&next, offsets.data() + row * sizeof next, sizeof next);
      if (next < end) return fail(ErrorKind::corrupt, "the array offsets of a Native block go backwards");
      end = next;
    }
    if (end > limits::native_block_bytes_max)
      return fail(ErrorKind::limit, "a Native block has an array column with too many elements");
    Column elements(type.inner->column);
    if (!TRY(values(*type.inner, end, elements))) return false;
    column.assign_array(rows, offsets, std::move(elements));
    return true;
  }

  Result<bool> low_cardinality(const WireType& type, uint64_t rows, Column& column) {
    if (rows == 0) return true;
    uint64_t flags = 0;
    uint64_t key_count = 0;
    if (!TRY(number(flags)) || !TRY(number(key_count))) return false;
    uint64_t width_power = flags & 0xff;
    if ((flags & low_cardinality_global_dictionary) != 0 || (flags & low_cardinality_own_keys) == 0 ||
        width_power > 3)
      return fail(ErrorKind::corrupt, "a LowCardinality column of a Native block has unknown flags");
    Column keys(type.inner->column);
    if (!TRY(values(*type.inner, key_count, keys))) return false;
    uint64_t count = 0;
    if (!TRY(number(count))) return false;
    if (count != rows)
      return fail(ErrorKind::corrupt, "a LowCardinality column of a Native block has another length");
    size_t width = size_t{1} << width_power;
    std::string_view indexes;
    if (!TRY(bytes(times(rows, width), indexes))) return false;
    for (uint64_t row = 0; row < rows; ++row) {
      uint64_t index = 0;
      std::memcpy(&index, indexes.data() + row * width, width);
      if (index >= key_count) return fail(ErrorKind::corrupt, "a LowCardinality index points past its keys");
      // The first key of a nullable dictionary stands for NULL.
      if (index == 0 && column.type().nullable)
        column.append_null();
      else
        column.append_from(keys, index);
    }
    return true;
  }

  NativeReader& reader_;
  std::string_view data_;
  size_t offset_ = 0;
};

Status NativeReader::feed(std::string_view bytes, const OnBlock& on_block) {
  pending_.append(bytes);
  size_t consumed = 0;
  while (true) {
    NativeColumnReader item(*this, std::string_view(pending_).substr(consumed));
    if (!in_block_) {
      if (!TRY(item.varuint(columns_)) || !TRY(item.varuint(rows_))) break;
      if (columns_ > limits::native_columns_max || rows_ > limits::native_block_bytes_max)
        return fail(ErrorKind::corrupt, "a Native block has an impossible number of columns or rows");
      block_ = Block();
      block_bytes_ = 0;
      in_block_ = true;
    } else {
      std::string name;
      std::string type_name;
      if (!TRY(item.string(name)) || !TRY(item.string(type_name))) break;
      WireType type = TRY_IN(parse_wire_type(type_name), fmt::format("column {}", name));
      Column column(type.column);
      if (rows_ > 0) {
        if (!TRY_IN(item.prefix(type), fmt::format("column {}", name))) break;
        if (!TRY_IN(item.values(type, rows_, column), fmt::format("column {}", name))) break;
      }
      block_bytes_ += item.offset();
      if (block_bytes_ > limits::native_block_bytes_max)
        return fail(ErrorKind::limit, "a Native block from ClickHouse is too large",
                    "read it in smaller blocks (max_block_size)");
      block_.names.push_back(std::move(name));
      block_.columns.push_back(std::move(column));
    }
    consumed += item.offset();
    text_rows_ = text_offset_ = 0;
    if (in_block_ && block_.columns.size() == columns_) {
      in_block_ = false;
      TRY_VOID(on_block(std::move(block_)));
      block_ = Block();
    }
  }
  pending_.erase(0, consumed);
  if (pending_.size() > limits::native_block_bytes_max)
    return fail(ErrorKind::limit, "a Native block from ClickHouse is too large",
                "read it in smaller blocks (max_block_size)");
  return {};
}

Status NativeReader::finish() const {
  if (in_block_ || !pending_.empty())
    return fail(ErrorKind::unknown_outcome, "ClickHouse's answer ends inside a block");
  return {};
}

}  // namespace tidemark::clickhouse
