// The fields of one JSON object into one row: finds columns by name, knows Debezium's placeholders, takes
// everything back when something does not fit. Only for .cc files of this room: simdjson is a heavy header.
// Threads: one a RowDecoder.
#pragma once

#include "kafka/value_decoder.h"

#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

namespace tidemark::kafka {

struct Failure {
  const char* reason = nullptr;
  std::string column;
  explicit operator bool() const { return reason != nullptr; }
};

inline constexpr const char* not_an_object = "the message is not a JSON object";
inline constexpr const char* comes_twice = "the field comes twice";

// simdjson reads past the end of what it parses.
class PaddedText {
 public:
  simdjson::padded_string_view set(std::string_view text);

 private:
  std::string buffer_;
};

class RowDecoder {
 public:
  // `placeholder`: what stands for values that were not sent; empty: nothing does.
  RowDecoder(TableShape shape, const std::string& placeholder, bool ignore_unknown_fields);

  const TableShape& shape() const { return shape_; }
  // Index of a column; SIZE_MAX: there is none.
  size_t find(const std::string& name) const;
  // The forms of the row that comes next; the shape's own when null.
  void use(const std::vector<ColumnPlan>* plans) { plans_ = plans != nullptr ? plans : &shape_.columns; }
  // Is asked first about fields that are no columns and begin with two underscores: true when it took the
  // value, false when it is not JSON.
  void on_note(std::function<bool(std::string_view, simdjson::ondemand::value)> take) {
    note_ = std::move(take);
  }

  // `key_only`: the other columns get defaults. On failure the block is as it was.
  Failure append(simdjson::ondemand::object object, bool key_only, Block& out);
  // Columns back to `base` rows.
  void take_back(size_t base, Block& out);
  std::vector<size_t>& unchanged() { return unchanged_; }

 private:
  size_t column_of(simdjson::ondemand::field& field, size_t expected);
  bool is_placeholder(simdjson::ondemand::value& value) const;
  Failure append_fields(simdjson::ondemand::object object, bool key_only, size_t base, Block& out);
  Failure fill_missing(bool key_only, size_t base, Block& out);

  TableShape shape_;
  const std::vector<ColumnPlan>* plans_;
  bool ignore_unknown_fields_;
  std::function<bool(std::string_view, simdjson::ondemand::value)> note_;
  std::unordered_map<std::string, size_t> by_name_;
  std::vector<std::string> placeholders_;
  std::string field_name_;
  ValueScratch scratch_;
  std::vector<size_t> unchanged_;
};

}  // namespace tidemark::kafka
