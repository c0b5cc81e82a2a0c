#include "postgres/table_decoder.h"

#include "base/limits.h"

#include <fmt/format.h>

namespace tidemark::postgres {
namespace {

constexpr const char* null_in_not_null = "NULL in a column that is NOT NULL here";
constexpr const char* text_needed =
    "the type's binary form cannot be read; ask for the stream with binary off";
constexpr const char* wrong_field_count = "the row has another number of columns than the table";
constexpr const char* not_in_old_row = "the value was not sent";

std::string shown(char kind, const char* data, size_t length) {
  std::string text;
  for (size_t index = 0; index < length && text.size() < limits::error_value_bytes_max; ++index) {
    if (kind == 'b') {
      if (index == 0) text = "\\x";
      fmt::format_to(std::back_inserter(text), "{:02x}", static_cast<unsigned char>(data[index]));
    } else {
      text += data[index];
    }
  }
  return text;
}

}  // namespace

TableDecoder::TableDecoder(SourceTable table)
    : table_(std::move(table)), field_count_(table_.columns.size()) {
  for (size_t index = 0; index < table_.columns.size(); ++index) {
    decoders_.push_back(make_decoder(table_.columns[index]));
    field_of_column_.push_back(static_cast<int>(index));
  }
}

void TableDecoder::add_columns(Block& block) const {
  for (const auto& column : table_.columns) block.add(column.name, column.target);
}

RelationDifference TableDecoder::bind(const Relation& relation) {
  RelationDifference difference;
  difference.renamed = relation.schema != table_.schema || relation.name != table_.name;
  field_count_ = relation.columns.size();
  field_of_column_.assign(table_.columns.size(), -1);
  for (size_t field = 0; field < relation.columns.size(); ++field) {
    const RelationColumn& sent = relation.columns[field];
    bool known = false;
    for (size_t index = 0; index < table_.columns.size() && !known; ++index) {
      const SourceColumn& column = table_.columns[index];
      if (column.name != sent.name) continue;
      known = true;
      field_of_column_[index] = static_cast<int>(field);
      if (column.type_oid != sent.type_oid || column.type_modifier != sent.type_modifier)
        difference.changed.push_back(sent.name);
    }
    if (!known) difference.added.push_back(sent.name);
  }
  for (size_t index = 0; index < table_.columns.size(); ++index)
    if (field_of_column_[index] < 0) difference.missing.push_back(table_.columns[index].name);
  return difference;
}

void TableDecoder::bind(std::vector<int> field_of_column, size_t field_count) {
  field_of_column_ = std::move(field_of_column);
  field_count_ = field_count;
}

bool TableDecoder::refuse(size_t column, const char* reason, char kind, const char* data, size_t length) {
  error_.column = column;
  error_.reason = reason;
  error_.value = shown(kind, data, length);
  return false;
}

std::string TableDecoder::error_text() const {
  std::string column = error_.column < table_.columns.size() ? "." + table_.columns[error_.column].name : "";
  std::string text = fmt::format("{}{}: {}", table_.display(), column, error_.reason);
  if (!error_.value.empty()) text += fmt::format(" (value: {})", error_.value);
  return text;
}

void TableDecoder::take_back(size_t count, Block& out) const {
  for (size_t index = 0; index < count; ++index) out.columns[index].drop_last(1);
}

bool TableDecoder::append(TupleView row, RowImage image, Block& out, TupleView old_row) {
  unchanged_.clear();
  if (row.size() != field_count_) return refuse(table_.columns.size(), wrong_field_count, 't', nullptr, 0);
  for (size_t index = 0; index < decoders_.size(); ++index) {
    Column& column = out.columns[index];
    int place = field_of_column_[index];
    if (place < 0 || (image == RowImage::key && !table_.columns[index].in_replica_identity)) {
      auto unsent = place < 0 ? unsent_.find(index) : unsent_.end();
      if (unsent != unsent_.end())
        column.append_from(unsent->second, 0);
      else
        column.append_default();
      continue;
    }
    const Field* field = &row[static_cast<size_t>(place)];
    // An old row of key columns only has NULL for the others, which is not their value: only what it has
    // counts.
    if (field->kind == 'u' && static_cast<size_t>(place) < old_row.size() &&
        (old_row[static_cast<size_t>(place)].kind == 't' || old_row[static_cast<size_t>(place)].kind == 'b'))
      field = &old_row[static_cast<size_t>(place)];
    const Decoder& decoder = decoders_[index];
    DecodeError error = nullptr;
    switch (field->kind) {
      case 'b':
        error = decoder.binary == nullptr ? text_needed
                                          : decoder.binary(decoder, field->data, field->length, column);
        break;
      case 't':
        error = decoder.text(decoder, field->data, field->length, column);
        break;
      case 'n':
        if (column.type().nullable) {
          column.append_null();
        } else {
          error = null_in_not_null;
        }
        break;
      case 'u':
        column.append_default();
        unchanged_.push_back(index);
        break;
      default:
        error = not_in_old_row;
    }
    if (__builtin_expect(error != nullptr, 0)) {
      take_back(index, out);
      unchanged_.clear();
      return refuse(index, error, field->kind, field->data, field->length);
    }
  }
  return true;
}

bool TableDecoder::append_copy_field(size_t index, const char* data, int32_t length, Block& out) {
  Column& column = out.columns[index];
  if (length < 0) {
    if (!column.type().nullable) return refuse(index, null_in_not_null, 'n', nullptr, 0);
    column.append_null();
    return true;
  }
  const Decoder& decoder = decoders_[index];
  bool as_text = decoder.binary == nullptr;
  DecodeError error =
      (as_text ? decoder.text : decoder.binary)(decoder, data, static_cast<size_t>(length), column);
  if (__builtin_expect(error == nullptr, 1)) return true;
  return refuse(index, error, as_text ? 't' : 'b', data, static_cast<size_t>(length));
}

}  // namespace tidemark::postgres
