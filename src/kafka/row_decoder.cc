#include "kafka/row_decoder.h"

#include "base/invariant.h"
#include "kafka/encoded_text.h"

#include <openssl/evp.h>

namespace tidemark::kafka {

namespace ondemand = simdjson::ondemand;
using simdjson::SUCCESS;

namespace {

constexpr const char* no_such_column = "a field that is not a column of the table";
constexpr const char* missing = "the message has no value for this column";

// The name-based UUID (version 3) of a text, as Java makes it.
std::string name_uuid(std::string_view text) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int length = 0;
  INVARIANT(EVP_Digest(text.data(), text.size(), digest, &length, EVP_md5(), nullptr) == 1 && length == 16);
  digest[6] = static_cast<unsigned char>((digest[6] & 0x0f) | 0x30);
  digest[8] = static_cast<unsigned char>((digest[8] & 0x3f) | 0x80);
  std::string hex;
  encode_hex({reinterpret_cast<const char*>(digest), 16}, hex);
  return hex.substr(0, 8) + "-" + hex.substr(8, 4) + "-" + hex.substr(12, 4) + "-" + hex.substr(16, 4) + "-" +
         hex.substr(20);
}

// Everything Debezium writes in place of a value it was not sent, as JSON text.
std::vector<std::string> placeholder_texts(const std::string& placeholder) {
  auto quoted = [](const std::string& text) { return "\"" + text + "\""; };
  std::string base64, url, hex, numbers;
  encode_base64(placeholder, false, base64);
  encode_base64(placeholder, true, url);
  encode_hex(placeholder, hex);
  for (char byte : placeholder)
    numbers += (numbers.empty() ? "" : ",") + std::to_string(static_cast<unsigned char>(byte));
  std::string text = quoted(placeholder);
  return {text,
          quoted(base64),
          quoted(url),
          quoted(hex),
          "[" + text + "]",
          "[" + quoted(base64) + "]",
          "[" + quoted(hex) + "]",
          "[" + numbers + "]",
          "[" + quoted(name_uuid(placeholder)) + "]",
          "{" + text + ":" + text + "}",
          "\"{\\\"" + placeholder + "\\\":\\\"" + placeholder + "\\\"}\""};
}

}  // namespace

simdjson::padded_string_view PaddedText::set(std::string_view text) {
  if (buffer_.size() < text.size() + simdjson::SIMDJSON_PADDING)
    buffer_.resize((text.size() + simdjson::SIMDJSON_PADDING) * 2);
  std::memcpy(buffer_.data(), text.data(), text.size());
  std::memset(buffer_.data() + text.size(), 0, simdjson::SIMDJSON_PADDING);
  return simdjson::padded_string_view(buffer_.data(), text.size(), buffer_.size());
}

RowDecoder::RowDecoder(TableShape shape, const std::string& placeholder, bool ignore_unknown_fields)
    : shape_(std::move(shape)), plans_(&shape_.columns), ignore_unknown_fields_(ignore_unknown_fields) {
  for (size_t index = 0; index < shape_.columns.size(); ++index) by_name_[shape_.columns[index].name] = index;
  for (const auto& key : shape_.key) {
    size_t index = find(key);
    INVARIANT(index != SIZE_MAX);
    shape_.columns[index].key = true;
  }
  if (!placeholder.empty()) placeholders_ = placeholder_texts(placeholder);
}

size_t RowDecoder::find(const std::string& name) const {
  auto found = by_name_.find(name);
  return found == by_name_.end() ? SIZE_MAX : found->second;
}

size_t RowDecoder::column_of(ondemand::field& field, size_t expected) {
  if (expected < shape_.columns.size() && field.key().unsafe_is_equal(shape_.columns[expected].name))
    return expected;
  std::string_view key;
  if (field.unescaped_key().get(key) != SUCCESS) return SIZE_MAX;
  field_name_ = key;
  auto found = by_name_.find(field_name_);
  return found == by_name_.end() ? SIZE_MAX : found->second;
}

bool RowDecoder::is_placeholder(ondemand::value& value) const {
  if (placeholders_.empty()) return false;
  const char* start = nullptr;
  if (value.current_location().get(start) != SUCCESS) return false;
  if (*start != '"' && *start != '[' && *start != '{') return false;
  // The buffer ends with zeros, and no text has one.
  for (const auto& text : placeholders_)
    if (std::strncmp(start, text.c_str(), text.size()) == 0) return true;
  return false;
}

Failure RowDecoder::append(ondemand::object object, bool key_only, Block& out) {
  size_t base = out.columns.front().rows();
  Failure failure = append_fields(object, key_only, base, out);
  if (!failure) failure = fill_missing(key_only, base, out);
  if (failure) take_back(base, out);
  return failure;
}

Failure RowDecoder::append_fields(ondemand::object object, bool key_only, size_t base, Block& out) {
  size_t expected = 0;
  for (auto item : object) {
    ondemand::field field;
    if (std::move(item).get(field) != SUCCESS) return {not_json, {}};
    size_t index = column_of(field, expected);
    ondemand::value value = field.value();
    if (index == SIZE_MAX) {
      bool note = note_ && field_name_.starts_with("__");
      if (note) {
        if (!note_(field_name_, value)) return {not_json, field_name_};
      } else if (!ignore_unknown_fields_ && !key_only) {
        return {no_such_column, field_name_};
      }
      continue;
    }
    expected = index + 1;
    const ColumnPlan& plan = (*plans_)[index];
    if (key_only && !plan.key) continue;
    Column& column = out.columns[index];
    if (column.rows() != base) return {comes_twice, plan.name};
    if (!plan.key && is_placeholder(value)) {
      column.append_default();
      unchanged_.push_back(index);
      continue;
    }
    if (ValueError error = append_value(plan, value, scratch_, column)) return {error, plan.name};
  }
  return {};
}

Failure RowDecoder::fill_missing(bool key_only, size_t base, Block& out) {
  for (size_t index = 0; index < shape_.columns.size(); ++index) {
    Column& column = out.columns[index];
    if (column.rows() != base) continue;
    const ColumnPlan& plan = shape_.columns[index];
    if (plan.key || (!key_only && !column.type().nullable)) return {missing, plan.name};
    column.append_default();
  }
  return {};
}

void RowDecoder::take_back(size_t base, Block& out) {
  for (size_t index = 0; index < shape_.columns.size(); ++index) {
    Column& column = out.columns[index];
    if (column.rows() > base) column.drop_last(column.rows() - base);
  }
  unchanged_.clear();
}

}  // namespace tidemark::kafka
